"""Closure of the fit on the toy's own templates: pseudo-experiments at μ = 1 give μ = 1, with the quoted error."""

from pathlib import Path
from typing import Any

import pytest

from analysis import io
from analysis.inference.coverage import toy_study

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.statistical,
    pytest.mark.slow,
    pytest.mark.xdist_group("finished project"),
]


def projected(workspace: dict[str, Any], factor: float) -> dict[str, Any]:
    """Return the workspace at another luminosity: yields and absolute uncertainties times ``factor``."""

    def scaled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: item if key in ("hi", "lo") else scaled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [scaled(item) for item in value]
        return value * factor if isinstance(value, float) else value

    return workspace | {key: scaled(workspace[key]) for key in ("channels", "observations")}


def test_pulls_at_the_standard_model(toy_results: Path) -> None:
    # At the reduced toy's luminosity there is half a signal event; at the full one, μ is away from its bounds.
    workspace = projected(io.read_json(toy_results / "fit/workspace.json"), 10.0)
    (point,) = toy_study(workspace, [1.0], 400, seed=20260101).points
    assert point.n_failed == 0
    assert abs(point.pull_mean) < 0.5
    assert point.pull_width == pytest.approx(1.0, abs=0.35)


def test_projection_scales_yields_and_keeps_relative_errors(toy_results: Path) -> None:
    workspace = io.read_json(toy_results / "fit/workspace.json")
    larger = projected(workspace, 10.0)
    for one, two in zip(workspace["channels"], larger["channels"], strict=True):
        for a, b in zip(one["samples"], two["samples"], strict=True):
            assert b["data"] == pytest.approx([10 * x for x in a["data"]])
            for m, n in zip(a["modifiers"], b["modifiers"], strict=True):
                if m["type"] == "normsys":
                    assert m == n
                elif m["type"] == "histosys":
                    assert n["data"]["hi_data"] == pytest.approx([10 * x for x in m["data"]["hi_data"]])
