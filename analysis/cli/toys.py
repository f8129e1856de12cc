"""Toys of any pyhf workspace: bias, pulls, and coverage of the 68 % and 90 % intervals over a grid of true values.

``--nuisances auxiliary`` (the default) lets the auxiliary measurements fluctuate about the true parameters, the
frequentist ensemble; ``parameters`` draws the parameters from their constraints instead. The other parameters are true
at their initial values (``--truth nominal``) or where the data put them at each μ (``fitted``).
"""

from __future__ import annotations

import argparse

from analysis import io, provenance
from analysis.cli._inference import at_least, choice, seed
from analysis.cli.fit import add_workspace_arguments, show
from analysis.log import logger

HELP = "toys of a pyhf workspace: bias, pulls, coverage"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_workspace_arguments(parser)
    parser.add_argument("--config", metavar="YAML", help="configuration: blinding, seed")
    parser.add_argument("--mu", type=float, nargs="+", default=[0.0, 1.0, 2.0, 5.0], help="true values (0 1 2 5)")
    parser.add_argument("--toys", type=int, default=2000, metavar="N", help="toys at each (2000)")
    parser.add_argument("--seed", type=int, metavar="N", help="seed (of the configuration)")
    parser.add_argument("--nuisances", choices=("auxiliary", "parameters"), default="auxiliary")
    parser.add_argument("--truth", choices=("nominal", "fitted"), default="nominal")
    parser.add_argument("--tolerance", type=float, default=0.02, help="of the coverage (0.02)")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from analysis.inference.coverage import toy_study
    from analysis.inference.report import toy_table

    options = {
        "seed": seed(args),
        "nuisances": args.nuisances,
        "truth": args.truth,
        "tolerance": args.tolerance,
        **choice(args),
    }
    used = {"mu": args.mu, "toys": at_least(args.toys, 2, "--toys"), **options}
    result = toy_study(
        io.read_json(args.workspace),
        args.mu,
        args.toys,
        **options,
        progress=logger.info,
        provenance=provenance.collect("toys", used, [args.workspace]),
    )
    io.write_json(args.output, result.model_dump(mode="json"))
    show(toy_table(result))
    logger.info("written: %s", args.output)
