from dataclasses import replace

import numpy as np
import pytest

from analysis.basf2 import SampleType
from analysis.simulation import true_tags
from analysis.simulation.channels import forced_fraction
from analysis.simulation.detector import DETECTOR, M_BPLUS, M_K, M_MU, M_PI, M_PI0
from analysis.simulation.generator import Generator
from analysis.simulation.jagged import Ints, count, merged, taken
from analysis.simulation.kinematics import boost, direction, norm, with_mass
from analysis.simulation.pools import TagPool, make_tags
from analysis.simulation.response import Clusters, Kind, Tracks, beam_clusters
from analysis.simulation.tag_modes import (
    D0_GAMMA,
    D0_PI,
    D0_PI0,
    D_MODES,
    DPLUS_PI0,
    KPIPI0,
    NO_STAR,
    STAR_MODES,
    WITH_KAON,
)
from analysis.simulation.tags import (
    COS_BY,
    LEPTON_P_STAR,
    LOG10_PROBABILITY,
    Tags,
    cos_theta_by,
    find_pi0s,
    reconstruct_tags,
)
from analysis.simulation.tags.combine import slow_pion_mass
from analysis.simulation.tags.matching import Errors
from analysis.simulation.true_tags import Role

pytest.importorskip("pythia8mc", reason="the extra `toy` is not installed")


@pytest.fixture(scope="module")
def pool() -> TagPool:
    return make_tags(Generator("tag charged", 3), 9000, forced_fraction(SampleType.CHARGED), np.random.default_rng(1))


@pytest.fixture(scope="module")
def mixed_pool() -> TagPool:
    return make_tags(Generator("tag mixed", 3), 1000, forced_fraction(SampleType.MIXED), np.random.default_rng(1))


def test_two_photons_make_a_pi0() -> None:
    # 0.5 GeV each, opened so that their mass is the π⁰'s
    half = np.arcsin(0.134977 / 2 / 0.5)
    p = 0.5 * direction(np.cos(np.array([1 - half, 1 + half, 2.5])), np.zeros(3))
    zeros = np.zeros(3, dtype=np.int8)
    found = find_pi0s(Clusters(np.zeros(3, dtype=np.int64), p, zeros + Kind.PHOTON, zeros, zeros), 1)
    assert found.photons.T.tolist() == [[0, 1]]


def test_cos_by_of_a_massless_neutrino_is_the_true_angle() -> None:
    """B → Y ν with a Y of 3 GeV: from the rest frame to the laboratory and back."""
    rng = np.random.default_rng(1)
    n, m_y = 200, 3.0
    p_y = (M_BPLUS**2 - m_y**2) / (2 * M_BPLUS)
    y = with_mass(p_y * direction(rng.uniform(-1, 1, n), rng.uniform(-3, 3, n)), m_y)
    energy = DETECTOR.beams.sqrt_s / 2
    speed = np.sqrt(energy**2 - M_BPLUS**2) / energy
    b = direction(rng.uniform(-1, 1, n), rng.uniform(-3, 3, n))
    y_cms = boost(y, speed * b)
    true = np.sum(y_cms[:3] * b, axis=0) / norm(y_cms)
    assert cos_theta_by(boost(y_cms, DETECTOR.beams.beta)) == pytest.approx(true, abs=1e-6)


def test_a_slow_pion_adds_no_more_to_k_pi_than_the_windows_allow() -> None:
    rng, n = np.random.default_rng(1), 50_000
    mode, star = D_MODES[KPIPI0], STAR_MODES[D0_PI]
    assert star is not None
    m_d, delta = rng.uniform(mode.mass - mode.window, mode.mass + mode.window, n), rng.uniform(*star.delta_m, n)
    m = rng.uniform(M_K + M_PI, mode.mass - mode.window - M_PI0, n)
    # in the frame of the D: K and π fly along z, the slow pion anywhere
    energy = (m_d**2 + m**2 - M_PI0**2) / (2 * m_d)
    e_slow = ((m_d + delta) ** 2 - m_d**2 - M_PI**2) / (2 * m_d)
    momentum, slow = np.sqrt(energy**2 - m**2), np.sqrt(e_slow**2 - M_PI**2)
    cosine = rng.uniform(-1, 1, n)
    found = np.sqrt(m**2 + M_PI**2 + 2 * (energy * e_slow - momentum * slow * cosine))
    assert np.all(found <= slow_pion_mass(m))
    # and is no wider than it must be
    assert np.min(slow_pion_mass(m) - found) < 0.003


def reconstructed(pool: TagPool) -> Tags:
    return reconstruct_tags(
        pool.tracks, find_pi0s(pool.clusters, len(pool)), pool.clusters, pool.truth[None], len(pool)
    )


