"""Bins that no simulated row reaches.

An empty bin of one sample gets a floor from the configuration, small enough to mean nothing. A bin that no row of *any*
background reaches would let the fit take every event in it for signal, with certainty: there, the background with the
largest yield is given the weight of one of its rows. Either has an error of its own size. Both are makeshifts for bins
that had better be merged; every such bin is reported. No systematic varies an empty bin: rows that enter it under a
variation would be infinitely many times what is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.basf2 import SampleType
from analysis.errors import InputError
from analysis.templates.binning import Binning
from analysis.templates.document import DOWN, NOMINAL, UP, Floor
from analysis.templates.fill import Contents, Filled, Template

FloatArray = NDArray[np.float64]


def with_floors(
    filled: Sequence[Filled], binnings: Sequence[Binning], floor: float
) -> tuple[list[Filled], list[Floor]]:
    """Return the templates with all bins above zero, and the list of those that were raised.

    Parameters
    ----------
    filled
        Templates of all simulated samples.
    binnings
        One per channel.
    floor
        Expected events given to an empty bin.

    Raises
    ------
    InputError
        A bin has a negative content; names channel, sample and bin.
    """
    result: list[Filled] = []
    floors: list[Floor] = []
    for each in filled:
        templates = {}
        for binning in binnings:
            if binning.channel not in each.templates:
                continue
            levels = np.full(binning.size, floor)
            backgrounds = _backgrounds(filled, binning)
            if each is max(backgrounds, key=lambda other: other.process.weight, default=None):
                bare = _without_rows(backgrounds, binning)
                levels[bare] = np.maximum(floor, each.process.weight / each.process.rows)
            raised = _Raise(binning, each, levels)
            templates[binning.channel] = raised.template(each.templates[binning.channel])
            floors.extend(raised.floors)
        result.append(replace(each, templates=templates))
    return result, floors


def _backgrounds(filled: Sequence[Filled], binning: Binning) -> list[Filled]:
    """Return the backgrounds of a channel that have rows."""
    own = [each for each in filled if binning.channel in each.templates]
    return [each for each in own if each.process.type is not SampleType.SIGNAL and each.process.rows]


def _without_rows(backgrounds: Sequence[Filled], binning: Binning) -> NDArray[np.bool_]:
    counts = np.sum([each.templates[binning.channel].counts for each in backgrounds], axis=0)
    bare: NDArray[np.bool_] = counts == 0
    return bare


class _Raise:
    """Raise the empty bins of one template to given levels, and keep a list of them."""

    def __init__(self, binning: Binning, filled: Filled, levels: FloatArray) -> None:
        self.binning, self.process, self.levels = binning, filled.process, levels
        self.floors: list[Floor] = []

    def template(self, template: Template) -> Template:
        """Return the template with all bins above zero, nominal and varied."""
        empty = template.nominal.values == 0
        return replace(
            template,
            nominal=self._contents(template.nominal, NOMINAL),
            variations={
                name: replace(
                    varied,
                    up=self._contents(varied.up, name + UP, told=empty),
                    down=self._contents(varied.down, name + DOWN, told=empty),
                )
                for name, varied in template.variations.items()
            },
        )

    def _contents(self, contents: Contents, variation: str, told: NDArray[np.bool_] | None = None) -> Contents:
        """Raise empty bins; those ``told`` were listed with the nominal contents, and are not varied."""
        self._refuse_negative(contents.values, variation)
        empty = contents.values == 0
        if told is not None:
            empty |= told
        for number in np.flatnonzero(empty if told is None else empty & ~told).tolist():
            process = self.process
            self.floors.append(
                Floor(
                    channel=self.binning.channel,
                    process=process.name,
                    variation=variation,
                    bin=number,
                    label=self.binning.label(number),
                    floor=float(self.levels[number]),
                    one_row=process.weight / process.rows if process.rows else None,
                )
            )
        return Contents(
            np.where(empty, self.levels, contents.values), np.where(empty, self.levels**2, contents.variances)
        )

    def _refuse_negative(self, values: FloatArray, variation: str) -> None:
        negative = np.flatnonzero(values < 0)
        if len(negative):
            number = int(negative[0])
            raise InputError(
                "A template has a negative bin.",
                where=f"channel {self.binning.channel}, sample {self.process.name}, "
                f"bin {number} ({self.binning.label(number)}), {variation}",
                found=f"{values[number]:g} expected events"
                + (f"; {len(negative)} bins are negative" if len(negative) > 1 else ""),
                expected="a sum of weights above zero",
                remedy="merge bins until every bin is positive, or look for wrong negative weights",
            )
