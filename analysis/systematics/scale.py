"""Uncertainties that are the same for every event of a sample: luminosities and number of BB̄ pairs."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.basf2 import BeamEnergy, SampleType
from analysis.config.models import Dataset, Systematics
from analysis.systematics.source import BBBAR, CONTINUUM, ENERGIES, SIGNAL, Columns, Shift, Source, Variation


def sources(dataset: Dataset, settings: Systematics) -> Iterator[Source]:
    """Yield ``corr_lumi_c1`` (continuum), ``corr_bb_c1`` (signal and BB̄) and ``corr_contD_c1`` (off resonance).

    Continuum is normalised to luminosity x cross section, signal and BB̄ to the number of BB̄ pairs: the two are
    measured independently, so each acts on its own samples only. The luminosity's uncertainty is common to both
    energies; what differs between them (the ratio of the luminosities, the step in energy) is ``corr_contD``, as in the
    published likelihood.
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
        yield _scale("corr_bb_c1", "number of BB̄", SIGNAL | BBBAR, dataset.n_bb_uncertainty, "dataset.n_bb_uncertainty")
    if settings.off_resonance > 0:
        off = frozenset({BeamEnergy.OFF_RESONANCE})
        size = settings.off_resonance
        yield _scale("corr_contD_c1", "off-resonance", CONTINUUM, size, "systematics.off_resonance", off)


def _scale(
    name: str,
    group: str,
    applies: frozenset[SampleType],
    size: float,
    origin: str,
    energies: frozenset[BeamEnergy] = ENERGIES,
) -> Source:
    def vary(columns: Columns) -> Variation:  # noqa: ARG001 - every row alike
        return Variation(Shift(1 + size), Shift(1 - size))

    note = f"±{size:.3%} on every event, from `{origin}`"
    return Source(name, group, applies, frozenset(), vary, note, energies=energies)
