"""Newton steps within bounds, on smooth pieces of the likelihood.

Two descents to the same end. The *damped* one is fast: full steps with the exact Hessian, halved until −ln L falls;
bounds are an active set, and the line search follows the path projected into the box (D. P. Bertsekas, SIAM J. Control
Optim. 20 (1982) 221). It may stall where the Hessian is singular: in the curved valleys of parameters that the data do
not tell apart, or beside bounds that such steps run into. The *regularised* one does not: each step minimises the
quadratic model plus a multiple of its diagonal within the bounds, and the multiple follows how well the model foretold
the fall (Levenberg–Marquardt; J. Fan, Y. Yuan, Computing 74 (2005) 23 for singular minima).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from analysis.errors import FitError
from analysis.inference.constraints import Measurements
from analysis.inference.likelihood import Likelihood

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# EDM below which a last full step ends the fit; the step itself squares what remains.
EDM = 1e-10
# Largest slope of −ln L that is left then, in units of what would make an EDM of 1: the second criterion.
LEVEL = 1e-4
# Steps of the damped descent, before the regularised one takes over, and of that: it follows curved valleys for long.
MAX_DAMPED = 100
MAX_REGULARISED = 5000
# EDM below which the exact Hessian takes over from Fisher's information.
NEAR = 1.0
# EDM below which the Hessian, which hardly changes any more, is kept as long as steps leave less than FASTER of it.
KEPT = 1e-2
FASTER = 1e-2
# EDM below which an exact Hessian that is not positive (a flat direction) is not replaced but made positive.
CLOSE = 1e-2
# Smallest share of a step that the line search tries.
MIN_SHARE = 1e-12
# Smallest share of a step over a kink itself, where shorter steps are left to the smooth problems.
KINK_SHARE = 1e-3
# How often a bin without data may cross 0 before these are asked.
FLIPS = 6
# Curvatures below this share of the largest are raised to it where the Hessian is not positive.
FLOOR = 1e-6
# Multiple of the diagonal: at first, at least and at most.
DAMPING = (1e-3, 1e-12, 1e12)
# A parameter at a bound counts as held only if −ln L falls beyond it by this much per prior width: without
# such a push its position may be one of many, which the covariance must show.
PUSH = 1e-6
# Relative rounding of −ln L: falls below it say nothing.
ROUNDING = 1e-14


class NotConvergedError(FitError):
    """The Newton steps ended without reaching a minimum."""


@dataclass(frozen=True)
class Task:
    """What is minimised: −ln L of one data set over a box.

    Attributes
    ----------
    likelihood, data
        The model and its data, one set.
    names
        Of the parameters, for errors.
    scale : (P,) float64
        Prior widths, 1 for parameters without.
    held : (P,) bool
        Parameters that do not move.
    lower, upper : (P,) float64
        The box.
    smooth
        The ε of the smooth form of clipped bins; 0 for the likelihood itself.
    """

    likelihood: Likelihood
    data: Measurements
    names: tuple[str, ...]
    scale: Floats
    held: Bools
    lower: Floats
    upper: Floats
    smooth: float = 0.0

    def value(self, x: Floats) -> float:
        """Return −ln L at ``x`` (P,)."""
        return float(self.likelihood.value(x[None], self.data, smooth=self.smooth)[0])

    def gradient(self, x: Floats) -> Floats:
        """Return its gradient (P,)."""
        gradient: Floats = self.likelihood.gradient(x[None], self.data, smooth=self.smooth)[0]
        return gradient

    def derivatives(self, x: Floats, *, exact: bool = True) -> tuple[Floats, Floats]:
        """Return gradient (P,) and Hessian (P, P), or Fisher's information where not ``exact``."""
        gradient, hessian = self.likelihood.derivatives(x[None], self.data, exact=exact, smooth=self.smooth)
        return gradient[0], hessian[0]

    def free(self, x: Floats, gradient: Floats) -> Bools:
        """Return which parameters are neither held nor pushed against a bound."""
        free: Bools = ~self.held & ~((x <= self.lower) & (gradient > 0)) & ~((x >= self.upper) & (gradient < 0))
        return free

    def sides(self, x: Floats) -> Bools:
        """Tell which bins without data expect more than 0, where those that do not are clipped."""
        empty = self.data.counts[0] == 0
        if not self.likelihood.clips or not empty.any():
            return np.zeros(0, dtype=bool)
        sides: Bools = self.likelihood.rates(x[None]).total[0, empty] > 0
        return sides

    def is_level(self, x: Floats, free: Bools, hessian: Floats) -> bool:
        """Tell whether the projected gradient vanishes, in units of the curvature of each parameter."""
        gradient = self.gradient(x)
        curvature = np.maximum(np.diag(hessian), self.scale**-2.0)
        return bool(np.all(np.abs(gradient[free]) <= LEVEL * np.sqrt(curvature[free])))


