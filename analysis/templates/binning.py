"""Which bin of a channel a row falls into."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analysis.basf2 import BeamEnergy
from analysis.config.models import Channel
from analysis.errors import InputError
from analysis.ntuples.expression import Expression

Array = NDArray[Any]
OUTSIDE = -1


@dataclass(frozen=True)
class Binning:
    """The region and the axes of a channel.

    Attributes
    ----------
    channel
        Name of the channel.
    cut
        The region; None takes every row.
    columns
        One column per axis.
    edges
        (k + 1,) rising edges per axis. Bins are half-open, [low, high); the last edge belongs to the last bin.
    beam_energy
        Only samples of this energy have rows in the channel.
    """

    channel: str
    cut: Expression | None
    columns: tuple[str, ...]
    edges: tuple[tuple[float, ...], ...]
    beam_energy: BeamEnergy = BeamEnergy.ON_RESONANCE

    @classmethod
    def of(cls, channel: Channel) -> Self:
        """Return the binning of a configured channel."""
        return cls(
            channel.name,
            Expression.parse(channel.cut) if channel.cut.strip() else None,
            tuple(axis.column for axis in channel.axes),
            tuple(axis.edges for axis in channel.axes),
            channel.beam_energy,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of bins along each axis."""
        return tuple(len(edges) - 1 for edges in self.edges)

    @property
    def size(self) -> int:
        """Number of bins; they are numbered in C order, the last axis running fastest."""
        return math.prod(self.shape)

    @property
    def names(self) -> frozenset[str]:
        """Every column that the region and the axes need."""
        return frozenset(self.columns) | (self.cut.names if self.cut else frozenset())

    def ranges(self, number: int) -> dict[str, tuple[float, float]]:
        """Return the lower and upper edge of a bin on every axis, by column."""
        place = np.unravel_index(number, self.shape)
        return {
            column: (edges[i], edges[i + 1]) for column, edges, i in zip(self.columns, self.edges, place, strict=True)
        }

    def label(self, number: int) -> str:
        """Return the meaning of a bin in words, e.g. ``'eta 0.4-0.6, q2_rec -1-4'``."""
        return ", ".join(
            f"{column} [{low:g}, {high:g}{']' if high == edges[-1] else ')'}"
            for (column, (low, high)), edges in zip(self.ranges(number).items(), self.edges, strict=True)
        )

    def index(self, columns: Mapping[str, Array]) -> NDArray[np.int64]:
        """Return the bin number of every row.

        Parameters
        ----------
        columns
            name -> (n,) array; at least `names`.

        Returns
        -------
        (n,) int64; `OUTSIDE` for rows outside the region or beyond the edges of an axis.

        Raises
        ------
        InputError
            A row inside the region has NaN on an axis: whether it belongs to a bin cannot be told.
        """
        length = len(columns[self.columns[0]])
        inside = self.cut.mask(columns) if self.cut else np.ones(length, dtype=bool)
        number = np.zeros(length, dtype=np.int64)
        for name, edges in zip(self.columns, self.edges, strict=True):
            values = np.asarray(columns[name])
            self._refuse_nan(name, values, inside)
            along = np.searchsorted(edges, values, side="right") - 1
            along[values == edges[-1]] = len(edges) - 2
            inside &= (along >= 0) & (along < len(edges) - 1)
            number = number * (len(edges) - 1) + along
        return np.where(inside, number, OUTSIDE)

    def _refuse_nan(self, name: str, values: Array, inside: NDArray[np.bool_]) -> None:
        bad = int(np.count_nonzero(np.isnan(values) & inside))
        if bad:
            raise InputError(
                "An axis of a channel has rows that are not a number.",
                where=f"channel {self.channel}, column {name}",
                found=f"{bad} of {int(np.count_nonzero(inside))} rows are NaN",
                expected="a number in every row of the region",
                remedy=f"exclude them by the channel's cut (`{name} == {name}`), or mend the column",
            )


def refuse_overlap(columns: Mapping[str, Array], binnings: Sequence[Binning], sample: str, *, hide: bool) -> None:
    """Refuse channels that share events: these would count twice, and data of a blinded region would be seen.

    Parameters
    ----------
    columns
        name -> (n,) array; at least the names of all binnings.
    binnings
        All channels.
    sample
        Named in the error.
    hide
        Tell no number: blinded data.

    Raises
    ------
    InputError
        A row lies in bins of two channels.
    """
    first = np.full(len(next(iter(columns.values()))), OUTSIDE)
    for number, binning in enumerate(binnings):
        try:
            inside = binning.index(columns) != OUTSIDE
        except InputError:
            if not hide:
                raise
            raise InputError(
                "A channel has rows whose bin cannot be told: NaN on an axis.",
                where=f"channel {binning.channel}, sample {sample}",
                found="how many is not told: the data are blinded",
                remedy=f"exclude them by the channel's cut, or mend the columns {', '.join(sorted(binning.names))}",
            ) from None
        shared = inside & (first != OUTSIDE)
        if shared.any():
            other = binnings[int(first[shared][0])].channel
            raise InputError(
                "Two channels share events.",
                where=f"templates.channels: {other} and {binning.channel}, sample {sample}",
                found="events in both" if hide else f"{int(shared.sum())} rows in both",
                expected="every event in one channel at most: it would be counted twice",
                remedy="give them cuts or edges that exclude each other",
            )
        first[inside] = number
