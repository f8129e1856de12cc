import itertools

import numpy as np
import pytest

from analysis.simulation.kinematics import (
    about_z,
    boost,
    cosine,
    fox_wolfram_r2,
    mass,
    norm,
    random_rotations,
    rotate,
    thrust,
    with_mass,
)

RNG = np.random.default_rng(7)
P = with_mass(RNG.normal(size=(3, 200)), RNG.uniform(0.1, 2.0, 200))
EVENT = np.sort(RNG.integers(0, 30, 200))


def test_boost_keeps_masses_and_undoes_itself() -> None:
    beta = np.array([[0.04], [0.01], [0.27]])
    moved = boost(P, beta)
    assert mass(moved) == pytest.approx(mass(P))
    assert boost(moved, -beta) == pytest.approx(P)
    assert boost(P, np.zeros((3, 1))) == pytest.approx(P)


def test_boost_carries_a_particle_at_rest_along() -> None:
    rest = np.array([[0.0], [0.0], [0.0], [2.0]])
    beta = np.array([[0.1], [-0.2], [0.3]])
    p = boost(rest, beta)
    assert p[:3] / p[3] == pytest.approx(beta)


@pytest.mark.parametrize("make", [random_rotations, about_z])
def test_rotations_keep_lengths_and_angles(make: object) -> None:
    rotation = make(np.random.default_rng(1), 200)  # type: ignore[operator]
    turned = rotate(P, rotation)
    assert norm(turned) == pytest.approx(norm(P))
    assert np.linalg.det(np.moveaxis(rotation, -1, 0)) == pytest.approx(1.0)
    assert turned[3] == pytest.approx(P[3])


def test_random_rotations_are_uniform() -> None:
    rotation = random_rotations(np.random.default_rng(2), 20_000)
    # a fixed vector ends anywhere on the sphere, whichever it was: mean 0, mean square 1/3
    for column in range(3):
        assert np.abs(rotation[:, column].mean(axis=1)).max() < 0.015
        assert np.abs((rotation[:, column] ** 2).mean(axis=1) - 1 / 3).max() < 0.01


def test_rotation_about_the_beam_keeps_z() -> None:
    assert rotate(P, about_z(np.random.default_rng(1), 200))[2] == pytest.approx(P[2])


def test_r2_is_the_sum_over_pairs() -> None:
    r2 = fox_wolfram_r2(P[:3], EVENT, 31)
    for event in range(30):
        p = P[:3, event == EVENT]
        size = norm(p)
        c = (p.T @ p) / np.outer(size, size)
        weight = np.outer(size, size)
        assert r2[event] == pytest.approx(np.sum(weight * (3 * c**2 - 1) / 2) / np.sum(weight))
    assert r2[30] == 0


def test_r2_of_two_back_to_back_particles_is_one() -> None:
    p = np.array([[1.0, -1.0], [0.5, -0.5], [2.0, -2.0]])
    assert fox_wolfram_r2(p, np.zeros(2, dtype=np.int64), 1) == pytest.approx(1.0)


def test_thrust_is_that_of_all_ways_to_split_the_event() -> None:
    rng = np.random.default_rng(4)
    n_events, n = 60, 6
    p, event = rng.normal(size=(3, n_events * n)), np.repeat(np.arange(n_events), n)
    axis, value = thrust(p, event, n_events)
    exact = np.zeros(n_events)
    signs = np.array(list(itertools.product([1, -1], repeat=n)))
    for i in range(n_events):
        q = p[:, event == i]
        exact[i] = norm((signs @ q.T).T).max() / norm(q).sum()
        along = np.abs(q.T @ axis[:, i]).sum() / norm(q).sum()
        assert along == pytest.approx(value[i], abs=1e-3)
    assert np.all(value <= exact + 1e-12)
    # the climb from every particle may end in a local maximum, rarely and never far below
    assert np.mean(value > exact - 1e-9) > 0.95
    assert np.max(exact - value) < 0.02
    assert np.all(value > 0.5)


def test_thrust_of_an_empty_event_is_zero() -> None:
    axis, value = thrust(np.ones((3, 2)), np.array([1, 1]), 3)
    assert value.tolist() == pytest.approx([0, 1, 0])
    assert axis[:, 0].tolist() == [0, 0, 0]


def test_cosine() -> None:
    a, b = np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]), np.array([[-2.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    c = cosine(a, b)
    assert c[0] == -1
    assert np.isnan(c[1])
