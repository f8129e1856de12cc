"""Whole events: each B decay used once, both measured together. What the pools must reproduce.

Nothing is reused, turned, thinned or dropped early; an event costs a decay of each B. Signal against forced tags gives
a candidate in some 8 events, generic B⁺ in 190, generic B⁰ in 230. `wrongly_tagged` makes events in which neither B has
an accepted tag: one in some 2000 gives a candidate, so that tests of the pools can afford a few, and validation none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.basf2 import SampleType
from analysis.simulation import bbbar
from analysis.simulation.candidates import Events
from analysis.simulation.detector import DETECTOR, M_K
from analysis.simulation.generator import Generator, Pool, joined
from analysis.simulation.histories import Chain
from analysis.simulation.jagged import Array, Floats, Ints, count, merged, on_side, stacked
from analysis.simulation.kinematics import boost, norm, random_rotations, with_mass
from analysis.simulation.pairing import b_velocities, frames, place
from analysis.simulation.pools import batches, make_decays, make_tags
from analysis.simulation.response import Clusters, Tracks, beam_clusters, measure_clusters, measure_tracks
from analysis.simulation.rows import Rows, numbered, stack
from analysis.simulation.tags import Tags, find_pi0s, reconstruct_tags
from analysis.simulation.tags.matching import Errors

BATCH = 2000
GENERIC, MAX_WEIGHT = 10.0, 4.0  # of `pooled`: uses of generic decays; above it nothing beside a tag is thinned


@dataclass(frozen=True)
class Species:
    """Measured tracks of one kind: event, momentum in the centre of mass (kaon's mass), kaon identification."""

    event: Ints
    p_star: Floats
    kaon_id: Floats


@dataclass(frozen=True)
class Whole:
    """A sample of whole events.

    Attributes
    ----------
    rows
        Candidates of the events whose forced tag was accepted.
    generated
        Number of events.
    truth, accepted, correct : (generated,)
        Word of the forced tag (`true_tags`), whether a candidate of it was found, and whether a fully correct one was.
    found
        The candidates of forced tags.
    kaons, pions
        Clean tracks of the signal side, whatever else the event holds.
    q2 : (generated,)
        Mass squared of the signal side's neutrinos, GeV²/c⁴.
    """

    rows: Rows
    generated: int
    truth: Ints
    accepted: NDArray[np.bool_]
    correct: NDArray[np.bool_]
    found: Tags
    kaons: Species
    pions: Species
    q2: Floats


def make(kind: SampleType, n: int, seeds: Ints, rng: np.random.Generator) -> Whole:
    """Simulate n events of a signal-side decay and a forced tag.

    Parameters
    ----------
    kind
        Signal, charged or mixed.
    n
        Number of events.
    seeds : (2,) int64
        PYTHIA's.
    rng
        All other randomness.
    """
    generators = Generator(_tag(kind), int(seeds[0])), Generator(kind.value, int(seeds[1]))
    parts: list[dict[str, Any]] = []
    start = 0
    for size in batches(n, BATCH):
        pools = generators[0].batch(size), generators[1].batch(size)
        parts.append(_batch(kind, pools, start, rng))
        start += size

    def all_of(name: str) -> Array:
        return np.concatenate([part[name] for part in parts])

    return Whole(
        stack([part["rows"] for part in parts], float(n)), n, all_of("truth"), all_of("accepted"), all_of("correct"),
        stacked([part["found"] for part in parts]), Species(all_of("kaon_event"), all_of("kaon_p"), all_of("kaon_id")),
        Species(all_of("pion_event"), all_of("pion_p"), all_of("pion_id")),
        all_of("q2"),
    )  # fmt: skip


def _tag(kind: SampleType) -> str:
    """Return the generator of its forced tags."""
    return "tag mixed" if kind is SampleType.MIXED else "tag charged"


def _batch(kind: SampleType, pools: tuple[Pool, Pool], start: int, rng: np.random.Generator) -> dict[str, Any]:
    n = len(pools[0])
    turn = np.array([np.ones(n, dtype=np.int64), _turns(kind, n, rng)])
    tracks, clusters = _measured(pools, turn, rng)
    pi0s = find_pi0s(clusters, n)
    truth = np.array([pool.truth for pool in pools])
    found = reconstruct_tags(tracks, pi0s, clusters, truth, n)
    forced = found.matched & (found.side == 0)
    accepted = count(found.event, n, forced) > 0
    correct = count(found.event, n, forced & ((found.errors & ~int(Errors.MISS_NEUTRINO)) == 0)) > 0
    chosen = found.select(accepted[found.event])
    events = Events(n, tracks, clusters, pi0s, chosen)
    weight = 1 / np.maximum(bbbar.true_sides(chosen, n), 1)
    number = np.arange(n) + start
    chains = tuple(Chain(pool.history, np.arange(n), each) for pool, each in zip(pools, turn, strict=True))
    origin = bbbar.Origin(number, bbbar.TAG + number, pools[1].q2, np.array([pools[0].label, pools[1].label]), chains)
    rows = bbbar.finished(events, weight, origin, kind, rng).shifted(start)
    kaons, pions = _species(tracks, 321), _species(tracks, 211)
    return {
        "rows": rows, "truth": pools[0].truth, "accepted": accepted, "correct": correct, "found": found.select(forced),
        "kaon_event": kaons.event + start,
        "pion_event": pions.event + start, "kaon_p": kaons.p_star, "kaon_id": kaons.kaon_id, "pion_p": pions.p_star,
        "pion_id": pions.kaon_id, "q2": pools[1].q2,
    }  # fmt: skip


def _turns(kind: SampleType, n: int, rng: np.random.Generator) -> Ints:
    """Return -1 where the signal side is conjugated, else 1: the flavour of two B⁰ is the same if one has mixed."""
    return np.where(rng.random(n) < (bbbar.CHI_D if kind is SampleType.MIXED else 0.0), -1, 1)


def wrongly_tagged(kind: SampleType, n: int, seed: int, rng: np.random.Generator) -> Rows:
    """Simulate n events of two generic decays, and keep the candidates of those without an accepted true tag.

    Parameters
    ----------
    kind
        Charged or mixed.
    n
        Number of events.
    seed
        PYTHIA's.
    rng
        All other randomness.
    """
    generator = Generator(kind.value, seed)

    def parts() -> Iterator[Rows]:
        start = 0
        for size in batches(n, BATCH):
            pools = generator.batch(size), generator.batch(size)
            turn = np.array([np.full(size, -1), _turns(kind, size, rng)])
            tracks, clusters = _measured(pools, turn, rng)
            pi0s = find_pi0s(clusters, size)
            found = reconstruct_tags(tracks, pi0s, clusters, np.array([pool.truth for pool in pools]), size)
            number = np.arange(size)
            chains = tuple(Chain(pool.history, number, each) for pool, each in zip(pools, turn, strict=True))
            labels = np.array([pool.label for pool in pools])
            origin = bbbar.Origin(number + start, bbbar.OTHER + number + start, pools[1].q2, labels, chains)
            events = bbbar.without_true_tags(Events(size, tracks, clusters, pi0s, found))
            yield bbbar.finished(events, np.ones(size), origin, kind, rng).shifted(start)
            start += size

    return stack(parts(), float(n))


def _measured(pools: tuple[Pool, Pool], turn: Ints, rng: np.random.Generator) -> tuple[Tracks, Clusters]:
    """Carry both decays of every event to the laboratory and measure them; ``turn`` (2, n) as in `pairing.place`."""
    n = len(pools[0])
    velocity = b_velocities(rng, n)
    tracks, clusters = [], []
    for side, (pool, direction) in enumerate(zip(pools, (velocity, -velocity), strict=True)):
        frame = frames(random_rotations(rng, n), direction)
        particles = place(pool.particles, pool.particles.event, frame, turn[side])
        of_side = on_side(len(particles.pdg), side)
        tracks.append(measure_tracks(particles, of_side, rng))
        clusters.append(measure_clusters(particles, of_side, rng))
    return merged(tracks), merged([*clusters, beam_clusters(n, rng)])


def _species(tracks: Tracks, pdg: int) -> Species:
    chosen = tracks.select(tracks.clean & (np.abs(tracks.pdg) == pdg) & (tracks.side == 1))
    return Species(chosen.event, norm(boost(with_mass(chosen.p, M_K), -DETECTOR.beams.beta)), chosen.kaon_id)


def pooled(kind: SampleType, n: int, rotations: int, seeds: Ints, rng: np.random.Generator) -> Rows:
    """Return the same candidates as the samples are made: pools of tags and decays, turned and paired.

    Generic decays are generated in the samples' strata, with weights.

    Parameters
    ----------
    kind
        Signal, charged or mixed.
    n
        Decays of the signal side, and of forced tags.
    rotations
        Uses of every signal decay; generic ones of prospects one are used ``GENERIC`` times as often.
    seeds : (2,) int64
        PYTHIA's.
    rng
        All other randomness.
    """
    if kind is SampleType.SIGNAL:
        side = make_decays(kind.value, n, int(seeds[0]))
    else:
        generator = Generator(kind.value, int(seeds[0]))
        side = joined([generator.stratified(size) for size in batches(n)])
    tags = make_tags(Generator(_tag(kind), int(seeds[1])), n, 1.0, rng)
    sources = bbbar.Sources(kind, side, side, tags)
    times = rotations / bbbar.USES[kind] * (1 if kind is SampleType.SIGNAL else GENERIC)
    # all that passes the loose selection is compared, not the signal region alone
    parts = bbbar.tagged(sources, times, rng, MAX_WEIGHT)
    made = stack(numbered(parts), float(n * rotations))
    # per pair, not per event
    return replace(made, weight=made.weight * made.mc_events / (sources.either * tags.probability))
