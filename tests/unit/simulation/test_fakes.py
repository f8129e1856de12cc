"""Misidentified particles made to order: sums of weights are what accepting and rejecting would give."""

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.simulation.detector import M_E, M_K, M_MU, M_PI
from analysis.simulation.generator import Particles
from analysis.simulation.jagged import Floats
from analysis.simulation.kinematics import direction, with_mass
from analysis.simulation.response import Tracks, measure_tracks, with_fake_kaon, with_fake_lepton
from analysis.simulation.tags import tag_lepton

N = 40_000


def particles(pdg: int, momentum: float, m: float) -> Particles:
    """One particle in each of N events."""
    phi = np.random.default_rng(1).uniform(-np.pi, np.pi, N)
    p = with_mass(momentum * direction(np.full(N, np.cos(1.3)), phi), m)
    code, role = np.full(N, pdg, dtype=np.int32), np.zeros(N, dtype=np.int8)
    return Particles(np.arange(N), code, code, np.full(N, -1), role, p, np.zeros((4, N)))


def tracks_of(pdg: int, momentum: float, m: float) -> Tracks:
    return measure_tracks(particles(pdg, momentum, m), np.zeros(N, dtype=np.int8), np.random.default_rng(2))


def test_forced_fakes_weigh_what_accepting_would_give() -> None:
    """Two fast pions per event: the weighted rate of passing leptons is the natural one, in every property."""
    one = particles(211, 2.0, M_PI)
    pairs = dataclasses.replace(one, event=np.arange(N) // 2)
    tracks = measure_tracks(pairs, np.zeros(N, dtype=np.int8), np.random.default_rng(3))
    forced, weight = with_fake_lepton(tracks, N // 2, 1.0, np.random.default_rng(4))

    def rates(t: Tracks, w: Floats) -> list[float]:
        passing = np.maximum(t.log_electron, t.log_muon) > 0
        number = np.bincount(t.event[passing], minlength=N // 2)
        tight = np.bincount(t.event[t.muon_id > 0.9], minlength=N // 2)
        electron = np.bincount(t.event[t.electron_id > 0.9], minlength=N // 2)
        return [float(np.sum(w * m) / (N // 2)) for m in (number >= 1, number, tight, electron)]

    natural = rates(tracks, np.ones(N // 2))
    assert rates(forced, weight)[:3] == pytest.approx(natural[:3], rel=0.06)
    assert rates(forced, weight)[3] == pytest.approx(natural[3], rel=0.35)
    passing = np.bincount(forced.event[np.maximum(forced.log_electron, forced.log_muon) > 0], minlength=N // 2)
    assert np.array_equal(passing >= 1, np.bincount(forced.event, minlength=N // 2) >= 1)
    # the point of it: many more passing events, none of much weight
    assert weight.max() < 0.2


def test_events_with_a_true_lepton_are_left_alone() -> None:
    muons = tracks_of(13, 2.0, M_MU)
    forced, weight = with_fake_lepton(muons, N, 1.0, np.random.default_rng(4))
    assert np.array_equal(forced.log_muon, muons.log_muon)
    assert weight[muons.event].tolist() == [1.0] * len(muons.event)
    assert set(weight.tolist()) == {0.0, 1.0}, "without tracks nothing can pass"


def events_of(*members: Particles, seed: int = 3) -> Tracks:
    """Tracks of events that hold one of each."""
    order = np.argsort(np.concatenate([each.event for each in members]), kind="stable")
    names = vars(members[0])
    fields = {name: np.concatenate([getattr(each, name) for each in members], axis=-1)[..., order] for name in names}
    return measure_tracks(Particles(**fields), np.zeros(N * len(members), dtype=np.int8), np.random.default_rng(seed))


def with_one_sign_of_leptons(tracks: Tracks) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which tracks pass as a tag's lepton, and which events have negative ones only."""
    leptons = tag_lepton(tracks) & tracks.clean
    signs = [np.bincount(tracks.event[leptons & (tracks.charge == sign)], minlength=N) for sign in (1, -1)]
    return leptons, (signs[0] == 0) & (signs[1] > 0)


def kaon_rates(tracks: Tracks, weight: Floats) -> list[float]:
    """Rates of events with a loose positive kaon, of such kaons, and of sure ones."""
    _, holds = with_one_sign_of_leptons(tracks)
    right = tracks.clean & (tracks.charge > 0)
    loose = np.bincount(tracks.event[right & (tracks.kaon_id > 0.5)], minlength=N)
    sure = np.bincount(tracks.event[right & (tracks.kaon_id > 0.9)], minlength=N)
    return [float(np.mean(np.where(holds, weight * m, 0.0))) for m in (loose >= 1, loose, sure)]


def test_forced_kaons_weigh_what_accepting_would_give() -> None:
    """An electron with two pions of the other charge: lone, loose and sure kaons come at their natural rates."""
    electron, pion = particles(11, 1.5, M_E), particles(211, 1.4, M_PI)
    members = electron, pion, dataclasses.replace(pion, p=pion.p[[1, 0, 2, 3]])
    natural = np.mean([kaon_rates(events_of(*members, seed=seed), np.ones(N)) for seed in range(10, 20)], axis=0)
    tracks = events_of(*members)
    leptons, holds = with_one_sign_of_leptons(tracks)
    forced, weight = with_fake_kaon(tracks, leptons, N, np.random.default_rng(4))
    # 10 000 natural sure kaons, 7000 forced ones
    assert kaon_rates(forced, weight) == pytest.approx(natural, rel=0.05)
    passing = np.bincount(forced.event[(forced.charge > 0) & (forced.kaon_id > 0.5)], minlength=N) > 0
    able = np.bincount(forced.event[forced.clean & (forced.charge > 0)], minlength=N) > 0
    assert np.array_equal(passing[holds], able[holds])
    others = holds[tracks.event] & (tracks.charge < 0)
    assert np.array_equal(forced.log_kaon[others], tracks.log_kaon[others])


def test_events_with_a_true_kaon_or_without_a_lepton_are_left_alone() -> None:
    electron, kaon, pion = particles(11, 1.5, M_E), particles(321, 1.4, M_K), particles(211, 1.4, M_PI)
    tracks = events_of(electron, kaon, pion)
    leptons, holds = with_one_sign_of_leptons(tracks)
    forced, weight = with_fake_kaon(tracks, leptons, N, np.random.default_rng(4))
    true = holds & (np.bincount(tracks.event[tracks.clean & (tracks.pdg == 321)], minlength=N) > 0)
    assert true.mean() > 0.5
    assert np.array_equal(forced.log_kaon[true[forced.event]], tracks.log_kaon[true[tracks.event]])
    assert np.all(weight[true] == 1)
    alone = tracks_of(211, 1.4, M_PI)
    forced, weight = with_fake_kaon(alone, np.zeros(len(alone.event), dtype=bool), N, np.random.default_rng(4))
    assert np.array_equal(forced.log_kaon, alone.log_kaon)
    assert np.all(weight == 1)
