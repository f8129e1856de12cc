"""Candidates of e⁺e⁻ → cc̄, factorised: events with undecayed charmed hadrons, and a pool of decays for each hadron.

A tag from cc̄ is mostly a real D⁰ of one quark with a lepton from the decay of the other. Charmed mesons have spin 0
(and the Λ_c's polarisation is neglected), so their decays are made once at rest, turned at random, and drawn anew for
every use of an event. Event and decays are drawn together, by what they hold in all: the likelier such an event is to
be selected, the more often, with smaller weight. Events without exactly two of these hadrons (2 %: Ξ_c, two pairs) are
left out.

Events and decays are cut into blocks, and drawn together within a block alone: rows of different blocks share nothing,
and folds keep blocks whole. Within a block events share decays: `analysis.sharing` counts them in errors of
templates, and pseudo-data tell how much that adds to their variance (`chunk.variance_over_mean`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from analysis.basf2 import SampleType
from analysis.simulation.continuum import begun_with_fakes, finished_continuum
from analysis.simulation.detector import DETECTOR, Beams
from analysis.simulation.generator import CHARM, Generator, Pool, joined
from analysis.simulation.jagged import Array, Floats, Ints, count, offsets
from analysis.simulation.kinematics import about_z, fox_wolfram_r2, random_rotations, rotate
from analysis.simulation.pairing import frames
from analysis.simulation.pools import batches
from analysis.simulation.prospects import Contents, continuum_prospects
from analysis.simulation.rows import Rows, numbered, stack
from analysis.simulation.sides import Begun, Side, together

BATCH = 10_000
N_BLOCKS = 20  # rows of different blocks share neither event nor decay
# Draws of an event of prospects one, per rotation asked for
DRAWS = 2.4
# Draws that stand for a generated event, since likely ones are drawn more often
GAIN = 160
LEPTON_P_MIN = 0.3  # in the charmed hadron's rest frame, GeV
SHARES = {"D0": 0.25, "D+": 0.15, "Ds+": 0.08, "Lc+": 0.02}  # of the decays; the rest are events
SKELETON = 0.5
# Classes of the photons' energy, GeV: upper edges and typical values; decays gain energy by their hadron's flight
ENERGY_EDGES, ENERGY = (0.02, 0.3, 0.7, 1.2, 1.8, 2.5), np.array([0.0, 0.15, 0.5, 0.95, 1.5, 2.1, 3.5])
FLIGHT = 1.3
# Classes of R2 of the generated particles, hadrons undecayed, and what they do to the prospects
SHAPE_EDGES, SHAPE = (0.4, 0.8), np.array([0.3, 1.0, 0.35])
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
    species, sign : (m,) int64
        Index in `CHARM` and sign of their PDG codes.
    decays
        Decays at rest, in the order of `CHARM`, one after the other.
    start : (5,) int64
        Where each species' decays begin.
    usable : (k,) int64
        Events with exactly two charmed hadrons of `CHARM`.
    shape : (k,) int64
        Their class of R2.
    """

    events: Pool
    momentum: Floats
    species: Ints
    sign: Ints
    decays: Pool
    start: Ints
    usable: Ints
    shape: Ints

    def block(self, event: Ints) -> Ints:
        """Return the block of events."""
        return _block(event, len(self.events))


def _block(item: Ints, n: int) -> Ints:
    """Return the block of items out of n: runs of neighbours, as long as one another give or take one."""
    return item * N_BLOCKS // n


