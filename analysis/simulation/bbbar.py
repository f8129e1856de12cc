"""Candidates of Υ(4S) → BB̄: signal, charged and mixed.

Every sample has three parts, which exclude one another and together are everything:

- *true tags*: at least one B has an accepted semileptonic tag of the toy's modes. A pool of accepted tags (forced by
  alias particles) is paired with generic (or signal) decays of the other B. Either B may be the tag, hence a factor
  of 2 (not for signal, where the other B is chosen already); events in which both are have been made twice and count
  one half.
- *wrong tags*: no B has, but at least one offers a lepton and a kaon that may be taken for a tag's
  (`pools.like_tag`). Such decays are found among generic ones, measured, and paired in the same way.
- *mixed tags*: neither; lepton and kaon of the tag come from different B. Pairs of generic (or signal) decays are
  drawn, more often the better their prospects, with weights.

B⁰ mesons are coherent: the two decay as opposite flavours with probability 1 − χ_d.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from analysis.basf2 import SampleType
from analysis.simulation import tags
from analysis.simulation.candidates import KAON_ID, MAX_E_EXTRA, Events, build
from analysis.simulation.generator import Generator, Pool, conjugate, forced_fraction
from analysis.simulation.jagged import Array, Bools, Floats, Ints, count, gather, offsets, total
from analysis.simulation.kinematics import norm, random_rotations
from analysis.simulation.pairing import b_velocities, frames, place
from analysis.simulation.pools import (
    TagPool,
    like_tag,
    make_tags,
    make_wrong_tags,
    merged,
    on_side,
    renumbered,
    taken,
)
from analysis.simulation.prospects import Contents, draw_pairs, shares, side_prospects, thinned, uses
from analysis.simulation.response import Clusters, Tracks, beam_clusters, measure_clusters, measure_tracks
from analysis.simulation.rows import Rows, stack
from analysis.simulation.tags import Tags, find_pi0s, reconstruct_tags

CHI_D = 0.1858  # time-integrated mixing probability, PDG 2022
MAX_OTHER_TRACKS = 3  # clean tracks of the other B beside a true tag: the kaon, an extra one, one lent to a wrong tag
MAX_TRACKS = 7  # lepton, K3π, kaon and an extra one
MIN_TRACKS = 4
N_BLOCKS = 20  # at least: rows of different blocks share no decay
BLOCK = 20_000  # decays at a time, and
BATCH = 10_000  # pairs at a time: bound the memory
# Shares of the generator's decays: signal-side B, forced tags, generic B for wrong tags
SHARES = {"signal": (0.25, 0.5, 0.25), "generic": (0.6, 0.4, 0.0)}
# Wrong tags relative to true ones: how often their decays are measured, and signal-side decays paired with them
WRONG_ROTATIONS, WRONG_USES = 0.2, 0.9
# Pairs drawn for mixed tags, per signal-side decay and rotation
MIXED_DRAWS = {SampleType.SIGNAL: 0.02, SampleType.CHARGED: 0.10, SampleType.MIXED: 0.10}
SIGNAL_USES = 0.1  # per rotation, of a signal decay
# Decays times rotations that stand for one generated event: rows of the signal region weigh about one
DECAYS_PER_EVENT = {SampleType.SIGNAL: 0.05, SampleType.CHARGED: 0.005, SampleType.MIXED: 0.005}
# With these probabilities events are looked at further that have a track too many, or no kaon that is surely one
EXTRA_TRACKS, UNSURE_KAON, SURE_KAON_ID = 0.2, 0.5, 0.9


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
        charged, first = self.pool.charged
        items, owner = gather(first, self.parents)
        particles = place(charged.select(items), owner, self.frame, self.turn)
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
    """What one block of a BB̄ sample is made of; different blocks share no decay.

    Attributes
    ----------
    kind
        Signal, charged or mixed.
    signal_side, generic
        Decays of the two B; the same ones where both are generic.
    true, wrong
        Accepted forced tags, and decays that look like a tag.
    """

    kind: SampleType
    signal_side: Pool
    generic: Pool
    true: TagPool
    wrong: TagPool

    @property
    def same_flavour(self) -> float:
        """Probability that the signal-side B decays with the same flavour as the tag."""
        return CHI_D if self.kind is SampleType.MIXED else 0.0

    @property
    def either(self) -> int:
        """Number of B in an event that may be the tag."""
        return 1 if self.kind is SampleType.SIGNAL else 2


def make_sources(kind: SampleType, n: int, rotations: int, generator: Generator, rng: np.random.Generator) -> Sources:
    """Generate the decays of a block, n of them."""
    signal = kind is SampleType.SIGNAL
    n_side, n_tags, n_generic = (max(round(n * share), 1) for share in SHARES["signal" if signal else "generic"])
    tag = generator.other("tag mixed" if kind is SampleType.MIXED else "tag charged")
    side = generator.other(kind.value).batch(n_side) if signal else generator.other(kind.value).stratified(n_side)
    generic = generator.other("charged").batch(n_generic) if signal else side
    true = make_tags(tag, n_tags, forced_fraction(kind), rng)
    return Sources(kind, side, generic, true, make_wrong_tags(generic, rotations * WRONG_ROTATIONS, rng))


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
    parts, start = [], 0
    for block, size in enumerate(np.diff(np.arange(n_blocks + 1) * n // n_blocks)):
        sources = make_sources(kind, int(size), rotations, generator, rng)
        made = itertools.chain(
            tagged(sources, True, rotations, rng),
            tagged(sources, False, rotations * WRONG_USES, rng),
            _mixed_tags(sources, rotations, rng),
        )
        for part in made:
            rows = replace(part, weight=part.weight * mc_events / n_blocks, block=np.full(len(part), block))
            parts.append(replace(rows, parent=rows.parent + block * BLOCK).shifted(start))
            start += BATCH
    return stack(parts, mc_events)


def tagged(sources: Sources, true: bool, rotations: float, rng: np.random.Generator) -> Iterator[Rows]:
    """Pair signal-side decays with true or wrong tags; the weights are probabilities per event."""
    pool, pooled = sources.signal_side, sources.true if true else sources.wrong
    if not len(pooled):
        return
    prospects = (
        side_prospects(Contents.of(pool), true)
        if sources.kind is not SampleType.SIGNAL
        else np.full(len(pool), SIGNAL_USES)
    )
    # a decay of small weight needs few uses
    number, unit = uses(prospects * rotations * np.sqrt(np.minimum(pool.weight, 1.0)), rng)
    parents = rng.permutation(np.repeat(np.arange(len(pool)), number))
    importance = pooled.weight * pooled.prospects
    tag_of = shares(importance, len(parents), rng)
    tag_weight = importance.mean() / pooled.weight.mean() / pooled.prospects
    unit = pool.weight * unit * rotations
    scale = sources.either * pooled.probability / len(pool) / rotations
    for start in range(0, len(parents), BATCH):
        batch, tag = parents[start : start + BATCH], tag_of[start : start + BATCH]
        n = len(batch)
        turn = np.where(rng.random(n) < sources.same_flavour, -1, 1)
        side = Side(pool, batch, frames(random_rotations(rng, n), -pooled.velocity[:, tag]), turn, 1)
        tracks = side.measure(rng)
        chance = _beside_a_tag(tracks, pooled.spare_kaon[tag], n, kaon_charge=1 if true else 0)
        good, weight = thinned(chance, unit[batch] * tag_weight[tag], rng)
        tag, parent, m = tag[good], batch[good], len(good)
        all_tracks = merged([renumbered(tracks, good, n), taken(pooled.tracks, len(pooled), tag)])
        events = assembled(
            all_tracks, [side.clusters(good, rng), taken(pooled.clusters, len(pooled), tag)],
            np.array([pooled.mode[tag], side.true_mode(good)]), m, rng,
        )  # fmt: skip
        if true:
            weight /= np.maximum(true_sides(events.tags, m), 1)
        else:
            events = without_true_tags(events)
            weight /= 1 + like_tag(all_tracks, 1, m)
        direct = np.array([pooled.direct[tag], side.direct(good)])
        labels = np.array([pooled.label[tag], pool.label[parent]])
        partner = pooled.parent[tag] + (BLOCK if true else 0)
        origin = Origin(parent, partner, pool.q2[parent], labels)
        yield finished(events, direct, weight * scale, origin, sources.kind, rng)


def _beside_a_tag(tracks: Tracks, spare: Bools, n: int, *, kaon_charge: int) -> Floats:
    """Return with which probability the tracks beside a tag are looked at further.

    Parameters
    ----------
    tracks
        Of the other B.
    spare : (n,) bool
        The tag's side has a kaon to spare.
    kaon_charge
        Of the signal kaon, 0 for either. True tags are B⁻ or B̄⁰ with an ℓ⁻: the kaon is a K⁺.
    """
    kaon = tracks.clean & (tracks.kaon_id > KAON_ID)
    if kaon_charge:
        kaon &= tracks.charge == kaon_charge
    n_kaons = count(tracks.event, n, kaon)
    surely = count(tracks.event, n, kaon & (tracks.kaon_id > SURE_KAON_ID)) > 0
    n_clean = count(tracks.event, n, tracks.clean)
    beside = np.where(n_clean == 1, 1.0, EXTRA_TRACKS) * np.where(surely, 1.0, UNSURE_KAON)
    without = np.where(spare, np.where(n_clean == 0, 1.0, EXTRA_TRACKS) * UNSURE_KAON, 0.0)
    return np.where(n_clean <= MAX_OTHER_TRACKS, np.where(n_kaons > 0, beside, without), 0.0)


def assembled(tracks: Tracks, clusters: list[Clusters], true_mode: Ints, n: int, rng: np.random.Generator) -> Events:
    """Put the parts of events and the beam background together and reconstruct π⁰ and tags.

    Events that can't pass the loose selection come back empty.
    """
    all_clusters = merged([*clusters, beam_clusters(n, rng)])
    hopeless = _too_much_energy(all_clusters, n)
    tracks = tracks.select(~hopeless[tracks.event])
    all_clusters = all_clusters.select(~hopeless[all_clusters.event])
    pi0s = find_pi0s(all_clusters, n)
    found = reconstruct_tags(tracks, pi0s, all_clusters, true_mode, n)
    return Events(n, tracks, all_clusters, pi0s, found)


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


def without_true_tags(events: Events) -> Events:
    """Return events with all tags taken away where there is an accepted true one."""
    wrong = true_sides(events.tags, events.n) == 0
    return replace(events, tags=events.tags.select(wrong[events.tags.event]))


def _mixed_tags(sources: Sources, rotations: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Pair generic decays with signal-side decays where a tag may come out whose lepton and kaon are not of one B."""
    signal, generic = sources.signal_side, sources.generic
    contents = Contents.of(generic), Contents.of(signal)
    n_draws = max(round(MIXED_DRAWS[sources.kind] * rotations * len(signal)), 1)
    n_same = rng.binomial(n_draws, sources.same_flavour)
    for turn, n in ((1, n_draws - n_same), (-1, n_same)):
        keys = contents[0].key(-1), contents[1].key(turn)
        first, second, weight = draw_pairs(keys, (generic.weight, signal.weight), n, rng)
        for start in range(0, len(first), BATCH):
            part = slice(start, start + BATCH)
            yield _mixed_batch(sources, first[part], second[part], weight[part], turn, 1 / n_draws, rng)


