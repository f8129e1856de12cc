"""Models of many channels and parameters, of which each acts on few bins: benchmarks/fit_engines.py makes them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from analysis.inference import blocks, newton, toys
from analysis.inference.batch import BatchMinimiser
from analysis.inference.engines import cross_check, make_engine
from analysis.inference.minimiser import NewtonEngine
from analysis.inference.problem import load
from analysis.inference.profile import Profile
from analysis.inference.toy_limits import limits
from analysis.inference.toys import draw, fit_toys, reporter


@pytest.fixture(scope="module")
def sparse():
    path = Path(__file__).parents[3] / "benchmarks/fit_engines.py"
    spec = importlib.util.spec_from_file_location("fit_engines", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.sparse


@pytest.fixture
def engine(sparse):
    return make_engine(load(sparse(12, 4, 40, 8)))


def around(problem, seed=1):
    """Parameters away from every symmetric point."""
    width = np.where(np.isnan(problem.width), 0.3, problem.width)
    return problem.init + 0.7 * width * np.random.default_rng(seed).normal(size=len(problem.init))


def differences(function, x, step=1e-6):
    """Central differences of a function's value by each parameter, along the first axis."""
    return np.array([(function(x + e) - function(x - e)) / (2 * step) for e in step * np.eye(len(x))])


@pytest.mark.parametrize("mu", [None, 0.0])
def test_derivatives_are_those_of_the_value(engine, mu):
    problem, likelihood = engine.problem, engine.likelihood
    model = likelihood.model
    assert len(model.slot_param) > len(set(model.slot_param.tolist()))  # slots share parameters
    data = likelihood.measure(problem.data[None])
    x = around(problem)
    if mu is not None:
        x[problem.poi] = mu
    gradient, hessian = likelihood.derivatives(x[None], data)
    assert np.allclose(likelihood.gradient(x[None], data), gradient, rtol=1e-12, atol=1e-12)
    slopes = differences(lambda at: likelihood.value(at[None], data)[0], x)
    assert np.allclose(gradient[0], slopes, rtol=1e-6, atol=1e-6)
    curvatures = differences(lambda at: likelihood.gradient(at[None], data)[0], x)
    assert np.allclose(hessian[0], curvatures, rtol=1e-5, atol=1e-5)
    rates = differences(lambda at: likelihood.rates(at[None]).total[0], x)
    assert np.allclose(likelihood.jacobian(x), rates.T, rtol=1e-6, atol=1e-6)


def test_fits_are_pyhfs_minimum(engine):
    best = engine.minimise()
    assert abs(cross_check(engine.problem, best)) < 1e-9
    assert best.edm < newton.EDM
    covariance = engine.covariance(best.x, best.free)
    hessian = engine.likelihood.derivatives(best.x[None], engine.likelihood.measure(engine.problem.data[None]))[1][0]
    where = np.flatnonzero(best.free)
    product = covariance[np.ix_(where, where)] @ hessian[np.ix_(where, where)]
    assert np.allclose(product, np.eye(len(where)), atol=1e-8)


def test_a_hessian_that_is_kept_changes_no_result(engine, monkeypatch):
    poi = engine.problem.poi
    profiled = []
    for kept in (newton.KEPT, 0.0):
        monkeypatch.setattr(newton, "KEPT", kept)
        best = engine.minimise()
        profile = Profile(engine, poi, best)
        profiled.append([best, *(profile.minimum(value) for value in (0.0, 1.0, 3.0, 5.0))])
    error = np.sqrt(np.diag(engine.covariance(profiled[0][0].x, profiled[0][0].free)))
    for fast, full in zip(*profiled, strict=True):
        assert fast.twice_nll == pytest.approx(full.twice_nll, abs=1e-9)
        assert np.all(np.abs(fast.x - full.x) <= 1e-5 * error)


def test_portions_of_toys_give_what_all_at_once_do(engine, monkeypatch):
    truth = engine.minimise().x
    data = draw(engine, truth, 0, 12, 1, "auxiliary", "")
    found = []
    for at_once in (blocks.AT_ONCE, 3 * len(truth) ** 2):
        monkeypatch.setattr(blocks, "AT_ONCE", at_once)
        monkeypatch.setattr("analysis.inference.batch.REFRESH", 2)  # every toy gets its own information
        batch = BatchMinimiser(engine, truth)
        best = batch.minimise(data)
        assert best.converged.all()
        found.append((best.twice_nll, batch.poi_errors(best.x, data, engine.problem.poi)))
    (twice_nll, errors), (again, errors_again) = found
    assert np.allclose(twice_nll, again, rtol=0, atol=1e-6)
    assert np.isfinite(errors).any()
    assert np.allclose(errors, errors_again, rtol=1e-4, equal_nan=True)


def test_toys_find_what_single_fits_do(engine):
    truth, poi = engine.minimise().x, engine.problem.poi
    data = draw(engine, truth, 0, 6, 1, "auxiliary", "")
    together = BatchMinimiser(engine, truth).minimise(data)
    for k in range(6):
        alone = engine.minimise(data[k])
        assert together.twice_nll[k] == pytest.approx(alone.twice_nll, abs=1e-3)
        assert together.x[k, poi] == pytest.approx(alone.x[poi], abs=0.02)


def test_limits_from_toys_tell_how_far_they_are(sparse, monkeypatch):
    monkeypatch.setattr(toys, "GROUP", 100)
    said = []
    options = {"n_toys": 100, "n_points": 4, "seed": 1, "feldman_cousins": True}
    found = limits(sparse(4, 3, 10, 4), levels=(0.9,), progress=said.append, **options)
    assert found.toys.limit.observed == pytest.approx(found.asymptotic[0].observed, rel=0.5)
    assert found.feldman_cousins.upper > found.feldman_cousins.lower >= 0
    assert said[0].startswith("CLs from toys at 4 points, mu from ")
    assert any(line.startswith("CLs, point 4 of 4, mu = ") and line.endswith(": 100 toys") for line in said)
    assert said[-1].startswith("Feldman–Cousins, point 4 of 4, mu = ")


def test_long_work_tells_how_far_it_is(monkeypatch):
    clock, said = iter([0.0, 1.0, 11.0, 11.0]), []
    monkeypatch.setattr(toys.time, "monotonic", lambda: next(clock))
    progress = reporter(said.append, "a set", 300)
    for done in (100, 200, 300):
        progress(done)
    assert said == ["a set: 200 of 300 toys", "a set: 300 toys"]


def test_linear_algebra_of_fits_runs_on_one_thread(engine, monkeypatch):
    threads = []
    descend = NewtonEngine._descend

    def spied(self, x, task, **options):
        threads.extend(entry["num_threads"] for entry in threadpool_info() if entry["user_api"] == "blas")
        return descend(self, x, task, **options)

    monkeypatch.setattr(NewtonEngine, "_descend", spied)
    with threadpool_limits(2, user_api="blas"):
        engine.minimise()
        after = [entry["num_threads"] for entry in threadpool_info() if entry["user_api"] == "blas"]
    assert threads
    assert set(threads) == {1}
    assert set(after) == {2}
    assert fit_toys(engine, engine.problem.init, 2, seed=1).converged.all()
