"""What generated decays are to a tag: a word per decay and a role per particle."""

import numpy as np
import pytest

from analysis.basf2 import SampleType
from analysis.simulation import true_tags
from analysis.simulation.channels import BF_D, forced_fraction
from analysis.simulation.generator import Generator, Pool
from analysis.simulation.jagged import count
from analysis.simulation.tag_modes import D0_GAMMA, D0_PI, D0_PI0, D_MODES, DPLUS_GAMMA, DPLUS_PI0, KPIPI0
from analysis.simulation.true_tags import Role

pytest.importorskip("pythia8mc", reason="the extra `toy` is not installed")


@pytest.fixture(scope="module")
def tags() -> Pool:
    return Generator("tag charged", 5).batch(6000)


def number(pool: Pool, role: int) -> np.ndarray:
    return count(pool.particles.event, len(pool), pool.particles.role == role)


def test_forced_tags_are_recognised(tags: Pool) -> None:
    # the rest are π⁰ → γ e⁺ e⁻ (1.2 %) and the like
    assert np.mean(true_tags.is_tag(tags.truth)) > 0.98
    found = true_tags.channel(tags.truth)
    neutral = np.array([not mode.charged for mode in D_MODES])
    expected = np.array(BF_D)[neutral] / np.array(BF_D)[neutral].sum()
    fractions = np.bincount(found[found >= 0], minlength=len(D_MODES))[neutral]
    assert fractions / fractions.sum() == pytest.approx(expected, abs=0.03)
    modes = np.bincount(true_tags.decay_mode(tags.truth), minlength=8)
    assert np.all(modes > 0)
    # as many electrons as muons
    assert modes[::2].sum() == pytest.approx(modes.sum() / 2, rel=0.06)
    assert not np.any(true_tags.neutral(tags.truth))


def test_every_forced_decay_is_a_chain_that_basf2_knows(tags: Pool) -> None:
    word = tags.truth[true_tags.is_tag(tags.truth)]
    star, pion = true_tags.star(word), true_tags.bachelor(word)
    charged = np.array([mode.charged for mode in D_MODES])[true_tags.channel(word)]
    assert np.array_equal(pion, np.isin(star, (D0_PI, DPLUS_PI0, DPLUS_GAMMA)) | ((star == 0) & charged))
    assert np.array_equal(charged, np.isin(star, (DPLUS_PI0, DPLUS_GAMMA)) | ((star == 0) & pion))
    # D*⁰ → D⁰γ, 35.3 %
    photon, pi0 = np.sum(star == D0_GAMMA), np.sum(star == D0_PI0)
    assert photon / (photon + pi0) == pytest.approx(0.353, abs=0.03)


def test_roles_name_the_particles(tags: Pool) -> None:
    word, tag = tags.truth, true_tags.is_tag(tags.truth)
    assert np.all(number(tags, Role.LEPTON)[tag] == 1)
    assert np.array_equal(number(tags, Role.BACHELOR)[tag], true_tags.bachelor(word)[tag].astype(int))
    slow = np.array([0, 2, 1, 1, 2, 1])[true_tags.star(word)]
    # 1.2 % of the π⁰ → γ e⁺ e⁻
    assert np.mean(number(tags, Role.SLOW)[tag] == slow[tag]) > 0.98
    daughters = np.array([2, 4, 4, 4, 3, 3])[true_tags.channel(word)]
    assert np.array_equal(number(tags, Role.D_DAUGHTER)[tag], daughters[tag])
    q = tags.particles
    # B⁻: the lepton and the kaon of the D are negative, and so is a pion beside the D(*)
    assert set(q.pdg[q.role == Role.LEPTON].tolist()) == {11, 13}
    assert set(q.pdg[(q.role == Role.D_DAUGHTER) & (np.abs(q.pdg) == 321)].tolist()) == {-321}
    assert set(q.pdg[q.role == Role.BACHELOR].tolist()) == {-211}
    assert set(q.pdg[q.role == Role.SLOW].tolist()) == {22, 211, 11, -11}


def test_contents_count_what_a_decay_leaves(tags: Pool) -> None:
    q, n = tags.particles, len(tags)
    assert np.array_equal(true_tags.photons(tags.truth), count(q.event, n, q.pdg == 22))
    from_vee = count(q.event, n, q.vee >= 0)
    visible = count(q.event, n, q.pdg != 22) - from_vee + (from_vee > 0)
    assert np.array_equal(true_tags.massive(tags.truth), visible)
    assert np.all(true_tags.neutrino(tags.truth))
    assert not np.any(true_tags.klong(tags.truth))


@pytest.mark.parametrize(("kind", "sample"), [("charged", SampleType.CHARGED), ("mixed", SampleType.MIXED)])
def test_generic_decays_hold_the_forced_ones_at_their_branching_fractions(kind: str, sample: SampleType) -> None:
    pool = Generator(kind, 9).batch(8000)
    tag = true_tags.is_tag(pool.truth)
    # PYTHIA's table against PDG 2022
    assert np.mean(tag) == pytest.approx(forced_fraction(sample), rel=0.3)
    assert np.array_equal(true_tags.neutral(pool.truth), np.full(8000, kind == "mixed"))
    assert 0.1 < np.mean(true_tags.klong(pool.truth)) < 0.5
    if kind == "mixed":
        assert np.all(true_tags.star(pool.truth)[tag] == D0_PI)


def test_continuum_has_contents_and_no_tags() -> None:
    pool = Generator("ssbar", 2).batch(100)
    assert not np.any(true_tags.is_tag(pool.truth))
    assert np.all(true_tags.channel(pool.truth) == -1)
    assert np.mean(true_tags.massive(pool.truth)) > 4


def test_the_word_holds_its_parts() -> None:
    pool = Generator("tag mixed", 4).batch(500)
    word = pool.truth[true_tags.channel(pool.truth) == KPIPI0]
    assert np.all(true_tags.star(word) == D0_PI)
    assert np.all(true_tags.photons(word) == 2)
    assert np.all(true_tags.massive(word) == 4)  # ℓ, K, π, and the slow pion
    assert np.all(true_tags.neutral(word))
