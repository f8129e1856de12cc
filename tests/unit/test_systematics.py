"""Systematic sources on small tables, against numbers worked out by hand or published."""

import math

import numpy as np
import pytest

from analysis import formfactors
from analysis.basf2 import BeamEnergy, SampleType
from analysis.columns import CHANGED, VARIATIONS
from analysis.config.models import Dataset, Systematics, Weights
from analysis.systematics import components, form_factor, kaon_id, reconstruction, scale, sources, tracking
from analysis.systematics.components import Elements, Family, principal_components
from analysis.systematics.source import BBBAR, CONTINUUM, SIGNAL, SIMULATED
from analysis.weights.kaon_id import KaonIdTable

HEADER = "particle,charge,p_min,p_max,theta_min,theta_max,ratio,stat_up,stat_down,syst_up,syst_down\n"
TABLE = KaonIdTable.parse(
    HEADER + "kaon,0,0,1,0,3.2,0.5,0.05,0.10,0.01,0.02\n" + "kaon,0,1,5,0,3.2,1.0,0.02,0.02,0.03,0.01\n"
)
KAONS = {
    "K_p": np.array([0.5, 2.0, 2.0]),
    "K_theta": np.ones(3),
    "K_charge": np.array([1.0, -1.0, 1.0]),
    "K_mcPDG": np.array([321.0, -321.0, 321.0]),
}


def only(found):
    (source,) = found
    return source


def test_names_are_those_of_the_published_likelihood_and_unique():
    found = sources(Dataset(), Weights(), Systematics(), TABLE)
    names = [each.name for each in found]
    assert names == [
        "corr_lumi_c1", "corr_bb_c1", "corr_contD_c1", "corr_pid_c1", "corr_pid",
        "corr_trackingEff_c1", "corr_ff_c1", "corr_ff_c2", "corr_ff_c3",
        "corr_neutralGamma_c1", "corr_neutralUnmatched_c1", "corr_KLeff_c1", "corr_beamBackground_c1",
        "corr_beamEnergy_c1", "corr_trackVeto_c1",
    ]  # fmt: skip
    assert all(each.note for each in found)


def test_everything_can_be_switched_off():
    some = {"off_resonance": 0, "tracking": 0, "form_factor": False, "reconstruction": False}
    off = Systematics(luminosity=False, n_bb=False, kaon_id=False, **some)
    assert sources(Dataset(), Weights(), off, TABLE) == ()
    exact = Dataset(luminosity_uncertainty=0, n_bb_uncertainty=0)
    assert [each.group for each in sources(exact, Weights(), Systematics(**some))] == []


def test_reconstruction_takes_rows_of_its_own_and_scales_nothing():
    found = list(reconstruction.sources(Systematics(tracking=0.004)))
    for source in found[:-1]:
        variation = source.vary({})
        assert {variation.up.table, variation.down.table} == source.tables <= set(VARIATIONS)
        assert (variation.up.ratio, variation.up.columns) == (1.0, {})
    lost = found[-1].vary({})
    assert (lost.up.table, lost.down) == ("lostTrack", None)
    prepared = lost.up.prepare({CHANGED: np.array([True, False]), "weight": np.array([2.0, 3.0])})
    assert prepared["weight"].tolist() == pytest.approx([0.008, 3.0])
    assert found[-1].tables == {"lostTrack"}
    assert [each.name for each in reconstruction.sources(Systematics(tracking=0))] == [s.name for s in found[:-1]]


def test_luminosity_moves_continuum_and_n_bb_the_rest():
    lumi, bb, off = scale.sources(Dataset(luminosity_uncertainty=0.01, n_bb_uncertainty=0.015), Systematics())
    assert (lumi.applies, bb.applies) == (CONTINUUM, SIGNAL | BBBAR)
    assert (lumi.vary({}).up.ratio, lumi.vary({}).down.ratio) == (1.01, 0.99)
    assert (bb.vary({}).up.ratio, bb.vary({}).down.ratio) == (1.015, 0.985)
    assert SampleType.DATA not in lumi.applies | bb.applies
    assert SampleType.OFFRES not in SIMULATED
    # off resonance both the common luminosity and what differs between the energies
    assert off.vary({}).up.ratio == 1.05
    assert [source.acts_on(SampleType.CCBAR, BeamEnergy.OFF_RESONANCE) for source in (lumi, bb, off)] == [1, 0, 1]
    assert [source.acts_on(SampleType.CCBAR, BeamEnergy.ON_RESONANCE) for source in (lumi, bb, off)] == [1, 0, 0]