def test_accepted_tags_pass_the_skim(pool: TagPool) -> None:
    assert 0.2 < pool.probability / forced_fraction(SampleType.CHARGED) < 0.4
    n = len(pool)
    found = reconstructed(pool)
    assert np.all(count(found.event, n, found.matched) >= 1)
    good = found.select(found.matched)
    assert np.array_equal(good.channel, true_tags.channel(pool.truth[good.event]))
    assert np.all((good.cos_by > COS_BY[0]) & (good.cos_by < COS_BY[1]))
    assert np.all(np.log10(good.probability) > LOG10_PROBABILITY)
    assert np.all(good.p_star > LEPTON_P_STAR)
    # D* feed-down loses a particle
    alone = good.select(good.star == NO_STAR)
    direct = true_tags.star(pool.truth[alone.event]) == NO_STAR
    assert np.median(alone.cos_by[~direct]) < np.median(alone.cos_by[direct]) - 0.3
    assert np.mean(np.abs(alone.cos_by[direct]) < 1.1) > 0.9


def test_every_mode_is_found_and_matched_to_its_truth(pool: TagPool) -> None:
    found = reconstructed(pool)
    correct = found.select((found.errors & ~int(Errors.MISS_NEUTRINO)) == 0)
    word = pool.truth[correct.event]
    assert np.all(correct.matched)
    assert np.array_equal(correct.mode, true_tags.decay_mode(word))
    assert np.array_equal(correct.star, true_tags.star(word))
    assert np.array_equal(correct.channel, true_tags.channel(word))
    assert set(correct.mode.tolist()) == set(range(8))
    assert set(correct.channel.tolist()) == set(range(len(D_MODES)))
    assert set(correct.star.tolist()) == set(range(len(STAR_MODES)))
    assert np.all(correct.errors == Errors.MISS_NEUTRINO), "a semileptonic tag always misses its neutrino"


@pytest.mark.parametrize("place", range(len(D_MODES)), ids=[mode.name for mode in D_MODES])
def test_masses_peak_at_the_d(pool: TagPool, place: int) -> None:
    found = reconstructed(pool)
    shift = found.mass_shift[found.matched & (found.channel == place)]
    assert np.median(shift) == pytest.approx(0, abs=0.003 if place == KPIPI0 else 0.0015)
    assert np.all(np.abs(shift) < D_MODES[place].window)


@pytest.mark.parametrize(
    ("place", "delta_m"), [(D0_PI0, 0.14201), (D0_GAMMA, 0.14201), (D0_PI, 0.14543), (DPLUS_PI0, 0.14060)]
)
def test_delta_m_peaks_at_the_d_star(pool: TagPool, place: int, delta_m: float) -> None:
    found = reconstructed(pool)
    values = found.delta_m[found.matched & (found.star == place)]
    assert np.median(values) == pytest.approx(delta_m, abs=0.0015 if place == D0_GAMMA else 0.0007)
    assert np.isnan(found.delta_m[found.star == NO_STAR]).all()


def test_a_d_star_is_found_as_d_too_and_misses_its_photons(pool: TagPool) -> None:
    found = reconstructed(pool)
    of_star = np.isin(true_tags.star(pool.truth[found.event]), (D0_PI0, D0_GAMMA))
    feed_down = found.select(found.matched & of_star & (found.star == NO_STAR))
    unmatched = feed_down.errors == Errors.INTERNAL_ERROR
    assert np.all(feed_down.errors[~unmatched] & Errors.MISS_GAMMA)
    # but for π⁰ → γ e⁺ e⁻ and tracks that are not what they are taken for
    assert np.mean(feed_down.errors[~unmatched] == (Errors.MISS_GAMMA | Errors.MISS_NEUTRINO)) > 0.95
    whole = found.select(found.matched & (found.star != NO_STAR))
    also = np.isin(whole.event, found.event[found.matched & (found.star == NO_STAR)])
    assert np.mean(also[~np.isin(whole.star, (D0_PI, DPLUS_PI0))]) > 0.8


