"""Closure on simulation alone: templates from one half of the simulated events, pseudo-data from the other."""

from __future__ import annotations

import argparse

from analysis import config, io
from analysis.cli._inference import seed
from analysis.cli.templates import SETTINGS, channels_of, collected, declared_sources, read_tables, table_files
from analysis.log import logger

HELP = "tables of all samples -> bias and pulls of μ from random halves of the simulation"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", metavar="YAML", required=True, help="configuration file")
    parser.add_argument("--output", metavar="JSON", required=True, help="study to write")
    parser.add_argument("--mu", type=float, nargs="+", default=[0.0, 1.0, 5.0], help="true values (0 1 5)")
    parser.add_argument("--experiments", type=int, default=100, metavar="N", help="pseudo-experiments at each (100)")
    parser.add_argument("--seed", type=int, metavar="N", help="seed (of the configuration)")
    parser.add_argument("tables", metavar="PARQUET", nargs="+", help="one table per sample, with weights and η")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from analysis.closure import closure, verdict

    settings = config.load(args.config)
    templates = channels_of(settings, args.config)
    samples = [sample for sample in settings.samples if not sample.type.is_data]
    varied = declared_sources(settings)
    files = table_files(args.tables, samples)
    used = {"mu": args.mu, "experiments": args.experiments, "seed": seed(args), **config.settings(settings, *SETTINGS)}
    result = closure(
        list(read_tables(files, samples, templates, varied, blinded=True)),
        templates,
        varied,
        settings.systematics,
        args.mu,
        args.experiments,
        seed=used["seed"],
        provenance=collected("closure", used, args.tables, settings),
    )
    io.write_json(args.output, result.model_dump(mode="json"))
    for point in result.points:
        logger.info(
            "μ = %g: pull mean %.2f, width %.2f (expected %.2f): %s.",
            point.mu,
            point.pull_mean,
            point.pull_width,
            point.expected_width,
            verdict(point),
        )
    logger.info("written: %s", args.output)