@dataclass(frozen=True)
class Descended:
    """Where a descent ended.

    Attributes
    ----------
    x, value, gradient
        Parameters (P,), −ln L and its gradient (P,).
    free : (P,) bool
        Parameters that are neither held nor pushed against a bound.
    edm
        Estimated distance to the minimum, in units of 2NLL.
    positive
        Whether the Hessian among the free is: else it may be a saddle.
    """

    x: Floats
    value: float
    gradient: Floats
    free: Bools
    edm: float
    positive: bool = True

    def weak(self, task: Task) -> Bools:
        """Return which parameters lie at a bound to which next to no slope pushes them; (P,)."""
        weak: Bools = ~task.held & ~self.free & (np.abs(self.gradient) * task.scale <= PUSH)
        return weak


@dataclass(frozen=True)
class Curvature:
    """The Hessian that steps are made with.

    Attributes
    ----------
    hessian : (P, P) float64
        Exact, or Fisher's information.
    free : (P,) bool
        Parameters that it was factored among.
    factor
        Cholesky's of it among these; None where it is not positive.
    """

    hessian: Floats
    free: Bools
    factor: tuple[Floats, bool] | None

    @classmethod
    def among(cls, hessian: Floats, free: Bools) -> Curvature:
        """Factor a Hessian among the ``free`` parameters."""
        where = np.flatnonzero(free)
        return cls(hessian, free, _factor(hessian[np.ix_(where, where)]))

    def step(self, gradient: Floats) -> Floats:
        """Return the step (P,); where the Hessian is not positive its eigenvalues are made positive."""
        where = np.flatnonzero(self.free)
        step = np.zeros_like(gradient)
        if self.factor is None:
            step[where] = -_solve_floored(self.hessian[np.ix_(where, where)], gradient[where])
        elif len(where):
            step[where] = -cho_solve(self.factor, gradient[where], check_finite=False)
        return step


def damped(task: Task, x: Floats, *, near: bool = False, enough: float = EDM) -> Descended:
    """Descend from ``x`` by damped Newton steps.

    Parameters
    ----------
    task, x
        What is minimised, and the start (P,).
    near
        Whether ``x`` is thought to be near the minimum: then the exact Hessian is taken at once.
    enough
        EDM that ends the descent.

    Raises
    ------
    NotConvergedError
        They stall: no step lowers −ln L, or bins go to and fro over the kink at their clip.
    """
    value = task.value(x)
    # A smooth problem begins where the one before, of a greater ε, ended.
    edm = 0.0 if 0.0 < task.smooth < 1.0 else 0.5 * NEAR if near else np.inf
    sides, flips = task.sides(x), 0
    curvature: Curvature | None = None
    for _ in range(MAX_DAMPED):
        exact = edm < NEAR
        gradient, curvature = slope_and_curvature(task, x, curvature, exact=exact, replace=exact and edm > CLOSE)
        free, step = curvature.free, curvature.step(gradient)
        before, edm = edm, float(-gradient @ step)
        least = KINK_SHARE if len(sides) and not task.smooth and edm > CLOSE else MIN_SHARE
        share, x_new, value_new = _search(task, x, step, value, gradient, least)
        last = edm < enough and exact
        if share == 0.0 and not last:
            # Rounding of 2NLL, not the likelihood, ends here.
            last = edm < 1e-7 + 1e-13 * abs(value)
            if not last:
                break
        x, value = x_new, value_new
        old, sides = sides, task.sides(x)
        flips += int(np.any(old != sides))
        if not task.smooth and flips > FLIPS:
            break
        if last and (enough > EDM or task.is_level(x, free, curvature.hessian)):
            return Descended(x, value, gradient, free, edm, curvature.factor is not None)
        if not (exact and share == 1.0 and settles(edm, before)) or curvature.factor is None:
            curvature = None
    raise not_converged(task, Descended(x, value, gradient, free, edm))


def settles(edm: float, before: float) -> bool:
    """Tell whether a step to ``edm`` from the one ``before`` says that the Hessian hardly changes any more."""
    return edm < min(KEPT, FASTER * before)


def slope_and_curvature(
    task: Task, x: Floats, kept: Curvature | None, *, exact: bool = True, replace: bool = False
) -> tuple[Floats, Curvature]:
    """Return the gradient (P,) at ``x``, and the Hessian: the one ``kept`` if the same parameters are free.

    Where not ``exact`` it is Fisher's information, as with ``replace`` where the Hessian is not positive.
    """
    if kept is not None:
        gradient = task.gradient(x)
        if np.array_equal(task.free(x, gradient), kept.free):
            return gradient, kept
    gradient, hessian = task.derivatives(x, exact=exact)
    curvature = Curvature.among(hessian, task.free(x, gradient))
    if curvature.factor is None and replace:
        curvature = Curvature.among(task.derivatives(x, exact=False)[1], curvature.free)
    return gradient, curvature


