"""Candidates of Υ(4S) → BB̄: signal, charged and mixed.

Every sample has two complementary parts:

- *true tags*: at least one B has an accepted semileptonic tag of the toy's modes. A pool of accepted tags (forced by
  alias particles) is paired with generic (or signal) decays of the other B. Either B may be the tag, hence a factor
  of 2 (not for signal, where the other B is chosen already); events in which both are have been made twice and count
  one half.
- *wrong tags*: events without one. Generic decays are paired with generic (or signal) decays; pairs that may give a tag
  of wrongly combined particles are drawn more often, with weights, and events with an accepted true tag are dropped.

B⁰ mesons are coherent: the two decay as opposite flavours with probability 1 − χ_d.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.basf2 import SampleType
from analysis.simulation import tags
from analysis.simulation.candidates import KAON_ID, MAX_E_EXTRA, Events, build
from analysis.simulation.generator import Pool, conjugate, forced_fraction, is_charged_stable
from analysis.simulation.jagged import Array, Bools, Floats, Ints, count, gather, offsets, total
from analysis.simulation.kinematics import norm, random_rotations
from analysis.simulation.pairing import (
    Contents,
    b_velocities,
    blocks_of,
    draw_wrong_pairs,
    frames,
    pair_with_tags,
    place,
)
from analysis.simulation.pools import TagPool, make_decays, make_tags, merged, on_side, renumbered, taken
from analysis.simulation.response import (
    Clusters,
    Tracks,
    beam_clusters,
    measure_clusters,
    measure_tracks,
    with_fake_lepton,
)
from analysis.simulation.rows import Rows, stack
from analysis.simulation.tags import Tags, find_pi0s, reconstruct_tags

CHI_D = 0.1858  # time-integrated mixing probability, PDG 2022
MAX_TRUE_CHARGED = 6  # of the other B beside a true tag: three tracks and three lost ones
MAX_OTHER_TRACKS = 3  # clean tracks of the other B beside a true tag: the kaon, an extra one, one lent to a wrong tag
MAX_TRACKS = 7  # lepton, K3π, kaon and an extra one
MIN_TRACKS = 4
N_BLOCKS = 20
BATCH = 10_000  # pairs at a time: bounds the memory
# Shares of the generator's decays: signal-side B, forced tags, generic B for wrong tags
SHARES = {"signal": (0.25, 0.5, 0.25), "generic": (0.6, 0.4, 0.0)}
# Pairs drawn for wrong tags, per pair made with a true tag: so that the weights of both are of one size
WRONG_DRAWS = {SampleType.SIGNAL: 1.0, SampleType.CHARGED: 0.5, SampleType.MIXED: 0.8}


@dataclass(frozen=True)
class Side:
    """One side of a batch of events: which decay, carried how to the laboratory, conjugated or not."""

    pool: Pool
    parents: Ints
    frame: Floats
    turn: Ints
    number: int

    def measure(self, rng: np.random.Generator) -> Tracks:
        """Return the tracks of all events."""
        items, owner = gather(self.pool.first, self.parents)
        keep = is_charged_stable(self.pool.particles.pdg[items])
        particles = place(self.pool.particles.select(items[keep]), owner[keep], self.frame, self.turn)
        return measure_tracks(particles, on_side(len(particles.pdg), self.number), rng)

    def clusters(self, events: Ints, rng: np.random.Generator) -> Clusters:
        """Return the clusters of the chosen events, numbered in the order of choice."""
        items, owner = gather(self.pool.first, self.parents[events])
        particles = place(self.pool.particles.select(items), owner, self.frame[:, :, events], self.turn[events])
        return measure_clusters(particles, on_side(len(particles.pdg), self.number), rng)

    def true_mode(self, events: Ints) -> Ints:
        """Return the modes of the true tags."""
        return self.pool.tag_mode[self.parents[events]]

    def direct(self, events: Ints) -> Bools:
        """Return whether the true tags' D⁰ come from the B directly."""
        return self.pool.tag_direct[self.parents[events]]


@dataclass(frozen=True)
class Sources:
    """What one chunk of a BB̄ sample is made of."""

    kind: SampleType
    signal_side: Pool
    generic: Pool
    tags: TagPool

    @property
    def turns(self) -> float:
        """Probability that the signal-side B decays with the same flavour as the tag."""
        return CHI_D if self.kind is SampleType.MIXED else 0.0


def make_sources(kind: SampleType, n: int, seeds: Ints, rng: np.random.Generator) -> Sources:
    """Generate the pools of a chunk from n decays; ``seeds`` (3,) are PYTHIA's."""
    shares = SHARES["signal" if kind is SampleType.SIGNAL else "generic"]
    n_side, n_tags, n_generic = (max(round(n * share), N_BLOCKS) for share in shares)
    side = make_decays(kind.value, n_side, int(seeds[0]))
    tags = make_tags(kind, n_tags, int(seeds[1]), rng)
    generic = make_decays("charged", n_generic, int(seeds[2])) if kind is SampleType.SIGNAL else side
    return Sources(kind, side, generic, tags)