def test_charges_are_those_of_the_decays(pool: TagPool) -> None:
    """B⁻ → D⁰(K⁻ …) ℓ⁻, D*⁺ → D⁰π⁺, D(*)⁺π⁻ℓ⁻: of all candidates, wrong ones too."""
    n = len(pool)
    order = np.random.default_rng(2).permutation(n)
    tracks = merged([pool.tracks, taken(pool.tracks, n, order)])
    clusters = merged([pool.clusters, taken(pool.clusters, n, order)])
    found = reconstruct_tags(tracks, find_pi0s(clusters, n), clusters, np.array([pool.truth, pool.truth[order]]), n)
    q, sign = np.append(tracks.charge, 0.0)[found.daughters], tracks.charge[found.lepton]
    charged = np.array([mode.charged for mode in D_MODES])[found.channel]
    assert np.array_equal(q[:4].sum(axis=0), np.where(charged, -sign, 0))
    assert np.array_equal(q[0], np.where(np.array(WITH_KAON)[found.channel], sign, -sign))
    assert np.array_equal(q[4], np.where(found.star == D0_PI, -sign, 0))
    in_d_plus = charged | (found.star == D0_PI)
    assert np.array_equal(q[5], np.where(in_d_plus, sign, 0))
    assert np.array_equal(found.mode // 2, 2 * in_d_plus + (found.star != NO_STAR))
    for table in (np.concatenate([found.daughters, found.lepton[None]]), found.photons):
        used = np.sort(np.where(table < 0, -1 - np.arange(len(table))[:, None], table), axis=0)
        assert np.all(np.diff(used, axis=0) > 0), "nothing is used twice"


def test_mc_errors_tell_what_is_wrong(pool: TagPool) -> None:
    n = len(pool)
    plain = reconstructed(pool)
    correct = plain.select((plain.errors == Errors.MISS_NEUTRINO) & (plain.star == NO_STAR) & (plain.mode < 4))
    event = correct.event

    def used(tags: Tags) -> Ints:
        return np.concatenate([tags.lepton[None], tags.daughters, tags.photons])

    def errors(tracks: Tracks) -> list[int]:
        found = reconstruct_tags(tracks, find_pi0s(pool.clusters, n), pool.clusters, pool.truth[None], n)
        places = {tuple(key): i for i, key in enumerate(used(found).T.tolist())}
        return found.errors[[places[tuple(key)] for key in used(correct).T.tolist()]].tolist()

    assert errors(pool.tracks) == [Errors.MISS_NEUTRINO] * len(event)
    pions = np.where(np.isin(np.arange(len(pool.tracks.pdg)), correct.daughters[0]), 2212, pool.tracks.pdg)
    misidentified = replace(pool.tracks, pdg=pions.astype(np.int32))
    assert errors(misidentified) == [Errors.MISS_NEUTRINO | Errors.MIS_ID] * len(event)
    elsewhere = np.where(np.isin(np.arange(len(pions)), correct.daughters[1]), Role.NONE, pool.tracks.role)
    wrong = replace(pool.tracks, role=elsewhere.astype(np.int8))
    assert errors(wrong) == [Errors.MISS_NEUTRINO | Errors.ADDED_WRONG_PARTICLE] * len(event)


def test_tags_of_neutral_b_are_wrong_ones(mixed_pool: TagPool) -> None:
    """B̄⁰ → D*⁺ℓν seen as D⁰ℓ: the slow pion is missed, and the B is not a B⁻."""
    found = reconstructed(mixed_pool)
    feed_down = found.select(found.matched)
    assert np.all(feed_down.errors & (Errors.ADDED_WRONG_PARTICLE | Errors.INTERNAL_ERROR))
    known = feed_down.errors != Errors.INTERNAL_ERROR
    assert np.all(feed_down.errors[known] & Errors.MISS_MASSIVE_PARTICLE)


def test_an_accepted_tag_is_found_whatever_it_is_paired_with(pool: TagPool) -> None:
    """What makes true and wrong tags complementary; of every mode."""
    n = len(pool)
    order = np.random.default_rng(2).permutation(n)
    others = taken(pool.tracks, n, order), taken(pool.clusters, n, order)
    tracks = merged([pool.tracks, replace(others[0], side=others[0].side + 1)])
    beam = beam_clusters(n, np.random.default_rng(3))
    clusters = merged([pool.clusters, replace(others[1], side=others[1].side + 1), beam])
    truth = np.array([pool.truth, pool.truth[order]])
    alone = reconstructed(pool)
    both = reconstruct_tags(tracks, find_pi0s(clusters, n), clusters, truth, n)
    assert len(both.event) > len(alone.event)
    assert keys(alone.select(alone.matched)) == keys(both.select(both.matched & (both.side == 0)))


def keys(found: Tags) -> set[tuple[int, int, float, float]]:
    """Event, mode, probability and cosθ_BY: what tells a candidate, whatever numbers its tracks have."""
    numbers = found.probability.round(10).tolist(), found.cos_by.round(10).tolist()
    return set(zip(found.event.tolist(), found.mode.tolist(), *numbers, strict=True))


def test_leptons_carry_their_mass(pool: TagPool) -> None:
    found = reconstructed(pool)
    muons = found.p_lepton[:, found.is_muon]
    assert np.sqrt(muons[3] ** 2 - norm(muons) ** 2) == pytest.approx(M_MU, abs=1e-4)
