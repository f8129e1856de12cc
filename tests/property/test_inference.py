"""The compiled likelihood against pyhf on random workspaces: every modifier, shared names, empty and single bins."""

from __future__ import annotations

import contextlib
import itertools
import warnings

import numpy as np
import pyhf
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from analysis.errors import FitError
from analysis.inference.engine import ImpossibleError
from analysis.inference.likelihood import Likelihood
from analysis.inference.minimiser import NewtonEngine
from analysis.inference.problem import from_model
from analysis.inference.pyhf_engine import PyhfEngine

CODES = [
    {"normsys": {"interpcode": norm}, "histosys": {"interpcode": shape}}
    for norm, shape in (("code4", "code4p"), ("code1", "code0"), ("code4", "code2"))
]


def modifiers(draw, rng, channel, sample, nominal):
    """Draw modifiers of all types; some names are shared between samples, channels and types."""
    n = len(nominal)
    found = []
    if draw(st.booleans()):
        name = draw(st.sampled_from(["mu", "norm"]))
        found.append({"name": name, "type": "normfactor", "data": None})
    for name in sorted(draw(st.sets(st.sampled_from(["alpha", "beta", f"own_{channel}"]), max_size=3))):
        low, high = rng.uniform(0.5, 1.0), rng.uniform(0.9, 1.6)
        found.append({"name": name, "type": "normsys", "data": {"lo": low, "hi": high}})
    # "alpha" may be a normsys too: one parameter, two slots.
    for name in sorted(draw(st.sets(st.sampled_from(["alpha", "shape", f"shape_{sample}"]), max_size=3))):
        low, high = nominal * rng.uniform(0.7, 1.1, n), nominal * rng.uniform(0.9, 1.3, n)
        # A variation may fill a bin that is empty nominally.
        high = high + (nominal == 0) * rng.uniform(0, 0.5, n)
        data = {"lo_data": low.tolist(), "hi_data": high.tolist()}
        found.append({"name": name, "type": "histosys", "data": data})
    if draw(st.booleans()):
        name = draw(st.sampled_from([f"stat_{channel}", f"stat_{channel}_{sample}"]))
        errors = nominal * rng.uniform(0.01, 0.3, n)
        found.append({"name": name, "type": "staterror", "data": errors.tolist()})
    if draw(st.booleans()):
        errors = nominal * rng.uniform(0.05, 0.3, n) * rng.integers(0, 2, n)
        name = f"poisson_{channel}_{sample}"
        found.append({"name": name, "type": "shapesys", "data": errors.tolist()})
    if draw(st.booleans()):
        found.append({"name": "lumi", "type": "lumi", "data": None})
    if draw(st.integers(0, 4)) == 0:
        # Shared between samples, and between channels of one size.
        name = draw(st.sampled_from([f"free_{n}", f"free_{channel}"]))
        found.append({"name": name, "type": "shapefactor", "data": None})
    return found


