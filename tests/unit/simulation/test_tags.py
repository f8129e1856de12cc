import numpy as np
import pytest

from analysis.basf2 import SampleType
from analysis.simulation.channels import forced_fraction
from analysis.simulation.detector import DETECTOR, M_BPLUS, M_D0, M_MU
from analysis.simulation.generator import Generator
from analysis.simulation.jagged import count
from analysis.simulation.kinematics import boost, direction, norm, with_mass
from analysis.simulation.pools import TagPool, like_tag, make_tags, make_wrong_tags, merged, taken
from analysis.simulation.response import Clusters, Kind, beam_clusters
from analysis.simulation.tags import (
    COS_BY,
    LOG10_PROBABILITY,
    cos_theta_by,
    find_pi0s,
    reconstruct_tags,
    signal_probability,
)

pytest.importorskip("pythia8mc", reason="the extra `toy` is not installed")


@pytest.fixture(scope="module")
def pool() -> TagPool:
    return make_tags(Generator("tag charged", 3), 2000, forced_fraction(SampleType.CHARGED), np.random.default_rng(1))


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


def test_accepted_tags_pass_the_skim(pool: TagPool) -> None:
    assert 0.2 < pool.probability / forced_fraction(SampleType.CHARGED) < 0.4
    n = len(pool)
    found = reconstruct_tags(
        pool.tracks, find_pi0s(pool.clusters, n), pool.clusters, np.array([pool.mode, np.full(n, -1)]), n
    )
    assert np.all(count(found.event, n, found.matched) == 1)
    good = found.select(found.matched)
    assert np.array_equal(good.mode, pool.mode)
    assert np.all((good.cos_by > COS_BY[0]) & (good.cos_by < COS_BY[1]))
    assert np.all(np.log10(good.probability) > LOG10_PROBABILITY)
    assert np.median(good.mass) == pytest.approx(M_D0, abs=0.001)
    # D* feed-down loses a particle
    direct = pool.direct[good.event]
    assert np.median(good.cos_by[~direct]) < np.median(good.cos_by[direct]) - 0.3
    assert np.mean(np.abs(good.cos_by[direct]) < 1.1) > 0.9


def test_an_accepted_tag_is_found_whatever_it_is_paired_with(pool: TagPool) -> None:
    """What makes true and wrong tags complementary."""
    n = len(pool)
    order = np.random.default_rng(2).permutation(n)
    tracks = merged([pool.tracks, taken(pool.tracks, n, order)])
    clusters = merged([pool.clusters, taken(pool.clusters, n, order), beam_clusters(n, np.random.default_rng(3))])
    alone = reconstruct_tags(
        pool.tracks, find_pi0s(pool.clusters, n), pool.clusters, np.array([pool.mode, np.full(n, -1)]), n
    )
    both = reconstruct_tags(tracks, find_pi0s(clusters, n), clusters, np.array([pool.mode, np.full(n, -1)]), n)
    assert len(both.event) > len(alone.event)
    for event in range(0, n, 7):
        expected = set(alone.probability[alone.matched & (alone.event == event)].round(12).tolist())
        assert expected <= set(both.probability[both.event == event].round(12).tolist())


def test_what_looks_like_a_tag_offers_lepton_and_kaon_of_one_charge(pool: TagPool) -> None:
    n = len(pool)
    assert np.all(like_tag(pool.tracks, 0, n))
    assert not np.any(like_tag(pool.tracks, 1, n))
    kaonless = pool.tracks.select(pool.tracks.kaon_id < 0.05)
    assert not np.any(like_tag(kaonless, 0, n))


def test_wrong_tags_are_no_accepted_true_ones() -> None:
    decays = Generator("charged", 4).stratified(3000)
    wrong = make_wrong_tags(decays, 10, np.random.default_rng(2))
    n = len(wrong)
    assert n > 100
    assert np.all(like_tag(wrong.tracks, 0, n))
    found = reconstruct_tags(
        wrong.tracks, find_pi0s(wrong.clusters, n), wrong.clusters, np.array([wrong.mode, np.full(n, -1)]), n
    )
    assert not np.any(found.matched)
    # mostly semileptonic decays whose kaon, or a pion taken for one, has the lepton's charge
    assert 0.03 < wrong.probability < 0.10


def test_probability_follows_the_evidence() -> None:
    def probability(**changes: float) -> float:
        values = {"m": M_D0, "p_star": 1.5, "vertex": 0.5, "log_lepton": 8.0, "log_kaon": 4.0} | changes
        arrays = {name: np.array([value]) for name, value in values.items()}
        return float(signal_probability(0, **arrays)[0])

    best = probability()
    assert 0.3 < best < 1
    for worse in ({"m": M_D0 + 0.02}, {"vertex": 0.001}, {"log_lepton": 0.2}, {"log_kaon": -1.0}, {"p_star": 1.05}):
        assert probability(**worse) < best


def test_leptons_carry_their_mass(pool: TagPool) -> None:
    n = len(pool)
    found = reconstruct_tags(
        pool.tracks, find_pi0s(pool.clusters, n), pool.clusters, np.array([pool.mode, np.full(n, -1)]), n
    )
    muons = found.p_lepton[:, found.is_muon]
    assert np.sqrt(muons[3] ** 2 - norm(muons) ** 2) == pytest.approx(M_MU, abs=1e-4)
