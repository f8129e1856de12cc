"""From tracks and clusters to combinations of lepton, D, D* and pion: mass windows and charges only.

Every step starts from the leptons, which are few, and cuts on masses before it joins anything further.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.simulation.detector import M_D0, M_DPLUS, M_K, M_KS, M_PI, M_PI0
from analysis.simulation.generator import PDG_KS
from analysis.simulation.jagged import Bools, Floats, Ints, Table, count, join
from analysis.simulation.kinematics import mass, norm, with_mass
from analysis.simulation.response import Clusters, Tracks
from analysis.simulation.tag_modes import (
    D0_GAMMA,
    D0_PI,
    D0_PI0,
    D_MODES,
    DPLUS_PI0,
    K2PI,
    K3PI,
    KPI,
    KPIPI0,
    KSPI,
    KSPIPI,
    NO_STAR,
    STAR_MODES,
)

NONE = -1
KAON_ID = 0.1  # of the D's kaon
PION_KAON_ID = 0.9  # pions lie below
PI0_WINDOW = (0.115, 0.152)  # GeV/c^2
PI0_P_MIN = 0.2  # of a D's π⁰, and of a π⁰ in the rest of the event; a D*'s is slower
SLOW_PHOTON_E = (0.09, 0.70)  # GeV: of a D*'s photon; none of a B's D* is harder
SLOW_PI0_P_MAX = 0.60
KSHORT_WINDOW = 0.010  # GeV/c^2
ROWS = 6  # tracks of a tag beside its lepton: four of the D, a D*'s pion, a pion beside the D(*)
SLOW_ROW, BACHELOR_ROW = 4, 5


@dataclass(frozen=True)
class Pi0s(Table):
    """Photon pairs at the π⁰ mass, sorted by ``event``: clusters (2, n) and mass-constrained four-momentum (4, n)."""

    event: Ints
    photons: Ints
    p: Floats

    @property
    def fast(self) -> Bools:
        """Whether they may be a D's, or count in the rest of the event."""
        return np.asarray(norm(self.p) > PI0_P_MIN)


@dataclass(frozen=True)
class Kshorts(Table):
    """K_S → π⁺π⁻, sorted by ``event``: tracks (2, n), measured four-momentum (4, n)."""

    event: Ints
    tracks: Ints
    p: Floats


@dataclass(frozen=True)
class Combinations(Table):
    """A lepton with a D, a D* or none, and a pion or none.

    Attributes
    ----------
    event : (n,) int64
    lepton : (n,) int64
        Index of its track.
    channel, star : (n,) int64
        Places in `D_MODES` and `STAR_MODES`.
    tracks : (6, n) int64
        Of the D (kaon first; a K_S's last), of the D*, beside the D(*); -1 where there is none.
    photons : (4, n) int64
        Clusters of the D's π⁰, then of the D*'s π⁰ or γ; -1 where there is none.
    p_d, p : (4, n) float64
        Four-momenta of the D and of all but the lepton, laboratory.
    mass : (n,) float64
        Of the D, GeV/c^2.
    delta_m : (n,) float64
        M(D*) − M(D), GeV/c^2; NaN without a D*.
    """

    event: Ints
    lepton: Ints
    channel: Ints
    star: Ints
    tracks: Ints
    photons: Ints
    p_d: Floats
    p: Floats
    mass: Floats
    delta_m: Floats

    @property
    def bachelor(self) -> Bools:
        """Whether there is a pion beside the D(*)."""
        return np.asarray(self.tracks[BACHELOR_ROW] != NONE)


