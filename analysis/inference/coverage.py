"""Bias, pulls and coverage from toys over a grid of true values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import JsonValue
from scipy.stats import beta, chi2

from analysis.errors import FitError
from analysis.inference.fit import compiled_engine
from analysis.inference.problem import load
from analysis.inference.results import Coverage, ToyPoint, ToyStudy
from analysis.inference.toys import Nuisances, ToyFits, fit_toys

LEVELS = (0.6827, 0.90)


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
    truth: Literal["nominal", "fitted"] = "nominal",
    tolerance: float = 0.02,
    progress: Callable[[str], None] | None = None,
    provenance: JsonValue = None,
) -> ToyStudy:
    """Draw ``n`` toys at each true value of the parameter of interest, and fit them.

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
        Where the other parameters are: at their initial values, or fitted to the data at each μ.
    tolerance
        Largest difference of the covered share from its level that passes.

    Raises
    ------
    FitError
        The model needs pyhf's own evaluation (toys would take days), or every toy failed.
    """
    problem = load(workspace, poi=poi, measurement=measurement, asimov=asimov)
    if problem.poi is None:
        raise FitError("toys need a parameter of interest", remedy="name one with --poi")
    engine = compiled_engine(problem)
    points = []
    for mu in mus:
        values = problem.init.copy()
        values[problem.poi] = mu
        if truth == "fitted":
            values = engine.minimise(fixed={problem.poi: mu}).x
        fits = fit_toys(engine, values, n, seed=seed, tests=(mu,), errors=True, nuisances=nuisances, label=f"{mu:.12g}")
        points.append(_point(mu, fits, tolerance))
        if progress is not None:
            progress(f"{problem.poi_name} = {mu:g}: {n} toys")
    return ToyStudy(
        poi=problem.names[problem.poi],
        seed=seed,
        nuisances=nuisances,
        truth=truth,
        tolerance=tolerance,
        points=points,
        passed=all(c.passed for point in points for c in point.coverage),
        engine="compiled likelihood, preconditioned L-BFGS",
        provenance=provenance,
    )


def _point(mu: float, fits: ToyFits, tolerance: float) -> ToyPoint:
    good = fits.converged
    if good.sum() < 2:
        raise FitError("the toys cannot be fitted", where=f"true value {mu:g}", found="all fits failed")
    mu_hat, q = fits.mu_hat[good], fits.q[mu][good]
    pulls = (mu_hat - mu) / fits.error[good]
    pulls = pulls[np.isfinite(pulls)]
    spread = float(mu_hat.std(ddof=1))
    return ToyPoint(
        mu=mu,
        n=len(good),
        n_failed=int((~good).sum()),
        mean=float(mu_hat.mean()),
        bias=float(mu_hat.mean() - mu),
        bias_error=spread / float(np.sqrt(len(mu_hat))),
        spread=spread,
        pull_mean=float(pulls.mean()),
        pull_width=float(pulls.std(ddof=1)),
        coverage=[coverage(int(np.sum(q <= chi2.ppf(level, 1))), len(q), level, tolerance) for level in LEVELS],
        mu_hat=mu_hat.tolist(),
        pulls=pulls.tolist(),
    )


def coverage(n_covered: int, n: int, level: float, tolerance: float) -> Coverage:
    """Compare a covered share with its level.

    Examples
    --------
    >>> coverage(90, 100, 0.90, 0.02).passed
    True
    """
    low = float(beta.ppf(0.025, n_covered, n - n_covered + 1)) if n_covered else 0.0
    high = float(beta.ppf(0.975, n_covered + 1, n - n_covered)) if n_covered < n else 1.0
    share = n_covered / n
    passed = abs(share - level) <= tolerance
    return Coverage(level=level, covered=share, interval=(low, high), passed=passed)
