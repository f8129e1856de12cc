"""Closure on simulation alone: templates from one half of the simulated events, pseudo-data from the other.

Every pseudo-experiment splits the simulated parents anew into two halves at random. One half makes the templates and
the likelihood, exactly as the analysis does; the other, independent of it but for shared tags (`halves`), makes the
expectation of which the pseudo-data are a Poisson fluctuation. No data enter, so that a blinded analysis can do it
too. It tests what toys of the likelihood cannot: binning, weights, and whether the statistics of the simulation are
counted rightly. The templates hold half of the simulation's events: their statistical errors are larger than the
analysis's own. Systematics of re-reconstruction, which come from varied tables, are left out: they would widen the
errors, and no pseudo-data are varied. Off-resonance channels are left out: they hold too few events to be halved.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from analysis import log, seeds, workspace
from analysis.basf2 import BeamEnergy, SampleType
from analysis.config.models import Systematics, Templates
from analysis.errors import FitError, InputError
from analysis.inference.engine import Bools, Floats
from analysis.inference.engines import compiled_engine
from analysis.inference.minimiser import NewtonEngine
from analysis.inference.problem import load
from analysis.inference.profile import BetterMinimumError, Profile, signed_root
from analysis.systematics import Family, Source
from analysis.templates.binning import Binning
from analysis.templates.build import build
from analysis.templates.document import Document
from analysis.templates.fill import SampleTable
from analysis.templates.resolve import resolve

# What closes: mean and width of the pulls; with more fits than LOST without a proper pull nothing can be said.
MEAN, WIDTH, LOST = 0.5, 0.35, 0.05
# Fewer pseudo-experiments say nothing about a width.
FEWEST = 10


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ClosurePoint(_Result):
    """Pseudo-experiments at one true signal strength."""

    mu: float
    n: int
    n_failed: int = Field(description="fits that did not converge; not counted below")
    n_at_bound: int = Field(description="fits with μ̂ at its bound: they have no error, but a pull")
    mean: float = Field(description="of μ̂")
    median: float = Field(description="of μ̂")
    spread: float = Field(description="standard deviation of μ̂")
    error: float = Field(description="median of the quoted errors of μ̂")
    pull_mean: float
    pull_width: float
    expected_width: float = Field(
        description="of the pulls, if all is right: the half behind the pseudo-data fluctuates too, which no fit knows"
    )
    covered: float = Field(description="share of 68.27 % intervals that hold the truth")
    passed: bool | None = Field(
        description=f"|mean| < {MEAN} and |width - 1| < {WIDTH}; null where more than {LOST:.0%} of the fits failed or "
        "ended at the bound of μ, which cuts the pulls off"
    )
    mu_hat: list[float]
    pulls: list[float] = Field(description="sign(μ̂ - μ) √2ΔNLL(μ)")


class Closure(_Result):
    """The closure study."""

    seed: int
    points: list[ClosurePoint]
    passed: bool | None = Field(description="all points passed; null if none failed, but some say nothing")
    method: Literal["random halves of the simulation"] = "random halves of the simulation"
    provenance: JsonValue = None


@dataclass(frozen=True)
class _Fit:
    """One fit; NaN stands for the error, and what follows from it, where μ̂ is at its bound."""

    mu_hat: float
    pull: float
    error: float = math.nan
    expected_width: float = math.nan


def closure(
    tables: Sequence[SampleTable],
    settings: Templates,
    declared: Sequence[Source | Family],
    systematics: Systematics,
    mus: Sequence[float],
    n: int,
    *,
    seed: int,
    provenance: JsonValue = None,
) -> Closure:
    """Run ``n`` pseudo-experiments at every true signal strength.

    Parameters
    ----------
    tables
        Simulated samples with what the templates need; data are not touched.
    settings, declared, systematics
        As for the templates and the workspace.
    mus
        True signal strengths; all share the splits.
    n
        Pseudo-experiments, at least `FEWEST`.
    seed
        The one seed.
    provenance
        Written into the result.

    Raises
    ------
    InputError
        Too few pseudo-experiments.
    FitError
        Most of the fits at a signal strength failed, or all ended at the bound of μ.
    """
    if n < FEWEST:
        raise InputError(
            "Too few pseudo-experiments.",
            where="--experiments",
            found=n,
            expected=f"at least {FEWEST}",
            remedy="give more",
        )
    channels = tuple(channel for channel in settings.channels if not channel.off_resonance)
    settings = settings.model_copy(update={"channels": channels})
    on_resonance = [table for table in tables if table.beam_energy is BeamEnergy.ON_RESONANCE]
    simulated = [table for table in on_resonance if not table.type.is_data]
    # The parameters are those of all the simulation; halves only fill them.
    sources = resolve(declared, lambda: simulated, [Binning.of(channel) for channel in settings.channels])
    fits: list[list[_Fit | None]] = [[] for _ in mus]
    for number in range(n):
        rng = seeds.generator(seed, "closure", number)
        first, second = halves(simulated, rng)
        with log.errors_only("analysis.templates", "analysis.workspace"):
            templates = build(functools.partial(iter, first), settings, sources, blinded=True)
            truth = build(functools.partial(iter, second), settings, (), blinded=True)
            spec = workspace.build(templates, systematics).spec
        engine = compiled_engine(load(spec))
        for found, mu in zip(fits, mus, strict=True):
            found.append(_experiment(engine, _expected(truth, engine, mu), mu, rng))
    points = [_point(mu, found) for mu, found in zip(mus, fits, strict=True)]
    verdicts = {point.passed for point in points}
    passed = False if False in verdicts else None if None in verdicts else True
    return Closure(seed=seed, points=points, passed=passed, provenance=provenance)


def halves(tables: Sequence[SampleTable], rng: np.random.Generator) -> tuple[list[SampleTable], list[SampleTable]]:
    """Split samples at random, all rows of one simulated parent to the same side; weights are doubled.

    Shared tags, and in the toy's cc̄ shared decays of charmed hadrons, may stand on both sides.

    Parameters
    ----------
    tables
        With ``weight``, and ``parentId`` where rows may share a parent.

    Returns
    -------
    two lists of tables, each of which estimates the same expectation as the whole.
    """
    sides: tuple[list[SampleTable], list[SampleTable]] = ([], [])
    for table in tables:
        first = rng.integers(0, 2, table.rows).astype(bool)
        parents = table.columns.get("parentId")
        if parents is not None:
            _, dense = np.unique(parents, return_inverse=True)
            first = np.where(np.asarray(parents) < 0, first, first[dense])
        for side, chosen in zip(sides, (first, ~first), strict=True):
            side.append(_doubled(table, chosen))
    return sides


def _doubled(table: SampleTable, chosen: Bools) -> SampleTable:
    columns = {name: values[chosen] for name, values in table.columns.items()}
    return replace(table, columns=columns | {"weight": 2 * columns["weight"]})


def verdict(point: ClosurePoint) -> str:
    """Return in words whether the pulls close."""
    if point.passed is None:
        return f"inconclusive, {point.n_failed + point.n_at_bound} of {point.n} failed or at the bound of μ"
    return "passed" if point.passed else "FAILED"


def _expected(truth: Document, engine: NewtonEngine, mu: float) -> Floats:
    """Return what the other half expects in the bins of the model, (n_bins,)."""
    total: dict[str, NDArray[np.float64]] = {}
    for channel in truth.channels:
        contents = truth.channel_contents(channel.name)
        total[channel.name] = np.sum(
            [
                contents.values(process.name) * (mu if process.type is SampleType.SIGNAL else 1.0)
                for process in truth.processes
            ],
            axis=0,
        )
    # pyhf sorts the channels
    return np.concatenate([total[name] for name in engine.problem.model.config.channels])


def _experiment(engine: NewtonEngine, expected: Floats, mu: float, rng: np.random.Generator) -> _Fit | None:
    """Fit one fluctuation of ``expected``; None if the fit fails."""
    problem = engine.problem
    data = problem.data.copy()
    data[: problem.n_bins] = rng.poisson(expected)
    index = problem.poi
    assert index is not None
    try:
        best = engine.minimise(data)
        profile = Profile(engine, index, best, data)
        pull = signed_root(profile, mu)
        if not best.free[index]:
            return _Fit(float(best.x[index]), pull)
        variance = engine.covariance(best.x, best.free, data)[index, index]
        statistics = np.array([name.startswith("uncorr_") for name in problem.names])
        without = engine.covariance(best.x, best.free & ~statistics, data)[index, index]
    except (FitError, BetterMinimumError):
        return None
    return _Fit(float(best.x[index]), pull, math.sqrt(variance), math.sqrt((2 * variance - without) / variance))


def _point(mu: float, found: Sequence[_Fit | None]) -> ClosurePoint:
    good = [fit for fit in found if fit is not None]
    if 2 * len(good) < len(found):
        raise FitError(
            "Most closure fits failed.",
            where=f"μ = {mu:g}",
            found=f"{len(found) - len(good)} of {len(found)}",
            remedy="simulate more events: half of them cannot fill the bins",
        )
    mu_hat, pulls = np.array([fit.mu_hat for fit in good]), np.array([fit.pull for fit in good])
    mean, width = float(pulls.mean()), float(pulls.std(ddof=1))
    errors = np.array([fit.error for fit in good])
    inside = np.isfinite(errors)
    if not inside.any():
        raise FitError(
            "μ̂ is at its bound in all closure fits.",
            where=f"μ = {mu:g}",
            remedy="simulate more events, or make the bins larger",
        )
    lost = len(found) - np.count_nonzero(inside)
    return ClosurePoint(
        mu=mu,
        n=len(found),
        n_failed=len(found) - len(good),
        n_at_bound=int(np.count_nonzero(~inside)),
        mean=float(mu_hat.mean()),
        median=float(np.median(mu_hat)),
        spread=float(mu_hat.std(ddof=1)),
        error=float(np.median(errors[inside])),
        pull_mean=mean,
        pull_width=width,
        expected_width=float(np.mean(np.array([fit.expected_width for fit in good])[inside])),
        covered=float(np.mean(np.abs(pulls) < 1)),
        passed=None if lost > LOST * len(found) else abs(mean) < MEAN and abs(width - 1) < WIDTH,
        mu_hat=mu_hat.tolist(),
        pulls=pulls.tolist(),
    )