def find_pi0s(clusters: Clusters, n_events: int) -> Pi0s:
    """Return all pairs of clusters whose mass lies in the π⁰ window."""
    present = np.flatnonzero(clusters.present)
    event, p4 = clusters.event[present], with_mass(clusters.p[:, present], 0.0)
    i, j = join(event, event, n_events)
    ordered = np.flatnonzero(i < j)
    i, j = i[ordered], j[ordered]
    # of massless particles
    m2 = 2 * (p4[3, i] * p4[3, j] - p4[0, i] * p4[0, j] - p4[1, i] * p4[1, j] - p4[2, i] * p4[2, j])
    good = np.flatnonzero((m2 > PI0_WINDOW[0] ** 2) & (m2 < PI0_WINDOW[1] ** 2))
    i, j, m2 = i[good], j[good], m2[good]
    scaled = (p4[:, i] + p4[:, j]) * (M_PI0 / np.sqrt(m2))
    return Pi0s(event[i], present[np.array([i, j])], scaled)


def find_kshorts(tracks: Tracks, n_events: int) -> Kshorts:
    """Return the K_S both tracks of which are found, and whose mass lies in the window.

    As in the rest of the event, they are taken from truth: random pairs at the mass, and K_S that a vertex fit would
    lose, are not simulated.
    """
    of_kshort = (tracks.vee >= 0) & (np.abs(tracks.mother) == PDG_KS)
    plus, minus = (np.flatnonzero(of_kshort & (tracks.charge == sign)) for sign in (1, -1))
    a, b = join(tracks.event[plus], tracks.event[minus], n_events)
    same = tracks.vee[plus[a]] == tracks.vee[minus[b]]
    i, j = plus[a[same]], minus[b[same]]
    p = with_mass(tracks.p[:, i], M_PI) + with_mass(tracks.p[:, j], M_PI)
    good = np.abs(mass(p) - M_KS) < KSHORT_WINDOW
    return Kshorts(tracks.event[i[good]], np.array([i[good], j[good]]), p[:, good])


def combine(tracks: Tracks, pi0s: Pi0s, clusters: Clusters, leptons: Ints, n_events: int) -> Combinations:
    """Return all combinations inside the mass windows, sorted by event; ``leptons`` are indices of tracks."""
    kaons = np.flatnonzero(tracks.clean & (tracks.kaon_id > KAON_ID))
    finder = _Finder.of(tracks, pi0s, clusters, n_events)
    parts = [*finder.with_kaons(leptons, kaons), *finder.with_kshorts(leptons)]
    d = _joined(parts)
    neutral = ~np.array([mode.charged for mode in D_MODES])[d.channel]
    d0, dplus = d.select(neutral), d.select(~neutral)
    charged_stars = [finder.slow_pion(d0), finder.slow_pi0(dplus, DPLUS_PI0)]
    alone = [d0, finder.slow_pi0(d0, D0_PI0), finder.slow_photon(d0)]
    result = _joined([*alone, *(finder.bachelor(each) for each in (dplus, *charged_stars))])
    in_order: Combinations = result.select(np.argsort(result.event, kind="stable"))
    return in_order


def holds_d(tracks: Tracks, leptons: Ints, n_events: int) -> Bools:
    """Whether tracks are at the mass of a D that may stand beside one of the leptons, (n_events,)."""
    finder = _Finder.of_tracks(tracks, n_events)
    kaons = np.flatnonzero(tracks.clean & (tracks.kaon_id > KAON_ID))
    found = [*finder.with_kaons(leptons, kaons), *finder.with_kshorts(leptons)]
    return np.asarray(count(np.concatenate([each.event for each in found]), n_events) > 0)


