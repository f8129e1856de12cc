import numpy as np
import pytest

from analysis.simulation.detector import DETECTOR, M_BPLUS
from analysis.simulation.generator import Particles
from analysis.simulation.jagged import Ints
from analysis.simulation.kinematics import boost, mass, norm, random_rotations, rotate
from analysis.simulation.pairing import (
    N_KEYS,
    b_velocities,
    blocks_of,
    draw_wrong_pairs,
    frames,
    pair_with_tags,
    place,
)


def test_a_b_meson_has_a_third_of_a_gev_in_the_centre_of_mass() -> None:
    v = norm(b_velocities(np.random.default_rng(1), 100))
    assert M_BPLUS * v / np.sqrt(1 - v**2) == pytest.approx(0.33, abs=0.01)


def test_b_mesons_fly_as_one_minus_cosine_squared() -> None:
    v = b_velocities(np.random.default_rng(1), 50_000)
    assert np.mean((v[2] / norm(v)) ** 2) == pytest.approx(0.2, abs=0.005)


def test_frames_are_rotation_then_both_boosts() -> None:
    rng = np.random.default_rng(2)
    n = 50
    p = rng.normal(size=(4, n))
    p[3] = norm(p) + 1
    rotation, velocity = random_rotations(rng, n), b_velocities(rng, n)
    zeros = np.zeros(n, dtype=np.int32)
    particles = Particles(np.arange(n), zeros + 321, zeros + 521, zeros - 1, zeros.astype(np.int8), p, 2 * p)
    turn = np.where(np.arange(n) % 2, 1, -1)
    placed = place(particles, np.arange(n), frames(rotation, velocity), turn)
    expected = boost(boost(rotate(p, rotation), velocity), DETECTOR.beams.beta)
    assert placed.p == pytest.approx(expected)
    assert placed.x == pytest.approx(2 * expected)
    assert mass(placed.p) == pytest.approx(mass(p))
    assert placed.pdg.tolist() == (321 * turn).tolist()


def test_tags_stay_in_their_block_and_are_used_evenly() -> None:
    others = np.repeat(np.arange(40), 5)
    block = blocks_of(40, 4)[others]
    tags = pair_with_tags(others, block, 20, 4, np.random.default_rng(1))
    assert np.array_equal(blocks_of(20, 4)[tags], block)
    assert np.bincount(tags, minlength=20).tolist() == [10] * 20


def _key(charged: int, lepton: int, plus: int, minus: int) -> int:
    return ((charged * 2 + lepton) * 2 + plus) * 2 + minus


def test_drawn_pairs_weigh_what_random_pairs_would_give() -> None:
    rng = np.random.default_rng(3)
    keys: tuple[Ints, Ints] = tuple(
        np.array([_key(*row) for row in zip(*(rng.integers(0, top, 300) for top in (9, 2, 2, 2)), strict=True)])
        for _ in range(2)
    )  # type: ignore[assignment]
    members = (np.arange(300) + 1000, np.arange(300) + 5000)
    first, second, weight = draw_wrong_pairs(keys, members, 60_000, rng)
    assert np.all((first >= 1000) & (first < 1300) & (second >= 5000) & (second < 5300))
    a, b = keys[0][first - 1000], keys[1][second - 5000]
    grid = np.add.outer(keys[0] // 8, keys[1] // 8)
    for charged in (4, 6, 7, 8, 9):
        exact = np.mean(grid == charged)
        assert np.sum(weight * (a // 8 + b // 8 == charged)) / 60_000 == pytest.approx(exact, rel=0.06)
    assert not np.any(a // 8 + b // 8 > 9)
    assert max(a.max(), b.max()) < N_KEYS


def test_nothing_to_draw() -> None:
    none = np.zeros(3, dtype=np.int64)
    first, second, weight = draw_wrong_pairs((none, none), (np.arange(3), np.arange(3)), 10, np.random.default_rng(1))
    assert len(first) == len(second) == len(weight) == 0
