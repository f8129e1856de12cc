"""Tests for weighted rows that share simulated parents.

Rows of one parent are taken as fully correlated: a sample counts (Σ w)² / Σ_parents (Σ w)² independent rows. That is
right for what the parent decides (the kaon's momentum) and cautious for what it does not (beam background).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, kstwobign

from analysis.validation.document import Counted

Array = NDArray[Any]
Floats = NDArray[np.float64]
# Below this p-value a check fails. Seeds are fixed: a check that passes once passes always.
SIGNIFICANCE = 1e-3


def n_effective(weight: Array, parent: Array) -> float:
    """Return the equivalent number of independent rows; 0 for an empty sample."""
    if not len(weight):
        return 0.0
    sums = np.bincount(np.unique(parent, return_inverse=True)[1], weights=weight)
    return float(weight.sum() ** 2 / np.sum(sums**2))


def two_sample(
    first: tuple[Array, Array, Array], second: tuple[Array, Array, Array]
) -> tuple[float, float, float, float]:
    """Compare two samples by the largest distance of their weighted distributions.

    Parameters
    ----------
    first, second
        Values, weights and parents, (n,) and (m,) each.

    Returns
    -------
    distance, p_value, n, m
        The p-value is the asymptotic one of Kolmogorov and Smirnov for n and m effective rows; for discrete values it
        is too large.
    """
    grid = np.concatenate([first[0], second[0]])
    grid = np.unique(grid)
    distance = float(np.max(np.abs(_distribution(*first[:2], grid) - _distribution(*second[:2], grid))))
    n, m = n_effective(first[1], first[2]), n_effective(second[1], second[2])
    return distance, float(kstwobign.sf(distance * np.sqrt(n * m / (n + m)))), n, m


def _distribution(values: Array, weight: Array, grid: Array) -> Floats:
    order = np.argsort(values, kind="stable")
    running = np.concatenate([[0.0], np.cumsum(weight[order])])
    return np.asarray(running[np.searchsorted(values[order], grid, side="right")] / running[-1])


def counted(values: Array, weight: Array, parent: Array, edges: Array) -> Counted:
    """Histogram rows, normalised to all of them; the error of a bin knows that rows share parents."""
    edges = np.asarray(edges, dtype=float)
    sums, _ = np.histogram(values, edges, weights=weight)
    index = np.searchsorted(edges, values, side="right") - 1
    inside = (index >= 0) & (index < len(edges) - 1)
    dense = np.unique(parent, return_inverse=True)[1]
    cells, groups = np.unique(dense[inside] * len(edges) + index[inside], return_inverse=True)
    per_group = np.bincount(groups, weights=weight[inside], minlength=len(cells))
    squares = np.bincount(cells % len(edges), weights=per_group**2, minlength=len(edges) - 1)[: len(edges) - 1]
    total = float(weight.sum()) or 1.0
    return Counted(
        fraction=tuple((sums / total).tolist()),
        error=tuple((np.sqrt(squares) / total).tolist()),
        rows=len(values),
        n_effective=n_effective(weight, parent),
    )


def goodness(measured: Counted, expected: Floats) -> float:
    """Return the p-value of χ² of measured fractions that sum to one: bins less one degrees of freedom.

    The covariance is the multinomial one of `Counted.n_effective` rows.
    """
    found = np.asarray(measured.fraction)
    value = measured.n_effective * np.sum((found - expected) ** 2 / expected)
    return float(chi2.sf(value, len(expected) - 1))
