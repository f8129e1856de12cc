"""The reference minimiser: pyhf's likelihood and Minuit, with finite-difference derivatives.

Slow (one evaluation of a model with 150 parameters takes a millisecond, a gradient 300 of them),
but it knows everything that pyhf knows. It is the judge of the compiled engine and its fall-back.
"""

from __future__ import annotations

from collections.abc import Mapping

import iminuit
import numpy as np
import numpy.typing as npt
import pyhf

from analysis.errors import FitError
from analysis.inference.engine import Bools, Floats, Minimum
from analysis.inference.problem import Problem

Ints = npt.NDArray[np.int64]

# Minuit's tolerance: EDM < 2e-3 × this; its own default is 0.1.
TOLERANCE = 0.01
MAX_CALLS = 200_000
# Smallest eigenvalue of a normalised Hessian that finite differences can tell from 0.
FLAT = 1e-5


class PyhfEngine:
    """pyhf (numpy backend) with iminuit's MIGRAD.

    Parameters
    ----------
    problem
        The fit problem.
    reason
        Why the compiled engine does not serve, for the result.
    """

    name = "pyhf + Minuit"

    def __init__(self, problem: Problem, *, reason: str = "") -> None:
        pyhf.set_backend("numpy")
        self.problem = problem
        self.reason = reason

    @property
    def remarks(self) -> list[str]:
        """Why pyhf evaluated the model."""
        return [f"pyhf evaluated the model: {self.reason}"] if self.reason else []

    def twice_nll(self, x: Floats, data: Floats | None = None) -> float:
        """Return −2 ln L as pyhf evaluates it; NaN (a negative expectation) becomes infinite."""
        data = self.problem.data if data is None else data
        with np.errstate(all="ignore"):
            value = -2.0 * float(self.problem.model.logpdf(x, data)[0])
        return np.inf if np.isnan(value) else value

    def minimise(
        self,
        data: Floats | None = None,
        *,
        fixed: Mapping[int, float] | None = None,
        start: Floats | None = None,
    ) -> Minimum:
        """Run MIGRAD, once more from where it stopped if it did not converge."""
        problem = self.problem
        held = problem.fixed.copy()
        x0 = (problem.init if start is None else start).copy()
        x0 = np.where(held, problem.init, np.clip(x0, problem.lower, problem.upper))
        for index, value in (fixed or {}).items():
            held[index], x0[index] = True, value
        if held.all():
            return Minimum(x0, self.twice_nll(x0, data), ~held, 0.0)
        minuit = iminuit.Minuit(lambda x: self.twice_nll(x, data), x0)
        minuit.errordef = iminuit.Minuit.LEAST_SQUARES
        minuit.limits = [
            (None, None) if hold else (low, high)
            for hold, low, high in zip(held, problem.lower, problem.upper, strict=True)
        ]
        minuit.fixed = held
        minuit.errors = self._steps()
        minuit.strategy, minuit.tol = 1, TOLERANCE
        minuit.migrad(ncall=MAX_CALLS)
        if not minuit.valid:
            minuit.simplex().migrad(ncall=MAX_CALLS)
        x = np.asarray(minuit.values, dtype=float)
        free = ~held & ~self._stuck(x)
        if not minuit.valid:
            self._explain(minuit, x, held)
        return Minimum(x, float(minuit.fval), free, float(minuit.fmin.edm))

    def covariance(self, x: Floats, free: Bools, data: Floats | None = None) -> Floats:
        """Invert the Hessian from central differences."""
        where = np.flatnonzero(free)
        steps = self._curvature_steps(x, where, data)
        size = len(where)
        hessian = np.empty((size, size))
        centre = self.twice_nll(x, data)
        for i in range(size):
            for j in range(i + 1):
                hessian[i, j] = hessian[j, i] = self._second(x, where, steps, i, j, centre, data)
        covariance = np.zeros((len(x), len(x)))
        covariance[np.ix_(where, where)] = invert(hessian / 2.0, where, self.problem, flat=FLAT)
        return covariance

    def expected(self, x: Floats) -> Floats:
        """Return pyhf's expected events by sample and bin."""
        return np.asarray(self.problem.model.main_model.expected_data(x, return_by_sample=True))

    def expected_jacobian(self, x: Floats) -> Floats:
        """Differentiate the expectation by central differences."""
        total = self.problem.model.main_model.expected_data
        columns = []
        for index, step in enumerate(self._steps() * 1e-3):
            up, down = x.copy(), x.copy()
            up[index] += step
            down[index] -= step
            columns.append((np.asarray(total(up)) - np.asarray(total(down))) / (2 * step))
        return np.stack(columns, axis=1)

    def _steps(self) -> Floats:
        """Return a first step for each parameter: the prior width, or 0.1."""
        guess = np.where(np.isnan(self.problem.width), 0.1, self.problem.width)
        return np.where(guess > 0, guess, 0.1)

    def _stuck(self, x: Floats) -> Bools:
        # Minuit's sine transformation comes near a bound, never upon it.
        span = self.problem.upper - self.problem.lower
        near: Bools = (x - self.problem.lower < 1e-6 * span) | (self.problem.upper - x < 1e-6 * span)
        return near

    def _curvature_steps(self, x: Floats, where: Ints, data: Floats | None) -> Floats:
        """Return steps that change 2NLL by about 0.01: neither rounding nor higher orders matter."""
        centre = self.twice_nll(x, data)
        steps = self._steps()[where]
        for i, index in enumerate(where):
            for _ in range(20):
                shifted = x.copy()
                shifted[index] += steps[i]
                other = x.copy()
                other[index] -= steps[i]
                rise = (self.twice_nll(shifted, data) + self.twice_nll(other, data)) / 2 - centre
                if np.isfinite(rise) and 1e-3 < rise < 1e-1:
                    break
                factor = 0.1 if not np.isfinite(rise) else np.sqrt(0.01 / max(rise, 1e-8))
                steps[i] *= float(np.clip(factor, 0.05, 20.0))
        return steps

    def _second(
        self,
        x: Floats,
        where: Ints,
        steps: Floats,
        i: int,
        j: int,
        centre: float,
        data: Floats | None,
    ) -> float:
        def at(a: int, b: int) -> float:
            point = x.copy()
            point[where[i]] += a * steps[i]
            point[where[j]] += b * steps[j]
            return self.twice_nll(point, data)

        if i == j:
            return float((at(1, 0) - 2 * centre + at(-1, 0)) / steps[i] ** 2)
        square = at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)
        return float(square / (4 * steps[i] * steps[j]))

    def _explain(self, minuit: iminuit.Minuit, x: Floats, held: Bools) -> None:
        fmin = minuit.fmin
        reasons = [
            text
            for text, true in (
                ("the call limit was reached", fmin.has_reached_call_limit),
                (f"the estimated distance to the minimum is {fmin.edm:.2g}", fmin.is_above_max_edm),
                ("parameters are at their bounds", fmin.has_parameters_at_limit),
            )
            if true
        ]
        raise FitError(
            "The fit did not converge.",
            found="; ".join(reasons) or "Minuit calls the minimum invalid",
            where=_largest_slopes(self, x, ~held),
            remedy="look for parameters that nothing constrains, or widen their bounds",
        )


