"""Candidates of Υ(4S) → BB̄: signal, charged and mixed.

Every sample has two parts, which exclude one another and together are everything:

- *true tags*: at least one B has an accepted semileptonic tag of the toy's modes. A pool of accepted tags (forced by
  alias particles) is paired with generic (or signal) decays of the other B. Either B may be the tag, hence a factor
  of 2 (not for signal, where the other B is chosen already); events in which both are have been made twice and count
  one half.
- *wrong tags*: no B has. Generic (or signal) decays are turned and tracked, and pairs of them are drawn by what was
  found of either, with weights (`analysis.simulation.pairs`).

B⁰ mesons are coherent: the two decay as opposite flavours with probability 1 − χ_d.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from analysis.basf2 import SampleType
from analysis.simulation.candidates import Events, build
from analysis.simulation.detector import DETECTOR, Beams
from analysis.simulation.generator import Generator, Pool, forced_fraction
from analysis.simulation.histories import UPSILON_4S, VIRTUAL_PHOTON, Chain, conjugate, event_string
from analysis.simulation.jagged import Array, Floats, Ints, count, merged, renumbered, taken
from analysis.simulation.kinematics import random_rotations
from analysis.simulation.pairing import frames
from analysis.simulation.pairs import Offers, apart, directions, draw, turned
from analysis.simulation.pools import TagPool, make_tags
from analysis.simulation.prospects import Contents, shares, side_prospects, thinned, thrift, uses
from analysis.simulation.response import Clusters, Tracks, beam_clusters
from analysis.simulation.rows import Rows, numbered, stack
from analysis.simulation.sides import Begun, Side, together
from analysis.simulation.tags import Tags, find_pi0s, reconstruct_tags
from analysis.simulation.triage import (
    MAX_TRACKS,
    beside_a_tag,
    may_hold_tag,
    possible_beside_a_tag,
    too_much_energy,
)

CHI_D = 0.1858  # time-integrated mixing probability, PDG 2022
N_BLOCKS = 20  # at least: rows of different blocks share no decay
BLOCK = 20_000  # decays at a time, and
BATCH = 10_000  # pairs at a time: bound the memory
# Numbers of decays within the chunk: those of the signal-side B begin at 0, of tags and of generic B beside signal here
TAG, OTHER = 10**8, 2 * 10**8
# Shares of the generator's decays: signal-side B, forced tags, generic B for wrong tags
SHARES = {"signal": (0.25, 0.5, 0.25), "generic": (0.6, 0.4, 0.0)}
# Wrong tags, per rotation: how often a decay is tracked in each direction of flight; pairs per signal-side decay
TRACKED = 0.005
DRAWS = {SampleType.SIGNAL: 0.05, SampleType.CHARGED: 0.18, SampleType.MIXED: 0.17}
MAX_WEIGHT = 60.0  # above which nothing beside a true tag is thinned; rows of the signal region weigh a few at most
# Beside true tags, per rotation: how often a decay is used, a generic one by its prospects
USES = {SampleType.SIGNAL: 0.1, SampleType.CHARGED: 1.5, SampleType.MIXED: 2.1}
# Decays times rotations that stand for one generated event: rows of the signal region weigh about one
DECAYS_PER_EVENT = {SampleType.SIGNAL: 0.05, SampleType.CHARGED: 0.005, SampleType.MIXED: 0.005}


@dataclass(frozen=True)
class Sources:
    """What one block of a BB̄ sample is made of; different blocks share no decay.

    Attributes
    ----------
    kind
        Signal, charged or mixed.
    signal_side, generic
        Decays of the two B; the same ones where both are generic.
    tags
        Accepted forced tags.
    """

    kind: SampleType
    signal_side: Pool
    generic: Pool
    tags: TagPool

    @property
    def same_flavour(self) -> float:
        """Probability that the signal-side B decays with the same flavour as the tag."""
        return CHI_D if self.kind is SampleType.MIXED else 0.0

    @property
    def either(self) -> int:
        """Number of B in an event that may be the tag."""
        return 1 if self.kind is SampleType.SIGNAL else 2


def make_sources(kind: SampleType, n: int, generator: Generator, rng: np.random.Generator) -> Sources:
    """Generate the decays of a block, n of them."""
    signal = kind is SampleType.SIGNAL
    n_side, n_tags, n_generic = (max(round(n * share), 1) for share in SHARES["signal" if signal else "generic"])
    tag = generator.other("tag mixed" if kind is SampleType.MIXED else "tag charged")
    side = generator.other(kind.value).batch(n_side) if signal else generator.other(kind.value).stratified(n_side)
    generic = generator.other("charged").batch(n_generic) if signal else side
    return Sources(kind, side, generic, make_tags(tag, n_tags, forced_fraction(kind), rng))


def simulate(kind: SampleType, n: int, rotations: int, seed: int, rng: np.random.Generator) -> Rows:
    """Return the candidates of one chunk.

    Parameters
    ----------
    kind
        Signal, charged or mixed.
    n
        Generator decays.
    rotations
        How often a signal-side decay with good prospects is paired with a tag.
    seed
        PYTHIA's.
    rng
        All other randomness.
    """
    generator = Generator("charged", seed)
    n_blocks = min(max(N_BLOCKS, -(-n // BLOCK)), n)
    mc_events = n * rotations / DECAYS_PER_EVENT[kind]
    sizes = np.diff(np.arange(n_blocks + 1) * n // n_blocks)

    def blocks() -> Iterator[Rows]:
        for block, size in enumerate(sizes):
            sources = make_sources(kind, int(size), generator, rng)
            for part in itertools.chain(
                tagged(sources, rotations, rng, MAX_WEIGHT), wrongly_tagged(sources, rotations, rng)
            ):
                yield replace(
                    part, weight=part.weight * mc_events / n_blocks, block=np.full(len(part), block),
                    parent=part.parent + block * BLOCK,
                    partner=np.where(part.partner >= 0, part.partner + block * BLOCK, -1),
                )  # fmt: skip

    return stack(numbered(blocks()), mc_events)


def tagged(sources: Sources, rotations: float, rng: np.random.Generator, largest: float) -> Iterator[Rows]:
    """Pair signal-side decays with true tags; the weights are probabilities per event.

    Nothing is thinned, for what is found beside the tag, that would weigh more than ``largest`` then.
    """
    pool, pooled = sources.signal_side, sources.tags
    if not len(pooled):
        return
    wanted = np.full(len(pool), USES[sources.kind] * rotations)
    if sources.kind is not SampleType.SIGNAL:
        wanted *= side_prospects(Contents.of(pool)) * thrift(pool.weight)
    number, unit = uses(wanted, rng)
    parents = rng.permutation(np.repeat(np.arange(len(pool)), number))
    tag_of = shares(pooled.prospects, len(parents), rng)
    tag_weight = pooled.prospects.mean() / pooled.prospects
    unit = pool.weight * unit * rotations
    scale = sources.either * pooled.probability / len(pool) / rotations

    def begun() -> Iterator[Begun]:
        for start in range(0, len(parents), BATCH):
            batch, tag = parents[start : start + BATCH], tag_of[start : start + BATCH]
            n = len(batch)
            turn = np.where(rng.random(n) < sources.same_flavour, -1, 1)
            side = Side(pool, batch, frames(random_rotations(rng, n), -pooled.velocity[:, tag]), turn, 1)
            yield _begun_beside(side, pooled, tag, unit[batch] * tag_weight[tag], largest, rng)

    for events in together(begun()):
        yield _finished_beside(events, sources, scale, rng)


def _begun_beside(
    side: Side, pooled: TagPool, tag: Ints, weight: Floats, largest: float, rng: np.random.Generator
) -> Begun:
    """Measure the tracks of decays beside tags, as far as they may give candidates."""
    n = len(tag)
    found = side.detect(rng)
    chance = beside_a_tag(found, pooled.spare_kaon[tag], pooled.tracks_of_tag[tag], n)
    kept, weight = thinned(chance, weight, largest, rng)
    side, tag = side.select(kept), tag[kept]
    tracks = side.measure(renumbered(found, kept, n), rng)
    possible = possible_beside_a_tag(tracks, pooled.spare_kaon[tag], pooled.tracks_of_tag[tag], len(kept))
    return Begun((side,), tracks, weight, tag).select(np.flatnonzero(possible))


def _finished_beside(begun: Begun, sources: Sources, scale: float, rng: np.random.Generator) -> Rows:
    """Add the tags and all clusters to events, and build their candidates."""
    side, tag, n, pooled = begun.sides[0], begun.tag, len(begun), sources.tags
    tracks = merged([begun.tracks, taken(pooled.tracks, len(pooled), tag)])
    events = assembled(
        tracks, [side.clusters(rng), taken(pooled.clusters, len(pooled), tag)],
        np.array([pooled.truth[tag], side.truth]), n, rng,
    )  # fmt: skip
    weight = begun.weight / np.maximum(true_sides(events.tags, n), 1)
    labels = np.array([pooled.label[tag], side.pool.label[side.parents]])
    partner = TAG + pooled.parent[tag]
    origin = Origin(side.parents, partner, side.pool.q2[side.parents], labels, (pooled.chain(tag), side.chain))
    return finished(events, weight * scale, origin, sources.kind, rng)


def assembled(
    tracks: Tracks,
    clusters: list[Clusters],
    truth: Ints,
    n: int,
    rng: np.random.Generator,
    beams: Beams = DETECTOR.beams,
) -> Events:
    """Put the parts of events and the beam background together and reconstruct π⁰ and tags.

    Events that can't pass the loose selection come back empty.
    """
    all_clusters = merged([*clusters, beam_clusters(n, rng)])
    hopeless = too_much_energy(all_clusters, n)
    tracks = tracks.select(~hopeless[tracks.event])
    all_clusters = all_clusters.select(~hopeless[all_clusters.event])
    pi0s = find_pi0s(all_clusters, n)
    found = reconstruct_tags(tracks, pi0s, all_clusters, truth, n)
    return Events(n, tracks, all_clusters, pi0s, found, beams)


def true_sides(found: Tags, n: int) -> Ints:
    """Return on how many sides an event has an accepted true tag."""
    sides = [count(found.event, n, found.matched & (found.side == side)) > 0 for side in (0, 1)]
    return sides[0].astype(np.int64) + sides[1]


def without_true_tags(events: Events) -> Events:
    """Return events with all tags taken away where there is an accepted true one."""
    wrong = true_sides(events.tags, events.n) == 0
    return replace(events, tags=events.tags.select(wrong[events.tags.event]))


@dataclass(frozen=True)
class _Tracked:
    """Decays of one side, turned and tracked: their tracks, what they offer; share and factor as of `turned`."""

    side: Side
    tracks: Tracks
    offers: Offers
    share: Floats
    factor: Floats

    @classmethod
    def of(
        cls, pool: Pool, number: int, velocity: Floats, conjugated: float, times: float, rng: np.random.Generator
    ) -> _Tracked:
        """Turn and track decays of a pool, up to ``times`` times each, that fly with one velocity (3,).

        The share ``conjugated`` of them is replaced by their CP conjugates.
        """
        parents, share, factor = turned(pool, times, rng)
        n = len(parents)
        frame = frames(random_rotations(rng, n), np.broadcast_to(velocity[:, None], (3, n)))
        side = Side(pool, parents, frame, np.where(rng.random(n) < conjugated, -1, 1), number)
        tracks = side.measure(side.detect(rng), rng)
        few = np.flatnonzero(count(tracks.event, n, tracks.clean) <= MAX_TRACKS)
        tracks, side = renumbered(tracks, few, n), side.select(few)
        return cls(side, tracks, Offers.of(tracks, pool, side.parents), share[few], factor[few])

    def taken(self, chosen: Ints) -> tuple[Side, Tracks]:
        """Return chosen decays, which may repeat, and their tracks."""
        return self.side.select(chosen), taken(self.tracks, len(self.share), chosen)


def wrongly_tagged(sources: Sources, rotations: float, rng: np.random.Generator) -> Iterator[Rows]:
    """Pair generic decays with signal-side decays where no B has an accepted tag."""
    signal, generic = sources.signal_side, sources.generic
    flight = directions(rng)
    ways = flight.shape[1]
    n_draws = max(round(DRAWS[sources.kind] * rotations * len(signal) / ways), 1)

    def begun() -> Iterator[Begun]:
        for velocity in flight.T:
            sides = (
                _Tracked.of(generic, 0, velocity, 1.0, TRACKED * rotations, rng),
                _Tracked.of(signal, 1, -velocity, sources.same_flavour, TRACKED * rotations, rng),
            )
            one, other = sides
            *chosen, weight = draw((one.offers, other.offers), (one.share, other.share), n_draws, rng)
            weight = weight * one.factor[chosen[0]] * other.factor[chosen[1]]
            if generic is signal:
                kept, weight = apart(signal, one.side.parents[chosen[0]], other.side.parents[chosen[1]], weight)
                chosen = [each[kept] for each in chosen]
            for start in range(0, len(weight), BATCH):
                part = slice(start, start + BATCH)
                parts = [each.taken(of_side[part]) for each, of_side in zip(sides, chosen, strict=True)]
                tracks, n = merged([each for _, each in parts]), len(weight[part])
                made = Begun((parts[0][0], parts[1][0]), tracks, weight[part], np.full(n, -1))
                yield made.select(np.flatnonzero(may_hold_tag(tracks, n)))

    for events in together(begun()):
        yield _finished_pairs(events, sources, 1 / (len(generic) * len(signal) * ways), rng)


def _finished_pairs(begun: Begun, sources: Sources, scale: float, rng: np.random.Generator) -> Rows:
    """Add the clusters to events, and build their candidates."""
    one, other = begun.sides
    truth = np.array([one.truth, other.truth])
    events = assembled(begun.tracks, [one.clusters(rng), other.clusters(rng)], truth, len(begun), rng)
    labels = np.array([one.pool.label[one.parents], other.pool.label[other.parents]])
    partner = one.parents + (0 if sources.generic is sources.signal_side else OTHER)
    origin = Origin(other.parents, partner, other.pool.q2[other.parents], labels, (one.chain, other.chain))
    return finished(without_true_tags(events), begun.weight * scale, origin, sources.kind, rng)


@dataclass(frozen=True)
class Origin:
    """Which simulated decays stand behind events.

    Attributes
    ----------
    parent, partner : (n,) int64
        Decay of the signal-side B (or continuum event) and, in BB̄, of the other B: see `Rows`.
    q2 : (n,) float64
        Mass squared of the neutrinos of the signal-side B.
    label : (2, n) int64
        Labels of the decays, by side.
    chains
        All decays of the events: see `histories.event_string`.
    """

    parent: Ints
    partner: Ints
    q2: Floats
    label: Ints
    chains: tuple[Chain, ...]


def finished(events: Events, weight: Floats, origin: Origin, kind: SampleType, rng: np.random.Generator) -> Rows:
    """Build the candidates and attach what only the maker of the events knows; half of the events are conjugated."""
    event, columns = build(events)
    kaon_side = columns.pop("kaon_side").astype(np.int64)
    columns["q2_gen"] = origin.q2[event] if kind is SampleType.SIGNAL else np.full(len(event), np.nan)
    columns["Bsig_label"] = origin.label[np.minimum(kaon_side, 1), event]
    sign = np.where(rng.random(events.n) < 0.5, -1, 1)
    conjugated(columns, sign[event])
    top = VIRTUAL_PHOTON if kind.is_continuum else UPSILON_4S
    decays = np.empty(events.n, dtype=object)
    for each in np.unique(event).tolist():
        decays[each] = partial(event_string, origin.chains, top, each, int(sign[each]))
    order = np.argsort(event, kind="stable")
    parent = origin.parent[event]
    partner = np.column_stack([origin.partner[event], np.full(len(event), -1)])
    rows = Rows(event, weight[event], parent, parent, columns, 0.0, partner, decays[event])
    return rows.select(order)


def conjugated(columns: dict[str, Array], sign: Ints) -> None:
    """Flip, in place, all charges and flavours of the rows with sign -1."""
    for name in ("Btag_charge", "K_charge"):
        columns[name] = columns[name] * sign
    for name in [name for name in columns if name.endswith("PDG")]:
        known = np.isfinite(columns[name])
        pdg = columns[name][known].astype(np.int64)
        columns[name][known] = np.where(sign[known] < 0, conjugate(pdg), pdg)
