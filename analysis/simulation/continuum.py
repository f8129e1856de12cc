"""Candidates of e⁺e⁻ → qq̄ and τ⁺τ⁻.

Every generated event is used several times: turned at random about the beam axis and measured anew; the likelier it
gives a candidate, the more often (with smaller weights). In events without a fast true lepton a hadron is made to
pass as one, with its probability as weight: light quarks give semileptonic tags by misidentification alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.basf2 import SampleType
from analysis.simulation.bbbar import Side, assembled, finished, may_hold_candidate
from analysis.simulation.generator import NO_TAG, Pool
from analysis.simulation.jagged import Floats, Ints
from analysis.simulation.kinematics import about_z
from analysis.simulation.pairing import MAX_CHARGED, MIN_CHARGED, Contents, frames
from analysis.simulation.pools import make_decays, renumbered
from analysis.simulation.response import with_fake_lepton
from analysis.simulation.rows import Rows, stack
from analysis.simulation.tags import LEPTON_P_STAR

BATCH = 10_000
# How many times more often events are used that hold (a fast lepton, kaons of both charges).
ROTATIONS = {(True, True): 8, (True, False): 2, (False, True): 4, (False, False): 1}


def simulate(kind: SampleType, n: int, rotations: int, seed: int, rng: np.random.Generator) -> Rows:
    """Return the candidates of one chunk.

    Parameters
    ----------
    kind
        A continuum sample.
    n
        Generated events.
    rotations
        How often each is used.
    seed
        PYTHIA's.
    rng
        All other randomness.
    """
    pool = make_decays(kind.value, n, seed)
    times = _rotations(pool, rotations)
    parents = np.repeat(np.arange(n), times)
    weight = np.divide(rotations, times, out=np.zeros(n), where=times > 0)
    return stack(list(_batches(kind, pool, parents, weight, rng)), n * rotations)


def _rotations(pool: Pool, rotations: int) -> Ints:
    """Return how often every event is used: the likelier a candidate, the more often."""
    contents = Contents.of(pool)
    both = contents.plus & contents.minus
    factor = np.select(
        [contents.lepton & both, contents.lepton, both],
        [ROTATIONS[True, True], ROTATIONS[True, False], ROTATIONS[False, True]],
        ROTATIONS[False, False],
    )
    useful = (contents.charged >= MIN_CHARGED) & (contents.charged <= MAX_CHARGED)
    return np.asarray(rotations * factor * useful)


def _batches(kind: SampleType, pool: Pool, parents: Ints, weight: Floats, rng: np.random.Generator) -> Iterator[Rows]:
    for start in range(0, max(len(parents), 1), BATCH):
        batch = parents[start : start + BATCH]
        n = len(batch)
        side = Side(pool, batch, frames(about_z(rng, n), np.zeros((3, n))), np.ones(n, dtype=np.int64), 0)
        tracks, fake = with_fake_lepton(side.measure(rng), n, LEPTON_P_STAR, rng)
        good = np.flatnonzero(may_hold_candidate(tracks, n))
        m = len(good)
        events = assembled([renumbered(tracks, good, n)], [side.clusters(good, rng)], np.full((2, m), NO_TAG), m, rng)
        parent = batch[good]
        rows = finished(
            events,
            np.zeros((2, m), dtype=bool),
            weight[parent] * fake[good],
            parent,
            parent,
            pool.q2[parent],
            kind,
            rng,
        )
        yield rows.shifted(start)
