"""Bins whose total expectation would be negative: taken as 0, in the fit as in pyhf."""

from __future__ import annotations

import logging
import re
from typing import Any

import numpy as np
import pytest

from analysis.errors import FitError
from analysis.inference import minimiser
from analysis.inference.coverage import toy_study
from analysis.inference.fit import fit_workspace
from analysis.inference.impacts import impacts
from analysis.inference.minimiser import NewtonEngine
from analysis.inference.newton import NotConvergedError
from analysis.inference.problem import load
from analysis.inference.pyhf_engine import PyhfEngine
from analysis.inference.report import fit_table
from analysis.inference.toys import draw, fit_toys

WIDE = (-50.0, 50.0)
NUISANCES = (
    {"name": "norm", "type": "normsys", "data": {"hi": 1.3, "lo": 0.7}},
    {"name": "stat", "type": "staterror", "data": [1.0, 4.0]},
)


def counting(
    signal: list[float],
    background: list[float],
    observed: list[float],
    bounds: tuple[float, float] = WIDE,
    nuisances: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    """Return a channel with a signal of free strength upon a background."""
    strength = {"name": "mu", "type": "normfactor", "data": None}
    samples = [
        {"name": "signal", "data": signal, "modifiers": [strength]},
        {"name": "background", "data": background, "modifiers": list(nuisances)},
    ]
    config = {"poi": "mu", "parameters": [{"name": "mu", "bounds": [list(bounds)], "inits": [1.0]}]}
    return {
        "version": "1.0.0",
        "channels": [{"name": "sr", "samples": samples}],
        "observations": [{"name": "sr", "data": observed}],
        "measurements": [{"name": "counting", "config": config}],
    }


def test_no_likelihood_is_gained_from_negative_expectations(caplog):
    with caplog.at_level(logging.WARNING, logger="analysis"):
        result = fit_workspace(counting([5.0, 10.0], [50.0, 60.0], [0.0, 0.0], (-100.0, 100.0)))
    # Without events the best is to expect none: from μ = −10 downwards, where the first bin expects nothing as well.
    assert result.mu is not None
    assert result.mu.value == pytest.approx(-10.0, abs=1e-6)
    # 15 (μ + 10) reaches 1/2 where the second bin is still clipped: 5 (μ + 10) = 1/2.
    assert (result.mu.error_lo, result.mu.error_hi) == (pytest.approx(-90.0), pytest.approx(0.1, abs=1e-6))
    assert result.mu.at_bound == (True, False)
    assert result.nll == pytest.approx(0.0, abs=1e-9)
    assert result.significance is not None
    assert result.significance.observed == pytest.approx(-np.sqrt(2 * 110.0))
    notes = "\n".join(result.diagnosis)
    assert "channel 'sr', bin 1: the fitted samples add up to -40 events, below 0; the model takes 0" in notes
    assert "flat in 'mu' at -10 and beyond" in notes
    assert "add up to -40" in caplog.text
    assert result.yields.channels[0].total == pytest.approx([0.0, 0.0], abs=1e-9)


@pytest.mark.parametrize("background", [2.0, 5.0])
def test_one_bin_without_events(background):
    result = fit_workspace(counting([1.0], [background], [0.0]))
    assert result.mu is not None
    assert result.mu.value == pytest.approx(-background, abs=1e-6)
    assert result.mu.error_hi == pytest.approx(0.5, abs=1e-6)


def test_no_free_parameter_is_left(caplog):
    result = fit_workspace(counting([1.0], [5.0], [0.0], (0.0, 50.0)))
    assert result.mu is not None
    assert (result.mu.value, result.n_free) == (0.0, 0)
    assert result.mu.error_hi == pytest.approx(0.5, abs=1e-6)
    assert "0 ± 0.5 (0 +0.5), at its lower bound" in fit_table(result)
    assert "parameter 'mu' is at its bound, 0" in caplog.text
    assert "parameter 'mu' is at its bound, 0" in result.warnings


# 20 to 29: a minimum beyond the kink of the first bin, at it, and before it.
@pytest.mark.parametrize("observed", [20.0, 24.9, 26.0, 29.0, 30.0, 33.0])
@pytest.mark.parametrize("nuisances", [(), NUISANCES])
def test_minimum_beside_and_at_the_kink_of_a_bin_without_events(observed, nuisances):
    problem = load(counting([1.0, 5.0], [5.0, 50.0], [0.0, observed], nuisances=nuisances))
    engine = NewtonEngine(problem)
    best = engine.minimise()
    assert best.twice_nll == pytest.approx(PyhfEngine(problem).twice_nll(best.x), abs=1e-9)
    # Nothing is lower near by, in no direction.
    rng = np.random.default_rng(1)
    scale = 10.0 ** rng.uniform(-6, 0.5, size=(20000, 1))
    around = np.clip(best.x + scale * rng.normal(size=(20000, len(best.x))), problem.lower, problem.upper)
    values = 2 * engine.likelihood.value(around, engine.likelihood.measure(problem.data[None]))
    assert best.twice_nll <= values.min() + 1e-8
    if not nuisances and 25.0 < observed < 30.0:
        assert best.x[0] == pytest.approx(-5.0, abs=1e-6)


def test_kink_is_told():
    result = fit_workspace(counting([1.0, 5.0], [5.0, 50.0], [0.0, 29.0]))
    assert any("channel 'sr', bin 0: the fitted total expectation is 0" in note for note in result.diagnosis)
    assert result.mu is not None
    # Below the kink only the second bin counts, above it both.
    x = -5.0 + result.mu.error_hi
    rise = lambda mu: max(5 + mu, 0) + (50 + 5 * mu) - 29 * np.log(50 + 5 * mu)  # noqa: E731
    assert rise(x) - rise(-5.0) == pytest.approx(0.5, abs=1e-6)


def test_derivatives_of_the_smooth_form():
    engine = NewtonEngine(load(counting([1.0, 5.0], [5.0, 50.0], [0.0, 29.0], nuisances=NUISANCES)))
    measured = engine.likelihood.measure(engine.problem.data[None])
    x = engine.problem.init.copy()
    for mu in (-7.0, -5.02, -4.9):
        x[engine.problem.poi] = mu
        gradient, hessian = (a[0] for a in engine.likelihood.derivatives(x[None], measured, smooth=0.1))
        steps = np.eye(len(x)) * 1e-5
        up, down = x + steps, x - steps
        values = [engine.likelihood.value(points, measured, smooth=0.1) for points in (up, down)]
        slopes = [engine.likelihood.gradient(points, measured, smooth=0.1) for points in (up, down)]
        np.testing.assert_allclose((values[0] - values[1]) / 2e-5, gradient, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose((slopes[0] - slopes[1]) / 2e-5, hessian, rtol=1e-6, atol=1e-6)


def test_toys_are_fitted_as_data_are():
    # Half of the toys have no event in the first bin: their minima lie at its kink, or beyond.
    problem = load(counting([1.0, 5.0], [0.7, 50.0], [1.0, 50.0], nuisances=NUISANCES))
    engine = NewtonEngine(problem)
    truth = problem.init.copy()
    truth[problem.poi] = 0.0
    toys = fit_toys(engine, truth, 100, seed=3, tests=(0.0,), errors=True)
    assert toys.converged.all()
    data = draw(engine, truth, 0, 100, 3, "auxiliary", "")
    kinks = 0
    for k in range(100):
        best = engine.minimise(data[k])
        null = engine.minimise(data[k], fixed={problem.poi: 0.0})
        assert toys.q[0.0][k] == pytest.approx(null.twice_nll - best.twice_nll, abs=2e-3)
        assert toys.mu_hat[k] == pytest.approx(best.x[problem.poi], abs=0.02)
        kinks += abs(engine.expected(best.x).sum(axis=0)[0]) < 1e-6
    assert kinks > 5


def test_the_active_set_ends_where_the_smooth_problems_do(monkeypatch):
    problem = load(counting([1.0, 5.0], [0.7, 50.0], [1.0, 50.0], nuisances=NUISANCES))
    engine = NewtonEngine(problem)
    truth = problem.init.copy()
    truth[problem.poi] = -0.2
    data = draw(engine, truth, 0, 80, 5, "auxiliary", "")
    data = data[data[:, 0] == 0]
    found = [engine.minimise(row) for row in data]
    upon = [abs(engine.expected(best.x).sum(axis=0)[0]) < 1e-9 for best in found]
    assert sum(upon) > 10

    def refuse(task, x):
        raise NotConvergedError("not asked", found="")

    monkeypatch.setattr(minimiser, "upon_kinks", refuse)
    for best, row in zip(found, data, strict=True):
        smooth = engine.minimise(row)
        assert best.twice_nll <= smooth.twice_nll + 1e-10
        np.testing.assert_allclose(best.x, smooth.x, atol=1e-5)


def test_toys_without_events_are_all_at_the_edge():
    problem = load(counting([1.0], [1.0], [1.0]))
    engine = NewtonEngine(problem)
    toys = fit_toys(engine, np.zeros(1), 100, seed=3, errors=True)
    assert toys.mu_hat.min() == pytest.approx(-1.0, abs=1e-6)
    assert np.isnan(toys.error[toys.mu_hat < -0.5]).all()
    study = toy_study(counting([1.0], [1.0], [1.0]), [0.0], 100, seed=3)
    assert study.points[0].n_failed == 0


def test_true_values_outside_the_bounds():
    with pytest.raises(FitError) as caught:
        toy_study(counting([1.0], [5.0], [3.0]), [-500.0], 100, seed=1)
    assert re.search("outside the bounds.*-50 to 50", str(caught.value), re.DOTALL)


def test_true_values_at_which_no_toy_has_an_error():
    (point,) = toy_study(counting([1.0], [5.0], [3.0]), [-20.0], 100, seed=1).points
    assert point.pulls == []
    assert point.pull_mean is point.pull_width is None


def test_impacts_on_a_plateau_are_refused():
    with pytest.raises(FitError, match="flat in the parameter of interest"):
        impacts(counting([1.0], [5.0], [0.0]))
