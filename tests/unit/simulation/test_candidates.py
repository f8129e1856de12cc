"""One event made by hand: what the ntuple tells of it."""

from dataclasses import replace

import numpy as np
import pytest

from analysis import columns
from analysis.simulation.candidates import Events, build
from analysis.simulation.candidates.shape import likeliest_mass
from analysis.simulation.detector import DETECTOR, M_D0, M_E, M_K, M_PI
from analysis.simulation.jagged import Floats
from analysis.simulation.kinematics import boost, norm, with_mass
from analysis.simulation.response import Clusters, Tracks
from analysis.simulation.tag_modes import DPLUS_PI0, KSPI
from analysis.simulation.tags import NONE, Pi0s, Tags

# momenta in the centre of mass: e⁻, K⁻ and π⁺ of the tag, K⁺, and p π⁻ of a Λ far from the interaction point
P_STAR = np.array(
    [
        [1.5, -0.9, -0.3, 0.2, 0.1, 0.05],
        [0.3, 0.6, -0.2, -1.4, 0.4, 0.10],
        [0.2, 0.1, 0.1, 0.3, -0.3, -0.15],
    ]
)
MASSES = np.array([M_E, M_K, M_PI, M_K, 0.938, M_PI])
PHOTONS = np.array([[0.3, -1.1], [0.2, 0.9], [-0.5, 0.4]])
LAB = boost(with_mass(P_STAR, MASSES), DETECTOR.beams.beta)
VISIBLE = boost(with_mass(PHOTONS, 0.0), DETECTOR.beams.beta)[:3]


def event() -> Events:
    n = len(MASSES)
    bytes_, far = np.zeros(n, dtype=np.int8), np.array([0, 0, 0, 0, 1, 1]) > 0
    tracks = Tracks(
        event=np.zeros(n, np.int64), p=LAB[:3], charge=np.array([-1.0, -1, 1, 1, 1, -1]),
        d0=np.where(far, 3.0, 0.001), z0=np.zeros(n),
        log_kaon=np.array([-5.0, 5, -5, 5, -5, -5]), log_electron=np.array([8.0, -8, -8, -8, -8, -8]),
        log_muon=np.full(n, -8.0), ecl=np.where(far, 0.1, 0.5), hits=np.full(n, 40.0), luck=np.full(n, 0.5),
        pdg=np.array([11, -321, 211, 321, 2212, -211], np.int32),
        mother=np.array([-521, 421, 421, 521, 3122, 3122], np.int32),
        vee=np.where(far, 4, -1), role=bytes_, side=bytes_,
    )  # fmt: skip
    two = np.zeros(2, dtype=np.int8)
    clusters = Clusters(np.zeros(2, np.int64), VISIBLE, two, two, two)
    none = np.full(1, NONE)
    one, whole = np.ones(1), np.zeros(1, np.int64)
    p_d = LAB[:, [1]] + LAB[:, [2]]
    tags = Tags(
        event=whole, mode=whole, channel=whole, star=whole, lepton=whole, is_muon=whole > 0,
        daughters=np.array([[1], [2], *[[NONE]] * 4]), photons=np.array([none] * 4),
        p_hadrons=p_d, p_lepton=LAB[:, [0]], mass=one * M_D0, delta_m=np.nan * one, p_star=one, cos_by=0 * one,
        vertex=one, probability=0.5 * one, errors=whole + 8, matched=whole == 0, side=np.zeros(1, np.int8),
    )  # fmt: skip
    return Events(1, tracks, clusters, Pi0s(np.zeros(0, np.int64), np.zeros((2, 0), np.int64), np.zeros((4, 0))), tags)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    monkeypatch.setattr("analysis.simulation.candidates.MAX_E_EXTRA", 9.0)
    monkeypatch.setattr("analysis.simulation.candidates.MAX_R2", 1.0)
    number, found = build(event())
    assert number.tolist() == [0]
    return {name: float(values[0]) for name, values in found.items()}


def thrust(p: Floats) -> tuple[Floats, float]:
    """Best of all ways to split the particles in two."""
    signs = np.array(np.meshgrid(*[[1, -1]] * p.shape[1])).reshape(p.shape[1], -1)
    axes = p @ signs
    best = axes[:, np.argmax(norm(axes))]
    return best / np.linalg.norm(best), float(np.linalg.norm(best) / norm(p).sum())


def test_event_shape_about_the_kaon_and_the_tag(made: dict[str, float]) -> None:
    kaon, tag = P_STAR[:, 3], P_STAR[:, :3]
    rest_axis, rest_thrust = thrust(np.concatenate([tag, PHOTONS], axis=1))
    assert made["thrustBm"] == pytest.approx(1)
    assert made["thrustOm"] == pytest.approx(rest_thrust)
    assert made["K_cosTBTO"] == pytest.approx(abs(rest_axis @ kaon) / np.linalg.norm(kaon))
    tag_axis, tag_thrust = thrust(tag)
    other_axis, _ = thrust(np.concatenate([kaon[:, None], PHOTONS], axis=1))
    assert made["Btag_thrustBm"] == pytest.approx(tag_thrust)
    assert made["cosTBTO"] == pytest.approx(abs(tag_axis @ other_axis))
    assert made["cosTBz"] == pytest.approx(abs(tag_axis[2]))