@pytest.mark.parametrize(
    ("tag", "d", "star", "tracks"),
    [
        (0, 0, np.nan, 4),  # K, ℓ, D̄⁰ → Kπ
        (1, 3, np.nan, 6),  # D̄⁰ → K3π
        (0, 10, np.nan, 6),  # D̄⁰ → K_S ππ
        (4, 0, np.nan, 6),  # K, ℓ, π, D⁻ → Kππ
        (5, 10, np.nan, 8),  # D⁻ → K K_S K_S
        (2, 0, 0, 4),  # D̄*⁰ → D̄⁰π⁰, D̄⁰ → Kπ
        (3, 3, 1, 6),  # D̄*⁰ → D̄⁰γ, D̄⁰ → K3π
        (6, 0, 0, 6),  # D*⁻ → D̄⁰π⁻: K, ℓ, π, slow π, two
        (6, 0, 1, 6),  # D*⁻ → D⁻π⁰: K, ℓ, π, three
        (7, 7, 2, 6),  # D*⁻ → D⁻γ, D⁻ → K_S π
        (6, 0, np.nan, 6),  # D*⁻ of unknown decay: K, ℓ, π, three
        (0, np.nan, np.nan, 5),
        (2, np.nan, 0, 5),
        (0, 99, np.nan, 5),
        (np.nan, 0, np.nan, 5),
    ],
)
def test_charged_tracks_of_the_candidate(tag, d, star, tracks):
    assert tracking.candidate_tracks(*(np.array([float(each)]) for each in (tag, d, star))).tolist() == [tracks]


def test_a_table_without_the_decay_of_the_d_counts_three_tracks():
    source = only(tracking.sources(Systematics(tracking=0.01)))
    assert source.optional == {"Btag_D_decayModeID", "Btag_Dst_decayModeID"}
    assert source.vary({"Btag_decayModeID": np.zeros(1)}).up.ratio == pytest.approx([1.01**5])


def test_tracking_goes_with_the_number_of_tracks():
    source = only(tracking.sources(Systematics(tracking=0.003)))
    table = {"Btag_decayModeID": np.array([0.0, 0.0]), "Btag_D_decayModeID": np.array([0.0, 3.0])}
    both = source.vary(table)
    assert both.up.ratio == pytest.approx([1.003**4, 1.003**6], rel=1e-15)
    assert both.down.ratio == pytest.approx([0.997**4, 0.997**6], rel=1e-15)


def test_form_factor_covariance_reproduces_the_published_errors():
    # arXiv:2207.12468, Table V: a₀ = 0.2545(90), a₁ = −0.71(14), a₂ = 0.32(59)
    assert np.sqrt(np.diag(form_factor.covariance())) == pytest.approx([0.0090, 0.14, 0.59], rel=0.02)
    # f₊(0) = 0.332(12)
    assert formfactors.f_plus(np.zeros(1))[0] == pytest.approx(0.332, abs=5e-4)


def test_form_factor_directions_rebuild_the_covariance():
    rows = form_factor.directions()
    np.testing.assert_allclose(rows.T @ rows, form_factor.covariance(), rtol=1e-10, atol=1e-14)
    lengths = np.linalg.norm(rows, axis=1)
    assert np.all(np.diff(lengths) < 0)


def test_the_expansion_is_the_published_one():
    # arXiv:2207.12468, eq. for f₊ with t₀ = 0, written out at one q², in another way than in the code
    q2, (a0, a1, a2) = 10.0, (0.2545, -0.71, 0.32)
    t_plus = (formfactors.M_B + formfactors.M_K) ** 2
    z = (math.sqrt(t_plus - q2) - math.sqrt(t_plus)) / (math.sqrt(t_plus - q2) + math.sqrt(t_plus))
    expected = 1.304 / (1 - q2 / 5.4158**2) * (a0 + a1 * (z - z**3 / 3) + a2 * (z**2 + 2 * z**3 / 3))
    assert formfactors.f_plus(np.array([q2])) == pytest.approx([expected], rel=1e-12)


def test_form_factor_variations_keep_the_branching_fraction():
    q2 = (np.arange(20_000) + 0.5) / 20_000 * formfactors.Q2_MAX
    density = formfactors.branching_fraction_density(q2)
    for source in form_factor.sources(Weights(), Systematics()):
        both = source.vary({"q2_gen": q2})
        for side in (both.up, both.down):
            assert np.average(side.ratio, weights=density) == pytest.approx(1, abs=1e-6)
            assert np.ptp(side.ratio) > 1e-3
        # up and down are opposite, but not mirror images
        assert np.corrcoef(both.up.ratio, both.down.ratio)[0, 1] < -0.99
        assert np.abs(both.up.ratio + both.down.ratio - 2).max() > 0


