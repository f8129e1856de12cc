"""Effective numbers and the test of Kolmogorov and Smirnov, for weighted rows that share decays."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from analysis.weighted import Weighted, effective_number, kolmogorov_smirnov


def plain(values: np.ndarray) -> Weighted:
    return Weighted(values, np.ones(len(values)), np.arange(len(values)))


def test_effective_number_counts_decays() -> None:
    assert effective_number(np.full(10, 0.3)) == pytest.approx(10)
    assert effective_number(np.array([1.0, 0.0, 0.0])) == 1
    assert effective_number(np.array([3.0, 1.0]), np.arange(2)) == pytest.approx(16 / 10)
    assert effective_number(np.ones(6), np.array([1, 1, 1, 2, 2, 2])) == 2
    assert effective_number(np.zeros(0)) == effective_number(np.zeros(0), np.zeros(0)) == 0


def test_unweighted_rows_give_scipys_test() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=900), rng.normal(0.15, 1, size=700)
    distance, p_value = kolmogorov_smirnov(plain(a), plain(b))
    expected = ks_2samp(a, b, method="asymp")
    assert distance == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue, rel=0.15)


def test_weights_stand_for_rows() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=300), rng.normal(size=300)
    weight = rng.integers(1, 4, 300)
    weighted = Weighted(a, weight.astype(float), np.arange(300))
    repeated = kolmogorov_smirnov(plain(np.repeat(a, weight)), plain(b))
    assert kolmogorov_smirnov(weighted, plain(b))[0] == pytest.approx(repeated[0])
    assert weighted.n_effective < 300, "weights carry less information than as many rows"


@pytest.mark.parametrize("repeat", [1, 5])
def test_p_values_are_flat_where_the_samples_agree(repeat: int) -> None:
    """Also for weighted rows, and for rows that come several times as long as their decay says so."""
    rng = np.random.default_rng(1)
    p_values = []
    for _ in range(300):
        one, two = (
            Weighted(*(np.repeat(x, repeat) for x in (rng.normal(size=n), rng.uniform(0.5, 2, n), np.arange(n))))
            for n in (200, 350)
        )
        p_values.append(kolmogorov_smirnov(one, two)[1])
    # mean of 300 flat numbers: 0.5 ± 0.017; a share of 5 %: ± 1.3 %
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.07)
    assert np.mean(np.array(p_values) < 0.05) < 0.09
