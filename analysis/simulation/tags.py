"""Semileptonic tags: B⁻ → D⁰ ℓ⁻ ν̄ with D⁰ → K⁻π⁺, K⁻π⁺π⁰, K⁻π⁺π⁺π⁻, from reconstructed tracks and clusters.

D*⁰ and D*⁺ reach these modes by feed-down: their slow γ, π⁰ or π⁺ stays in the rest of the event and pulls cosθ_BY
down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from analysis.simulation.detector import DETECTOR, M_BPLUS, M_D0, M_E, M_K, M_MU, M_PI, M_PI0
from analysis.simulation.generator import Role
from analysis.simulation.jagged import Bools, Floats, Ints, Table, join
from analysis.simulation.kinematics import boost, mass, norm, with_mass
from analysis.simulation.response import Clusters, Tracks

NONE = -1
# FEI mode: (half width of the mass window, resolution, odds of a true tag before anything is known); GeV/c^2. The
# odds are those of generic charged B pairs after the loose identification, rounded.
MODES: dict[int, tuple[float, float, float]] = {
    0: (0.050, 0.0055, 0.15),
    1: (0.070, 0.0130, 0.010),
    3: (0.040, 0.0050, 0.020),
}
LEPTON_P_STAR = 1.0  # skim feiSLBplus
LEPTON_ID = 0.5
KAON_ID = 0.1  # of the D's kaon
PION_KAON_ID = 0.9  # the D's pions lie below
COS_BY = (-4.0, 3.0)  # skim feiSLBplus
LOG10_PROBABILITY = -2.4  # skim feiSLBplus
PI0_WINDOW = (0.115, 0.152)  # GeV/c^2
PI0_P_MIN = 0.2
# χ² probability of a vertex of tracks from different B mesons: density a v^(a-1), assumed
WRONG_VERTEX = 0.3


@dataclass(frozen=True)
class Tags(Table):
    """Tag candidates, sorted by ``event``.

    Attributes
    ----------
    event : (n,) int64
    mode : (n,) int64
        FEI mode of the D⁰.
    lepton : (n,) int64
        Index of its track.
    is_muon : (n,) bool
    daughters : (4, n) int64
        Tracks of the D⁰, kaon first; -1 where there is none.
    photons : (2, n) int64
        Clusters of the π⁰; -1 where there is none.
    p_d, p_lepton : (4, n) float64
        Laboratory four-momenta.
    mass : (n,) float64
        Of the D⁰, GeV/c^2.
    p_star : (n,) float64
        Lepton momentum in the centre of mass.
    cos_by : (n,) float64
    vertex : (n,) float64
        χ² probability of the vertex.
    probability : (n,) float64
        Signal probability.
    matched : (n,) bool
        All daughters belong to one true tag of that mode (a D* may stand above the D⁰).
    side : (n,) int8
        B that the lepton comes from.
    """

    event: Ints
    mode: Ints
    lepton: Ints
    is_muon: Bools
    daughters: Ints
    photons: Ints
    p_d: Floats
    p_lepton: Floats
    mass: Floats
    p_star: Floats
    cos_by: Floats
    vertex: Floats
    probability: Floats
    matched: Bools
    side: NDArray[np.int8]


@dataclass(frozen=True)
class Pi0s(Table):
    """Photon pairs at the π⁰ mass, sorted by ``event``: clusters (2, n) and mass-constrained four-momentum (4, n)."""

    event: Ints
    photons: Ints
    p: Floats


@dataclass(frozen=True)
class _Combinations(Table):
    event: Ints
    lepton: Ints
    daughters: Ints
    photons: Ints
    p_d: Floats


def find_pi0s(clusters: Clusters, n_events: int) -> Pi0s:
    """Return all pairs of clusters whose mass lies in the π⁰ window."""
    i, j = join(clusters.event, clusters.event, n_events)
    keep = i < j
    i, j = i[keep], j[keep]
    p4 = with_mass(clusters.p, 0.0)
    pair = p4[:, i] + p4[:, j]
    m = mass(pair)
    good = clusters.present[i] & clusters.present[j]
    good &= (m > PI0_WINDOW[0]) & (m < PI0_WINDOW[1]) & (norm(pair) > PI0_P_MIN)
    scaled = pair[:, good] * (M_PI0 / m[good])
    return Pi0s(clusters.event[i[good]], np.array([i[good], j[good]]), scaled)


def reconstruct_tags(tracks: Tracks, pi0s: Pi0s, clusters: Clusters, true_mode: Ints, n_events: int) -> Tags:
    """Return all tag candidates that pass the skim's cuts.

    Parameters
    ----------
    tracks, pi0s, clusters
        Reconstructed objects.
    true_mode : (2, n_events) int64
        Mode of the true tag on each side, or ``NO_TAG``.
    n_events
        Number of events.

    Notes
    -----
    A candidate depends on nothing but its own tracks and clusters (the vertex quality comes from the tracks'
    ``luck``), so a true tag that was accepted alone is found again whatever it is paired with.
    """
    clean = tracks.clean
    is_muon, p_lepton, p_star = _as_leptons(tracks)
    leptons = np.flatnonzero(clean & tag_lepton(tracks))
    found = [
        (mode, combination)
        for mode, combination in _combine(tracks, pi0s, leptons, clean, n_events)
        if len(combination.event)
    ]
    parts = [_candidates(mode, c, tracks, clusters, is_muon, p_lepton, p_star, true_mode) for mode, c in found]
    if not parts:
        return _empty_tags()
    merged = {k: np.concatenate([getattr(part, k) for part in parts], axis=-1) for k in vars(parts[0])}
    order = np.argsort(merged["event"], kind="stable")
    return Tags(**{k: v[..., order] for k, v in merged.items()})


def _as_leptons(tracks: Tracks) -> tuple[Bools, Floats, Floats]:
    """Return whether tracks are rather muons than electrons, four-momenta, and momenta in the centre of mass."""
    is_muon = tracks.muon_id > tracks.electron_id
    p = with_mass(tracks.p, np.where(is_muon, M_MU, M_E))
    return is_muon, p, norm(boost(p, -DETECTOR.beams.beta))


def tag_lepton(tracks: Tracks) -> Bools:
    """Whether tracks may be the lepton of a tag."""
    _, _, p_star = _as_leptons(tracks)
    return np.asarray((np.maximum(tracks.electron_id, tracks.muon_id) > LEPTON_ID) & (p_star > LEPTON_P_STAR))


def _empty_tags() -> Tags:
    ints, floats, bools = np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=bool)
    return Tags(
        ints, ints, ints, bools, np.zeros((4, 0), dtype=np.int64), np.zeros((2, 0), dtype=np.int64),
        np.zeros((4, 0)), np.zeros((4, 0)), floats, floats, floats, floats, floats, bools,
        np.zeros(0, dtype=np.int8),
    )  # fmt: skip


def _combine(tracks: Tracks, pi0s: Pi0s, leptons: Ints, clean: Bools, n_events: int) -> list[tuple[int, _Combinations]]:
    """Return the lepton-D⁰ combinations of every mode inside its mass window."""
    kaon_id, q, event = tracks.kaon_id, tracks.charge, tracks.event
    kaons = np.flatnonzero(clean & (kaon_id > KAON_ID))
    pions = np.flatnonzero(clean & (kaon_id < PION_KAON_ID))
    p_k, p_pi = with_mass(tracks.p, M_K), with_mass(tracks.p, M_PI)

    # ℓ⁻ K⁻: same charge, as D⁰ → K⁻ and B⁻ → D⁰ ℓ⁻
    a, b = join(event[leptons], event[kaons], n_events)
    lepton, kaon = leptons[a], kaons[b]
    keep = (lepton != kaon) & (q[lepton] == q[kaon])
    lepton, kaon = lepton[keep], kaon[keep]
    a, b = join(event[lepton], event[pions], n_events)
    lepton, kaon, pion = lepton[a], kaon[a], pions[b]
    p = p_k[:, kaon] + p_pi[:, pion]
    m = mass(p)
    keep = (q[pion] == -q[kaon]) & (m < M_D0 + MODES[0][0])
    lepton, kaon, pion, p, m = lepton[keep], kaon[keep], pion[keep], p[:, keep], m[keep]
    none = np.full(len(lepton), NONE)

    def inside(mode: int, m: Floats) -> Bools:
        return np.asarray(np.abs(m - M_D0) < MODES[mode][0])

    two = _Combinations(event[lepton], lepton, np.array([kaon, pion, none, none]), np.array([none, none]), p)
    result = [(0, two.select(inside(0, m)))]

    a, b = join(event[lepton], pi0s.event, n_events)
    p_three = p[:, a] + pi0s.p[:, b]
    good = inside(1, mass(p_three))
    result.append((1, _Combinations(
        event[lepton][a][good], lepton[a][good], two.daughters[:, a][:, good], pi0s.photons[:, b[good]], p_three[:,
        good],
    )))  # fmt: skip

    below = np.flatnonzero(m < M_D0 + MODES[3][0] - 2 * M_PI)
    a, b = join(event[lepton][below], event[pions], n_events)
    a, second = below[a], pions[b]
    keep = (q[second] == q[pion[a]]) & (second > pion[a])
    a, second = a[keep], second[keep]
    c, b = join(event[lepton][a], event[pions], n_events)
    a, second, third = a[c], second[c], pions[b]
    keep = (q[third] == q[kaon[a]]) & (third != kaon[a]) & (third != lepton[a])
    a, second, third = a[keep], second[keep], third[keep]
    p_four = p[:, a] + p_pi[:, second] + p_pi[:, third]
    good = inside(3, mass(p_four))
    result.append((3, _Combinations(
        event[lepton][a][good], lepton[a][good], np.array([kaon[a], pion[a], second, third])[:, good],
        np.array([none[a], none[a]])[:, good], p_four[:, good],
    )))  # fmt: skip
    return result


def _candidates(
    mode: int, c: _Combinations, tracks: Tracks, clusters: Clusters, is_muon: Bools, p_lepton: Floats,
    p_star: Floats, true_mode: Ints,
) -> Tags:  # fmt: skip
    """Return the combinations of one mode as candidates, after the skim's cuts."""
    cos_by = cos_theta_by(c.p_d + p_lepton[:, c.lepton])
    side = tracks.side[c.lepton]
    used, present = np.maximum(c.daughters, 0), c.daughters != NONE
    one_b = np.all((tracks.side[used] == side) | ~present, axis=0)
    from_ip = np.all((tracks.vee[used] < 0) | ~present, axis=0) & (tracks.vee[c.lepton] < 0)
    right = np.all((tracks.role[used] == Role.D_DAUGHTER) | ~present, axis=0)
    own = one_b
    if mode == 1:
        own = own & np.all(clusters.side[c.photons] == side, axis=0)
        right &= np.all(clusters.role[c.photons] == Role.D_DAUGHTER, axis=0)
    matched = own & right & (tracks.role[c.lepton] == Role.LEPTON) & (true_mode[side, c.event] == mode)
    # the fractional part of a sum with one uniform term is uniform
    luck = np.where(present, tracks.luck[used], 0.0).sum(axis=0) + tracks.luck[c.lepton]
    uniform = luck % 1.0
    vertex = np.where(one_b & from_ip, uniform, uniform ** (1 / WRONG_VERTEX))
    m = mass(c.p_d)
    log_lepton = np.where(is_muon, tracks.log_muon, tracks.log_electron)[c.lepton]
    probability = signal_probability(
        mode, m, p_star[c.lepton], vertex, log_lepton, tracks.log_kaon[c.daughters[0]],
    )  # fmt: skip
    keep = (np.log10(probability) > LOG10_PROBABILITY) & (cos_by > COS_BY[0]) & (cos_by < COS_BY[1])
    found = Tags(
        c.event, np.full(len(c.event), mode), c.lepton, is_muon[c.lepton], c.daughters, c.photons, c.p_d,
        p_lepton[:, c.lepton], m, p_star[c.lepton], cos_by, vertex, probability, matched, side,
    )  # fmt: skip
    return Tags(**{k: v[..., keep] for k, v in vars(found).items()})


