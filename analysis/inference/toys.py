"""Pseudo-experiments: distributions of μ̂ and of the likelihood ratio, coverage of intervals.

Toys are drawn at one truth. Auxiliary measurements fluctuate about the true parameters ("auxiliary", the
frequentist ensemble), or the parameters are drawn from their constraints and the auxiliary measurements stay
at their observed values ("parameters", the prior-predictive ensemble).

Each toy has a random stream of its own, named by the seed and its number, and toys are always fitted in the
same groups: neither the number of toys nor the number of cores changes a bit of any toy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from analysis.errors import FitError
from analysis.inference.batch import BatchMinimiser
from analysis.inference.minimiser import NewtonEngine
from analysis.inference.problem import Problem
from analysis.seeds import generator

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Nuisances = Literal["auxiliary", "parameters"]

# Toys in one group; part of the definition of the random numbers' rounding, so not an option.
GROUP = 256
# After so many seconds a set of toys tells how far it is.
PATIENCE = 10.0


@dataclass(frozen=True)
class ToyFits:
    """Fits of N toys drawn at one truth.

    Attributes
    ----------
    mu_hat : (N,) float64
        Fitted parameter of interest.
    error : (N,) float64
        Its error from the Hessian; NaN unless asked for, and where the Hessian is not positive (at a bound).
    q : dict of float to (N,) float64
        2ΔNLL at values of the parameter of interest.
    converged : (N,) bool
        Toys whose fits all succeeded; use no others.
    negative : (N,) bool
        Toys whose best fit would expect less than nothing in a bin, where none is observed and the model takes 0.
    """

    mu_hat: Floats
    error: Floats
    q: dict[float, Floats]
    converged: Bools
    negative: Bools


def draw(
    engine: NewtonEngine, truth: Floats, first: int, n: int, seed: int, nuisances: Nuisances, label: str
) -> Floats:
    """Return data sets number ``first`` to ``first + n − 1``; (n, n_bins + n_aux)."""
    problem, constraints = engine.problem, engine.likelihood.constraints
    streams = [generator(seed, "toys", label, first + k) for k in range(n)]
    data = np.tile(problem.data, (n, 1))
    x = np.tile(truth, (n, 1))
    for k, rng in enumerate(streams):
        if nuisances == "parameters":
            x[k] = _draw_parameters(problem, truth, rng)
        else:
            normal = rng.normal(truth[constraints.normal], constraints.sigma)
            data[k, constraints.normal_data] = normal
            rate = constraints.scale * truth[constraints.poisson]
            data[k, constraints.poisson_data] = rng.poisson(rate)
    points = truth[None] if nuisances == "auxiliary" else x
    rates = np.broadcast_to(engine.likelihood.rates(points).total, (n, problem.n_bins))
    for k, rng in enumerate(streams):
        # A truth with a negative expectation (a strength far below 0) draws nothing there.
        data[k, : problem.n_bins] = rng.poisson(np.maximum(rates[k], 0.0))
    return data


def _draw_parameters(problem: Problem, truth: Floats, rng: np.random.Generator) -> Floats:
    """Draw the constrained parameters from their constraints, within their bounds."""
    x = truth.copy()
    for i, kind in enumerate(problem.constraint):
        if problem.fixed[i] or kind == "none":
            continue
        if kind == "normal":
            value = rng.normal(problem.central[i], problem.width[i])
        else:  # the posterior of a Poisson measurement with a flat prior
            scale = problem.width[i] ** 2
            value = rng.gamma(problem.central[i] / scale + 1.0, scale)
        x[i] = np.clip(value, problem.lower[i], problem.upper[i])
    return x


def fit_toys(
    engine: NewtonEngine,
    truth: Floats,
    n: int,
    *,
    seed: int,
    tests: tuple[float, ...] = (),
    errors: bool = False,
    nuisances: Nuisances = "auxiliary",
    label: str = "",
    progress: Callable[[int], None] | None = None,
) -> ToyFits:
    """Draw and fit ``n`` toys at ``truth``.

    Parameters
    ----------
    engine
        The compiled engine of the problem.
    truth : (P,) float64
        Parameters of the toys.
    n
        How many; their fits take as long as those of the next multiple of GROUP.
    seed
        The one seed; ``label`` names this set of toys.
    tests
        Values of the parameter of interest at which 2ΔNLL is wanted.
    errors
        Whether to compute the error of the parameter of interest from the Hessian of each toy.
    nuisances
        The ensemble, see above.
    progress
        Called with the number of toys done.
    """
    poi = engine.problem.poi
    if poi is None:
        raise FitError("Toys need a parameter of interest.", remedy="name one with --poi")
    batch = BatchMinimiser(engine, truth)
    columns: list[tuple[Floats, ...]] = []
    for first in range(0, n, GROUP):
        data = draw(engine, truth, first, GROUP, seed, nuisances, label)
        columns.append(_fit_group(batch, data, poi, tests, errors))
        if progress is not None:
            progress(min(first + GROUP, n))
    mu_hat, error, good, negative, *q = (np.concatenate(column)[:n] for column in zip(*columns, strict=True))
    return ToyFits(mu_hat, error, dict(zip(tests, q, strict=True)), good > 0, negative > 0)


def reporter(say: Callable[[str], None], what: str, n: int) -> Callable[[int], None]:
    """Return a ``progress`` for :func:`fit_toys` that tells of the ``n`` toys of ``what``, at the end and on long work.

    The first group of a large model may take a minute.
    """
    told = time.monotonic()

    def progress(done: int) -> None:
        nonlocal told
        if done == n:
            say(f"{what}: {n} toys")
        elif time.monotonic() - told > PATIENCE:
            told = time.monotonic()
            say(f"{what}: {done} of {n} toys")

    return progress


def goodness_toys(engine: NewtonEngine, truth: Floats, n: int, *, seed: int) -> Floats:
    """Return the saturated likelihood ratio of ``n`` toys at ``truth``, of those that converged."""
    batch = BatchMinimiser(engine, truth)
    found = []
    for first in range(0, n, GROUP):
        data = draw(engine, truth, first, GROUP, seed, "auxiliary", "goodness of fit")
        best = batch.minimise(data)
        statistic = best.twice_nll - 2 * engine.likelihood.measure(data).offset
        found.append(np.where(best.converged, statistic, np.nan))
    everything = np.concatenate(found)[:n]
    good: Floats = everything[np.isfinite(everything)]
    return good


def _fit_group(
    batch: BatchMinimiser, data: Floats, poi: int, tests: tuple[float, ...], errors: bool
) -> tuple[Floats, ...]:
    best = batch.minimise(data)
    good = best.converged
    q = []
    for mu in tests:
        found = batch.minimise(data, fixed={poi: mu}, start=batch.moved(best.x, poi, mu))
        good = good & found.converged
        q.append(np.maximum(found.twice_nll - best.twice_nll, 0.0))
    error = np.full(len(data), np.nan)
    if errors:
        error = batch.poi_errors(best.x, data, poi)
    negative = (batch.likelihood.rates(best.x).total < 0).any(axis=1)
    return best.x[:, poi], error, good.astype(float), negative.astype(float), *q
