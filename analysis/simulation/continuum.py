"""Candidates of e⁺e⁻ → qq̄ and τ⁺τ⁻.

Every generated event is used several times: turned at random about the beam axis and measured anew.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.basf2 import SampleType
from analysis.simulation.bbbar import Side, assembled, finished, may_hold_candidate
from analysis.simulation.generator import NO_TAG, Pool, is_charged_stable
from analysis.simulation.jagged import Floats, Ints, count
from analysis.simulation.pools import make_decays, renumbered
from analysis.simulation.rows import Rows, stack

MAX_CHARGED = 10  # true charged particles: eight tracks and two lost ones
MIN_CHARGED = 4
BATCH = 10_000


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
    charged = is_charged_stable(pool.particles.pdg)
    n_charged = count(pool.particles.event, n, charged)
    useful = np.flatnonzero((n_charged >= MIN_CHARGED) & (n_charged <= MAX_CHARGED))
    parents = np.repeat(useful, rotations)
    mc_events = n * rotations
    return stack(list(_batches(kind, pool, parents, rng)), mc_events)


def _batches(kind: SampleType, pool: Pool, parents: Ints, rng: np.random.Generator) -> Iterator[Rows]:
    for start in range(0, max(len(parents), 1), BATCH):
        batch = parents[start : start + BATCH]
        n = len(batch)
        side = Side(pool, batch, about_z(rng, n), np.zeros((3, n)), np.ones(n, dtype=np.int64), 0)
        tracks = side.measure(rng)
        good = np.flatnonzero(may_hold_candidate(tracks, n))
        m = len(good)
        events = assembled(
            [renumbered(tracks, good, n)], [side.clusters(good, rng)], np.full((2, m), NO_TAG), m, rng
        )
        parent = batch[good]
        rows = finished(
            events, np.zeros((2, m), dtype=bool), np.ones(m), parent, parent, pool.q2[parent], kind, rng
        )
        yield rows.shifted(start)


def about_z(rng: np.random.Generator, n: int) -> Floats:
    """Return rotations about the beam axis, (3, 3, n)."""
    phi = rng.uniform(-np.pi, np.pi, n)
    zero, one = np.zeros(n), np.ones(n)
    return np.array(
        [[np.cos(phi), -np.sin(phi), zero], [np.sin(phi), np.cos(phi), zero], [zero, zero, one]]
    )
