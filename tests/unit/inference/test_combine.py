"""Combination of workspaces."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from analysis.cli import main
from analysis.errors import FitError
from analysis.inference.combine import CombinationMap, combine
from analysis.inference.fit import fit_workspace
from analysis.inference.sensitivity import only, sensitivities


@pytest.fixture
def other(hta):
    """A second, statistically independent channel with names of its own."""
    second = copy.deepcopy(hta)
    second["channels"][0]["name"] = "sl"
    second["observations"][0] = {"name": "sl", "data": [100.0, 55.0, 40.0, 20.0, 15.0, 8.0]}
    for sample in second["channels"][0]["samples"]:
        for modifier in sample["modifiers"]:
            modifier["name"] = {"mu": "strength", "mu_bbbar": "charged"}.get(modifier["name"], modifier["name"])
    second["measurements"][0]["config"]["poi"] = "strength"
    second["measurements"][0]["config"]["parameters"][0]["name"] = "strength"
    return second


PLAN = CombinationMap(
    poi="mu",
    shared={"mu": {"hta": "mu", "sl": "strength"}, "norm_bb": {"hta": "mu_bbbar", "sl": "charged"}},
    separate=("mu_continuum", "uncorr_signal", "uncorr_bbbar", "uncorr_continuum"),
)


def test_combination_adds_information(hta, other):
    combined = combine({"hta": hta, "sl": other}, PLAN)
    fits = [fit_workspace(w) for w in (hta, other, combined)]
    assert fits[2].poi == "mu"
    names = {p.name for p in fits[2].parameters}
    assert {"norm_bb", "hta_mu_continuum", "sl_mu_continuum", "sl_uncorr_signal[0]"} <= names
    assert fits[2].mu.error < min(f.mu.error for f in fits[:2])
    low, high = sorted(f.mu.value for f in fits[:2])
    assert low < fits[2].mu.value < high


def test_independent_workspaces_multiply(hta, other):
    # Without common nuisance parameters 2NLL at a given μ is the sum.
    plan = CombinationMap(poi="mu", shared={"mu": PLAN.shared["mu"]}, separate=PLAN.separate)
    combined = combine({"hta": hta, "sl": other}, plan)
    for workspace in (hta, other, combined):
        workspace["measurements"][0]["config"]["parameters"][0] |= {"fixed": True, "inits": [2.0]}
    nll = [fit_workspace(w).nll for w in (hta, other, combined)]
    assert nll[2] == pytest.approx(nll[0] + nll[1], abs=1e-8)
    assert np.isfinite(nll).all()


def test_conflicts_are_all_named(hta, other):
    plan = CombinationMap(poi="mu", shared={"mu": {"hta": "mu", "sl": "strenght"}})
    with pytest.raises(FitError) as caught:
        combine({"hta": hta, "sl": other}, plan)
    text = str(caught.value)
    assert "'strength'" in text  # the nearest name
    assert "'uncorr_signal' occurs in" in text
    with pytest.raises(FitError, match="channel 'hta' occurs in a, b"):
        combine({"a": hta, "b": hta}, CombinationMap(poi="mu", shared={"mu": {"a": "mu", "b": "mu"}}))


def test_different_settings_and_constraints_are_conflicts(hta, other):
    other["measurements"][0]["config"]["parameters"][0]["bounds"] = [[0.0, 10.0]]
    with pytest.raises(FitError, match="settings of 'mu' differ"):
        combine({"hta": hta, "sl": other}, PLAN)
    other["measurements"][0]["config"]["parameters"] = []
    for sample in other["channels"][0]["samples"]:
        for modifier in sample["modifiers"]:
            if modifier["name"] == "charged":
                modifier |= {"type": "normfactor", "data": None}
    with pytest.raises(FitError, match="'norm_bb' is unit normal in hta, free factor in sl"):
        combine({"hta": hta, "sl": other}, PLAN)


def test_optional_parameters_may_be_missing(hta, other):
    strict = CombinationMap(poi="mu", shared={**PLAN.shared, "tracking": {"hta": "tracks"}}, separate=PLAN.separate)
    with pytest.raises(FitError, match="no parameter 'tracks'"):
        combine({"hta": hta, "sl": other}, strict)
    combined = combine({"hta": hta, "sl": other}, strict.model_copy(update={"optional": ("tracking",)}))
    assert combined == combine({"hta": hta, "sl": other}, PLAN)


def test_sensitivities_are_those_of_asimov_fits(hta, other):
    combined = dict(combine({"hta": hta, "sl": other}, PLAN))
    found = sensitivities(combined, {"hta": hta, "sl": other}, {"again": hta})
    first, second, again, both = found.rows
    assert [row.role for row in found.rows] == ["input", "input", "compared", "combination"]
    assert first.mu == fit_workspace(hta, asimov=1.0).mu == again.mu
    assert first.observed == fit_workspace(hta).mu
    assert both.mu.error < min(first.mu.error, second.mu.error)
    assert both.upper_limit < min(first.upper_limit, second.upper_limit)
    assert both.significance > max(first.significance, second.significance)
    blinded = sensitivities(combined, {"hta": hta, "sl": other}, {}, blinded=True)
    assert all(row.observed is None for row in blinded.rows)


def test_channels_are_chosen_by_the_beginning_of_their_names(hta, other):
    both = dict(combine({"hta": hta, "sl": other}, PLAN))
    assert only(both, ["ht"]).channels == ["hta"]
    with pytest.raises(FitError, match="'sl'"):
        only(both, ["st"])


def test_published_hadronic_channel_of_the_configuration():
    # arXiv:2507.12393: 2.179 +2.364 −1.967; the figures are rounded, and some small systematics left out.
    folder = Path(__file__).parents[3] / "config" / "combination"
    fit = fit_workspace(json.loads((folder / "hta.json").read_text()))
    assert (fit.mu.value, fit.mu.error_lo, fit.mu.error_hi) == pytest.approx((2.179, -1.967, 2.364), abs=0.01)
    assert fit.significance.observed == pytest.approx(1.11, abs=0.02)


def test_command_tells_and_draws_sensitivities(hta, other, tmp_path):
    for name, workspace in (("hta", hta), ("sl", other)):
        (tmp_path / f"{name}.json").write_text(json.dumps(workspace))
    (tmp_path / "map.json").write_text(PLAN.model_dump_json())
    arguments = [
        *("combine", "--workspace", f"hta={tmp_path}/hta.json", "--workspace", f"sl={tmp_path}/sl.json"),
        *("--map", f"{tmp_path}/map.json", "--output", f"{tmp_path}/c.json"),
        *("--compare", f"again={tmp_path}/hta.json", "--channels", "again=h"),
    ]
    assert main(arguments) == 1  # nothing to compare in
    assert main([*arguments, "--sensitivity", f"{tmp_path}/s.json", "--figures", f"{tmp_path}/figures"]) == 0
    assert [row["label"] for row in json.loads((tmp_path / "s.json").read_text())["rows"]] == [
        "hta",
        "sl",
        "again",
        "hta + sl",
    ]
    assert (tmp_path / "figures" / "sensitivities.svg").exists()
    assert main([*arguments[:-2], "--channels", "nobody=h"]) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("poi: [", "not valid YAML"),
        ("shared: {}\nseparat: [a]\n", "poi: Field required"),
        ("poi: mu\npoi: nu\n", "'poi' stands twice"),
    ],
)
def test_maps_that_are_none_are_told(text, message, tmp_path, capfd):
    path = tmp_path / "map.yaml"
    if text is not None:
        path.write_text(text)
    arguments = ["--workspace", f"a={tmp_path}/a.json", "--workspace", f"b={tmp_path}/b.json", "--map", str(path)]
    assert main(["combine", *arguments, "--output", str(tmp_path / "c.json")]) == 1
    shown = " ".join(capfd.readouterr().err.split())
    assert message in shown
    assert "map.yaml" in shown
    assert "remedy" in shown
