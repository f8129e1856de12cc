"""Tracks: which charged particles are found, how they are identified, and what is measured of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from analysis.simulation.detector import DETECTOR, M_K
from analysis.simulation.generator import PDG_KS, PDG_LAMBDA, Particles, charge_of, is_charged_stable
from analysis.simulation.jagged import Array, Bools, Floats, Ints, Listed

SIDES = 3  # at most: an event of cc̄ and the decays of its two charmed hadrons


@dataclass(frozen=True)
class Tracks(Listed):
    """Reconstructed tracks, sorted by ``event``.

    Attributes
    ----------
    event : (n,) int64
    p : (3, n) float64
        Measured momentum, laboratory.
    charge : (n,) float64
    d0, z0 : (n,) float64
        Signed impact parameters, cm.
    log_kaon, log_electron, log_muon : (n,) float64
        Log likelihood ratios: kaon to pion, electron and muon to hadron.
    ecl : (n,) float64
        Energy of the track's own cluster.
    hits : (n,) float64
        CDC hits.
    luck : (n,) float64
        Uniform number that stands for the track's measurement errors in vertex fits.
    pdg, mother : (n,) int32
        Truth.
    vee : (n,) int64
        Number of the K_S or Λ that it comes from, unique within the event; -1 if none.
    role, side : (n,) int8
        Role in a tag's decay (`true_tags.Role`), and which B it comes from.
    """

    event: Ints
    p: Floats
    charge: Floats
    d0: Floats
    z0: Floats
    log_kaon: Floats
    log_electron: Floats
    log_muon: Floats
    ecl: Floats
    hits: Floats
    luck: Floats
    pdg: NDArray[np.int32]
    mother: NDArray[np.int32]
    vee: Ints
    role: NDArray[np.int8]
    side: NDArray[np.int8]

    @property
    def kaon_id(self) -> Floats:
        """Probability of a kaon against a pion at equal priors, 0 to 1."""
        return np.asarray(expit(self.log_kaon))

    @property
    def electron_id(self) -> Floats:
        """Probability of an electron against a hadron at equal priors."""
        return np.asarray(expit(self.log_electron))

    @property
    def muon_id(self) -> Floats:
        """Probability of a muon against a hadron at equal priors."""
        return np.asarray(expit(self.log_muon))

    @property
    def matched(self) -> Bools:
        """Whether basf2's matching finds the particle behind the track."""
        return np.asarray(self.luck >= DETECTOR.tracking.unmatched)

    @property
    def clean(self) -> Bools:
        """Whether the track comes from the interaction point, as the skim asks."""
        d0, z0 = DETECTOR.tracking.ip_window
        return np.asarray((np.abs(self.d0) < d0) & (np.abs(self.z0) < z0))


def inside(theta: Floats, limits: tuple[float, float]) -> Bools:
    """Whether polar angles lie between two limits."""
    return np.asarray((theta > limits[0]) & (theta < limits[1]))


def polar_angle(p: Floats) -> Floats:
    """Return the polar angles of momenta, rad."""
    return np.asarray(np.arctan2(np.hypot(p[0], p[1]), p[2]))


@dataclass(frozen=True)
class Detected(Listed):
    """Charged particles that leave a track, as far as needed to judge whether their event is worth measuring.

    Attributes
    ----------
    event : (n,) int64
    item : (n,) int64
        Place of the particle among those given to `detect`.
    charge : (n,) float64
    momentum : (n,) float64
        True, laboratory, GeV.
    log_kaon, log_electron, log_muon : (n,) float64
        Log likelihood ratios: kaon to pion, electron and muon to hadron.
    displaced : (n,) bool
        Whether it comes from a K_S or a hyperon, which may fly far.
    """

    event: Ints
    item: Ints
    charge: Floats
    momentum: Floats
    log_kaon: Floats
    log_electron: Floats
    log_muon: Floats
    displaced: Bools


_FAR = (PDG_KS, PDG_LAMBDA, 3112, 3222, 3312, 3334)  # then Σ⁻, Σ⁺, Ξ⁻, Ω⁻


def detect(event: Ints, pdg: Array, mother: Array, p: Floats, rng: np.random.Generator) -> Detected:
    """Return the charged particles that leave a track, identified; neutral ones are passed over.

    Parameters
    ----------
    event : (n,) int64
        Sorted.
    pdg, mother : (n,) int32
        Codes of the particles and of what they come from.
    p : (4, n) float64
        True momenta, laboratory.
    rng
        Source of all randomness.
    """
    t = DETECTOR.tracking
    pt2 = p[0] ** 2 + p[1] ** 2
    momentum = np.sqrt(pt2 + p[2] ** 2)
    # cheap cuts first: exponentials for what is left
    able = is_charged_stable(pdg) & (pt2 > t.pt_min**2) & _inside_cosine(p[2], momentum, t.acceptance)
    index = np.flatnonzero(able)
    pt, momentum, kind = np.sqrt(pt2[index]), momentum[index], np.abs(pdg[index])
    efficiency = t.efficiency * np.maximum(1 - np.exp(-(pt - t.turn_on[0]) / t.turn_on[1]), 0.0)
    kaon = np.flatnonzero(kind == 321)
    efficiency[kaon] *= np.exp(-t.kaon_path * M_K / (momentum[kaon] * t.kaon_ctau))
    found = rng.random(len(index)) < efficiency
    index, momentum, kind = index[found], momentum[found], kind[found]
    full = _inside_cosine(p[2, index], momentum, DETECTOR.identification.top_arich)
    logs = _identify(kind, momentum, full, rng)
    displaced = np.isin(np.abs(mother[index]), _FAR)
    return Detected(event[index], index, charge_of(pdg[index]), momentum, *logs, displaced)


