"""What the detector makes of particles: tracks and calorimeter clusters.

The numbers are those of `analysis.simulation.detector`. Not simulated: material (conversions, scattering, secondary
particles), the field (tracks are straight lines from their vertex), overlapping showers, and time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr, ndtri

from analysis.simulation.detector import DETECTOR, M_E, M_K, M_MU, M_P, M_PI
from analysis.simulation.generator import Particles, charge_of, is_charged_stable
from analysis.simulation.jagged import Array, Bools, Floats, Ints, Table, count, total
from analysis.simulation.kinematics import boost, direction, norm, with_mass

MASSES = {11: M_E, 13: M_MU, 211: M_PI, 321: M_K, 2212: M_P}


@dataclass(frozen=True)
class Tracks(Table):
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
        Role in a true tag (`generator.Role`), and which B it comes from.
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


class Kind:
    """What made a cluster, and whether it is there.

    Systematic variations need to know more than what was found: a ``WEAK`` cluster would be lost with a lower K_L
    efficiency or beam background, a ``MISSED`` one was not found and would be with a higher one (sizes:
    `detector.Systematics`). Everything but the variations passes over missed clusters: see `Clusters.present`.
    """

    PHOTON, HADRON, SPLIT_OFF, BEAM = 0, 1, 2, 3
    KLONG_WEAK, KLONG_MISSED, BEAM_WEAK, BEAM_MISSED = 4, 5, 6, 7


@dataclass(frozen=True)
class Clusters(Table):
    """Calorimeter clusters without a track, sorted by ``event``.

    Attributes
    ----------
    event : (n,) int64
    p : (3, n) float64
        Momentum of a photon from the interaction point with the cluster's energy.
    kind, role, side : (n,) int8
    """

    event: Ints
    p: Floats
    kind: NDArray[np.int8]
    role: NDArray[np.int8]
    side: NDArray[np.int8]

    @property
    def present(self) -> Bools:
        """Whether the detector found the cluster."""
        return np.asarray((self.kind != Kind.KLONG_MISSED) & (self.kind != Kind.BEAM_MISSED))


def _inside(theta: Floats, limits: tuple[float, float]) -> Bools:
    return np.asarray((theta > limits[0]) & (theta < limits[1]))


def _polar_angle(p: Floats) -> Floats:
    return np.asarray(np.arctan2(np.hypot(p[0], p[1]), p[2]))


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
    t = DETECTOR.tracking
    charged = np.flatnonzero(is_charged_stable(particles.pdg))
    p, kind = particles.p[:, charged], np.abs(particles.pdg[charged])
    pt, momentum, theta = np.hypot(p[0], p[1]), norm(p), _polar_angle(p)
    efficiency = t.efficiency * np.maximum(1 - np.exp(-(pt - t.turn_on[0]) / t.turn_on[1]), 0.0)
    in_flight = np.exp(-t.kaon_path * M_K / (np.maximum(momentum, 0.05) * t.kaon_ctau))
    efficiency = np.where(kind == 321, efficiency * in_flight, efficiency)
    found = (rng.random(len(charged)) < efficiency) & (pt > t.pt_min) & _inside(theta, t.acceptance)
    # beyond the silicon's outer layers nothing is found from the interaction point
    x = particles.x[:, charged]
    found &= np.hypot(x[0], x[1]) < 10.0
    index = charged[found]
    p, pt, momentum, theta, kind, x = p[:, found], pt[found], momentum[found], theta[found], kind[found], x[:, found]
    n = len(index)
    beta = momentum / particles.p[3, index]
    resolution = np.hypot(t.pt_resolution[0] * pt, t.pt_resolution[1] / beta)
    pt_measured = np.maximum(pt * (1 + resolution * rng.standard_normal(n)), 0.02)
    phi = np.arctan2(p[1], p[0]) + t.angle_resolution * rng.standard_normal(n)
    theta_measured = theta + t.angle_resolution * rng.standard_normal(n)
    measured = np.array([pt_measured * np.cos(phi), pt_measured * np.sin(phi), pt_measured / np.tan(theta_measured)])
    ip = np.hypot(t.ip_resolution[0], t.ip_resolution[1] / (momentum * beta * np.sin(theta) ** 1.5))
    d0 = (x[0] * p[1] - x[1] * p[0]) / pt + ip * rng.standard_normal(n)
    along = (x[0] * p[0] + x[1] * p[1]) / pt
    z0 = x[2] - along / np.tan(theta) + ip * rng.standard_normal(n)
    log_kaon, log_electron, log_muon = _identify(kind, momentum, theta, rng)
    centrality = np.clip(2 * np.minimum(theta - t.acceptance[0], t.acceptance[1] - theta), 0.3, 1.0)
    hits = np.round(t.cdc_hits[0] * centrality + t.cdc_hits[1] * rng.standard_normal(n))
    return Tracks(
        event=particles.event[index], p=measured, charge=charge_of(particles.pdg[index]), d0=d0, z0=z0,
        log_kaon=log_kaon, log_electron=log_electron, log_muon=log_muon, ecl=_track_energy(kind, momentum, rng),
        hits=np.clip(hits, 5, 70), luck=rng.random(n), pdg=particles.pdg[index], mother=particles.mother[index],
        vee=np.where(particles.vee[index] >= 0, 2 * particles.vee[index] + side[index], -1),
        role=particles.role[index], side=side[index],
    )  # fmt: skip


def _lepton_separations(p: Floats) -> tuple[Floats, Floats]:
    """Return the widths d of the electron's and the muon's log likelihood ratio at momenta p."""
    i = DETECTOR.identification
    return (
        i.electron_separation * np.clip(p / i.electron_p_min, 0, 1),
        np.where(p > i.muon_p_min, i.muon_separation, 0.0),
    )


def _identify(kind: Array, p: Floats, theta: Floats, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Draw the log likelihood ratios (kaon, electron, muon) of particles of known kind."""
    i = DETECTOR.identification

    def ratio(is_true: Bools, d: Floats) -> Floats:
        return np.asarray(np.where(is_true, 0.5, -0.5) * d**2 + d * rng.standard_normal(len(d)))

    a, b, c = i.kaon_separation
    d_kaon = (a + b * np.exp(-((p / c) ** 2))) * np.where(_inside(theta, i.top_arich), 1.0, i.dedx_only)
    d_electron, d_muon = _lepton_separations(p)
    fakes_muon = (kind != 11) & (rng.random(len(p)) < i.punch_through)
    return (
        ratio(kind == 321, d_kaon),
        ratio(kind == 11, d_electron),
        ratio((kind == 13) | fakes_muon, d_muon),
    )