def test_rows_that_are_no_signal_decay_keep_their_weight():
    first = next(iter(form_factor.sources(Weights(), Systematics())))
    assert first.vary({"q2_gen": np.array([np.nan])}).up.ratio.tolist() == [1.0]
    assert first.applies == SIGNAL


def test_kaon_id_systematics_move_all_bins_together():
    systematic, _ = kaon_id.sources(TABLE, Systematics())
    both = systematic.vary(KAONS)
    assert both.up.ratio == pytest.approx([0.51 / 0.5, 1.03, 1.03])
    assert both.down.ratio == pytest.approx([0.48 / 0.5, 0.99, 0.99])


def test_kaon_id_statistics_are_elements_of_the_table():
    _, family = kaon_id.sources(TABLE, Systematics())
    found = family.elements(KAONS)
    assert found.index.tolist() == [0, 1, 1]
    assert found.up == pytest.approx([1.1, 1.02, 1.02])
    assert found.down == pytest.approx([0.8, 0.98, 0.98])
    assert family.size == len(TABLE.names)


def test_no_table_no_kaon_id():
    assert list(kaon_id.sources(None, Systematics())) == []


def family_of(index, up, down):
    index = np.asarray(index)
    table = Elements(index, np.asarray(up, dtype=float), np.asarray(down, dtype=float))
    return Family("corr_t", 2, "g", SIMULATED, frozenset(), "note", 2, lambda _: table)


def test_response_is_half_the_difference_per_bin_and_element():
    family = family_of([0, 0, 1, 1], [1.1, 1.1, 1.2, 1.2], [0.8, 0.8, 1.0, 1.0])
    weights = np.array([1.0, 2.0, 10.0, 100.0])
    found = family.response({"weight": weights}, np.array([0, 1, 0, -1]), 2, -1)
    np.testing.assert_allclose(found, [[0.15, 1.0], [0.3, 0.0]])


def test_a_component_takes_up_and_down_of_each_element_by_its_sign():
    family = family_of([0, 1], [1.1, 1.2], [0.8, 0.9])
    source = only(family.sources(np.array([[0.6, -0.8]]), [1.0]))
    assert source.name == "corr_t_c2"
    both = source.vary({})
    assert both.up.ratio == pytest.approx([1 + 0.6 * 0.1, 1 + 0.8 * -0.1])
    assert both.down.ratio == pytest.approx([1 + 0.6 * -0.2, 1 + 0.8 * 0.2])


def test_components_are_computed_once_per_table():
    calls = []

    def elements(columns):
        calls.append(columns)
        return Elements(np.zeros(1, dtype=np.int64), np.ones(1), np.ones(1))

    family = Family("corr_t", 1, "g", SIMULATED, frozenset(), "", 1, elements)
    one, two = {}, {"other": np.ones(1)}
    found = family.sources(np.ones((3, 1)), [0.5, 0.3, 0.2])
    for table in (one, two):
        for source in found:
            source.vary(table)
    assert calls == [one, two]


def test_all_components_together_are_the_covariance_of_the_templates(monkeypatch):
    monkeypatch.setattr(components, "EXPLAINED", 1 - 1e-12)
    rng = np.random.default_rng(5)
    response = rng.normal(size=(6, 4))
    nominal = rng.uniform(10, 20, 6)
    vectors, explained = principal_components(response, nominal, nominal, name="t")
    assert explained.sum() == pytest.approx(1)
    moved = response @ vectors.T
    np.testing.assert_allclose(moved @ moved.T, response @ response.T, atol=1e-4)


def test_components_do_not_depend_on_the_last_digits():
    rng = np.random.default_rng(6)
    response, nominal = rng.normal(size=(60, 40)), rng.uniform(10, 20, 60)
    noise = 1 + 1e-13 * rng.normal(size=response.shape)  # as from a library that sums in another order
    one, _ = principal_components(response, nominal, nominal, name="t")
    other, _ = principal_components(response * noise, nominal, nominal, name="t")
    assert one.tobytes() == other.tobytes()


def test_few_components_suffice_where_elements_act_alike():
    pattern = np.array([1.0, 2.0, 3.0])
    response = np.outer(pattern, [0.3, 0.1, 0.2, 0.4])
    vectors, explained = principal_components(response, np.full(3, 10.0), np.full(3, 100.0), name="t")
    assert vectors.shape == (1, 4)
    assert explained == pytest.approx([1.0])
    # independent elements add in quadrature
    np.testing.assert_allclose(np.abs(response @ vectors[0]), pattern * np.sqrt(0.3), rtol=1e-5)
    assert vectors[0, 3] > 0


def test_elements_without_effect_give_no_component():
    vectors, explained = principal_components(np.zeros((3, 2)), np.ones(3), np.ones(3), name="t")
    assert (len(vectors), len(explained)) == (0, 0)