def _inside_cosine(pz: Floats, momentum: Floats, limits: tuple[float, float]) -> Bools:
    """Whether polar angles, given by the momentum and its z component, lie between two limits."""
    return np.asarray((pz < momentum * np.cos(limits[0])) & (pz > momentum * np.cos(limits[1])))


def measure_tracks(particles: Particles, side: Array, rng: np.random.Generator) -> Tracks:
    """Return the tracks that charged particles leave.

    Parameters
    ----------
    particles
        In the laboratory; neutral ones are passed over.
    side : (n,) int8
        Which B each particle comes from.
    rng
        Source of all randomness.
    """
    detected = detect(particles.event, particles.pdg, particles.mother, particles.p, rng)
    return measured(detected, particles.select(detected.item), side[detected.item], rng)


def measured(detected: Detected, particles: Particles, side: Array, rng: np.random.Generator) -> Tracks:
    """Return the tracks of detected particles.

    Parameters
    ----------
    detected
        See `detect`.
    particles
        The same particles, in the same order, in the laboratory.
    side : (n,) int8
        Which B each of them comes from.
    rng
        Source of all randomness.
    """
    t = DETECTOR.tracking
    # beyond the silicon's outer layers nothing is found from the interaction point
    near = np.hypot(particles.x[0], particles.x[1]) < t.radius_max
    if not np.all(near):
        detected, particles, side = detected.select(near), particles.select(near), side[near]
    p, x, momentum, kind = particles.p, particles.x, detected.momentum, np.abs(particles.pdg)
    n = len(kind)
    pt, theta = np.hypot(p[0], p[1]), polar_angle(p)
    beta = momentum / p[3]
    resolution = np.hypot(t.pt_resolution[0] * pt, t.pt_resolution[1] / beta)
    pt_measured = np.maximum(pt * (1 + resolution * rng.standard_normal(n)), 0.02)
    phi = np.arctan2(p[1], p[0]) + t.angle_resolution * rng.standard_normal(n)
    theta_measured = theta + t.angle_resolution * rng.standard_normal(n)
    p_measured = np.array([pt_measured * np.cos(phi), pt_measured * np.sin(phi), pt_measured / np.tan(theta_measured)])
    ip = np.hypot(t.ip_resolution[0], t.ip_resolution[1] / (momentum * beta * np.sin(theta) ** 1.5))
    d0 = (x[0] * p[1] - x[1] * p[0]) / pt + ip * rng.standard_normal(n)
    along = (x[0] * p[0] + x[1] * p[1]) / pt
    z0 = x[2] - along / np.tan(theta) + ip * rng.standard_normal(n)
    centrality = np.clip(2 * np.minimum(theta - t.acceptance[0], t.acceptance[1] - theta), 0.3, 1.0)
    hits = np.round(t.cdc_hits[0] * centrality + t.cdc_hits[1] * rng.standard_normal(n))
    return Tracks(
        event=detected.event, p=p_measured, charge=detected.charge, d0=d0, z0=z0, log_kaon=detected.log_kaon,
        log_electron=detected.log_electron, log_muon=detected.log_muon, ecl=_track_energy(kind, momentum, rng),
        hits=np.clip(hits, 5, 70), luck=rng.random(n), pdg=particles.pdg, mother=particles.mother,
        vee=np.where(particles.vee >= 0, SIDES * particles.vee + side, -1), role=particles.role, side=side,
    )  # fmt: skip


def lepton_separations(p: Floats) -> tuple[Floats, Floats]:
    """Return the widths d of the electron's and the muon's log likelihood ratio at momenta p."""
    i = DETECTOR.identification
    return (
        i.electron_separation * np.clip(p / i.electron_p_min, 0, 1),
        np.where(p > i.muon_p_min, i.muon_separation, 0.0),
    )


def kaon_separation(p: Floats, full: Bools) -> Floats:
    """Return the width d of the kaon's log likelihood ratio; ``full`` tells whether TOP or ARICH see the particle."""
    i = DETECTOR.identification
    a, b, c = i.kaon_separation
    return np.asarray((a + b * np.exp(-((p / c) ** 2))) * np.where(full, 1.0, i.dedx_only))


def _identify(kind: Array, p: Floats, full: Bools, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Draw the log likelihood ratios (kaon, electron, muon); ``full`` tells whether TOP or ARICH see the particle."""
    i = DETECTOR.identification

    def ratio(is_true: Bools, d: Floats) -> Floats:
        return np.asarray(np.where(is_true, 0.5, -0.5) * d**2 + d * rng.standard_normal(len(d)))

    d_kaon = kaon_separation(p, full)
    d_electron, d_muon = lepton_separations(p)
    fakes_muon = (kind != 11) & (rng.random(len(p)) < i.punch_through)
    return (
        ratio(kind == 321, d_kaon),
        ratio(kind == 11, d_electron),
        ratio((kind == 13) | fakes_muon, d_muon),
    )


def _track_energy(kind: Array, p: Floats, rng: np.random.Generator) -> Floats:
    """Draw the energy that tracks leave in the calorimeter."""
    c = DETECTOR.calorimeter
    n = len(p)
    mip = np.minimum(c.mip * (1 + c.mip_width * rng.standard_normal(n)), p)
    shower = p * rng.uniform(*c.shower_share, n)
    hadron = (kind == 211) | (kind == 321) | (kind == 2212)
    energy = np.where(hadron & (rng.random(n) < c.shower), np.maximum(mip, shower), mip)
    return np.where(kind == 11, p * (1 + c.electron_width * rng.standard_normal(n)), energy)
