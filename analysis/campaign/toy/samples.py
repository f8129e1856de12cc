"""Muon and photon pairs as the detector measures them, with planted offsets, run by run.

Kinematics are exact; the response is that of the toy's detector (`analysis.simulation.detector`). Not simulated:
radiation, and acceptance beyond a cut on the polar angle in the centre of mass; the photons' low-energy tail (leakage
out of the crystals) is that of a Crystal Ball function.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.io import Columns
from analysis.simulation.detector import DETECTOR, M_MU
from analysis.simulation.jagged import Floats
from analysis.simulation.kinematics import boost, direction, norm

# Crystal Ball tail: where it begins (in widths below the peak), and its power. Assumed, typical of CsI(Tl).
TAIL = (1.3, 3.5)
# Spread of the collision energy, GeV: beam energy spreads of 6.3e-4 and 8.1e-4 (arXiv:1011.0352).
ENERGY_SPREAD = 0.0055
COS_THETA_MAX = 0.75


@dataclass(frozen=True)
class Planted:
    """What is wrong in a run, for the calibrations to find.

    Parameters
    ----------
    energy_offset
        Of the centre-of-mass energy from the nominal one, GeV.
    photon_scale
        Measured over true photon energy.
    """

    energy_offset: float
    photon_scale: float


def _pairs(rng: np.random.Generator, n: int, offset: float, mass: float) -> tuple[Floats, Floats]:
    """Return two back-to-back particles in the laboratory, (4, n) each, GeV."""
    sqrt_s = DETECTOR.beams.sqrt_s + offset + ENERGY_SPREAD * rng.standard_normal(n)
    energy = sqrt_s / 2
    axis = direction(rng.uniform(-COS_THETA_MAX, COS_THETA_MAX, n), rng.uniform(-np.pi, np.pi, n))
    momentum = np.sqrt(energy**2 - mass**2) * axis
    beta = DETECTOR.beams.beta
    one, two = (boost(np.concatenate([sign * momentum, energy[None]]), beta) for sign in (1, -1))
    return one, two


def muon_pairs(rng: np.random.Generator, n: int, planted: Planted) -> Columns:
    """Return measured momenta of e⁺e⁻ → μ⁺μ⁻: columns p1x … p2z, (n,) float64, GeV/c."""
    columns: dict[str, Floats] = {}
    a, b = DETECTOR.tracking.pt_resolution
    for number, p in enumerate(_pairs(rng, n, planted.energy_offset, M_MU), start=1):
        relative = np.hypot(a * np.hypot(p[0], p[1]), b * p[3] / norm(p))
        measured = p[:3] * (1 + relative * rng.standard_normal(n))
        columns |= {f"p{number}{axis}": measured[i] for i, axis in enumerate("xyz")}
    return columns


def photon_pairs(rng: np.random.Generator, n: int, planted: Planted) -> Columns:
    """Return measured energies and directions of e⁺e⁻ → γγ: columns e1, theta1, phi1, e2 …, (n,) float64, GeV, rad."""
    columns: dict[str, Floats] = {}
    a, b, c = DETECTOR.calorimeter.resolution
    for number, p in enumerate(_pairs(rng, n, planted.energy_offset, 0.0), start=1):
        energy = p[3]
        width = np.sqrt((a / energy) ** 2 + (b / energy**0.25) ** 2 + c**2)
        response = stats.crystalball.rvs(*TAIL, size=n, random_state=rng)
        blur = DETECTOR.calorimeter.angle_resolution / np.sqrt(energy)
        theta = np.arccos(p[2] / energy)
        columns |= {
            f"e{number}": planted.photon_scale * energy * np.maximum(1 + width * response, 0.05),
            f"theta{number}": theta + blur * rng.standard_normal(n),
            f"phi{number}": np.arctan2(p[1], p[0]) + blur / np.sin(theta) * rng.standard_normal(n),
        }
    return columns