def _mixed_batch(
    sources: Sources,
    first: Ints,
    second: Ints,
    weight: Floats,
    turn: int,
    scale: float,
    rng: np.random.Generator,
) -> Rows:
    n = len(first)
    velocity = b_velocities(rng, n)
    sides = (
        Side(sources.generic, first, frames(random_rotations(rng, n), velocity), np.full(n, -1), 0),
        Side(sources.signal_side, second, frames(random_rotations(rng, n), -velocity), np.full(n, turn), 1),
    )
    tracks = merged([side.measure(rng) for side in sides])
    of_one = like_tag(tracks, 0, n) | like_tag(tracks, 1, n)
    good, weight = thinned(np.where(of_one, 0.0, may_hold_candidate(tracks, n)), weight, rng)
    m = len(good)
    events = assembled(
        renumbered(tracks, good, n), [side.clusters(good, rng) for side in sides],
        np.array([side.true_mode(good) for side in sides]), m, rng,
    )  # fmt: skip
    direct = np.array([side.direct(good) for side in sides])
    one, other = first[good], second[good]
    labels = np.array([sources.generic.label[one], sources.signal_side.label[other]])
    origin = Origin(other, one, sources.signal_side.q2[other], labels)
    return finished(without_true_tags(events), direct, weight * scale, origin, sources.kind, rng)


