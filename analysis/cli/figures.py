"""Draw the figures and tables of the report, one group at a time.

Figures are SVG, tables HTML; both carry their provenance inside. While the analysis is blinded no data of a signal
region are read.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import config, io, provenance
from analysis.basf2 import BeamEnergy, SampleType
from analysis.errors import InputError
from analysis.log import logger
from analysis.sharing import DECAYS

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pydantic import JsonValue

    from analysis.cutflow import CutFlow
    from analysis.inference.results import FitResult
    from analysis.plots.style import Tag
    from analysis.report.html import Markup
    from analysis.report.spectra import SampleTable

HELP = "draw the figures and tables of the report"

SETTINGS = ("name", "blinded", "dataset", "samples", "templates")


class Writer:
    """Writes the outputs of one group into its folder, each with the same provenance."""

    def __init__(self, folder: str | Path, origin: JsonValue) -> None:
        self.folder = Path(folder)
        self.origin = origin

    def figure(self, name: str, figure: Figure) -> None:
        """Write a figure."""
        from analysis.plots.style import save

        save(figure, self.folder / f"{name}.svg", self.origin)
        logger.info("written: %s", self.folder / f"{name}.svg")

    def page(self, name: str, title: str, content: Sequence[Markup]) -> None:
        """Write a page."""
        from analysis.report.html import page

        with io.atomic(self.folder / f"{name}.html") as path:
            path.write_text(page(title, *content, provenance=self.origin), encoding="utf-8")
        logger.info("written: %s", self.folder / f"{name}.html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    groups = parser.add_subparsers(dest="group", required=True, metavar="GROUP")
    for name, (draw, inputs, text) in GROUPS.items():
        group = groups.add_parser(name, help=text)
        group.add_argument("--config", metavar="YAML", required=True, help="configuration file")
        group.add_argument("--output", metavar="FOLDER", required=True, help="folder for the figures and tables")
        for option in inputs:
            group.add_argument(f"--{option}", metavar="JSON", required=True)
        group.add_argument("files", metavar="FILE", nargs="*", help="files of all samples")
        group.set_defaults(draw=draw, inputs=inputs)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    settings = config.load(args.config)
    named = [getattr(args, option) for option in args.inputs]
    inputs = [*named, *args.files]
    with_provenance = [path for path in inputs if Path(path).name != "workspace.json"]
    origin = provenance.collect(
        "figures",
        config.settings(settings, *SETTINGS),
        inputs=inputs,
        conditions=provenance.conditions_of(path for path in with_provenance if _has_provenance(path)),
    )
    args.draw(args, settings, tag_of(settings), Writer(args.output, origin))


def _has_provenance(path: str | Path) -> bool:
    return Path(path).suffix == ".parquet" or "provenance" in io.read_json(path)


def tag_of(settings: config.Config) -> Tag:
    """Return what stands above the figures: it never claims more than the configuration tells."""
    from analysis.plots.style import Tag

    simulated = all(sample.simulated for sample in settings.samples)
    return Tag("Toy simulation" if simulated else "Private work", settings.dataset.luminosity)


def off_resonance(settings: config.Config) -> set[str]:
    """Return the names of the samples at the energy below the Υ(4S)."""
    return {sample.name for sample in settings.samples if sample.beam_energy is BeamEnergy.OFF_RESONANCE}


def tag_off_resonance(settings: config.Config) -> Tag:
    """Return the same for figures of off-resonance data: their luminosity."""
    return replace(tag_of(settings), luminosity=settings.dataset.recorded(BeamEnergy.OFF_RESONANCE))


def _selection(args: argparse.Namespace, settings: config.Config, tag: Tag, write: Writer) -> None:
    from analysis.plots.selection import Flow, cut_flow
    from analysis.report.tables import cut_flow_tables

    flows = _cut_flows(args.files, settings)
    _bdt(args, settings, tag, write)
    off = off_resonance(settings)
    shown = [flow for flow in flows if not SampleType(flow.type).is_data and flow.sample not in off]
    write.figure(
        "cut_flow",
        cut_flow(
            [
                Flow(
                    SampleType(flow.type),
                    tuple(step.name for step in flow.steps),
                    tuple(step.sum_w for step in flow.steps),
                )
                for flow in shown
            ],
            tag,
        ),
    )
    write.page("cut_flow", "Cut flow", cut_flow_tables([flow for flow in flows if not flow.withheld]))


def _cut_flows(paths: Sequence[str], settings: config.Config) -> list[CutFlow]:
    """Return the cut flows in the order of the configuration."""
    from analysis.cutflow import CutFlow

    files = [path for path in paths if path.endswith(".cutflow.json")]
    flows = {flow.sample: flow for flow in (io.read_model(path, CutFlow, "preselection") for path in files)}
    missing = [sample.name for sample in settings.samples if sample.name not in flows and not sample.type.is_data]
    if missing:
        raise InputError("Samples have no cut flow.", where=", ".join(missing), remedy="give the files of all samples")
    return [flows[sample.name] for sample in settings.samples if sample.name in flows]


def _bdt(args: argparse.Namespace, settings: config.Config, tag: Tag, write: Writer) -> None:
    import numpy as np

    from analysis.bdt.report import Training
    from analysis.plots import classifier
    from analysis.plots import spectra as variables
    from analysis.report import training as shown
    from analysis.report.spectra import pages, spectra
    from analysis.report.tables import training_tables

    training = io.read_model(args.training, Training, "train-bdt")
    edges = {each.name: variables.round_edges(each.edges) for each in training.inputs}
    edges["eta"] = np.round(np.linspace(0.0, 1.0, 21), 12)
    *inputs, eta = spectra(_tables(args.files, list(edges), settings), edges, blinded=settings.blinded)
    for number, page in enumerate(pages(inputs), start=1):
        write.figure(f"inputs_{number}", variables.input_page(page, tag))
    write.figure("eta", variables.spectrum(eta, tag, log=True, boundaries=_eta_edges(settings)))
    write.figure("roc", classifier.roc(shown.curves(training), tag))
    write.figure("overtraining", classifier.overtraining(shown.scores(training), tag, shown.compatibility(training)))
    write.figure("importance", classifier.importance(shown.importance(training), tag))
    correlations = shown.correlations(training)
    write.figure(
        "input_correlations",
        classifier.input_correlations(correlations.inputs, correlations.signal, correlations.background, tag),
    )
    write.figure(
        "q2_correlations",
        classifier.q2_correlations(correlations.inputs, correlations.signal_q2, correlations.background_q2, tag),
    )
    write.figure("eta_profile", classifier.eta_profile(*shown.eta_profile(training), tag))
    write.page("training", "BDT training", training_tables(training))


def _tables(paths: Sequence[str], columns: Sequence[str], settings: config.Config) -> Iterator[SampleTable]:
    """Yield the on-resonance tables with the columns asked for; those of data only if they may be looked at."""
    import pyarrow.parquet as pq

    from analysis.report.spectra import SampleTable

    off = off_resonance(settings)
    for path in paths:
        if not path.endswith(".parquet"):
            continue
        metadata = io.read_table(path, columns=[]).metadata
        kind = SampleType(metadata["type"])
        if metadata["sample"] in off or (kind.is_data and settings.blinded):
            continue
        shared = [name for name in DECAYS if name in pq.read_schema(path).names]
        wanted = list(columns) if kind.is_data else [*columns, "weight", *shared]
        yield SampleTable(kind, io.read_table(path, wanted).columns)


def _eta_edges(settings: config.Config) -> list[float]:
    """Return the bin edges of the fit in η: lines in the figure of η."""
    channels = settings.templates.channels if settings.templates else ()
    return sorted(
        {edge for each in channels for axis in each.axes if axis.column == "eta" for edge in axis.edges if 0 < edge < 1}
    )


def _templates(args: argparse.Namespace, settings: config.Config, tag: Tag, write: Writer) -> None:
    from analysis.inference.results import FitResult
    from analysis.plots import templates
    from analysis.report import likelihood
    from analysis.report.tables import systematics_table, yields_tables
    from analysis.templates.document import Document

    document = io.read_model(args.templates, Document, "templates")
    workspace = io.read_json(args.workspace)
    result = io.read_model(args.result, FitResult, "fit")
    before = likelihood.expected_before(workspace)
    tags = {
        each.name: tag if each.beam_energy is BeamEnergy.ON_RESONANCE else tag_off_resonance(settings)
        for each in document.channels
    }
    for stage, channels in (
        ("before", likelihood.channels_before(document, result, before)),
        ("after", likelihood.channels_after(document, result)),
    ):
        for channel in channels:
            band = f"uncertainty {stage} the fit"
            figure = templates.channel(channel, tags[channel.name], stage=f"{stage.title()} the fit", band=band)
            write.figure(f"{stage}_{channel.name}", figure)
    shapes = {each.name: likelihood.variations(workspace, document, each.name) for each in document.processes}
    statistics = {each.name: likelihood.statistical(document, each.name) for each in document.processes}
    for each in document.processes:
        bins = likelihood.channel_bins(document, each.name)
        figure = templates.variations(each.type, shapes[each.name], statistics[each.name], bins, tag)
        write.figure(f"variations_{each.name}", figure)
    factors = {each.name: likelihood.normalisations(workspace, each.name) for each in document.processes}
    write.page("systematics", "Systematic uncertainties", systematics_table(shapes, factors, statistics, document))
    write.page("yields", "Events before and after the fit", yields_tables(document, result))


def _fit(args: argparse.Namespace, settings: config.Config, tag: Tag, write: Writer) -> None:
    import numpy as np

    from analysis.inference.results import FitResult, Scan
    from analysis.plots import comparisons, parameters, scans
    from analysis.report import likelihood, summary

    workspace = io.read_json(args.workspace)
    result = io.read_model(args.result, FitResult, "fit")
    scan = io.read_model(args.scan, Scan, "scan")
    write.figure("pulls", parameters.pulls(likelihood.pulls(workspace, result), tag))
    write.figure("simulation_pulls", parameters.simulation_pulls(likelihood.simulation_pulls(workspace, result), tag))
    matrix = np.asarray(result.correlations.matrix, dtype=float)
    write.figure("correlations", parameters.correlations(result.correlations.names, matrix, result.poi, tag))
    write.figure("scan", scans.scan(likelihood.likelihood_scan(scan, result), tag))
    write.figure(
        "comparison", comparisons.comparison(summary.measurements(result, tag), summary.standard_model(result), tag)
    )
    _closure(args, tag, write)
    _summary(args, settings, tag, write, result)


def _closure(args: argparse.Namespace, tag: Tag, write: Writer) -> None:
    import numpy as np

    from analysis.closure import Closure, verdict
    from analysis.plots import closure

    found = io.read_model(args.closure, Closure, "closure")
    shown = [
        closure.Pulls(
            point.mu,
            np.asarray(point.pulls),
            point.pull_mean,
            point.pull_width,
            point.expected_width,
            verdict(point),
        )
        for point in found.points
    ]
    write.figure("closure", closure.pulls(shown, tag))


def _inference(args: argparse.Namespace, settings: config.Config, tag: Tag, write: Writer) -> None:  # noqa: ARG001
    from analysis.cli._drawing import of_impacts, of_toys
    from analysis.inference.results import FitResult, Impacts, Scan, ToyStudy
    from analysis.plots.intervals import belt
    from analysis.report.inference import coverage_page, impacts_page

    study = io.read_model(args.toys, ToyStudy, "toys")
    impacts = io.read_model(args.impacts, Impacts, "impacts")
    result = io.read_model(args.result, FitResult, "fit")
    scan = io.read_model(args.scan, Scan, "scan")
    for name, figure in (*of_toys(study, tag), *of_impacts(impacts, tag), ("belt", belt(study.belt, scan, tag))):
        write.figure(name, figure)
    write.page("coverage_numbers", "Coverage of the intervals", coverage_page(study, result))
    write.page("impacts_numbers", "Impacts of the parameters on μ", impacts_page(impacts))


def _combination(args: argparse.Namespace, settings: config.Config, tag: Tag, write: Writer) -> None:
    from analysis.cli._drawing import of_sensitivities
    from analysis.inference.results import Sensitivities
    from analysis.report.inference import combination_page

    found = io.read_model(args.sensitivity, Sensitivities, "combine")
    for name, figure in of_sensitivities(found, tag):
        write.figure(name, figure)
    write.page("combination", "Combination with published likelihoods", combination_page(found, tag_of(settings).text))


def _summary(args: argparse.Namespace, settings: config.Config, tag: Tag, write: Writer, result: FitResult) -> None:
    from analysis.conditions.ledger import read_findings, read_ledger
    from analysis.report.origins import conditions_tables, findings_tables, provenance_tables
    from analysis.report.summary import result_page, summarise

    found = summarise(settings.name, tag, result, _cut_flows(args.files, settings), write.origin)
    io.write_json(write.folder / "summary.json", found.model_dump(mode="json"))
    write.page("result", "B⁺ → K⁺νν̄ with semileptonic tags: the result", result_page(found))
    tables = [*conditions_tables(read_ledger(args.ledger)), *findings_tables(read_findings(args.ledger))]
    write.page("conditions", "Conditions of the samples", tables)
    chain = {
        path: provenance.Provenance(**provenance.read_provenance(path))
        for path in [*args.files, args.result, args.scan]
        if _has_provenance(path)
    }
    write.page("provenance", "Provenance of the outputs", provenance_tables(chain))


def _validation(args: argparse.Namespace, settings: config.Config, tag: Tag, write: Writer) -> None:  # noqa: ARG001
    from analysis.plots import validation
    from analysis.report.validation import validation_page
    from analysis.validation.document import Validation
    from analysis.validation.samples import PUBLISHED

    found = io.read_model(args.validation, Validation, "validate-simulation")
    write.figure("validation_pools", validation.pools(found.pools, tag))
    write.figure("validation_q2", validation.spectrum(found.q2, tag))
    write.figure("validation_kaon_id", validation.identification(found.identification, tag, "kaonID > 0.9"))
    write.figure("validation_d_mass", validation.peaks(found.peaks, tag))
    write.figure("validation_probability", validation.calibration(found.calibration, tag))
    write.figure("validation_composition", validation.composition(found.composition, dict(PUBLISHED), tag))
    write.page("validation", "Validation of the toy samples", list(validation_page(found)))


def _off_resonance(args: argparse.Namespace, settings: config.Config, tag: Tag, write: Writer) -> None:  # noqa: ARG001
    from analysis.inference.results import FitResult
    from analysis.plots.spectra import input_page
    from analysis.report.off_resonance import Skimmed, compared, off_resonance_page
    from analysis.templates.document import Document

    skims = []
    for table in map(io.read_table, args.files):
        sample, told = settings.sample(table.metadata["sample"]), table.metadata
        skims.append(Skimmed(sample, table.columns, told.get("generated_events"), told.get("luminosity")))
    write.figure("off_resonance", input_page(compared(skims, settings.dataset), tag_off_resonance(settings)))
    document = io.read_model(args.templates, Document, "templates")
    result = io.read_model(args.result, FitResult, "fit")
    page = off_resonance_page(skims, settings.dataset, document, io.read_json(args.workspace), result)
    write.page("off_resonance", "Off-resonance data", page)


Draw = Callable[[argparse.Namespace, config.Config, "Tag", Writer], None]
GROUPS: Mapping[str, tuple[Draw, tuple[str, ...], str]] = {
    "selection": (
        _selection,
        ("training",),
        "cut flow, BDT, its inputs; FILES: cut flows and scored tables of all samples",
    ),
    "templates": (_templates, ("templates", "workspace", "result"), "bins before and after the fit, variations"),
    "fit": (
        _fit,
        ("workspace", "result", "scan", "closure", "ledger"),
        "result, pulls, scan, closure, conditions, provenance; FILES: outputs of all stages",
    ),
    "off-resonance": (
        _off_resonance,
        ("templates", "workspace", "result"),
        "off-resonance data beside simulation, fitted continuum; FILES: skims of off-resonance samples",
    ),
    "validation": (_validation, ("validation",), "checks of the toy samples"),
    "combination": (_combination, ("sensitivity",), "what each analysis and the combination expect"),
    "inference": (_inference, ("result", "scan", "toys", "impacts"), "coverage from toys, impacts, shares of σ(μ)"),
}
