"""Candidates of e⁺e⁻ → cc̄, factorised: events with undecayed charmed hadrons, and a pool of decays for each hadron.

A tag from cc̄ is mostly a real D⁰ of one quark with a lepton from the decay of the other. Charmed mesons have spin 0
(and the Λ_c's polarisation is neglected), so their decays are made once at rest, turned at random, and drawn anew for
every use of an event: drawing costs nothing beside generating. Draws that can hardly give a candidate are thinned,
with weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from analysis.basf2 import SampleType
from analysis.simulation.continuum import begun_with_lepton, finished_continuum
from analysis.simulation.generator import CHARM, Generator, Pool, joined
from analysis.simulation.jagged import Bools, Floats, Ints, count, offsets
from analysis.simulation.kinematics import about_z, mass, random_rotations, rotate
from analysis.simulation.pairing import frames
from analysis.simulation.pools import batches, make_decays
from analysis.simulation.prospects import Contents, decay_prospects, event_prospects, fragmentation_prospects, thinned
from analysis.simulation.rows import Rows, numbered, stack
from analysis.simulation.sides import Begun, Side, together

BATCH = 10_000
DRAW_BATCH = 500_000
# Uses of an event per rotation asked for: most are thinned away before any particle is touched
DRAWS = 1
# Generated events that one draw stands for, since likely ones are drawn more often
GAIN = 50
LEPTON_P_MIN = 0.3  # in the charmed hadron's rest frame, GeV
SHARES = {"D0": 0.25, "D+": 0.15, "Ds+": 0.08, "Lc+": 0.02}  # of the decays; the rest are events
SKELETON = 0.5
_PDG_OF = np.array(list(CHARM.values()))


@dataclass(frozen=True)
class Sources:
    """What a chunk of cc̄ is made of.

    Attributes
    ----------
    events
        Events without their charmed hadrons.
    momentum : (4, m) float64
        Four-momenta of the charmed hadrons, centre of mass; those of event ``usable[i]`` are number 2 i and 2 i + 1.
    boost : (m,) float64
        Their γ.
    species, sign : (m,) int64
        Index in `CHARM` and sign of their PDG codes.
    decays
        Decays at rest, in the order of `CHARM`, one after the other.
    start : (5,) int64
        Where each species' decays begin.
    usable : (k,) int64
        Events with exactly two charmed hadrons of `CHARM` and few enough other particles.
    """

    events: Pool
    momentum: Floats
    boost: Floats
    species: Ints
    sign: Ints
    decays: Pool
    start: Ints
    usable: Ints


def make_sources(n: int, seeds: Ints) -> Sources:
    """Generate the events and decays of a chunk from n generator calls; ``seeds`` (2,) are PYTHIA's."""
    whole = make_decays("ccbar stable", max(round(n * SKELETON), 100), int(seeds[0]))
    generator = Generator("D0", int(seeds[1]))
    pools = [
        joined([generator.other(name).batch(size) for size in batches(max(round(n * SHARES[name]), 100))])
        for name in CHARM
    ]
    charmed = np.isin(np.abs(whole.particles.pdg), _PDG_OF)
    hadrons = whole.particles.select(charmed)
    rest = whole.particles.select(~charmed)
    events = replace(whole, particles=rest, first=offsets(count(rest.event, len(whole))))
    two = count(hadrons.event, len(whole)) == 2
    hadrons = hadrons.select(two[hadrons.event])
    species = np.argmax(np.abs(hadrons.pdg)[:, None] == _PDG_OF[None, :], axis=1)
    gamma = hadrons.p[3] / mass(hadrons.p)
    return Sources(
        events, hadrons.p, gamma, species, np.sign(hadrons.pdg).astype(np.int64), joined(pools),
        offsets(np.array([len(pool) for pool in pools])), np.flatnonzero(two),
    )  # fmt: skip