def cos_theta_by(p: Floats) -> Floats:
    """Return the cosine between the B and its visible daughters Y, for a massless rest and the nominal B.

    cosθ_BY = (2 E*_B E*_Y − m_B² − m_Y²) / (2 p*_B p*_Y), the definition of basf2's
    ``cosThetaBetweenParticleAndNominalB``.

    Parameters
    ----------
    p : (4, n)
        Four-momentum of Y in the laboratory.
    """
    beams = DETECTOR.beams
    y = boost(p, -beams.beta)
    e_b = beams.sqrt_s / 2
    p_b = np.sqrt(e_b**2 - M_BPLUS**2)
    return np.asarray((2 * e_b * y[3] - M_BPLUS**2 - mass(y) ** 2) / (2 * p_b * norm(y)))


def signal_probability(
    mode: int, m: Floats, p_star: Floats, vertex: Floats, log_lepton: Floats, log_kaon: Floats
) -> Floats:
    """Return the probability that a candidate is a true tag: a product of likelihood ratios.

    The factors are the D mass (Gaussian with a tail against flat), the vertex (flat against `WRONG_VERTEX`), the
    lepton's momentum (wrong tags are softer) and identification, where wrong candidates are taken to hold 30 %
    misidentified leptons and 50 % misidentified kaons. The factors are treated as independent.
    """
    window, sigma, odds = MODES[mode]
    pull = (m - M_D0) / sigma
    peak = 0.9 * np.exp(-0.5 * pull**2) + 0.1 / 2.5 * np.exp(-0.5 * (pull / 2.5) ** 2)
    log_odds = np.log(odds) + np.log(peak / (np.sqrt(2 * np.pi) * sigma) * (2 * window) + 1e-3)
    log_odds -= np.log(WRONG_VERTEX) + (WRONG_VERTEX - 1) * np.log(np.maximum(vertex, 1e-6))
    log_odds += 0.8 * (p_star - 1.4)
    for log_ratio, fraction in ((log_lepton, 0.3), (log_kaon, 0.5)):
        log_odds -= np.log(1 - fraction + fraction * np.exp(-np.clip(log_ratio, -20, 20)))
    return np.asarray(expit(log_odds))