def with_fake_lepton(
    tracks: Tracks, n_events: int, p_star_min: float, rng: np.random.Generator
) -> tuple[Tracks, Floats]:
    """Make one fast hadron of every event without a fast true lepton pass as a lepton; returns the weights, too.

    The hadron is chosen with probability f_t / Σf, f_t being its probability to pass, and its likelihood ratios are
    drawn from the part of their distributions that passes (a ratio above zero). An outcome with m passing hadrons can
    be made in m ways, so that the weight is Σf / m: sums of weights are what accepting and rejecting would give.

    Parameters
    ----------
    tracks
        Of events whose fast leptons may all be fakes.
    n_events
        Number of events.
    p_star_min
        Hadrons above this momentum in the centre of mass may pass, GeV.
    rng
        Source of randomness.

    Returns
    -------
    tracks
        With the drawn likelihood ratios.
    weight : (n_events,) float64
        One where there is a fast true lepton, zero where no hadron can pass.
    """
    kind, momentum = np.abs(tracks.pdg), norm(tracks.p)
    lepton = (kind == 11) | (kind == 13)
    p_star = norm(boost(with_mass(tracks.p, M_PI), -DETECTOR.beams.beta))
    fast = tracks.clean & (p_star > p_star_min)
    natural = count(tracks.event, n_events, fast & lepton) > 0
    d_e, d_mu = _lepton_separations(momentum)
    punch = DETECTOR.identification.punch_through
    pass_e = ndtr(-0.5 * d_e)
    from_punch = punch * ndtr(0.5 * d_mu)
    pass_mu = from_punch + (1 - punch) * ndtr(-0.5 * d_mu)
    eligible = fast & ~lepton
    probability = np.where(eligible, 1 - (1 - pass_e) * (1 - pass_mu), 0.0)
    sums = total(tracks.event, probability, n_events)
    # the chosen track is where the running sum passes a random fraction of the event's sum
    running = np.cumsum(probability)
    before = np.cumsum(sums) - sums
    target = before + rng.random(n_events) * sums
    able = np.flatnonzero((sums > 0) & ~natural)
    t = np.minimum(np.searchsorted(running, target[able], side="right"), len(running) - 1)
    n = len(t)

    def above_zero(mean: Floats, d: Floats) -> Floats:
        return np.asarray(mean + d * ndtri(1 - rng.random(n) * ndtr(mean / d)))

    as_electron = rng.random(n) * probability[t] < pass_e[t]
    punched = rng.random(n) * pass_mu[t] < from_punch[t]
    electron_if = above_zero(-0.5 * d_e[t] ** 2, d_e[t])
    muon_if = above_zero(np.where(punched, 0.5, -0.5) * d_mu[t] ** 2, d_mu[t])
    # what the other ratio is, given that it fails or does not matter, is far below zero: keep what was drawn, capped
    log_electron, log_muon = tracks.log_electron.copy(), tracks.log_muon.copy()
    log_electron[t] = np.where(as_electron, electron_if, np.minimum(log_electron[t], 0.0))
    log_muon[t] = np.where(as_electron, log_muon[t], muon_if)
    passing = eligible & (np.maximum(log_electron, log_muon) > 0)
    m = count(tracks.event, n_events, passing)
    weight = np.where(natural, 1.0, np.where(sums > 0, sums / np.maximum(m, 1), 0.0))
    return replace(tracks, log_electron=log_electron, log_muon=log_muon), weight


