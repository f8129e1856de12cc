from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.bdt import metrics
from analysis.weighted import Weighted


def gaussians(n, m, shift, seed=1, weighted=False):
    rng = np.random.default_rng(seed)
    s, b = rng.normal(shift, 1, n), rng.normal(0, 1, m)
    w, v = (rng.exponential(size=n), rng.exponential(size=m)) if weighted else (np.ones(n), np.ones(m))
    return Weighted(s, w, np.arange(n)), Weighted(b, v, np.arange(n, n + m))


def test_auc_by_counting_pairs():
    signal, background = gaussians(40, 30, 0.7, weighted=True)
    background.value[:3] = signal.value[:3]  # ties count one half
    pairs = signal.value[:, None] - background.value[None, :]
    weight = signal.weight[:, None] * background.weight[None, :]
    expected = (weight * ((pairs > 0) + 0.5 * (pairs == 0))).sum() / weight.sum()
    assert metrics.auc(signal, background)[0] == pytest.approx(expected)
    both = [np.concatenate([getattr(p, name) for p in (signal, background)]) for name in ("value", "weight")]
    assert metrics.auc_value(*both, np.arange(70) < 40) == pytest.approx(expected)


@pytest.mark.parametrize("weighted", [False, True])
def test_auc_of_gaussians_and_its_error(weighted):
    """Φ(shift / √2), and the spread over repetitions."""
    values = [metrics.auc(*gaussians(400, 600, 1.0, seed=k, weighted=weighted)) for k in range(200)]
    value, error = np.array(values).T
    assert value.mean() == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=4 * value.std() / np.sqrt(200))
    assert error.mean() == pytest.approx(value.std(), rel=0.2)


def test_auc_error_of_repeated_rows_is_that_of_the_rows_once():
    signal, background = gaussians(300, 300, 1.0)
    repeated = [
        Weighted(*(np.repeat(getattr(p, name), 5) for name in ("value", "weight", "decays")))
        for p in (signal, background)
    ]
    assert metrics.auc(*repeated) == pytest.approx(metrics.auc(signal, background))


def test_roc_of_gaussians():
    signal, background = gaussians(100_000, 100_000, 1.5)
    efficiency = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    expected = stats.norm.sf(stats.norm.isf(efficiency) + 1.5)
    assert metrics.roc(signal, background, efficiency)[:-1] == pytest.approx(expected[:-1], abs=0.005)
    assert metrics.roc(signal, background, np.array([1.0]))[0] > 0.9


def test_correlations():
    rng = np.random.default_rng(1)
    x = rng.normal(size=3000)
    y = 0.6 * x + 0.8 * rng.normal(size=3000)
    one = np.ones(3000)
    assert metrics.correlation(x, y, one) == pytest.approx(np.corrcoef(x, y)[0, 1])
    ranked = metrics.correlation(metrics.ranks(np.exp(3 * x), one), metrics.ranks(y, one), one)
    assert ranked == pytest.approx(stats.spearmanr(x, y).statistic)
    weight = rng.integers(0, 4, 3000)
    repeated = np.corrcoef(np.repeat(x, weight), np.repeat(y, weight))[0, 1]
    assert metrics.correlation(x, y, weight.astype(float)) == pytest.approx(repeated)
    holes = np.where(rng.uniform(size=3000) < 0.2, np.nan, x)
    good = ~np.isnan(holes)
    assert metrics.correlation(holes, y, one) == pytest.approx(np.corrcoef(x[good], y[good])[0, 1])
    assert metrics.correlation(one, y, one) is None


def test_edges():
    assert metrics.histogram_edges(np.array([0.0, 3.0, 1.0, np.nan])).tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5]
    edges = metrics.histogram_edges(np.random.default_rng(1).normal(size=10_000))
    assert len(edges) == 41
    assert edges[0] == pytest.approx(-2.58, abs=0.15)
    assert np.all(np.diff(metrics.histogram_edges(np.full(5, 0.3))) > 0)
    assert len(metrics.histogram_edges(np.full(5, np.nan))) == 2
