import dataclasses

import numpy as np
import pytest

from analysis.simulation.detector import DETECTOR, M_K, M_MU, M_PI, SOURCES, Calorimeter, described
from analysis.simulation.generator import Particles
from analysis.simulation.jagged import Floats
from analysis.simulation.kinematics import direction, norm, with_mass
from analysis.simulation.response import (
    Kind,
    Tracks,
    beam_clusters,
    measure_clusters,
    measure_tracks,
)

N = 40_000


def particles(pdg: int, momentum: Floats | float, theta: Floats | float, m: float) -> Particles:
    rng = np.random.default_rng(1)
    cos_theta = np.broadcast_to(np.cos(theta), N)
    p3 = momentum * direction(cos_theta, rng.uniform(-np.pi, np.pi, N))
    zeros = np.zeros(N, dtype=np.int8)
    return Particles(
        event=np.arange(N),
        pdg=np.full(N, pdg, dtype=np.int32),
        mother=np.full(N, 521, dtype=np.int32),
        vee=np.full(N, -1),
        role=zeros,
        p=with_mass(p3, m),
        x=np.zeros((4, N)),
    )


def tracks_of(pdg: int, momentum: Floats | float, m: float, theta: float = 1.3) -> Tracks:
    return measure_tracks(particles(pdg, momentum, theta, m), np.zeros(N, dtype=np.int8), np.random.default_rng(2))


def test_every_number_of_the_detector_has_a_source() -> None:
    numbers = list(described(DETECTOR))
    assert len(numbers) > 35
    for number in numbers:
        assert number.source.split()[0] in SOURCES, f"{number.part}.{number.name}"
        assert number.meaning


def test_a_number_without_a_source_is_refused() -> None:
    @dataclasses.dataclass(frozen=True)
    class Careless(Calorimeter):
        guess: float = 3.0

    with pytest.raises(KeyError, match="source"):
        list(described(dataclasses.replace(DETECTOR, calorimeter=Careless())))


def test_kaon_identification_depends_on_momentum_and_angle() -> None:
    """The averages over B decays are checked in tests/unit/validation; the trends here."""
    slow, fast = tracks_of(321, 0.7, M_K), tracks_of(321, 2.8, M_K)
    assert np.mean(slow.kaon_id > 0.9) > np.mean(fast.kaon_id > 0.9) + 0.1
    slow, fast, back = tracks_of(-211, 0.7, M_PI), tracks_of(-211, 2.8, M_PI), tracks_of(-211, 0.7, M_PI, theta=2.4)
    assert np.mean(slow.kaon_id > 0.9) < np.mean(fast.kaon_id > 0.9)
    assert np.mean(back.kaon_id > 0.9) > np.mean(slow.kaon_id > 0.9), "no TOP there"


def test_a_likelihood_ratio_is_calibrated() -> None:
    kaons, pions = tracks_of(321, 2.0, M_K), tracks_of(211, 2.0, M_PI)
    for low in (0.2, 0.5, 0.8):
        k, pi = (np.mean((t.kaon_id > low) & (t.kaon_id < low + 0.1)) for t in (kaons, pions))
        assert k / (k + pi) == pytest.approx(low + 0.05, abs=0.05)


def test_muons_and_hadrons() -> None:
    muons, pions = tracks_of(13, 1.5, M_MU), tracks_of(211, 1.5, M_PI)
    assert np.mean(muons.muon_id > 0.9) > 0.9
    # the Gaussian tail and the punch-through
    assert 0.02 < np.mean(pions.muon_id > 0.9) < 0.05
    slow = tracks_of(13, 0.5, M_MU)
    assert np.all(slow.muon_id == 0.5), "a muon that does not reach the KLM is not told apart"


def test_momentum_resolution_and_charge() -> None:
    pions = tracks_of(-211, 1.0, M_PI, theta=np.pi / 2)
    a, b = DETECTOR.tracking.pt_resolution
    expected = np.hypot(a * 1.0, b * np.sqrt(1 + M_PI**2))
    assert np.std(norm(pions.p)) == pytest.approx(expected, rel=0.05)
    assert set(pions.charge.tolist()) == {-1.0}


