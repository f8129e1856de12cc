"""Pools: decays and accepted tags, generated in batches and kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.simulation.detector import M_K
from analysis.simulation.generator import Generator, Pool, joined
from analysis.simulation.histories import Chain, History
from analysis.simulation.jagged import Bools, Floats, Ints, count, renumbered, total
from analysis.simulation.kinematics import mass, norm, random_rotations, with_mass
from analysis.simulation.pairing import b_velocities, frames
from analysis.simulation.response import Clusters, Tracks
from analysis.simulation.sides import Side
from analysis.simulation.tags import Tags, find_pi0s, reconstruct_tags, tag_lepton

BATCH = 20_000
SPARE_KAON_ID = 0.1
# Importance of tags: energy left over (GeV), distance to the D⁰ mass (GeV/c^2), cosθ_BY.
CLEAN, QUIET, NOISY = 1.0, 0.4, 0.45
QUIET_ENERGY, LIGHT_MASS = 1.5, 2.1  # GeV, GeV/c^2: two tracks as kaons, beside the lepton
CLEAN_ENERGY, CLEAN_MASS, CLEAN_COS_BY = 1.0, 0.020, (-1.75, 1.1)


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
    history
        Of these decays.
    velocity : (3, n) float64
        Of the tag B in the centre of mass.
    prospects : (n,) float64
        Chance to pass the analysis's selection, as far as the tag decides; in arbitrary units.
    tracks_of_tag : (n,) int64
        Number of its clean tracks.
    spare_kaon : (n,) bool
        It has kaons of both charges: one of them may be taken for the signal's.
    probability
        That a B gives such a tag.
    """

    tracks: Tracks
    clusters: Clusters
    truth: Ints
    label: Ints
    parent: Ints
    history: History
    velocity: Floats
    prospects: Floats
    tracks_of_tag: Ints
    spare_kaon: Bools
    probability: float

    def __len__(self) -> int:
        return len(self.truth)

    def chain(self, chosen: Ints) -> Chain:
        """Return the decays of chosen tags, for decay strings."""
        return Chain(self.history, self.parent[chosen], np.ones(len(chosen), dtype=np.int64))


def batches(n: int, size: int = BATCH) -> Iterator[int]:
    """Yield sizes that sum to n."""
    for start in range(0, n, size):
        yield min(size, n - start)


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
    velocity = b_velocities(rng, n)
    side = Side(pool, np.arange(n), frames(random_rotations(rng, n), velocity), np.ones(n, dtype=np.int64), 0)
    tracks = side.measure(side.detect(rng), rng)
    clusters, found = _clusters_and_tags(side, tracks, rng)
    good = np.flatnonzero(count(found.event, n, found.matched) > 0)
    probability = forced * len(good) / n
    return _tag_pool(side, velocity, good, (tracks, clusters, found), probability)


Measured = tuple[Tracks, Clusters, Tags]


def _clusters_and_tags(side: Side, tracks: Tracks, rng: np.random.Generator) -> tuple[Clusters, Tags]:
    """Measure the clusters of decays, each an event of its own, and reconstruct tags."""
    n, clusters = len(side.parents), side.clusters(rng)
    return clusters, reconstruct_tags(tracks, find_pi0s(clusters, n), clusters, side.truth[None], n)


def _tag_pool(side: Side, velocity: Floats, good: Ints, measured: Measured, probability: float) -> TagPool:
    tracks, clusters, found = measured
    pool, n, parent = side.pool, len(side.parents), side.parents[good]
    kaon = tracks.clean & (tracks.kaon_id > SPARE_KAON_ID)
    both = (count(tracks.event, n, kaon & (tracks.charge > 0)) > 0) & (
        count(tracks.event, n, kaon & (tracks.charge < 0)) > 0
    )
    prospects = np.where(_clean(found, tracks, clusters, n), CLEAN, np.where(_quiet(tracks, clusters, n), QUIET, NOISY))
    return TagPool(
        renumbered(tracks, good, n), renumbered(clusters, good, n), pool.truth[parent], pool.label[parent], parent,
        pool.history, velocity[:, good], prospects[good], count(tracks.event, n, tracks.clean)[good], both[good],
        probability,
    )  # fmt: skip


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
