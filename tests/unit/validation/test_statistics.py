import numpy as np
import pytest
from scipy.stats import ks_2samp

from analysis.validation.statistics import counted, goodness, n_effective, two_sample

RNG = np.random.default_rng(1)


def test_effective_size_counts_parents() -> None:
    assert n_effective(np.ones(10), np.arange(10)) == pytest.approx(10)
    assert n_effective(np.ones(10), np.arange(10) // 2) == pytest.approx(5)
    assert n_effective(np.array([3.0, 1.0]), np.arange(2)) == pytest.approx(16 / 10)
    assert n_effective(np.zeros(0), np.zeros(0)) == 0


def test_unweighted_two_sample_test_is_scipys() -> None:
    a, b = RNG.normal(size=900), RNG.normal(0.15, 1, size=700)
    distance, p, n, m = two_sample((a, np.ones(900), np.arange(900)), (b, np.ones(700), np.arange(700)))
    expected = ks_2samp(a, b, method="asymp")
    assert (n, m) == (pytest.approx(900), pytest.approx(700))
    assert distance == pytest.approx(expected.statistic)
    assert p == pytest.approx(expected.pvalue, rel=0.1)


def test_weights_stand_for_rows() -> None:
    a, b = RNG.normal(size=300), RNG.normal(size=300)
    weight = RNG.integers(1, 4, 300).astype(float)
    repeated = np.repeat(a, weight.astype(int))
    ones = np.ones(300)
    weighted = two_sample((a, weight, np.arange(300)), (b, ones, np.arange(300)))
    plain = two_sample((repeated, np.ones(len(repeated)), np.arange(len(repeated))), (b, ones, np.arange(300)))
    assert weighted[0] == pytest.approx(plain[0])
    assert weighted[2] < 300, "weights carry less information than as many rows"


def test_p_values_are_flat_and_shared_parents_do_not_fake_a_difference() -> None:
    """Each parent stands behind five equal rows: without the parents nearly every test would fail."""
    values = []
    for _ in range(300):
        a, b = np.repeat(RNG.normal(size=200), 5), RNG.normal(size=500)
        values.append(two_sample((a, np.ones(1000), np.arange(1000) // 5), (b, np.ones(500), np.arange(500)))[1])
    assert np.mean(np.array(values) < 0.05) < 0.09
    assert np.mean(np.array(values) < 0.5) == pytest.approx(0.45, abs=0.12)


def test_counted_fractions_and_errors() -> None:
    edges = np.array([0.0, 1.0, 2.0])
    found = counted(np.array([0.5, 0.6, 1.5, 7.0]), np.array([1.0, 1.0, 2.0, 4.0]), np.array([1, 1, 2, 3]), edges)
    assert found.fraction == pytest.approx((0.25, 0.25))
    assert found.error == pytest.approx((0.25, 0.25)), "two rows of one parent are one"
    assert found.rows == 4


def test_goodness_of_fit() -> None:
    edges, expected = np.linspace(0, 1, 11), np.full(10, 0.1)
    ones, number = np.ones(5000), np.arange(5000)
    assert goodness(counted(RNG.random(5000), ones, number, edges), expected) > 1e-3
    assert goodness(counted(RNG.random(5000) ** 1.2, ones, number, edges), expected) < 1e-6