def simulate(n: int, rotations: int, seeds: Ints, rng: np.random.Generator) -> Rows:
    """Return the candidates of one chunk.

    Parameters
    ----------
    n
        Generated events and decays.
    rotations
        Draws per generated event, times `DRAWS`.
    seeds : (2,) int64
        PYTHIA's.
    rng
        All other randomness.
    """
    sources = make_sources(n, seeds)
    n_draws = len(sources.events) * rotations * DRAWS
    mc_events = n_draws * GAIN

    def made() -> Iterator[Rows]:
        for draw in _draws(sources, n_draws, rng):
            for events in together(_begun(sources, draw, rng)):
                # that of the events without their charmed hadrons
                yield finished_continuum(events, events.sides[0].parents, SampleType.CCBAR, rng)

    return stack(list(numbered(made())), mc_events)


@dataclass(frozen=True)
class _Draw:
    """Events (places in ``usable``) with a decay for each of their two hadrons, and weights."""

    event: Ints
    decay: tuple[Ints, Ints]
    weight: Floats


def _draws(sources: Sources, n_draws: int, rng: np.random.Generator) -> Iterator[_Draw]:
    """Draw events and decays, likely ones more often, and thin them; weights are relative to `GAIN` times the draws."""
    skeleton = Contents.of(sources.events)
    decay = Contents.of(sources.decays, LEPTON_P_MIN)
    turned = {sign: _signed(decay, sign) for sign in (1, -1)}
    events = _Sampler(fragmentation_prospects(skeleton)[sources.usable], len(sources.events))
    of_species = [
        _Sampler(decay_prospects(decay)[start:stop], stop - start) for start, stop in itertools.pairwise(sources.start)
    ]
    for n in batches(n_draws, DRAW_BATCH):
        event, weight = events.draw(n, rng)
        weight = weight * GAIN
        at = sources.usable[event]
        charged = skeleton.charged[at].copy()
        lepton, plus, minus = skeleton.lepton[at], skeleton.plus[at], skeleton.minus[at]
        energy = skeleton.energy[at].copy()
        decays = []
        for which in (0, 1):
            hadron = 2 * event + which
            species, anti = sources.species[hadron], sources.sign[hadron] < 0
            j = np.zeros(n, dtype=np.int64)
            for number, sampler in enumerate(of_species):
                mine = np.flatnonzero(species == number)
                chosen, factor = sampler.draw(len(mine), rng)
                j[mine] = sources.start[number] + chosen
                weight[mine] *= factor
            decays.append(j)
            charged += decay.charged[j]
            energy += decay.energy[j] * sources.boost[hadron]
            lepton = lepton | decay.lepton[j]
            plus = plus | np.where(anti, turned[-1][0][j], turned[1][0][j])
            minus = minus | np.where(anti, turned[-1][1][j], turned[1][1][j])
        keep, weight = thinned(event_prospects(charged, lepton, plus & minus, energy), weight, rng)
        yield _Draw(event[keep], (decays[0][keep], decays[1][keep]), weight)


class _Sampler:
    """Draws items with given importance; a weight is the probability of a random item over that of the draw."""

    def __init__(self, importance: Floats, population: int) -> None:
        self._running = np.cumsum(importance)
        self._weight = np.divide(
            self._running[-1] / population, importance, out=np.zeros(len(importance)), where=importance > 0
        )

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
        """Return n items and their weights."""
        chosen = np.searchsorted(self._running, rng.random(n) * self._running[-1], side="right")
        return chosen, self._weight[chosen]


def _signed(contents: Contents, sign: int) -> tuple[Bools, Bools]:
    return (contents.plus, contents.minus) if sign > 0 else (contents.minus, contents.plus)


def _begun(sources: Sources, draw: _Draw, rng: np.random.Generator) -> Iterator[Begun]:
    for start in range(0, len(draw.event), BATCH):
        part = slice(start, start + BATCH)
        event = draw.event[part]
        n = len(event)
        turn = about_z(rng, n)
        parent = sources.usable[event]
        sides = [Side(sources.events, parent, frames(turn, np.zeros((3, n))), np.ones(n, dtype=np.int64), 0)]
        for which in (0, 1):
            hadron = 2 * event + which
            p = sources.momentum[:, hadron]
            velocity = rotate(p, turn)[:3] / p[3]
            frame = frames(random_rotations(rng, n), velocity)
            sides.append(Side(sources.decays, draw.decay[which][part], frame, sources.sign[hadron], which + 1))
        yield begun_with_lepton(tuple(sides), draw.weight[part], rng)
