"""Candidates of e⁺e⁻ → qq̄ and τ⁺τ⁻.

Every generated event is used several times: turned at random about the beam axis and measured anew; the likelier it
gives a candidate, the more often (with smaller weights). In events without a fast true lepton a hadron is made to
pass as one, with its probability as weight: light quarks give semileptonic tags by misidentification alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.basf2 import SampleType
from analysis.simulation.bbbar import Origin, assembled, finished
from analysis.simulation.generator import Generator, Pool
from analysis.simulation.jagged import Floats, Ints
from analysis.simulation.kinematics import about_z
from analysis.simulation.pairing import frames
from analysis.simulation.pools import batches, merged, renumbered
from analysis.simulation.prospects import Contents, event_prospects, thinned, uses
from analysis.simulation.response import with_fake_lepton
from analysis.simulation.rows import Rows, numbered, stack
from analysis.simulation.sides import Begun, Side, together
from analysis.simulation.tags import LEPTON_P_STAR
from analysis.simulation.triage import may_hold_candidate

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

    def made() -> Iterator[Rows]:
        first = 0
        for size in batches(n):
            yield from _uses(kind, generator.batch(size), rotations, first, rng)
            first += size

    return stack(list(numbered(made())), n * rotations * USES)


def _uses(kind: SampleType, pool: Pool, rotations: int, first: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Use every event as often as its prospects tell; ``first`` is the number of the pool's first event."""
    contents = Contents.of(pool)
    any_lepton = np.ones(len(pool), dtype=bool)
    prospects = event_prospects(contents.charged, any_lepton, contents.plus & contents.minus, contents.energy)
    rotations = rotations * USES
    number, unit = uses(prospects * rotations, rng)
    parents = np.repeat(np.arange(len(pool)), number)

    def begun() -> Iterator[Begun]:
        for start in range(0, max(len(parents), 1), BATCH):
            batch = parents[start : start + BATCH]
            n = len(batch)
            side = Side(pool, batch, frames(about_z(rng, n), np.zeros((3, n))), np.ones(n, dtype=np.int64), 0)
            yield begun_with_lepton((side,), rotations * unit[batch], rng)

    for events in together(begun()):
        yield finished_continuum(events, first + events.sides[0].parents, kind, rng)


def begun_with_lepton(sides: tuple[Side, ...], weight: Floats, rng: np.random.Generator) -> Begun:
    """Measure the tracks of events, a fast hadron of which passes as lepton where there is none."""
    n = len(weight)
    measured = merged([side.measure(side.detect(rng), rng) for side in sides])
    tracks, fake = with_fake_lepton(measured, n, LEPTON_P_STAR, rng)
    kept, weight = thinned(may_hold_candidate(tracks, n), weight * fake, rng)
    return Begun(
        tuple(side.select(kept) for side in sides), renumbered(tracks, kept, n), weight, np.full(len(kept), -1)
    )


def finished_continuum(begun: Begun, parent: Ints, kind: SampleType, rng: np.random.Generator) -> Rows:
    """Add the clusters to events without B mesons, and build their candidates."""
    n, sides = len(begun), begun.sides
    truth = np.array([side.truth for side in sides])
    events = assembled(begun.tracks, [side.clusters(rng) for side in sides], truth, n, rng)
    return finished(events, begun.weight, alone(parent, sides), kind, rng)


def alone(parent: Ints, sides: tuple[Side, ...]) -> Origin:
    """Return the origin of continuum events: one parent, no B."""
    n = len(parent)
    chains = tuple(side.chain for side in sides)
    return Origin(parent, np.full(n, -1), np.zeros(n), np.zeros((2, n), dtype=np.int64), chains)
