"""The fit of a workspace, from JSON to :class:`~analysis.inference.results.FitResult`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from pydantic import JsonValue

from analysis.errors import FitError, nearest
from analysis.inference.belt import LEVELS, asymptotic_interval, neyman_interval
from analysis.inference.clipping import clipping_notes
from analysis.inference.compiled import UnsupportedModelError
from analysis.inference.engine import Engine, Floats, Minimum, at_bounds
from analysis.inference.goodness import goodness_of_fit, with_toys
from analysis.inference.limits import AsymptoticCLs
from analysis.inference.minimiser import NewtonEngine, NotConvergedError
from analysis.inference.parameters import correlations, parameters
from analysis.inference.problem import Problem, load, negative_yields
from analysis.inference.profile import BetterMinimumError, Profile, minos, scan_1d, signed_root
from analysis.inference.pyhf_engine import PyhfEngine
from analysis.inference.results import (
    FitResult,
    GoodnessOfFit,
    Interval,
    Scan,
    ScanPoint,
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
    notes = list(problem.notes)
    chosen = _chosen(problem, minos_for)
    try:
        best, covariance, found = _fit(engine, level, chosen, study)
    except NotConvergedError as error:
        log.warning("%s; trying pyhf and Minuit", error)
        notes.append(f"the compiled engine did not converge ({error.found}): pyhf and Minuit did")
        engine = PyhfEngine(problem)
        best, covariance, found = _fit(engine, level, chosen, study)
    if isinstance(engine, PyhfEngine) and engine.reason:
        notes.append(f"pyhf evaluated the model: {engine.reason}")
    warnings = [*clipping_notes(engine, best), *_bound_notes(problem, best, covariance, found)]
    for note in warnings:
        log.warning("%s", note)
    mu = found.mu
    convertible = mu is not None and standard_model is not None and found.significance is not None
    return FitResult(
        poi=problem.poi_name,
        measurement=problem.measurement,
        mu=mu,
        intervals=list(found.intervals),
        significance=found.significance,
        upper_limit=found.limit,
        branching_fraction=branching_fraction(mu, found.limit, standard_model)
        if convertible and mu is not None and standard_model is not None
        else None,
        goodness_of_fit=None if asimov is not None else _goodness(engine, best, goodness_toys, seed),
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
        diagnosis=[
            *notes,
            *negative_yields(problem),
            *warnings,
            *_study_notes(study),
        ],
        warnings=warnings,
        provenance=provenance,
    )


def scan(
    workspace: Mapping[str, object],
    values: Sequence[float],
    *,
    parameter: str | None = None,
    poi: str | None = None,
    measurement: str | None = None,
    asimov: float | None = None,
) -> Scan:
    """Profile the likelihood over ``values`` of one parameter, the one of interest when None."""
    problem = load(workspace, poi=poi, measurement=measurement, asimov=asimov)
    engine = make_engine(problem)
    index = index_of(problem, parameter)
    best = engine.minimise()
    for _ in range(MAX_RESTARTS):
        try:
            heights = scan_1d(Profile(engine, index, best), values)
            break
        except BetterMinimumError as better:
            best = engine.minimise(start=better.x)
    else:
        raise _restless(problem)
    return Scan(
        parameters=(problem.names[index],),
        minimum=(float(best.x[index]),),
        points=[
            ScanPoint(values=(value,), twice_delta_nll=height) for value, height in zip(values, heights, strict=True)
        ],
        asimov=asimov,
        engine=engine.name,
        cross_check=cross_check(problem, best),
    )


# How often a profile may discover a deeper minimum before the fit gives up.
MAX_RESTARTS = 5
# Agreement of 2NLL with pyhf that every fit must show.
CROSS_CHECK = 1e-9


def make_engine(problem: Problem) -> Engine:
    """Return the compiled engine for a problem, or pyhf with Minuit where that is needed."""
    try:
        return NewtonEngine(problem)
    except UnsupportedModelError as error:
        log.warning("the compiled likelihood does not know %s: pyhf and Minuit take over", error)
        return PyhfEngine(problem, reason=f"the compiled likelihood does not know {error}")


def compiled_engine(problem: Problem) -> NewtonEngine:
    """Return the compiled engine, for what pyhf would take days for.

    Raises
    ------
    FitError
        The compiled likelihood does not know the model.
    """
    try:
        return NewtonEngine(problem)
    except UnsupportedModelError as error:
        raise FitError(
            "the compiled likelihood does not know the model, and with pyhf this would take days",
            found=str(error),
            remedy="fit and scan work with pyhf; toys and impacts need the compiled likelihood",
        ) from error


def cross_check(problem: Problem, best: Minimum) -> float:
    """Return 2NLL minus pyhf's own evaluation at the minimum.

    Raises
    ------
    FitError
        They differ by more than 1e-9, beyond the rounding of the sum over bins.
    """
    judged = PyhfEngine(problem).twice_nll(best.x)
    difference = best.twice_nll - judged
    counts = problem.data[: problem.n_bins]
    rounding = 1e-15 * float(np.sum(counts * np.log(counts + 2.0)))
    if not abs(difference) <= CROSS_CHECK + rounding:
        raise FitError(
            "the compiled likelihood disagrees with pyhf's evaluation at the minimum",
            found=f"2NLL {best.twice_nll!r}",
            expected=f"{judged!r} (pyhf)",
            remedy="report the workspace: this is an error of the program",
        )
    return difference


def index_of(problem: Problem, parameter: str | None) -> int:
    """Return the index of a parameter by name, of the parameter of interest when None."""
    if parameter is None:
        if problem.poi is None:
            raise FitError("the workspace has no parameter of interest", remedy="name a parameter")
        return problem.poi
    if parameter not in problem.names:
        raise FitError(
            f"no parameter '{parameter}' in the model",
            expected=nearest(parameter, problem.names),
        )
    return problem.names.index(parameter)


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
        raise FitError("the toys are of another parameter", found=study.poi, expected=name)
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
    return [index_of(problem, name) for name in names]


def _goodness(engine: Engine, best: Minimum, n_toys: int, seed: int) -> GoodnessOfFit:
    found = goodness_of_fit(engine.problem, best)
    if not n_toys:
        return found
    return with_toys(found, compiled_engine(engine.problem), best, n_toys, seed)


def _fit(engine: Engine, level: float, chosen: Sequence[int], study: ToyStudy | None) -> tuple[Minimum, Floats, _Poi]:
    """Minimise; begin again from any deeper minimum that a profile discovers."""
    best = engine.minimise()
    for _ in range(MAX_RESTARTS):
        covariance = _covariance(engine, best)
        try:
            found = _interest(engine, best, covariance, level, study)
            intervals = {i: _minos_errors(engine, best, covariance, i) for i in chosen if best.free[i]}
            return best, covariance, replace(found, minos=intervals)
        except BetterMinimumError as better:
            log.info("a profile found a deeper minimum (%s): fitting again from there", better)
            best = engine.minimise(start=better.x)
    raise _restless(engine.problem)


def _minos_errors(engine: Engine, best: Minimum, covariance: Floats, index: int) -> tuple[float, float]:
    low, high, _ = minos(Profile(engine, index, best), float(np.sqrt(covariance[index, index])))
    return low, high


def _covariance(engine: Engine, best: Minimum) -> Floats:
    """Return the covariance of the free parameters and of the parameter of interest, even at its bound.

    Its error there is the curvature at the bound; where that is not positive, its variance is 0.
    """
    poi = engine.problem.poi
    if poi is None or engine.problem.fixed[poi] or best.free[poi]:
        return engine.covariance(best.x, best.free)
    counted = best.free.copy()
    counted[poi] = True
    try:
        return engine.covariance(best.x, counted)
    except FitError:
        return engine.covariance(best.x, best.free)


def _restless(problem: Problem) -> FitError:
    return FitError(
        "profile fits keep finding deeper minima: the likelihood has several",
        where=problem.poi_name,
        remedy="scan the parameter of interest and narrow the bounds to one minimum",
    )


def _interest(engine: Engine, best: Minimum, covariance: Floats, level: float, study: ToyStudy | None) -> _Poi:
    problem = engine.problem
    index = problem.poi
    if index is None or problem.fixed[index]:
        return _Poi()
    error = float(np.sqrt(covariance[index, index]))
    profile = Profile(engine, index, best)
    guess = error if error > 0 else 0.01 * float(problem.upper[index] - problem.lower[index])
    low, high, at_bound = minos(profile, guess)
    if error == 0.0:
        error = max(-low, high)
    mu = SignalStrength(value=float(best.x[index]), error=error, error_lo=low, error_hi=high, at_bound=at_bound)
    around = intervals(profile, mu, study)
    if not _is_strength(problem, index):
        return _Poi(mu=mu, intervals=around)
    significance = Significance(observed=signed_root(profile, 0.0), sm=signed_root(profile, 1.0))
    return _Poi(mu, significance, AsymptoticCLs.prepare(engine, best).limit(level), around)


def _is_strength(problem: Problem, index: int) -> bool:
    """Tell whether 0 and 1 mean "no signal" and "as predicted": an unconstrained factor."""
    return problem.constraint[index] == "none" and problem.lower[index] <= 0.0 and problem.upper[index] >= 1.0


def _bound_notes(problem: Problem, best: Minimum, covariance: Floats, found: _Poi) -> list[str]:
    notes = [
        f"parameter '{problem.names[i]}' is at its bound, {best.x[i]:g}"
        for i in np.flatnonzero(at_bounds(problem, best.x, 1e-6) & ~problem.fixed)
    ]
    if problem.poi is None:
        return [*notes, "no parameter of interest: no interval, significance or limit"]
    if found.mu is None:
        return [*notes, f"the parameter of interest '{problem.poi_name}' is fixed"]
    if not best.free[problem.poi] and not np.any(covariance[problem.poi]):
        notes.append(f"no curvature in '{problem.poi_name}' there: its error is the larger one of MINOS")
    for side, reached in zip(("lower", "upper"), found.mu.at_bound, strict=True):
        if reached:
            notes.append(f"the {side} MINOS error of '{problem.poi_name}' ends at its bound")
    if found.significance is None:
        notes.append(
            f"'{problem.poi_name}' is no signal strength (a free factor whose bounds "
            "hold 0 and 1): "
            "no significance, limit or branching fraction"
        )
    elif found.limit is not None and found.limit.observed > problem.upper[problem.poi]:
        notes.append(f"the upper limit lies beyond the upper bound of '{problem.poi_name}'")
    return notes
