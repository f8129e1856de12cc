"""Profile likelihoods: the function behind MINOS intervals, scans, significances and limits."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.optimize import brentq

from analysis.errors import FitError
from analysis.inference.engine import Engine, Floats, ImpossibleError, Minimum

log = logging.getLogger(__name__)

Result = TypeVar("Result")

# A profile point below the minimum by more than this means that the minimum was not the global one.
BETTER = 1e-6
# How often a profile may discover a deeper minimum before the fit gives up.
MAX_RESTARTS = 5
# √2ΔNLL where the likelihood is zero: above every quantile, and finite for the search of a root.
HIGH = 1e3
# A first step without an error to go by: how often it may be ten times as long, and the √2ΔNLL that is enough.
TENS = 12
RISEN = 0.1


class BetterMinimumError(Exception):
    """A profile fit found a lower 2NLL than the fit that was taken for the minimum."""

    def __init__(self, x: Floats, gain: float) -> None:
        super().__init__(f"2NLL lower by {gain:.2g}")
        self.x = x


def from_deepest(engine: Engine, work: Callable[[Minimum], Result], where: str | None) -> Result:
    """Do what profiles the likelihood from its minimum; again from any deeper minimum that a profile discovers.

    Parameters
    ----------
    engine
        The minimiser.
    work
        Takes the minimum.
    where
        The parameters that are profiled, for the error.

    Raises
    ------
    FitError
        Deeper minima were found MAX_RESTARTS times.
    """
    best = engine.minimise()
    for _ in range(MAX_RESTARTS):
        try:
            return work(best)
        except BetterMinimumError as better:
            log.info("a profile found a deeper minimum (%s): fitting again from there", better)
            best = engine.minimise(start=better.x)
    raise FitError(
        "Profile fits keep finding deeper minima: the likelihood has several.",
        where=where,
        remedy="scan the parameter of interest and narrow the bounds to one minimum",
    )


@dataclass
class Profile:
    """2ΔNLL as a function of one parameter, the others profiled; keeps warm starts.

    Attributes
    ----------
    engine
        The minimiser.
    index
        The parameter.
    best
        The minimum over all parameters.
    data
        The data, the problem's own when None.
    """

    engine: Engine
    index: int
    best: Minimum
    data: Floats | None = None

    def __post_init__(self) -> None:
        self._known: list[tuple[float, Minimum]] = [(float(self.best.x[self.index]), self.best)]

    def minimum(self, value: float) -> Minimum:
        """Return the conditional minimum at ``value``."""
        if value == self.best.x[self.index]:
            # Exactly: another fit would differ by rounding, and a significance at the bound would not be 0.
            return self.best
        start = self._start(value)
        found = self.engine.minimise(self.data, fixed={self.index: value}, start=start)
        lower, upper = (
            self.engine.problem.lower[self.index],
            self.engine.problem.upper[self.index],
        )
        gain = self.best.twice_nll - found.twice_nll
        if gain > BETTER and lower <= value <= upper:
            raise BetterMinimumError(found.x, gain)
        self._known.append((value, found))
        return found

    def delta(self, value: float) -> float:
        """Return 2ΔNLL at ``value``, never negative."""
        return max(self.minimum(value).twice_nll - self.best.twice_nll, 0.0)

    def root(self, value: float) -> float:
        """Return √2ΔNLL at ``value``, HIGH where the data are impossible there."""
        try:
            return math.sqrt(self.delta(value))
        except ImpossibleError:
            return HIGH

    def _start(self, value: float) -> Floats:
        """Extrapolate the profiled parameters along the two nearest known points."""
        near = sorted(self._known, key=lambda item: abs(item[0] - value))[:2]
        if len(near) < 2 or near[0][0] == near[1][0]:
            return near[0][1].x
        (a, first), (b, second) = near
        t = float(np.clip((value - a) / (b - a), -1.0, 1.0))
        guess: Floats = first.x + t * (second.x - first.x)
        problem = self.engine.problem
        guess = np.clip(guess, problem.lower, problem.upper)
        guess[self.index] = value
        return guess


def crossing(
    profile: Profile, target: float, error: float, side: int, *, bound: float = math.inf
) -> tuple[float, bool]:
    """Find where √2ΔNLL reaches ``target`` on one side of the minimum.

    √2ΔNLL is nearly linear in the parameter, so that the secant rule converges in a few fits.

    Parameters
    ----------
    profile
        The profile likelihood.
    target
        √2ΔNLL to reach: 1 for a MINOS error.
    error
        First guess of the distance for one unit of √2ΔNLL.
    side
        +1 or −1.
    bound
        The parameter cannot go beyond this value.

    Returns
    -------
    tuple of float and bool
        The crossing, and whether it is the bound instead.

    Raises
    ------
    FitError
        No crossing within 10⁴ times the first guess.
    """
    centre = float(profile.best.x[profile.index])
    far = abs(bound - centre)
    if far == 0.0:
        return centre, True

    def distance(step: float) -> float:
        return profile.root(centre + side * step) - target

    inside, inside_value = 0.0, -target
    step = min(error * target, far)
    for _ in range(40):
        value = distance(step)
        if abs(value) < 1e-7:
            return centre + side * step, False
        if value > 0:
            root: float = brentq(
                _shortcut(distance, {inside: inside_value, step: value}),
                inside,
                step,
                # Relative to the root: the first guess may be far too large.
                xtol=1e-12 * max(error, 1e-12),
                rtol=1e-8,
            )
            return centre + side * root, False
        if step >= far:
            return bound, True
        step, inside, inside_value = _ahead(inside, inside_value, step, value, far), step, value
        if step > 1e4 * max(error, 1e-12):
            break
    raise FitError(
        "The profile likelihood does not rise: the parameter is not determined.",
        where=profile.engine.problem.names[profile.index],
        found=f"√2ΔNLL = {value + target:.3g} at {centre + side * step:.6g}",
        expected=f"{target:g}",
        remedy="give the parameter bounds or a constraint",
    )


def _ahead(before: float, value_before: float, step: float, value: float, far: float) -> float:
    """Return the step to try after two from below: the secant's and 5 %, four times the last and ``far`` at most."""
    slope = (value - value_before) / (step - before)
    ahead = 1.05 * -value / slope if slope > 0 else 3 * step
    return min(step + float(np.clip(ahead, 0.01 * step, 3 * step)), far)


