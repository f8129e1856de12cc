"""Candidates of e⁺e⁻ → qq̄ and τ⁺τ⁻.

Every generated event is used several times: turned at random about the beam axis and measured anew; the likelier it
gives a candidate, the more often (with smaller weights). Where there is no fast true lepton, or no kaon beside it, a
hadron is made to pass as one, with its probability as weight (`response.fakes`): light quarks give
semileptonic tags by misidentification alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.basf2 import SampleType
from analysis.simulation.bbbar import Origin, assembled, finished
from analysis.simulation.detector import DETECTOR, M_PI, Beams
from analysis.simulation.generator import Generator, Pool
from analysis.simulation.jagged import Floats, Ints, merged, renumbered
from analysis.simulation.kinematics import about_z, boost, fox_wolfram_r2, with_mass
from analysis.simulation.pairing import frames
from analysis.simulation.pools import batches
from analysis.simulation.prospects import Contents, continuum_prospects, shape_prospects, thinned, uses
from analysis.simulation.response import with_fake_kaon, with_fake_lepton
from analysis.simulation.rows import Rows, numbered, stack
from analysis.simulation.sides import Begun, Side, together
from analysis.simulation.tags import LEPTON_P_STAR, tag_lepton
from analysis.simulation.triage import may_hold_candidate

BATCH = 10_000
MAX_WEIGHT = 8.0  # above which nothing is thinned; rows of the signal region weigh about one or less
# Uses of an event of prospects one, per rotation asked for
USES = 0.3
# Uses that stand for a generated event, since likely ones are used more often
GAIN = 100


def simulate(
    kind: SampleType, n: int, rotations: int, seed: int, rng: np.random.Generator, beams: Beams = DETECTOR.beams
) -> Rows:
    """Return the candidates of one chunk.

    Parameters
    ----------
    kind
        A continuum sample.
    n
        Generated events.
    rotations
        How often an event with a lepton, two kaons and little else is used, times `USES`.
    seed
        PYTHIA's.
    rng
        All other randomness.
    beams
        On or off resonance.
    """
    generator = Generator(kind.value, seed, beams.sqrt_s)

    def made() -> Iterator[Rows]:
        first = 0
        for size in batches(n):
            yield from _uses(kind, generator.batch(size), rotations, first, beams, rng)
            first += size

    return stack(numbered(made()), n * rotations * GAIN)


def _uses(
    kind: SampleType, pool: Pool, rotations: int, first: int, beams: Beams, rng: np.random.Generator
) -> Iterator[Rows]:
    """Use every event as often as its prospects tell; ``first`` is the number of the pool's first event."""
    contents = Contents.of(pool)
    kaon_charges = contents.plus.astype(int) + contents.minus.astype(int)
    prospects = continuum_prospects(contents.charged, contents.lepton, kaon_charges, contents.energy)
    number, unit = uses(prospects * rotations * USES * np.sqrt(np.minimum(pool.weight, 1.0)), rng)
    unit = unit * pool.weight
    parents = np.repeat(np.arange(len(pool)), number)

    def begun() -> Iterator[Begun]:
        for start in range(0, max(len(parents), 1), BATCH):
            batch = parents[start : start + BATCH]
            n = len(batch)
            # both energies of the beams change alike: the frame of the centre of mass is the same off resonance
            side = Side(pool, batch, frames(about_z(rng, n), np.zeros((3, n))), np.ones(n, dtype=np.int64), 0)
            yield begun_with_fakes((side,), rotations * GAIN * unit[batch], rng)

    for events in together(begun()):
        yield finished_continuum(events, first + events.sides[0].parents, kind, beams, rng)


def begun_with_fakes(sides: tuple[Side, ...], weight: Floats, rng: np.random.Generator) -> Begun:
    """Measure the tracks of events; where only fakes make a candidate, there are fakes."""
    n = len(weight)
    tracks = merged([side.measure(side.detect(rng), rng) for side in sides])
    tracks, fake_lepton = with_fake_lepton(tracks, n, LEPTON_P_STAR, rng)
    tracks, fake_kaon = with_fake_kaon(tracks, tracks.clean & tag_lepton(tracks), n, rng)
    clean = tracks.clean
    p = boost(with_mass(tracks.p[:, clean], M_PI), -DETECTOR.beams.beta)
    chance = may_hold_candidate(tracks, n) * shape_prospects(fox_wolfram_r2(p[:3], tracks.event[clean], n))
    kept, weight = thinned(chance, weight * fake_lepton * fake_kaon, MAX_WEIGHT, rng)
    return Begun(
        tuple(side.select(kept) for side in sides), renumbered(tracks, kept, n), weight, np.full(len(kept), -1)
    )


def finished_continuum(begun: Begun, parent: Ints, kind: SampleType, beams: Beams, rng: np.random.Generator) -> Rows:
    """Add the clusters to events without B mesons, and build their candidates."""
    n, sides = len(begun), begun.sides
    truth = np.array([side.truth for side in sides])
    events = assembled(begun.tracks, [side.clusters(rng) for side in sides], truth, n, rng, beams)
    return finished(events, begun.weight, alone(parent, sides), kind, rng)


def alone(parent: Ints, sides: tuple[Side, ...]) -> Origin:
    """Return the origin of continuum events: one parent, no B."""
    n = len(parent)
    chains = tuple(side.chain for side in sides)
    return Origin(parent, np.full(n, -1), np.zeros(n), np.zeros((2, n), dtype=np.int64), chains)
