"""Write the templates as a HistFactory likelihood: a pyhf workspace, and what its schema has no place for beside it."""

from __future__ import annotations

import argparse
from pathlib import Path

from analysis import config, io, provenance
from analysis.errors import InputError
from analysis.log import logger
from analysis.templates.document import Document
from analysis.workspace import build, definitions, validate

HELP = "templates -> pyhf workspace"

SETTINGS = ("systematics", "dataset", "weights", "blinded")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", metavar="YAML", required=True, help="configuration file")
    parser.add_argument("--output", metavar="JSON", required=True, help="workspace to write")
    parser.add_argument(
        "--provenance",
        metavar="JSON",
        help="account to write: provenance, definitions, meaning of the bins, pruning (OUTPUT with .provenance.json)",
    )
    parser.add_argument("templates", metavar="JSON", help="templates")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    settings = config.load(args.config)
    templates = io.read_model(args.templates, Document, "templates")
    if templates.blinded != settings.blinded:
        raise InputError(
            "The templates were made under another blinding.",
            file=args.templates,
            found=f"blinded: {templates.blinded}",
            expected=f"blinded: {settings.blinded}",
            remedy="rerun the templates with this configuration",
        )
    result = build(
        templates,
        settings.systematics,
        meaning=definitions(templates, settings.dataset, settings.weights),
        provenance=provenance.collect(
            "workspace",
            config.settings(settings, *SETTINGS),
            inputs=[args.templates],
            conditions=provenance.conditions_of([args.templates]),
        ),
    )
    model = validate(result.spec)
    io.write_json(args.output, result.spec)
    beside = args.provenance or Path(args.output).with_suffix(".provenance.json")
    io.write_json(beside, result.account.model_dump(mode="json"))
    logger.info(
        "%d channels, %d bins, %d parameters, μ in [%.4g, %.4g]; observation: %s.",
        len(model.config.channels),
        sum(model.config.channel_nbins.values()),
        model.config.npars,
        *result.account.poi_bounds,
        result.account.observation,
    )
    logger.info("written: %s, %s", args.output, beside)
