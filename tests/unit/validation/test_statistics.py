import numpy as np
import pytest

from analysis.validation.statistics import counted, goodness
from analysis.weighted import Weighted

RNG = np.random.default_rng(1)


def test_counted_fractions_and_errors() -> None:
    edges = np.array([0.0, 1.0, 2.0])
    found = counted(
        Weighted(np.array([0.5, 0.6, 1.5, 7.0]), np.array([1.0, 1.0, 2.0, 4.0]), np.array([1, 1, 2, 3])), edges
    )
    assert found.fraction == pytest.approx((0.25, 0.25))
    assert found.error == pytest.approx((0.25, 0.25)), "two rows of one parent are one"
    assert found.rows == 4


def test_goodness_of_fit() -> None:
    edges, expected = np.linspace(0, 1, 11), np.full(10, 0.1)
    ones, number = np.ones(5000), np.arange(5000)
    assert goodness(counted(Weighted(RNG.random(5000), ones, number), edges), expected) > 1e-3
    assert goodness(counted(Weighted(RNG.random(5000) ** 1.2, ones, number), edges), expected) < 1e-6
