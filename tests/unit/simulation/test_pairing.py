import numpy as np
import pytest

from analysis.simulation.detector import DETECTOR, M_BPLUS
from analysis.simulation.generator import Particles
from analysis.simulation.kinematics import boost, mass, norm, random_rotations, rotate
from analysis.simulation.pairing import b_velocities, frames, place


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
