"""Calorimeter clusters without a track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.simulation.detector import DETECTOR
from analysis.simulation.generator import Particles
from analysis.simulation.jagged import Array, Bools, Floats, Ints, Listed
from analysis.simulation.kinematics import direction, norm
from analysis.simulation.response.tracks import inside, polar_angle


class Kind:
    """What made a cluster, and whether it is there.

    Systematic variations need to know more than what was found: a ``WEAK`` cluster would be lost with a lower K_L
    efficiency or beam background, a ``MISSED`` one was not found and would be with a higher one (sizes:
    `detector.Systematics`). Everything but the variations passes over missed clusters: see `Clusters.present`.
    """

    PHOTON, HADRON, SPLIT_OFF, BEAM = 0, 1, 2, 3
    KLONG_WEAK, KLONG_MISSED, BEAM_WEAK, BEAM_MISSED = 4, 5, 6, 7


@dataclass(frozen=True)
class Clusters(Listed):
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
    hadron_energy = np.minimum(c.threshold + scale * exponential, momentum + c.annihilation * (particles.pdg == -2112))
    split_energy = np.minimum(c.threshold + c.split_off_scale * exponential, momentum)
    measured = np.select([photon, charged_hadron], [photon_energy, split_energy], hadron_energy)
    # photons point to their vertex; split-offs lie some way from the track's entry
    spread = np.where(charged_hadron, c.split_off_angle, c.angle_resolution / np.sqrt(np.maximum(measured, 0.02)))
    theta = polar_angle(particles.p) + spread * rng.standard_normal(n)
    phi = np.arctan2(particles.p[1], particles.p[0]) + spread * rng.standard_normal(n)
    luck = rng.random(n)
    klong, change = kind == 130, DETECTOR.systematics.klong
    reach = np.where(klong, probability * (1 + change), probability)
    found = (luck < reach) & (measured > c.threshold) & inside(theta, c.acceptance)
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
