"""Damped Newton steps within bounds.

The Hessian is exact, so that convergence is quadratic and the estimated distance to the minimum (EDM,
gᵀH⁻¹g in units of 2NLL) means what it says. Bounds are an active set: a parameter at a bound with the
gradient pushing outwards is held, all others move, and the line search follows the path projected into the
box (D. P. Bertsekas, SIAM J. Control Optim. 20 (1982) 221).

Interpolation codes 0, 1 and 2 have kinks, where no quadratic model holds on both sides. There the box is that of the
smooth piece, and a kink is crossed when 2NLL falls beyond it; a minimum may lie at the kink itself.

A bin without data whose expectation is clipped at 0 has a kink as well, max(λ, 0), along a surface that no single
parameter describes. Minima upon it are found as the limit of smooth problems (C. Chen, O. L. Mangasarian, Comput.
Optim. Appl. 5 (1996) 97) of ever smaller ε, when the steps over the kink itself do not converge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from analysis.errors import FitError
from analysis.inference.clipping import nearest_of_plateau
from analysis.inference.constraints import Measurements
from analysis.inference.engine import ImpossibleError, Minimum
from analysis.inference.kinks import TINY, Kinks
from analysis.inference.likelihood import Likelihood
from analysis.inference.problem import Problem
from analysis.inference.pyhf_engine import invert

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# EDM below which a last full step ends the fit; the step itself squares what remains.
EDM = 1e-10
# Largest slope of 2NLL that is left then, in units of what would make an EDM of 1: the second criterion.
LEVEL = 1e-4
MAX_ITERATIONS = 200
# EDM below which the exact Hessian takes over from Fisher's information.
NEAR = 1.0
# EDM below which an exact Hessian that is not positive (a flat direction) is not replaced but made positive.
CLOSE = 1e-2
# A parameter at a bound counts as held only if 2NLL falls beyond it by this much per prior width: without
# such a push its position may be one of many, which the covariance must show.
PUSH = 1e-6
# A start outside the model is lifted until bins expect this share of their data, in so many steps at most.
LIFT = 0.05
LIFTS = 30
# Smallest share of a step that the line search tries.
MIN_SHARE = 1e-12
# How often a descent may cross kinks.
CROSSINGS = 1000
# The ε of the smooth problems, in events; 2NLL at the end is above its minimum by less than the last of them.
SMOOTH = tuple(10.0**-k for k in range(10))
# Smallest share of a step over a kink itself, where shorter steps are left to the smooth problems.
KINK_SHARE = 1e-3
# How often a bin without data may cross 0 before these are asked.
FLIPS = 6
# Curvatures below this share of the largest are raised to it where the Hessian is not positive.
FLOOR = 1e-6


class NotConvergedError(FitError):
    """The Newton steps ended without reaching a minimum."""


class NewtonEngine:
    """The compiled likelihood with Newton's method.

    Raises
    ------
    UnsupportedModelError
        The model has something that the compiled likelihood does not know.
    """

    name = "compiled likelihood, Newton"

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.likelihood = Likelihood(problem)
        self._scale = np.where(np.isnan(problem.width), 1.0, problem.width)
        self.kinks = Kinks(self.likelihood.model)

    def twice_nll(self, x: Floats, data: Floats | None = None) -> float:
        """Return −2 ln L."""
        data = self.problem.data if data is None else data
        return 2.0 * float(self.likelihood.value(x[None], self.likelihood.measure(data[None]))[0])

    def minimise(
        self,
        data: Floats | None = None,
        *,
        fixed: Mapping[int, float] | None = None,
        start: Floats | None = None,
    ) -> Minimum:
        """Minimise from ``start``; see :class:`~analysis.inference.engine.Engine`."""
        problem = self.problem
        measured = self.likelihood.measure((problem.data if data is None else data)[None])
        held = problem.fixed.copy()
        x = np.clip(problem.init if start is None else start, problem.lower, problem.upper)
        x[problem.fixed] = problem.init[problem.fixed]
        for index, value in (fixed or {}).items():
            held[index], x[index] = True, value
        lower, upper = np.where(held, x, problem.lower), np.where(held, x, problem.upper)
        x = self._feasible(x, held, lower, upper, measured)
        descend = self._descend_by_pieces if self.kinks.points else self._descend
        return nearest_of_plateau(problem, self.likelihood, descend(x, held, lower, upper, measured), held, measured)

    def covariance(self, x: Floats, free: Bools, data: Floats | None = None) -> Floats:
        """Invert the exact Hessian among ``free``; see :class:`~analysis.inference.engine.Engine`."""
        data = self.problem.data if data is None else data
        measured = self.likelihood.measure(data[None])
        hessian = self.likelihood.derivatives(x[None], measured)[1][0]
        where = np.flatnonzero(free)
        covariance: Floats = np.zeros_like(hessian)
        covariance[np.ix_(where, where)] = invert(hessian[np.ix_(where, where)], where, self.problem)
        return covariance

    def expected(self, x: Floats) -> Floats:
        """Return the expected events by sample and bin; (S, B)."""
        cells: Floats = self.likelihood.rates(x[None]).cells[0]
        return cells

    def expected_jacobian(self, x: Floats) -> Floats:
        """Return the derivative of the total expectation; (B, P)."""
        jacobian: Floats = self.likelihood.jacobian(x)
        return jacobian

    def _descend(self, x: Floats, held: Bools, lower: Floats, upper: Floats, data: Measurements) -> Minimum:
        """Minimise within bounds, through smooth problems where clipped bins have their kinks in the way."""
        try:
            return self._newton(x, held, lower, upper, data)
        except NotConvergedError:
            if not self.likelihood.clips or np.all(data.counts > 0):
                raise
        for smooth in SMOOTH:
            found = self._newton(x, held, lower, upper, data, smooth)
            x = found.x
        return replace(found, twice_nll=2.0 * float(self.likelihood.value(x[None], data)[0]))

    def _newton(
        self, x: Floats, held: Bools, lower: Floats, upper: Floats, data: Measurements, smooth: float = 0.0
    ) -> Minimum:
        value = float(self.likelihood.value(x[None], data, smooth=smooth)[0])
        # A smooth problem begins where the last one ended.
        edm = 0.0 if smooth else np.inf
        derivatives = partial(self.likelihood.derivatives, data=data, smooth=smooth)
        sides, flips = self._sides(x, data), 0
        for _ in range(MAX_ITERATIONS):
            exact = edm < NEAR
            gradient, hessian = (a[0] for a in derivatives(x[None], exact=exact))
            free = ~held & ~((x <= lower) & (gradient > 0)) & ~((x >= upper) & (gradient < 0))
            where = np.flatnonzero(free)
            step = np.zeros_like(x)
            solution = _solve(hessian[np.ix_(where, where)], gradient[where])
            if solution is None and exact and edm > CLOSE:
                hessian = derivatives(x[None], exact=False)[1][0]
                solution = _solve(hessian[np.ix_(where, where)], gradient[where])
            if solution is None:
                solution = _solve_floored(hessian[np.ix_(where, where)], gradient[where])
            step[where] = -solution
            edm = float(-gradient @ step)
            least = KINK_SHARE if len(sides) and not smooth and edm > CLOSE else MIN_SHARE
            search = partial(self._search, smooth=smooth, least=least)
            share, x_new, value_new = search(x, step, value, gradient, lower, upper, data)
            last = edm < EDM and exact
            if share == 0.0 and not last:
                # Rounding of 2NLL, not the likelihood, ends here.
                last = edm < 1e-7 + 1e-13 * abs(value)
                if not last:
                    break
            x, value = x_new, value_new
            before, sides = sides, self._sides(x, data)
            flips += int(np.any(before != sides))
            if not smooth and flips > FLIPS:
                break
            if last and self._is_level(x, free, hessian, data, smooth):
                pushed = np.abs(gradient) * self._scale > PUSH
                return Minimum(x, 2.0 * value, free | (~held & ~pushed), edm)
        raise self._failure(x, gradient, free, edm)

    def _sides(self, x: Floats, data: Measurements) -> Bools:
        """Tell which bins without data expect more than 0, where those that do not are clipped."""
        empty = data.counts[0] == 0
        if not self.likelihood.clips or not empty.any():
            return np.zeros(0, dtype=bool)
        sides: Bools = self.likelihood.rates(x[None]).total[0, empty] > 0
        return sides

    def _is_level(self, x: Floats, free: Bools, hessian: Floats, data: Measurements, smooth: float) -> bool:
        """Tell whether the projected gradient vanishes, in units of the curvature of each parameter."""
        gradient = self.likelihood.gradient(x[None], data, smooth=smooth)[0]
        curvature = np.maximum(np.diag(hessian), self._scale**-2.0)
        return bool(np.all(np.abs(gradient[free]) <= LEVEL * np.sqrt(curvature[free])))

    def _descend_by_pieces(self, x: Floats, held: Bools, lower: Floats, upper: Floats, data: Measurements) -> Minimum:
        """Descend within smooth pieces of the likelihood, crossing kinks as long as 2NLL falls beyond them."""
        for _ in range(CROSSINGS):
            x = self._cross(x, held, data)[0]
            low, high = self.kinks.piece(x, held, lower, upper)
            found = self._descend(np.clip(x, low, high), held, low, high, data)
            x, moved = self._cross(found.x, held, data)
            if not moved:
                return replace(found, x=np.where(np.abs(found.x) <= TINY, 0.0, found.x))
        raise NotConvergedError(
            "the fit did not converge: it crosses the kinks of its interpolation without end",
            found=f"{CROSSINGS} crossings",
            remedy="use the interpolation codes 4 and 4p, which have no kinks",
        )

    def _cross(self, x: Floats, held: Bools, data: Measurements) -> tuple[Floats, bool]:
        """Move parameters that lie at a kink to the side where 2NLL falls; tell whether any was."""
        at = {i: sides for i, sides in self.kinks.at(x).items() if not held[i]}
        left, right = x.copy(), x.copy()
        for i, (below, above) in at.items():
            left[i], right[i] = below, above
        slopes = [self.likelihood.gradient(point[None], data, smooth=SMOOTH[-1])[0] for point in (left, right)]
        result, moved = x.copy(), False
        for i, sides in at.items():
            falls = slopes[0][i], -slopes[1][i]  # to the left, to the right
            there = int(falls[1] >= falls[0]) if x[i] not in sides else int(x[i] == sides[0])
            trial = result.copy()
            trial[i] = sides[there]
            # Code 2, as pyhf has it, jumps at its kinks: cross downwards only.
            before, after = (self.likelihood.value(point[None], data)[0] for point in (result, trial))
            slack = 1e-12 * max(abs(before), 1.0)
            # A slope within rounding is none.
            if after < before - slack or (after <= before + slack and falls[there] * self._scale[i] > PUSH):
                result, moved = trial, True
        return result, moved

    def _search(
        self,
        x: Floats,
        step: Floats,
        value: float,
        gradient: Floats,
        lower: Floats,
        upper: Floats,
        data: Measurements,
        *,
        smooth: float,
        least: float,
    ) -> tuple[float, Floats, float]:
        """Halve the step until 2NLL falls (Armijo); return its share (0 for none), x and value."""
        share, slack = 1.0, 1e-14 * max(abs(value), 1.0)
        while share > least:
            trial = np.clip(x + share * step, lower, upper)
            found = float(self.likelihood.value(trial[None], data, smooth=smooth)[0])
            if found <= value + 1e-4 * float(gradient @ (trial - x)) + slack:
                return share, trial, found
            share *= 0.5
        return 0.0, x, value

    def _feasible(self, x: Floats, held: Bools, lower: Floats, upper: Floats, data: Measurements) -> Floats:
        """Leave a start where 2NLL is infinite: towards the initial values, then inside the bounds."""
        if np.isfinite(self.likelihood.value(x[None], data)[0]):
            return x
        middle = np.where(held, x, np.clip(self.problem.init, lower, upper))
        inner = np.where(held, x, np.clip(1.0, lower, upper))
        constrained = ~np.isnan(self.problem.central)
        inner = np.where(constrained & ~held, np.clip(self.problem.central, lower, upper), inner)
        for goal in (middle, inner):
            for share in (0.1, 0.5, 1.0):
                trial = x + share * (goal - x)
                if np.isfinite(self.likelihood.value(trial[None], data)[0]):
                    return trial
        lifted = self._lift(x, held, lower, upper, data)
        if lifted is not None:
            return lifted
        raise ImpossibleError(
            "the likelihood is zero where the fit must start",
            where=self._impossible(x, data),
            remedy="bins with data need a positive expectation at the initial parameters",
        )

    def _lift(self, x: Floats, held: Bools, lower: Floats, upper: Floats, data: Measurements) -> Floats | None:
        """Raise the expectation of bins with data above 0 by the smallest pulls that do it; None if none do.

        A strength far below 0 is possible only with more background than nominal: linear steps lead there.
        """
        counts = data.counts[0]
        spread = np.where(held, 0.0, self._scale) ** 2
        for _ in range(LIFTS):
            total = self.likelihood.rates(x[None]).total[0]
            low = np.flatnonzero((counts > 0) & (total < LIFT * counts))
            if np.isfinite(self.likelihood.value(x[None], data)[0]):
                return x
            slopes = self.likelihood.jacobian(x)[low]
            matrix = (slopes * spread) @ slopes.T
            matrix[np.diag_indices_from(matrix)] += 1e-12 * np.trace(matrix) + 1e-300
            need = np.linalg.solve(matrix, 2 * LIFT * counts[low] - total[low])
            x = np.clip(x + spread * (slopes.T @ need), lower, upper)
        return None

    def _impossible(self, x: Floats, data: Measurements) -> str:
        total = self.likelihood.rates(x[None]).total[0]
        bad = np.flatnonzero((total <= 0) & (data.counts[0] > 0)).tolist()
        places = [f"{self.problem.bin_label(i)} expects {total[i]:.3g} and has {data.counts[0, i]:g}" for i in bad]
        held = [f"{self.problem.names[i]} = {x[i]:g}" for i in self._pois()]
        return "; ".join([*places[:3], *held])

    def _pois(self) -> list[int]:
        return [] if self.problem.poi is None else [self.problem.poi]

    def _failure(self, x: Floats, gradient: Floats, free: Bools, edm: float) -> FitError:
        slopes = np.abs(gradient) * self._scale * free
        worst = np.argsort(-slopes)[:3]
        return NotConvergedError(
            "the fit did not converge",
            where="steepest: "
            + ", ".join(f"{self.problem.names[i]} = {x[i]:.4g} (slope {slopes[i]:.2g})" for i in worst),
            found=f"estimated distance to the minimum {edm:.2g} in 2NLL",
            expected=f"below {EDM:g}",
            remedy="look for parameters that nothing constrains, or widen their bounds",
        )


def _solve(hessian: Floats, gradient: Floats) -> Floats | None:
    """Solve H d = g; None where H is not positive."""
    if not len(gradient):
        return gradient
    try:
        solution: Floats = cho_solve(cho_factor(hessian, check_finite=False), gradient, check_finite=False)
    except LinAlgError:
        return None
    return solution if np.all(np.isfinite(solution)) else None


def _solve_floored(hessian: Floats, gradient: Floats) -> Floats:
    """Solve H d = g with the eigenvalues of H made positive."""
    scale = np.sqrt(np.abs(np.diag(hessian)))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
    values = np.maximum(np.abs(values), FLOOR * np.abs(values).max(initial=1.0))
    solution: Floats = (vectors @ ((vectors.T @ (gradient / scale)) / values)) / scale
    return solution
