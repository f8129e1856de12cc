"""Check a configuration and write it with its defaults filled in; or write the JSON Schema for editors."""

from __future__ import annotations

import argparse
from pathlib import Path

from analysis import config, io, provenance
from analysis.log import logger

HELP = "check a configuration, write it resolved, or write its JSON Schema and reference"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--config", metavar="YAML", help="configuration file")
    source.add_argument("--schemas", metavar="FOLDER", help="write the JSON Schema into this folder")
    source.add_argument("--reference", metavar="MD", help="write the table of all keys into this file")
    parser.add_argument("--output", metavar="JSON", help="write the resolved configuration here")
    parser.add_argument("--provenance", metavar="JSON", help="write here which file it was, and with what it was read")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if args.schemas or args.reference:
        from analysis.config import reference

        if args.schemas:
            io.write_json(Path(args.schemas) / "config.schema.json", reference.schema())
        else:
            with io.atomic(args.reference) as path:
                path.write_text(reference.markdown(), encoding="utf-8")
        return
    resolved = config.load(args.config, complete=True)
    if args.output:
        io.write_json(args.output, resolved.model_dump(mode="json"))
    if args.provenance:
        plain = resolved.model_dump(mode="json")
        io.write_json(
            args.provenance,
            {"configuration": args.config, "provenance": provenance.collect("configuration", plain)},
        )
    logger.info("configuration %s: %d samples", resolved.name, len(resolved.samples))
