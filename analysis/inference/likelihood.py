"""The likelihood of a compiled model: value, gradient and exact Hessian, for many data sets at once.

With w = 1 − n/λ in each bin, the gradient of −ln L is Σ w ∂λ and its Hessian Σ (n/λ²) ∂λ ∂λᵀ + Σ w ∂²λ
(:mod:`analysis.inference.expectations`). All arrays carry a leading axis T of parameter points (toys, grid points);
one fit is T = 1.

Where the model says so (pyhf's ``clip_bin_data=0.0``, as every workspace is read here) a bin never expects less than
0. A bin without data then contributes max(λ, 0), which has a kink at λ = 0; the minimiser may ask for a smooth form of
it, (λ + √(λ² + 4ε²)) / 2, which is above it by ε at most, or for a share v λ of each such bin, as a minimum at the kink
has it (0 ≤ v ≤ 1).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import xlog1py

from analysis.inference.compiled import Compiled, UnsupportedModelError, compile_model
from analysis.inference.constraints import Measurements, constraints_of, measurements
from analysis.inference.expectations import TINY, Expectations, Rates
from analysis.inference.problem import Problem

Floats = npt.NDArray[np.float64]

# Agreement with pyhf demanded when a model is compiled (relative).
COMPILE_TOLERANCE = 1e-10
# Smallest expectation in the denominator of Fisher's information.
FLOOR = 1e-12


class Likelihood:
    """−ln L of a problem, normalised as pyhf does.

    Parameters
    ----------
    problem
        The model is compiled from its ``pyhf.Model``, and compared with it at one point.

    Raises
    ------
    UnsupportedModelError
        The model has something that is not known here.
    """

    def __init__(self, problem: Problem) -> None:
        self.n_bins = problem.n_bins
        self.model: Compiled = compile_model(problem.model)
        self.expectations = Expectations(self.model)
        # Whether a negative expectation counts as 0; else it is rewarded in bins without data, as pyhf does by default.
        self.clips = problem.model.main_model.clip_bin_data is not None
        self.constraints = constraints_of(problem)
        self._check(problem)

    def rates(self, x: Floats, *, guard: bool = False) -> Rates:
        """Return expectations at ``x`` (T, P), before they are clipped; guarded ones serve derivatives."""
        return self.expectations.rates(x, guard=guard)

    def jacobian(self, x: Floats) -> Floats:
        """Return ∂λ/∂θ (B, P) at one point ``x`` (P,)."""
        return self.expectations.jacobian(x)

    def measure(self, data: Floats) -> Measurements:
        """Prepare data (T, n_bins + n_aux) for the other methods."""
        return measurements(self.n_bins, self.constraints, data)

    def value(self, x: Floats, data: Measurements, *, smooth: float = 0.0, rates: Rates | None = None) -> Floats:
        """Return −ln L at ``x`` (T, P) for T or one data sets; (T,). Known ``rates`` there save the most of it.

        Infinite where a bin with data expects nothing, or less. ``smooth`` is the ε of the smooth form of max(λ, 0)
        in bins without data; 0 for the kink itself. Summed as differences from the saturated
        model, so that rounding does not grow with the number of events.
        """
        c = self.constraints
        pull = (x[:, c.normal] - data.normal) / c.sigma
        total = self._clipped((rates or self.rates(x)).total, data, smooth)
        main = _deviance(total, data.counts) + (0.5 * pull * pull).sum(axis=1)
        if len(c.poisson):
            main = main + _deviance(c.scale * x[:, c.poisson], data.poisson)
        result: Floats = main + data.offset
        return result

    def derivatives(
        self, x: Floats, data: Measurements, *, exact: bool = True, smooth: float = 0.0
    ) -> tuple[Floats, Floats]:
        """Return gradient (T, P) and Hessian (T, P, P) of −ln L.

        Not ``exact``: Fisher's information Σ ∂λ ∂λᵀ / λ in place of the Hessian. It is never negative and
        takes half the time; far from the minimum it makes better steps.
        """
        rates = self.expectations.rates(x, guard=True)
        weight, spread = self._weights(rates.total, data, smooth)
        dense, local = self.expectations.slopes(rates)
        gradient = self.expectations.weighted(weight, dense, local)
        if exact:
            hessian = self.expectations.curvature(rates, weight, spread, dense, local)
        else:
            expected = 1.0 / np.maximum(rates.total, FLOOR)
            if self.clips:
                expected = np.where(rates.total > 0, expected, spread)
            hessian = self.expectations.information(expected, dense, local)
        self._add_constraints(x, data, gradient, hessian)
        return gradient, hessian

    def gradient(self, x: Floats, data: Measurements, *, smooth: float = 0.0, rates: Rates | None = None) -> Floats:
        """Return the gradient (T, P) of −ln L, without forming the Jacobian; ``rates`` must be guarded ones."""
        rates = rates or self.expectations.rates(x, guard=True)
        weight, _ = self._weights(rates.total, data, smooth)
        gradient = self.expectations.projected(rates, weight)
        self._add_constraints(x, data, gradient, None)
        return gradient

    def _clipped(self, total: Floats, data: Measurements, smooth: float) -> Floats:
        """Return what the bins expect, never below 0 where the model clips."""
        if not self.clips:
            return total
        clipped = np.maximum(total, 0.0)
        if data.shares is not None:
            return np.where(data.counts > 0, clipped, data.shares * total)
        if smooth:
            # (λ + √(λ² + 4ε²)) / 2 without cancellation
            root = np.hypot(total, 2 * smooth)
            excess = 2 * smooth**2 / (np.abs(total) + root)
            clipped = np.where(data.counts > 0, clipped, clipped + excess)
        result: Floats = clipped
        return result

    def _weights(self, total: Floats, data: Measurements, smooth: float) -> tuple[Floats, Floats]:
        """Return first and second derivative by λ: 1 − n/λ and n/λ²; without data 1 and 0, clipped 0 and 0."""
        counts = data.counts
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = np.where(counts > 0, counts / total, 0.0)
            spread = np.where(counts > 0, ratio / total, 0.0)
        weight = 1.0 - ratio
        if self.clips:
            empty = counts == 0
            weight = np.where(empty & (total <= 0), 0.0, weight)
            if data.shares is not None:
                return np.where(empty, data.shares, weight), spread
            if smooth:
                root = np.hypot(total, 2 * smooth)
                weight = np.where(empty, 0.5 * (1.0 + total / root), weight)
                spread = np.where(empty, 2 * smooth**2 / root**3, spread)
        return weight, spread

    def _add_constraints(self, x: Floats, data: Measurements, gradient: Floats, hessian: Floats | None) -> None:
        c = self.constraints
        gradient[:, c.normal] += (x[:, c.normal] - data.normal) / c.sigma**2
        value = x[:, c.poisson]
        value = np.where(np.abs(value) < TINY, TINY, value)
        ratio = data.poisson / value
        gradient[:, c.poisson] += c.scale - ratio
        if hessian is not None:
            hessian[:, c.normal, c.normal] += 1.0 / c.sigma**2
            hessian[:, c.poisson, c.poisson] += ratio / value

    def _check(self, problem: Problem) -> None:
        """Compare the compiled model with pyhf's expectation, away from the symmetric point."""
        step = np.where(np.isnan(problem.width), 0.1, problem.width)
        x = problem.init + 0.3 * step * np.cos(1.0 + np.arange(len(problem.init)))
        mine = self.rates(x[None]).total[0]
        mine = np.maximum(mine, 0.0) if self.clips else mine
        with np.errstate(all="ignore"):
            theirs = np.asarray(problem.model.main_model.expected_data(x))
        scale = np.abs(self.model.nominal).sum(axis=0) + 1.0
        if not np.all(np.abs(mine - theirs) <= COMPILE_TOLERANCE * scale):
            worst = int(np.argmax(np.abs(mine - theirs) / scale))
            raise UnsupportedModelError(f"the compiled expectation differs from pyhf's in {problem.bin_label(worst)}")


def _deviance(rate: Floats, seen: Floats) -> Floats:
    """Return Σ rate − seen − seen ln(rate / seen) over the last axis; infinite outside the model.

    Written in the difference of the two, without which 10¹¹ events would leave rounding of 10⁻⁵.
    """
    excess = rate - seen
    with np.errstate(invalid="ignore", divide="ignore"):
        terms = excess - xlog1py(seen, excess / np.where(seen > 0, seen, 1.0))
    total: Floats = np.where(np.isnan(terms), np.inf, terms).sum(axis=1)
    return total
