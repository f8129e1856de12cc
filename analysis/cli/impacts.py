"""Impacts of all parameters of any pyhf workspace on the parameter of interest, and its error in groups.

A group is a name and beginnings of parameter names: ``--group "kaon ID=corr_pid" --group "BB=mu_bkg_,corr_br_"``.
Parameters that no group claims are grouped as the account of the workspace says (``--account``), and without one by
the kind of their modifier.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from analysis import io, provenance
from analysis.cli._drawing import add_figures, draw, of_impacts
from analysis.cli._inference import choice, fitting
from analysis.cli.fit import add_workspace_arguments, show
from analysis.errors import FitError
from analysis.log import logger

if TYPE_CHECKING:
    from analysis.inference.results import Impacts

HELP = "impacts of a pyhf workspace's parameters, and groups of its error"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_workspace_arguments(parser)
    add_figures(parser)
    parser.add_argument("--config", metavar="YAML", help="configuration: blinding")
    parser.add_argument("--account", metavar="JSON", help="account of the workspace: its groups and conditions")
    parser.add_argument("--group", action="append", default=[], metavar="NAME=START,…", help="a group of parameters")
    parser.add_argument("--minos", action="store_true", help="hold parameters at their MINOS errors")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from analysis.inference.impacts import NoImpactError, impacts
    from analysis.inference.report import impact_table

    groups = {}
    for text in args.group:
        name, equals, starts = text.partition("=")
        if not (name and equals and starts):
            raise FitError(
                "A group is no name with beginnings of parameters.",
                where="--group",
                found=text,
                expected="NAME=START,START…",
                remedy="correct it",
            )
        groups[name] = starts.split(",")
    accounts = [args.account] if args.account else []
    families = {name: group for path in accounts for name, group in io.read_json(path)["parameters"].items()}
    options = {"groups": groups, "families": families, "with_minos": args.minos, **choice(args)}
    workspace = io.read_json(args.workspace)

    def ranked(options: dict[str, Any]) -> Impacts:
        origin = provenance.collect(
            "impacts", options, [args.workspace, *accounts], conditions=provenance.conditions_of(accounts)
        )
        return impacts(workspace, **options, provenance=origin)

    with fitting(args.workspace):
        try:
            result = ranked(options)
        except NoImpactError as error:
            if not args.config:
                raise
            # No fault of the analysis: it goes on, with the expected impacts, marked as such.
            logger.warning("%s\nThe impacts are those expected at μ = 1 (Asimov data) instead.", error)
            result = ranked(options | {"asimov": 1.0})
    io.write_json(args.output, result.model_dump(mode="json"))
    show(impact_table(result))
    draw(args, lambda tag: of_impacts(result, tag), result.provenance)
    logger.info("written: %s", args.output)
