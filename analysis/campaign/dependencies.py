"""In which order tasks run: layers of tasks that may run side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field

from analysis.campaign.documents import Model
from analysis.campaign.tasks import AnyTask
from analysis.conditions.findings import Finding
from analysis.errors import nearest


class Dependencies(Model):
    """The graph of a campaign, as ``dependencies.json`` holds it."""

    kinds: dict[str, str]
    """Task → local, raw or cdst."""
    depends_on: dict[str, tuple[str, ...]]
    """Task → the tasks right before it."""
    upstream: dict[str, tuple[str, ...]]
    """Task → all tasks before it, nearest first: their payloads take precedence in that order."""
    layers: tuple[tuple[str, ...], ...] = Field(min_length=1)
    """Tasks of a layer depend on those of earlier layers only."""


def examine(tasks: Mapping[str, AnyTask]) -> tuple[Dependencies | None, list[Finding]]:
    """Return the graph of some tasks, None if there is none, and what is wrong.

    Copied payloads come before everything: calibrations start from a staging tag that holds them.
    """
    findings = [
        Finding(
            "unknown-dependency",
            "A task depends on one that does not exist.",
            key=f"{name}.depends_on",
            found=other,
            expected=f"a task of this campaign; nearest: {nearest(other, tasks)}",
            remedy="correct the name, or add the task's settings to the release",
        )
        for name, task in sorted(tasks.items())
        for other in task.depends_on
        if other not in tasks
    ]
    if findings:
        return None, findings
    local = tuple(sorted(name for name, task in tasks.items() if task.kind == "local"))
    before = {name: () if name in local else (*task.depends_on, *local) for name, task in sorted(tasks.items())}
    before = {name: tuple(dict.fromkeys(others)) for name, others in before.items()}
    layers = _layers(before)
    if layers is None:
        cycle = find_cycle(before)
        return None, [
            Finding(
                "cyclic-dependency",
                "Tasks depend on each other in a circle.",
                key="depends_on",
                found=" → ".join(cycle),
                expected="an order in which each task comes after those it depends on",
                remedy="remove one of the arrows",
            )
        ]
    place = {name: number for number, layer in enumerate(layers) for name in layer}
    upstream = {
        name: tuple(sorted(_all_before(name, before), key=lambda other: (-place[other], other))) for name in before
    }
    kinds = {name: tasks[name].kind for name in before}
    return Dependencies(kinds=kinds, depends_on=before, upstream=upstream, layers=layers), []


def _layers(before: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...] | None:
    done: set[str] = set()
    layers = []
    while len(done) < len(before):
        layer = tuple(name for name, others in before.items() if name not in done and done.issuperset(others))
        if not layer:
            return None
        layers.append(layer)
        done.update(layer)
    return tuple(layers)


def _all_before(name: str, before: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    todo = list(before[name])
    while todo:
        other = todo.pop()
        if other not in found:
            found.add(other)
            todo += before[other]
    return found


def find_cycle(before: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the tasks of one circle, its first again at the end; [] if there is none.

    Examples
    --------
    >>> find_cycle({"a": ["b"], "b": ["c"], "c": ["b"], "d": []})
    ['b', 'c', 'b']
    """
    for start in before:
        # Whoever is before itself lies on a circle; the shortest way back names it.
        ways = [[start]]
        seen: set[str] = set()
        for way in ways:
            for other in before[way[-1]]:
                if other == start:
                    return [*way, start]
                if other not in seen:
                    seen.add(other)
                    ways.append([*way, other])
    return []
