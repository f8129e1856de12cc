"""The engines: fall-back, cross-check, failures that explain themselves, awkward starts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyhf
import pytest
from scipy.special import gammaln

from analysis.errors import FitError
from analysis.inference import batch, engines, minimiser
from analysis.inference.compiled import UnsupportedModelError, compile_model
from analysis.inference.coverage import toy_study
from analysis.inference.engines import compiled_engine, cross_check
from analysis.inference.fit import fit_workspace
from analysis.inference.impacts import impacts
from analysis.inference.minimiser import NewtonEngine
from analysis.inference.newton import NotConvergedError, Task, damped, regularised
from analysis.inference.problem import from_model, load
from analysis.inference.pyhf_engine import PyhfEngine
from analysis.inference.report import fit_table, impact_table, limit_table, toy_table
from analysis.inference.scans import scan, scan_2d
from analysis.inference.toy_limits import limits


@pytest.fixture
def simple():
    model = pyhf.simplemodels.uncorrelated_background([12.0, 11.0], [50.0, 52.0], [3.0, 7.0])
    return dict(pyhf.Workspace.build(model, [62.0, 60.0]))


def test_what_the_compiled_engine_does_not_know_goes_to_pyhf_and_is_said(simple, monkeypatch):
    def refuse(problem):
        raise UnsupportedModelError("modifier type 'custom'")

    reference = fit_workspace(simple)
    monkeypatch.setattr(engines, "NewtonEngine", refuse)
    fallen = fit_workspace(simple)
    assert fallen.engine == "pyhf + Minuit"
    assert any("modifier type 'custom'" in note for note in fallen.diagnosis)
    assert fallen.mu.value == pytest.approx(reference.mu.value, abs=2e-3)
    assert fallen.mu.error == pytest.approx(reference.mu.error, rel=1e-3)
    assert fallen.mu.error_hi == pytest.approx(reference.mu.error_hi, rel=1e-3)
    assert fallen.upper_limit.observed == pytest.approx(reference.upper_limit.observed, rel=1e-3)
    assert np.allclose(fallen.yields.covariance, reference.yields.covariance, rtol=5e-3)
    with pytest.raises(FitError, match="toys and impacts need the compiled likelihood"):
        compiled_engine(load(simple))


def test_every_command_begins_again_from_a_deeper_minimum(simple, monkeypatch):
    """A first fit that ends beside the minimum, as one of several would be: what profiles find is taken instead."""
    simple["observations"][0]["data"] = [90.0, 88.0]
    commands = {
        "fit": lambda: fit_workspace(simple).mu.value,
        "scan": lambda: scan(simple, [0.0, 1.0]).minimum[0],
        "scan of two": lambda: scan_2d(simple, ("mu", [0.0, 1.0]), ("uncorr_bkguncrt[0]", [1.0])).minimum[0],
        "limit": lambda: limits(simple).asymptotic[0].observed,
        "toys": lambda: toy_study(simple, [1.0], 20, seed=1, tolerance=1e-9).belt.points[-1].mu,
        "impacts": lambda: impacts(simple).value,
    }
    expected = {name: command() for name, command in commands.items()}
    minimise, restarts = NewtonEngine.minimise, []

    def misled(self, data=None, *, fixed=None, start=None):
        if data is None and not fixed and start is None:
            beside = minimise(self, fixed={self.problem.poi: 0.5})
            return replace(beside, free=~self.problem.fixed)
        if data is None and not fixed:
            restarts.append(start)
        return minimise(self, data, fixed=fixed, start=start)

    monkeypatch.setattr(NewtonEngine, "minimise", misled)
    for name, command in commands.items():
        restarts.clear()
        assert command() == pytest.approx(expected[name], rel=1e-6), name
        assert restarts, name


def test_limits_know_of_a_deeper_minimum_at_a_smaller_strength(simple, monkeypatch):
    """The limit itself looks only above the minimum it is given."""
    simple["observations"][0]["data"] = [60.0, 68.0]
    expected = limits(simple).asymptotic[0]
    minimise = NewtonEngine.minimise

    def misled(self, data=None, *, fixed=None, start=None):
        if data is None and not fixed and start is None:
            above = minimise(self, fixed={self.problem.poi: 1.2 * expected.observed})
            return replace(above, free=~self.problem.fixed)
        return minimise(self, data, fixed=fixed, start=start)

    monkeypatch.setattr(NewtonEngine, "minimise", misled)
    assert limits(simple).asymptotic[0].observed == pytest.approx(expected.observed, rel=1e-6)


def test_a_likelihood_without_a_deepest_minimum_is_refused(simple, monkeypatch):
    simple["observations"][0]["data"] = [90.0, 88.0]
    minimise = NewtonEngine.minimise

    def misled(self, data=None, *, fixed=None, start=None):
        if fixed:
            return minimise(self, data, fixed=fixed, start=start)
        return replace(minimise(self, fixed={self.problem.poi: 0.5}), free=~self.problem.fixed)

    monkeypatch.setattr(NewtonEngine, "minimise", misled)
    with pytest.raises(FitError, match="deeper minima") as caught:
        limits(simple)
    assert caught.value.where == "mu"


@pytest.fixture
def stubborn(monkeypatch):
    """Let Newton's steps fail wherever they are taken."""

    def fail(task, x, **options):
        raise NotConvergedError("the fit did not converge", found="a test")

    monkeypatch.setattr(minimiser, "damped", fail)
    monkeypatch.setattr(minimiser, "regularised", fail)


