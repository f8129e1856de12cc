"""The numbers of the detector: acceptance, efficiencies, resolutions, identification, backgrounds.

This is the one place where they stand. Each carries its source (a key of `SOURCES`), or "assumed" where it is our own
choice of the right size; a test refuses a number without one, and `described` lists them all for the report. Lengths
in cm, momenta and energies in GeV, angles in rad.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from analysis.simulation.jagged import Floats

DEGREE = np.pi / 180

SOURCES: Mapping[str, str] = {
    "TDR": "Belle II Technical Design Report, arXiv:1011.0352",
    "Belle": "The Belle Detector, Nucl. Instrum. Meth. A 479 (2002) 117",
    "PB": "The Belle II Physics Book, arXiv:1808.10567 (sizes, read off its figures)",
    "ITA": "Evidence for B⁺ → K⁺νν̄ decays, arXiv:2311.14647 (quoted from memory)",
    "skim": "basf2's skim feiSLBplus",
    "PDG": "Review of Particle Physics, 2022",
    "assumed": "our own choice, of the right size",
}


def sourced(value: Any, source: str, meaning: str) -> Any:
    """Return a dataclass field with its value, source (a key of `SOURCES`, a remark may follow) and meaning."""
    return field(default=value, metadata={"source": source, "meaning": meaning})


# Masses in GeV/c^2, PDG 2022.
M_E, M_MU, M_PI, M_K = 0.000511, 0.105658, 0.139570, 0.493677
M_PI0, M_KS, M_D0, M_DPLUS, M_BPLUS, M_B0 = 0.134977, 0.497611, 1.86484, 1.86966, 5.27934, 5.27966


@dataclass(frozen=True)
class Beams:
    """SuperKEKB: 7.007 GeV electrons on 4.0 GeV positrons, crossing at 83 mrad (TDR)."""

    electron: float = sourced(7.007, "TDR", "energy of the electrons, GeV")
    positron: float = sourced(4.000, "TDR", "energy of the positrons, GeV")
    crossing: float = sourced(0.083, "TDR", "crossing angle, rad")
    step: float = sourced(0.060, "ITA", "from the Υ(4S) down to off-resonance running, centre of mass, GeV")

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

    @property
    def off_resonance(self) -> Self:
        """The beams below the Υ(4S): both energies scaled alike, so that the boost stays."""
        factor = 1 - self.step / self.sqrt_s
        return replace(self, electron=factor * self.electron, positron=factor * self.positron)


@dataclass(frozen=True)
class Tracking:
    """Charged particles."""

    acceptance: tuple[float, float] = sourced((17 * DEGREE, 150 * DEGREE), "TDR", "polar angles of the CDC")
    radius_max: float = sourced(10.0, "assumed", "cm from the beams: what starts beyond is not found from there")
    pt_min: float = sourced(0.1, "skim", "of clean tracks; slower ones curl and count as lost")
    efficiency: float = sourced(0.97, "assumed", "on the plateau")
    turn_on: tuple[float, float] = sourced((0.05, 0.06), "assumed", "1 − exp(−(pT − a)/b): 80 % at 0.15 GeV")
    pt_resolution: tuple[float, float] = sourced((0.0011, 0.0025), "TDR", "0.11 % pT ⊕ 0.25 %/β")
    angle_resolution: float = sourced(0.001, "assumed", "polar and azimuthal")
    ip_resolution: tuple[float, float] = sourced((0.0015, 0.0030), "PB", "15 μm ⊕ 30 μm/(p β sin^3/2 θ)")
    kaon_path: float = sourced(70.0, "assumed", "cm flown before a decay in flight does no harm")
    kaon_ctau: float = sourced(371.2, "PDG", "of the K⁺, cm")
    cdc_hits: tuple[float, float] = sourced((52.0, 6.0), "assumed", "mean and width, central track")
    unmatched: float = sourced(0.003, "assumed", "share of tracks whose hits match no generated particle")
    ip_window: tuple[float, float] = sourced((0.5, 2.0), "skim", "|d0|, |z0| of clean tracks, cm")


@dataclass(frozen=True)
class Identification:
    """Likelihood ratios: the log ratio of true (false) particles is normal, mean +d²/2 (−d²/2), width d.

    Such a ratio is calibrated by construction: its sigmoid is the probability at equal priors. The kaon's d depends on
    momentum, d = a + b exp(−(p/c)²), and falls outside TOP and ARICH. Its numbers were chosen so that kaonID > 0.9
    keeps 68 % of signal kaons (Standard-Model spectrum) and 1.2 % of the pions of generic B decays, both clean tracks
    with 0.5 < p* < 2.96 GeV: averages of the inclusive analysis. `rule validate_generator` checks both.
    """

    kaon_separation: tuple[float, float, float] = sourced(
        (2.41, 1.1, 1.5), "ITA", "(a, b, c): averages only, see above"
    )
    dedx_only: float = sourced(0.75, "assumed", "factor on d outside TOP and ARICH")
    top_arich: tuple[float, float] = sourced((15 * DEGREE, 123 * DEGREE), "TDR", "polar angles of TOP and ARICH")
    electron_separation: float = sourced(4.6, "PB", "electronID > 0.9: 97 %, hadrons 0.3 %")
    electron_p_min: float = sourced(0.3, "assumed", "below, separation falls linearly to zero")
    muon_separation: float = sourced(4.2, "PB", "muonID > 0.9: 94 %, hadrons 0.5 % and punch-through")
    muon_p_min: float = sourced(0.6, "TDR", "muons below do not reach the KLM: no separation")
    punch_through: float = sourced(0.025, "PB", "pions and kaons that look like muons: few per cent")


@dataclass(frozen=True)
class Calorimeter:
    """Photons, other clusters."""

    acceptance: tuple[float, float] = sourced((17 * DEGREE, 150 * DEGREE), "TDR", "with tracking: the mask of the rest")
    threshold: float = sourced(0.06, "assumed", "of clusters in the mask of the rest of the event")
    efficiency: float = sourced(0.95, "assumed", "of photons: conversions and gaps")
    resolution: tuple[float, float, float] = sourced((0.00066, 0.0081, 0.0134), "Belle", "a/E ⊕ b/E^¼ ⊕ c")
    angle_resolution: float = sourced(0.006, "Belle", "at 1 GeV, scaled by 1/√E")
    klong: float = sourced(0.45, "assumed", "probability that a K_L leaves a cluster above threshold")
    neutron: float = sourced(0.45, "assumed", "the same for neutrons")
    antineutron: float = sourced(0.75, "assumed", "the same for antineutrons, which annihilate")
    hadronic_scale: float = sourced(0.30, "assumed", "mean of the exponential energy of K_L and n clusters")
    antineutron_scale: float = sourced(0.60, "assumed", "of antineutrons")
    split_off: float = sourced(0.12, "assumed", "probability per charged hadron")
    split_off_scale: float = sourced(0.08, "assumed", "mean energy above threshold")
    split_off_angle: float = sourced(0.3, "assumed", "spread about the track's direction, rad")
    annihilation: float = sourced(0.5, "assumed", "GeV that an antineutron's cluster may hold beyond its momentum")
    beam_clusters: float = sourced(0.5, "assumed", "Poisson mean of beam-background clusters per event")
    beam_scale: float = sourced(0.05, "assumed", "mean energy above threshold")
    mip: float = sourced(0.20, "PB", "energy left by a minimum ionising track")
    mip_width: float = sourced(0.15, "assumed", "its relative spread")
    shower_share: tuple[float, float] = sourced((0.15, 0.85), "assumed", "of its momentum, left by a showering hadron")
    electron_width: float = sourced(0.02, "assumed", "relative spread of an electron's energy")
    shower: float = sourced(0.45, "assumed", "probability that a hadron showers")


@dataclass(frozen=True)
class Background:
    """Beam background of data, run by run."""

    run_levels: tuple[float, float] = sourced(
        (0.6, 1.4), "assumed", "beam clusters in the first and the last experiment, relative to the average"
    )


@dataclass(frozen=True)
class Systematics:
    """Sizes of what re-reconstruction would change: the ntuple carries columns for each, up and down."""

    gamma: float = sourced(0.005, "ITA", "photon energy, relative")
    unmatched: float = sourced(0.10, "ITA", "energy of clusters that no photon made, relative")
    klong: float = sourced(0.085, "ITA", "probability that a K_L leaves a cluster, relative")
    beam: float = sourced(0.20, "assumed", "number of beam-background clusters, relative")
    energy: float = sourced(0.001, "assumed", "collision energy, GeV")


@dataclass(frozen=True)
class Detector:
    """All of it."""

    beams: Beams = field(default_factory=Beams)
    tracking: Tracking = field(default_factory=Tracking)
    identification: Identification = field(default_factory=Identification)
    calorimeter: Calorimeter = field(default_factory=Calorimeter)
    background: Background = field(default_factory=Background)
    systematics: Systematics = field(default_factory=Systematics)


@dataclass(frozen=True)
class Number:
    """One number of the detector, for a reader."""

    part: str
    name: str
    value: Any
    source: str
    meaning: str


def described(detector: Detector) -> Iterator[Number]:
    """Yield every number of the detector with its source."""
    for part in fields(detector):
        values = getattr(detector, part.name)
        for each in fields(values):
            yield Number(
                part.name, each.name, getattr(values, each.name), each.metadata["source"], each.metadata["meaning"]
            )


DETECTOR = Detector()
