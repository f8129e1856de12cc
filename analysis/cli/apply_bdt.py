"""Give every event of a sample the score of the fold that has not seen it, and its η."""

from __future__ import annotations

import argparse

from analysis import io, provenance
from analysis.log import logger

HELP = "preselected sample -> the same with fold, bdt_score and eta"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--model", metavar="JSON", required=True, help="frozen model")
    parser.add_argument("--output", metavar="PARQUET", required=True, help="table to write")
    parser.add_argument("table", metavar="PARQUET", help="preselected sample")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from analysis.bdt.model import read_model

    model = read_model(args.model)
    table = io.read_table(args.table)
    sample = table.metadata["sample"]
    scores = model.apply(table.columns, sample=sample)
    io.write_table(
        args.output,
        {**table.columns, "fold": scores.fold, "bdt_score": scores.score, "eta": scores.eta},
        {
            **table.metadata,
            "stage": "bdt",
            "provenance": provenance.collect(
                "apply_bdt",
                {},
                inputs=[args.model, args.table],
                conditions=provenance.conditions_of([args.model, args.table]),
            ),
        },
    )
    # No number: with those of the control regions it would give away that of blinded data.
    logger.info("%s: scored", sample)
