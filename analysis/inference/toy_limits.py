"""Limits and intervals whose distributions come from toys, for few events.

Both use the likelihood ratio in the physical region μ ≥ 0: for μ̂ < 0 the denominator is the fit at μ = 0.
CLs takes the one-sided q̃ (0 for μ̂ above the tested μ, arXiv:1007.1727 eq. 16), Feldman–Cousins the
two-sided t̃ (ordering by the likelihood ratio, PRD 57 (1998) 3873). Toys are drawn at the nuisance parameters
fitted to the data at the tested μ (profile construction).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue
from scipy.optimize import isotonic_regression
from scipy.stats import norm

from analysis.errors import FitError
from analysis.inference.engine import Minimum
from analysis.inference.engines import compiled_engine, cross_check
from analysis.inference.limits import BANDS, AsymptoticCLs
from analysis.inference.minimiser import NewtonEngine
from analysis.inference.problem import Problem, load
from analysis.inference.profile import Profile, from_deepest, minos, step_guess
from analysis.inference.results import ClsPoint, FeldmanCousins, FeldmanCousinsPoint, Limits, ToyLimit, UpperLimit
from analysis.inference.toys import ToyFits, fit_toys, reporter

Floats = npt.NDArray[np.float64]
Progress = Callable[[str], None]

# Below this 2NLL is the same: fits end at 1e-8.
SAME = 1e-6
# Toys without signal beyond the data below which a limit is called rough.
FEW = 20
# How often the grid of μ may be widened.
EXTENSIONS = 5
# How many toys CLs at its target should stand for; what the advice to take more of them goes by.
RESOLVED = 10


@dataclass(frozen=True)
class _Setting:
    """What all toys of one analysis share."""

    engine: NewtonEngine
    observed: Profile
    poi: int
    n: int
    seed: int
    progress: Progress

    def truth(self, mu: float) -> Floats:
        """Return the parameters fitted to the data at ``mu``."""
        return self.observed.minimum(mu).x

    @property
    def name(self) -> str:
        """Return the name of the parameter of interest."""
        return self.engine.problem.names[self.poi]

    def toys(self, mu: float, tests: tuple[float, ...], label: str, what: str) -> ToyFits:
        """Draw and fit toys at ``mu``; ``what`` they are for is told."""
        progress = reporter(self.progress, f"{what}, {self.name} = {mu:.4g}", self.n)
        return fit_toys(
            self.engine, self.truth(mu), self.n, seed=self.seed, tests=tests, label=label, progress=progress
        )

    def t_observed(self, mu: float) -> float:
        """Return the observed t̃ at ``mu``."""
        below = self.observed.best.x[self.poi] < 0
        return self.observed.delta(mu) - (self.observed.delta(0.0) if below else 0.0)


def _t_tilde(fits: ToyFits, mu: float) -> Floats:
    """Return t̃ at ``mu`` of the toys that converged."""
    zero = fits.q[0.0]
    t = fits.q[mu] - np.where(fits.mu_hat < 0, zero, 0.0)
    return np.maximum(t, 0.0)[fits.converged]


def _q_tilde(fits: ToyFits, mu: float) -> Floats:
    """Return q̃ at ``mu``: t̃, but 0 for μ̂ beyond ``mu``."""
    return np.where(fits.mu_hat[fits.converged] > mu, 0.0, _t_tilde(fits, mu))


def limits(
    workspace: Mapping[str, object],
    *,
    levels: Sequence[float] = (0.90, 0.95),
    poi: str | None = None,
    measurement: str | None = None,
    asimov: float | None = None,
    n_toys: int = 0,
    n_points: int = 12,
    seed: int = 0,
    feldman_cousins: bool = False,
    progress: Progress = lambda _: None,
    provenance: JsonValue = None,
) -> Limits:
    """Return asymptotic CLs limits and, with ``n_toys``, those from toys at the first level.

    Parameters
    ----------
    workspace, poi, measurement, asimov
        As in :func:`analysis.inference.fit.fit_workspace`.
    levels
        Confidence levels.
    n_toys
        Toys for each hypothesis and point; 0 for asymptotic limits only.
    n_points
        Points of the grid in μ, which spans the asymptotic limits.
    seed
        The one seed.
    feldman_cousins
        Whether to build the Feldman–Cousins interval too.

    Raises
    ------
    FitError
        No parameter of interest is free, it is no strength (which may be 0), the model needs pyhf's own evaluation, or
        toys and grid do not resolve the limit.
    """
    problem = load(workspace, poi=poi, measurement=measurement, asimov=asimov)
    if problem.poi is None or problem.fixed[problem.poi]:
        raise FitError("A limit needs a free parameter of interest.", remedy="name one with --poi")
    _demand_strength(problem, problem.poi)
    engine, index = compiled_engine(problem), problem.poi

    def around(best: Minimum) -> Limits:
        # Limits look only above μ̂; a deeper minimum below it is seen by MINOS.
        error = math.sqrt(engine.covariance(best.x, best.free)[index, index])
        profile = Profile(engine, index, best)
        _, high, (_, at_top) = minos(profile, error or step_guess(profile))
        if at_top and high == 0.0:
            raise FitError(
                "The strength is at its upper bound: what the data allow above it is not known.",
                where=problem.names[index],
                found=f"{best.x[index]:g}",
                remedy="widen its 'bounds' in the workspace, under measurements, config, parameters",
            )
        asymptotic = AsymptoticCLs.prepare(engine, best)
        found = [asymptotic.limit(level) for level in levels]
        setting = _Setting(engine, profile, index, n_toys, seed, progress)
        return Limits(
            poi=problem.names[index],
            asymptotic=found,
            toys=cls_limit(setting, found[0], n_points) if n_toys else None,
            feldman_cousins=feldman_cousins_interval(setting, found[0], n_points)
            if n_toys and feldman_cousins
            else None,
            asimov=asimov,
            engine=engine.name,
            cross_check=cross_check(problem, best),
            remarks=[*engine.remarks, *_beyond(problem, found)],
            provenance=provenance,
        )

    return from_deepest(engine, around, problem.poi_name)


def _beyond(problem: Problem, found: Sequence[UpperLimit]) -> list[str]:
    bound = float(problem.upper[problem.index_of(None)])
    levels = " and ".join(f"{100 * limit.level:g} %" for limit in found if limit.observed > bound)
    return [f"the limit at {levels} lies beyond the upper bound of '{problem.poi_name}', {bound:g}"] if levels else []


def _demand_strength(problem: Problem, poi: int) -> None:
    """Demand a parameter whose value 0 means "no signal"."""
    kind, low, high = problem.constraint[poi], float(problem.lower[poi]), float(problem.upper[poi])
    if kind != "none" or not low <= 0.0 < high:
        raise FitError(
            "An upper limit is one on a strength, and this parameter is none.",
            where=problem.names[poi],
            found=f"bounds {low:g} to {high:g}" if kind == "none" else f"a nuisance parameter ({kind} constraint)",
            expected="a free factor that may be 0",
            remedy="name another with --poi, or widen its bounds to hold 0; `fit` and `scan` take any parameter",
        )


def cls_limit(setting: _Setting, asymptotic: UpperLimit, n_points: int) -> ToyLimit:
    """Find the CLs limit from toys on a grid that spans the asymptotic limits."""
    ends = (asymptotic.observed, *asymptotic.expected)
    alpha = 1 - asymptotic.level
    grid = np.linspace(0.6 * min(ends), 1.4 * max(ends), n_points).tolist()
    setting.progress(f"CLs from toys at {n_points} points, {setting.name} from {grid[0]:.4g} to {grid[-1]:.4g}")
    tested = _tested(setting, grid)
    for _ in range(EXTENSIONS):
        # Few events: the limits of toys may lie beyond the asymptotic ones.
        grid, extended = _extended(grid, tested, alpha, n_points), grid
        if grid == extended:
            break
        setting.progress(f"{setting.name} from {extended[0]:.4g} to {extended[-1]:.4g} is too narrow: a grid anew")
        tested = _tested(setting, grid)
    observed = [ratios[0] for _, ratios in tested]
    _demand_resolution(observed, setting.n, alpha)
    (limit, error), *bands = (
        _crossing(grid, [ratios[k] for _, ratios in tested], alpha) for k in range(1 + len(BANDS))
    )
    low2, low1, median, high1, high2 = (value for value, _ in bands)
    return ToyLimit(
        limit=UpperLimit(
            level=asymptotic.level,
            observed=limit,
            expected=(low2, low1, median, high1, high2),
            method="CLs, toys",
        ),
        error=error,
        n=setting.n,
        seed=setting.seed,
        points=[_cls_point(mu, q, ratios) for mu, (q, ratios) in zip(grid, tested, strict=True)],
        notes=_cls_notes(observed, bands, setting.n),
    )


def _tested(setting: _Setting, grid: Sequence[float]) -> list[tuple[float, list[_Ratio]]]:
    """Return the observed q̃ and CLs at each point; the toys of a point are the same in every grid."""
    n = len(grid)
    background = setting.toys(0.0, (0.0, *grid), "background", f"CLs, without signal for {n} points")
    return [_cls_tests(setting, mu, background, f"CLs, point {k} of {n}") for k, mu in enumerate(grid, 1)]


def _extended(
    grid: list[float], tested: Sequence[tuple[float, Sequence[_Ratio]]], target: float, n_points: int
) -> list[float]:
    """Return a grid in the place of one on which an observed or expected CLs does not cross its target."""
    first, last = ([ratio.value for ratio in tested[k][1]] for k in (0, -1))
    low = 0.5 * grid[0] if min(first) < target else grid[0]
    high = 2.0 * grid[-1] if max(last) > target else grid[-1]
    if (low, high) == (grid[0], grid[-1]):
        return grid
    # Where all have crossed long before the end it is of no use there.
    crossed = [mu for mu, (_, ratios) in zip(grid, tested, strict=True) if max(r.value for r in ratios) < target]
    return [float(mu) for mu in np.linspace(low, high if high > grid[-1] or len(crossed) < 2 else crossed[1], n_points)]


@dataclass(frozen=True)
class _Ratio:
    """CLs from the numbers of toys, with and without signal, that are as far out as a value of q̃."""

    n_signal: int
    n_alone: int
    of_signal: int
    of_alone: int

    @property
    def one(self) -> float:
        """CLs of a single toy with signal: what a number of 0 may be."""
        return self.of_alone / (self.of_signal * max(self.n_alone, 1))

    @property
    def value(self) -> float:
        """CLs = p(s + b) / p(b)."""
        return self.n_signal * self.one

    @property
    def relative(self) -> float:
        """Relative error from the numbers; a number of 0 has that of one toy."""
        signal = (1 - self.n_signal / self.of_signal) / max(self.n_signal, 1)
        alone = (1 - self.n_alone / self.of_alone) / max(self.n_alone, 1)
        return math.sqrt(signal + alone)

    @property
    def error(self) -> float:
        """Error of CLs, that of one toy for CLs = 0."""
        return max(self.value, self.one) * self.relative


def _cls_tests(setting: _Setting, mu: float, background: ToyFits, what: str) -> tuple[float, list[_Ratio]]:
    """Return the observed q̃ at ``mu``, and CLs of it and of the bands."""
    signal = _q_tilde(setting.toys(mu, (0.0, mu), f"signal {mu:.12g}", what), mu)
    alone = _q_tilde(background, mu)
    centre = float(setting.observed.best.x[setting.poi])
    observed = 0.0 if centre > mu else setting.t_observed(mu)
    # The band at N σ is where background alone exceeds q with probability Φ(N): the q of one of its toys.
    bands = np.quantile(alone, norm.cdf(-np.array(BANDS)), method="inverted_cdf")
    return observed, [_ratio(signal, alone, q) for q in (observed, *bands.tolist())]


def _ratio(signal: Floats, alone: Floats, q: float) -> _Ratio:
    return _Ratio(int(np.sum(signal >= q - SAME)), int(np.sum(alone >= q - SAME)), len(signal), len(alone))


def _cls_point(mu: float, q: float, ratios: Sequence[_Ratio]) -> ClsPoint:
    observed, low2, low1, median, high1, high2 = (ratio.value for ratio in ratios)
    return ClsPoint(mu=mu, q=q, cls=observed, cls_error=ratios[0].error, expected=(low2, low1, median, high1, high2))


def _demand_resolution(observed: Sequence[_Ratio], n: int, target: float) -> None:
    """Demand that CLs can be told from its target: one toy must be less than that.

    Raises
    ------
    FitError
        Too few toys of the background are as far out as the data.
    """
    fewest = min(ratio.n_alone for ratio in observed)
    coarsest = max(ratio.one for ratio in observed)
    if fewest == 0 or coarsest >= target:
        needed = math.ceil(RESOLVED * n / (target * max(fewest, 1)) / 100) * 100
        raise FitError(
            "Too few toys: CLs cannot be told from its target.",
            found=f"{fewest} of {n} toys without signal are as far out as the data, one with signal is a CLs of "
            f"{coarsest:.2g}",
            expected=f"less than {target:g}",
            remedy=f"more toys: --toys {needed}",
        )


def _crossing(grid: Sequence[float], ratios: Sequence[_Ratio], target: float) -> tuple[float, float]:
    """Return where CLs falls below ``target``, and the error from the toys' number.

    CLs falls with μ; what the number of toys lets rise is made level (isotonic regression).

    Raises
    ------
    FitError
        It does not cross it on the grid.
    """
    weights = [1 / ratio.error**2 if ratio.error > 0 else 1e12 for ratio in ratios]
    values = isotonic_regression([ratio.value for ratio in ratios], weights=weights, increasing=False).x.tolist()
    for k in range(1, len(grid)):
        if values[k - 1] >= target > values[k]:
            # Interpolate the logarithm, which is nearly linear; a value of 0 counts as one toy.
            low = max(values[k], min(ratios[k].one, target / 2))
            a, b = math.log(values[k - 1]), math.log(low)
            step = (grid[k] - grid[k - 1]) / (a - b)
            share = (a - math.log(target)) / (a - b)
            error = step * math.hypot((1 - share) * ratios[k - 1].relative, share * ratios[k].relative)
            return grid[k - 1] + share * (grid[k] - grid[k - 1]), error
    raise FitError(
        "CLs from toys does not cross its target on the grid.",
        found=", ".join(f"{mu:.3g}: {value:.3g}" for mu, value in zip(grid, values, strict=True)),
        expected=f"{target:g}",
        remedy="more toys, or more points",
    )


def _cls_notes(observed: Sequence[_Ratio], bands: Sequence[tuple[float, float]], n: int) -> list[str]:
    """Return what the number of toys leaves open."""
    notes = []
    fewest = min(ratio.n_alone for ratio in observed)
    if fewest < FEW:
        notes.append(
            f"only {fewest} of {n} toys without signal are as far out as the data: the limit is rough, take more toys"
        )
    values = [value for value, _ in bands]
    if any(low > high for low, high in itertools.pairwise(values)):
        shown = ", ".join(f"{value:.3g} ± {error:.2g}" for value, error in bands)
        notes.append(f"the expected limits are not in order ({shown}): they differ by less than {n} toys tell")
    return notes


def feldman_cousins_interval(setting: _Setting, asymptotic: UpperLimit, n_points: int) -> FeldmanCousins:
    """Return the interval of all μ ≥ 0 whose observed t̃ lies below the level's quantile of the toys'."""
    level = asymptotic.level
    centre = max(float(setting.observed.best.x[setting.poi]), 0.0)
    top = 1.3 * max(asymptotic.observed, centre + 2 * (asymptotic.observed - centre))
    points = []
    for k, mu in enumerate(np.linspace(0.0, top, n_points).tolist(), 1):
        tests = (0.0, mu) if mu > 0 else (0.0,)
        what = f"Feldman–Cousins, point {k} of {n_points}"
        toys = _t_tilde(setting.toys(mu, tests, f"neyman {mu:.12g}", what), mu)
        # The smallest value that at least this share of toys does not exceed: conservative for discrete data.
        critical = float(np.quantile(toys, level, method="inverted_cdf"))
        points.append(FeldmanCousinsPoint(mu=mu, t=max(setting.t_observed(mu), 0.0), critical=critical))
    inside = [p.t <= p.critical + SAME for p in points]
    if not any(inside) or inside[-1]:
        raise FitError(
            "The Feldman–Cousins interval is not resolved by the grid.",
            found=f"{sum(inside)} of {len(points)} points inside, up to μ = {top:.3g}",
            remedy="more points",
        )
    first = inside.index(True)
    last = len(inside) - 1 - inside[::-1].index(True)
    return FeldmanCousins(
        level=level,
        lower=points[first].mu if first == 0 else _between(points[first - 1], points[first]),
        upper=_between(points[last], points[last + 1]),
        n=setting.n,
        seed=setting.seed,
        points=points,
    )


def _between(a: FeldmanCousinsPoint, b: FeldmanCousinsPoint) -> float:
    """Return where √t crosses √critical between two points: both are nearly linear."""
    left = math.sqrt(a.t) - math.sqrt(a.critical)
    right = math.sqrt(b.t) - math.sqrt(b.critical)
    share = left / (left - right) if left != right else 0.5
    return a.mu + (b.mu - a.mu) * min(max(share, 0.0), 1.0)
