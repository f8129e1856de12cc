"""The two calibrations: what is fitted, how its constant is applied, and what a good constant does.

Events with an even number calibrate, those with an odd number validate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from analysis.campaign.toy.peak import Floats, Peak, fit_peak
from analysis.io import Columns
from analysis.simulation.detector import DETECTOR, M_MU

# The constants, by the name of their payload.
ENERGY, SCALE = "CollisionEnergy", "PhotonEnergyScale"
NOMINAL: Mapping[str, float] = {ENERGY: DETECTOR.beams.sqrt_s, SCALE: 1.0}


@dataclass(frozen=True)
class CalibrationKind:
    """A calibration.

    Parameters
    ----------
    payload
        Name of the payload it makes.
    input_name
        Name of its input data.
    quantity
        What is fitted: columns and the constants that hold for them → (n,) values.
    tail
        Whether the peak has a tail.
    label
        Axis label of the figure.
    """

    payload: str
    input_name: str
    quantity: Callable[[Columns, Mapping[str, float]], Floats]
    tail: bool
    label: str


def dimuon_mass(columns: Columns, constants: Mapping[str, float]) -> Floats:
    """Return the invariant mass over the collision energy of the constants, (n,): 1 where that energy is right."""
    p = [np.array([columns[f"p{number}{axis}"] for axis in "xyz"]) for number in (1, 2)]
    energy = sum(np.sqrt(np.sum(q**2, axis=0) + M_MU**2) for q in p)
    return np.asarray(np.sqrt(energy**2 - np.sum((p[0] + p[1]) ** 2, axis=0)) / constants[ENERGY])


def photon_ratio(columns: Columns, constants: Mapping[str, float]) -> Floats:
    """Return measured (divided by the scale of the constants) over expected photon energy, (2n,).

    A photon of e⁺e⁻ → γγ has the energy s / 2(E − P·n), with the collision's four-momentum (P, E), s = E² − P², and
    the photon's direction n.
    """
    total = DETECTOR.beams.four_momentum * (constants[ENERGY] / DETECTOR.beams.sqrt_s)
    ratios = []
    for number in (1, 2):
        theta, phi = columns[f"theta{number}"], columns[f"phi{number}"]
        along = (
            total[0] * np.sin(theta) * np.cos(phi) + total[1] * np.sin(theta) * np.sin(phi) + total[2] * np.cos(theta)
        )
        expected = constants[ENERGY] ** 2 / (2 * (total[3] - along))
        ratios.append(columns[f"e{number}"] / expected)
    return np.concatenate(ratios) / constants[SCALE]


KINDS: Mapping[str, CalibrationKind] = {
    "collision_energy": CalibrationKind(ENERGY, "mumu", dimuon_mass, False, r"$M(\mu^+\mu^-) / \sqrt{s}$"),
    "photon_scale": CalibrationKind(SCALE, "gamma_gamma", photon_ratio, True, r"$E_\gamma$ measured / expected"),
}


def calibrate(kind: CalibrationKind, columns: Columns, constants: Mapping[str, float]) -> tuple[float, float, Peak]:
    """Return the constant with its statistical error, and the fit behind it.

    Parameters
    ----------
    kind
        What to calibrate.
    columns
        Events.
    constants
        What holds before: the nominal value of its own payload, and calibrated values of others.
    """
    start = constants[kind.payload]
    peak = fit_peak(kind.quantity(columns, constants), tail=kind.tail)
    return start * peak.position, start * peak.error, peak