def test_what_does_not_converge_is_left_to_minuit_by_every_command_and_said(simple, stubborn, monkeypatch):
    said = "of the compiled engine did not converge (a test): pyhf and Minuit did"
    fit = fit_workspace(simple)
    assert any(said in note for note in fit.diagnosis)
    assert said in fit_table(fit)
    for result, table in (
        (scan(simple, [0.5, 1.0]), None),
        (limits(simple, levels=(0.9,)), limit_table),
        (impacts(simple), impact_table),
    ):
        assert said in result.remarks[0]
        assert table is None or said in table(result)
    # Toys of which none converges in the batch.
    monkeypatch.setattr(batch, "MAX_ITERATIONS", 0)
    study = toy_study(simple, [1.0], 2, seed=1)
    assert study.points[0].n_failed == 0
    assert said in toy_table(study)


def test_what_minuit_does_not_find_either_is_newtons_failure(simple, stubborn, monkeypatch):
    def fail(self, *args, **options):
        raise FitError("Minuit gave up")

    monkeypatch.setattr(PyhfEngine, "minimise", fail)
    with pytest.raises(NotConvergedError, match="a test"):
        fit_workspace(simple)


# Models of tests/property, where the first steps stalled: in curved valleys of factors that only their product is
# known of, and at a saddle of two factors of 0.
def valley():
    """Return one bin whose signal has two free strengths and a bin with a free factor of its own."""
    free = [{"name": name, "type": "normfactor", "data": None} for name in ("mu", "nu")]
    own = [{"name": "own", "type": "shapefactor", "data": None}]
    shape = {"name": "tilt", "type": "histosys", "data": {"hi_data": [11.0, 6.0], "lo_data": [9.0, 4.5]}}
    samples = [
        {"name": "s", "data": [10.0, 5.0], "modifiers": [*free, *own]},
        {"name": "b", "data": [10.0, 5.0], "modifiers": [shape]},
    ]
    return from_model(pyhf.Model({"channels": [{"name": "sr", "samples": samples}]}), np.array([22.0, 4.0, 0.0]))


def test_regularised_steps_find_what_damped_ones_do(simple):
    for problem in (load(simple), valley()):
        engine = NewtonEngine(problem)
        held = problem.fixed
        scale = np.where(np.isnan(problem.width), 1.0, problem.width)
        data = engine.likelihood.measure(problem.data[None])
        task = Task(engine.likelihood, data, problem.names, scale, held, problem.lower, problem.upper)
        slow, fast = regularised(task, problem.init), damped(task, problem.init)
        assert slow.value == pytest.approx(fast.value, abs=1e-9)


def test_saddles_are_left():
    # A free factor upon a sample that expects only what its variation brings: at 0 neither sees the other.
    data = {"hi_data": [3.0], "lo_data": [0.0]}
    modifiers = [
        {"name": "free", "type": "shapefactor", "data": None},
        {"name": "tilt", "type": "histosys", "data": data},
    ]
    samples = [
        {"name": "s", "data": [0.0], "modifiers": modifiers},
        {"name": "b", "data": [2.0], "modifiers": []},
    ]
    model = pyhf.Model({"channels": [{"name": "sr", "samples": samples}]}, poi_name=None)
    problem = from_model(model, np.array([5.0, 0.0]))
    start = np.zeros(2)
    best = NewtonEngine(problem).minimise(start=start)
    assert best.twice_nll <= PyhfEngine(problem).minimise(start=np.array([1.0, 1.0])).twice_nll + 1e-6


def test_disagreement_with_pyhf_is_an_error(simple):
    problem = load(simple)
    best = NewtonEngine(problem).minimise()
    assert abs(cross_check(problem, best)) < 1e-9
    wrong = type(best)(best.x, best.twice_nll + 1e-6, best.free, best.edm)
    with pytest.raises(FitError, match="disagrees with pyhf"):
        cross_check(problem, wrong)


