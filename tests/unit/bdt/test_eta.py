from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analysis.bdt.eta import EtaMap, fit_eta


def test_flat_for_signal_with_weights():
    rng = np.random.default_rng(1)
    score, weight = rng.beta(5, 2, 20_000), rng.uniform(0.1, 2, 20_000)
    eta = fit_eta(score, weight)(score)
    share = np.histogram(eta, 50, (0, 1), weights=weight)[0] / weight.sum()
    assert share == pytest.approx(np.full(50, 0.02), rel=0.01)


def test_flat_for_signal_it_has_not_seen():
    rng = np.random.default_rng(2)
    eta = fit_eta(rng.beta(5, 2, 20_000), np.ones(20_000))(rng.beta(5, 2, 20_000))
    counts = np.histogram(eta, 20, (0, 1))[0]
    # both samples fluctuate: 1000 ± √2 · 32
    assert np.all(np.abs(counts - 1000) < 4 * 45)


def test_cut_keeps_its_fraction():
    rng = np.random.default_rng(3)
    score, weight = rng.normal(size=5000), rng.exponential(size=5000)
    eta = fit_eta(score, weight)(score)
    for cut in (0.1, 0.5, 0.92, 0.98):
        assert weight[eta > cut].sum() / weight.sum() == pytest.approx(1 - cut, abs=2e-3)


ROWS = st.lists(st.tuples(st.floats(0, 1, allow_subnormal=False), st.floats(0, 5)), max_size=40)


@given(rows=ROWS)
@example(rows=[(1.0, 1.9753860024605414), (0.9375, 0.43868766810476745), (0.0, 0.0)])
def test_monotone_and_within_bounds(rows):
    score, weight = np.array([(0.25, 1.0), (0.75, 1.0), *rows]).T
    eta_map = fit_eta(score, weight)
    at = np.linspace(-0.5, 1.5, 301)
    eta = eta_map(at)
    assert np.all(np.diff(eta) >= 0)
    assert eta.min() >= 0
    assert eta.max() <= 1
    assert np.all(np.diff(eta_map.score) > 0)


def test_equal_scores_share_their_mean_eta():
    eta = fit_eta(np.array([0.2, 0.2, 0.8, 0.8]), np.array([1.0, 1.0, 1.0, 1.0]))
    assert eta(np.array([0.2, 0.8])).tolist() == [0.25, 0.75]


def test_reload_is_identical():
    rng = np.random.default_rng(4)
    eta = fit_eta(rng.uniform(size=500), rng.uniform(size=500))
    again = EtaMap.model_validate_json(eta.model_dump_json())
    at = rng.uniform(-0.1, 1.1, 10_000)
    assert np.array_equal(again(at), eta(at))


def test_one_score_is_no_map():
    with pytest.raises(ValueError, match="two different"):
        fit_eta(np.full(5, 0.5), np.ones(5))
