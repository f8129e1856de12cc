import numpy as np
import pytest

from analysis.simulation.jagged import Floats, Ints
from analysis.simulation.prospects import (
    MAX_WEIGHT,
    N_KEYS,
    Contents,
    draw_pairs,
    event_prospects,
    shares,
    side_prospects,
    tag_prospects,
    thinned,
    uses,
)


def random_contents(n: int, seed: int) -> Contents:
    rng = np.random.default_rng(seed)
    yes = [rng.random(n) < 0.5 for _ in range(4)]
    return Contents(rng.integers(0, 11, n), *yes, rng.exponential(1.0, n))


def test_a_key_holds_all_of_the_contents_and_conjugation_swaps_the_kaons() -> None:
    contents = random_contents(5000, 1)
    key = contents.key(1)
    assert key.max() < N_KEYS
    swapped = Contents(contents.charged, contents.lepton, contents.minus, contents.plus, contents.tag, contents.energy)
    assert np.array_equal(contents.key(-1), swapped.key(1))
    assert not np.array_equal(contents.key(-1), key)
    assert len(np.unique(key[(contents.charged == 3) & (contents.energy < 0.4)])) == 8


def test_drawn_pairs_weigh_what_random_pairs_would_give() -> None:
    rng = np.random.default_rng(3)
    both = random_contents(300, 1), random_contents(300, 2)
    keys: tuple[Ints, Ints] = both[0].key(-1), both[1].key(1)
    weights: tuple[Floats, Floats] = rng.uniform(0.1, 2, 300), rng.uniform(0.1, 2, 300)
    first, second, weight = draw_pairs(keys, weights, 200_000, rng)
    p = np.outer(weights[0] / weights[0].sum(), weights[1] / weights[1].sum())
    number = np.add.outer(both[0].charged, both[1].charged)
    energy = np.add.outer(both[0].energy, both[1].energy)
    drawn, drawn_energy = number[first, second], energy[first, second]
    for charged in (4, 6, 7, 8, 9, 10, 11):
        assert np.sum(weight * (drawn == charged)) / 200_000 == pytest.approx(p[number == charged].sum(), rel=0.05)
        high = (number == charged) & (energy > 2)
        assert np.sum(weight * ((drawn == charged) & (drawn_energy > 2))) / 200_000 == pytest.approx(
            p[high].sum(), rel=0.08
        )
    assert drawn.min() >= 4
    assert drawn.max() <= 11


def test_nothing_to_draw() -> None:
    none = np.zeros(3, dtype=np.int64)
    ones = np.ones(3)
    first, second, weight = draw_pairs((none, none), (ones, ones), 10, np.random.default_rng(1))
    assert len(first) == len(second) == len(weight) == 0


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
    kept, after = thinned(probability, weight, rng)
    sums = np.bincount(np.repeat(np.arange(4), 50_000)[kept], weights=after, minlength=4)
    before = weight.reshape(4, -1).sum(axis=1)
    assert sums[0] == 0
    assert sums[1:] == pytest.approx(before[1:], rel=0.03)
    assert np.all(after <= np.maximum(weight[kept], MAX_WEIGHT) + 1e-9)


def test_shares_are_even() -> None:
    expected = np.array([1.0, 2.0, 0.0, 5.0])
    chosen = shares(expected, 801, np.random.default_rng(1))
    assert np.bincount(chosen, minlength=4) == pytest.approx(801 * expected / 8, abs=1)
    assert not np.array_equal(chosen, np.sort(chosen))


def test_prospects_are_never_zero_where_a_candidate_may_come_from() -> None:
    contents = random_contents(2000, 4)
    for true in (True, False):
        side = side_prospects(contents, true)
        assert np.all((side > 0) == (contents.charged <= 6))
    assert np.all((tag_prospects(contents) > 0) == (contents.charged >= 2))
    chance = event_prospects(contents.charged, contents.lepton, contents.plus & contents.minus, contents.energy)
    assert np.all((chance > 0) == ((contents.charged >= 4) & (contents.charged <= 11)))
