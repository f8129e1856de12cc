"""Toys: their randomness, and the batched fits against the one-by-one engine."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.inference.blocks import BlockSolver
from analysis.inference.coverage import coverage, toy_study
from analysis.inference.minimiser import NewtonEngine
from analysis.inference.problem import load
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
    assert coverage(900, 1000, 0.90, 0.02).passed
    assert not coverage(870, 1000, 0.90, 0.02).passed
    low, high = coverage(0, 10, 0.9, 0.02).interval
    assert low == 0.0
    assert high == pytest.approx(0.3085, abs=1e-4)  # 1 − 0.025^(1/10)