def may_hold_candidate(tracks: Tracks, n: int) -> Floats:
    """Return with which probability events are looked at further.

    It is zero unless an event has few enough tracks, a fast ℓ∓ with a K∓ for the tag and a K± for the signal side.
    """
    clean = tracks.clean
    n_clean = count(tracks.event, n, clean)
    lepton = clean & (np.maximum(tracks.log_electron, tracks.log_muon) > 0) & (norm(tracks.p) > 0.7)
    kaon_id = tracks.kaon_id
    found, surely = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    for sign in (1, -1):
        same, other = clean & (tracks.charge == sign), clean & (tracks.charge == -sign)
        tag = (count(tracks.event, n, lepton & same) > 0) & (
            count(tracks.event, n, same & (kaon_id > tags.KAON_ID)) > 0
        )
        found |= tag & (count(tracks.event, n, other & (kaon_id > KAON_ID)) > 0)
        surely |= tag & (count(tracks.event, n, other & (kaon_id > SURE_KAON_ID)) > 0)
    possible = found & (n_clean >= MIN_TRACKS) & (n_clean <= MAX_TRACKS)
    alone = (n_clean == 4) | (n_clean == 6)
    return np.where(possible, np.where(alone, 1.0, EXTRA_TRACKS) * np.where(surely, 1.0, UNSURE_KAON), 0.0)