def charged_parts(tracks: Tracks, leptons: Ints, n_events: int) -> tuple[Ints, Ints]:
    """Return the tracks' share of all possible combinations, whatever clusters there are.

    D*'s π⁰ and γ add no track. Of D⁰ → K⁻π⁺π⁰ the pair counts that leaves room for the π⁰: for itself, and with two
    pions as of D*⁺π⁻, of which one is slow (`slow_pion_mass`).

    Returns
    -------
    event, used : (n,) int64
        Event of each, and how many clean tracks it takes, lepton included.
    """
    finder, clean = _Finder.of_tracks(tracks, n_events), tracks.clean
    found = combine(tracks, finder.pi0s, finder.clusters, leptons, n_events)
    used = 1 + np.sum((found.tracks != NONE) & clean[np.maximum(found.tracks, 0)], axis=0)
    kaons = np.flatnonzero(clean & (tracks.kaon_id > KAON_ID))
    lepton, kaon, pion, p, m = finder.kaons_with_pions(leptons, kaons)
    light = np.flatnonzero(m < M_D0 + D_MODES[KPIPI0].window - M_PI0)
    a, slow = finder.add_pion(lepton[light], -tracks.charge[lepton[light]], kaon[light], pion[light])
    a = light[a]
    a = a[mass(p[:, a] + finder.p_pi[:, slow]) < slow_pion_mass(m[a])]
    events = np.concatenate([found.event, tracks.event[lepton[light]], tracks.event[lepton[a]]])
    return events, np.concatenate([used, np.full(len(light), 3), np.full(len(a), 5)])


def slow_pion_mass(m: Floats) -> Floats:
    """Return the largest M(Kππ_slow) in D*⁺ → D⁰π⁺, D⁰ → Kππ⁰, of masses M(Kπ), GeV/c^2; it follows from the windows.

    In the frame of the D⁰, Kπ has the energy and momentum of a decay to Kπ and π⁰, the slow pion those of the D*⁺'s:
    the mass is largest where the two fly in opposite directions. The ends of the D⁰'s window are taken that make it
    larger.
    """
    mode, star = D_MODES[KPIPI0], STAR_MODES[D0_PI]
    assert star is not None
    light, heavy = mode.mass - mode.window, mode.mass + mode.window
    e_slow = ((light + star.delta_m[1]) ** 2 - light**2 - M_PI**2) / (2 * light)
    energy = (heavy**2 + m**2 - M_PI0**2) / (2 * heavy)
    momenta = np.sqrt(np.maximum(energy**2 - m**2, 0.0) * (e_slow**2 - M_PI**2))
    return np.asarray(np.sqrt(m**2 + M_PI**2 + 2 * (energy * e_slow + momenta)))


def _joined(parts: list[Combinations]) -> Combinations:
    return Combinations(**{k: np.concatenate([getattr(part, k) for part in parts], axis=-1) for k in vars(parts[0])})


