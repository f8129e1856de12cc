"""Bias, pulls and coverage from toys over a grid of true values; Neyman's construction where it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import JsonValue
from scipy.stats import beta, chi2

from analysis.errors import FitError
from analysis.inference.belt import LEVELS, build, critical_root
from analysis.inference.engine import Floats, ImpossibleError, Minimum
from analysis.inference.engines import compiled_engine, cross_check
from analysis.inference.minimiser import NewtonEngine
from analysis.inference.problem import Problem, load
from analysis.inference.profile import Profile, from_deepest
from analysis.inference.results import Belt, Coverage, Method, ToyPoint, ToyStudy
from analysis.inference.toys import Nuisances, ToyFits, draw, fit_toys, reporter

Truth = Literal["nominal", "fitted"]


def toy_study(
    workspace: Mapping[str, object],
    mus: Sequence[float],
    n: int,
    *,
    seed: int,
    poi: str | None = None,
    measurement: str | None = None,
    asimov: float | None = None,
    nuisances: Nuisances = "auxiliary",
    truth: Truth = "nominal",
    tolerance: float = 0.02,
    belt: Belt | None = None,
    progress: Callable[[str], None] = lambda _: None,
    provenance: JsonValue = None,
) -> ToyStudy:
    """Draw ``n`` toys at each true value of the parameter of interest, and fit them.

    Where the asymptotic 68 % or 90 % interval misses its coverage at any of the true values, a Neyman belt is built
    from as many toys again at each of its points, and its coverage is measured on the first toys, independent of it.

    Parameters
    ----------
    workspace, poi, measurement, asimov
        As in :func:`analysis.inference.fit.fit_workspace`.
    mus
        True values.
    n
        Toys at each.
    seed
        The one seed.
    nuisances
        The ensemble: auxiliary measurements or parameters fluctuate (:mod:`analysis.inference.toys`).
    truth
        Where the other parameters are: at their initial values, or fitted to the data at each μ. Where a bin would
        expect no events at the initial values (strengths far below 0) they are fitted to the nominal expectation.
    tolerance
        Largest difference of the covered share from its level that passes.
    belt
        Test this belt, of another study, instead of building one: how much does it depend on the truth?
    progress
        Called with a line for each set of toys.

    Raises
    ------
    FitError
        The model needs pyhf's own evaluation (toys would take days), or every toy failed.
    """
    problem = load(workspace, poi=poi, measurement=measurement, asimov=asimov)
    poi_index = problem.poi
    if poi_index is None or problem.fixed[poi_index]:
        raise FitError("Toys need a free parameter of interest.", remedy="name one with --poi")
    _demand_inside(mus, problem, poi_index)
    ensemble = _Ensemble(compiled_engine(problem), poi_index, n, seed, nuisances, truth, progress)
    fits = {mu: ensemble.toys(mu, errors=True) for mu in mus}
    points = [_point(mu, fits[mu], tolerance) for mu in mus]
    quoted: Method = "profile likelihood"
    if belt is not None or not all(entry.passed for point in points for entry in point.coverage):
        quoted = "Neyman, toys"
        belt = belt or ensemble.belt(mus)
        points = [_with_belt(point, fits[point.mu], belt, tolerance) for point in points]
    return ToyStudy(
        poi=problem.names[poi_index],
        asimov=asimov,
        seed=seed,
        nuisances=nuisances,
        truth=truth,
        tolerance=tolerance,
        points=points,
        belt=belt,
        quoted=quoted,
        passed=all(c.passed for point in points for c in point.coverage if c.method == quoted),
        cross_check=max((ensemble.cross_check(mu) for mu in mus), key=abs),
        engine="compiled likelihood, preconditioned L-BFGS",
        remarks=ensemble.engine.remarks,
        provenance=provenance,
    )


def _demand_inside(mus: Sequence[float], problem: Problem, poi: int) -> None:
    """Demand that the true values lie within the bounds of the parameter of interest."""
    low, high = float(problem.lower[poi]), float(problem.upper[poi])
    for mu in mus:
        if not low <= mu <= high:
            raise FitError(
                "A true value lies outside the bounds of the parameter of interest.",
                where=f"--mu, '{problem.names[poi]}'",
                found=mu,
                expected=f"{low:g} to {high:g}",
                remedy="another true value, or wider bounds in the workspace, under measurements, config, parameters",
            )


@dataclass(frozen=True)
class _Ensemble:
    """Where the toys of a study come from."""

    engine: NewtonEngine
    poi: int
    n: int
    seed: int
    nuisances: Nuisances
    truth: Truth
    progress: Callable[[str], None]

    def parameters(self, mu: float) -> Floats:
        """Return the true parameters at ``mu``; (P,)."""
        if self.truth == "fitted":
            return self.engine.minimise(fixed={self.poi: mu}).x
        problem = self.engine.problem
        values = problem.init.copy()
        values[self.poi] = mu
        if (self.engine.expected(values).sum(axis=0) > 0).all():
            return values
        # A strength far below 0 needs more background than nominal: as a fit to the nominal expectation gives it.
        expected = np.asarray(problem.model.expected_data(problem.init.tolist()), dtype=float)
        try:
            return self.engine.minimise(expected, fixed={self.poi: mu}).x
        except ImpossibleError:  # no background is free to make up for it: the bin expects nothing
            return values

    def toys(self, mu: float, label: str = "", *, errors: bool = False) -> ToyFits:
        """Draw and fit toys at ``mu``, with 2ΔNLL there."""
        return fit_toys(
            self.engine,
            self.parameters(mu),
            self.n,
            seed=self.seed,
            tests=(mu,),
            errors=errors,
            nuisances=self.nuisances,
            label=f"{label}{mu:.12g}",
            progress=reporter(self.progress, f"{label}{self.engine.problem.names[self.poi]} = {mu:.4g}", self.n),
        )

    def belt(self, mus: Sequence[float]) -> Belt:
        """Build the belt around these true values and the data's own intervals."""
        problem = self.engine.problem
        span = float(problem.upper[self.poi] - problem.lower[self.poi])

        def around(best: Minimum) -> Belt:
            error = float(np.sqrt(self.engine.covariance(best.x, best.free)[self.poi, self.poi]))
            profile = Profile(self.engine, self.poi, best)
            return build(profile, error or 0.01 * span, mus, lambda mu: self.toys(mu, "belt, "))

        return from_deepest(self.engine, around, problem.poi_name)

    def cross_check(self, mu: float) -> float:
        """Return 2NLL minus pyhf's evaluation at the minimum of the first toy at ``mu``."""
        data = draw(self.engine, self.parameters(mu), 0, 1, self.seed, self.nuisances, f"{mu:.12g}")[0]
        return cross_check(self.engine.problem.with_data(data), self.engine.minimise(data))


