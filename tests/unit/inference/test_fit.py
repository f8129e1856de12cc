"""The fit of a workspace against pyhf's own inference."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pyhf
import pytest

from analysis.cli import main
from analysis.errors import FitError
from analysis.inference.fit import fit_workspace
from analysis.inference.limits import cls
from analysis.inference.report import scan_table
from analysis.inference.results import FitResult, StandardModel
from analysis.inference.scans import scan, scan_2d
from analysis.inference.toy_limits import limits


@pytest.fixture(scope="module")
def simple():
    model = pyhf.simplemodels.uncorrelated_background([12.0, 11.0], [50.0, 52.0], [3.0, 7.0])
    return dict(pyhf.Workspace.build(model, [62.0, 60.0]))


@pytest.fixture(scope="module")
def result(simple) -> FitResult:
    return fit_workspace(simple, standard_model=StandardModel(value=4.97e-6, error=0.37e-6))


def pyhf_model(workspace):
    spec = pyhf.Workspace(workspace)
    model = spec.model()
    return model, spec.data(model)


def test_maximum_likelihood_agrees_with_pyhf(simple, result):
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-3))
    model, data = pyhf_model(simple)
    values, twice_nll = pyhf.infer.mle.fit(data, model, return_fitted_val=True)
    pyhf.set_backend("numpy")
    assert [p.value for p in result.parameters] == pytest.approx(values, abs=2e-4)
    assert 2 * result.nll <= float(twice_nll) + 1e-6
    assert 2 * result.nll == pytest.approx(float(twice_nll), abs=1e-5)


def test_minos_is_where_the_profile_rises_by_one(simple, result):
    model, data = pyhf_model(simple)
    for error in (result.mu.error_lo, result.mu.error_hi):
        mu = result.mu.value + error
        _, height = pyhf.infer.mle.fixed_poi_fit(mu, data, model, return_fitted_val=True)
        assert float(height) - 2 * result.nll == pytest.approx(1.0, abs=1e-3)
    assert result.mu.error_lo < 0 < result.mu.error_hi


def test_significances_are_roots_of_the_profile(simple, result):
    model, data = pyhf_model(simple)
    for mu, found, sign in ((0.0, result.significance.observed, 1), (1.0, result.significance.sm, -1)):
        _, height = pyhf.infer.mle.fixed_poi_fit(mu, data, model, return_fitted_val=True)
        assert found == pytest.approx(sign * math.sqrt(float(height) - 2 * result.nll), abs=1e-3)


def test_limits_are_where_pyhf_finds_cls_of_a_tenth(simple, result):
    model, data = pyhf_model(simple)
    limit = result.upper_limit
    observed, _ = pyhf.infer.hypotest(limit.observed, data, model, return_expected_set=True)
    assert float(observed) == pytest.approx(0.1, abs=1e-4)
    for band, mu in enumerate(limit.expected):
        _, expected = pyhf.infer.hypotest(mu, data, model, return_expected_set=True)
        assert float(expected[band]) == pytest.approx(0.1, abs=1e-4)
    assert list(limit.expected) == sorted(limit.expected)


def test_cls_is_one_where_nothing_is_expected():
    assert cls(0.0, 0.0) == 1.0
    # At μ̂ = μ: CLs+b is a half, and CLb is Φ(√q_A).
    assert cls(0.0, 4.0) == pytest.approx(0.5 / 0.9772498680518208)


def test_branching_fraction_keeps_the_theory_uncertainty_apart(result):
    fraction = result.branching_fraction
    assert fraction.value == pytest.approx(result.mu.value * 4.97e-6)
    assert fraction.error == pytest.approx(result.mu.error * 4.97e-6)
    assert fraction.upper_limit == pytest.approx(result.upper_limit.observed * 4.97e-6)
    assert fraction.sm.error == 0.37e-6


def test_goodness_of_fit_counts_constraints_as_measurements(simple, result):
    # Two bins, two constrained parameters and one free factor: one degree of freedom.
    assert result.goodness_of_fit.ndof == 1
    _, data = pyhf_model(simple)
    saturated = pyhf.tensorlib.poisson_dist(np.asarray(data)).log_prob(np.asarray(data)).sum()
    expected = 2 * (result.nll + float(saturated))
    assert result.goodness_of_fit.statistic == pytest.approx(expected, abs=1e-9)


def test_asimov_fit_is_blinded_and_returns_what_went_in(hta):
    unblinded = copy.deepcopy(hta)
    unblinded["observations"][0]["data"] = [1.0] * 6
    blinded = [fit_workspace(w, asimov=1.0) for w in (hta, unblinded)]
    assert blinded[0] == blinded[1]  # no observed number enters
    assert blinded[0].blinded
    assert blinded[0].mu.value == pytest.approx(1.0, abs=1e-3)
    assert blinded[0].goodness_of_fit is None
    assert blinded[0].significance.sm == pytest.approx(0.0, abs=1e-3)


def test_pulls_and_yields(hta):
    fit = fit_workspace(hta)
    by_name = {p.name: p for p in fit.parameters}
    gamma = by_name["uncorr_bbbar[2]"]
    assert gamma.pull == pytest.approx((gamma.value - 1) / (1.824187 / 25.356076), rel=1e-6)
    assert by_name["mu"].pull is None
    (channel,) = fit.yields.channels
    assert np.sum(list(channel.samples.values()), axis=0) == pytest.approx(channel.total)
    # Post-fit errors are what the data leave: below the Poisson error, above nothing.
    assert all(0 < e < math.sqrt(t) for e, t in zip(channel.total_error, channel.total, strict=True))
    assert np.asarray(fit.correlations.matrix) == pytest.approx(np.asarray(fit.correlations.matrix).T)


def test_workspace_without_parameter_of_interest(hta):
    hta["measurements"][0]["config"]["poi"] = ""
    fit = fit_workspace(hta)
    assert fit.mu is None
    assert fit.significance is None
    assert fit.upper_limit is None
    assert any("no parameter of interest" in note for note in fit.diagnosis)


def test_constrained_parameter_as_poi_has_no_limit(hta):
    fit = fit_workspace(hta, poi="mu_bbbar")
    assert fit.poi == "mu_bbbar"
    assert fit.mu is not None
    assert fit.upper_limit is None


def test_first_of_several_measurements_is_noted(hta):
    second = copy.deepcopy(hta["measurements"][0])
    second["name"] = "other"
    second["config"]["parameters"].append({"name": "mu_bbbar", "fixed": True})
    hta["measurements"].append(second)
    fit = fit_workspace(hta)
    assert fit.measurement == "knunu"
    assert any("first of several" in note for note in fit.diagnosis)
    other = fit_workspace(hta, measurement="other")
    assert other.n_free == fit.n_free - 1


def test_scan_has_its_minimum_at_zero(simple):
    found = scan(simple, [0.0, 0.5, 0.9046773, 1.5])
    heights = [point.twice_delta_nll for point in found.points]
    assert heights[2] == pytest.approx(0.0, abs=1e-6)
    assert heights[0] == pytest.approx(1.6660**2, abs=2e-3)


def break_sample(key, value):
    def change(workspace):
        workspace["channels"][0]["samples"][1][key] = value

    return change


def break_modifier(index, value):
    def change(workspace):
        workspace["channels"][0]["samples"][1]["modifiers"][index]["data"] = value

    return change


def empty_bin(workspace):
    for sample in workspace["channels"][0]["samples"]:
        sample["data"][3] = 0.0


def idle_poi(workspace):
    workspace["channels"][0]["samples"][0]["data"] = [0.0] * 6


def twin_factors(workspace):
    modifiers = workspace["channels"][0]["samples"][0]["modifiers"]
    modifiers.append({"name": "twin", "type": "normfactor", "data": None})


def drop_observation(workspace):
    workspace["observations"] = [{"name": "elsewhere", "data": [1.0]}]


def negative_total(workspace):
    workspace["channels"][0]["samples"][1]["data"][2] = -500.0


def short_observation(workspace):
    workspace["observations"][0]["data"] = [1.0]


def negative_data(workspace):
    workspace["observations"][0]["data"][4] = -1.0


def add_shape(**data):
    def change(workspace):
        full = {"hi_data": [1.0] * 6, "lo_data": [1.0] * 6, **data}
        modifiers = workspace["channels"][0]["samples"][1]["modifiers"]
        modifiers.append({"name": "tilt", "type": "histosys", "data": full})

    return change


def set_mu(**settings):
    def change(workspace):
        workspace["measurements"][0]["config"]["parameters"][0] |= settings

    return change


def twin_channel(workspace):
    workspace["channels"].append(copy.deepcopy(workspace["channels"][0]))


def twin_sample(workspace):
    samples = workspace["channels"][0]["samples"]
    samples.append(copy.deepcopy(samples[1]))


def bare_luminosity(workspace):
    modifiers = workspace["channels"][0]["samples"][1]["modifiers"]
    modifiers.append({"name": "lumi", "type": "lumi", "data": None})


def word_for_a_number(workspace):
    workspace["channels"][0]["samples"][1]["data"][2] = "many"


def nan_observation(workspace):
    workspace["observations"][0]["data"][2] = math.nan


def no_channels(workspace):
    workspace["channels"] = []


def unknown_modifier(workspace):
    workspace["channels"][0]["samples"][1]["modifiers"][0]["type"] = "wiggle"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (break_sample("data", [1.0, math.nan, 1, 1, 1, 1]), ["hta", "bbbar", "bin 1", "nan"]),
        (break_sample("data", [1.0, math.inf, 1, 1, 1, 1]), ["hta", "bbbar", "bin 1", "inf"]),
        (break_modifier(0, {"hi": 1.3, "lo": 0.0}), ["hta", "bbbar", "mu_bbbar", "'lo'"]),
        (break_modifier(1, [1.0, 1, 1, math.nan, 1, 1]), ["uncorr_bbbar", "bin 3", "nan"]),
        (empty_bin, ["hta", "bin 3", "28 observed", "bbbar"]),
        (idle_poi, ["does not depend", "mu"]),
        (twin_factors, ["combination of parameters", "mu", "twin"]),
        (drop_observation, ["no observations", "hta"]),
        (short_observation, ["number of bins", "hta", "1 observed", "6 bins"]),
        (negative_data, ["Observed data are negative", "hta", "bin 4", "-1"]),
        (negative_total, ["negative", "hta", "bin 2", "sample '"]),
        (no_channels, ["no channels"]),
        (add_shape(hi_data=[1.0] * 5), ["hta", "bbbar", "histosys 'tilt'", "'hi_data'", "5 bins"]),
        (add_shape(lo_data=[1.0, -math.inf, 1, 1, 1, 1]), ["hta", "bbbar", "tilt", "'lo_data'", "bin 1", "-inf"]),
        (break_modifier(1, [1.0] * 5), ["hta", "bbbar", "staterror 'uncorr_bbbar'", "5 bins"]),
        (break_modifier(1, [1.0, 1, -1.0, 1, 1, 1]), ["hta", "bbbar", "uncorr_bbbar", "bin 2", "negative"]),
        (break_sample("data", [1.0] * 5), ["hta", "bbbar", "5 bins", "'signal'"]),
        (nan_observation, ["observations", "hta", "bin 2", "nan"]),
        (twin_channel, ["Two channels", "'hta'"]),
        (twin_sample, ["Two samples", "hta", "'bbbar'"]),
        (set_mu(bounds=[[5.0, -5.0]]), ["bounds", "'mu'", "5.0, -5.0"]),
        (set_mu(bounds=[[math.nan, 5.0]]), ["bound is not finite", "'mu'", "nan"]),
        (set_mu(bounds=[[-math.inf, math.inf]]), ["bound is not finite", "'mu'", "-inf, inf"]),
        (set_mu(inits=[99.0]), ["outside its bounds", "'mu'", "99.0"]),
        (bare_luminosity, ["luminosity", "lumi", "sigmas"]),
        (word_for_a_number, ["not a valid pyhf workspace", "samples[1].data[2]", "many"]),
        (unknown_modifier, ["not a valid pyhf workspace", "wiggle"]),
    ],
)
def test_errors_name_the_place(hta, change, words):
    change(hta)
    with pytest.raises(FitError) as caught:
        fit_workspace(hta)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("content", [[], 3, None, {}, {"mu": {"value": 1.0}}])
def test_what_is_no_workspace_at_all(content):
    with pytest.raises(FitError, match="not a pyhf workspace") as caught:
        fit_workspace(content)
    assert caught.value.found
    assert caught.value.expected
    assert caught.value.remedy


@pytest.mark.parametrize("channels", [["sr"], {"sr": 1}, [{"name": "sr", "samples": ["signal"]}]])
def test_what_is_no_valid_workspace(hta, channels):
    with pytest.raises(FitError, match="not a valid pyhf workspace"):
        fit_workspace(hta | {"channels": channels})


@pytest.mark.parametrize(
    "command",
    [
        ["fit", "--workspace", "w.json"],
        ["scan", "--workspace", "w.json"],
        ["limit", "--workspace", "w.json"],
        ["toys", "--workspace", "w.json", "--toys", "2"],
        ["impacts", "--workspace", "w.json"],
        ["combine", "--workspace", "a=w.json", "--workspace", "b=w.json", "--map", "map.json"],
    ],
)
def test_commands_name_the_file_that_is_no_workspace(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.json").write_text("{}")
    (tmp_path / "map.json").write_text('{"poi": "mu", "shared": {}}')
    assert main([*command, "--output", "r.json"]) == 1
    told = capsys.readouterr().err
    assert "not a pyhf workspace" in told
    assert "w.json" in told
    assert "remedy:" in told


def test_settings_that_set_nothing_are_noted(hta):
    hta["measurements"][0]["config"]["parameters"].append({"name": "mu_bbar", "inits": [0.5]})
    hta["observations"].append({"name": "htb", "data": [1.0]})
    fit = fit_workspace(hta)
    assert any("'mu_bbar', which is no parameter" in note and "'mu_bbbar'" in note for note in fit.diagnosis)
    assert any("'htb', which is no channel" in note for note in fit.diagnosis)
    others = [{"name": f"mu_of_region_{k}", "inits": [0.5]} for k in range(9)]
    hta["measurements"][0]["config"]["parameters"] += others
    fit = fit_workspace(hta)
    assert [note for note in fit.diagnosis if "no parameter" in note] == [
        "settings of 10 names that are no parameters: 'mu_bbar', 'mu_of_region_0', 'mu_of_region_1' …"
    ]


def test_backgrounds_alone_are_fitted_without_a_parameter_of_interest(hta):
    # As HEPData's archives have them, beside the patches of the signals.
    hta["channels"][0]["samples"] = hta["channels"][0]["samples"][1:]
    with pytest.raises(FitError, match="'mu' is not a parameter") as caught:
        fit_workspace(hta)
    assert "pyhf patchset apply" in caught.value.remedy
    assert "--poi ''" in caught.value.remedy
    fit = fit_workspace(hta, poi="")
    assert fit.mu is None
    assert fit.n_parameters == 14


def test_unknown_names_suggest_the_nearest(hta):
    with pytest.raises(FitError, match="'mu_bbbar'"):
        fit_workspace(hta, poi="mu_bbar")
    with pytest.raises(FitError, match="'knunu'"):
        fit_workspace(hta, measurement="knunus")


def test_negative_sample_yield_is_noted(hta):
    hta["channels"][0]["samples"][2]["data"][5] = -0.1
    fit = fit_workspace(hta)
    assert any("negative yield" in note and "bin 5" in note for note in fit.diagnosis)


def test_command_writes_the_contract(hta, tmp_path):
    (tmp_path / "w.json").write_text(json.dumps(hta))
    arguments = ["fit", "--workspace", f"{tmp_path}/w.json", "--output", f"{tmp_path}/r.json"]
    assert main(arguments) == 0
    first = (tmp_path / "r.json").read_bytes()
    content = json.loads(first)
    assert set(content["mu"]) >= {"value", "error", "error_lo", "error_hi"}
    assert set(content["significance"]) >= {"observed", "sm"}
    assert content["upper_limit"]["level"] == 0.90
    assert len(content["upper_limit"]["expected"]) == 5
    assert content["branching_fraction"] is None
    assert set(content["parameters"][0]) >= {"name", "value", "error", "pull"}
    assert content["n_parameters"] == len(content["parameters"]) == 21
    assert content["blinded"] is False
    assert content["provenance"]["command"] == "fit"
    assert main(arguments) == 0
    assert (tmp_path / "r.json").read_bytes() == first
    assert main([*arguments, "--poi", "nothing"]) == 1


def test_strength_at_its_bound(hta):
    hta["observations"][0]["data"] = [60.0, 30.0, 20.0, 10.0, 5.0, 0.0]
    hta["measurements"][0]["config"]["parameters"] = [{"name": "mu", "bounds": [[0.0, 30.0]]}]
    fit = fit_workspace(hta)
    assert fit.mu.value == 0.0
    assert fit.mu.error_lo == 0.0
    assert fit.mu.at_bound == (True, False)
    assert fit.mu.error_hi > 0
    assert fit.significance.observed == 0.0
    assert any("'mu' is at its bound" in note for note in fit.diagnosis)
    # 2NLL falls towards the bound: the curvature, far smaller than the slope, would tell no error.
    assert fit.mu.error == fit.mu.error_hi == fit.parameters[0].error
    assert fit.parameters[0].name == "mu"
    model, data = pyhf_model(hta)
    observed, _ = pyhf.infer.hypotest(fit.upper_limit.observed, data, model, return_expected_set=True)
    assert float(observed) == pytest.approx(0.1, abs=2e-3)
    # The yields' errors: what they are for a fixed strength, and what it adds, less as the backgrounds give way.
    hta["measurements"][0]["config"]["parameters"] = [{"name": "mu", "inits": [0.0], "fixed": True}]
    fixed = fit_workspace(hta).yields.channels[0].total_error
    signal = hta["channels"][0]["samples"][0]["data"]
    for k, error in enumerate(fit.yields.channels[0].total_error):
        assert fixed[k] < error < np.hypot(fixed[k], signal[k] * fit.mu.error)


def test_strength_at_a_bound_without_curvature(hta):
    # Without any event 2NLL is linear in μ; together with the background's parameters it even bends downwards.
    hta["observations"][0]["data"] = [0.0] * 6
    hta["measurements"][0]["config"]["parameters"] = [{"name": "mu", "bounds": [[0.0, 30.0]]}]
    fit = fit_workspace(hta)
    assert fit.mu.value == 0.0
    assert fit.mu.error == fit.mu.error_hi > 0
    assert any("the error of 'mu' there is the larger one of MINOS" in note for note in fit.diagnosis)


@pytest.mark.parametrize("wide", [1e8, 1e30])
def test_wide_bounds_are_far_from_the_strength(hta, wide):
    # As in public workspaces; a strength of 3 is at no bound of a range of 10⁸.
    hta["measurements"][0]["config"]["parameters"] = [{"name": "mu", "bounds": [[0.0, wide]]}]
    fit = fit_workspace(hta)
    assert 1.0 < fit.mu.value < 10.0
    assert not any("is at its bound" in note for note in fit.diagnosis)
    assert not any(parameter.at_bound for parameter in fit.parameters)
    hta["observations"][0]["data"] = [60.0, 30.0, 20.0, 10.0, 5.0, 0.0]
    far = fit_workspace(hta)
    hta["measurements"][0]["config"]["parameters"] = [{"name": "mu", "bounds": [[0.0, 30.0]]}]
    near = fit_workspace(hta)
    assert far.mu.value == near.mu.value == 0.0
    assert far.mu.error_hi == pytest.approx(near.mu.error_hi, rel=1e-6)
    assert far.upper_limit.observed == pytest.approx(near.upper_limit.observed, rel=1e-6)
    assert limits(hta).asymptotic[0] == near.upper_limit


def test_fit_below_nothing_is_noted(hta):
    # Two empty bins draw μ down until they would expect less than nothing.
    hta["observations"][0]["data"] = [60.0, 35.0, 15.0, 9.0, 0.0, 0.0]
    hta["measurements"][0]["config"]["parameters"] = [{"name": "mu", "bounds": [[-60.0, 30.0]]}]
    fit = fit_workspace(hta)
    assert any("channel 'hta', bin 5: the fitted" in note for note in fit.diagnosis)
    assert fit.yields.channels[0].total[5] == pytest.approx(0.0, abs=1e-6)


def test_minos_of_all_parameters(hta):
    fit = fit_workspace(hta, minos_for=("all",))
    model, data = pyhf_model(hta)
    for name in ("mu_bbbar", "uncorr_bbbar[0]"):
        parameter = next(p for p in fit.parameters if p.name == name)
        init, fixed = model.config.suggested_init(), model.config.suggested_fixed()
        index = model.config.par_names.index(name)
        init[index], fixed[index] = parameter.value + parameter.error_hi, True
        _, height = pyhf.infer.mle.fit(data, model, init_pars=init, fixed_params=fixed, return_fitted_val=True)
        assert float(height) - 2 * fit.nll == pytest.approx(1.0, abs=2e-3)
    assert all(p.error_lo is not None for p in fit.parameters)
    with pytest.raises(FitError, match="'mu_bbbar'"):
        fit_workspace(hta, minos_for=["mu_bbar"])


def test_goodness_of_fit_from_toys_agrees_with_the_asymptotic_one(hta):
    good = fit_workspace(hta, goodness_toys=400, seed=1).goodness_of_fit
    assert good.n_toys == 400
    assert good.p_value_toys == pytest.approx(good.p_value, abs=0.1)
    hta["observations"][0]["data"][2] = 90.0
    bad = fit_workspace(hta, goodness_toys=100, seed=1).goodness_of_fit
    assert bad.p_value < 1e-3
    assert bad.p_value_toys == pytest.approx(1 / 101)


def test_scan_over_two_parameters(hta):
    fit = fit_workspace(hta)
    best = {p.name: p for p in fit.parameters}
    mu, bb = best["mu"], best["mu_bbbar"]
    grid = ([mu.value - 1, mu.value, mu.value + 1], [bb.value - 0.5, bb.value])
    found = scan_2d(hta, ("mu", grid[0]), ("mu_bbbar", grid[1]))
    heights = np.array([p.twice_delta_nll for p in found.points]).reshape(3, 2)
    assert [p.values for p in found.points[:2]] == [(grid[0][0], grid[1][0]), (grid[0][0], grid[1][1])]
    assert heights[1, 1] == pytest.approx(0.0, abs=1e-8)
    # The profile over one parameter is the lowest of the second's: never above the scan of both.
    profile = [p.twice_delta_nll for p in scan(hta, grid[0]).points]
    assert (heights.min(axis=1) >= np.array(profile) - 1e-8).all()
    model, data = pyhf_model(hta)
    init, fixed = model.config.suggested_init(), model.config.suggested_fixed()
    for name, value in (("mu", grid[0][2]), ("mu_bbbar", grid[1][0])):
        index = model.config.par_names.index(name)
        init[index], fixed[index] = value, True
    _, height = pyhf.infer.mle.fit(data, model, init_pars=init, fixed_params=fixed, return_fitted_val=True)
    assert heights[2, 0] == pytest.approx(float(height) - 2 * fit.nll, abs=1e-3)
    with pytest.raises(FitError, match="twice"):
        scan_2d(hta, ("mu", [0.0]), ("mu", [0.0]))


def test_scans_have_tables(hta):
    found = scan(hta, [0.0, 2.0])
    lines = scan_table(found).splitlines()
    assert lines[0] == f"minimum at mu = {found.minimum[0]:.4g} (data)"
    height = found.points[0].twice_delta_nll
    assert lines[2].split() == ["0", f"{height:.4f}", f"{math.sqrt(height):.2f}"]
    assert len(lines) == 4
    both = scan_2d(hta, ("mu", [-2.0, 2.0, 5.0, 60.0]), ("mu_bbbar", [0.0, 0.1]), asimov=1.0)
    inside = [p.values for p in both.points if p.twice_delta_nll <= 6.18]
    told = scan_table(both)
    assert "Asimov data of 1" in told
    low, high = min(v[0] for v in inside), max(v[0] for v in inside)
    assert f"95.4 %: mu from {low:.4g} to {high:.4g}" in told
    assert high < 60.0


def test_scan_command_takes_any_parameter_or_two(hta, tmp_path):
    (tmp_path / "w.json").write_text(json.dumps(hta))
    start = ["scan", "--workspace", f"{tmp_path}/w.json", "--output", f"{tmp_path}/s.json", "--points", "3"]
    assert main([*start, "--parameter", "mu_bbbar", "--range", "-1", "1"]) == 0
    assert json.loads((tmp_path / "s.json").read_text())["parameters"] == ["mu_bbbar"]
    assert main([*start, "--range", "0", "4", "--second", "mu_bbbar", "-1", "1"]) == 0
    content = json.loads((tmp_path / "s.json").read_text())
    assert content["parameters"] == ["mu", "mu_bbbar"]
    assert len(content["points"]) == 9
    assert main([*start, "--second", "mu_bbbar", "6", "9"]) == 1
    assert main([*start, "--second", "mu_bbbar", "low", "9"]) == 1


def test_data_that_are_impossible_without_signal():
    signal = {"name": "s", "data": [100.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]}
    config = {"poi": "mu", "parameters": [{"name": "mu", "bounds": [[0.0, 5.0]], "inits": [1.0]}]}
    spec = {
        "version": "1.0.0",
        "channels": [{"name": "sr", "samples": [signal]}],
        "observations": [{"name": "sr", "data": [100.0]}],
        "measurements": [{"name": "m", "config": config}],
    }
    fit = fit_workspace(spec)
    assert fit.mu is not None
    assert fit.mu.value == pytest.approx(1.0)
    assert fit.significance is None
    assert fit.upper_limit is None
    assert any("the data are impossible there (channel 'sr', bin 0 expects 0 and has 100" in n for n in fit.diagnosis)
    found = scan(spec, [0.0, 1.0, 1.1])
    assert [point.values for point in found.points] == [(1.0,), (1.1,)]
    assert found.remarks == ["left out, since the data are impossible there: 0"]
    spec["channels"][0]["samples"][0]["modifiers"].append(
        {"name": "norm", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
    )
    both = scan_2d(spec, ("mu", [0.0, 1.0, 1.1]), ("norm", [-1.0, 0.0]))
    assert [point.values for point in both.points] == [(1.0, -1.0), (1.0, 0.0), (1.1, -1.0), (1.1, 0.0)]
    assert both.remarks == ["2 of 6 points left out, since the data are impossible there"]
