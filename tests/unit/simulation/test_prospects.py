import numpy as np
import pytest

from analysis.simulation.prospects import (
    MAX_CHARGED,
    Contents,
    shares,
    side_prospects,
    thinned,
    uses,
)


def random_contents(n: int, seed: int) -> Contents:
    rng = np.random.default_rng(seed)
    yes = [rng.random(n) < 0.5 for _ in range(3)]
    return Contents(rng.integers(0, MAX_CHARGED + 2, n), *yes, rng.exponential(1.0, n))


def test_uses_and_their_weights_make_one() -> None:
    wanted = np.repeat([0.0, 0.3, 2.7, 40.0], 20_000)
    number, unit = uses(wanted, np.random.default_rng(1))
    means = (number * unit).reshape(4, -1).mean(axis=1)
    assert means == pytest.approx([0, 1, 1, 1], abs=0.03)
    assert set(number[wanted == 2.7].tolist()) == {2, 3}


def test_thinning_keeps_sums_and_bounds_weights() -> None:
    rng = np.random.default_rng(1)
    probability = np.repeat([0.0, 0.05, 0.5, 1.0], 50_000)
    weight = rng.uniform(0.1, 20, len(probability))
    kept, after = thinned(probability, weight, 8.0, rng)
    sums = np.bincount(np.repeat(np.arange(4), 50_000)[kept], weights=after, minlength=4)
    before = weight.reshape(4, -1).sum(axis=1)
    assert sums[0] == 0
    assert sums[1:] == pytest.approx(before[1:], rel=0.03)
    assert np.all(after <= np.maximum(weight[kept], 8.0) + 1e-9)


def test_shares_are_even() -> None:
    expected = np.array([1.0, 2.0, 0.0, 5.0])
    chosen = shares(expected, 801, np.random.default_rng(1))
    assert np.bincount(chosen, minlength=4) == pytest.approx(801 * expected / 8, abs=1)
    assert not np.array_equal(chosen, np.sort(chosen))


def test_prospects_are_never_zero_where_a_candidate_may_come_from() -> None:
    contents = random_contents(2000, 4)
    assert np.all(side_prospects(contents) > 0)