@st.composite
def models(draw, codes=CODES):
    """Draw a pyhf model and data."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    channels, counts = [], []
    names = [f"s{i}" for i in range(draw(st.integers(1, 3)))]
    for channel in range(draw(st.integers(1, 3))):
        n_bins = draw(st.sampled_from([1, 1, 2, 4]))
        samples = []
        for name in names[: draw(st.integers(1, len(names)))]:
            nominal = rng.uniform(0.1, 60, n_bins) * (rng.uniform(size=n_bins) > 0.15)
            samples.append(
                {
                    "name": name,
                    "data": nominal.tolist(),
                    "modifiers": modifiers(draw, rng, f"c{channel}", name, nominal),
                }
            )
        # One sample without modifiers keeps every bin positive.
        samples.append({"name": "rest", "data": rng.uniform(0.5, 5, n_bins).tolist(), "modifiers": []})
        channels.append({"name": f"c{channel}", "samples": samples})
        counts.append(rng.poisson(np.sum([s["data"] for s in samples], axis=0)))
    channels[0]["samples"][0]["modifiers"].append({"name": "last", "type": "normfactor", "data": None})
    lumi = {"name": "lumi", "auxdata": [1.0], "sigmas": [0.02], "inits": [1.0], "bounds": [[0.5, 1.5]]}
    used = {m["name"] for c in channels for s in c["samples"] for m in s["modifiers"]}
    spec = {"channels": channels, "parameters": [lumi] if "lumi" in used else []}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.filterwarnings("ignore", "jsonschema.RefResolver")
        settings = draw(st.sampled_from(codes))
        # As every workspace is read: no bin expects less than 0.
        model = pyhf.Model(spec, poi_name="last", modifier_settings=settings, clip_bin_data=0.0)
    data = np.concatenate([*counts, model.config.auxdata]).astype(float)
    return model, data, rng


def point(problem, rng):
    """Return a point inside the bounds, beyond ±1 for some parameters."""
    spread = np.where(np.isnan(problem.width), 0.4, problem.width)
    x = problem.init + 1.2 * spread * rng.normal(size=len(problem.init))
    return np.clip(np.where(problem.fixed, problem.init, x), problem.lower + 1e-3, problem.upper)


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(models())
def test_compiled_likelihood_is_pyhfs_and_its_derivatives_are_exact(case):
    model, data, rng = case
    problem = from_model(model, data)
    likelihood = Likelihood(problem)
    points = np.stack([point(problem, rng) for _ in range(3)])
    rates = likelihood.rates(points)
    measured = likelihood.measure(data[None])
    values = likelihood.value(points, measured)
    for x, total, cells, value in zip(points, rates.total, rates.cells, values, strict=True):
        by_sample = model.main_model.expected_data(x, return_by_sample=True)
        np.testing.assert_allclose(cells, by_sample, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(np.maximum(total, 0.0), model.expected_actualdata(x), rtol=1e-12, atol=1e-12)
        with np.errstate(divide="ignore"):
            theirs = -float(model.logpdf(x, data)[0])
        np.testing.assert_allclose(value, theirs, rtol=1e-10, atol=1e-10)
    check_derivatives(problem, likelihood, points[0])


def check_derivatives(problem, likelihood, x):
    """Compare gradient and Hessian with finite differences."""
    measured = likelihood.measure(problem.data[None])
    if (likelihood.rates(x[None]).total <= 0.05).any():
        return  # finite differences fail near an empty bin
    gradient, hessian = (a[0] for a in likelihood.derivatives(x[None], measured))
    np.testing.assert_allclose(likelihood.gradient(x[None], measured)[0], gradient, rtol=1e-10, atol=1e-9)
    steps = 1e-5 * np.where(np.isnan(problem.width), 1.0, problem.width)
    # Kinks of the interpolation (0, ±1) lie far from the steps with probability one.
    up, down = x + np.diag(steps), x - np.diag(steps)
    values = likelihood.value(np.concatenate([up, down]), measured)
    slopes = likelihood.gradient(np.concatenate([up, down]), measured)
    n = len(x)
    scale = np.abs(gradient).max() + 1.0
    np.testing.assert_allclose((values[:n] - values[n:]) / (2 * steps), gradient, rtol=1e-6, atol=1e-6 * scale)
    numeric = (slopes[:n] - slopes[n:]) / (2 * steps)[:, None]
    np.testing.assert_allclose(numeric, hessian, rtol=1e-5, atol=1e-6 * np.abs(hessian).max())
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-10, atol=1e-9)


# Without shrinking: a failure names its seed, and Minuit is slow.
@settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(models())
def test_newton_never_ends_above_minuit(case):
    model, data, _ = case
    problem = from_model(model, data)
    engine = NewtonEngine(problem)
    best = engine.minimise()
    theirs = PyhfEngine(problem)
    assert best.twice_nll == pytest.approx(theirs.twice_nll(best.x), abs=1e-9)
    assert np.all((best.x >= problem.lower) & (best.x <= problem.upper))
    # Codes 0, 1 and 2 have kinks, and the likelihood may have several minima: Minuit must not get lower from ours.
    # Without kinks it must not get lower from anywhere.
    for start in (best.x,) if engine.kinks.points else (best.x, None):
        try:
            minuit = theirs.minimise(start=start)
        except FitError:
            continue  # free factors that nothing determines: Minuit gives up
        assert best.twice_nll <= minuit.twice_nll + 1e-6


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(models(), st.floats(0.0, 5.0))
def test_newton_converges_by_itself(case, held):
    model, data, _ = case
    problem = from_model(model, data)
    engine = NewtonEngine(problem)
    best = engine.minimise()
    with contextlib.suppress(ImpossibleError):  # a bin with data may expect nothing there
        engine.minimise(fixed={problem.poi: held}, start=best.x)
    assert engine.remarks == []  # Minuit was not asked


def kinked(count: float, code: str):
    """Return a bin of ten events with a shape variation, up and down by different amounts, and a free bin."""
    shape = {"lo_data": [9.0], "hi_data": [14.0]}
    samples = [{"name": "b", "data": [10.0], "modifiers": [{"name": "tilt", "type": "histosys", "data": shape}]}]
    free = [{"name": "mu", "type": "normfactor", "data": None}]
    spec = {
        "channels": [
            {"name": "sr", "samples": samples},
            {"name": "free", "samples": [{"name": "s", "data": [5.0], "modifiers": free}]},
        ]
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "jsonschema.RefResolver")
        model = pyhf.Model(spec, modifier_settings={"histosys": {"interpcode": code}})
    return from_model(model, np.array([5.0, count, *model.config.auxdata]))


# Code 2, as pyhf has it, jumps at ±1: a second minimum beyond (count 30) is not looked for.
@pytest.mark.parametrize(
    ("code", "count"),
    [
        *itertools.product(["code0", "code4p"], [4.0, 9.0, 9.9, 10.0, 10.3, 13.0, 30.0]),
        *itertools.product(["code2"], [4.0, 9.0, 9.9, 10.0, 10.3, 13.0]),
    ],
)
def test_minimum_at_and_beside_a_kink(code, count):
    problem = kinked(count, code)
    tilt = problem.names.index("tilt")
    engine = NewtonEngine(problem)
    best = engine.minimise()
    grid = np.linspace(-5, 5, 20001)
    points = np.tile(best.x, (len(grid), 1))
    points[:, tilt] = grid
    lowest = 2 * engine.likelihood.value(points, engine.likelihood.measure(problem.data[None])).min()
    assert best.twice_nll <= lowest + 1e-9
