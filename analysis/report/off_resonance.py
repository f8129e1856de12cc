"""Off-resonance data beside simulated continuum: spectra of what the skim keeps, and the normalisations fitted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.basf2 import SampleType
from analysis.config.models import Dataset, Sample
from analysis.inference.results import FitResult
from analysis.io import Columns
from analysis.plots.spectra import Spectrum, round_edges
from analysis.report.html import Cell, Markup, heading, paragraph, table
from analysis.report.likelihood import NormFactor, Workspace, normalisations
from analysis.report.spectra import SampleTable, spectra
from analysis.report.tables import SAMPLE_NAMES, measured, number
from analysis.templates.document import Channel, Document
from analysis.weights import normalisation

# Where continuum differs from BB̄, and what the selection and the tag live on; those that a skim has are shown.
SHOWN = (
    "R2", "thrustOm", "cosTBTO", "roeEextra", "missP", "K_pStar", "K_kaonID", "Btag_l_pStar", "Btag_cosThetaBY",
)  # fmt: skip
# Quantiles of the simulation between which they are shown
RANGE = (0.002, 0.998)


@dataclass(frozen=True)
class Skimmed:
    """One off-resonance sample after the skim.

    Attributes
    ----------
    sample
        Of the configuration.
    columns
        With ``__weight__`` in simulation.
    generated_events, luminosity
        Its size, as the skim's metadata tell it.
    """

    sample: Sample
    columns: Columns
    generated_events: float | None
    luminosity: float | None


def compared(skims: Sequence[Skimmed], dataset: Dataset) -> list[Spectrum]:
    """Return the spectra of data and simulation after the skim; weights are those of generator and luminosity.

    A variable that a skim lacks, or that has no spread in simulation, is not shown.
    """
    tables = [SampleTable(each.sample.type, _weighed(each, dataset)) for each in skims]
    simulated = [each.columns for each in tables if not each.type.is_data]
    edges = {}
    for name in SHOWN:
        if not all(name in each.columns for each in tables):
            continue
        values = np.concatenate([np.zeros(0), *(columns[name] for columns in simulated)])
        # NaN is what basf2 writes where a variable has no meaning.
        values = values[np.isfinite(values)]
        low, high = np.quantile(values, RANGE) if len(values) else (0.0, 0.0)
        if low < high:
            edges[name] = round_edges((low, high), 15)
    return list(spectra(tables, edges, blinded=False, data=SampleType.OFFRES))


def _weighed(skim: Skimmed, dataset: Dataset) -> Columns:
    sample = skim.sample
    if sample.type.is_data:
        return skim.columns
    scale = normalisation(
        sample.type,
        dataset,
        beams=sample.beam_energy,
        generated_events=None if sample.luminosity else skim.generated_events,
        luminosity=skim.luminosity,
        sample=sample.name,
    )
    return {**skim.columns, "weight": skim.columns["__weight__"] * scale.factor}


def off_resonance_page(
    skims: Sequence[Skimmed], dataset: Dataset, document: Document, workspace: Workspace, result: FitResult
) -> list[Markup]:
    """Return data against simulation, after the skim and in the off-resonance channels, and the normalisations."""
    simulated = [each.sample for each in skims if not each.sample.type.is_data]
    return [
        paragraph(
            "Below the Υ(4S) there is continuum alone. Its channels share the normalisations of the continuum samples "
            "with the others; cross sections rise as 1/s, and corr_contD holds what may differ between the energies."
        ),
        heading("Data and simulation"),
        table(
            ["stage", "simulation, before the fit", "data", "data / simulation"],
            list(_counts(skims, dataset, document)),
        ),
        paragraph("After the skim, weights are those of generator and luminosity; in channels all.", note=True),
        heading("Normalisations of continuum, fitted in all channels together"),
        table(
            ["parameter", "sample", "pull", "factor before", "factor after"], list(_norms(simulated, workspace, result))
        ),
        paragraph("Factors: the value, and those one standard deviation down and up.", note=True),
    ]


def _counts(skims: Sequence[Skimmed], dataset: Dataset, document: Document) -> Iterable[list[Cell]]:
    weights = [_weighed(each, dataset) for each in skims]
    simulated = [c["weight"] for each, c in zip(skims, weights, strict=True) if not each.sample.type.is_data]
    data = sum(len(next(iter(each.columns.values()))) for each in skims if each.sample.type.is_data)
    total = math.fsum(float(w.sum()) for w in simulated)
    yield ["skim, candidates", number(total, 4), number(data, 5), number(data / total, 3) if total else "–"]
    for channel in document.channels:
        if channel.beam_energy is skims[0].sample.beam_energy:
            yield _channel_counts(channel, document)


def _channel_counts(channel: Channel, document: Document) -> list[Cell]:
    yields = channel.processes.values()
    total = math.fsum(sum(each.expected) for each in yields)
    error = math.sqrt(math.fsum(value**2 for each in yields for value in each.error))
    observed = document.observed(channel.name)
    data = None if observed is None else float(observed.sum())
    ratio = "–" if data is None else measured(data / total, math.sqrt(data + (data / total * error) ** 2) / total)
    return [f"channel {channel.name}, events", measured(total, error), "–" if data is None else number(data, 5), ratio]


def _norms(samples: Sequence[Sample], workspace: Workspace, result: FitResult) -> Iterable[list[Cell]]:
    by_name = {parameter.name: parameter for parameter in result.parameters}
    for sample in samples:
        for norm in normalisations(workspace, sample.name):
            fitted = by_name[norm.name]

            def factors(value: float, error: float, norm: NormFactor = norm) -> str:
                middle, low, high = (_factor(norm, value + sigmas * error) for sigmas in (0, -1, 1))
                return f"{number(middle, 3)} ({number(low, 3)} – {number(high, 3)})"

            yield [
                norm.name, SAMPLE_NAMES[sample.type], number(fitted.value, 2), factors(0.0, 1.0),
                factors(fitted.value, fitted.error),
            ]  # fmt: skip


def _factor(norm: NormFactor, value: float) -> float:
    """Return what a normsys multiplies by: pyhf's code 1, exponential on either side."""
    return float(norm.up**value if value >= 0 else norm.down**-value)
