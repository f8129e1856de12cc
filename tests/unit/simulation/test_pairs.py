"""Pairs drawn by what was found: none with a chance is left out, and weights make up for the others."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.basf2 import SampleType
from analysis.simulation import pairs, triage
from analysis.simulation.candidates import Events, build
from analysis.simulation.generator import Generator, Pool
from analysis.simulation.jagged import Floats, count, merged
from analysis.simulation.kinematics import norm, random_rotations
from analysis.simulation.pairing import b_velocities, frames
from analysis.simulation.pairs import Flag, Offers, apart, directions, draw, fit, turned
from analysis.simulation.prospects import MAX_CHARGED
from analysis.simulation.response import Clusters, Tracks, beam_clusters
from analysis.simulation.sides import Side
from analysis.simulation.tag_modes import KPIPI0
from analysis.simulation.tags import find_pi0s, reconstruct_tags

pytest.importorskip("pythia8mc", reason="the extra `toy` is not installed")
N = 20_000


@pytest.fixture(scope="module")
def decays() -> tuple[Pool, Pool]:
    """Forced tags and signal, and generic decays to mix with them: many events have candidates."""
    generator = Generator("tag charged", 5)
    return generator.batch(4000), generator.other("signal").batch(4000)


@pytest.fixture(scope="module")
def sides(decays: tuple[Pool, Pool]) -> tuple[Side, Side]:
    rng = np.random.default_rng(1)
    velocity = b_velocities(rng, N)
    ones = np.ones(N, dtype=np.int64)
    return tuple(
        Side(pool, rng.integers(len(pool), size=N), frames(random_rotations(rng, N), v), ones, number)
        for number, (pool, v) in enumerate(zip(decays, (velocity, -velocity), strict=True))
    )  # type: ignore[return-value]


def measured(sides: tuple[Side, Side]) -> tuple[list[Tracks], Clusters]:
    rng = np.random.default_rng(2)
    tracks = [side.measure(side.detect(rng), rng) for side in sides]
    return tracks, merged([*(side.clusters(rng) for side in sides), beam_clusters(N, rng)])


def test_no_candidate_is_left_out(sides: tuple[Side, Side]) -> None:
    """Of tracks alone: of one side each, to judge a pair by, and of both, before clusters are looked at."""
    of_sides, clusters = measured(sides)
    tracks = merged(of_sides)
    pi0s = find_pi0s(clusters, N)
    found = reconstruct_tags(tracks, pi0s, clusters, np.array([side.truth for side in sides]), N)
    event, _ = build(Events(N, tracks, clusters, pi0s, found))
    candidates = np.zeros(N, dtype=bool)
    candidates[event] = True
    assert candidates.sum() > 1500
    may = triage.may_hold_tag(tracks, N)
    assert np.all(may[candidates])
    assert 0.2 < np.mean(may) < 0.8
    one, other = (Offers.of(t, side.pool, side.parents) for t, side in zip(of_sides, sides, strict=True))
    chosen = np.flatnonzero(candidates)[:1500]
    assert np.all(np.diag(fit(one.select(chosen), other.select(chosen))) > 0)


def test_offers_are_what_was_found(sides: tuple[Side, Side]) -> None:
    (tag, _), clusters = measured(sides)
    offers = Offers.of(tag, sides[0].pool, sides[0].parents)
    clean = count(tag.event, N, tag.clean)
    assert np.all((offers.tracks == clean) | (offers.flags & Flag.KSHORT > 0))
    assert np.all((offers.charge - offers.tracks) % 2 == 0)
    # a D at its mass beside the lepton: in all that hold a tag of tracks alone
    found = reconstruct_tags(tag, find_pi0s(clusters, N), clusters, np.array([sides[0].truth, sides[1].truth]), N)
    of_tracks = np.unique(found.event[found.channel != KPIPI0])
    assert len(of_tracks) > 1500
    assert np.all(offers.flags[of_tracks] & Flag.D > 0)
    assert np.mean(offers.flags & Flag.D > 0) < 0.3
    assert np.all(offers.flags[offers.flags & Flag.D > 0] & (Flag.LEPTON[0] | Flag.LEPTON[1]))
    conjugated = Offers.of(replace(tag, charge=-tag.charge), sides[0].pool, sides[0].parents)
    assert np.array_equal(conjugated.charge, -offers.charge)
    for positive, negative in (Flag.LEPTON, Flag.KAON, Flag.SURE_KAON):
        assert np.array_equal(conjugated.flags & positive > 0, offers.flags & negative > 0)
    assert np.array_equal(conjugated.flags & (Flag.TAG | Flag.D), offers.flags & (Flag.TAG | Flag.D))
    one = np.arange(2000)
    assert np.array_equal(np.unique(offers.select(one).key), np.unique(offers.key[one]))


def random_offers(n: int, seed: int) -> Offers:
    rng = np.random.default_rng(seed)
    tracks = rng.integers(0, 7, n)
    charge = rng.integers(-1, 2, n) * (tracks % 2) + 2 * rng.integers(-1, 2, n) * (tracks > 2)
    return Offers(tracks, charge, rng.integers(0, Flag.END, n), rng.integers(0, 5, n))


def test_pairs_without_lepton_and_kaons_have_no_chance() -> None:
    one, other = random_offers(400, 1), random_offers(300, 2)
    chance = fit(one, other)
    assert np.allclose(chance, fit(other, one).T)
    able = np.zeros((400, 300), dtype=bool)
    both = one.flags[:, None] | other.flags
    for lepton, kaon, of_signal in zip(Flag.LEPTON, Flag.KAON, Flag.KAON[::-1], strict=True):
        signal = of_signal | Flag.SURE_KAON[Flag.KAON.index(of_signal)]
        able |= (both & lepton > 0) & (both & (kaon | Flag.KSHORT) > 0) & (both & signal > 0)
    few = one.tracks[:, None] + other.tracks <= triage.MAX_TRACKS
    assert np.array_equal(chance > 0, able & few)
    assert chance.max() <= 1


def test_drawn_pairs_weigh_what_all_pairs_would_give() -> None:
    rng = np.random.default_rng(3)
    one, other = random_offers(300, 1), random_offers(300, 2)
    weights: tuple[Floats, Floats] = rng.uniform(0.1, 2, 300), rng.uniform(0.1, 2, 300)
    first, second, weight = draw((one, other), weights, 200_000, rng)
    assert len(first) == len(second) == len(weight) == 200_000
    able = fit(one, other) > 0
    products = np.outer(*weights) * able
    number = np.add.outer(one.tracks, other.tracks)
    energy = np.add.outer(one.energy, other.energy)
    assert np.all(able[first, second])
    for tracks in (3, 4, 5, 6, 8):
        for high in (False, True):
            mask = (number == tracks) & ((energy > 4) == high)
            drawn = weight[mask[first, second]].sum()
            assert drawn == pytest.approx(products[mask].sum(), rel=0.1), (tracks, high)


def test_no_decay_is_paired_with_itself() -> None:
    """Averages over pairs of different decays of a small pool are those of independent ones."""
    pool = Generator(SampleType.CHARGED.value, 4).batch(12)
    pool = replace(pool, weight=np.array([0.1] * 4 + [1.45] * 8))
    first, second = np.divmod(np.arange(144), 12)
    weight = pool.weight[first] * pool.weight[second]
    kept, result = apart(pool, first, second, weight)
    assert len(kept) == 132
    assert np.all(first[kept] != second[kept])
    # whatever depends on the strata alone is what it is with all pairs
    strata = (pool.weight[first] < 1) * 2 + (pool.weight[second] < 1)
    assert np.bincount(strata[kept], result) == pytest.approx(np.bincount(strata, weight))


def test_nothing_to_draw() -> None:
    offers = replace(random_offers(5, 1), flags=np.zeros(5, dtype=np.int64))
    first, second, weight = draw((offers, offers), (np.ones(5), np.ones(5)), 10, np.random.default_rng(1))
    assert len(first) == len(second) == len(weight) == 0


def test_directions_are_those_of_b_mesons() -> None:
    rng = np.random.default_rng(1)
    velocity = np.concatenate([directions(rng) for _ in range(2000)], axis=1)
    reference = b_velocities(rng, 20_000)
    assert norm(velocity) == pytest.approx(norm(reference)[0])
    cosine = velocity[2] / norm(velocity)
    assert np.mean(cosine) == pytest.approx(0, abs=0.005)
    assert np.mean(cosine**2) == pytest.approx(1 / 5, abs=0.005)
    assert np.mean(cosine**4) == pytest.approx(3 / 35, abs=0.005)
    # each part of the distribution has one
    once = np.sort(directions(rng)[2]) / norm(velocity)[0]
    share = (2 + 3 * once - once**3) / 4
    assert np.array_equal(np.floor(share * pairs.N_DIRECTIONS), np.arange(pairs.N_DIRECTIONS))


def test_uses_of_decays_weigh_what_the_decays_do() -> None:
    pool = Generator(SampleType.CHARGED.value, 3).stratified(3000)
    rng = np.random.default_rng(1)
    sums = np.zeros(len(pool))
    for _ in range(40):
        decay, share, factor = turned(pool, 1.2, rng)
        sums += np.bincount(decay, share * factor, len(pool)) / 40
    assert set(pairs._CHARGED) == set(range(MAX_CHARGED + 2)), "none is left out"
    used = sums > 0
    assert used.mean() > 0.95
    assert sums.sum() == pytest.approx(pool.weight.sum(), rel=0.02)
