from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats

from analysis.errors import InputError
from analysis.simulation import channels
from analysis.simulation.channels import SOUGHT, STRATA
from analysis.simulation.detector import M_BPLUS
from analysis.simulation.generator import (
    Generator,
    Pool,
    _pythia,
    charge_of,
    conjugate,
)
from analysis.simulation.jagged import count, total
from analysis.simulation.truth import RARE, Label

# Of B⁺ → τ⁺ν (all channels sum to 0.99993) and τ⁺ → K⁺ν̄ in PYTHIA's tables
TAU_NU, TO_K = 9.3e-5 / 0.9999306, 0.0069601

pytest.importorskip("pythia8mc", reason="the extra `toy` is not installed")


@pytest.fixture(scope="module")
def tags() -> Pool:
    return Generator("tag charged", 5).batch(1500)


@pytest.fixture(scope="module")
def rare() -> Iterator[Pool]:
    shares = dict.fromkeys(channels.STRATA["charged"], 0.02) | {
        "tau to K": 0.1, "tau": 0.1, "three kaons": 0.42, "kaon and neutrons": 0.15, "neutrinos": 0.15,
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(channels.STRATA, "charged", shares)
        patch.setitem(channels.SOUGHT, "charged", {})
        yield Generator("charged", 6).stratified(20_000)


def test_a_signal_decay_is_a_kaon_and_two_neutrinos() -> None:
    pool = Generator("signal", 3).batch(500)
    kaon = pool.particles
    assert kaon.pdg.tolist() == [321] * 500
    assert kaon.mother.tolist() == [521] * 500
    # q² is the mass squared of what recoils against the kaon
    recoil = (M_BPLUS - kaon.p[3]) ** 2 - np.sum(kaon.p[:3] ** 2, axis=0)
    assert pool.q2 == pytest.approx(recoil, abs=1e-6)
    assert pool.q2.max() < (M_BPLUS - 0.4937) ** 2


def test_momentum_is_conserved_by_visible_particles_and_neutrinos(tags: Pool) -> None:
    visible = np.array([total(tags.particles.event, tags.particles.p[i], len(tags)) for i in range(4)])
    missing = np.array([0, 0, 0, M_BPLUS])[:, None] - visible
    assert missing[3] ** 2 - np.sum(missing[:3] ** 2, axis=0) == pytest.approx(tags.q2, abs=1e-5)


def test_no_alias_leaves_the_generator(tags: Pool) -> None:
    for codes in (tags.particles.pdg, tags.particles.mother):
        assert np.abs(codes).max() < 100_000


@pytest.mark.parametrize(("kind", "parent"), [("charged", 521), ("mixed", 511)])
def test_strata_stand_for_all_decays(kind: str, parent: int) -> None:
    generator = Generator(kind, 3)
    pool = generator.stratified(2000)
    # and few rare ones that were sought, which weigh next to nothing
    assert 2000 - 5 <= len(pool) <= 2000 + 25
    assert pool.weight.mean() == pytest.approx(1, abs=2e-4)
    assert abs(sum(STRATA[kind].values()) - 1) < 1e-9
    weights, numbers = np.unique(pool.weight, return_counts=True)
    assert len(weights) == len(STRATA[kind]) + len(SOUGHT[kind])
    # the rarest decays weigh least; almost all have charm
    assert weights[0] < 0.1
    assert weights[-1] * numbers[-1] / 2000 > 0.95
    # what was closed is open again
    again = generator.batch(500)
    assert np.mean(count(again.particles.event, 500, np.abs(again.particles.mother) == 421) > 0) > 0.25
    assert np.any(np.abs(again.particles.mother) == parent)


def test_one_pythia_serves_several_mesons() -> None:
    generator = Generator("charged", 3)
    assert generator.other("signal").batch(20).particles.pdg.tolist() == [321] * 20
    assert np.all(generator.other("D0").batch(20).particles.p[3] < 1.87)
    assert len(generator.batch(10)) == 10
    with pytest.raises(ValueError, match="uubar"):
        generator.other("uubar")


def test_generic_decays_hold_no_signal_but_its_siblings_and_their_labels() -> None:
    pool = Generator("charged", 6).stratified(40_000)
    q = pool.particles
    lone = count(q.event, len(pool), np.ones(len(q.pdg), dtype=bool)) == 1
    direct = lone[q.event] & (q.pdg == 321) & (q.mother == 521)
    assert not np.any(direct), "B⁺ → K⁺νν̄ in a generic sample"
    fraction = {label: pool.weight[(pool.label & label) > 0].sum() / len(pool) for label in Label if label}
    # B⁺ → D⁰ℓν, D*⁰ℓν, e, μ and τ (PYTHIA's table)
    assert fraction[Label.SEMILEPTONIC] == pytest.approx(0.19, rel=0.15)
    assert 0.02 < fraction[Label.D_STAR_STAR] < 0.15
    assert 0.02 < fraction[Label.DK] < 0.4
    assert 0.05 < fraction[Label.D_TO_KL] < 0.4


def test_rare_decays_that_look_like_signal(rare: Pool) -> None:
    pool = rare
    # without what fragmentation makes in the other strata, whose weights are large
    weight = np.where(pool.weight < 0.01, pool.weight, 0.0)
    fraction = {label: weight[(pool.label & label) > 0].sum() / len(pool) for label in Label if label}
    assert fraction[Label.K_STAR_NUNU] == pytest.approx(9.8e-6, rel=0.1)
    assert fraction[Label.K_NN] == pytest.approx(5.7e-6, rel=0.1)
    # published: 0.61e-6 to 0.76e-6
    assert fraction[Label.TAU] == pytest.approx(TAU_NU * TO_K)
    # B⁺ → K⁺K⁰K̄⁰ is 4.8e-5 in PYTHIA's table; a quarter has two K_L, half a K_L and a K_S
    assert fraction[Label.K_KL_KL] == pytest.approx(1.2e-5, rel=0.1)
    assert fraction[Label.K_KS_KL] == pytest.approx(2.4e-5, rel=0.1)


def test_rare_decays_that_are_sought_weigh_what_they_would_if_all_were_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    n, stratum = 30_000, "strange quarks"
    monkeypatch.setitem(channels.STRATA, "charged", {stratum: 1.0})
    monkeypatch.setitem(channels.SOUGHT, "charged", {})
    every = Generator("charged", 3).stratified(n)
    monkeypatch.setitem(channels.STRATA, "charged", {stratum: 0.1})
    monkeypatch.setitem(channels.SOUGHT, "charged", {stratum: 0.9})
    sought = Generator("charged", 4).stratified(n)
    rare = [pool.label & RARE > 0 for pool in (every, sought)]
    assert n / 10 < len(sought) < n / 10 + np.count_nonzero(rare[1])
    assert np.array_equal(rare[1], sought.weight < sought.weight.max())
    numbers = [np.count_nonzero(mask) for mask in rare]
    assert min(numbers) > 100
    assert abs(numbers[1] - numbers[0]) < 3.5 * np.sqrt(sum(numbers)), "as many are found"
    fractions = [pool.weight[mask].sum() / len(pool) for pool, mask in zip((every, sought), rare, strict=True)]
    assert fractions[1] / fractions[0] == pytest.approx(numbers[1] / numbers[0]), "and they weigh the same"
    # the others are those of a tenth, with ten times the weight
    of_others = [pool.weight[~mask].sum() / len(pool) for pool, mask in zip((every, sought), rare, strict=True)]
    assert of_others[1] == pytest.approx(of_others[0], rel=0.01)
    # particles and histories are the kept ones'
    assert sought.first[-1] == len(sought.particles.pdg)
    assert np.array_equal(np.diff(sought.first), count(sought.particles.event, len(sought)))
    neutrons = np.flatnonzero(sought.label & Label.K_NN)
    assert all("2112" in sought.history.text(int(decay), 1) for decay in neutrons)


def test_the_long_distance_decay_is_made_in_one_stratum_and_nowhere_else(rare: Pool) -> None:
    of_kaon, of_others = (np.isclose(rare.weight, TAU_NU * part) for part in (TO_K / 0.1, (1 - TO_K) / 0.1))
    assert (of_kaon.sum(), of_others.sum()) == (2000, 2000)
    assert np.all(rare.label[of_kaon] == Label.TAU)
    assert not np.any(rare.label[~of_kaon] & Label.TAU)
    q = rare.particles.select(of_kaon[rare.particles.event])
    assert q.pdg.tolist() == [321] * 2000
    assert q.mother.tolist() == [-15] * 2000


def test_q2_of_the_long_distance_decay_falls_as_the_helicity_of_the_tau_wants(rare: Pool) -> None:
    q2 = rare.q2[rare.label == Label.TAU]
    m_b, m_tau, m_k = M_BPLUS, 1.77682, 0.49368
    share = q2 / ((m_b**2 - m_tau**2) * (m_tau**2 - m_k**2) / m_tau**2)
    assert share.max() < 1.0001
    # density 2 (1 − x)
    assert stats.kstest(share, lambda x: 1 - (1 - np.minimum(x, 1)) ** 2).pvalue > 0.001


def test_the_seed_decides() -> None:
    first, again, other = (Generator("mixed", seed).batch(50).particles.p for seed in (4, 4, 5))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_continuum_events_are_balanced_in_their_centre_of_mass() -> None:
    pool = Generator("ssbar", 2).batch(200)
    history = pool.history
    event = np.repeat(np.arange(200), np.diff(history.first))
    # not by `q2`, which is 0 of a single one
    no_neutrinos = count(event, 200, np.isin(np.abs(history.pdg), (12, 14, 16))) == 0
    assert np.sum(no_neutrinos) > 150
    energy = total(pool.particles.event, pool.particles.p[3], 200)[no_neutrinos]
    assert energy == pytest.approx(10.579, abs=0.01)


def test_charmed_hadrons_can_be_left_undecayed() -> None:
    pool = Generator("ccbar stable", 2).batch(200)
    charmed = np.isin(np.abs(pool.particles.pdg), (411, 421, 431, 4122))
    assert np.mean(count(pool.particles.event, 200, charmed) == 2) > 0.9


def test_conjugation_keeps_what_is_its_own_antiparticle() -> None:
    codes = np.array([321, -211, 11, 2112, 22, 111, 113, 130, 310, 443, 333, -521, 421, 313])
    assert conjugate(codes).tolist() == [-321, 211, -11, -2112, 22, 111, 113, 130, 310, 443, 333, 521, -421, -313]


def test_charges() -> None:
    assert charge_of(np.array([11, -13, 211, -321, 2212, 22, 130, 2112])).tolist() == [-1, 1, 1, -1, 1, 0, 0, 0]


def test_a_refused_setting_is_named() -> None:
    with pytest.raises(InputError, match="NoSuch:setting"):
        _pythia(["NoSuch:setting = on"], 1)


def test_dalitz_decays_of_continuum_are_made_more_often_and_weigh_less() -> None:
    pool = Generator("ddbar", 3).batch(6000)
    particles, n = pool.particles, len(pool)
    electrons = count(particles.event, n, (particles.pdg == 11) & (particles.mother == 111))
    photons = count(particles.event, n, (particles.pdg == 22) & (particles.mother == 111))
    pi0s = (photons + electrons) / 2  # γγ or γe⁺e⁻
    assert electrons.sum() / pi0s.sum() == pytest.approx(0.1, abs=0.006)
    assert np.average(pool.weight) == pytest.approx(1, abs=0.03)
    assert np.sum(pool.weight * electrons) / np.sum(pool.weight * pi0s) == pytest.approx(0.012, abs=0.0015)
    without = electrons == 0
    assert pool.weight[without] == pytest.approx((0.988 / 0.9) ** pi0s[without], rel=2e-3)
    # other kinds are as PYTHIA makes them
    assert np.all(Generator("ccbar stable", 3).batch(200).weight == 1)