@dataclass(frozen=True)
class _Finder:
    """What all steps need: the event's objects, indices of pions, and the tracks' four-momenta as pions."""

    tracks: Tracks
    pi0s: Pi0s
    clusters: Clusters
    pions: Ints
    p_pi: Floats
    n: int

    @classmethod
    def of(cls, tracks: Tracks, pi0s: Pi0s, clusters: Clusters, n: int) -> _Finder:
        """Find the pions."""
        pions = np.flatnonzero(tracks.clean & (tracks.kaon_id < PION_KAON_ID))
        return cls(tracks, pi0s, clusters, pions, with_mass(tracks.p, M_PI), n)

    @classmethod
    def of_tracks(cls, tracks: Tracks, n: int) -> _Finder:
        """Look at tracks alone, as if there were no clusters."""
        none = np.zeros(0, dtype=np.int64)
        pi0s = Pi0s(none, np.zeros((2, 0), dtype=np.int64), np.zeros((4, 0)))
        return cls.of(tracks, pi0s, Clusters(none, np.zeros((3, 0)), *np.zeros((3, 0), dtype=np.int8)), n)

    def _d(
        self, channel: int, lepton: Ints, tracks: tuple[Ints, ...], p: Floats, photons: Ints | None = None
    ) -> Combinations:
        """Return the D candidates of a channel that lie in its window."""
        mode = D_MODES[channel]
        m = mass(p)
        good = np.flatnonzero(np.abs(m - mode.mass) < mode.window)
        n = len(good)
        rows, clusters = np.full((ROWS, n), NONE), np.full((4, n), NONE)
        for row, track in enumerate(tracks):
            rows[row] = track[good]
        if photons is not None:
            clusters[:2] = photons[:, good]
        p = p[:, good]
        return Combinations(
            self.tracks.event[lepton[good]], lepton[good], np.full(n, channel), np.full(n, NO_STAR), rows, clusters,
            p, p, m[good], np.full(n, np.nan),
        )  # fmt: skip

    def add_pion(self, owner: Ints, charge: Floats, *used: Ints) -> tuple[Ints, Ints]:
        """Return all pairs of a combination, given by a track of its event, and a pion of that charge not used."""
        event = self.tracks.event
        a, b = join(event[owner], event[self.pions], self.n)
        pion = self.pions[b]
        keep = self.tracks.charge[pion] == charge[a]
        for track in used:
            keep &= pion != track[a]
        return a[keep], pion[keep]

    def kaons_with_pions(self, leptons: Ints, kaons: Ints) -> tuple[Ints, Ints, Ints, Floats, Floats]:
        """Return lepton, kaon, pion, four-momentum and mass of pairs no heavier than a D⁰: ℓ⁻ with K⁻π⁺."""
        q, event = self.tracks.charge, self.tracks.event
        a, b = join(event[leptons], event[kaons], self.n)
        lepton, kaon = leptons[a], kaons[b]
        keep = (lepton != kaon) & (q[lepton] == q[kaon])
        lepton, kaon = lepton[keep], kaon[keep]
        a, pion = self.add_pion(lepton, -q[lepton])
        lepton, kaon = lepton[a], kaon[a]
        p = with_mass(self.tracks.p[:, kaon], M_K) + self.p_pi[:, pion]
        m = mass(p)
        keep = m < M_D0 + D_MODES[KPI].window
        return lepton[keep], kaon[keep], pion[keep], p[:, keep], m[keep]

    def with_kaons(self, leptons: Ints, kaons: Ints) -> list[Combinations]:
        """Return D⁰ → Kπ, Kππ⁰, Kπππ and D⁺ → Kππ: ℓ⁻ and K⁻ have the same charge."""
        q, event, p_pi = self.tracks.charge, self.tracks.event, self.p_pi
        lepton, kaon, pion, p, m = self.kaons_with_pions(leptons, kaons)
        found = [self._d(KPI, lepton, (kaon, pion), p)]

        fast = self.pi0s.select(self.pi0s.fast)
        below = np.flatnonzero(m < M_D0 + D_MODES[KPIPI0].window - M_PI0)
        a, b = join(event[lepton[below]], fast.event, self.n)
        a = below[a]
        found.append(self._d(KPIPI0, lepton[a], (kaon[a], pion[a]), p[:, a] + fast.p[:, b], fast.photons[:, b]))

        below = np.flatnonzero(m < M_DPLUS + D_MODES[K2PI].window - M_PI)
        a, second = self.add_pion(lepton[below], -q[lepton[below]])
        a = below[a]
        keep = second > pion[a]
        a, second = a[keep], second[keep]
        p_three = p[:, a] + p_pi[:, second]
        m = mass(p_three)
        found.append(self._d(K2PI, lepton[a], (kaon[a], pion[a], second), p_three))

        below = np.flatnonzero(m < M_D0 + D_MODES[K3PI].window - M_PI)
        a, second, p_three = a[below], second[below], p_three[:, below]
        c, third = self.add_pion(lepton[a], q[lepton[a]], lepton[a], kaon[a])
        a, second = a[c], second[c]
        found.append(
            self._d(K3PI, lepton[a], (kaon[a], pion[a], second, third), p_three[:, c] + p_pi[:, third])
        )  # fmt: skip
        return found

    def with_kshorts(self, leptons: Ints) -> list[Combinations]:
        """Return D⁺ → K_Sπ⁺ and D⁰ → K_Sπ⁺π⁻; the D⁺ has the charge opposite to the lepton's."""
        q, p_pi = self.tracks.charge, self.p_pi
        kshorts = find_kshorts(self.tracks, self.n)
        a, k = join(self.tracks.event[leptons], kshorts.event, self.n)
        lepton = leptons[a]
        keep = np.all(kshorts.tracks[:, k] != lepton, axis=0)
        lepton, k = lepton[keep], k[keep]
        a, pion = self.add_pion(lepton, -q[lepton], *kshorts.tracks[:, k])
        lepton, k = lepton[a], k[a]
        p = kshorts.p[:, k] + p_pi[:, pion]
        one, other = kshorts.tracks[:, k]
        found = [self._d(KSPI, lepton, (pion, one, other), p)]
        below = np.flatnonzero(mass(p) < M_D0 + D_MODES[KSPIPI].window - M_PI)
        lepton, pion, one, other, p = lepton[below], pion[below], one[below], other[below], p[:, below]
        a, second = self.add_pion(lepton, q[lepton], lepton, one, other)
        found.append(self._d(KSPIPI, lepton[a], (pion[a], second, one[a], other[a]), p[:, a] + p_pi[:, second]))
        return found

    def _starred(
        self, d: Combinations, a: Ints, star: int, p_slow: Floats, track: Ints | None, photons: Ints | None
    ) -> Combinations:
        """Return D* made of the D candidates ``a`` and something slow, inside the window of ΔM."""
        mode = STAR_MODES[star]
        assert mode is not None
        p = d.p_d[:, a] + p_slow
        delta = mass(p) - d.mass[a]
        good = np.flatnonzero((delta > mode.delta_m[0]) & (delta < mode.delta_m[1]))
        result = d.select(a[good])
        rows, clusters = result.tracks.copy(), result.photons.copy()
        if track is not None:
            rows[SLOW_ROW] = track[good]
        if photons is not None:
            clusters[2 : 2 + len(photons)] = photons[:, good]
        n = len(good)
        return Combinations(
            result.event, result.lepton, result.channel, np.full(n, star), rows, clusters, result.p_d, p[:, good],
            result.mass, delta[good],
        )  # fmt: skip

    def slow_pion(self, d: Combinations) -> Combinations:
        """Return D*⁺ → D⁰π⁺."""
        a, pion = self.add_pion(d.lepton, -self.tracks.charge[d.lepton], *d.tracks[:SLOW_ROW])
        return self._starred(d, a, D0_PI, self.p_pi[:, pion], pion, None)

    def slow_pi0(self, d: Combinations, star: int) -> Combinations:
        """Return D* → Dπ⁰; the π⁰ shares no photon with the D."""
        slow = self.pi0s.select(norm(self.pi0s.p) < SLOW_PI0_P_MAX)
        a, b = join(d.event, slow.event, self.n)
        photons = slow.photons[:, b]
        keep = np.all(d.photons[:2, a][:, None] != photons[None], axis=(0, 1))
        a, b = a[keep], b[keep]
        return self._starred(d, a, star, slow.p[:, b], None, slow.photons[:, b])

    def slow_photon(self, d: Combinations) -> Combinations:
        """Return D*⁰ → D⁰γ."""
        energy = norm(self.clusters.p)
        low, high = SLOW_PHOTON_E
        chosen = np.flatnonzero(self.clusters.present & (energy > low) & (energy < high))
        a, b = join(d.event, self.clusters.event[chosen], self.n)
        photon = chosen[b]
        keep = np.all(d.photons[:2, a] != photon, axis=0)
        a, photon = a[keep], photon[keep]
        return self._starred(d, a, D0_GAMMA, with_mass(self.clusters.p[:, photon], 0.0), None, photon[None])

    def bachelor(self, d: Combinations) -> Combinations:
        """Return the combinations of charged D(*) with a pion of the lepton's charge."""
        a, pion = self.add_pion(d.lepton, self.tracks.charge[d.lepton], d.lepton, *d.tracks[:BACHELOR_ROW])
        result = d.select(a)
        rows = result.tracks.copy()
        rows[BACHELOR_ROW] = pion
        return Combinations(
            result.event, result.lepton, result.channel, result.star, rows, result.photons, result.p_d,
            result.p + self.p_pi[:, pion], result.mass, result.delta_m,
        )  # fmt: skip
