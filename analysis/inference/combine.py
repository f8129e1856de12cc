"""Several workspaces into one, with the parameters that they share named explicitly.

Nothing is shared by accident: a name that occurs in two workspaces must be declared shared or separate.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from typing import Annotated

import pyhf
from pydantic import BaseModel, ConfigDict, Field

from analysis.errors import FitError, nearest
from analysis.inference.problem import read_spec

log = logging.getLogger(__name__)

MEASUREMENT = "combination"


class CombinationMap(BaseModel):
    """How the parameters of several workspaces belong together.

    The workspaces have labels; parameters are named as their workspace names them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    poi: str
    """Parameter of interest of the combination, by its common name."""
    shared: dict[str, dict[str, str]] = {}
    """Common name to workspace label to the parameter's name there."""
    separate: Annotated[tuple[str, ...], Field()] = ()
    """Names that occur in several workspaces and mean different things: the label is put before them."""
    optional: tuple[str, ...] = ()
    """Common names that a workspace may lack (pruning took them): shared by those that have them."""


def combine(workspaces: Mapping[str, Mapping[str, object]], plan: CombinationMap) -> pyhf.Workspace:
    """Combine workspaces into one.

    Parameters
    ----------
    workspaces
        Label to workspace; of each the first measurement is taken.
    plan
        Which parameters are shared.

    Raises
    ------
    FitError
        A workspace is not valid, or there are conflicts, all of them named: undeclared common names, channels with
        one name, parameters with different settings, different kinds of constraint, unknown names in the plan.
    """
    if len(workspaces) < 2:
        raise FitError(
            "A combination needs two workspaces.",
            found=", ".join(workspaces) or "none",
            remedy="give --workspace twice or more",
        )
    specs = {label: read_spec(copy.deepcopy(dict(w))) for label, w in workspaces.items()}
    plan = _without_pruned(specs, plan)
    problems = [*_unknown(specs, plan), *_undeclared(specs, plan), *_channels(specs)]
    if problems:
        raise _conflict(problems)
    renamed = [_rename(label, spec, plan) for label, spec in specs.items()]
    problems = [*_settings(renamed, list(specs)), *_kinds(renamed, list(specs))]
    if problems:
        raise _conflict(problems)
    result = renamed[0]
    for other in renamed[1:]:
        result = pyhf.Workspace.combine(result, other, join="outer")
    return result


def _without_pruned(specs: Mapping[str, pyhf.Workspace], plan: CombinationMap) -> CombinationMap:
    """Drop the members of optional common names that their workspace does not have."""
    shared = {}
    for common, members in plan.shared.items():
        kept = {
            label: name
            for label, name in members.items()
            if common not in plan.optional or label not in specs or name in parameters_of(specs[label])
        }
        for label in members.keys() - kept.keys():
            log.info("'%s' is not shared with %s, which has no '%s'", common, label, members[label])
        if kept:
            shared[common] = kept
    return plan.model_copy(update={"shared": shared})


def parameters_of(spec: pyhf.Workspace) -> set[str]:
    """Return the names of all modifiers, which are those of the parameters."""
    return {name for name, _ in spec.modifiers}


def _unknown(specs: Mapping[str, pyhf.Workspace], plan: CombinationMap) -> list[str]:
    problems = []
    for common, members in plan.shared.items():
        for label, name in members.items():
            if label not in specs:
                problems.append(
                    f"shared '{common}': no workspace is labelled '{label}' (nearest: {nearest(label, specs)})"
                )
            elif name not in parameters_of(specs[label]):
                near = nearest(name, parameters_of(specs[label]))
                problems.append(f"shared '{common}': '{label}' has no parameter '{name}' (nearest: {near})")
    known = set().union(*(parameters_of(spec) for spec in specs.values()), plan.shared)
    if plan.poi not in known:
        problems.append(f"poi '{plan.poi}' is no parameter (nearest: {nearest(plan.poi, known)})")
    return problems


