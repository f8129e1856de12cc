"""The fit of a workspace, from JSON to :class:`~analysis.inference.results.FitResult`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from pydantic import JsonValue

from analysis.errors import FitError
from analysis.inference.belt import LEVELS, asymptotic_interval, neyman_interval
from analysis.inference.clipping import clipping_notes
from analysis.inference.engine import Engine, Floats, ImpossibleError, Minimum, at_bounds
from analysis.inference.engines import compiled_engine, cross_check, make_engine
from analysis.inference.goodness import goodness_of_fit, with_toys
from analysis.inference.limits import AsymptoticCLs
from analysis.inference.minimiser import NewtonEngine
from analysis.inference.parameters import correlations, parameters
from analysis.inference.problem import Problem, load, negative_yields
from analysis.inference.profile import Profile, from_deepest, minos, signed_root, step_guess
from analysis.inference.results import (
    BranchingFraction,
    FitResult,
    GoodnessOfFit,
    Interval,
    SignalStrength,
    Significance,
    StandardModel,
    ToyStudy,
    UpperLimit,
    branching_fraction,
)
from analysis.inference.yields import yields

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Poi:
    """What is known of the parameter of interest."""

    mu: SignalStrength | None = None
    significance: Significance | None = None
    limit: UpperLimit | None = None
    intervals: Sequence[Interval] = ()
    minos: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    impossible: str | None = None

    def branching_fraction(self, standard_model: StandardModel | None) -> BranchingFraction | None:
        """Return what a signal strength stands for; None where it is none, or nothing tells what μ = 1 is."""
        if self.mu is None or self.significance is None or standard_model is None:
            return None
        return branching_fraction(self.mu, self.limit, standard_model)


def fit_workspace(
    workspace: Mapping[str, object],
    *,
    poi: str | None = None,
    measurement: str | None = None,
    asimov: float | None = None,
    level: float = 0.90,
    minos_for: Sequence[str] = (),
    goodness_toys: int = 0,
    seed: int = 0,
    standard_model: StandardModel | None = None,
    study: ToyStudy | None = None,
    provenance: JsonValue = None,
) -> FitResult:
    """Fit any pyhf workspace.

    Parameters
    ----------
    workspace
        A HistFactory JSON workspace.
    poi
        Parameter of interest; the measurement's own when None.
    measurement
        Name of the measurement; the first when None.
    asimov
        Fit what the model expects at POI = ``asimov`` before any fit, instead of the data: the
        result is then blinded, no observed number enters.
    level
        Confidence level of the upper limit.
    minos_for
        Parameters whose MINOS errors are wanted besides those of the parameter of interest; ("all",) for all.
    goodness_toys, seed
        How many toys give the goodness of fit a second p value, and their seed.
    standard_model
        The branching fraction of POI = 1; without it ``branching_fraction`` is null.
    study
        Toys of this workspace: where they say that the asymptotic intervals do not cover, those of Neyman's
        construction are quoted.
    provenance
        Anything the caller wants to travel with the result.

    Raises
    ------
    FitError
        The workspace is not valid, the fit did not converge, or parameters are not determined.
    """
    problem = load(workspace, poi=poi, measurement=measurement, asimov=asimov)
    engine = make_engine(problem)
    best, covariance, found = _fit(engine, level, _chosen(problem, minos_for), study)
    goodness = None if asimov is not None else _goodness(engine, best, goodness_toys, seed)
    warnings = [*clipping_notes(engine, best), *_bound_notes(problem, best, found)]
    for note in warnings:
        log.warning("%s", note)
    return FitResult(
        poi=problem.poi_name,
        measurement=problem.measurement,
        mu=found.mu,
        intervals=list(found.intervals),
        significance=found.significance,
        upper_limit=found.limit,
        branching_fraction=found.branching_fraction(standard_model),
        goodness_of_fit=goodness,
        parameters=parameters(problem, best, covariance, found.minos),
        n_parameters=len(problem.names),
        n_free=int(best.free.sum()),
        nll=best.twice_nll / 2,
        blinded=asimov is not None,
        asimov=asimov,
        correlations=correlations(problem, covariance),
        yields=yields(engine, best, covariance),
        engine=engine.name,
        cross_check=cross_check(problem, best),
        status="converged",
        diagnosis=[*problem.notes, *engine.remarks, *negative_yields(problem), *warnings, *_study_notes(study)],
        warnings=warnings,
        provenance=provenance,
    )


def intervals(profile: Profile, mu: SignalStrength, study: ToyStudy | None) -> list[Interval]:
    """Return the 68 % and 90 % intervals of the parameter of interest, those to be quoted marked.

    Raises
    ------
    FitError
        The study is of another parameter or of other data.
    """
    name = profile.engine.problem.poi_name
    from_toys = study is not None and study.quoted == "Neyman, toys"
    found = [asymptotic_interval(profile, level, mu.error, quoted=not from_toys) for level in LEVELS]
    if study is None or study.belt is None:
        return found
    if study.poi != name:
        raise FitError(
            "The toys are of another parameter.",
            found=study.poi,
            expected=name,
            remedy="make them with the same --poi",
        )
    return [*found, *(neyman_interval(profile, study.belt, level, quoted=from_toys) for level in LEVELS)]


def _study_notes(study: ToyStudy | None) -> list[str]:
    if study is None:
        return []
    n, truths = study.points[0].n, ", ".join(f"{point.mu:g}" for point in study.points)
    if study.quoted == "profile likelihood":
        return [f"the asymptotic intervals cover ({n} toys at {study.poi} = {truths})"]
    failed = "" if study.passed else ", although they miss their coverage, too"
    return [
        f"the asymptotic intervals do not cover ({n} toys at {study.poi} = {truths}): "
        f"those of Neyman's construction from toys are quoted{failed}"
    ]


def _chosen(problem: Problem, names: Sequence[str]) -> list[int]:
    """Return the indices of the named parameters, of all that are not constant for ("all",)."""
    if tuple(names) == ("all",):
        return [int(i) for i in np.flatnonzero(~problem.fixed)]
    return [problem.index_of(name) for name in names]


def _goodness(engine: Engine, best: Minimum, n_toys: int, seed: int) -> GoodnessOfFit:
    found = goodness_of_fit(engine.problem, best)
    if not n_toys:
        return found
    fitter = engine if isinstance(engine, NewtonEngine) else compiled_engine(engine.problem)
    return with_toys(found, fitter, best, n_toys, seed)


def _fit(engine: Engine, level: float, chosen: Sequence[int], study: ToyStudy | None) -> tuple[Minimum, Floats, _Poi]:
    """Minimise, and profile the parameter of interest and those chosen."""

    def around(best: Minimum) -> tuple[Minimum, Floats, _Poi]:
        covariance = _covariance(engine, best)
        found = _interest(engine, best, covariance, level, study)
        covariance = _with_strength_at_bound(engine, best, covariance, found)
        intervals = {i: _minos_errors(engine, best, covariance, i) for i in chosen if best.free[i]}
        return best, covariance, replace(found, minos=intervals)

    return from_deepest(engine, around, engine.problem.poi_name)


def _minos_errors(engine: Engine, best: Minimum, covariance: Floats, index: int) -> tuple[float, float]:
    low, high, _ = minos(Profile(engine, index, best), float(np.sqrt(covariance[index, index])))
    return low, high


def _covariance(engine: Engine, best: Minimum) -> Floats:
    """Return the covariance of the free parameters and of the parameter of interest where a kink holds it.

    Where the curvature there is not positive, its variance is 0.
    """
    poi = engine.problem.poi
    if poi is None or engine.problem.fixed[poi] or best.free[poi] or _at_bound(engine, best):
        return engine.covariance(best.x, best.free)
    counted = best.free.copy()
    counted[poi] = True
    try:
        return engine.covariance(best.x, counted)
    except FitError:
        return engine.covariance(best.x, best.free)


def _at_bound(engine: Engine, best: Minimum) -> bool:
    """Tell whether a bound holds the parameter of interest."""
    poi = engine.problem.poi
    return poi is not None and not best.free[poi] and bool(at_bounds(engine.problem, best.x, 1e-6)[poi])


def _with_strength_at_bound(engine: Engine, best: Minimum, covariance: Floats, found: _Poi) -> Floats:
    """Add the parameter of interest at its bound to the covariance of the others.

    2NLL falls towards the bound, so that the curvature there is no error: the error is that of MINOS, and the others
    move with it as they do along the profile up to its end.
    """
    if found.mu is None or not _at_bound(engine, best):
        return covariance
    poi = engine.problem.index_of(None)
    end = found.mu.error_hi if found.mu.error == found.mu.error_hi else found.mu.error_lo
    move = Profile(engine, poi, best).minimum(found.mu.value + end).x - best.x
    return covariance + np.outer(move, move)


def _interest(engine: Engine, best: Minimum, covariance: Floats, level: float, study: ToyStudy | None) -> _Poi:
    problem = engine.problem
    index = problem.poi
    if index is None or problem.fixed[index]:
        return _Poi()
    error = float(np.sqrt(covariance[index, index]))
    profile = Profile(engine, index, best)
    low, high, at_bound = minos(profile, error or step_guess(profile))
    if error == 0.0:
        error = max(-low, high)
    mu = SignalStrength(value=float(best.x[index]), error=error, error_lo=low, error_hi=high, at_bound=at_bound)
    around = intervals(profile, mu, study)
    if not _is_strength(problem, index):
        return _Poi(mu=mu, intervals=around)
    try:
        significance = Significance(observed=signed_root(profile, 0.0), sm=signed_root(profile, 1.0))
        # At the upper bound nothing tells where the likelihood of a larger strength would be highest.
        limit = None if at_bound[1] and high == 0.0 else AsymptoticCLs.prepare(engine, best).limit(level)
    except ImpossibleError as error:
        return _Poi(mu=mu, intervals=around, impossible=str(error.where))
    return _Poi(mu, significance, limit, around)


def _is_strength(problem: Problem, index: int) -> bool:
    """Tell whether 0 and 1 mean "no signal" and "as predicted": an unconstrained factor."""
    return problem.constraint[index] == "none" and problem.lower[index] <= 0.0 and problem.upper[index] >= 1.0


def _bound_notes(problem: Problem, best: Minimum, found: _Poi) -> list[str]:
    notes = [
        f"parameter '{problem.names[i]}' is at its bound, {best.x[i]:g}"
        for i in np.flatnonzero(at_bounds(problem, best.x, 1e-6) & ~problem.fixed)
    ]
    if problem.poi is None:
        return [*notes, "no parameter of interest: no interval, significance or limit"]
    if found.mu is None:
        return [*notes, f"the parameter of interest '{problem.poi_name}' is fixed"]
    if not best.free[problem.poi] and found.mu.error == max(-found.mu.error_lo, found.mu.error_hi):
        notes.append(f"the error of '{problem.poi_name}' there is the larger one of MINOS: the Hessian knows none")
    for side, reached in zip(("lower", "upper"), found.mu.at_bound, strict=True):
        if reached:
            notes.append(f"the {side} MINOS error of '{problem.poi_name}' ends at its bound")
    if found.impossible is not None:
        notes.append(f"no significance or limit: the data are impossible there ({found.impossible})")
    elif found.significance is None:
        notes.append(
            f"'{problem.poi_name}' is no signal strength (a free factor whose bounds "
            "hold 0 and 1): "
            "no significance, limit or branching fraction"
        )
    elif found.limit is None:
        notes.append(f"no upper limit: '{problem.poi_name}' is at its upper bound; widen it in the workspace")
    elif found.limit.observed > problem.upper[problem.poi]:
        notes.append(f"the upper limit lies beyond the upper bound of '{problem.poi_name}'")
    return notes
