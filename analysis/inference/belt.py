"""Intervals by Neyman's construction: critical values of the likelihood ratio from toys.

Where the asymptotic critical value of 2ΔNLL (the χ²(1) quantile) does not give an interval its coverage (few events,
templates with few simulated events) toys tell the critical value at every true μ. Each μ is accepted whose observed
2ΔNLL(μ) is not above it; the order is that of the likelihood ratio, μ̂ free within its bounds, so that the interval
is of the same kind as the asymptotic one and may reach below 0. The Feldman–Cousins interval of
:mod:`analysis.inference.toy_limits` restricts μ to the physical region instead.

Exact (within the number of toys) for a known truth of the nuisance parameters; they are not known, and the toys take
them where a study puts them (at their initial values, or fitted to the data at each μ: "profile construction"). The
root of the critical value is smoothed over a quarter of the error of μ, so that true values that lie close together
share their toys, and interpolated linearly between the points. With templates of very few simulated events another
truth may cost a few per cent of coverage: ``toys --belt-of`` measures it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import chi2

from analysis.errors import FitError
from analysis.inference.profile import Profile, crossing
from analysis.inference.results import Belt, BeltPoint, Interval
from analysis.inference.toys import ToyFits

Floats = npt.NDArray[np.float64]

LEVELS = (0.6827, 0.90)
# The belt reaches this many times further than the asymptotic 90 % interval.
REACH = 1.6
# Points of the belt besides the true values that are asked for.
N_POINTS = 5
# How often the belt may grow, by a quarter of the asymptotic interval each time, until it holds the data's intervals.
EXTENSIONS = 12
# Width of the smoothing in units of half the asymptotic 90 % interval's length; 0.15 is a quarter of σ.
SMOOTHING = 0.15


def asymptotic_interval(profile: Profile, level: float, error: float, *, quoted: bool = True) -> Interval:
    """Return the interval where 2ΔNLL stays below its χ²(1) quantile; ``error`` is a first guess of σ."""
    problem, index = profile.engine.problem, profile.index
    root = float(np.sqrt(chi2.ppf(level, 1)))
    low, low_bound = crossing(profile, root, error, -1, bound=float(problem.lower[index]))
    high, high_bound = crossing(profile, root, error, +1, bound=float(problem.upper[index]))
    return Interval(
        level=level,
        lower=low,
        upper=high,
        at_bound=(low_bound, high_bound),
        method="profile likelihood",
        quoted=quoted,
    )


def build(profile: Profile, error: float, true_values: Sequence[float], toys: Callable[[float], ToyFits]) -> Belt:
    """Build a belt that holds the intervals of the data and the true values.

    Parameters
    ----------
    profile
        Profile likelihood of the data.
    error
        First guess of σ(μ).
    true_values
        Points that the belt has besides its own.
    toys
        Returns toys of a true value, with 2ΔNLL at it.
    """
    problem, index = profile.engine.problem, profile.index
    wide = asymptotic_interval(profile, max(LEVELS), error)
    centre = float(profile.best.x[index])
    low = min(centre + REACH * (wide.lower - centre), *true_values, centre)
    high = max(centre + REACH * (wide.upper - centre), *true_values, centre)
    bounds = float(problem.lower[index]), float(problem.upper[index])
    ends = max(low, bounds[0]), min(high, bounds[1])
    length = (wide.upper - wide.lower) / 2
    values = sorted({*true_values, *(float(value) for value in np.linspace(*ends, N_POINTS))})
    points = [_point(mu, toys) for mu in values]
    for _ in range(EXTENSIONS):
        belt = Belt(levels=list(LEVELS), points=points, smoothing=SMOOTHING * length)
        short = [side for side in (-1, +1) if _is_short(profile, belt, side, bounds)]
        if not short:
            break
        for side in short:
            further = points[0].mu - length / 2 if side < 0 else points[-1].mu + length / 2
            added = _point(float(np.clip(further, *bounds)), toys)
            points = [added, *points] if side < 0 else [*points, added]
    return belt


def _point(mu: float, toys: Callable[[float], ToyFits]) -> BeltPoint:
    fits = toys(mu)
    ratios = fits.q[mu][fits.converged]
    if len(ratios) < 2:
        raise FitError(
            "The toys cannot be fitted.",
            where=f"true value {mu:g}",
            found="fewer than two fits converged",
            remedy="take another true value: the model may not hold there",
        )
    # The smallest value that at least this share of toys does not exceed: conservative for discrete data.
    critical = np.quantile(ratios, LEVELS, method="inverted_cdf")
    return BeltPoint(mu=mu, critical=critical.tolist(), n=len(ratios))


def _is_short(profile: Profile, belt: Belt, side: int, bounds: tuple[float, float]) -> bool:
    """Whether the belt ends, before the bound of the parameter, where the data still accept it."""
    end, bound = (belt.points[0].mu, bounds[0]) if side < 0 else (belt.points[-1].mu, bounds[1])
    if abs(end - bound) <= 1e-9 * (1 + abs(bound)):
        return False
    centre = float(profile.best.x[profile.index])
    return any(_outermost(profile, belt, level, centre, side) is None for level in LEVELS)


def critical_root(belt: Belt, level: float, mu: float) -> float:
    """Return √ of the critical value at ``mu``.

    Raises
    ------
    FitError
        The belt does not reach as far.
    """
    values = [point.mu for point in belt.points]
    if not values[0] <= mu <= values[-1]:
        raise FitError(
            "The Neyman belt does not reach as far.",
            found=f"μ = {mu:.4g}",
            expected=f"{values[0]:.4g} to {values[-1]:.4g}",
            remedy="repeat the study with toys with true values (--mu) that reach further",
        )
    roots = np.sqrt([point.critical[belt.levels.index(level)] for point in belt.points])
    counts = np.array([point.n for point in belt.points], dtype=float)
    return float(np.interp(mu, values, _smoothed(np.array(values), roots, counts, belt.smoothing)))


def _smoothed(x: Floats, y: Floats, counts: Floats, width: float) -> Floats:
    """Return at each point the value of the straight line through its neighbourhood, with Gaussian weights."""
    result = np.empty_like(y)
    for k, centre in enumerate(x):
        weights = np.exp(-0.5 * ((x - centre) / width) ** 2) * counts
        mean = np.average(x, weights=weights)
        spread = np.average((x - mean) ** 2, weights=weights)
        # Without neighbours there is no slope.
        slope = np.average((x - mean) * y, weights=weights) / spread if spread > 1e-6 * width**2 else 0.0
        result[k] = np.average(y, weights=weights) + slope * (centre - mean)
    return np.maximum(result, 0.0)


def neyman_interval(profile: Profile, belt: Belt, level: float, *, quoted: bool = True) -> Interval:
    """Return the outermost ends of the accepted values of the parameter of interest.

    Raises
    ------
    FitError
        The belt ends before the interval does.
    """
    problem, index = profile.engine.problem, profile.index
    centre = float(profile.best.x[index])
    ends, reached = [], []
    for side, bound in ((-1, float(problem.lower[index])), (+1, float(problem.upper[index]))):
        end = _outermost(profile, belt, level, centre, side)
        at_bound = end is None and abs(belt.points[0 if side < 0 else -1].mu - bound) <= 1e-9 * (1 + abs(bound))
        if end is None and not at_bound:
            critical_root(belt, level, belt.points[-1].mu + abs(centre) + 1.0)
        ends.append(bound if end is None else end)
        reached.append(at_bound)
    return Interval(
        level=level,
        lower=ends[0],
        upper=ends[1],
        at_bound=(reached[0], reached[1]),
        method="Neyman, toys",
        quoted=quoted,
    )


def _outermost(profile: Profile, belt: Belt, level: float, centre: float, side: int) -> float | None:
    """Return the furthest crossing on one side of the minimum; None where the end of the belt is accepted."""

    def beyond(mu: float) -> float:
        return profile.root(mu) - critical_root(belt, level, mu)

    values = [point.mu for point in belt.points if side * (point.mu - centre) > 0]
    walk = [centre, *sorted(values, key=lambda mu: side * mu)]
    heights = [-critical_root(belt, level, centre), *(beyond(mu) for mu in walk[1:])]
    last = max(k for k, height in enumerate(heights) if height <= 0)
    if last == len(walk) - 1:
        return None
    root: float = brentq(beyond, walk[last], walk[last + 1], xtol=1e-9 * (1 + abs(centre)))
    return root