def make_sources(n: int, seeds: Ints, beams: Beams = DETECTOR.beams) -> Sources:
    """Generate the events and decays of a chunk from n generator calls; ``seeds`` (2,) are PYTHIA's."""
    events_of = Generator("ccbar stable", int(seeds[0]), beams.sqrt_s)
    whole = joined([events_of.batch(size) for size in batches(max(round(n * SKELETON), 100))])
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
    usable = np.flatnonzero(two)
    r2 = fox_wolfram_r2(whole.particles.p[:3], whole.particles.event, len(whole))
    species = np.argmax(np.abs(hadrons.pdg)[:, None] == _PDG_OF[None, :], axis=1)
    return Sources(
        events, hadrons.p, species, np.sign(hadrons.pdg).astype(np.int64), joined(pools),
        offsets(np.array([len(pool) for pool in pools])), usable, np.searchsorted(SHAPE_EDGES, r2[usable]),
    )  # fmt: skip


def simulate(n: int, rotations: int, seeds: Ints, rng: np.random.Generator, beams: Beams = DETECTOR.beams) -> Rows:
    """Return the candidates of one chunk.

    Parameters
    ----------
    n
        Generated events and decays.
    rotations
        How often an event is drawn that holds, with its decays, a lepton, two kaons and little else, times `DRAWS`.
    seeds : (2,) int64
        PYTHIA's.
    rng
        All other randomness.
    beams
        On or off resonance.
    """
    sources = make_sources(n, seeds, beams)
    draw = draws(sources, rotations, rng)

    def made() -> Iterator[Rows]:
        for events in together(_begun(sources, draw, rng)):
            rest, *hadrons = events.sides
            rows = finished_continuum(events, rest.parents, SampleType.CCBAR, beams, rng)
            # beyond the numbers of events
            decays = len(sources.events) + np.column_stack([hadron.parents[rows.event] for hadron in hadrons])
            yield replace(rows, block=sources.block(rows.parent), partner=decays)

    return stack(numbered(made()), len(sources.events) * rotations * GAIN)


@dataclass(frozen=True)
class Draw:
    """Events (places in ``usable``) with a decay for each of their two hadrons, and weights.

    The weights of those that have a property, over rotations times `GAIN`, add up to the number of events that have it,
    on average over the block's decays (if it is not one of those never looked at).
    """

    event: Ints
    decay: tuple[Ints, Ints]
    weight: Floats


class _Classes:
    """Items sorted into classes of equal labels.

    Attributes
    ----------
    labels : (k, n_classes) int64
    size : (n_classes,) int64
        Items in each class.
    """

    def __init__(self, items: Ints, *labels: Array) -> None:
        self.labels, member = np.unique(np.array(labels, dtype=np.int64), axis=1, return_inverse=True)
        self._order = items[np.argsort(member.ravel(), kind="stable")]
        self.size = np.bincount(member.ravel(), minlength=self.labels.shape[1])
        self._first = offsets(self.size)

    @property
    def share(self) -> Floats:
        """Share of the items in each class."""
        return np.asarray(self.size / self.size.sum())

    def draw(self, number: Ints, rng: np.random.Generator) -> Ints:
        """Return a random member of each of the classes given."""
        return np.asarray(self._order[self._first[number] + (rng.random(len(number)) * self.size[number]).astype(int)])


@dataclass(frozen=True)
class _Block:
    """What is drawn from together: events, by place in ``usable``, and the decays of each species of hadrons."""

    events: _Classes
    decays: tuple[_Classes, ...]


def _blocks(sources: Sources) -> Iterator[_Block]:
    """Sort events and decays: by block, and by what decides their prospects."""
    of_events, of_decays = Contents.of(sources.events), Contents.of(sources.decays, LEPTON_P_MIN)
    event_block = sources.block(sources.usable)
    pools = [np.arange(start, stop) for start, stop in itertools.pairwise(sources.start)]
    for number in range(N_BLOCKS):
        own = [pool[_block(np.arange(len(pool)), len(pool)) == number] for pool in pools]
        yield _Block(
            _event_classes(sources, of_events, np.flatnonzero(event_block == number)),
            tuple(_decay_classes(of_decays, decays) for decays in own),
        )


