"""Statistics of weighted rows, of which several may stand on one simulated decay.

Such rows are taken as fully correlated: right for what the decay decides (the kaon's momentum), and cautious for what
it does not (beam background). See `analysis.sharing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.sharing import Sharing, shared_variance

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Weighted:
    """Rows of one class or sample.

    Attributes
    ----------
    value, weight
        (n,) each.
    decays
        (n, k) integers: what stands behind a row, below 0 for nothing; rows with one in common belong together. None:
        the rows share nothing.
    """

    value: Array
    weight: Array
    decays: Array | None = None

    def __getitem__(self, rows: Array) -> Weighted:
        return Weighted(self.value[rows], self.weight[rows], None if self.decays is None else self.decays[rows])

    @property
    def n_effective(self) -> float:
        """Equivalent number of independent rows of equal weight."""
        return effective_number(self.weight, self.decays)


def effective_number(weight: Array, decays: Array | None = None) -> float:
    """Return (Σ w)² / variance: the number of independent events of equal weight with the same relative error.

    Parameters
    ----------
    weight
        (n,) weights.
    decays
        (n, k) or (n,) what stands behind the rows, below 0 for nothing; None if the rows share nothing.
    """
    variance = shared_variance(weight, decays)
    return float(np.sum(weight)) ** 2 / variance if variance > 0 else 0.0


def histogram(rows: Weighted, edges: Array) -> tuple[Floats, Floats]:
    """Return the sums of weights in bins and their variances, (k,) each.

    Parameters
    ----------
    rows
        Those outside the edges or without a value (NaN) belong to no bin.
    edges
        (k + 1,) rising; the last one is inclusive.
    """
    edges = np.asarray(edges, dtype=np.float64)
    size = len(edges) - 1
    inside = rows[(rows.value >= edges[0]) & (rows.value <= edges[-1])]
    bins = np.minimum(np.searchsorted(edges, inside.value, side="right") - 1, size - 1)
    sums = np.bincount(bins, inside.weight, size).astype(np.float64)
    return sums, Sharing.of(inside.decays, bins, size).variances(inside.weight)


def kolmogorov_smirnov(one: Weighted, two: Weighted) -> tuple[float, float]:
    """Return the largest distance of two weighted distributions, and its p-value.

    The p-value is the asymptotic one for the effective number of rows in each sample, with Stephens's correction
    (J. R. Stat. Soc. B 32 (1970) 115); approximate for weighted rows, too large for discrete values.
    """
    points = np.unique(np.concatenate([one.value, two.value]))
    distance = float(np.max(np.abs(_up_to(one, points) - _up_to(two, points))))
    n, m = one.n_effective, two.n_effective
    root = np.sqrt(n * m / (n + m))
    return distance, float(special.kolmogorov(distance * (root + 0.12 + 0.11 / root)))


def _up_to(rows: Weighted, points: Array) -> Floats:
    """Return the fraction of weight at or below each point, (k,)."""
    order = np.argsort(rows.value, kind="stable")
    cumulative = np.concatenate([[0.0], np.cumsum(rows.weight[order])])
    place = np.searchsorted(rows.value[order], points, side="right")
    return np.asarray(cumulative[place] / cumulative[-1], dtype=np.float64)
