"""Toys: their randomness, and the batched fits against the one-by-one engine."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.special import xlogy
from scipy.stats import poisson

from analysis.errors import FitError
from analysis.inference import belt
from analysis.inference import coverage as coverage_module
from analysis.inference.belt import critical_root
from analysis.inference.blocks import BlockSolver
from analysis.inference.coverage import coverage, toy_study
from analysis.inference.fit import fit_workspace
from analysis.inference.minimiser import NewtonEngine
from analysis.inference.problem import load
from analysis.inference.report import toy_table
from analysis.inference.results import Coverage
from analysis.inference.toys import GROUP, draw, fit_toys


@pytest.fixture
def engine(hta) -> NewtonEngine:
    return NewtonEngine(load(hta))


def test_batched_fits_find_the_minima_of_the_newton_engine(engine):
    truth = engine.problem.init
    data = draw(engine, truth, 0, 12, 1, "auxiliary", "")
    fits = fit_toys(engine, truth, 12, seed=1, tests=(1.0,), errors=True)
    assert fits.converged.all()
    for k in range(12):
        best = engine.minimise(data[k])
        held = engine.minimise(data[k], fixed={engine.problem.poi: 1.0})
        covariance = engine.covariance(best.x, ~engine.problem.fixed, data[k])
        error = np.sqrt(covariance[engine.problem.poi, engine.problem.poi])
        assert fits.mu_hat[k] == pytest.approx(best.x[engine.problem.poi], abs=3e-4 * error)
        assert fits.q[1.0][k] == pytest.approx(held.twice_nll - best.twice_nll, abs=1e-7)
        assert fits.error[k] == pytest.approx(error, rel=1e-3)


def test_conditional_fits_that_start_outside_the_model(hta):
    # From μ̂ the held strength makes expectations negative: more background must come first.
    hta["measurements"][0]["config"]["parameters"][0]["bounds"] = [[-40.0, 60.0]]
    engine = NewtonEngine(load(hta))
    truth = engine.minimise(fixed={engine.problem.poi: -8.0}).x
    data = draw(engine, truth, 0, 40, 1, "auxiliary", "")
    fits = fit_toys(engine, truth, 40, seed=1, tests=(-8.0,))
    assert fits.converged.all()
    for k in range(40):
        best = engine.minimise(data[k])
        held = engine.minimise(data[k], fixed={engine.problem.poi: -8.0}, start=truth)
        # At a bound the batch's estimate of the distance to the minimum is a rougher one.
        allowed = 1e-3 if best.x[engine.problem.poi] == -40.0 else 1e-6
        assert fits.q[-8.0][k] == pytest.approx(held.twice_nll - best.twice_nll, abs=allowed)


def test_a_toy_does_not_depend_on_how_many_there_are(engine):
    truth = engine.problem.init
    few = fit_toys(engine, truth, 5, seed=1)
    many = fit_toys(engine, truth, GROUP + 3, seed=1)
    assert np.array_equal(few.mu_hat, many.mu_hat[:5])
    other = fit_toys(engine, truth, 5, seed=2)
    assert not np.array_equal(few.mu_hat, other.mu_hat)


def test_ensembles_differ_in_what_fluctuates(engine):
    n_bins, observed = engine.problem.n_bins, engine.problem.data
    auxiliary = draw(engine, engine.problem.init, 0, 50, 1, "auxiliary", "")
    parameters = draw(engine, engine.problem.init, 0, 50, 1, "parameters", "")
    assert (auxiliary[:, n_bins:].std(axis=0) > 0).all()
    assert np.array_equal(parameters[:, n_bins:], np.tile(observed[n_bins:], (50, 1)))
    # Fluctuating parameters widen the counts beyond Poisson: 30 % on BB̄ is more than √n in the first bin.
    assert parameters[:, 0].std() > 1.3 * auxiliary[:, 0].std()


def test_block_solution_is_the_dense_solution(engine):
    rng = np.random.default_rng(0)
    x = engine.problem.init + rng.uniform(-0.1, 0.1, (4, len(engine.problem.init)))
    measured = engine.likelihood.measure(engine.problem.data[None])
    gradient, matrices = engine.likelihood.derivatives(x, measured, exact=False)
    solver = BlockSolver(engine.likelihood.model)
    # Three samples share each bin's γ block; mu and the normalisations remain.
    assert solver.blocks.shape == (6, 3)
    assert len(solver.dense) == 3
    free = rng.random(x.shape) > 0.2
    found = solver.solve(solver.factor(matrices, free), gradient * free)
    for row in range(len(x)):
        where = np.flatnonzero(free[row])
        expected = np.linalg.solve(matrices[row][np.ix_(where, where)], gradient[row, where])
        assert found[row, where] == pytest.approx(expected, rel=1e-6)
        assert np.all(found[row, ~free[row]] == 0.0)


def test_study_reports_bias_pulls_and_coverage(hta):
    study = toy_study(hta, [1.0], 200, seed=5)
    (point,) = study.points
    assert point.n == 200
    assert point.n_failed == 0
    assert len(point.mu_hat) == 200
    assert point.bias == pytest.approx(np.mean(point.mu_hat) - 1.0)
    assert abs(point.bias) < 5 * point.bias_error
    assert 0.7 < point.pull_width < 1.3
    assert [c.level for c in point.coverage] == [0.6827, 0.90]


def test_coverage_passes_within_its_tolerance():
    def covers(n_covered: int, n: int) -> Coverage:
        return coverage(n_covered, n, 0.90, 0.02, "profile likelihood")

    assert covers(900, 1000).passed
    assert not covers(870, 1000).passed
    low, high = covers(0, 10).interval
    assert low == 0.0
    assert high == pytest.approx(0.3085, abs=1e-4)  # 1 − 0.025^(1/10)


@pytest.fixture
def counting() -> dict[str, Any]:
    """Return one bin with five events of background, known exactly: n is all there is."""
    samples = [
        {"name": "signal", "data": [1.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "background", "data": [5.0], "modifiers": []},
    ]
    parameters = [{"name": "mu", "bounds": [[-4.9, 30.0]], "inits": [1.0]}]
    return {
        "version": "1.0.0",
        "channels": [{"name": "sr", "samples": samples}],
        "observations": [{"name": "sr", "data": [7.0]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": parameters}}],
    }


def counted(mu: float, level: float) -> float:
    """Return the exact critical value of 2ΔNLL(μ) for a Poisson count of mean μ + 5, by enumeration."""
    n = np.arange(60)
    mean, free = mu + 5.0, np.maximum(n, 0.1)  # μ̂ stops at −4.9
    ratio = 2 * (mean - free - xlogy(n, mean / free))
    order = np.argsort(ratio, kind="stable")
    reached = np.cumsum(poisson.pmf(n, mean)[order])
    return float(ratio[order][np.searchsorted(reached, level)])


def test_neyman_belt_of_a_count_is_the_exact_one(counting):
    study = toy_study(counting, [0.0, 1.0], 3000, seed=2, tolerance=1e-6)
    assert study.quoted == "Neyman, toys"  # with such a tolerance
    assert not study.passed
    for point in study.belt.points:
        for level, found in zip(study.belt.levels, point.critical, strict=True):
            # Of a discrete distribution: the exact value, or a neighbour where toys miss its probability by 3 σ.
            allowed = [counted(point.mu, level + shift) for shift in (-0.026, 0.0, 0.026)]
            assert allowed[0] - 1e-6 <= found <= allowed[2] + 1e-6
    fit = fit_workspace(counting, study=study)
    assert [(i.level, i.method, i.quoted) for i in fit.intervals] == [
        (0.6827, "profile likelihood", False),
        (0.90, "profile likelihood", False),
        (0.6827, "Neyman, toys", True),
        (0.90, "Neyman, toys", True),
    ]
    # 2ΔNLL(μ) = 1 at the ends of the asymptotic interval.
    mean = np.array([fit.intervals[0].lower, fit.intervals[0].upper]) + 5
    assert 2 * (mean - 7 - 7 * np.log(mean / 7)) == pytest.approx([1.0, 1.0], abs=1e-3)
    # At the ends of the other the root of 2ΔNLL meets the belt's.
    for interval in fit.intervals[2:]:
        for end in (interval.lower, interval.upper):
            mean = end + 5
            root = np.sqrt(2 * (mean - 7 - 7 * np.log(mean / 7)))
            assert root == pytest.approx(critical_root(study.belt, interval.level, end), abs=1e-6)
    assert any("do not cover" in note for note in fit.diagnosis)


def test_study_that_covers_builds_no_belt(counting):
    study = toy_study(counting, [1.0], 200, seed=2, tolerance=0.5)
    assert study.belt is None
    assert study.quoted == "profile likelihood"
    assert study.passed
    fit = fit_workspace(counting, study=study)
    assert [i.quoted for i in fit.intervals] == [True, True]
    assert abs(study.cross_check) < 1e-9


def test_belt_that_is_too_short_or_of_another_parameter_is_refused(counting, hta):
    study = toy_study(counting, [0.0], 300, seed=2, tolerance=1e-6)
    short = study.belt.model_copy(update={"points": study.belt.points[2:4]})
    with pytest.raises(FitError, match="does not reach"):
        fit_workspace(counting, study=study.model_copy(update={"belt": short}))
    with pytest.raises(FitError, match="another parameter"):
        fit_workspace(hta, study=study.model_copy(update={"poi": "strength"}))


def test_belt_grows_until_it_holds_the_intervals_of_the_data(counting, monkeypatch):
    monkeypatch.setattr(belt, "REACH", 0.2)
    study = toy_study(counting, [0.0], 300, seed=2, tolerance=1e-6)
    fit = fit_workspace(counting, study=study)
    ends = [end for interval in fit.intervals if interval.quoted for end in (interval.lower, interval.upper)]
    assert study.belt.points[0].mu <= min(ends)
    assert max(ends) <= study.belt.points[-1].mu
    values = [point.mu for point in study.belt.points]
    assert values == sorted(values)
    assert len(values) > belt.N_POINTS


def test_study_in_which_every_toy_ends_at_the_bound(counting, monkeypatch):
    """No error, no pull: the study says so instead of ending."""
    monkeypatch.setattr(
        coverage_module, "fit_toys", lambda *args, **options: without_errors(fit_toys(*args, **options))
    )
    study = toy_study(counting, [0.0], 50, seed=2, tolerance=1.0)
    assert study.points[0].pulls == []
    assert study.points[0].pull_mean is study.points[0].pull_width is None
    assert "true mu" in toy_table(study)


def test_a_verdict_of_too_few_toys_is_said_to_mean_little(counting):
    few = toy_study(counting, [1.0], 20, seed=2)
    assert "note: So few toys know the coverage to" in toy_table(few)
    assert "So few toys" not in toy_table(few.model_copy(update={"tolerance": 0.5}))


def without_errors(fits):
    return dataclasses.replace(fits, error=np.full_like(fits.error, np.nan))


def test_belt_of_another_study_is_tested(counting):
    study = toy_study(counting, [0.0], 1000, seed=2, tolerance=1e-6)
    again = toy_study(counting, [0.0], 1000, seed=3, belt=study.belt, tolerance=0.2)
    assert again.belt == study.belt
    assert {entry.method for entry in again.points[0].coverage} == {"profile likelihood", "Neyman, toys"}