def _undeclared(specs: Mapping[str, pyhf.Workspace], plan: CombinationMap) -> list[str]:
    """Name parameters that two workspaces would share without saying so."""
    problems = []
    owners: dict[str, list[str]] = {}
    for label, spec in specs.items():
        for name in parameters_of(spec):
            target = _target(label, name, plan)
            owners.setdefault(target, []).append(f"'{name}' of {label}")
    for target, members in sorted(owners.items()):
        declared = len(plan.shared.get(target, {}))
        if len(members) > max(declared, 1):
            problems.append(f"parameter '{target}' occurs in {', '.join(members)}: declare it shared or separate")
    return problems


def _target(label: str, name: str, plan: CombinationMap) -> str:
    """Return the name of a workspace's parameter in the combination."""
    for common, members in plan.shared.items():
        if members.get(label) == name:
            return common
    return f"{label}_{name}" if name in plan.separate else name


def _channels(specs: Mapping[str, pyhf.Workspace]) -> list[str]:
    owners: dict[str, list[str]] = {}
    for label, spec in specs.items():
        for channel in spec.channels:
            owners.setdefault(channel, []).append(label)
    return [
        f"channel '{channel}' occurs in {', '.join(labels)}: the same data twice, or a name to change"
        for channel, labels in sorted(owners.items())
        if len(labels) > 1
    ]


def _rename(label: str, spec: pyhf.Workspace, plan: CombinationMap) -> pyhf.Workspace:
    names = {name: _target(label, name, plan) for name in parameters_of(spec)}
    content = copy.deepcopy(dict(spec.rename(modifiers={a: b for a, b in names.items() if a != b})))
    config = copy.deepcopy(content["measurements"][0]["config"])
    config["poi"] = plan.poi
    content["measurements"] = [{"name": MEASUREMENT, "config": config}]
    return pyhf.Workspace(content)


def _settings(specs: Sequence[pyhf.Workspace], labels: Sequence[str]) -> list[str]:
    """Name shared parameters whose bounds, start values or auxiliary data differ.

    Settings that only some of the workspaces make are given to the others, as pyhf demands equal ones.
    """
    seen: dict[str, tuple[str, dict[str, object]]] = {}
    problems = []
    for spec, label in zip(specs, labels, strict=True):
        for entry in spec["measurements"][0]["config"]["parameters"]:
            name = entry["name"]
            if name in seen and seen[name][1] != entry:
                first, other = seen[name]
                problems.append(f"settings of '{name}' differ: {other} in {first}, {entry} in {label}")
            seen.setdefault(name, (label, entry))
    for spec in specs:
        config = spec["measurements"][0]["config"]
        own = {entry["name"] for entry in config["parameters"]}
        for name in sorted(parameters_of(spec) - own):
            if name in seen:
                config["parameters"].append(copy.deepcopy(seen[name][1]))
    return problems


# Types of modifier whose parameters have the same constraint.
_KINDS = {
    "normfactor": "free factor",
    "normsys": "unit normal",
    "histosys": "unit normal",
    "lumi": "normal",
    "staterror": "normal, by bin",
    "shapesys": "Poisson, by bin",
    "shapefactor": "free, by bin",
}


def _kinds(specs: Sequence[pyhf.Workspace], labels: Sequence[str]) -> list[str]:
    """Name shared parameters that are constrained differently."""
    found: dict[str, dict[str, str]] = {}
    for spec, label in zip(specs, labels, strict=True):
        for name, kind in spec.modifiers:
            found.setdefault(name, {})[label] = _KINDS.get(kind, kind)
    return [
        f"'{name}' is " + ", ".join(f"{kind} in {label}" for label, kind in kinds.items())
        for name, kinds in sorted(found.items())
        if len(set(kinds.values())) > 1
    ]


def _conflict(problems: Sequence[str]) -> FitError:
    return FitError(
        "The workspaces do not fit together.",
        found="\n            ".join(problems),
        remedy="name common parameters under 'shared' or 'separate' of the map",
    )