def simulate(kind: SampleType, n: int, rotations: int, seeds: Ints, rng: np.random.Generator) -> Rows:
    """Return the candidates of one chunk.

    Parameters
    ----------
    kind
        Signal, charged or mixed.
    n
        Generator decays.
    rotations
        How often each signal-side decay is paired with a tag.
    seeds : (3,) int64
        PYTHIA's.
    rng
        All other randomness.
    """
    sources = make_sources(kind, n, seeds, rng)
    either = 1 if kind is SampleType.SIGNAL else 2
    n_pairs = len(sources.signal_side) * rotations
    # so that a row of a true tag weighs about one
    mc_events = round(n_pairs / (either * forced_fraction(kind) * sources.tags.accepted))
    true_weight = mc_events * either * forced_fraction(kind) * sources.tags.accepted / n_pairs
    n_draws = round(WRONG_DRAWS[kind] * n_pairs)
    parts = list(true_tags(sources, rotations, true_weight, rng))
    start = n_pairs
    for part in _wrong_tags(sources, n_draws, mc_events / n_draws, rng):
        parts.append(part.shifted(start))
        start += BATCH
    return stack(parts, mc_events)


def true_tags(sources: Sources, rotations: int, unit: float, rng: np.random.Generator) -> Iterator[Rows]:
    """Pair every signal-side decay that may pass with ``rotations`` tags."""
    pool, pooled = sources.signal_side, sources.tags
    charged = is_charged_stable(pool.particles.pdg)
    n_charged = count(pool.particles.event, len(pool), charged & (norm(pool.particles.p) > 0.05))
    useful = np.flatnonzero((n_charged >= 1) & (n_charged <= MAX_TRUE_CHARGED))
    block = blocks_of(len(pool), N_BLOCKS)
    parents = np.tile(useful, rotations)
    parents = parents[np.argsort(block[parents], kind="stable")]
    tag_of = pair_with_tags(parents, block[parents], len(pooled), N_BLOCKS, rng)
    for start in range(0, len(parents), BATCH):
        batch, tag = parents[start : start + BATCH], tag_of[start : start + BATCH]
        n = len(batch)
        turn = np.where(rng.random(n) < sources.turns, -1, 1)
        side = Side(pool, batch, frames(random_rotations(rng, n), -pooled.velocity[:, tag]), turn, 1)
        tracks = side.measure(rng)
        # all tags are B⁻ or B̄⁰ with an ℓ⁻: the kaon is a K⁺
        kaon = tracks.clean & (tracks.charge > 0) & (tracks.kaon_id > KAON_ID)
        few = count(tracks.event, n, tracks.clean) <= MAX_OTHER_TRACKS
        good = np.flatnonzero(few & (count(tracks.event, n, kaon) > 0))
        m = len(good)
        events = assembled(
            [renumbered(tracks, good, n), taken(pooled.tracks, len(pooled), tag[good])],
            [side.clusters(good, rng), taken(pooled.clusters, len(pooled), tag[good])],
            np.array([pooled.mode[tag[good]], side.true_mode(good)]), m, rng,
        )  # fmt: skip
        direct = np.array([pooled.direct[tag[good]], side.direct(good)])
        parent, weight = batch[good], unit / np.maximum(true_sides(events.tags, m), 1)
        rows = finished(events, direct, weight, parent, block[parent], pool.q2[parent], sources.kind, rng)
        yield rows.shifted(start)


def assembled(
    tracks: list[Tracks], clusters: list[Clusters], true_mode: Ints, n: int, rng: np.random.Generator
) -> Events:
    """Put the parts of events and the beam background together and reconstruct π⁰ and tags.

    Events that can't pass the loose selection come back empty.
    """
    all_tracks, all_clusters = merged(tracks), merged([*clusters, beam_clusters(n, rng)])
    hopeless = _too_much_energy(all_clusters, n)
    all_tracks = all_tracks.select(~hopeless[all_tracks.event])
    all_clusters = all_clusters.select(~hopeless[all_clusters.event])
    pi0s = find_pi0s(all_clusters, n)
    found = reconstruct_tags(all_tracks, pi0s, all_clusters, true_mode, n)
    return Events(n, all_tracks, all_clusters, pi0s, found)


def _too_much_energy(clusters: Clusters, n: int) -> Bools:
    """Whether more energy than allowed stays in the rest of the event, even if a tag takes the best two clusters."""
    energy = np.where(clusters.present, norm(clusters.p), 0.0)
    first = offsets(count(clusters.event, n))
    filled = np.flatnonzero(np.diff(first))
    largest = np.zeros(n)
    if len(filled):
        largest[filled] = np.maximum.reduceat(energy, first[filled])
    return np.asarray(total(clusters.event, energy, n) - 2 * largest > MAX_E_EXTRA)


def true_sides(found: Tags, n: int) -> Ints:
    """Return on how many sides an event has an accepted true tag."""
    sides = [count(found.event, n, found.matched & (found.side == side)) > 0 for side in (0, 1)]
    return sides[0].astype(np.int64) + sides[1]


