"""Figures of the commands on a workspace, for ``--figures`` and for the report."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.log import logger

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pydantic import JsonValue

    from analysis.inference.results import FitResult, Impacts, Limits, Scan, Sensitivities, ToyStudy
    from analysis.plots.style import Tag

Named = Iterator[tuple[str, "Figure"]]


def add_figures(parser: argparse.ArgumentParser) -> None:
    """Declare the option."""
    parser.add_argument("--figures", metavar="FOLDER", help="draw the result there, as SVG")


def draw(args: argparse.Namespace, figures: Callable[[Tag], Named], origin: JsonValue) -> None:
    """Write the figures of a command where ``--figures`` says; any workspace has no luminosity to tell."""
    if not args.figures:
        return
    from analysis.plots.style import Tag, save

    for name, figure in figures(Tag("", None)):
        path = Path(args.figures) / f"{name}.svg"
        path.parent.mkdir(parents=True, exist_ok=True)
        save(figure, path, origin)
        logger.info("written: %s", path)


def of_fit(result: FitResult, tag: Tag) -> Named:
    """Yield pulls, correlations, and the bins of every channel before and after the fit."""
    import numpy as np

    from analysis.plots import parameters
    from analysis.plots.yields import yields

    pulls = [
        parameters.Pull(each.name, each.pull, each.constraint, each.at_bound)
        for each in result.parameters
        if each.pull is not None and each.constraint is not None
    ]
    yield "pulls", parameters.pulls(pulls, tag)
    matrix = np.asarray(result.correlations.matrix, dtype=float)
    yield "correlations", parameters.correlations(result.correlations.names, matrix, result.poi, tag)
    for channel in result.yields.channels:
        name = re.sub(r"[^\w.+-]", "_", channel.channel)
        yield f"yields_{name}", yields(channel, tag, asimov=result.asimov is not None)


def of_scan(scan: Scan, tag: Tag) -> Named:
    """Yield the profile likelihood over one parameter or two."""
    import numpy as np

    from analysis.plots import scans

    if len(scan.parameters) == 2:
        yield "contours", scans.contours(scan, tag)
        return
    shown = scans.LikelihoodScan(
        values=np.array([point.values[0] for point in scan.points]),
        heights=np.array([point.twice_delta_nll for point in scan.points]),
        best=scan.minimum[0],
        asimov=scan.asimov,
        name=scan.parameters[0],
    )
    yield "scan", scans.scan(shown, tag)


def of_limits(limits: Limits, tag: Tag) -> Named:
    """Yield CLs from toys and the Feldman–Cousins belt; nothing without toys."""
    from analysis.plots import intervals

    if limits.toys is not None:
        yield "limits", intervals.limits(limits, tag)


def of_toys(study: ToyStudy, tag: Tag) -> Named:
    """Yield the distributions of toys and their coverage."""
    from analysis.plots import intervals

    yield "toys", intervals.toys(study, tag)
    yield "coverage", intervals.coverage(study, tag)


def of_impacts(impacts: Impacts, tag: Tag) -> Named:
    """Yield ranking and breakdown."""
    from analysis.plots import parameters

    yield "impacts", parameters.impacts(impacts, tag)
    yield "breakdown", parameters.breakdown(impacts, tag)


def of_sensitivities(found: Sensitivities, tag: Tag) -> Named:
    """Yield the expected sensitivities, one below the other."""
    from analysis.plots import comparisons

    yield "sensitivities", comparisons.sensitivities(found, tag)
