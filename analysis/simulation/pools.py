"""Pools: decays and accepted tags, generated in batches and kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from analysis.basf2 import SampleType
from analysis.simulation.generator import NO_TAG, Generator, Particles, Pool
from analysis.simulation.jagged import Array, Bools, Floats, Ints, count, gather, offsets
from analysis.simulation.kinematics import random_rotations
from analysis.simulation.pairing import b_velocities, frames, place
from analysis.simulation.response import Clusters, Tracks, measure_clusters, measure_tracks
from analysis.simulation.tags import find_pi0s, reconstruct_tags

BATCH = 20_000
Listed = TypeVar("Listed", Particles, Tracks, Clusters)


@dataclass(frozen=True)
class TagPool:
    """Accepted true tags: measured once, in the laboratory.

    Attributes
    ----------
    tracks, clusters
        Their measured particles; ``event`` is the number of the tag.
    mode, direct : (n,)
        See `Pool`.
    velocity : (3, n) float64
        Of the tag B in the centre of mass.
    accepted
        Accepted over generated.
    """

    tracks: Tracks
    clusters: Clusters
    mode: Ints
    direct: Bools
    velocity: Floats
    accepted: float

    def __len__(self) -> int:
        return len(self.mode)


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


def joined(pools: Sequence[Pool]) -> Pool:
    """Return one pool of several, one after the other."""
    starts = offsets(np.array([len(pool) for pool in pools]))
    particles = stacked(
        [
            replace(pool.particles, event=pool.particles.event + start)
            for pool, start in zip(pools, starts[:-1], strict=True)
        ]
    )
    return Pool(
        particles, offsets(count(particles.event, int(starts[-1]))), np.concatenate([p.tag_mode for p in pools]),
        np.concatenate([p.tag_direct for p in pools]), np.concatenate([p.q2 for p in pools]),
        sum(p.generated for p in pools),
    )  # fmt: skip


def make_tags(kind: SampleType, n: int, seed: int, rng: np.random.Generator) -> TagPool:
    """Generate n forced tags of B⁻ or B̄⁰ and keep those that are reconstructed rightly."""
    generator = Generator("tag mixed" if kind is SampleType.MIXED else "tag charged", seed)
    tracks_kept: list[Tracks] = []
    clusters_kept: list[Clusters] = []
    modes, directs, velocities, kept = [], [], [], 0
    for size in batches(n):
        pool = generator.batch(size)
        velocity = b_velocities(rng, size)
        frame = frames(random_rotations(rng, size), velocity)
        particles = place(pool.particles, pool.particles.event, frame, np.ones(size, dtype=np.int64))
        side = on_side(len(particles.pdg), 0)
        tracks, clusters = measure_tracks(particles, side, rng), measure_clusters(particles, side, rng)
        true_mode = np.array([pool.tag_mode, np.full(size, NO_TAG)])
        found = reconstruct_tags(tracks, find_pi0s(clusters, size), clusters, true_mode, size)
        good = np.flatnonzero(count(found.event, size, found.matched) > 0)
        tracks_kept.append(renumbered(tracks, good, size, kept))
        clusters_kept.append(renumbered(clusters, good, size, kept))
        modes.append(pool.tag_mode[good])
        directs.append(pool.tag_direct[good])
        velocities.append(velocity[:, good])
        kept += len(good)
    return TagPool(
        stacked(tracks_kept), stacked(clusters_kept), np.concatenate(modes), np.concatenate(directs),
        np.concatenate(velocities, axis=1), kept / n,
    )  # fmt: skip