def _point(mu: float, fits: ToyFits, tolerance: float) -> ToyPoint:
    good = fits.converged
    if good.sum() < 2:
        raise FitError(
            "The toys cannot be fitted.",
            where=f"true value {mu:g}",
            found="fewer than two fits converged",
            remedy="take another true value: the model may not hold there",
        )
    mu_hat, q = fits.mu_hat[good], fits.q[mu][good]
    pulls = (mu_hat - mu) / fits.error[good]
    pulls = pulls[np.isfinite(pulls)]
    # Where nearly every toy ends at a bound, hardly any has an error.
    several = len(pulls) > 1
    spread = float(mu_hat.std(ddof=1))
    return ToyPoint(
        mu=mu,
        n=len(good),
        n_failed=int((~good).sum()),
        n_negative=int((good & fits.negative).sum()),
        mean=float(mu_hat.mean()),
        bias=float(mu_hat.mean() - mu),
        bias_error=spread / float(np.sqrt(len(mu_hat))),
        spread=spread,
        pull_mean=float(pulls.mean()) if several else None,
        pull_width=float(pulls.std(ddof=1)) if several else None,
        coverage=[
            coverage(int(np.sum(q <= chi2.ppf(level, 1))), len(q), level, tolerance, "profile likelihood")
            for level in LEVELS
        ],
        mu_hat=mu_hat.tolist(),
        pulls=pulls.tolist(),
    )


def _with_belt(point: ToyPoint, fits: ToyFits, belt: Belt, tolerance: float) -> ToyPoint:
    """Add the coverage of Neyman's construction, which must not have been built from these toys."""
    roots = np.sqrt(fits.q[point.mu][fits.converged])
    added = [
        coverage(
            int(np.sum(roots <= critical_root(belt, level, point.mu))), len(roots), level, tolerance, "Neyman, toys"
        )
        for level in LEVELS
    ]
    return point.model_copy(update={"coverage": [*point.coverage, *added]})


def coverage(n_covered: int, n: int, level: float, tolerance: float, method: Method) -> Coverage:
    """Compare a covered share with its level.

    Examples
    --------
    >>> coverage(90, 100, 0.90, 0.02, "profile likelihood").passed
    True
    """
    low = float(beta.ppf(0.025, n_covered, n - n_covered + 1)) if n_covered else 0.0
    high = float(beta.ppf(0.975, n_covered + 1, n - n_covered)) if n_covered < n else 1.0
    share = n_covered / n
    passed = abs(share - level) <= tolerance
    return Coverage(level=level, method=method, covered=share, interval=(low, high), passed=passed)
