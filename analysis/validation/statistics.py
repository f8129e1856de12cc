"""Tests for weighted rows that share simulated decays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from analysis.validation.document import Counted
from analysis.weighted import Weighted, histogram

Array = NDArray[Any]
Floats = NDArray[np.float64]
# Below this p-value a check fails. Seeds are fixed: a check that passes once passes always.
SIGNIFICANCE = 1e-3


def counted(sample: Weighted, edges: Array) -> Counted:
    """Histogram rows, normalised to all of them; the error of a bin knows that rows share decays.

    Parameters
    ----------
    sample
        The rows.
    edges
        (k + 1,) rising.
    """
    sums, variances = histogram(sample, edges)
    total = float(sample.weight.sum()) or 1.0
    return Counted(
        fraction=tuple((sums / total).tolist()),
        error=tuple((np.sqrt(variances) / total).tolist()),
        rows=len(sample.value),
        n_effective=sample.n_effective,
    )


def goodness(measured: Counted, expected: Floats) -> float:
    """Return the p-value of χ² of measured fractions against ``expected`` (k,): bins less one degrees of freedom.

    The covariance is the multinomial one of `Counted.n_effective` rows.
    """
    found = np.asarray(measured.fraction)
    value = measured.n_effective * np.sum((found - expected) ** 2 / expected)
    return float(chi2.sf(value, len(expected) - 1))
