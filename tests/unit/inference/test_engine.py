"""The engines: fall-back, cross-check, failures that explain themselves, awkward starts."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest

from analysis.errors import FitError
from analysis.inference import fit as fit_module
from analysis.inference.compiled import UnsupportedModelError, compile_model
from analysis.inference.fit import compiled_engine, cross_check, fit_workspace
from analysis.inference.minimiser import NewtonEngine, NotConvergedError
from analysis.inference.problem import from_model, load
from analysis.inference.pyhf_engine import PyhfEngine


@pytest.fixture
def simple():
    model = pyhf.simplemodels.uncorrelated_background([12.0, 11.0], [50.0, 52.0], [3.0, 7.0])
    return dict(pyhf.Workspace.build(model, [62.0, 60.0]))


def test_what_the_compiled_engine_does_not_know_goes_to_pyhf_and_is_said(simple, monkeypatch):
    def refuse(problem):
        raise UnsupportedModelError("modifier type 'custom'")

    reference = fit_workspace(simple)
    monkeypatch.setattr(fit_module, "NewtonEngine", refuse)
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


def test_a_fit_that_does_not_converge_is_tried_with_minuit(simple, monkeypatch):
    def fail(self, *args, **options):
        raise NotConvergedError("the fit did not converge", found="a test")

    monkeypatch.setattr(NewtonEngine, "minimise", fail)
    fit = fit_workspace(simple)
    assert fit.engine == "pyhf + Minuit"
    assert any("did not converge (a test)" in note for note in fit.diagnosis)


def test_disagreement_with_pyhf_is_an_error(simple):
    problem = load(simple)
    best = NewtonEngine(problem).minimise()
    assert abs(cross_check(problem, best)) < 1e-9
    wrong = type(best)(best.x, best.twice_nll + 1e-6, best.free, best.edm)
    with pytest.raises(FitError, match="disagrees with pyhf"):
        cross_check(problem, wrong)


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
