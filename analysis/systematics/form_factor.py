"""Form factor of B → K: the q² spectrum of the signal within its lattice uncertainty.

Source: HPQCD, arXiv:2207.12468 (Phys. Rev. D 107, 014510). The covariance is the one distributed with EOS
(constraint ``B->K::f_0+f_++f_T@HPQCD:2022A``; f₀(0) = f₊(0)), given for f₊ at three q². Three values fix the three
coefficients a₊ of the expansion, so the covariance of a₊ follows exactly; it reproduces the paper's errors
(0.0090, 0.14, 0.59).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import formfactors
from analysis.config.models import Systematics, Weights
from analysis.systematics.source import SIGNAL, Columns, Shift, Source, Variation

FloatArray = NDArray[np.float64]

# Covariance of f₊ at these q² (GeV²).
Q2_POINTS = np.array([0.0, 12.0, 22.9])
COVARIANCE_OF_F = np.array(
    [
        [0.000133646, 0.000101003, -0.000159151],
        [0.000101003, 0.000502996, 0.000975553],
        [-0.000159151, 0.000975553, 0.0115989],
    ]
)
A_PLUS = np.array(formfactors.A_PLUS)


def covariance() -> FloatArray:
    """Return the covariance of the coefficients a₊, (3, 3)."""
    inverse = np.linalg.inv(formfactors.basis(Q2_POINTS))
    matrix: FloatArray = inverse @ COVARIANCE_OF_F @ inverse.T
    return matrix


def directions() -> FloatArray:
    """Return the principal components of the covariance: rows of (3, 3), one standard deviation long, longest first.

    The sign is chosen so that the largest component is positive.
    """
    values, vectors = np.linalg.eigh(covariance())
    rows = (vectors * np.sqrt(values)).T[::-1]
    largest = np.abs(rows).argmax(axis=1)
    signed: FloatArray = rows * np.sign(rows[np.arange(3), largest])[:, None]
    return signed


@cache
def _rate_matrix() -> FloatArray:
    """Return Q, (3, 3): the branching fraction ∫ |p_K|³ f₊² dq² is a Q a, up to a constant."""
    nodes, weights = np.polynomial.legendre.leggauss(64)
    q2 = (nodes + 1) * formfactors.Q2_MAX / 2
    functions = formfactors.basis(q2)
    matrix: FloatArray = (functions * (weights * formfactors.kaon_momentum(q2) ** 3)[:, None]).T @ functions
    return matrix


def spectrum_ratio(q2: NDArray[Any], a: NDArray[Any]) -> FloatArray:
    """Return the SM spectrum with coefficients ``a`` over the one with `A_PLUS`, both of unit area.

    Parameters
    ----------
    q2 : (n,)
        Generated q² in GeV²; NaN (not a signal decay) gives 1.
    a : (3,)
        Coefficients.

    Returns
    -------
    (n,) float64.
    """
    known = np.isfinite(q2)
    functions = formfactors.basis(np.clip(np.where(known, q2, 0.0), 0.0, formfactors.Q2_MAX))
    # einsum, not BLAS: the same bytes whatever the number of threads
    varied, nominal = (np.einsum("nk,k->n", functions, each) for each in (a, A_PLUS))
    ratio = (varied / nominal) ** 2
    rate = _rate_matrix()
    ratio *= (A_PLUS @ rate @ A_PLUS) / (a @ rate @ a)
    return np.where(known, ratio, 1.0)


def sources(weights: Weights, settings: Systematics) -> Iterator[Source]:
    """Yield ``corr_ff_c1`` … ``corr_ff_c3``, the principal components of the form factor's covariance.

    The branching fraction is held: its theory uncertainty belongs to the prediction that μ is compared with
    (``branching_fraction_sm_uncertainty``). What remains is the change of shape, and of efficiency through it.
    """
    if not settings.form_factor:
        return
    for number, step in enumerate(directions(), start=1):
        yield _component(number, step, weights.form_factor)


def _component(number: int, step: FloatArray, reweighting: str) -> Source:
    def vary(columns: Columns) -> Variation:
        q2 = columns["q2_gen"]
        return Variation(Shift(spectrum_ratio(q2, A_PLUS + step)), Shift(spectrum_ratio(q2, A_PLUS - step)))

    return Source(
        f"corr_ff_c{number}",
        "form factor",
        SIGNAL,
        frozenset({"q2_gen"}),
        vary,
        f"principal component {number} of 3 of the covariance of f₊ (HPQCD, arXiv:2207.12468), "
        f"branching fraction held; nominal spectrum: `weights.form_factor: {reweighting}`",
    )
