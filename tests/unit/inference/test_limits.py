"""Limits from toys, and the commands."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import poisson

from analysis.cli import main
from analysis.errors import FitError
from analysis.inference.fit import fit_workspace
from analysis.inference.minimiser import NewtonEngine
from analysis.inference.problem import load
from analysis.inference.profile import Profile
from analysis.inference.report import limit_table
from analysis.inference.results import UpperLimit
from analysis.inference.toy_limits import _cls_notes, _crossing, _Ratio, _Setting, cls_limit, limits


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


def test_a_limit_is_one_on_a_strength(counting):
    spec = counting(2.0)
    spec["channels"][0]["samples"][1]["modifiers"] = [
        {"name": "norm", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
    ]
    with pytest.raises(FitError, match="none") as caught:
        limits(spec, poi="norm")
    assert (caught.value.where, caught.value.found) == ("norm", "a nuisance parameter (normal constraint)")
    spec["measurements"][0]["config"]["parameters"] = [{"name": "mu", "bounds": [[0.5, 3.0]]}]
    with pytest.raises(FitError, match="none") as caught:
        limits(spec)
    assert caught.value.found == "bounds 0.5 to 3"
    # A branching fraction, say: 1 is out of reach.
    spec["measurements"][0]["config"]["parameters"] = [{"name": "mu", "bounds": [[0.0, 0.5]], "inits": [0.1]}]
    found = limits(spec)
    assert found.asymptotic[0].observed > 0.5
    assert found.remarks == ["the limit at 90 % and 95 % lies beyond the upper bound of 'mu', 0.5"]


def test_tables_of_expected_limits_say_so(counting):
    assert "Asimov" not in limit_table(limits(counting(2.0)))
    assert "note: Asimov data of mu = 0, no observed number" in limit_table(limits(counting(2.0), asimov=0.0))


def test_no_limit_for_a_strength_at_its_upper_bound(counting):
    spec = counting(20.0)
    spec["measurements"][0]["config"]["parameters"] = [{"name": "mu", "bounds": [[0.0, 5.0]], "inits": [1.0]}]
    with pytest.raises(FitError, match="upper bound") as caught:
        limits(spec)
    assert (caught.value.where, caught.value.found) == ("mu", "5")
    fit = fit_workspace(spec)
    assert fit.mu.value == 5.0
    assert fit.upper_limit is None
    assert fit.significance.observed > 0
    assert any("no upper limit: 'mu' is at its upper bound" in note for note in fit.diagnosis)


def test_the_grid_is_widened_where_limits_from_toys_lie_beyond_the_asymptotic_ones(counting):
    # No event: CLs = exp(−μ), but q̃ is a step, of which asymptotics knows nothing. From a first grid that begins above
    # the limit of 2.3 or ends below it.
    for first in (5.0, 0.3):
        asymptotic = UpperLimit(level=0.90, observed=first, expected=(first,) * 5, method="CLs, asymptotic")
        problem = load(counting(0.0))
        engine = NewtonEngine(problem)
        profile = Profile(engine, problem.poi, engine.minimise())
        setting = _Setting(engine, profile, problem.poi, 1000, 3, lambda _: None)
        found = cls_limit(setting, asymptotic, 6)
        assert found.limit.observed == pytest.approx(math.log(10), abs=0.35)


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


def test_a_limit_on_a_fixed_parameter_is_refused(hta):
    hta["measurements"][0]["config"]["parameters"] = [{"name": "mu", "fixed": True, "inits": [2.0]}]
    with pytest.raises(FitError, match="free parameter of interest"):
        limits(hta)


def test_crossing_needs_its_target_on_the_grid():
    def ratios(*values):
        return [_Ratio(round(100 * value), 100, 1000, 1000) for value in values]

    with pytest.raises(FitError, match="does not cross"):
        _crossing([0.0, 1.0, 2.0], ratios(1.0, 0.8, 0.5), 0.1)
    at, error = _crossing([0.0, 1.0, 2.0], ratios(1.0, 0.2, 0.05), 0.1)
    assert at == pytest.approx(1.0 + math.log(2) / math.log(4))
    # Half of each of ln 0.2 and ln 0.05, of 20 and 5 toys in 1000 over 100 in 1000.
    sizes = [math.sqrt(0.98 / 20 + 0.9 / 100), math.sqrt(0.995 / 5 + 0.9 / 100)]
    assert error == pytest.approx(math.hypot(*sizes) / 2 / math.log(4))


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


def one_bin(background: float, observed: float) -> dict[str, Any]:
    samples = [
        {"name": "s", "data": [1.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "b", "data": [background], "modifiers": []},
    ]
    parameters = [{"name": "mu", "bounds": [[-50.0, 50.0]], "inits": [1.0]}]
    return {
        "version": "1.0.0",
        "channels": [{"name": "sr", "samples": samples}],
        "observations": [{"name": "sr", "data": [observed]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": parameters}}],
    }


def exact(background: float, observed: int, alpha: float = 0.1) -> float:
    """Return the CLs limit of one Poisson bin: P(≤ n | s + b) = α P(≤ n | b)."""
    target = alpha * poisson.cdf(observed, background)
    return float(brentq(lambda s: poisson.cdf(observed, s + background) - target, 0.0, 50.0))


@pytest.mark.parametrize(("background", "observed", "n"), [(2.0, 0, 1000), (5.0, 3, 600)])
def test_toys_give_the_exact_limit_of_one_poisson_bin(background, observed, n):
    found = limits(one_bin(background, observed), n_toys=n, seed=5).toys
    assert found is not None
    truth = exact(background, observed)
    assert observed or truth == pytest.approx(np.log(10))
    assert 0.02 < found.error < 0.4
    assert abs(found.limit.observed - truth) < 2.5 * found.error
    # Discrete data: the median toy has n = b, exactly.
    assert found.limit.expected[2] == pytest.approx(exact(background, int(background)), abs=0.6)


def test_too_few_toys_are_refused_with_the_number_needed():
    # P(0 | 5) = 0.7 %: three of 500 toys, and CLs = 0.1 is a third of one.
    with pytest.raises(FitError, match="Too few toys") as caught:
        limits(one_bin(5.0, 0.0), n_toys=500, n_points=4, seed=0)
    assert "toys without signal are as far out as the data" in str(caught.value.found)
    assert "--toys" in str(caught.value.remedy)


def test_bands_out_of_order_and_rough_limits_are_told():
    few = [_Ratio(1, 4, 200, 200), _Ratio(0, 4, 200, 200)]
    notes = _cls_notes(few, [(25.3, 2.0), (29.9, 3.0), (25.9, 2.0), (39.5, 4.0), (49.7, 5.0)], 200)
    assert "only 4 of 200 toys" in notes[0]
    assert "not in order (25.3 ± 2, 29.9 ± 3" in notes[1]
    assert _cls_notes([_Ratio(5, 40, 200, 200)], [(1.0, 0.1), (2.0, 0.1)], 200) == []


def test_no_toy_counts_as_one():
    ratio = _Ratio(0, 50, 1000, 1000)
    assert (ratio.value, ratio.one) == (0.0, 0.02)
    assert ratio.error >= 0.02
    at, error = _crossing([1.0, 2.0, 3.0], [_Ratio(25, 50, 1000, 1000), ratio, ratio], 0.1)
    # ln CLs from 0.5 to 0.02
    assert at == pytest.approx(1 + np.log(5) / np.log(25))
    assert error == pytest.approx(
        0.5 * math.hypot(math.sqrt(0.975 / 25 + 0.95 / 50), math.sqrt(1 + 0.95 / 50)) / math.log(25)
    )
