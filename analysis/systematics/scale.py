"""Uncertainties that are the same for every event of a sample: luminosity and number of BB̄ pairs."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.basf2 import SampleType
from analysis.config.models import Dataset, Systematics
from analysis.systematics.source import BBBAR, CONTINUUM, SIGNAL, Columns, Shift, Source, Variation


def sources(dataset: Dataset, settings: Systematics) -> Iterator[Source]:
    """Yield ``corr_lumi_c1`` (continuum) and ``corr_bb_c1`` (signal and BB̄).

    Continuum is normalised to luminosity x cross section, signal and BB̄ to the number of BB̄ pairs: the two are
    measured independently, so each acts on its own samples only.
    """
    if settings.luminosity and dataset.luminosity_uncertainty > 0:
        yield _scale(
            "corr_lumi_c1",
            "luminosity",
            CONTINUUM,
            dataset.luminosity_uncertainty,
            "dataset.luminosity_uncertainty",
        )
    if settings.n_bb and dataset.n_bb_uncertainty > 0:
        yield _scale("corr_bb_c1", "n_bb", SIGNAL | BBBAR, dataset.n_bb_uncertainty, "dataset.n_bb_uncertainty")


def _scale(name: str, group: str, applies: frozenset[SampleType], size: float, origin: str) -> Source:
    def vary(columns: Columns) -> Variation:  # noqa: ARG001 - every row alike
        return Variation(Shift(1 + size), Shift(1 - size))

    return Source(name, group, applies, frozenset(), vary, f"±{size:.3%} on every event, from `{origin}`")