def _largest_slopes(engine: PyhfEngine, x: Floats, free: Bools) -> str:
    """Name the three free parameters along which 2NLL still falls most per prior width."""
    steps = engine._steps() * 1e-3
    slopes = {}
    for index in np.flatnonzero(free):
        up, down = x.copy(), x.copy()
        up[index] += steps[index]
        down[index] -= steps[index]
        slope = (engine.twice_nll(up) - engine.twice_nll(down)) / 2e-3
        slopes[engine.problem.names[index]] = abs(slope)
    worst = sorted(slopes, key=lambda name: -slopes[name])[:3]
    return "steepest: " + ", ".join(f"{name} ({slopes[name]:.2g})" for name in worst)


def invert(hessian: Floats, where: Ints, problem: Problem, *, flat: float = 1e-10) -> Floats:
    """Invert the Hessian of NLL among the free parameters; name the parameters of a flat direction.

    Parameters
    ----------
    hessian : (F, F) float64
        Symmetric, of NLL (not doubled).
    where : (F,)
        Which parameters these are.
    flat
        Eigenvalue of the Hessian, normalised to a unit diagonal, below which a direction counts as flat.

    Raises
    ------
    FitError
        The Hessian is singular or indefinite: some combination of parameters is not determined.
    """
    if not len(where):
        return hessian
    scale = np.sqrt(np.abs(np.diag(hessian)))
    for position in np.flatnonzero(~(scale > 0)):
        raise FitError(
            "The likelihood does not depend on a parameter.",
            where=problem.names[where[position]],
            remedy="fix it, give it a constraint, or remove it",
        )
    values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
    if values[0] < flat:
        direction = vectors[:, 0] / scale
        shares = np.abs(vectors[:, 0])
        order = np.argsort(-shares)[:4]
        largest = np.abs(direction[order]).max()
        names = [f"{direction[k] / largest:+.2f} {problem.names[where[k]]}" for k in order if shares[k] > 0.1]
        raise FitError(
            "The data do not determine a combination of parameters: the Hessian is "
            + ("singular." if values[0] > -flat else "not positive."),
            where=" ".join(names),
            found=f"smallest eigenvalue {values[0]:.2g} of the normalised Hessian",
            remedy="fix one of them, or give it a constraint",
        )
    inverse = (vectors / values) @ vectors.T
    covariance: Floats = inverse / np.outer(scale, scale)
    return covariance