def _wrong_tags(sources: Sources, n_draws: int, factor: float, rng: np.random.Generator) -> Iterator[Rows]:
    """Pair generic decays with signal-side decays where a wrong tag may come out."""
    signal, generic = sources.signal_side, sources.generic
    contents = Contents.of(generic), Contents.of(signal)
    block_0, block_1 = blocks_of(len(generic), N_BLOCKS), blocks_of(len(signal), N_BLOCKS)
    for block in range(N_BLOCKS):
        members = np.flatnonzero(block_0 == block), np.flatnonzero(block_1 == block)
        n_block = n_draws * (block + 1) // N_BLOCKS - n_draws * block // N_BLOCKS
        n_same = rng.binomial(n_block, sources.turns)
        for turn, n in ((1, n_block - n_same), (-1, n_same)):
            keys = contents[0].key(-1)[members[0]], contents[1].key(turn)[members[1]]
            first, second, weight = draw_wrong_pairs(keys, members, n, rng)
            if len(first):
                yield from _wrong_batch(sources, first, second, factor * weight, turn, block, rng)


def _wrong_batch(
    sources: Sources, first: Ints, second: Ints, weight: Floats, turn: int, block: int, rng: np.random.Generator
) -> Iterator[Rows]:
    for start in range(0, len(first), BATCH):
        part = slice(start, start + BATCH)
        n = len(first[part])
        velocity = b_velocities(rng, n)
        sides = (
            Side(sources.generic, first[part], frames(random_rotations(rng, n), velocity), np.full(n, -1), 0),
            Side(sources.signal_side, second[part], frames(random_rotations(rng, n), -velocity), np.full(n, turn), 1),
        )
        measured = merged([side.measure(rng) for side in sides])
        tracks, fake = with_fake_lepton(measured, n, tags.LEPTON_P_STAR, rng)
        good = np.flatnonzero(may_hold_candidate(tracks, n))
        m = len(good)
        events = assembled(
            [renumbered(tracks, good, n)], [side.clusters(good, rng) for side in sides],
            np.array([side.true_mode(good) for side in sides]), m, rng,
        )  # fmt: skip
        direct = np.array([side.direct(good) for side in sides])
        wrong = true_sides(events.tags, m) == 0
        events = Events(m, events.tracks, events.clusters, events.pi0s, events.tags.select(wrong[events.tags.event]))
        parent = second[part][good]
        yield finished(
            events, direct, weight[part][good] * fake[good], parent, np.full(m, block), sources.signal_side.q2[parent],
            sources.kind, rng,
        )  # fmt: skip


def may_hold_candidate(tracks: Tracks, n: int) -> Bools:
    """Whether an event has few enough tracks, a fast ℓ∓ with a K∓ for the tag and a K± for the signal side."""
    clean = tracks.clean
    n_clean = count(tracks.event, n, clean)
    lepton = clean & (np.maximum(tracks.log_electron, tracks.log_muon) > 0) & (norm(tracks.p) > 0.7)
    kaon_id = tracks.kaon_id
    found = np.zeros(n, dtype=bool)
    for sign in (1, -1):
        same, other = clean & (tracks.charge == sign), clean & (tracks.charge == -sign)
        found |= (
            (count(tracks.event, n, lepton & same) > 0)
            & (count(tracks.event, n, same & (kaon_id > tags.KAON_ID)) > 0)
            & (count(tracks.event, n, other & (kaon_id > KAON_ID)) > 0)
        )
    return np.asarray(found & (n_clean >= MIN_TRACKS) & (n_clean <= MAX_TRACKS))


def finished(
    events: Events, direct: Bools, weight: Floats, parent: Ints, block: Ints, q2: Floats, kind: SampleType,
    rng: np.random.Generator,
) -> Rows:  # fmt: skip
    """Build the candidates and attach what only the maker of the events knows; half of the events are conjugated."""
    event, columns = build(events)
    matched = columns.pop("tag_matched") > 0
    side = columns.pop("tag_side").astype(np.int64)
    columns.pop("kaon_side")
    columns["Btag_isSignal"] = (matched & direct[side, event]).astype(float)
    columns["q2_gen"] = q2[event] if kind is SampleType.SIGNAL else np.full(len(event), np.nan)
    conjugated(columns, np.where(rng.random(events.n) < 0.5, -1, 1)[event])
    order = np.argsort(event, kind="stable")
    rows = Rows(event, weight[event], parent[event], block[event], columns, 0.0)
    return rows.select(order)


def conjugated(columns: dict[str, Array], sign: Ints) -> None:
    """Flip, in place, all charges and flavours of the rows with sign -1."""
    for name in ("Btag_charge", "K_charge"):
        columns[name] = columns[name] * sign
    for name in [name for name in columns if name.endswith("PDG")]:
        known = np.isfinite(columns[name])
        pdg = columns[name][known].astype(np.int64)
        columns[name][known] = np.where(sign[known] < 0, conjugate(pdg), pdg)
