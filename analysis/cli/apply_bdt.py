"""Give every event of a sample the score of the fold that has not seen it, and its η."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from analysis import io, provenance
from analysis.log import logger

if TYPE_CHECKING:
    from analysis.bdt.model import Model

HELP = "preselected sample -> the same with fold, bdt_score and eta"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--model", metavar="JSON", required=True, help="frozen model")
    parser.add_argument("--output", metavar="PARQUET", required=True, help="table to write")
    parser.add_argument("--varied", metavar="PARQUET", help="the sample under every variation")
    parser.add_argument("--varied-output", metavar="PARQUET", help="the same, scored, to write")
    parser.add_argument("table", metavar="PARQUET", help="preselected sample")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from analysis.bdt.model import Model

    model = io.read_model(args.model, Model, "train-bdt")
    _score(model, args.model, args.table, args.output)
    if args.varied:
        _score(model, args.model, args.varied, args.varied_output)


def _score(model: Model, model_path: str, path: str, output: str) -> None:
    table = io.read_table(path)
    sample = table.metadata["sample"]
    columns = dict(table.columns)
    # A varied table of a sample without variations holds nothing that could be scored.
    if table.metadata.get("variations") != []:
        scores = model.apply(table.columns, sample=sample)
        columns |= {"fold": scores.fold, "bdt_score": scores.score, "eta": scores.eta}
    io.write_table(
        output,
        columns,
        {
            **table.metadata,
            "stage": "bdt variations" if "variations" in table.metadata else "bdt",
            "provenance": provenance.collect(
                "apply_bdt",
                {},
                inputs=[model_path, path],
                conditions=provenance.conditions_of([model_path, path]),
            ),
        },
    )
    # No number: with those of the control regions it would give away that of blinded data.
    logger.info("%s: scored", sample)
