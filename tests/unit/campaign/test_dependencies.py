"""Layers, and the circle by its name."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.campaign import dependencies
from analysis.campaign.dependencies import find_cycle
from analysis.campaign.tasks import AnyTask, Calibration, LocalCopy


def calibration(name: str, depends_on: list[str]) -> Calibration:
    return Calibration(
        kind="raw",
        name=name,
        expert_username="x",
        description="x",
        depends_on=tuple(depends_on),
        input_data_formats=("raw",),
        input_data_names=("x",),
    )


NAMES = [f"t{number}" for number in range(6)]
GRAPHS = st.dictionaries(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES)), min_size=1)


@settings(deadline=None)
@given(GRAPHS)
def test_layers_or_the_name_of_a_circle(graph: dict[str, set[str]]) -> None:
    graph = {name: {other for other in others if other in graph and other != name} for name, others in graph.items()}
    tasks: dict[str, AnyTask] = {name: calibration(name, sorted(others)) for name, others in graph.items()}
    tasks["local_a"] = LocalCopy(name="local_a", expert_username="x", description="x", sources={"gt": ("P",)})
    result, findings = dependencies.examine(tasks)
    if result is None:
        (finding,) = findings
        circle = (finding.found or "").split(" → ")
        assert circle[0] == circle[-1]
        assert len(circle) > 2
        assert all(after in graph[before] for before, after in pairwise(circle))
        return
    assert sorted(name for layer in result.layers for name in layer) == sorted(tasks)
    assert result.layers[0] == ("local_a",)
    done_before: set[str] = set()
    done: set[str] = set()
    for layer in result.layers:
        for name in layer:
            assert done.issuperset(result.depends_on[name])
            # As early as possible: something of the layer before is needed.
            assert layer == result.layers[0] or not done_before.issuperset(result.depends_on[name])
        done_before, done = set(done), done.union(layer)
    assert find_cycle(result.depends_on) == []


def test_the_nearest_upstream_comes_first() -> None:
    tasks: dict[str, AnyTask] = {
        "a": calibration("a", []),
        "b": calibration("b", ["a"]),
        "c": calibration("c", ["b"]),
    }
    result, _ = dependencies.examine(tasks)
    assert result is not None
    assert result.layers == (("a",), ("b",), ("c",))
    assert result.upstream["c"] == ("b", "a")