def test_acceptance_and_threshold() -> None:
    assert len(tracks_of(211, 1.0, M_PI, theta=0.2).event) == 0
    assert len(tracks_of(211, 1.0, M_PI, theta=2.7).event) == 0
    assert len(tracks_of(211, 0.09, M_PI, theta=1.5).event) == 0
    assert len(tracks_of(211, 1.0, M_PI).event) / N == pytest.approx(0.97, abs=0.005)
    assert len(tracks_of(321, 1.0, M_K).event) < 0.95 * N, "kaons decay in flight"


def test_displaced_tracks_are_not_clean() -> None:
    made = particles(211, 1.0, 1.3, M_PI)
    # 3 cm beside the interaction point, flying at right angles to that
    away = np.array([-made.p[1], made.p[0]]) / np.hypot(made.p[0], made.p[1]) * 3.0
    moved = dataclasses.replace(made, x=np.array([away[0], away[1], np.zeros(N), np.zeros(N)]))
    side = np.zeros(N, dtype=np.int8)
    assert not np.any(measure_tracks(moved, side, np.random.default_rng(2)).clean)
    assert np.all(measure_tracks(made, side, np.random.default_rng(2)).clean)


def test_vees_of_all_sides_have_numbers_of_their_own() -> None:
    """Sides number their K_S from zero on; cc̄ has three sides."""
    made, number = particles(211, 1.0, 1.3, M_PI), np.arange(N) // 3 % 5 - 1
    side = (np.arange(N) % 3).astype(np.int8)
    tracks = measure_tracks(dataclasses.replace(made, vee=number), side, np.random.default_rng(2))
    assert np.array_equal(tracks.vee < 0, number[tracks.event] < 0)
    found = tracks.select(tracks.vee >= 0)
    named = set(zip(found.side.tolist(), number[found.event].tolist(), found.vee.tolist(), strict=True))
    assert len(named) == len({vee for _, _, vee in named}) == 3 * 4


def test_photon_energy() -> None:
    clusters = measure_clusters(particles(22, 1.0, 1.3, 0.0), np.zeros(N, dtype=np.int8), np.random.default_rng(1))
    assert len(clusters.event) / N == pytest.approx(DETECTOR.calorimeter.efficiency, abs=0.01)
    energy = norm(clusters.p)
    assert energy.mean() == pytest.approx(1.0, abs=0.002)
    assert energy.std() == pytest.approx(np.sqrt(0.00066**2 + 0.0081**2 + 0.0134**2), rel=0.05)
    assert set(clusters.kind.tolist()) == {Kind.PHOTON}


@pytest.mark.parametrize(
    ("pdg", "m", "probability"), [(130, 0.4976, 0.45), (-2112, 0.9396, 0.75), (211, M_PI, 0.12), (13, M_MU, 0.0)]
)
def test_other_clusters(pdg: int, m: float, probability: float) -> None:
    clusters = measure_clusters(particles(pdg, 1.5, 1.3, m), np.zeros(N, dtype=np.int8), np.random.default_rng(1))
    assert clusters.present.sum() / N == pytest.approx(probability, abs=0.02)
    missed = DETECTOR.systematics.klong * probability if pdg == 130 else 0.0
    assert np.sum(clusters.kind == Kind.KLONG_MISSED) / N == pytest.approx(missed, abs=0.005)
    assert np.sum(clusters.kind == Kind.KLONG_WEAK) / N == pytest.approx(missed, abs=0.005)
    assert np.all(norm(clusters.p) > DETECTOR.calorimeter.threshold)


def test_beam_background() -> None:
    clusters = beam_clusters(N, np.random.default_rng(1))
    assert clusters.present.sum() / N == pytest.approx(DETECTOR.calorimeter.beam_clusters, abs=0.02)
    assert np.all(np.diff(clusters.event) >= 0)
