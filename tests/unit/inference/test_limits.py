"""Limits from toys, and the commands."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from analysis.cli import main
from analysis.errors import FitError
from analysis.inference import toy_limits
from analysis.inference.toy_limits import limits


@pytest.fixture
def counting():
    """One bin, three events of known background, no uncertainty: everything is known in closed form."""

    def workspace(observed: float):
        samples = [
            {"name": "signal", "data": [1.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
            {"name": "background", "data": [3.0], "modifiers": []},
        ]
        parameters = [{"name": "mu", "bounds": [[-2.9, 50.0]], "inits": [1.0]}]
        return {
            "version": "1.0.0",
            "channels": [{"name": "sr", "samples": samples}],
            "observations": [{"name": "sr", "data": [observed]}],
            "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": parameters}}],
        }

    return workspace


def poisson_sum(n: int, mean: float) -> float:
    return sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(n + 1))


def test_cls_from_toys_is_the_counting_experiments(counting):
    # CLs = P(n ≤ observed | μ + 3) / P(n ≤ observed | 3).
    found = limits(counting(2.0), levels=[0.90], n_toys=1500, n_points=8, seed=3)
    limit, error = found.toys.limit.observed, found.toys.error
    exact = poisson_sum(2, 3 + limit) / poisson_sum(2, 3.0)
    assert exact == pytest.approx(0.10, abs=0.02)
    assert 0 < error < 0.5
    for point in found.toys.points[:4]:
        exact = poisson_sum(2, 3 + point.mu) / poisson_sum(2, 3.0)
        assert point.cls == pytest.approx(exact, abs=4 * point.cls_error + 1e-3)


def test_feldman_cousins_is_the_published_table(counting):
    # PRD 57 (1998) 3873, table IV: for b = 3.0 and n = 2 the 90 % interval is [0, 3.04]; the grid of μ and
    # the jumps of discrete data leave half a step.
    found = limits(counting(2.0), levels=[0.90], n_toys=600, n_points=14, seed=4, feldman_cousins=True)
    assert found.feldman_cousins.lower == 0.0
    assert found.feldman_cousins.upper == pytest.approx(3.04, abs=0.35)


def test_limits_at_two_levels_are_ordered(hta):
    found = limits(hta, levels=[0.90, 0.95])
    assert found.asymptotic[0].observed < found.asymptotic[1].observed
    assert found.toys is None


def test_crossing_needs_its_target_on_the_grid():
    with pytest.raises(FitError, match="does not cross"):
        toy_limits._crossing([0.0, 1.0, 2.0], [1.0, 0.8, 0.5], [0.01] * 3, 0.1)
    at, error = toy_limits._crossing([0.0, 1.0, 2.0], [1.0, 0.2, 0.05], [0.01] * 3, 0.1)
    assert at == pytest.approx(1.0 + math.log(2) / math.log(4))
    assert error == pytest.approx(0.05 / math.log(4))


def test_commands_on_a_workspace(hta, tmp_path):
    (tmp_path / "w.json").write_text(json.dumps(hta))

    def command(name, *options):
        output = tmp_path / f"{name}.json"
        arguments = [name, "--workspace", f"{tmp_path}/w.json", "--output", str(output), *options]
        assert main(arguments) == 0
        return json.loads(output.read_text())

    found = command("limit", "--levels", "0.9")
    assert [entry["level"] for entry in found["asymptotic"]] == [0.9]
    toys = command("toys", "--mu", "1", "--toys", "130", "--seed", "3")
    assert toys["seed"] == 3
    assert len(toys["points"][0]["mu_hat"]) == 130
    assert np.isfinite(toys["points"][0]["bias"])
    ranking = command("impacts", "--group", "BB=mu_bb")
    assert ranking["groups"][1]["name"] == "BB"
    assert ranking["provenance"]["command"] == "impacts"
    assert main(["impacts", "--workspace", f"{tmp_path}/w.json", "--output", "x", "--group", "BB"]) == 1
    assert main(["limit", "--workspace", f"{tmp_path}/w.json", "--output", "x", "--levels", "2"]) == 1


def test_combine_command(hta, tmp_path):
    other = json.loads(json.dumps(hta).replace('"hta"', '"sl"'))
    for name, workspace in (("hta", hta), ("sl", other)):
        (tmp_path / f"{name}.json").write_text(json.dumps(workspace))
    names = ["mu", "mu_bbbar", "mu_continuum", "uncorr_signal", "uncorr_bbbar", "uncorr_continuum"]
    plan = {"poi": "mu", "shared": {n: {"hta": n, "sl": n} for n in names[:2]}, "separate": names[2:]}
    (tmp_path / "map.yaml").write_text(json.dumps(plan))
    arguments = [
        *("combine", "--workspace", f"hta={tmp_path}/hta.json", "--workspace", f"sl={tmp_path}/sl.json"),
        *("--map", f"{tmp_path}/map.yaml", "--output", f"{tmp_path}/c.json"),
    ]
    assert main(arguments) == 0
    combined = json.loads((tmp_path / "c.json").read_text())
    assert {c["name"] for c in combined["channels"]} == {"hta", "sl"}
    (tmp_path / "map.yaml").write_text("poi: [")
    assert main(arguments) == 1
