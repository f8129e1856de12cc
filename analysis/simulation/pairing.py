"""Factorised BB̄ events: decays of two B mesons, made once, turned at random, paired and carried to the laboratory.

A B meson has spin 0: it decays isotropically in its rest frame, independently of the other one. So a decay may be
turned at random and paired with any other decay, and each pair is a new event (Υ(4S) fixes only that the two fly back
to back). Pairs are made inside blocks: rows of different blocks share no decay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.simulation.detector import DETECTOR, M_BPLUS
from analysis.simulation.generator import Particles, Pool, conjugate
from analysis.simulation.jagged import Bools, Floats, Ints, count
from analysis.simulation.kinematics import boost, direction, norm, rotate

MASS = M_BPLUS  # of both mesons: they differ by 0.3 MeV


def b_velocities(rng: np.random.Generator, n: int) -> Floats:
    """Return velocities (3, n) of B mesons in the centre of mass, as a vector decays to scalars: 1 - cos²θ.

    θ is the angle to the beams.
    """
    energy = DETECTOR.beams.sqrt_s / 2
    speed = np.sqrt(energy**2 - MASS**2) / energy
    cos_theta = 2 * rng.beta(2, 2, n) - 1
    return np.asarray(speed * direction(cos_theta, rng.uniform(-np.pi, np.pi, n)))


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


def place(particles: Particles, owner: Ints, frame: Floats, turn: Ints) -> Particles:
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
    """
    n = frame.shape[-1]
    matrix = np.take(frame.reshape(16, n), owner, axis=1).reshape(4, 4, -1)
    pdg, mother = particles.pdg, particles.mother
    if np.any(turn < 0):
        flip = turn[owner] < 0
        pdg, mother = np.where(flip, conjugate(pdg), pdg), np.where(flip, conjugate(mother), mother)
    return Particles(
        owner,
        pdg,
        mother,
        particles.vee,
        particles.role,
        np.einsum("ijn,jn->in", matrix, particles.p),
        np.einsum("ijn,jn->in", matrix, particles.x),
    )


def blocks_of(n: int, n_blocks: int) -> Ints:
    """Return the block of each of n parents, in equal shares."""
    return np.arange(n) * n_blocks // max(n, 1)