def _decay_classes(contents: Contents, decays: Ints) -> _Classes:
    """Sort decays of one species: particles, class of energy, lepton, K⁺, K⁻."""
    c = contents
    energy = np.searchsorted(ENERGY_EDGES, c.energy[decays] * FLIGHT)
    return _Classes(decays, c.charged[decays], energy, c.lepton[decays], c.plus[decays], c.minus[decays])


def _event_classes(sources: Sources, contents: Contents, places: Ints) -> _Classes:
    """Sort usable events: species and sign of their hadrons, then the same as for decays, and shape."""
    c, at = contents, sources.usable[places]
    first, second = 2 * places, 2 * places + 1
    return _Classes(
        places, sources.species[first], sources.species[second], sources.sign[first], sources.sign[second],
        c.charged[at], np.searchsorted(ENERGY_EDGES, c.energy[at]), c.lepton[at], c.plus[at], c.minus[at],
        sources.shape[places],
    )  # fmt: skip


def _prospects(events: Ints, decays: tuple[_Classes, _Classes]) -> Floats:
    """Return the prospects of classes of events with all classes of decays of their hadrons, (events, first, second).

    Parameters
    ----------
    events : (10, n_classes) int64
        Labels; the species are the same in all classes.
    decays
        Of these species.
    """
    signs, (charged, energy, lepton, plus, minus, shape) = events[2:4, :, None, None], events[4:, :, None, None]
    total, e_total = np.array(charged), np.array(ENERGY[energy])
    lepton, plus, minus = lepton > 0, plus > 0, minus > 0
    for which, sign in enumerate(signs):
        own = decays[which].labels[:, None, :, None] if which == 0 else decays[which].labels[:, None, None, :]
        total = total + own[0]
        e_total = e_total + ENERGY[own[1]]
        lepton = lepton | (own[2] > 0)
        plus = plus | (np.where(sign > 0, own[3], own[4]) > 0)
        minus = minus | (np.where(sign > 0, own[4], own[3]) > 0)
    return np.asarray(SHAPE[shape] * continuum_prospects(total, lepton, plus.astype(int) + minus.astype(int), e_total))


def draws(sources: Sources, rotations: float, rng: np.random.Generator) -> Draw:
    """Draw events with decays of their blocks, each as likely as in nature times its prospects."""
    parts = []
    for block in _blocks(sources):
        species, alike = np.unique(block.events.labels[:2], axis=1, return_inverse=True)
        parts += [
            _drawn(block, (first, second), np.flatnonzero(alike.ravel() == number), rotations * DRAWS, rng)
            for number, (first, second) in enumerate(species.T.tolist())
        ]
    event, first, second, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = rng.permutation(len(event))  # a batch like any other: none of hopeless events only
    return Draw(event[order], (first[order], second[order]), weight[order] * rotations * GAIN)


def _drawn(
    block: _Block, species: tuple[int, int], labels: Ints, rate: float, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints, Floats]:
    """Draw events of a block ``rate`` times their prospects, on average: those of two species, in classes ``labels``.

    Returns
    -------
    event, first, second, weight
        Events, decays of their hadrons, and the inverse of the rate.
    """
    decays = block.decays[species[0]], block.decays[species[1]]
    each = rate * _prospects(block.events.labels[:, labels], decays)
    expected = each * block.events.size[labels][:, None, None] * np.outer(decays[0].share, decays[1].share)
    number = np.diff(np.floor(np.append(0.0, np.cumsum(expected)) + rng.random())).astype(np.int64)
    cell = np.repeat(np.arange(len(number)), number)
    of_event, first, second = np.unravel_index(cell, each.shape)
    event = block.events.draw(labels[of_event], rng)
    return event, decays[0].draw(first, rng), decays[1].draw(second, rng), 1 / each.ravel()[cell]


def _begun(sources: Sources, draw: Draw, rng: np.random.Generator) -> Iterator[Begun]:
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
        yield begun_with_fakes(tuple(sides), draw.weight[part], rng)