def _shortcut(function: Callable[[float], float], known: dict[float, float]) -> Callable[[float], float]:
    """Let brentq reuse the values at the ends of its bracket."""

    def wrapped(step: float) -> float:
        return known[step] if step in known else function(step)

    return wrapped


def minos(profile: Profile, error: float) -> tuple[float, float, tuple[bool, bool]]:
    """Return the MINOS errors (≤ 0, ≥ 0) of a parameter and whether each ends at the bound.

    Parameters
    ----------
    profile
        Its profile likelihood.
    error
        Its error from the Hessian.
    """
    problem, index = profile.engine.problem, profile.index
    centre = float(profile.best.x[index])
    low, low_bound = crossing(profile, 1.0, error, -1, bound=float(problem.lower[index]))
    high, high_bound = crossing(profile, 1.0, error, +1, bound=float(problem.upper[index]))
    return min(low - centre, 0.0), max(high - centre, 0.0), (low_bound, high_bound)


def step_guess(profile: Profile) -> float:
    """Return a first step for :func:`minos` where the Hessian knows no error: at a bound, or without curvature.

    From the size of the initial value by tens until 2NLL has risen: bounds tell nothing, public workspaces have
    strengths near 1 with bounds of 10³⁰.
    """
    problem, index = profile.engine.problem, profile.index
    centre = float(profile.best.x[index])
    up, down = float(problem.upper[index]) - centre, centre - float(problem.lower[index])
    side, far = (1, up) if up >= down else (-1, down)
    step = min(abs(float(problem.init[index])) or 1.0, far)
    for _ in range(TENS):
        if step >= far or profile.root(centre + side * step) > RISEN:
            break
        step = min(10 * step, far)
    return step


def signed_root(profile: Profile, value: float) -> float:
    """Return sign(μ̂ − value) √2ΔNLL(value)."""
    centre = float(profile.best.x[profile.index])
    # At the minimum itself rounding of 2NLL would leave 10⁻⁸.
    root = 0.0 if value == centre else math.sqrt(profile.delta(value))
    return math.copysign(root, centre - value) + 0.0


def scan_1d(profile: Profile, values: Sequence[float]) -> list[float | None]:
    """Return 2ΔNLL at the values, walked from the minimum outwards for good starts; None where data are impossible."""
    centre = float(profile.best.x[profile.index])
    found: dict[float, float | None] = {}
    for value in sorted(values, key=lambda v: abs(v - centre)):
        try:
            found[value] = profile.delta(value)
        except ImpossibleError:
            found[value] = None
    return [found[value] for value in values]
