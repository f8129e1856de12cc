"""Pools: decays and accepted tags, generated in batches and kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from analysis.simulation.detector import M_K
from analysis.simulation.generator import Generator, Particles, Pool, joined
from analysis.simulation.histories import Chain, History
from analysis.simulation.jagged import Array, Bools, Floats, Ints, count, gather, offsets, total
from analysis.simulation.kinematics import mass, norm, random_rotations, with_mass
from analysis.simulation.pairing import b_velocities, frames, place
from analysis.simulation.prospects import Contents, tag_prospects, thinned, uses
from analysis.simulation.response import Clusters, Detected, Tracks, measure_clusters, measure_tracks
from analysis.simulation.tags import KAON_ID, Tags, find_kshorts, find_pi0s, reconstruct_tags, tag_lepton

BATCH = 20_000
CROWDED_TAGS = 0.2  # kept of the wrong tags with more tracks than a tag has
MAX_TAG_TRACKS = 7
SPARE_KAON_ID = 0.1
# Importance of tags: energy left over (GeV), distance to the D⁰ mass (GeV/c^2), cosθ_BY.
CLEAN, QUIET, NOISY = 1.0, 0.33, 0.2
QUIET_ENERGY, LIGHT_MASS = 1.5, 2.1  # GeV, GeV/c^2: two tracks as kaons, beside the lepton
CLEAN_ENERGY, CLEAN_MASS, CLEAN_COS_BY = 1.0, 0.020, (-1.75, 1.1)
Listed = TypeVar("Listed", Particles, Detected, Tracks, Clusters, Tags)


@dataclass(frozen=True)
class TagPool:
    """B mesons on the tag side, measured once, in the laboratory.

    Attributes
    ----------
    tracks, clusters
        Their measured particles; ``event`` is the number of the tag.
    truth, label : (n,)
        See `Pool`.
    parent : (n,) int64
        Decay behind the tag, a number within the block.
    history, turn
        Of these decays; -1 where they are conjugated, else 1.
    velocity : (3, n) float64
        Of the tag B in the centre of mass.
    prospects : (n,) float64
        Chance to pass the analysis's selection, as far as the tag decides; in arbitrary units.
    tracks_of_tag : (n,) int64
        Number of its clean tracks.
    spare_kaon : (n,) bool
        It has kaons of both charges: one of them may be taken for the signal's.
    weight : (n,) float64
        Of the tags.
    probability
        That a B gives such a tag.
    """

    tracks: Tracks
    clusters: Clusters
    truth: Ints
    label: Ints
    parent: Ints
    history: History
    turn: int
    velocity: Floats
    prospects: Floats
    tracks_of_tag: Ints
    spare_kaon: Bools
    weight: Floats
    probability: float

    def __len__(self) -> int:
        return len(self.truth)

    def chain(self, chosen: Ints) -> Chain:
        """Return the decays of chosen tags, for decay strings."""
        return Chain(self.history, self.parent[chosen], np.full(len(chosen), self.turn))


def batches(n: int, size: int = BATCH) -> Iterator[int]:
    """Yield sizes that sum to n."""
    for start in range(0, n, size):
        yield min(size, n - start)


def renumbered(items: Listed, events: Ints, n_events: int, start: int = 0) -> Listed:
    """Return the items of the chosen events (rising), numbered from ``start`` on."""
    new = np.full(n_events, -1)
    new[events] = np.arange(len(events)) + start
    number = new[items.event]
    keep = number >= 0
    fields = {k: v[..., keep] for k, v in vars(items).items()}
    return type(items)(**(fields | {"event": number[keep]}))


def taken(items: Listed, n_lists: int, lists: Ints) -> Listed:
    """Return the items of the chosen lists, which may repeat, numbered in the order of choice."""
    index, owner = gather(offsets(count(items.event, n_lists)), lists)
    fields = {k: v[..., index] for k, v in vars(items).items()}
    return type(items)(**(fields | {"event": owner}))


def stacked(parts: Sequence[Listed]) -> Listed:
    """Return the items of several batches one after the other."""
    kind = type(parts[0])
    return kind(**{k: np.concatenate([getattr(p, k) for p in parts], axis=-1) for k in vars(parts[0])})


def merged(parts: Sequence[Listed]) -> Listed:
    """Return the items of several parts sorted by event, ties in the order of the parts."""
    whole = stacked(parts)
    order = np.argsort(whole.event, kind="stable")
    return type(whole)(**{k: v[..., order] for k, v in vars(whole).items()})


def on_side(n: int, side: int) -> Array:
    """Return a side for n particles."""
    return np.full(n, side, dtype=np.int8)


def make_decays(kind: str, n: int, seed: int) -> Pool:
    """Generate n decays (or continuum events) and keep them all."""
    generator = Generator(kind, seed)
    return joined([generator.batch(size) for size in batches(n)])


def make_tags(generator: Generator, n: int, forced: float, rng: np.random.Generator) -> TagPool:
    """Generate n forced tags of B⁻ or B̄⁰ and keep those that are reconstructed rightly.

    Parameters
    ----------
    generator
        Of forced tags.
    forced
        Their branching fraction.
    """
    pool = generator.batch(n)
    decays, ones = np.arange(n), np.ones(n)
    tracks, clusters, found, velocity = _measured(pool, decays, 1, rng)
    accepted = count(found.event, n, found.matched) > 0
    good = np.flatnonzero(accepted)
    return _tag_pool(pool, decays, 1, good, (tracks, clusters, found, velocity), ones[good], forced * len(good) / n)


def make_wrong_tags(pool: Pool, rotations: float, rng: np.random.Generator) -> TagPool:
    """Turn generic B⁺ (B⁰) decays into B⁻ (B̄⁰) and keep what looks like a tag without being an accepted one.

    Parameters
    ----------
    pool
        Generic decays.
    rotations
        How often a decay with good prospects is measured.
    """
    prospects = tag_prospects(Contents.of(pool))
    number, unit = uses(prospects * rotations * np.sqrt(np.minimum(pool.weight, 1.0)), rng)
    decays = np.repeat(np.arange(len(pool)), number)
    n = len(decays)
    measured = _measured(pool, decays, -1, rng)
    tracks, found = measured[0], measured[2]
    tagged = like_tag(tracks, 0, n) & (count(found.event, n, found.matched) == 0)
    lone = np.where(lone_tag(tracks, n), 1.0, CROWDED_TAGS)
    scale = 1.0 / rotations
    good, weight = thinned(np.where(tagged, lone, 0.0), pool.weight[decays] * unit[decays] / scale, rng)
    weight = weight * scale
    return _tag_pool(pool, decays, -1, good, measured, weight, float(weight.sum()) / len(pool))


Measured = tuple[Tracks, Clusters, Tags, Floats]


def _measured(pool: Pool, decays: Ints, turn: int, rng: np.random.Generator) -> Measured:
    """Measure decays, each as an event of its own; returns the velocities of the B, too."""
    n = len(decays)
    velocity = b_velocities(rng, n)
    items, owner = gather(pool.first, decays)
    particles = place(pool.particles.select(items), owner, frames(random_rotations(rng, n), velocity), np.full(n, turn))
    side = on_side(len(particles.pdg), 0)
    tracks, clusters = measure_tracks(particles, side, rng), measure_clusters(particles, side, rng)
    truth = pool.truth[decays][None]
    return tracks, clusters, reconstruct_tags(tracks, find_pi0s(clusters, n), clusters, truth, n), velocity


def _tag_pool(
    pool: Pool, decays: Ints, turn: int, good: Ints, measured: Measured, weight: Floats, probability: float
) -> TagPool:
    tracks, clusters, found, velocity = measured
    n, parent = len(decays), decays[good]
    kaon = tracks.clean & (tracks.kaon_id > SPARE_KAON_ID)
    both = (count(tracks.event, n, kaon & (tracks.charge > 0)) > 0) & (
        count(tracks.event, n, kaon & (tracks.charge < 0)) > 0
    )
    prospects = np.where(_clean(found, tracks, clusters, n), CLEAN, np.where(_quiet(tracks, clusters, n), QUIET, NOISY))
    return TagPool(
        renumbered(tracks, good, n), renumbered(clusters, good, n), pool.truth[parent], pool.label[parent], parent,
        pool.history, turn, velocity[:, good], prospects[good],
        count(tracks.event, n, tracks.clean)[good], both[good], weight, probability,
    )  # fmt: skip


def lone_tag(tracks: Tracks, n: int) -> Bools:
    """Whether events have just the tracks of a tag: ℓKπ or ℓK3π."""
    number = count(tracks.event, n, tracks.clean)
    return np.asarray((number == 3) | (number == 5))


def like_tag(tracks: Tracks, side: int, n: int) -> Bools:
    """Whether one side alone offers a lepton, and a kaon of the same charge or a K_S."""
    tracks = tracks.select(tracks.side == side)
    own = tracks.clean
    lepton, kaon = own & tag_lepton(tracks), own & (tracks.kaon_id > KAON_ID)
    found = (count(tracks.event, n, lepton) > 0) & (count(find_kshorts(tracks, n).event, n) > 0)
    for sign in (1, -1):
        same = tracks.charge == sign
        # the lepton itself may look like a kaon, too
        found |= (
            (count(tracks.event, n, lepton & same) > 0)
            & (count(tracks.event, n, kaon & same) > 0)
            & (count(tracks.event, n, (lepton | kaon) & same) > 1)
        )
    return np.asarray(found & (count(tracks.event, n, own) <= MAX_TAG_TRACKS))


def _quiet(tracks: Tracks, clusters: Clusters, n: int) -> Bools:
    """Whether events have three tracks, little energy, and a K and π to which a π⁰ from elsewhere may be added."""
    clean = tracks.select(tracks.clean)
    number = count(clean.event, n, np.ones(len(clean.event), dtype=bool))
    p = np.array([total(clean.event, np.where(tag_lepton(clean), 0.0, each), n) for each in with_mass(clean.p, M_K)])
    light = mass(p) < LIGHT_MASS
    energy = total(clusters.event, np.where(clusters.present, norm(clusters.p), 0.0), n)
    return np.asarray((number == 3) & light & (energy < QUIET_ENERGY))


def _clean(found: Tags, tracks: Tracks, clusters: Clusters, n: int) -> Bools:
    """Whether events with one tag would pass the analysis's selection, as far as the tag decides."""
    event = found.event
    clean = tracks.clean
    free = count(tracks.event, n, clean)[event] - 1 - found.clean_daughters(clean)
    energy = np.append(np.where(clusters.present, norm(clusters.p), 0.0), 0.0)
    rest = total(clusters.event, energy[:-1], n)[event] - np.sum(energy[found.photons], axis=0)
    good = (
        (free == 0) & (rest < CLEAN_ENERGY) & (np.abs(found.mass_shift) < CLEAN_MASS)
        & (found.cos_by > CLEAN_COS_BY[0]) & (found.cos_by < CLEAN_COS_BY[1])
    )  # fmt: skip
    return np.asarray(count(event, n, good) > 0)
