"""CLs upper limits, asymptotic (arXiv:1007.1727, eqs. 62–66 for q̃, §4.3 for the bands).

With q the observed and q_A the background-only Asimov value of the test statistic at μ,

    CLs = Φ(−(T + √q_A)) / Φ(−T),  T = √q − √q_A for q ≤ q_A, (q − q_A) / 2√q_A beyond.

For the band at N standard deviations T = N, and CLs depends on √q_A alone, so that each expected
limit is the root of √q_A(μ) = t_N with a t_N known beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from analysis.errors import FitError
from analysis.inference.engine import Engine, Floats, Minimum
from analysis.inference.problem import asimov_data
from analysis.inference.profile import Profile
from analysis.inference.results import UpperLimit

BANDS = (-2, -1, 0, 1, 2)


def cls(q: float, q_asimov: float) -> float:
    """Return the asymptotic CLs of q̃ from its observed and its Asimov value.

    Examples
    --------
    >>> round(cls(2.706, 2.706), 3)
    0.1
    """
    root, root_asimov = math.sqrt(q), math.sqrt(q_asimov)
    if root_asimov == 0.0:
        return 1.0
    distance = root - root_asimov if root <= root_asimov else (q - q_asimov) / (2 * root_asimov)
    # Ratios of tails far out: through logarithms.
    return math.exp(norm.logsf(distance + root_asimov) - norm.logsf(distance))


def expected_root(level: float, n_sigma: float) -> float:
    """Return √q_A at the expected limit: the t with Φ(N − t) = (1 − level) Φ(N).

    N = ``n_sigma`` counts upward fluctuations of the background: T = −N in the formula above.

    Examples
    --------
    >>> round(expected_root(0.90, 0.0), 4)
    1.6449
    """
    return float(-norm.ppf((1 - level) * norm.cdf(n_sigma)) + n_sigma)


@dataclass
class AsymptoticCLs:
    """q̃ and its Asimov counterpart for one data set, with the fits they share."""

    engine: Engine
    observed: Profile
    asimov: Profile

    @classmethod
    def prepare(cls, engine: Engine, best: Minimum, data: Floats | None = None) -> AsymptoticCLs:
        """Fit the data at μ = 0, build the background-only Asimov data set, and fit it.

        Raises
        ------
        BetterMinimumError
            The fit at μ = 0 is deeper than ``best``.
        """
        problem = engine.problem
        index = _poi(engine)
        null = Profile(engine, index, best, data).minimum(0.0)
        # q̃ knows no μ̂ below 0: there the denominator is the fit at μ = 0.
        reference = best if best.x[index] >= 0 else null
        flat = asimov_data(problem, 0.0, null.x)
        truth = engine.minimise(flat, fixed={index: 0.0}, start=null.x)
        return cls(
            engine=engine,
            observed=Profile(engine, index, reference, data),
            asimov=Profile(engine, index, truth, flat),
        )

    def q(self, mu: float) -> float:
        """Return the observed q̃ at ``mu``: 0 for μ̂ above it."""
        centre = float(self.observed.best.x[self.observed.index])
        return 0.0 if centre >= mu else _delta(self.observed, mu)

    def q_asimov(self, mu: float) -> float:
        """Return q̃ of the background-only Asimov data set at ``mu``."""
        return _delta(self.asimov, mu)

    def cls(self, mu: float) -> float:
        """Return the observed CLs at ``mu``."""
        return cls(self.q(mu), self.q_asimov(mu))

    def limit(self, level: float = 0.90) -> UpperLimit:
        """Return the observed and expected upper limits at confidence ``level``."""
        targets = [expected_root(level, n) for n in BANDS]
        sigma = self._sigma(targets[2])
        expected = [
            solve(lambda mu, t=t: math.sqrt(self.q_asimov(mu)) - t, sigma * t)  # type: ignore[misc]
            for t in targets
        ]
        centre = max(float(self.observed.best.x[self.observed.index]), 0.0)
        alpha = 1 - level
        observed = solve(
            # In Gaussian units: nearly linear in μ.
            lambda mu: float(norm.isf(max(self.cls(mu), 1e-300)) - norm.isf(alpha)),
            centre + expected[2],
        )
        low2, low1, median, high1, high2 = expected
        return UpperLimit(
            level=level,
            observed=observed,
            expected=(low2, low1, median, high1, high2),
            method="CLs, asymptotic",
        )

    def _sigma(self, root: float) -> float:
        """Estimate σ(μ) of the background-only hypothesis from one profile fit."""
        index = self.asimov.index
        guess = float(self.observed.best.x[index]) if self.observed.best.x[index] > 0 else 1.0
        for _ in range(60):
            value = math.sqrt(self.q_asimov(guess))
            if value > 1e-3 * root:
                return guess / value
            guess *= 4.0
        raise FitError(
            "The background-only likelihood does not depend on the parameter of interest.",
            where=self.engine.problem.names[index],
            remedy="name another with --poi",
        )


def _delta(profile: Profile, mu: float) -> float:
    best = float(profile.best.x[profile.index])
    return 0.0 if mu == best else profile.delta(mu)


def _poi(engine: Engine) -> int:
    if engine.problem.poi is None:
        raise FitError("A limit needs a parameter of interest.", remedy="name one with --poi")
    return engine.problem.poi


def solve(function: Callable[[float], float], guess: float) -> float:
    """Find the root of a rising function of μ ≥ 0 near ``guess``: bracket, then Brent."""
    low, high = 0.0, max(guess, 1e-12)
    known: dict[float, float] = {}

    def at(mu: float) -> float:
        if mu not in known:
            known[mu] = function(mu)
        return known[mu]

    if at(high) < 0:
        for _ in range(60):
            low, high = high, high * 1.3
            if at(high) >= 0:
                break
        else:
            raise FitError(
                "There is no upper limit: CLs does not fall.",
                found=f"up to μ = {high:.3g}",
                remedy="scan the parameter of interest: does the expectation depend on it?",
            )
    else:
        for _ in range(60):
            trial = high / 1.3
            if at(trial) < 0:
                low = trial
                break
            high = trial
        else:
            return high
    root, info = brentq(at, low, high, xtol=1e-9 * high, rtol=1e-9, full_output=True)
    if not info.converged or not np.isfinite(root):
        raise FitError(
            "The upper limit was not found.",
            found=f"CLs crosses its target between {low:.6g} and {high:.6g}",
            remedy="scan the parameter of interest there: the likelihood may jump",
        )
    return float(root)
