"""The values that each column of an ntuple may take: whatever lies outside is unphysical.

Limits are those of the definition (a probability, an angle, the beams' energy), not those of a selection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.columns import COLUMNS, VARIATIONS, alternative

PI = float(np.pi)
INF = float("inf")
E_BEAMS = 11.1  # GeV, laboratory
SQRT_S = 10.6
P_MAX = 8.0  # GeV/c: no particle of a B decay or of continuum is faster in the laboratory


@dataclass(frozen=True)
class Range:
    """Lowest and highest value, both allowed; whole numbers only if ``whole``."""

    low: float
    high: float
    whole: bool = False


_UNIT, _SIGNED = Range(0, 1), Range(-1, 1)
_COUNT = Range(0, 100, whole=True)
_PDG = Range(-1e9, 1e9, whole=True)

_NOMINAL: Mapping[str, Range] = {
    "__experiment__": Range(0, 5000, whole=True), "__run__": Range(0, 1e6, whole=True),
    "__event__": Range(0, 2**32 - 1, whole=True), "__production__": Range(0, 2**31 - 1, whole=True),
    "__candidate__": Range(0, 1e4, whole=True), "__ncandidates__": Range(1, 1e4, whole=True),
    "__weight__": Range(0, INF),
    "Btag_SignalProbability": _UNIT, "Btag_decayModeID": Range(0, 7, whole=True),
    "Btag_charge": Range(-1, 1, whole=True), "Btag_cosThetaBY": Range(-20, 20),
    "Btag_l_pStar": Range(0, SQRT_S / 2), "Btag_l_p": Range(0, P_MAX), "Btag_l_theta": Range(0, PI),
    "Btag_l_leptonID": _UNIT, "Btag_D_M": Range(1.6, 2.2), "Btag_D_decayModeID": Range(0, 40, whole=True),
    "Btag_Dst_dM": Range(0.1, 0.3), "Btag_Dst_decayModeID": Range(0, 2, whole=True), "Btag_chiProb": _UNIT,
    "K_charge": Range(-1, 1, whole=True), "K_p": Range(0, P_MAX), "K_theta": Range(0, PI),
    "K_pStar": Range(0, SQRT_S / 2), "K_kaonID": _UNIT, "K_electronID": _UNIT, "K_muonID": _UNIT,
    "K_dr": Range(0, 10), "K_dz": Range(-50, 50), "K_nCDCHits": Range(0, 200, whole=True),
    "K_D0vetoM": Range(0.63, SQRT_S),
    "roeEextra": Range(0, E_BEAMS), "roeNeextra": Range(0, E_BEAMS), "roeNTracks": _COUNT, "roeNPhotons": _COUNT,
    "roeNKS": _COUNT, "roeNPi0": Range(0, 1000, whole=True), "roeNLambda": _COUNT,
    "missM2": Range(-SQRT_S**2, SQRT_S**2), "missE": Range(-E_BEAMS, E_BEAMS), "missP": Range(0, E_BEAMS),
    "missTheta": Range(0, PI),
    "nTracks": Range(3, 30, whole=True), "visibleEnergyOfEventCMS": Range(0, 1.3 * SQRT_S),
    "R2": _UNIT, "sphericity": _UNIT, "aplanarity": Range(0, 0.5),
    "thrustBm": Range(0.5, 1 + 1e-9), "thrustOm": Range(0.5, 1 + 1e-9), "Btag_thrustBm": Range(0.5, 1 + 1e-9),
    "K_cosTBTO": _UNIT, "cosTBTO": _UNIT, "cosTBz": Range(0, 1 + 1e-9), "cosTagK": _SIGNED,
    "KSFW_mm2": Range(-SQRT_S**2, SQRT_S**2), "KSFW_et": Range(0, 1.3 * SQRT_S),
    **{name: Range(0 if name.endswith("0") else -1.5, 1.5) for name in COLUMNS if name.startswith("KSFW_h")},
    **{name: Range(0, SQRT_S) for name in COLUMNS if name.startswith("CleoConeCS_")},
    "K_mcPDG": _PDG, "K_genMotherPDG": _PDG, "Btag_isSignal": Range(0, 1, whole=True),
    "Btag_mcErrors": Range(0, 4095, whole=True),
    "K_isSignal": Range(0, 1, whole=True), "K_mcErrors": Range(0, 4095, whole=True), "Btag_l_mcPDG": _PDG,
    "Btag_l_genMotherPDG": _PDG, "nBeamClusters": _COUNT, "Bsig_label": Range(0, 511, whole=True),
    "DecayHash": Range(-INF, INF), "DecayHashExtended": Range(-INF, INF),  # bits of a hash
    "q2_gen": Range(0, 22.95), "parentGroup": Range(-1, INF, whole=True), "parentId": Range(-1, INF, whole=True),
    "partnerId1": Range(-1, INF, whole=True), "partnerId2": Range(-1, INF, whole=True),
}  # fmt: skip

RANGES: Mapping[str, Range] = {
    **_NOMINAL,
    **{alternative(name, variation): _NOMINAL[name] for variation, names in VARIATIONS.items() for name in names},
}


def outside(name: str, values: NDArray[Any]) -> int:
    """Return how many of a column's values (n,) are out of range, not whole, infinite, or NaN without a meaning."""
    allowed = RANGES[name]
    undefined = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)
    bad = ~undefined & ~((values >= allowed.low) & (values <= allowed.high))
    if allowed.whole and values.dtype.kind == "f":
        finite = np.isfinite(values)
        bad[finite] |= values[finite] != np.round(values[finite])
    if not COLUMNS[name].nan:
        bad |= undefined
    return int(np.count_nonzero(bad))
