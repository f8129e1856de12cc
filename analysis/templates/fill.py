"""Histograms of one sample: sums of weights per bin, once as they are and once for every systematic variation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.basf2 import BeamEnergy, SampleType
from analysis.errors import InputError
from analysis.sharing import Sharing, decays_of
from analysis.systematics import Shift, Source
from analysis.templates.binning import OUTSIDE, Binning
from analysis.templates.document import Process

Array = NDArray[Any]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SampleTable:
    """The rows of one sample, with the columns that the templates need.

    ``varied`` holds, by the name of a variation, what selection and BDT made of the sample's alternative columns. Only
    channels of its ``beam_energy`` are filled.
    """

    name: str
    type: SampleType
    columns: Mapping[str, NDArray[Any]]
    varied: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)
    beam_energy: BeamEnergy = BeamEnergy.ON_RESONANCE

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values())))


@dataclass(frozen=True)
class Contents:
    """Bin contents, (bins,) each.

    Attributes
    ----------
    values
        Sum of weights.
    variances
        Their statistical variance; see `accumulate`.
    """

    values: FloatArray
    variances: FloatArray


@dataclass(frozen=True)
class Varied:
    """Both sides of one systematic variation of one template."""

    up: Contents
    down: Contents
    one_sided: bool


@dataclass(frozen=True)
class Template:
    """One sample in one channel.

    Attributes
    ----------
    nominal
        Bin contents.
    counts
        (bins,) int64: rows, unweighted.
    outside_rows, outside_weight
        Rows, and their weight, in no bin of the channel.
    variations
        Name of the source -> both sides, for the sources that act on the sample.
    """

    nominal: Contents
    counts: NDArray[np.int64]
    outside_rows: int
    outside_weight: float
    variations: Mapping[str, Varied]

    @property
    def n_effective(self) -> FloatArray:
        """Equivalent number of independent rows of equal weight, (sum of weights)² / variance; 0 in empty bins."""
        return np.divide(
            self.nominal.values**2,
            self.nominal.variances,
            out=np.zeros_like(self.nominal.values),
            where=(self.counts > 0) & (self.nominal.variances > 0),
        )


@dataclass(frozen=True)
class Filled:
    """One sample in all channels.

    Attributes
    ----------
    process
        The sample.
    templates
        By channel, for the channels of the sample's energy.
    sources
        Names of the systematic sources that act on it.
    """

    process: Process
    templates: Mapping[str, Template]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Cells:
    """Rows sorted into the bins of a channel.

    Attributes
    ----------
    rows
        (m,) indices of the rows inside any bin.
    sharing
        Their bins, and what they share.
    """

    rows: NDArray[np.int64]
    sharing: Sharing

    @classmethod
    def of(cls, columns: Mapping[str, Array], binning: Binning) -> Cells:
        """Sort the rows of a table, which share the simulated decays that its columns name (`analysis.sharing`)."""
        index = binning.index(columns)
        rows = np.flatnonzero(index != OUTSIDE)
        decays = decays_of(columns)
        return cls(rows, Sharing.of(None if decays is None else decays[rows], index[rows], binning.size))

    @property
    def counts(self) -> NDArray[np.int64]:
        """Rows per bin."""
        return np.bincount(self.sharing.bins, minlength=self.sharing.size)

    def accumulate(self, weights: FloatArray) -> Contents:
        """Return the sums of weights per bin and their variances.

        Rows that share a simulated decay are not independent: `analysis.sharing.Sharing.variances`. Correlations
        *between* bins through a shared decay are neglected: a HistFactory ``staterror`` can't express them.

        Parameters
        ----------
        weights : (n,)
            One per row of the table, not of the cells.
        """
        inside = weights[self.rows]
        values = np.bincount(self.sharing.bins, inside, self.sharing.size).astype(np.float64)
        return Contents(values, self.sharing.variances(inside))


def fill(
    columns: Mapping[str, Array],
    binnings: Sequence[Binning],
    sources: Sequence[Source],
    *,
    sample: str,
    tables: Mapping[str, Mapping[str, Array]] | None = None,
) -> dict[str, Template]:
    """Return the templates of one simulated sample, by channel.

    Parameters
    ----------
    columns
        name -> (n,) array: what the binnings and the sources need, ``weight``, and those of `analysis.sharing.DECAYS`
        that there are.
    binnings
        One per channel.
    sources
        The systematic sources that act on this sample.
    sample
        Named in errors.
    tables
        Varied tables by name, with what the binnings need, ``weight`` and decays, too.

    Raises
    ------
    InputError
        A weight, or a varied weight, is not finite; a varied column has another length.
    """
    weights = np.asarray(columns["weight"], dtype=np.float64)
    _require_finite(weights, "weight", sample)
    cells = [Cells.of(columns, each) for each in binnings]
    varied: list[dict[str, Varied]] = [{} for _ in binnings]
    nominal = [cell.accumulate(weights) for cell in cells]
    for source in sources:
        # Sources first: the ratios of one source at a time are in memory, and serve all channels.
        variation = source.vary(columns)

        def contents(shift: Shift, label: str) -> list[Contents]:
            if shift.table is not None:
                return _replaced(shift, (tables or {})[shift.table], binnings, label, sample)
            return _shifted(shift, columns, weights, binnings, cells, label, sample)

        up = contents(variation.up, f"{source.name} up")
        down = None if variation.down is None else contents(variation.down, f"{source.name} down")
        for number, centre in enumerate(nominal):
            other = _mirrored(centre, up[number]) if down is None else down[number]
            varied[number][source.name] = Varied(up[number], other, one_sided=down is None)
    return {
        each.channel: Template(
            nominal=centre,
            counts=cell.counts,
            outside_rows=len(weights) - len(cell.rows),
            outside_weight=float(weights.sum() - centre.values.sum()),
            variations=variations,
        )
        for each, cell, centre, variations in zip(binnings, cells, nominal, varied, strict=True)
    }


def count(columns: Mapping[str, Array], binning: Binning) -> NDArray[np.int64]:
    """Return the number of data rows per bin, (bins,)."""
    index = binning.index(columns)
    return np.bincount(index[index != OUTSIDE], minlength=binning.size)


def _shifted(
    shift: Shift,
    columns: Mapping[str, Array],
    weights: FloatArray,
    binnings: Sequence[Binning],
    cells: Sequence[Cells],
    label: str,
    sample: str,
) -> list[Contents]:
    """Return the contents of one side of a variation, per channel."""
    for name, values in shift.columns.items():
        if np.shape(values) != weights.shape:
            raise InputError(
                "A varied column does not have one value per row.",
                where=f"sample {sample}, {label}, column {name}",
                found=f"shape {np.shape(values)}",
                expected=f"shape {weights.shape}",
                remedy="correct `vary` of the source: it must return the rows that it was given",
            )
    shifted = weights * np.asarray(shift.ratio, dtype=np.float64)
    _require_finite(shifted, f"varied weight, {label}", sample)
    if shift.columns:
        moved = {**columns, **shift.columns}
        cells = [
            Cells.of(moved, each) if each.names & shift.columns.keys() else cell
            for each, cell in zip(binnings, cells, strict=True)
        ]
    return [cell.accumulate(shifted) for cell in cells]


def _replaced(
    shift: Shift,
    varied: Mapping[str, Array],
    binnings: Sequence[Binning],
    label: str,
    sample: str,
) -> list[Contents]:
    """Return the contents that the rows of a varied table give, per channel."""
    if shift.prepare is not None:
        varied = shift.prepare(varied)
    weights = np.asarray(varied["weight"], dtype=np.float64) * np.asarray(shift.ratio, dtype=np.float64)
    _require_finite(weights, f"varied weight, {label}", sample)
    return [Cells.of(varied, each).accumulate(weights) for each in binnings]


def _mirrored(nominal: Contents, up: Contents) -> Contents:
    """Return the other side of a one-sided variation: the same distance below the nominal, not below zero."""
    return Contents(np.maximum(2 * nominal.values - up.values, 0.0), up.variances)


def _require_finite(values: FloatArray, what: str, sample: str) -> None:
    if not np.isfinite(values.sum()):
        bad = int(np.count_nonzero(~np.isfinite(values)))
        raise InputError(
            "Weights are not finite.",
            where=f"sample {sample}, {what}",
            found=f"{bad} of {len(values)} rows are NaN or infinite",
            expected="a finite number in every row",
            remedy="look for the factor (`w_…` columns) that is not finite, and mend the stage that made it",
        )