def pair_with_tags(others: Ints, other_block: Ints, n_tags: int, n_blocks: int, rng: np.random.Generator) -> Ints:
    """Return a tag for every other decay: of the same block, and used again only when the block's tags are used up.

    Parameters
    ----------
    others : (n,) int64
        Decays in the order of use, with repetition.
    other_block : (n,) int64
        Their blocks.
    n_tags
        Number of tags, shared among the blocks by `blocks_of`.
    """
    tag_block = blocks_of(n_tags, n_blocks)
    result = np.empty(len(others), dtype=np.int64)
    for block in range(n_blocks):
        tags = np.flatnonzero(tag_block == block)
        where = np.flatnonzero(other_block == block)
        passes = [rng.permutation(tags) for _ in range(-(-len(where) // len(tags)))] if len(where) else [tags[:0]]
        result[where] = np.concatenate(passes)[: len(where)]
    return result


# How often pairs without a true lepton, or without true kaons of both charges, are drawn relative to pairs with them.
# Such events make a candidate only by misidentification.
IMPORTANCE = {(True, True): 1.0, (True, False): 0.3, (False, True): 0.05, (False, False): 0.015}
# The same for the number of true charged particles: the signal region has four or six tracks, more need lost ones.
IMPORTANCE_CHARGED = {7: 0.35, 8: 0.35, 9: 0.35}
LEPTON_P_MIN = 0.9  # in the B's rest frame, GeV
KAON_P_MIN = 0.2
MIN_CHARGED = 4
MAX_CHARGED = 9  # true charged particles of a pair worth looking at: seven tracks and two lost ones


@dataclass(frozen=True)
class Contents:
    """What a decay offers to a wrong tag, per parent: a fast lepton, kaons of either charge, charged multiplicity."""

    lepton: Bools
    plus: Bools
    minus: Bools
    charged: Ints

    @classmethod
    def of(cls, pool: Pool, lepton_p_min: float = LEPTON_P_MIN) -> Contents:
        """Return the contents of all decays of a pool; leptons below ``lepton_p_min`` (GeV, at rest) do not count."""
        q, n = pool.particles, len(pool)
        kind, p = np.abs(q.pdg), norm(q.p)
        lepton = ((kind == 11) | (kind == 13)) & (p > lepton_p_min)
        kaon = p > KAON_P_MIN
        charged = np.isin(kind, (11, 13, 211, 321, 2212)) & (p > 0.05)
        return cls(
            count(q.event, n, lepton) > 0,
            count(q.event, n, kaon & (q.pdg == 321)) > 0,
            count(q.event, n, kaon & (q.pdg == -321)) > 0,
            np.minimum(count(q.event, n, charged), MAX_CHARGED + 1),
        )

    def key(self, turn: int) -> Ints:
        """Return one number per parent that holds all of it, for the decay or (turn = -1) its CP conjugate."""
        plus, minus = (self.plus, self.minus) if turn > 0 else (self.minus, self.plus)
        return ((self.charged * 2 + self.lepton) * 2 + plus) * 2 + minus


N_KEYS = (MAX_CHARGED + 2) * 8


def draw_wrong_pairs(
    keys: tuple[Ints, Ints], members: tuple[Ints, Ints], n_draws: int, rng: np.random.Generator
) -> tuple[Ints, Ints, Floats]:
    """Draw pairs of decays that may give a tag of wrongly combined particles, more often the likelier they do.

    Parameters
    ----------
    keys
        `Contents.key` of the members of either side.
    members
        Parents of either side, all of one block.
    n_draws
        Number of pairs.

    Returns
    -------
    first, second : (n_draws,) int64
        Parents.
    weight : (n_draws,) float64
        Probability of a random pair to be such a pair, over the probability of the draw: the mean of ``weight`` times
        a yes-or-no is the probability of "yes" for a random pair.
    """
    n = [np.bincount(key, minlength=N_KEYS) for key in keys]
    index = np.arange(N_KEYS)
    charged, lepton, plus, minus = index // 8, index // 4 % 2 > 0, index // 2 % 2 > 0, index % 2 > 0
    probability = np.outer(n[0] / len(keys[0]), n[1] / len(keys[1]))
    any_lepton = lepton[:, None] | lepton[None, :]
    both = (plus[:, None] | plus[None, :]) & (minus[:, None] | minus[None, :])
    importance = np.select(
        [any_lepton & both, any_lepton, both],
        [IMPORTANCE[True, True], IMPORTANCE[True, False], IMPORTANCE[False, True]],
        IMPORTANCE[False, False],
    )
    number = charged[:, None] + charged[None, :]
    importance = importance * (number <= MAX_CHARGED) * (number >= MIN_CHARGED)
    for n_charged, factor in IMPORTANCE_CHARGED.items():
        importance = np.where(number == n_charged, importance * factor, importance)
    drawn = probability * importance
    sum_drawn = drawn.sum()
    if n_draws == 0 or sum_drawn == 0:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, np.zeros(0)
    cell = rng.choice(N_KEYS * N_KEYS, size=n_draws, p=(drawn / sum_drawn).ravel())
    parents = [
        _random_member(keys[side], members[side], n[side], key, rng)
        for side, key in ((0, cell // N_KEYS), (1, cell % N_KEYS))
    ]
    return parents[0], parents[1], sum_drawn / importance.ravel()[cell]


def _random_member(key: Ints, members: Ints, n: Ints, wanted: Ints, rng: np.random.Generator) -> Ints:
    order = np.argsort(key, kind="stable")
    start = np.cumsum(n) - n
    return np.asarray(members[order[start[wanted] + rng.integers(0, n[wanted])]])
