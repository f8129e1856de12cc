"""Profile likelihoods over one or two parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.errors import FitError
from analysis.inference.engine import Engine, Floats, ImpossibleError, Minimum
from analysis.inference.engines import cross_check, make_engine
from analysis.inference.problem import load
from analysis.inference.profile import BETTER, BetterMinimumError, Profile, from_deepest, scan_1d
from analysis.inference.results import Scan, ScanPoint


def scan(
    workspace: Mapping[str, object],
    values: Sequence[float],
    *,
    parameter: str | None = None,
    poi: str | None = None,
    measurement: str | None = None,
    asimov: float | None = None,
) -> Scan:
    """Profile the likelihood over ``values`` of one parameter, the one of interest when None."""
    problem = load(workspace, poi=poi, measurement=measurement, asimov=asimov)
    engine = make_engine(problem)
    index = problem.index_of(parameter)

    def around(best: Minimum) -> tuple[Minimum, list[float | None]]:
        return best, scan_1d(Profile(engine, index, best), values)

    best, heights = from_deepest(engine, around, problem.names[index])
    return Scan(
        parameters=(problem.names[index],),
        minimum=(float(best.x[index]),),
        points=[
            ScanPoint(values=(value,), twice_delta_nll=height)
            for value, height in zip(values, heights, strict=True)
            if height is not None
        ],
        asimov=asimov,
        engine=engine.name,
        cross_check=cross_check(problem, best),
        remarks=[*engine.remarks, *_left_out(values, heights)],
    )


def _left_out(values: Sequence[float], heights: Sequence[float | None]) -> list[str]:
    lost = [f"{value:g}" for value, height in zip(values, heights, strict=True) if height is None]
    return [f"left out, since the data are impossible there: {', '.join(lost)}"] if lost else []


def scan_2d(
    workspace: Mapping[str, object],
    first: tuple[str, Sequence[float]],
    second: tuple[str, Sequence[float]],
    *,
    poi: str | None = None,
    measurement: str | None = None,
    asimov: float | None = None,
) -> Scan:
    """Profile the likelihood over a grid of two parameters.

    Parameters
    ----------
    workspace, poi, measurement, asimov
        As in :func:`analysis.inference.fit.fit_workspace`.
    first, second
        Name and values of each parameter. Contours of 68.3 % and 95.4 % probability for two parameters lie
        at 2ΔNLL = 2.30 and 6.18.

    Returns
    -------
    Scan
        Points in the order of ``first``, and for each of its values of ``second``; without those where the data are
        impossible.

    Raises
    ------
    FitError
        A name is unknown, both are the same, or the likelihood has several minima.
    """
    problem = load(workspace, poi=poi, measurement=measurement, asimov=asimov)
    engine = make_engine(problem)
    indices = problem.index_of(first[0]), problem.index_of(second[0])
    if indices[0] == indices[1]:
        raise FitError(
            "A scan over two parameters needs two.", found=f"'{first[0]}' twice", remedy="name another with --second"
        )

    def around(best: Minimum) -> tuple[Minimum, Floats]:
        return best, _grid(engine, best, indices, first[1], second[1])

    best, heights = from_deepest(engine, around, f"{first[0]}, {second[0]}")
    return Scan(
        parameters=(first[0], second[0]),
        minimum=(float(best.x[indices[0]]), float(best.x[indices[1]])),
        points=[
            ScanPoint(values=(a, b), twice_delta_nll=float(heights[i, j]))
            for i, a in enumerate(first[1])
            for j, b in enumerate(second[1])
            if not np.isnan(heights[i, j])
        ],
        asimov=asimov,
        engine=engine.name,
        cross_check=cross_check(problem, best),
        remarks=[*engine.remarks, *_empty(heights)],
    )


def _empty(heights: Floats) -> list[str]:
    lost = int(np.isnan(heights).sum())
    return [f"{lost} of {heights.size} points left out, since the data are impossible there"] if lost else []


def _grid(
    engine: Engine, best: Minimum, indices: tuple[int, int], rows: Sequence[float], columns: Sequence[float]
) -> Floats:
    """Return 2ΔNLL on the grid, walked to and fro so that neighbours start each other; NaN where it is infinite."""
    problem = engine.problem
    heights = np.full((len(rows), len(columns)), np.nan)
    start = best.x
    for i, row in enumerate(rows):
        order = range(len(columns)) if i % 2 == 0 else range(len(columns) - 1, -1, -1)
        for j in order:
            held = dict(zip(indices, (row, columns[j]), strict=True))
            try:
                found = engine.minimise(fixed=held, start=start)
            except ImpossibleError:
                continue
            inside = all(problem.lower[k] <= value <= problem.upper[k] for k, value in held.items())
            gain = best.twice_nll - found.twice_nll
            if gain > BETTER and inside:
                raise BetterMinimumError(found.x, gain)
            heights[i, j] = max(-gain, 0.0)
            start = found.x
    return heights
