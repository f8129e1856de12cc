"""Profile the likelihood of any pyhf workspace over its parameter of interest, another parameter, or two.

With ``--config`` the configuration gives range and number of points, and says whether the analysis is blinded (then the
Asimov data set of μ = 1 is scanned). The range is widened to three standard deviations on both sides of the minimum,
and cut to the bounds of the parameter.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analysis import config, io, provenance
from analysis.cli._drawing import add_figures, draw, of_scan
from analysis.cli._inference import fitting
from analysis.cli.fit import add_workspace_arguments, show
from analysis.errors import FitError
from analysis.log import logger

if TYPE_CHECKING:
    from analysis.inference.problem import Problem
    from analysis.inference.results import Scan

HELP = "scan the profile likelihood of a pyhf workspace"

# What the scan holds at least, on both sides of the minimum.
SIGMAS = 3.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_workspace_arguments(parser)
    add_figures(parser)
    parser.add_argument("--account", metavar="JSON", help="account of the workspace: its conditions enter the scan")
    parser.add_argument("--config", metavar="YAML", help="configuration: blinding, range, points")
    parser.add_argument("--range", type=float, nargs=2, metavar=("LOW", "HIGH"), help="range (-5 10)")
    parser.add_argument("--parameter", metavar="NAME", help="scan this parameter (the parameter of interest)")
    parser.add_argument(
        "--second", nargs="+", metavar="NAME LOW HIGH", help="scan a second one as well (range: 3 σ on both sides)"
    )
    parser.add_argument("--points", type=int, metavar="N", help="number of points (31)")


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from analysis.inference.report import scan_table

    settings = config.load(args.config) if args.config else None
    defaults = settings.fit if settings else config.models.Fit()
    low, high = args.range or defaults.scan
    points = defaults.scan_points if args.points is None else args.points
    asimov = 1.0 if args.asimov is None and settings and settings.blinded else args.asimov
    if not low < high or points < 2:
        raise FitError(
            "A scan needs a rising range and two points.",
            where="--range, --points",
            found=f"{low:g} to {high:g}, {points} points",
            remedy="give LOW below HIGH, and two points or more",
        )
    choice = {"poi": args.poi, "measurement": args.measurement, "asimov": asimov}
    workspace = io.read_json(args.workspace)
    with fitting(args.workspace):
        found, inside = _scanned(workspace, choice, args.parameter, args.second, (low, high), points)
    accounts = [args.account] if args.account else []
    origin = provenance.collect(
        "scan",
        {**choice, "parameter": args.parameter, "range": inside, "points": points, "second": args.second},
        [args.workspace, *accounts],
        conditions=provenance.conditions_of(accounts),
    )
    io.write_json(args.output, found.model_copy(update={"provenance": origin}).model_dump(mode="json"))
    show(scan_table(found))
    draw(args, lambda tag: of_scan(found, tag), origin)
    logger.info("written: %s", args.output)


def _scanned(
    workspace: Mapping[str, object],
    choice: Mapping[str, Any],
    parameter: str | None,
    second: list[str] | None,
    ends: tuple[float, float],
    points: int,
) -> tuple[Scan, tuple[float, float]]:
    """Return the scan, and the range of its first parameter."""
    import numpy as np

    from analysis.inference.engines import make_engine
    from analysis.inference.problem import load
    from analysis.inference.scans import scan, scan_2d

    problem = load(workspace, **choice)
    poi = problem.index_of(parameter)
    engine = make_engine(problem)
    best = engine.minimise()
    covariance = engine.covariance(best.x, best.free)

    def around(index: int) -> tuple[float, float]:
        width = SIGMAS * float(np.sqrt(covariance[index, index]))
        return float(best.x[index]) - width, float(best.x[index]) + width

    low, high = around(poi)
    bounds = float(problem.lower[poi]), float(problem.upper[poi])
    inside = max(min(ends[0], low), bounds[0]), min(max(ends[1], high), bounds[1])
    if inside != ends:
        logger.info(
            "the scan of '%s' goes from %g to %g: %g σ around its minimum, within its bounds",
            problem.names[poi],
            *inside,
            SIGMAS,
        )
    values = np.linspace(*inside, points).tolist()
    if not second:
        return scan(workspace, values, parameter=problem.names[poi], **choice), inside
    name, other = second[0], problem.index_of(second[0])
    chosen = _numbers(second[1:]) if len(second) > 1 else around(other)
    others = np.linspace(*_inside(problem, other, *chosen), points).tolist()
    return scan_2d(workspace, (problem.names[poi], values), (name, others), **choice), inside


def _numbers(words: list[str]) -> tuple[float, float]:
    try:
        low, high = map(float, words)
        return low, high
    except ValueError:
        raise FitError(
            "A range has two numbers.", where="--second", found=" ".join(words), remedy="--second NAME LOW HIGH"
        ) from None


def _inside(problem: Problem, index: int, low: float, high: float) -> tuple[float, float]:
    """Cut a range to the bounds of a parameter."""
    inside = max(low, float(problem.lower[index])), min(high, float(problem.upper[index]))
    if inside != (low, high):
        logger.warning("the range of the scan is cut to the bounds of '%s': %g to %g", problem.names[index], *inside)
    if not inside[0] < inside[1]:
        raise FitError(
            "The range of the scan lies outside the bounds of the parameter.",
            where=problem.names[index],
            found=f"{low:g} to {high:g}",
            expected=f"{problem.lower[index]:g} to {problem.upper[index]:g}",
            remedy="give a range within",
        )
    return inside