def test_bins_that_are_known_almost_exactly(simple):
    # As in a public workspace: 2·10⁻⁶ is a Poisson measurement of 2·10¹¹ events, of which pyhf rounds 2NLL to 10⁻³.
    simple["channels"][0]["samples"][1]["modifiers"][0]["data"] = [1e-4, 7.0]
    problem = load(simple)
    engine = NewtonEngine(problem)
    best = engine.minimise()
    assert abs(cross_check(problem, best)) < 0.05
    measured = engine.likelihood.measure(problem.data[None])
    known = engine.likelihood.constraints.poisson_data
    exact = [0.5 * np.log(2 * np.pi * n) + 1 / (12 * n) for n in problem.data[known] if n > 1e3]
    others = [n - n * np.log(n) + gammaln(n + 1) for n in problem.data if n <= 1e3]
    assert len(exact) == 1
    assert measured.offset[0] == pytest.approx(sum(exact) + sum(others), rel=1e-12)
    assert fit_workspace(simple).goodness_of_fit.statistic == pytest.approx(best.twice_nll - 2 * measured.offset[0])
    # A step of a tenth of the measurement's error costs 0.1² in 2NLL.
    aside = best.x.copy()
    aside[problem.names.index("uncorr_bkguncrt[0]")] += 0.1 * 1e-4 / 50.0
    assert engine.twice_nll(aside) - best.twice_nll == pytest.approx(0.01, abs=1e-4)


def test_unknown_options_of_pyhf_are_not_compiled(simple):
    spec = pyhf.Workspace(simple)
    with pytest.raises(UnsupportedModelError, match="clipped"):
        compile_model(spec.model(clip_bin_data=0.1))
    with pytest.raises(UnsupportedModelError, match="clipped"):
        compile_model(spec.model(clip_sample_data=0.0))
    with pytest.raises(UnsupportedModelError, match="batched"):
        compile_model(spec.model(batch_size=2))


def test_minuit_names_what_it_could_not_determine(simple):
    samples = simple["channels"][0]["samples"]
    signal = next(s for s in samples if s["name"] == "signal")
    modifiers = [{"name": "twin", "type": "normfactor", "data": None}]
    samples.append({"name": "twin", "data": signal["data"], "modifiers": modifiers})
    problem = load(simple)
    engine = PyhfEngine(problem)
    with pytest.raises(FitError, match="combination of parameters") as caught:
        engine.covariance(engine.minimise().x, ~problem.fixed)
    assert "mu" in caught.value.where
    assert "twin" in caught.value.where


def test_start_where_the_likelihood_is_zero():
    # Only the signal expects events, and the strength starts at 0.
    spec = {
        "channels": [
            {
                "name": "sr",
                "samples": [
                    {"name": "s", "data": [5.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]}
                ],
            }
        ],
        "parameters": [{"name": "mu", "inits": [0.0]}],
    }
    problem = from_model(pyhf.Model(spec), np.array([10.0]))
    assert NewtonEngine(problem).minimise().x[0] == pytest.approx(2.0)
    with pytest.raises(FitError, match=r"channel 'sr', bin 0 expects 0 and has 10; mu = 0"):
        NewtonEngine(problem).minimise(fixed={0: 0.0})


def test_derivatives_survive_factors_of_zero(hta):
    problem = load(hta)
    engine = NewtonEngine(problem)
    x = problem.init.copy()
    x[problem.poi] = 0.0
    measured = engine.likelihood.measure(problem.data[None])
    gradient, hessian = (a[0] for a in engine.likelihood.derivatives(x[None], measured))
    up, down = x.copy(), x.copy()
    up[problem.poi], down[problem.poi] = 1e-5, -1e-5
    numeric = np.subtract(*(engine.twice_nll(y) / 2 for y in (up, down))) / 2e-5
    assert gradient[problem.poi] == pytest.approx(numeric, rel=1e-6)
    assert np.isfinite(hessian).all()


def test_a_strength_next_to_zero_is_one_of_zero(simple):
    problem = load(simple)
    engine = NewtonEngine(problem)
    none, next_to_none = (engine.minimise(fixed={problem.poi: value}) for value in (0.0, 5e-324))
    assert next_to_none.twice_nll == pytest.approx(none.twice_nll, abs=1e-12)


def test_results_repeat_bit_by_bit(hta):
    assert fit_workspace(hta) == fit_workspace(hta)


def test_strengths_far_below_zero_are_reached_from_any_start(hta):
    # At μ = −8 the nominal expectation of every bin is negative; the profile needs far more background.
    problem = load(hta)
    engine = NewtonEngine(problem)
    best = engine.minimise()
    held = {problem.poi: -8.0}
    cold = engine.minimise(fixed=held)
    walked = best
    for mu in (-2.0, -4.0, -6.0, -8.0):
        walked = engine.minimise(fixed={problem.poi: mu}, start=walked.x)
    assert cold.twice_nll == pytest.approx(walked.twice_nll, abs=1e-8)
    assert (engine.expected(cold.x).sum(axis=0) > 0).all()
