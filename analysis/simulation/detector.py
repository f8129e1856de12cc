"""The numbers of the detector: acceptance, efficiencies, resolutions, identification, backgrounds.

This is the one place where they stand. Each is marked with its source, or "assumed" where it is our own choice of the
right size. TDR: Belle II Technical Design Report, arXiv:1011.0352. Belle: NIM A 479 (2002) 117. PB: The Belle II
Physics Book, arXiv:1808.10567. ITA: arXiv:2311.14647. Lengths in cm, momenta and energies in GeV, angles in rad.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from analysis.simulation.jagged import Floats

DEGREE = np.pi / 180

# Masses in GeV/c^2, PDG 2022.
M_E, M_MU, M_PI, M_K, M_P = 0.000511, 0.105658, 0.139570, 0.493677, 0.938272
M_PI0, M_KS, M_D0, M_BPLUS, M_B0 = 0.134977, 0.497611, 1.86484, 5.27934, 5.27966


@dataclass(frozen=True)
class Beams:
    """SuperKEKB: 7.007 GeV electrons on 4.0 GeV positrons, crossing at 83 mrad (TDR)."""

    electron: float = 7.007
    positron: float = 4.000
    crossing: float = 0.083

    @property
    def four_momentum(self) -> Floats:
        """Total four-momentum in the laboratory, (4,); z bisects the beams, electrons forward."""
        half = self.crossing / 2
        energy = self.electron + self.positron
        return np.array([energy * np.sin(half), 0.0, (self.electron - self.positron) * np.cos(half), energy])

    @property
    def beta(self) -> Floats:
        """Velocity of the centre of mass in the laboratory, (3, 1)."""
        p = self.four_momentum
        return np.asarray(p[:3, None] / p[3])

    @property
    def sqrt_s(self) -> float:
        """Centre-of-mass energy: 10.579 GeV."""
        p = self.four_momentum
        return float(np.sqrt(p[3] ** 2 - np.sum(p[:3] ** 2)))


@dataclass(frozen=True)
class Tracking:
    """Charged particles."""

    acceptance: tuple[float, float] = (17 * DEGREE, 150 * DEGREE)  # CDC, TDR
    pt_min: float = 0.1  # clean tracks of the skim; slower ones curl and count as lost (assumed)
    efficiency: float = 0.97  # plateau, assumed
    turn_on: tuple[float, float] = (0.05, 0.06)  # 1 - exp(-(pT - a)/b): 80 % at 0.15 GeV, assumed
    pt_resolution: tuple[float, float] = (0.0011, 0.0025)  # 0.11 % pT + 0.25 %/beta, TDR
    angle_resolution: float = 0.001  # assumed
    ip_resolution: tuple[float, float] = (0.0015, 0.0030)  # 15 um + 30 um/(p beta sin^3/2), PB
    kaon_path: float = 70.0  # cm flown before a decay in flight does no harm, assumed
    kaon_ctau: float = 371.2  # PDG
    cdc_hits: tuple[float, float] = (52.0, 6.0)  # mean and width of a central track, assumed
    ip_window: tuple[float, float] = (0.5, 2.0)  # |d0|, |z0| of the skim's clean tracks, feiSLBplus


@dataclass(frozen=True)
class Identification:
    """Likelihood ratios: the log ratio of true (false) particles is normal, mean +d^2/2 (-d^2/2), width d.

    Such a ratio is calibrated by construction: its sigmoid is the probability at equal priors. With these separations
    kaonID > 0.9 keeps about 68 % of kaons and 1.4 % of pions between 0.5 and 3 GeV (68 % and 1.2 %: ITA [recalled]).
    """

    kaon_separation: tuple[float, float, float] = (2.1, 2.2, 1.6)  # a + b exp(-(p/c)^2), assumed
    dedx_only: float = 0.75  # factor on d outside TOP and ARICH, assumed
    top_arich: tuple[float, float] = (15 * DEGREE, 123 * DEGREE)  # TDR
    electron_separation: float = 4.6  # electronID > 0.9: 97 %, hadrons 0.3 %, PB
    electron_p_min: float = 0.3  # below, separation falls linearly to zero, assumed
    muon_separation: float = 4.2  # muonID > 0.9: 94 %, hadrons 0.5 % and punch-through, PB
    muon_p_min: float = 0.6  # muons below do not reach the KLM: no separation, TDR
    punch_through: float = 0.025  # pions and kaons that look like muons, PB: few per cent


@dataclass(frozen=True)
class Calorimeter:
    """Photons, other clusters."""

    acceptance: tuple[float, float] = (17 * DEGREE, 150 * DEGREE)  # with tracking: cleanMask
    threshold: float = 0.06  # cleanMask of the toy, assumed
    efficiency: float = 0.95  # conversions and gaps, assumed
    resolution: tuple[float, float, float] = (0.00066, 0.0081, 0.0134)  # a/E + b/E^(1/4) + c, Belle
    angle_resolution: float = 0.006  # at 1 GeV, scaled by 1/sqrt(E), Belle
    klong: float = 0.45  # probability that a K_L leaves a cluster above threshold, simulation.md
    neutron: float = 0.45  # the same for neutrons, assumed
    antineutron: float = 0.75  # annihilation, assumed
    hadronic_scale: float = 0.30  # mean of the exponential energy of K_L and n clusters, assumed
    antineutron_scale: float = 0.60  # of antineutrons, assumed
    split_off: float = 0.12  # per charged hadron, simulation.md
    split_off_scale: float = 0.08  # mean energy above threshold, assumed
    beam_clusters: float = 0.5  # Poisson mean, simulation.md
    beam_scale: float = 0.05  # mean energy above threshold, assumed
    mip: float = 0.20  # energy left by a minimum ionising track, PB
    shower: float = 0.45  # probability that a hadron showers, assumed


@dataclass(frozen=True)
class Detector:
    """All of it."""

    beams: Beams = field(default_factory=Beams)
    tracking: Tracking = field(default_factory=Tracking)
    identification: Identification = field(default_factory=Identification)
    calorimeter: Calorimeter = field(default_factory=Calorimeter)


DETECTOR = Detector()