@dataclass(frozen=True)
class Origin:
    """Which simulated decays stand behind events.

    Attributes
    ----------
    parent, partner : (n,) int64
        Decay of the signal-side B (or continuum event) and, in BB̄, of the other B.
    q2 : (n,) float64
        Mass squared of the neutrinos of the signal-side B.
    label : (2, n) int64
        Labels of the decays, by side.
    """

    parent: Ints
    partner: Ints
    q2: Floats
    label: Ints


def finished(
    events: Events, direct: Bools, weight: Floats, origin: Origin, kind: SampleType, rng: np.random.Generator
) -> Rows:
    """Build the candidates and attach what only the maker of the events knows; half of the events are conjugated."""
    event, columns = build(events)
    matched = columns.pop("tag_matched") > 0
    side, kaon_side = (columns.pop(name).astype(np.int64) for name in ("tag_side", "kaon_side"))
    columns["Btag_isSignal"] = (matched & direct[side, event]).astype(float)
    columns["q2_gen"] = origin.q2[event] if kind is SampleType.SIGNAL else np.full(len(event), np.nan)
    columns["Bsig_label"] = origin.label[np.minimum(kaon_side, 1), event]
    conjugated(columns, np.where(rng.random(events.n) < 0.5, -1, 1)[event])
    order = np.argsort(event, kind="stable")
    parent = origin.parent[event]
    rows = Rows(event, weight[event], parent, parent, columns, 0.0, origin.partner[event])
    return rows.select(order)


def conjugated(columns: dict[str, Array], sign: Ints) -> None:
    """Flip, in place, all charges and flavours of the rows with sign -1."""
    for name in ("Btag_charge", "K_charge"):
        columns[name] = columns[name] * sign
    for name in [name for name in columns if name.endswith("PDG")]:
        known = np.isfinite(columns[name])
        pdg = columns[name][known].astype(np.int64)
        columns[name][known] = np.where(sign[known] < 0, conjugate(pdg), pdg)
