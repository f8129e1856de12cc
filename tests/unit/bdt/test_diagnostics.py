from __future__ import annotations

import json

import numpy as np
import pytest

from analysis.bdt.diagnostics import SIGNAL_EFFICIENCY, contents, diagnose, separation
from analysis.bdt.model import out_of_fold
from analysis.bdt.report import Contents, Training
from analysis.bdt.train import assemble, train
from analysis.weighted import Weighted


@pytest.fixture(scope="module")
def problem(module_sources, module_settings):
    data = assemble(module_sources, module_settings.inputs, module_settings.folds)
    model = train(data, module_settings, 1)
    return data, model, diagnose(data, model, seed=1)


def test_report_survives_json(problem):
    _, _, report = problem
    assert Training.model_validate(json.loads(report.model_dump_json())) == report


def test_samples(problem):
    data, _, report = problem
    assert [sample.name for sample in report.samples] == ["charged", "mixed", "signal"]
    for i, sample in enumerate(report.samples):
        rows = data.sample == i
        assert sample.rows == rows.sum()
        assert sample.sum_w == pytest.approx(data.weight[rows].sum())
        assert sample.nan == {"K_D0vetoM": int(np.isnan(data.values[rows, 2]).sum())}
        assert sample.is_signal == (sample.name == "signal")
        assert sample.n_eff_units == pytest.approx(sample.n_eff)  # no shared parents here
        assert sample.units == sample.rows > sample.n_eff


def test_curves(problem):
    _, _, report = problem
    assert report.signal_efficiency == tuple(SIGNAL_EFFICIENCY)
    for fold in report.per_fold:
        for curve in (fold.train, fold.test):
            assert len(curve.background_efficiency) == len(report.signal_efficiency)
            assert np.all(np.diff(curve.background_efficiency) >= 0)
            # area above the curve, by trapezoids, is the AUC
            area = 1 - np.trapezoid(curve.background_efficiency, report.signal_efficiency)
            assert area == pytest.approx(curve.auc.value, abs=0.01)
        assert fold.train.auc.value > fold.test.auc.value - 4 * fold.test.auc.error
        assert fold.train_rows + fold.test_rows == sum(sample.rows for sample in report.samples)
    assert report.overall.auc.value == pytest.approx(np.mean([f.test.auc.value for f in report.per_fold]), abs=0.02)


def test_histograms_hold_all_weight(problem):
    data, model, report = problem
    signal, background = data.weight[data.signal].sum(), data.weight[~data.signal].sum()
    histograms = report.score
    assert sum(histograms.signal_test.sum_w) == pytest.approx(signal)
    assert sum(histograms.signal_train.sum_w) == pytest.approx(signal)
    assert sum(histograms.background_train.sum_w) == pytest.approx(background)
    # A row comes back in the training of several folds: its weights add before they are squared.
    squares = float(np.sum(data.weight[data.signal] ** 2))
    assert sum(histograms.signal_train.variances) == pytest.approx(squares)
    assert sum(histograms.signal_test.variances) == pytest.approx(squares)
    for entry in report.inputs:
        for part, total in ((entry.signal, signal), (entry.background, background)):
            assert sum(part.sum_w) + part.underflow + part.overflow + part.nan == pytest.approx(total)
    score = out_of_fold(model.loaded, data.values, data.fold)
    rows = data.sample == 0
    expected = np.histogram(model.eta_of(score, data.fold)[rows], report.eta.edges, weights=data.weight[rows])[0]
    assert report.eta.samples["charged"].sum_w == pytest.approx(expected)


def test_inputs(problem):
    """The two shifted columns carry everything, the third nothing."""
    _, _, report = problem
    by_name = {entry.name: entry for entry in report.inputs}
    assert by_name["roeEextra"].unit == "GeV"
    assert sum(entry.gain.value for entry in report.inputs) == pytest.approx(1)
    for name in ("roeEextra", "R2"):
        assert by_name[name].permutation.value > 0.05
        assert by_name[name].separation > 0.15
        assert by_name[name].gain.value > 0.3
    noise = by_name["K_D0vetoM"]
    assert abs(noise.permutation.value) < 0.02
    assert noise.gain.value < 0.1
    assert noise.signal.nan > 0


def test_correlations(problem):
    data, _, report = problem
    for part, rows in ((report.correlations_signal, data.signal), (report.correlations_background, ~data.signal)):
        assert part.columns == ("roeEextra", "R2", "K_D0vetoM", "bdt_score", "eta", "q2_rec")
        linear = np.array(part.linear)
        assert linear == pytest.approx(linear.T)
        assert np.diag(linear) == pytest.approx(np.ones(6))
        assert np.array(part.rank)[3, 4] > 0.99  # within a fold, η is a monotone function of the score
        assert abs(linear[4, 5]) < 4 / np.sqrt(rows.sum())  # q² is drawn apart
        assert linear[0, 3] < -0.3


def test_folds_agree(problem):
    _, _, report = problem
    tests = [test for fold in report.per_fold for test in (fold.agreement_signal, fold.agreement_background)]
    # a thousand rows on each side: 0.04 by chance, and a little more because the trees are not the same
    assert max(test.distance for test in tests) < 0.12


def test_profile(problem):
    _, _, report = problem
    values = [entry.value for entry in report.eta_profile.signal if entry is not None]
    errors = [entry.error for entry in report.eta_profile.signal if entry is not None]
    assert len(values) >= 12
    assert np.all(np.abs(np.array(values) - 0.5) < 5 * np.array(errors))


def test_overtraining_is_seen(factory, settings):
    settings = settings.model_copy(update={"depth": 8, "trees": 60, "min_child_weight": 0.0})
    data = assemble(factory(shift=0.3), settings.inputs, settings.folds)
    report = diagnose(data, train(data, settings, 1), seed=1)
    assert all(fold.ks_background.p_value < 1e-6 for fold in report.per_fold)
    assert all(fold.train.auc.value > fold.test.auc.value + 0.2 for fold in report.per_fold)


def test_separation():
    one = Contents(sum_w=(1.0, 1.0), variances=(0.0, 0.0))
    assert separation(one, one) == 0
    assert separation(one, Contents(sum_w=(0.0, 0.0), variances=(0.0, 0.0), nan=3.0)) == 1


def test_contents():
    values = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, np.nan])
    result = contents(Weighted(values, np.full(6, 2.0)), np.array([0.0, 0.5, 1.0]))
    assert (result.sum_w, result.variances) == ((2.0, 4.0), (4.0, 8.0))
    assert (result.underflow, result.overflow, result.nan) == (2.0, 2.0, 2.0)
