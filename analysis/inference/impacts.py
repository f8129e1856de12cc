"""Which parameter moves μ̂ by how much, and how σ(μ) divides into groups.

The impact of a parameter is the shift of μ̂ when the parameter is held at its best fit ± its error and all
others are fitted again (post-fit impacts). The share of a group is what σ(μ) loses, in quadrature, when the
group's parameters are held at their best fit; the statistical share is σ(μ) with all constrained parameters
held. Shares add up to σ² only without correlations between the groups: the rest is listed as such.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import JsonValue

from analysis.errors import FitError
from analysis.inference.engine import Engine, Floats, Minimum, at_bounds
from analysis.inference.engines import compiled_engine, cross_check
from analysis.inference.problem import Problem, load
from analysis.inference.profile import BETTER, BetterMinimumError, Profile, from_deepest, minos
from analysis.inference.results import GroupShare, Impact, Impacts


class NoImpactError(FitError):
    """The parameter of interest is at a bound, or nothing determines it: impacts on it have no meaning."""


def impacts(
    workspace: Mapping[str, object],
    *,
    poi: str | None = None,
    measurement: str | None = None,
    asimov: float | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    families: Mapping[str, str] | None = None,
    with_minos: bool = False,
    provenance: JsonValue = None,
) -> Impacts:
    """Rank all nuisance parameters by their impact, and break σ(μ) down into groups.

    Parameters
    ----------
    workspace, poi, measurement, asimov
        As in :func:`analysis.inference.fit.fit_workspace`.
    groups
        Group name to beginnings of parameter names. The first group that claims a parameter has it.
    families
        Parameter name, without the index of its bin, to the group of those that ``groups`` do not claim; what
        is in neither is grouped by the kind of modifier that brought it.
    with_minos
        Hold parameters at their MINOS errors instead of ± their errors from the Hessian.
    """
    problem = load(workspace, poi=poi, measurement=measurement, asimov=asimov)
    if problem.poi is None or problem.fixed[problem.poi]:
        raise FitError("Impacts need a free parameter of interest.", remedy="name one with --poi")
    engine = compiled_engine(problem)
    members = group_members(problem, groups or {}, families or {})

    def around(best: Minimum) -> Impacts:
        return _impacts(engine, best, members, asimov, with_minos, provenance)

    return from_deepest(engine, around, problem.poi_name)


def _impacts(
    engine: Engine,
    best: Minimum,
    members: Mapping[str, Sequence[int]],
    asimov: float | None,
    with_minos: bool,
    provenance: JsonValue,
) -> Impacts:
    problem = engine.problem
    poi = _poi(problem)
    covariance = engine.covariance(best.x, best.free)
    if not best.free[poi] and not at_bounds(problem, best.x, 1e-6)[poi]:
        raise NoImpactError(
            "The likelihood is flat in the parameter of interest: impacts on it have no meaning.",
            where=problem.poi_name,
            found=f"no bin that depends on it expects events at {best.x[poi]:g} and beyond",
            remedy="take --asimov 1 for the expected impacts",
        )
    if not best.free[poi]:
        raise NoImpactError(
            "The parameter of interest is at its bound: impacts on it have no meaning.",
            where=problem.poi_name,
            found=f"{best.x[poi]:g}",
            remedy=f"in the workspace, give '{problem.poi_name}' wider 'bounds' under measurements ('"
            f"{problem.measurement}') → config → parameters, if the model has a meaning there; or take --asimov 1",
        )
    rows = [_impact(engine, best, covariance, int(i), poi, with_minos) for i in np.flatnonzero(best.free) if i != poi]
    rows.sort(key=lambda row: -max(abs(row.up), abs(row.down)))
    return Impacts(
        poi=problem.names[poi],
        value=float(best.x[poi]),
        error=math.sqrt(covariance[poi, poi]),
        impacts=rows,
        groups=breakdown(engine, best, covariance, members),
        asimov=asimov,
        engine=engine.name,
        cross_check=cross_check(problem, best),
        remarks=engine.remarks,
        provenance=provenance,
    )


def _impact(engine: Engine, best: Minimum, covariance: Floats, index: int, poi: int, with_minos: bool) -> Impact:
    problem = engine.problem
    error = math.sqrt(covariance[index, index])
    profile = Profile(engine, index, best)
    low, high = (-error, error) if not with_minos else minos(profile, error)[:2]
    shifts = []
    for step in (high, low):
        value = float(np.clip(best.x[index] + step, problem.lower[index], problem.upper[index]))
        start = best.x + covariance[:, index] / covariance[index, index] * (value - best.x[index])
        found = engine.minimise(fixed={index: value}, start=start)
        if best.twice_nll - found.twice_nll > BETTER:
            raise BetterMinimumError(found.x, best.twice_nll - found.twice_nll)
        shifts.append(float(found.x[poi] - best.x[poi]))
    central, width = problem.central[index], problem.width[index]
    constrained = problem.constraint[index] != "none"
    return Impact(
        name=problem.names[index],
        value=float(best.x[index]),
        error=error,
        error_lo=float(low),
        error_hi=float(high),
        pull=float((best.x[index] - central) / width) if constrained else None,
        constraint=error / float(width) if constrained else None,
        up=shifts[0],
        down=shifts[1],
    )


def breakdown(
    engine: Engine, best: Minimum, covariance: Floats, members: Mapping[str, Sequence[int]]
) -> list[GroupShare]:
    """Divide σ(μ) into the statistical share and one share for each group of parameters, given by index."""
    problem = engine.problem
    poi = _poi(problem)
    variance = covariance[poi, poi]
    constrained = np.array([kind != "none" for kind in problem.constraint])
    statistical = engine.covariance(best.x, best.free & ~constrained)[poi, poi]
    shares = [
        GroupShare(
            name="statistical",
            sigma=math.sqrt(statistical),
            parameters=[problem.names[i] for i in np.flatnonzero(best.free & ~constrained)],
        )
    ]
    for name, indices in members.items():
        held = best.free.copy()
        held[list(indices)] = False
        lost = variance - engine.covariance(best.x, held)[poi, poi]
        shares.append(
            GroupShare(
                name=name,
                sigma=math.sqrt(max(lost, 0.0)),
                parameters=[problem.names[i] for i in indices if best.free[i]],
            )
        )
    rest = variance - sum(share.sigma**2 for share in shares)
    # Correlations between groups make the rest positive or negative.
    shares.append(
        GroupShare(
            name="correlations between groups",
            sigma=math.copysign(math.sqrt(abs(rest)), rest),
            parameters=[],
        )
    )
    return shares


def group_members(
    problem: Problem, groups: Mapping[str, Sequence[str]], families: Mapping[str, str]
) -> dict[str, list[int]]:
    """Assign each constrained parameter to a group.

    Raises
    ------
    FitError
        A group claims nothing: its name patterns have a mistake.
    """
    kinds: dict[str, str] = {}
    for name, kind in problem.model.config.modifiers:
        kinds.setdefault(name, _DEFAULT_GROUPS.get(kind, kind))
    members: dict[str, list[int]] = {name: [] for name in groups}
    for index, name in enumerate(problem.names):
        if problem.constraint[index] == "none" or problem.fixed[index]:
            continue
        family = name if name in kinds else name.partition("[")[0]
        owner = next(
            (group for group, starts in groups.items() if name.startswith(tuple(starts))),
            families.get(family, kinds[family]),
        )
        members.setdefault(owner, []).append(index)
    for group in groups:
        if not members[group]:
            raise FitError(
                f"No constrained parameter belongs to group '{group}'.",
                found=", ".join(groups[group]),
                expected="beginnings of parameter names",
                remedy="correct --group",
            )
    return members


_DEFAULT_GROUPS = {
    "staterror": "simulation statistics",
    "shapesys": "bin by bin",
    "normsys": "normalisations",
    "histosys": "shapes",
    "lumi": "luminosity",
}


def _poi(problem: Problem) -> int:
    if problem.poi is None:
        raise FitError("A breakdown needs a parameter of interest.", remedy="name one with --poi")
    return problem.poi
