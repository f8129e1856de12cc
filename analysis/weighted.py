"""Statistics of weighted rows, of which several may stand on one simulated decay.

Rows of the same unit (that decay, or the event) are not independent: their weights are added first, as if such rows
were fully correlated, so that uncertainties are too wide rather than too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Weighted:
    """Rows of one class or sample.

    Attributes
    ----------
    value, weight
        (n,) each.
    unit
        (n,) integers; equal for rows that belong together.
    """

    value: Array
    weight: Array
    unit: Array

    def __getitem__(self, rows: Array) -> Weighted:
        return Weighted(self.value[rows], self.weight[rows], self.unit[rows])

    @property
    def n_effective(self) -> float:
        """Equivalent number of independent rows of equal weight."""
        return effective_number(self.weight, self.unit)


def effective_number(weight: Array, unit: Array | None = None) -> float:
    """Return (Σ w)² / Σ w²: the number of unweighted events with the same relative error.

    Parameters
    ----------
    weight
        (n,) weights.
    unit
        (n,) if given, rows of the same unit count as one, with the sum of their weights.
    """
    if unit is not None:
        weight = np.bincount(np.unique(unit, return_inverse=True)[1], weights=weight)
    square = float(np.sum(np.square(weight)))
    return float(np.sum(weight)) ** 2 / square if square > 0 else 0.0


def kolmogorov_smirnov(one: Weighted, two: Weighted) -> tuple[float, float]:
    """Return the largest distance of two weighted distributions, and its p-value.

    The p-value is the asymptotic one for the effective number of units in each sample, with Stephens's correction
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
