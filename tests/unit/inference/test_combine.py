"""Combination of workspaces."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from analysis.errors import FitError
from analysis.inference.combine import CombinationMap, combine
from analysis.inference.fit import fit_workspace


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
