"""Apply the selection's cuts in order, keep one candidate per event, and weigh it; write the cut flow."""

from __future__ import annotations

import argparse
import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import config, io, provenance
from analysis.basf2 import EVENT_KEY, SampleType
from analysis.columns import CHANGED, VARIATION
from analysis.cutflow import CutFlow, text_table
from analysis.errors import ConfigurationError, InputError
from analysis.log import logger
from analysis.preselection import Result, preselect, variations_of, varied
from analysis.selection import nan_in_cuts
from analysis.sharing import DECAYS, GROUP
from analysis.weights import KaonIdTable, normalisation

HELP = "skim of one sample -> selected events with weights, and the cut flow"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", metavar="YAML", required=True, help="configuration file")
    parser.add_argument("--sample", required=True, help="name of the sample in the configuration")
    parser.add_argument("--output", metavar="PARQUET", required=True, help="table to write")
    parser.add_argument("--cutflow", metavar="JSON", required=True, help="cut flow to write")
    parser.add_argument("--varied", metavar="PARQUET", help="table of the events under every variation to write")
    parser.add_argument("skim", metavar="PARQUET", help="the sample's skim")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    settings = config.load(args.config)
    if settings.preselection is None:
        raise ConfigurationError(
            "The configuration has no selection.",
            file=args.config,
            where="preselection",
            remedy="give `preselection: cuts:`; an empty list only chooses the best candidates",
        )
    skim = io.read_table(args.skim)
    kind = _type(skim, args.sample)
    sample = settings.sample(args.sample)
    # A size in the configuration replaces that of the metadata, also where it is of the other kind.
    scale = normalisation(
        kind,
        settings.dataset,
        beams=sample.beam_energy,
        generated_events=None if sample.luminosity else skim.metadata.get("generated_events"),
        luminosity=skim.metadata.get("luminosity"),
        sample=args.sample,
    )
    table = settings.weights.kaon_id
    select = functools.partial(
        preselect,
        kind=kind,
        cuts=settings.preselection.cuts,
        scale=scale,
        sample=args.sample,
        sqrt_s=settings.dataset.energy(sample.beam_energy),
        form_factor=settings.weights.form_factor == "sm",
        kaon_id=KaonIdTable.read(table) if table and not kind.is_data else None,
        rows_in=skim.metadata["rows_in"],
        sum_weights_in=skim.metadata["sum_of_weights"],
        # The selected data less those of the control regions would be those of the signal regions.
        withhold=settings.blinded and kind is SampleType.DATA,
    )
    for name, count in nan_in_cuts([cut.cut for cut in settings.preselection.cuts], skim.columns).items():
        logger.warning("%s is NaN in %d of %d rows of the skim: they cannot pass the cuts.", name, count, len(skim))
    result = select(skim.columns)
    inputs = [args.skim, *([table] if table and not kind.is_data else [])]
    origin = provenance.collect(
        "preselection",
        config.settings(settings, "dataset", "preselection", "weights")
        | {"sample": sample.model_dump(mode="json"), "withheld": result.cutflow.withheld},
        inputs=inputs,
        conditions=provenance.conditions_of([args.skim]),
    )
    io.write_table(args.output, result.columns, _metadata(skim, result, origin))
    if args.varied:
        names = [] if kind.is_data else variations_of(skim.columns)
        used = {*config.used_columns(settings), *EVENT_KEY, "weight", GROUP, *DECAYS, VARIATION, CHANGED}
        parts = [_varied(select(varied(skim.columns, name)), number, used) for number, name in enumerate(names)]
        whole = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]} if parts else {}
        metadata = _metadata(skim, result, origin) | {"stage": "variations", "variations": names}
        io.write_table(args.varied, whole or {VARIATION: np.zeros(0, dtype=np.int8)}, metadata)
    flow = result.cutflow.model_copy(update={"provenance": provenance.Provenance(**origin)})
    io.write_json(args.cutflow, flow.model_dump(mode="json"))
    _report(flow, result)


def _varied(result: Result, number: int, used: set[str]) -> dict[str, NDArray[Any]]:
    """Return what later stages need of the events that pass under a variation."""
    kept = {name: values for name, values in result.columns.items() if name in used}
    return kept | {VARIATION: np.full(len(kept["weight"]), number, dtype=np.int8)}


def _type(skim: io.Table, name: str) -> SampleType:
    """Return the sample's type; the skim must be of the sample named."""
    if skim.metadata.get("sample") != name:
        raise InputError(
            "The skim is of another sample.",
            file=skim.path,
            found=skim.metadata.get("sample"),
            expected=name,
            remedy="give the skim of this sample, or its name with --sample",
        )
    return SampleType(skim.metadata["type"])


def _metadata(skim: io.Table, result: Result, origin: dict[str, Any]) -> dict[str, object]:
    """Return what travels inside the table: that of the skim which stays true, and the normalisation."""
    scale = result.normalisation
    return {
        "stage": "preselection",
        "sample": skim.metadata["sample"],
        "type": skim.metadata["type"],
        "rows_in": skim.metadata["rows_in"],
        "sum_of_weights": skim.metadata["sum_of_weights"],
        "generated_events": skim.metadata.get("generated_events"),
        "luminosity": skim.metadata.get("luminosity"),
        "expected_events": scale.expected_events,
        "normalisation": scale.factor,
        "normalisation_rule": scale.rule,
        "kaon_id_outside": result.kaon_id_outside,
        "provenance": origin,
    }


def _report(flow: CutFlow, result: Result) -> None:
    logger.info("%s%s\n%s", flow.sample, ", blinded" if flow.withheld else "", text_table(flow))
    best = flow.best_candidate
    logger.info(
        "%.3f candidates per event; ties in signal probability in %d events, in kaon ID too in %d",
        best.multiplicity,
        best.ties_signal_probability,
        best.ties_kaon_id,
    )
    if best.events_without_signal_probability:
        logger.warning(
            "%d events lost: their tags' signal probability is NaN",
            best.events_without_signal_probability,
        )
    if best.duplicate_keys:
        logger.warning(
            "%d rows of the skim repeat the (experiment, run, event, production, candidate) of another: a file read "
            "twice, or productions merged without __production__",
            best.duplicate_keys,
        )
    for where, count in result.kaon_id_outside.items():
        logger.warning(
            "%d selected events lie outside the kaon ID table (%s): ratio 1, doubled uncertainty",
            count,
            where,
        )
