"""Tests for weighted rows that share simulated parents.

Rows of one parent are taken as fully correlated: a sample counts (Σ w)² / Σ_parents (Σ w)² independent rows. That is
right for what the parent decides (the kaon's momentum) and cautious for what it does not (beam background).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from analysis.validation.document import Counted
from analysis.weighted import Weighted

Array = NDArray[Any]
Floats = NDArray[np.float64]
# Below this p-value a check fails. Seeds are fixed: a check that passes once passes always.
SIGNIFICANCE = 1e-3


def counted(sample: Weighted, edges: Array) -> Counted:
    """Histogram rows, normalised to all of them; the error of a bin knows that rows share parents.

    Parameters
    ----------
    sample
        The rows.
    edges
        (k + 1,) rising.
    """
    values, weight = sample.value, sample.weight
    edges = np.asarray(edges, dtype=float)
    sums, _ = np.histogram(values, edges, weights=weight)
    index = np.searchsorted(edges, values, side="right") - 1
    inside = (index >= 0) & (index < len(edges) - 1)
    dense = np.unique(sample.unit, return_inverse=True)[1]
    cells, groups = np.unique(dense[inside] * len(edges) + index[inside], return_inverse=True)
    per_group = np.bincount(groups, weights=weight[inside], minlength=len(cells))
    squares = np.bincount(cells % len(edges), weights=per_group**2, minlength=len(edges) - 1)[: len(edges) - 1]
    total = float(weight.sum()) or 1.0
    return Counted(
        fraction=tuple((sums / total).tolist()),
        error=tuple((np.sqrt(squares) / total).tolist()),
        rows=len(values),
        n_effective=sample.n_effective,
    )


def goodness(measured: Counted, expected: Floats) -> float:
    """Return the p-value of χ² of measured fractions against ``expected`` (k,): bins less one degrees of freedom.

    The covariance is the multinomial one of `Counted.n_effective` rows.
    """
    found = np.asarray(measured.fraction)
    value = measured.n_effective * np.sum((found - expected) ** 2 / expected)
    return float(chi2.sf(value, len(expected) - 1))