def _track_energy(kind: Array, p: Floats, rng: np.random.Generator) -> Floats:
    """Draw the energy that tracks leave in the calorimeter."""
    c = DETECTOR.calorimeter
    n = len(p)
    mip = np.minimum(c.mip * (1 + 0.15 * rng.standard_normal(n)), p)
    shower = p * rng.uniform(0.15, 0.85, n)
    hadron = (kind == 211) | (kind == 321) | (kind == 2212)
    energy = np.where(hadron & (rng.random(n) < c.shower), np.maximum(mip, shower), mip)
    return np.where(kind == 11, p * (1 + 0.02 * rng.standard_normal(n)), energy)


def measure_clusters(particles: Particles, side: Array, rng: np.random.Generator) -> Clusters:
    """Return the clusters that photons, K_L, neutrons and split-offs of charged hadrons leave, and missed ones of K_L.

    Parameters
    ----------
    particles
        In the laboratory.
    side : (n,) int8
        Which B each particle comes from.
    rng
        Source of all randomness.
    """
    c = DETECTOR.calorimeter
    kind = np.abs(particles.pdg)
    n = len(kind)
    energy = particles.p[3]
    momentum = norm(particles.p)
    photon = kind == 22
    hadron_probability = np.select(
        [kind == 130, particles.pdg == 2112, particles.pdg == -2112], [c.klong, c.neutron, c.antineutron], 0.0
    )
    scale = np.where(particles.pdg == -2112, c.antineutron_scale, c.hadronic_scale)
    charged_hadron = (kind == 211) | (kind == 321) | (kind == 2212)
    probability = np.select([photon, charged_hadron], [c.efficiency, c.split_off], hadron_probability)
    a, b, d = c.resolution
    safe = np.maximum(energy, 0.01)
    relative = np.sqrt((a / safe) ** 2 + (b / safe**0.25) ** 2 + d**2)
    photon_energy = energy * (1 + relative * rng.standard_normal(n))
    exponential = rng.standard_exponential(n)
    hadron_energy = np.minimum(c.threshold + scale * exponential, momentum + 0.5 * (particles.pdg == -2112))
    split_energy = np.minimum(c.threshold + c.split_off_scale * exponential, momentum)
    measured = np.select([photon, charged_hadron], [photon_energy, split_energy], hadron_energy)
    # photons point to their vertex; split-offs lie some 0.3 rad from the track's entry
    spread = np.where(charged_hadron, 0.3, c.angle_resolution / np.sqrt(np.maximum(measured, 0.02)))
    theta = _polar_angle(particles.p) + spread * rng.standard_normal(n)
    phi = np.arctan2(particles.p[1], particles.p[0]) + spread * rng.standard_normal(n)
    luck = rng.random(n)
    klong, change = kind == 130, DETECTOR.systematics.klong
    reach = np.where(klong, probability * (1 + change), probability)
    found = (luck < reach) & (measured > c.threshold) & _inside(theta, c.acceptance)
    unit = direction(np.cos(theta[found]), phi[found])
    source = np.select(
        [photon, charged_hadron, klong & (luck >= probability), klong & (luck >= probability * (1 - change))],
        [Kind.PHOTON, Kind.SPLIT_OFF, Kind.KLONG_MISSED, Kind.KLONG_WEAK], Kind.HADRON,
    ).astype(np.int8)  # fmt: skip
    return Clusters(
        event=particles.event[found], p=measured[found] * unit, kind=source[found],
        role=np.where(photon, particles.role, 0).astype(np.int8)[found], side=side[found],
    )  # fmt: skip


def beam_clusters(n_events: int, rng: np.random.Generator) -> Clusters:
    """Return the clusters of beam background, isotropic in the polar angle (hence dense in the end caps)."""
    c, change = DETECTOR.calorimeter, DETECTOR.systematics.beam
    number = rng.poisson(c.beam_clusters * (1 + change), n_events)
    n = int(number.sum())
    energy = c.threshold + c.beam_scale * rng.standard_exponential(n)
    unit = direction(np.cos(rng.uniform(*c.acceptance, n)), rng.uniform(-np.pi, np.pi, n))
    luck = rng.random(n) * (1 + change)
    kind = np.select([luck >= 1, luck >= 1 - change], [Kind.BEAM_MISSED, Kind.BEAM_WEAK], Kind.BEAM)
    zeros = np.zeros(n, dtype=np.int8)
    return Clusters(
        np.repeat(np.arange(n_events), number), energy * unit, kind.astype(np.int8), zeros,
        np.full(n, -1, dtype=np.int8),
    )  # fmt: skip
