"""Fit any pyhf workspace: μ, its errors, significance, limit, goodness of fit, pulls, yields.

With ``--config`` the configuration says whether the analysis is blinded (then the Asimov data set
of μ = 1 is fitted), the level of the limit, and the branching fraction that μ = 1 stands for.
``--asimov`` asks for an Asimov data set without one.
"""

from __future__ import annotations

import argparse

from analysis import config, io, provenance
from analysis.cli._drawing import add_figures, draw, of_fit
from analysis.cli._inference import fitting, seed
from analysis.errors import FitError
from analysis.log import logger

HELP = "fit a pyhf workspace"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_workspace_arguments(parser)
    add_figures(parser)
    parser.add_argument("--config", metavar="YAML", help="configuration: blinding, level, B_SM")
    parser.add_argument("--account", metavar="JSON", help="account of the workspace: its conditions enter the result")
    parser.add_argument(
        "--toys", metavar="JSON", help="study by `toys`: says whether asymptotic intervals may be quoted"
    )
    parser.add_argument("--minos", nargs="+", default=[], metavar="NAME", help="MINOS errors of these, or of 'all'")
    parser.add_argument("--goodness-toys", type=int, default=0, metavar="N", help="goodness of fit from toys too")
    parser.add_argument("--seed", type=int, metavar="N", help="seed of the toys (of the configuration)")
    parser.add_argument("--level", type=float, help="confidence level of the upper limit (0.90)")


def add_workspace_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that all commands on a workspace share."""
    parser.add_argument("--workspace", required=True, metavar="JSON", help="pyhf workspace")
    parser.add_argument("--output", required=True, metavar="JSON", help="result")
    parser.add_argument("--poi", metavar="NAME", help="parameter of interest (the workspace's own)")
    parser.add_argument("--measurement", metavar="NAME", help="measurement (the first)")
    parser.add_argument(
        "--asimov",
        type=float,
        metavar="MU",
        help="fit the Asimov data set of POI = MU, not the data",
    )


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from analysis.inference.fit import fit_workspace
    from analysis.inference.report import fit_table
    from analysis.inference.results import StandardModel, ToyStudy

    if args.level is not None and not 0 < args.level < 1:
        raise FitError("A confidence level lies between 0 and 1.", where="--level", found=args.level, remedy="say 0.90")
    level, asimov, standard_model = args.level, args.asimov, None
    used: dict[str, object] = {}
    if args.config:
        settings = config.load(args.config)
        level = settings.fit.level if level is None else level
        if settings.blinded and asimov is None:
            asimov = 1.0
        standard_model = StandardModel(
            value=settings.dataset.branching_fraction_sm,
            error=settings.dataset.branching_fraction_sm_uncertainty,
        )
        used = settings.model_dump(mode="json", include={"blinded", "dataset", "fit"})
    level = 0.90 if level is None else level
    accounts = [args.account] if args.account else []
    extras = {"minos_for": args.minos, "goodness_toys": args.goodness_toys, "seed": seed(args)}
    used |= {"poi": args.poi, "measurement": args.measurement, "asimov": asimov, "level": level, **extras}
    study = io.read_model(args.toys, ToyStudy, "toys") if args.toys else None
    studies = [args.toys] if args.toys else []
    workspace = io.read_json(args.workspace)
    origin = provenance.collect(
        "fit", used, [args.workspace, *accounts, *studies], conditions=provenance.conditions_of(accounts)
    )
    with fitting(args.workspace):
        result = fit_workspace(
            workspace,
            poi=args.poi,
            measurement=args.measurement,
            asimov=asimov,
            level=level,
            minos_for=args.minos,
            goodness_toys=args.goodness_toys,
            seed=seed(args),
            standard_model=standard_model,
            study=study,
            provenance=origin,
        )
    io.write_json(args.output, result.model_dump(mode="json"))
    show(fit_table(result))
    draw(args, lambda tag: of_fit(result, tag), result.provenance)
    logger.info("written: %s", args.output)


def show(table: str) -> None:
    """Show a table to the person at the terminal: standard error, unwrapped."""
    from rich.console import Console

    Console(stderr=True).print(table, markup=False, highlight=False, soft_wrap=True)
