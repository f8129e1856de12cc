"""Distributions of variables, from the tables of scored events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.basf2 import SampleType
from analysis.io import Columns
from analysis.plots import PANELS_PER_PAGE
from analysis.plots.histograms import Component, Floats, fill, merged
from analysis.plots.spectra import Spectrum
from analysis.sharing import decays_of
from analysis.weighted import Weighted


@dataclass(frozen=True)
class SampleTable:
    """One sample's events.

    Attributes
    ----------
    type
        What it holds.
    columns
        At least ``weight`` (simulation only) and the variables asked for; the decays behind rows that share them.
    """

    type: SampleType
    columns: Columns


def spectra(
    tables: Iterable[SampleTable],
    edges: Mapping[str, Floats],
    *,
    blinded: bool,
    data: SampleType = SampleType.DATA,
) -> tuple[Spectrum, ...]:
    """Histogram variables of all samples.

    Parameters
    ----------
    tables
        One at a time.
    edges
        Column → bin edges.
    blinded
        Data are not looked at: the distributions hold the events of signal regions.
    data
        Type of the data that are shown; those of the other type have another luminosity.
    """
    components: dict[str, list[Component]] = {column: [] for column in edges}
    counted: dict[str, NDArray[np.float64]] = {}
    for table in tables:
        for column, bins in edges.items():
            if not table.type.is_data:
                rows = Weighted(table.columns[column], table.columns["weight"], decays_of(table.columns))
                components[column].append(fill(table.type, rows, bins))
            elif table.type is data and not blinded:
                ones = np.ones(len(table.columns[column]))
                counts = fill(table.type, Weighted(table.columns[column], ones), bins).values
                counted[column] = counted.get(column, np.zeros_like(counts)) + counts
    return tuple(
        Spectrum(
            column=column,
            edges=np.asarray(bins, dtype=float),
            backgrounds=tuple(part for part in merged(components[column]) if part.type is not SampleType.SIGNAL),
            signal=next((part for part in merged(components[column]) if part.type is SampleType.SIGNAL), None),
            data=counted.get(column),
        )
        for column, bins in edges.items()
    )


def pages(shown: Sequence[Spectrum]) -> list[Sequence[Spectrum]]:
    """Return the spectra page by page."""
    return [shown[start : start + PANELS_PER_PAGE] for start in range(0, len(shown), PANELS_PER_PAGE)]
