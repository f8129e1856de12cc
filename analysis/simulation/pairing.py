"""Factorised BB̄ events: decays of two B mesons, made once, turned at random, paired and carried to the laboratory.

A B meson has spin 0: it decays isotropically in its rest frame, independently of the other one. So a decay may be
turned at random and paired with any other decay, and each pair is a new event (Υ(4S) fixes only that the two fly back
to back).
"""

from __future__ import annotations

import numpy as np

from analysis.simulation.detector import DETECTOR, M_BPLUS
from analysis.simulation.generator import Particles, conjugate
from analysis.simulation.jagged import Floats, Ints
from analysis.simulation.kinematics import boost, direction, rotate

MASS = M_BPLUS  # of both mesons: they differ by 0.3 MeV


def b_velocities(rng: np.random.Generator, n: int) -> Floats:
    """Return velocities (3, n) of B mesons in the centre of mass, as a vector decays to scalars: 1 - cos²θ.

    θ is the angle to the beams.
    """
    cos_theta = 2 * rng.beta(2, 2, n) - 1
    return np.asarray(speed() * direction(cos_theta, rng.uniform(-np.pi, np.pi, n)))


def speed() -> float:
    """Return the speed of B mesons in the centre of mass, in units of c."""
    energy = DETECTOR.beams.sqrt_s / 2
    return float(np.sqrt(energy**2 - MASS**2) / energy)


def frames(rotation: Floats, velocity: Floats) -> Floats:
    """Return the Lorentz transformations from the rest frames of turned B mesons to the laboratory, (4, 4, n).

    Parameters
    ----------
    rotation : (3, 3, n)
    velocity : (3, n)
        Of the B in the centre of mass.
    """
    n = rotation.shape[-1]
    result = np.empty((4, 4, n))
    for axis in range(4):
        unit = np.zeros((4, n))
        unit[axis] = 1.0
        result[:, axis] = boost(boost(rotate(unit, rotation), velocity), DETECTOR.beams.beta)
    return result


def carried(p: Floats, owner: Ints, frame: Floats) -> Floats:
    """Carry four-vectors (4, n_particles) from rest frames to the laboratory; see `place`."""
    n = frame.shape[-1]
    matrix = np.take(frame.reshape(16, n), owner, axis=1).reshape(4, 4, -1)
    return np.asarray(np.einsum("ijn,jn->in", matrix, p))


def place(particles: Particles, owner: Ints, frame: Floats, turn: Ints, *, vertices: bool = True) -> Particles:
    """Carry particles from rest frames to the laboratory.

    Parameters
    ----------
    particles
        In their B's rest frame.
    owner : (n_particles,) int64
        Event of every particle, rising.
    frame : (4, 4, n)
        Of every event; see `frames`.
    turn : (n,) int64
        -1 where the decay is replaced by its CP conjugate, else 1.
    vertices
        False: places of production are not needed, and come back as NaN.
    """
    pdg, mother = particles.pdg, particles.mother
    if np.any(turn < 0):
        flip = turn[owner] < 0
        pdg, mother = np.where(flip, conjugate(pdg), pdg), np.where(flip, conjugate(mother), mother)
    p = carried(particles.p, owner, frame)
    x = carried(particles.x, owner, frame) if vertices else np.broadcast_to(np.nan, p.shape)
    return Particles(owner, pdg, mother, particles.vee, particles.role, p, x)
