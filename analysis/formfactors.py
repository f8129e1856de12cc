"""The q² spectrum of B⁺ → K⁺νν̄: Standard Model (short distance), phase space, and the weight from one to the other.

q² is the mass squared of the neutrino pair. The branching fraction is

    dB/dq² = τ_B G_F² α² X_t² |V_tb V_ts*|² / (32 π⁵ sin⁴θ_W) · |p_K|³ f₊(q²)²        (three neutrino flavours)

with the inputs of the Belle II analysis (arXiv:2311.14647) and the form factor f₊ of HPQCD (arXiv:2207.12468,
arXiv:2207.13371), a Bourrely–Caprini–Lellouch expansion in z with t₀ = 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]

M_B = 5.27934
"""Mass of the B⁺, GeV/c²."""
M_K = 0.493677
"""Mass of the K⁺, GeV/c²."""
Q2_MAX = (M_B - M_K) ** 2
"""Largest q², the kaon at rest: GeV²/c⁴."""

TAU_B = 1.638e-12
"""Lifetime of the B⁺, s."""
HBAR = 6.582119569e-25
"""GeV s."""
G_F = 1.1663788e-5
"""Fermi constant, GeV⁻²."""
ALPHA = 1 / 127.952
"""Electromagnetic coupling at the Z mass."""
X_T = 1.468
"""Inami–Lim function of the top quark."""
SIN2_THETA_W = 0.23124
CKM = 0.04185
"""|V_tb V_ts*|."""

A_PLUS = (0.2545, -0.71, 0.32)
"""Coefficients of f₊'s expansion."""
M_POLE = 5.4158
"""Mass of the B_s*, GeV/c²."""
CHIRAL_LOG = 1.304
"""Factor L of the expansion."""


def kaon_momentum(q2: Array) -> Floats:
    """Return the kaon's momentum in the rest frame of the B, GeV/c; q² (n,) in GeV²/c⁴; 0 out of range."""
    q2 = np.asarray(q2, dtype=np.float64)
    kallen = (M_B**2 - M_K**2 - q2) ** 2 - 4 * M_K**2 * q2
    inside = (q2 >= 0) & (q2 <= Q2_MAX)
    return np.where(inside, np.sqrt(np.maximum(kallen, 0.0)) / (2 * M_B), 0.0)


def basis(q2: Array) -> Floats:
    """Return the functions that the coefficients of f₊'s expansion multiply (arXiv:2207.12468, t₀ = 0).

    Parameters
    ----------
    q2
        (n,) q², GeV²/c⁴.

    Returns
    -------
    (n, 3) float64: f₊ is their sum, weighted with `A_PLUS`.
    """
    q2 = np.asarray(q2, dtype=np.float64)
    t_plus = (M_B + M_K) ** 2
    root = np.sqrt(t_plus - q2)
    z = (root - np.sqrt(t_plus)) / (root + np.sqrt(t_plus))
    order = len(A_PLUS)
    terms = np.stack([z**n - (-1.0) ** (n - order) * n / order * z**order for n in range(order)], axis=-1)
    return np.asarray(CHIRAL_LOG * terms / (1 - q2 / M_POLE**2)[..., None], dtype=np.float64)


def f_plus(q2: Array) -> Floats:
    """Return the vector form factor f₊(q²), (n,), of q² (n,) in GeV²/c⁴."""
    # einsum, not BLAS: the same bytes whatever the number of threads
    return np.asarray(np.einsum("...k,k->...", basis(q2), np.asarray(A_PLUS)), dtype=np.float64)


def branching_fraction_density(q2: Array) -> Floats:
    """Return dB/dq² in the Standard Model, (n,) in c⁴/GeV²; 0 outside of the kinematic range."""
    q2 = np.asarray(q2, dtype=np.float64)
    constant = TAU_B / HBAR * (G_F * ALPHA * X_T * CKM) ** 2 / (32 * np.pi**5 * SIN2_THETA_W**2)
    inside = np.clip(q2, 0.0, Q2_MAX)
    return np.asarray(constant * kaon_momentum(q2) ** 3 * f_plus(inside) ** 2, dtype=np.float64)


def _gauss(low: float, high: float, points: int = 200) -> tuple[Floats, Floats]:
    x, w = np.polynomial.legendre.leggauss(points)
    return low + (high - low) * (x + 1) / 2, w * (high - low) / 2


def branching_fraction(low: float = 0.0, high: float = Q2_MAX) -> float:
    """Return the Standard Model's branching fraction between two values of q², GeV²/c⁴."""
    x, w = _gauss(low, high)
    return float(np.sum(w * branching_fraction_density(x)))


def sm_weight(q2: Array) -> Floats:
    """Return the weight that turns phase space into the Standard Model's spectrum.

    Parameters
    ----------
    q2
        (n,) generated q², GeV²/c⁴, from 0 to `Q2_MAX`.

    Returns
    -------
    (n,) float64; the mean over phase space is one. As |p_K|² f₊², not as a ratio of spectra, it is defined at the
    end point too.
    """
    q2 = np.asarray(q2, dtype=np.float64)
    x, w = _gauss(0.0, Q2_MAX)
    mean = np.sum(w * kaon_momentum(x) ** 3 * f_plus(x) ** 2) / np.sum(w * kaon_momentum(x))
    return np.asarray(kaon_momentum(q2) ** 2 * f_plus(q2) ** 2 / mean, dtype=np.float64)
