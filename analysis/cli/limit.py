"""Upper limits on the parameter of interest of any pyhf workspace: asymptotic CLs, CLs from toys, Feldman–Cousins.

With ``--toys`` the distributions of the test statistic come from toys at each point of a grid, as few events demand;
``--feldman-cousins`` adds the unified interval. With ``--config`` a blinded analysis is fitted to Asimov data of μ = 1.
"""

from __future__ import annotations

import argparse

from analysis import io, provenance
from analysis.cli._drawing import add_figures, draw, of_limits
from analysis.cli._inference import at_least, choice, fitting, seed
from analysis.cli.fit import add_workspace_arguments, show
from analysis.errors import FitError
from analysis.log import logger

HELP = "upper limits of a pyhf workspace, asymptotic and from toys"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_workspace_arguments(parser)
    add_figures(parser)
    parser.add_argument("--config", metavar="YAML", help="configuration: blinding, seed")
    parser.add_argument("--levels", type=float, nargs="+", default=[0.90, 0.95], metavar="CL", help="(0.90 0.95)")
    parser.add_argument(
        "--toys", type=int, default=0, metavar="N", help="toys for each point and hypothesis, in groups of 256 (none)"
    )
    parser.add_argument("--points", type=int, default=12, metavar="N", help="points of the grid for toys (12)")
    parser.add_argument("--feldman-cousins", action="store_true", help="build the Feldman–Cousins interval too")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the toys (of the configuration)")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from analysis.inference.report import limit_table
    from analysis.inference.toy_limits import limits

    for level in args.levels:
        if not 0 < level < 1:
            raise FitError("A confidence level lies between 0 and 1.", where="--levels", found=level, remedy="say 0.90")
    if args.feldman_cousins and not args.toys:
        raise FitError("Feldman–Cousins intervals come from toys.", where="--toys", remedy="--toys 1000")
    if args.toys:
        at_least(args.toys, 100, "--toys")
    options = {
        "levels": args.levels,
        "n_toys": args.toys,
        "n_points": at_least(args.points, 4, "--points"),
        "seed": seed(args),
        "feldman_cousins": args.feldman_cousins,
        **choice(args),
    }
    workspace = io.read_json(args.workspace)
    origin = provenance.collect("limit", options, [args.workspace])
    with fitting(args.workspace):
        result = limits(workspace, **options, progress=logger.info, provenance=origin)
    io.write_json(args.output, result.model_dump(mode="json"))
    show(limit_table(result))
    draw(args, lambda tag: of_limits(result, tag), result.provenance)
    logger.info("written: %s", args.output)