def _search(
    task: Task, x: Floats, step: Floats, value: float, gradient: Floats, least: float
) -> tuple[float, Floats, float]:
    """Halve the step until 2NLL falls (Armijo); return its share (0 for none), x and value."""
    share, slack = 1.0, ROUNDING * max(abs(value), 1.0)
    while share > least:
        trial = np.clip(x + share * step, task.lower, task.upper)
        found = task.value(trial)
        if found <= value + 1e-4 * float(gradient @ (trial - x)) + slack:
            return share, trial, found
        share *= 0.5
    return 0.0, x, value


def regularised(task: Task, x: Floats) -> Descended:
    """Descend from ``x`` by regularised Newton steps within the bounds.

    Raises
    ------
    NotConvergedError
        No minimum after MAX_REGULARISED.
    """
    value, (damping, least, most) = task.value(x), DAMPING
    gradient, hessian = task.derivatives(x)
    for _ in range(MAX_REGULARISED):
        diagonal = np.maximum(np.abs(np.diag(hessian)), task.scale**-2.0)
        step = _boxed_step(task, x, gradient, hessian, damping * diagonal)
        while step is None and damping < most:
            damping = max(10 * damping, FLOOR)
            step = _boxed_step(task, x, gradient, hessian, damping * diagonal)
        if step is None:
            break
        foretold = -float(gradient @ step + 0.5 * step @ hessian @ step)
        free = task.free(x, gradient)
        level = bool(np.all(np.abs(gradient[free]) <= LEVEL * np.sqrt(diagonal[free])))
        rounding = ROUNDING * max(abs(value), 1.0)
        # In units of 2NLL twice of what −ln L may fall.
        if level and 2 * foretold < EDM:
            return Descended(x, value, gradient, free, 2 * foretold, positive=False)
        trial = np.clip(x + step, task.lower, task.upper)
        found = task.value(trial)
        falls = found < value - 1e-3 * foretold or (foretold < 10 * rounding and found <= value + rounding)
        if foretold > 0 and falls:
            good = found < value - 0.75 * foretold
            damping = max(damping * (0.1 if good else 0.5), least)
            x, value = trial, found
            gradient, hessian = task.derivatives(x)
            continue
        if damping >= most:
            break
        damping *= 5.0
    edm = 2 * foretold if step is not None else np.inf
    raise not_converged(task, Descended(x, value, gradient, task.free(x, gradient), edm))


def _boxed_step(task: Task, x: Floats, gradient: Floats, hessian: Floats, ridge: Floats) -> Floats | None:
    """Minimise the quadratic model plus ``ridge`` on its diagonal within the box; None where it is not convex.

    Parameters that the step would carry over a bound go to the bound, one after the other.
    """
    matrix = hessian + np.diag(ridge)
    low, high = task.lower - x, task.upper - x
    step = np.zeros_like(x)
    free = task.free(x, gradient)
    for _ in range(len(x) + 1):
        where = np.flatnonzero(free)
        fixed = np.where(free, 0.0, step)
        solution = _solve(matrix[np.ix_(where, where)], (gradient + matrix @ fixed)[where])
        if solution is None:
            return None
        step[where] = -solution
        over = free & ((step < low) | (step > high))
        if not over.any():
            return step
        step = np.where(over, np.clip(step, low, high), step)
        free &= ~over
    return step


def not_converged(task: Task, at: Descended) -> NotConvergedError:
    """Return the error that names the steepest parameters."""
    slopes = np.abs(at.gradient) * task.scale * at.free
    worst = np.argsort(-slopes)[:3]
    return NotConvergedError(
        "The fit did not converge.",
        where="steepest: " + ", ".join(f"{task.names[i]} = {at.x[i]:.4g} (slope {slopes[i]:.2g})" for i in worst),
        found=f"estimated distance to the minimum {at.edm:.2g} in 2NLL",
        expected=f"below {EDM:g}",
        remedy="look for parameters that nothing constrains, or widen their bounds",
    )


def _factor(hessian: Floats) -> tuple[Floats, bool] | None:
    """Return Cholesky's factor of H; None where H is not positive."""
    if not hessian.size:
        return hessian, False
    try:
        factor: tuple[Floats, bool] = cho_factor(hessian, check_finite=False)
    except LinAlgError:
        return None
    return factor if np.all(np.isfinite(np.diag(factor[0]))) else None


def _solve(hessian: Floats, gradient: Floats) -> Floats | None:
    """Solve H d = g; None where H is not positive."""
    if not len(gradient):
        return gradient
    factor = _factor(hessian)
    if factor is None:
        return None
    solution: Floats = cho_solve(factor, gradient, check_finite=False)
    return solution if np.all(np.isfinite(solution)) else None


def _solve_floored(hessian: Floats, gradient: Floats) -> Floats:
    """Solve H d = g with the eigenvalues of H made positive."""
    scale = np.sqrt(np.abs(np.diag(hessian)))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
    values = np.maximum(np.abs(values), FLOOR * np.abs(values).max(initial=1.0))
    solution: Floats = (vectors @ ((vectors.T @ (gradient / scale)) / values)) / scale
    return solution
