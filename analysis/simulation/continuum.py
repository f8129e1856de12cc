"""Candidates of e⁺e⁻ → qq̄ and τ⁺τ⁻.

Every generated event is used several times: turned at random about the beam axis and measured anew; the likelier it
gives a candidate, the more often (with smaller weights). In events without a fast true lepton a hadron is made to
pass as one, with its probability as weight: light quarks give semileptonic tags by misidentification alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.basf2 import SampleType
from analysis.simulation.bbbar import Origin, Side, assembled, finished, may_hold_candidate
from analysis.simulation.generator import NO_TAG, Generator, Pool
from analysis.simulation.jagged import Ints
from analysis.simulation.kinematics import about_z
from analysis.simulation.pairing import frames
from analysis.simulation.pools import batches, renumbered
from analysis.simulation.prospects import Contents, event_prospects, thinned, uses
from analysis.simulation.response import with_fake_lepton
from analysis.simulation.rows import Rows, stack
from analysis.simulation.tags import LEPTON_P_STAR

BATCH = 10_000
# Uses of the most promising events per rotation asked for: almost all have worse prospects
USES = 1


def simulate(kind: SampleType, n: int, rotations: int, seed: int, rng: np.random.Generator) -> Rows:
    """Return the candidates of one chunk.

    Parameters
    ----------
    kind
        A continuum sample.
    n
        Generated events.
    rotations
        How often an event with a lepton, two kaons and little else is used.
    seed
        PYTHIA's.
    rng
        All other randomness.
    """
    generator = Generator(kind.value, seed)
    parts, first, start = [], 0, 0
    for size in batches(n):
        for part in _uses(kind, generator.batch(size), rotations, first, rng):
            parts.append(part.shifted(start))
            start += BATCH
        first += size
    return stack(parts, n * rotations * USES)


def _uses(kind: SampleType, pool: Pool, rotations: int, first: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Use every event as often as its prospects tell; ``first`` is the number of the pool's first event."""
    contents = Contents.of(pool)
    any_lepton = np.ones(len(pool), dtype=bool)
    prospects = event_prospects(contents.charged, any_lepton, contents.plus & contents.minus, contents.energy)
    rotations = rotations * USES
    number, unit = uses(prospects * rotations, rng)
    parents = np.repeat(np.arange(len(pool)), number)
    for start in range(0, max(len(parents), 1), BATCH):
        batch = parents[start : start + BATCH]
        n = len(batch)
        side = Side(pool, batch, frames(about_z(rng, n), np.zeros((3, n))), np.ones(n, dtype=np.int64), 0)
        tracks, fake = with_fake_lepton(side.measure(rng), n, LEPTON_P_STAR, rng)
        good, weight = thinned(may_hold_candidate(tracks, n), rotations * unit[batch] * fake, rng)
        m = len(good)
        events = assembled(renumbered(tracks, good, n), [side.clusters(good, rng)], np.full((2, m), NO_TAG), m, rng)
        parent = batch[good]
        origin = alone(first + parent)
        yield finished(events, np.zeros((2, m), dtype=bool), weight, origin, kind, rng)


def alone(parent: Ints) -> Origin:
    """Return the origin of continuum events: one parent, no B."""
    n = len(parent)
    return Origin(parent, np.full(n, -1), np.zeros(n), np.zeros((2, n), dtype=np.int64))
