"""Train the BDT on simulated samples, in folds; freeze trees and η map; write the training report."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from analysis import config, io, provenance
from analysis.basf2 import BeamEnergy, SampleType
from analysis.errors import ConfigurationError, InputError
from analysis.log import logger

if TYPE_CHECKING:
    from analysis.bdt.report import Training

HELP = "preselected simulated samples -> frozen BDT and training report"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", metavar="YAML", required=True, help="configuration file")
    parser.add_argument("--threads", type=int, default=1, help="folds trained side by side")
    parser.add_argument("--model", metavar="JSON", required=True, help="model to write")
    parser.add_argument("--training", metavar="JSON", required=True, help="training report to write")
    parser.add_argument("tables", metavar="PARQUET", nargs="+", help="preselected samples")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from analysis.bdt.diagnostics import diagnose
    from analysis.bdt.train import Source, assemble, train

    settings = config.load(args.config)
    if settings.bdt is None:
        raise ConfigurationError(
            "The configuration has no BDT.",
            file=args.config,
            where="bdt",
            remedy="give `bdt: inputs:`",
        )
    tables = [io.read_table(path) for path in args.tables]
    off = {sample.name for sample in settings.samples if sample.beam_energy is BeamEnergy.OFF_RESONANCE}
    if wrong := [table.path for table in tables if table.metadata["sample"] in off]:
        raise InputError(
            "The BDT is trained on resonance: off-resonance continuum would count twice.",
            file=wrong[0],
            remedy="leave the tables of off-resonance samples out; `apply-bdt` takes them",
        )
    sources = [Source(table.metadata["sample"], SampleType(table.metadata["type"]), table.columns) for table in tables]
    data = assemble(sources, settings.bdt.inputs, settings.bdt.folds)
    model = train(data, settings.bdt, settings.seed, threads=max(1, args.threads))
    report = diagnose(data, model, seed=settings.seed)
    origin = provenance.Provenance(
        **provenance.collect(
            "train_bdt",
            config.settings(settings, "seed", "bdt"),
            inputs=args.tables,
            conditions=provenance.conditions_of(args.tables),
        )
    )
    io.write_json(args.model, model.model_copy(update={"provenance": origin}).model_dump(mode="json"))
    io.write_json(args.training, report.model_copy(update={"provenance": origin}).model_dump(mode="json"))
    _report(report)


def _report(report: Training) -> None:
    for sample in report.samples:
        logger.info("%-10s %7d rows, %9.4g expected, n_eff %.0f", sample.name, sample.rows, sample.sum_w, sample.n_eff)
        if not sample.rows:
            logger.warning("%s: no row passes the selection; it does not train the BDT", sample.name)
        for name, count in sample.nan.items():
            logger.info("%s: %s is NaN in %d rows, taken as missing", sample.name, name, count)
    for fold in report.per_fold:
        logger.info(
            "fold %d: AUC train %.4f ± %.4f, test %.4f ± %.4f; train against test: p(signal) %.3f, p(background) %.3f",
            fold.fold,
            fold.train.auc.value,
            fold.train.auc.error,
            fold.test.auc.value,
            fold.test.auc.error,
            fold.ks_signal.p_value,
            fold.ks_background.p_value,
        )
    logger.info("AUC out of fold: %.4f ± %.4f", report.overall.auc.value, report.overall.auc.error)
