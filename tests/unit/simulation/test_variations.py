"""Alternative columns: what re-reconstruction with a changed detector gives, written out cluster by cluster."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.columns import COLUMNS, VARIATIONS, alternative
from analysis.simulation.candidates import Events, rest, variations
from analysis.simulation.candidates.rest import Rest
from analysis.simulation.detector import DETECTOR
from analysis.simulation.jagged import Floats, Ints
from analysis.simulation.kinematics import direction
from analysis.simulation.response import Clusters, Kind, beam_clusters
from analysis.simulation.tags import cos_theta_by, find_pi0s
from analysis.simulation.tags.combine import PI0_WINDOW
from tests.unit.simulation.test_candidates import event

THRESHOLD = DETECTOR.calorimeter.threshold
KINDS = [Kind.PHOTON, Kind.PHOTON, Kind.HADRON, Kind.KLONG_WEAK, Kind.KLONG_MISSED, Kind.SPLIT_OFF, Kind.BEAM,
         Kind.BEAM_WEAK, Kind.BEAM_MISSED, Kind.SPLIT_OFF]  # fmt: skip
ENERGIES = np.array([0.40, 0.12, 0.30, 0.25, 0.21, 0.10, 0.07, 0.08, 0.09, 1.05 * THRESHOLD])
# the two photons lie so close that they make a π⁰
THETA = np.array([1.0, 1.0, 0.6, 2.0, 1.2, 1.4, 0.5, 2.2, 1.8, 1.1])
PHI = np.array([0.0, 0.64, 2.0, -1.0, -2.0, 3.0, 1.2, 0.3, -0.5, 1.8])
SCALE = {"gamma": 0.005, "unmatched": 0.1}


def made(n: int = len(KINDS), stretch: float = 1.0) -> tuple[Events, Rest, Ints, dict[str, Floats]]:
    """The first n clusters, photons' energies stretched."""
    energy = ENERGIES[:n] * np.where(np.arange(n) < 2, stretch, 1.0)
    clusters = Clusters(
        np.zeros(n, np.int64), energy * direction(np.cos(THETA), PHI)[:, :n], np.array(KINDS[:n], np.int8),
        np.zeros(n, np.int8), np.zeros(n, np.int8),
    )  # fmt: skip
    found = replace(event(), clusters=clusters, pi0s=find_pi0s(clusters, 1))
    tag, kaon = np.zeros(1, np.int64), np.array([3])
    others = Rest.of(found, tag, kaon)
    nominal = rest.columns(found, others, tag, kaon, np.array([0]))
    return found, others, tag, nominal


@pytest.fixture
def columns() -> dict[str, float]:
    found, others, tag, nominal = made()
    return {k: float(v[0]) for k, v in (nominal | variations.columns(found, others, tag, nominal)).items()}


def energies(name: str, sign: int) -> list[float]:
    """What a slow reader of the definition would find."""
    kept = []
    for kind, energy in zip(KINDS, ENERGIES, strict=True):
        if kind == Kind.KLONG_MISSED and not (name == "KLeff" and sign > 0):
            continue
        if kind == Kind.BEAM_MISSED and not (name == "beamBackground" and sign > 0):
            continue
        if kind == Kind.KLONG_WEAK and name == "KLeff" and sign < 0:
            continue
        if kind == Kind.BEAM_WEAK and name == "beamBackground" and sign < 0:
            continue
        of_photon = kind == Kind.PHOTON
        factor = 1 + sign * SCALE.get(name, 0) * (of_photon if name == "gamma" else not of_photon)
        if energy * factor > THRESHOLD:
            kept.append(energy * factor)
    return kept


@pytest.mark.parametrize("name", ["gamma", "unmatched", "KLeff", "beamBackground"])
@pytest.mark.parametrize(("side", "sign"), [("Up", 1), ("Down", -1)])
def test_clusters_one_by_one(columns: dict[str, float], name: str, side: str, sign: int) -> None:
    expected = energies(name, sign)
    assert columns[f"roeNeextra_{name}{side}"] == pytest.approx(sum(expected))
    assert columns[f"roeNPhotons_{name}{side}"] == len(expected)
    of_tracks = columns["roeEextra"] - columns["roeNeextra"]
    assert columns[f"roeEextra_{name}{side}"] == pytest.approx(sum(expected) + of_tracks)
    assert columns["roeNeextra"] == pytest.approx(sum(energies("", 0)))


def test_a_weak_cluster_below_the_threshold_is_gone() -> None:
    assert len(energies("unmatched", -1)) == len(energies("", 0)) - 1


def test_pi0s_are_sought_again() -> None:
    """Two photons just inside the upper end of the mass window: half a per cent more energy, and they are outside."""
    mass = np.sqrt(2 * ENERGIES[0] * ENERGIES[1] * (1 - np.prod(np.cos([0, PHI[1]])) * np.sin(1) ** 2 - np.cos(1) ** 2))
    found, others, tag, nominal = made(2, stretch=0.9975 * PI0_WINDOW[1] / mass)
    varied = variations.columns(found, others, tag, nominal)
    assert [nominal["roeNPi0"][0], varied["roeNPi0_gammaDown"][0], varied["roeNPi0_gammaUp"][0]] == [1, 1, 0]


def test_a_lost_track_leaves_its_cluster() -> None:
    found, _, tag, _ = made()
    near = replace(found, tracks=replace(found.tracks, d0=np.full(6, 0.01), vee=np.full(6, -1)))
    kaon = np.array([3])
    others = Rest.of(near, tag, kaon)
    nominal = rest.columns(near, others, tag, kaon, np.array([2]))
    varied = variations.columns(near, others, tag, nominal)
    assert varied["roeNTracks_lostTrack"].tolist() == [1]
    assert varied["roeNeextra_lostTrack"] - nominal["roeNeextra"] == pytest.approx(0.1)
    assert varied["roeNPhotons_lostTrack"] - nominal["roeNPhotons"] == 1


def test_collision_energy_moves_the_angle(columns: dict[str, float]) -> None:
    found, _, _, _ = made()
    nominal = float(cos_theta_by(found.tags.p_hadrons + found.tags.p_lepton)[0])
    up, down = columns["Btag_cosThetaBY_beamEnergyUp"], columns["Btag_cosThetaBY_beamEnergyDown"]
    assert (up - nominal) * (down - nominal) < 0
    assert abs(up - nominal) == pytest.approx(abs(down - nominal), rel=0.15)


def test_missed_and_weak_shares_are_the_declared_ones() -> None:
    kind = beam_clusters(100_000, np.random.default_rng(1)).kind
    size, mean = DETECTOR.systematics.beam, DETECTOR.calorimeter.beam_clusters
    for which, share in ((Kind.BEAM, 1 - size), (Kind.BEAM_WEAK, size), (Kind.BEAM_MISSED, size)):
        assert np.sum(kind == which) / 100_000 == pytest.approx(mean * share, rel=0.03)


def test_alternatives_are_declared_like_their_columns() -> None:
    for variation, names in VARIATIONS.items():
        for name in names:
            declared = COLUMNS[alternative(name, variation)]
            assert (declared.unit, declared.dtype) == (COLUMNS[name].unit, COLUMNS[name].dtype)
            assert declared.truth, "data are what they are"
            assert not declared.required_by, "optional in anyone's ntuple"
