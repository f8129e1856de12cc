"""Early decisions drop nothing that later, exact ones would keep; events may be put together in any portions."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.simulation import triage
from analysis.simulation.candidates import Events, build
from analysis.simulation.generator import Generator, Pool
from analysis.simulation.jagged import Ints, count, merged, renumbered
from analysis.simulation.kinematics import random_rotations
from analysis.simulation.pairing import b_velocities, frames
from analysis.simulation.sides import Begun, Side, together
from analysis.simulation.tags import find_pi0s, reconstruct_tags

pytest.importorskip("pythia8mc", reason="the extra `toy` is not installed")
N = 20_000


@pytest.fixture(scope="module")
def pool() -> Pool:
    return Generator("charged", 5).batch(2000)


def random_side(pool: Pool, number: int, seed: int) -> Side:
    rng = np.random.default_rng(seed)
    parents: Ints = rng.integers(len(pool), size=N)
    frame = frames(random_rotations(rng, N), b_velocities(rng, N))
    return Side(pool, parents, frame, rng.choice([-1, 1], N), number)


def test_what_is_possible_beside_a_tag_has_a_chance(pool: Pool) -> None:
    rng = np.random.default_rng(1)
    side, spare, of_tag = random_side(pool, 1, 2), rng.random(N) < 0.1, rng.integers(2, 7, N)
    found = side.detect(rng)
    chance = triage.beside_a_tag(found, spare, of_tag, N)
    tracks = side.measure(found, rng)
    possible = triage.possible_beside_a_tag(tracks, spare, of_tag, N)
    assert np.all(chance[possible] > 0)
    assert np.sum(possible) > 500
    assert np.sum((chance > 0) & ~possible) > 500, "the exact decision is the stricter one"
    assert np.all(count(tracks.event, N, tracks.clean)[possible] + of_tag[possible] <= triage.MAX_TRACKS)


def test_what_holds_a_candidate_has_a_chance(pool: Pool) -> None:
    rng = np.random.default_rng(1)
    sides = random_side(pool, 0, 3), random_side(pool, 1, 4)
    tracks = merged([side.measure(side.detect(rng), rng) for side in sides])
    clusters = merged([side.clusters(rng) for side in sides])
    pi0s = find_pi0s(clusters, N)
    found = reconstruct_tags(tracks, pi0s, clusters, np.array([side.truth for side in sides]), N)
    event, _ = build(Events(N, tracks, clusters, pi0s, found))
    chance = triage.may_hold_candidate(tracks, N)
    assert len(event) > 5
    assert np.all(chance[event] > 0)
    assert np.mean(chance > 0) < 0.2


def test_a_conjugated_decay_leaves_tracks_of_the_other_charge(pool: Pool) -> None:
    side = random_side(pool, 0, 2)
    tracks = []
    for turn in (1, -1):
        rng = np.random.default_rng(7)
        turned = replace(side, turn=np.full(N, turn))
        tracks.append(turned.measure(turned.detect(rng), rng))
    assert np.array_equal(tracks[0].charge, -tracks[1].charge)
    assert np.array_equal(tracks[0].pdg, -tracks[1].pdg)
    assert np.array_equal(tracks[0].p, tracks[1].p)


def test_events_are_put_together_in_order(pool: Pool) -> None:
    rng = np.random.default_rng(1)
    side = random_side(pool, 0, 2)
    tracks = side.measure(side.detect(rng), rng)
    whole = Begun((side,), tracks, rng.random(N), np.arange(N))
    kept = np.flatnonzero(rng.random(N) < 0.1)
    parts = [whole.select(part) for part in np.array_split(kept, 7)]
    size = len(kept) // 3
    made = list(together(iter(parts), size))
    assert [len(each) >= size for each in made] == [True, True, False]
    assert np.array_equal(np.concatenate([each.tag for each in made]), kept)
    assert np.array_equal(np.concatenate([each.sides[0].parents for each in made]), side.parents[kept])
    assert np.array_equal(np.concatenate([each.tracks.p for each in made], axis=1), renumbered(tracks, kept, N).p)
    number = np.concatenate([count(each.tracks.event, len(each)) for each in made])
    assert np.array_equal(number, count(tracks.event, N)[kept])