def test_ksfw_and_cones_take_all_but_displaced_tracks(made: dict[str, float]) -> None:
    used = np.concatenate([P_STAR[:, :4], PHOTONS], axis=1)
    energy = np.sqrt(norm(P_STAR[:, :4]) ** 2 + MASSES[:4] ** 2).sum()
    missing = DETECTOR.beams.sqrt_s - energy - norm(PHOTONS).sum()
    assert made["KSFW_et"] == pytest.approx(np.hypot(used[0], used[1]).sum())
    assert made["KSFW_mm2"] == pytest.approx(missing**2 - np.sum(used.sum(axis=1) ** 2))
    e_kaon = np.sqrt(M_K**2 + norm(P_STAR)[3] ** 2)
    assert made["KSFW_hso00"] == pytest.approx(norm(P_STAR)[:3].sum() / (2 * (DETECTOR.beams.sqrt_s - e_kaon)))
    assert made["KSFW_hso10"] == pytest.approx(norm(PHOTONS).sum() / (2 * (DETECTOR.beams.sqrt_s - e_kaon)))
    assert sum(made[f"CleoConeCS_{i}"] for i in range(1, 10)) == pytest.approx(norm(used).sum())
    assert made["CleoConeCS_1"] >= norm(P_STAR)[3]
    pions = np.sqrt(norm(P_STAR[:, :4]) ** 2 + M_PI**2).sum()
    assert made["visibleEnergyOfEventCMS"] == pytest.approx(pions + norm(PHOTONS).sum(), rel=1e-3)


def test_rest_of_event(made: dict[str, float]) -> None:
    assert made["roeNTracks"] == 0, "displaced tracks do not count"
    assert made["roeNLambda"] == 1
    assert made["roeNKS"] == 0
    assert made["roeNPhotons"] == 2
    assert made["roeNeextra"] == pytest.approx(norm(VISIBLE).sum())
    assert made["roeEextra"] == pytest.approx(norm(VISIBLE).sum() + 0.2)


def test_what_the_ntuple_tells_of_the_tag(made: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    assert (made["Btag_decayModeID"], made["Btag_D_decayModeID"], made["Btag_charge"]) == (0, 0, -1)
    assert (made["Btag_isSignal"], made["Btag_mcErrors"], made["Btag_chiProb"]) == (1, 8, 1)
    assert np.isnan([made["Btag_Dst_dM"], made["Btag_Dst_decayModeID"]]).all()
    monkeypatch.setattr("analysis.simulation.candidates.MAX_E_EXTRA", 9.0)
    monkeypatch.setattr("analysis.simulation.candidates.MAX_R2", 1.0)
    one = np.ones(1)
    for errors, signal in ((24, 0), (512, np.nan)):
        other = replace(
            event().tags, errors=np.array([errors]), mode=np.array([7]), channel=np.array([KSPI]),
            star=np.array([DPLUS_PI0]), delta_m=0.1406 * one,
        )  # fmt: skip
        _, found = build(replace(event(), tags=other))
        values = [float(found[f"Btag_{name}"][0]) for name in ("decayModeID", "D_decayModeID", "Dst_decayModeID")]
        assert values == [7, 7, 1]
        assert found["Btag_Dst_dM"][0] == 0.1406
        assert np.array_equal(found["Btag_isSignal"], [signal], equal_nan=True)


def test_tracks_of_a_kshort_need_not_be_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no clean track is no extra one, whether the tag uses it or not."""
    monkeypatch.setattr("analysis.simulation.candidates.MAX_E_EXTRA", 9.0)
    monkeypatch.setattr("analysis.simulation.candidates.MAX_R2", 1.0)
    whole = event()
    for daughters in ([1, 2], [1, 2, 4, 5]):
        rows = np.full((6, 1), NONE)
        rows[: len(daughters), 0] = daughters
        _, found = build(replace(whole, tags=replace(whole.tags, daughters=rows)))
        assert found["roeNTracks"].tolist() == [0]


def test_truth_is_nan_where_no_particle_matches(made: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    assert (made["K_isSignal"], made["K_mcErrors"], made["K_mcPDG"], made["K_genMotherPDG"]) == (1, 0, 321, 521)
    assert (made["Btag_l_mcPDG"], made["Btag_l_genMotherPDG"]) == (11, -521)
    monkeypatch.setattr("analysis.simulation.candidates.MAX_E_EXTRA", 9.0)
    monkeypatch.setattr("analysis.simulation.candidates.MAX_R2", 1.0)
    lucky = event()
    lucky = replace(lucky, tracks=replace(lucky.tracks, luck=np.array([0.5, 0.5, 0.5, 0.0, 0.5, 0.5])))
    _, found = build(lucky)
    assert np.isnan([found[name][0] for name in ("K_isSignal", "K_mcPDG", "K_genMotherPDG")]).all()
    assert found["K_mcErrors"].tolist() == [512]
    pion = replace(event().tracks, pdg=np.array([11, -321, 211, 211, 2212, -211], np.int32))
    _, found = build(replace(event(), tracks=pion))
    assert (found["K_isSignal"][0], found["K_mcErrors"][0]) == (0, 128)


def test_the_likeliest_mass() -> None:
    tracks = event().tracks
    assert likeliest_mass(tracks).tolist() == [M_E, M_K, M_PI, M_K, M_PI, M_PI]
    muons = replace(tracks, log_muon=tracks.log_muon + 20)
    assert set(likeliest_mass(muons).tolist()) == {0.105658}


def test_every_column_is_declared(made: dict[str, float]) -> None:
    assert set(made) - {"kaon_side"} <= set(columns.COLUMNS)
