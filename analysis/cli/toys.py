"""Toys of any pyhf workspace: bias, pulls, and coverage of the 68 % and 90 % intervals over a grid of true values.

``--nuisances auxiliary`` (the default) lets the auxiliary measurements fluctuate about the true parameters, the
frequentist ensemble; ``parameters`` draws the parameters from their constraints instead. The other parameters are true
at their initial values (``--truth nominal``) or where the data put them at each μ (``fitted``).

Where the asymptotic intervals do not cover, a Neyman belt is built from more toys, and its coverage is measured on the
first ones, independent of it. ``--belt-of`` tests the belt of another study instead: on other true parameters, say.
"""

from __future__ import annotations

import argparse

from analysis import config, io, provenance
from analysis.cli._drawing import add_figures, draw, of_toys
from analysis.cli._inference import at_least, choice, fitting, seed
from analysis.cli.fit import add_workspace_arguments, show
from analysis.log import logger

HELP = "toys of a pyhf workspace: bias, pulls, coverage"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_workspace_arguments(parser)
    add_figures(parser)
    parser.add_argument("--config", metavar="YAML", help="configuration: blinding, seed, true values, number")
    parser.add_argument("--account", metavar="JSON", help="account of the workspace: its conditions enter the study")
    parser.add_argument("--mu", type=float, nargs="+", help="true values (0 1 2 5)")
    parser.add_argument("--toys", type=int, metavar="N", help="toys at each (2500)")
    parser.add_argument("--seed", type=int, metavar="N", help="seed (of the configuration)")
    parser.add_argument("--nuisances", choices=("auxiliary", "parameters"), default="auxiliary")
    parser.add_argument("--truth", choices=("nominal", "fitted"), default="nominal")
    parser.add_argument("--belt-of", metavar="JSON", help="study by `toys` whose Neyman belt, if it has one, is tested")
    parser.add_argument("--tolerance", type=float, default=0.02, help="of the coverage (0.02)")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from analysis.inference.coverage import toy_study
    from analysis.inference.report import toy_table
    from analysis.inference.results import ToyStudy

    defaults = config.load(args.config).fit if args.config else config.models.Fit()
    mus = list(defaults.true_values) if args.mu is None else args.mu
    n = at_least(defaults.toys if args.toys is None else args.toys, 2, "--toys")
    belt = io.read_model(args.belt_of, ToyStudy, "toys").belt if args.belt_of else None
    if args.belt_of and belt is None:
        logger.info("the asymptotic intervals of %s cover: there is no belt to test", args.belt_of)
    options = {
        "seed": seed(args),
        "nuisances": args.nuisances,
        "truth": args.truth,
        "tolerance": args.tolerance,
        **choice(args),
    }
    accounts = [args.account] if args.account else []
    origin = provenance.collect(
        "toys",
        {"mu": mus, "toys": n, **options},
        [args.workspace, *accounts, *([args.belt_of] if args.belt_of else [])],
        conditions=provenance.conditions_of(accounts),
    )
    workspace = io.read_json(args.workspace)
    with fitting(args.workspace):
        result = toy_study(workspace, mus, n, **options, belt=belt, progress=logger.info, provenance=origin)
    io.write_json(args.output, result.model_dump(mode="json"))
    show(toy_table(result))
    draw(args, lambda tag: of_toys(result, tag), result.provenance)
    logger.info("written: %s", args.output)
