"""Weighted figures of merit: ROC, AUC, correlations, histograms.

Rows that share a simulated decay on the signal side are not independent: see `analysis.weighted`. That tags may be used
twice, too, is neglected.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.sharing import shared_variance
from analysis.weighted import Weighted

Array = NDArray[Any]
Floats = NDArray[np.float64]


def weighted_cdf(sample: Array, weight: Array, at: Array) -> Floats:
    """Return the fraction of weight at or below each point (n,), with half of what lies exactly on it."""
    order = np.argsort(sample, kind="stable")
    cumulative = np.concatenate([[0.0], np.cumsum(weight[order])])
    below = cumulative[np.searchsorted(sample[order], at, side="left")]
    up_to = cumulative[np.searchsorted(sample[order], at, side="right")]
    return np.asarray((below + up_to) / (2 * cumulative[-1]), dtype=np.float64)


def auc(signal: Weighted, background: Weighted) -> tuple[float, float]:
    """Return the area under the ROC curve, P(signal > background), and its standard error.

    The error is DeLong's (Biometrics 44 (1988) 837) for weighted rows that may share decays.
    """
    above_background = weighted_cdf(background.value, background.weight, signal.value)
    below_signal = 1 - weighted_cdf(signal.value, signal.weight, background.value)
    value = float(np.average(above_background, weights=signal.weight))
    variance = sum(
        shared_variance(part.weight * (place - value), part.decays) / part.weight.sum() ** 2
        for part, place in ((signal, above_background), (background, below_signal))
    )
    return value, float(np.sqrt(variance))


def auc_value(score: Array, weight: Array, is_signal: Array) -> float:
    """Return the area under the ROC curve alone, from (n,) rows of both classes."""
    background = ~is_signal
    above = weighted_cdf(score[background], weight[background], score[is_signal])
    return float(np.average(above, weights=weight[is_signal]))


def roc(signal: Weighted, background: Weighted, signal_efficiency: Array) -> Floats:
    """Return the background efficiency at given signal efficiencies, (k,) each."""
    order = np.argsort(-signal.value, kind="stable")
    efficiency = np.cumsum(signal.weight[order]) / signal.weight.sum()
    place = np.minimum(np.searchsorted(efficiency, signal_efficiency), len(order) - 1)
    threshold = signal.value[order][place]
    rank = np.argsort(background.value, kind="stable")
    above = np.concatenate([np.cumsum(background.weight[rank][::-1])[::-1], [0.0]])
    passed = above[np.searchsorted(background.value[rank], threshold, side="left")]
    passed = np.where(np.asarray(signal_efficiency) <= 0, 0.0, passed)
    return np.asarray(passed / background.weight.sum(), dtype=np.float64)


def correlation(x: Array, y: Array, weight: Array) -> float | None:
    """Return the weighted linear correlation of two columns, (n,) each, rows with NaN left out; None if undefined."""
    good = np.isfinite(x) & np.isfinite(y) & (weight > 0)
    x, y, weight = x[good].astype(np.float64), y[good].astype(np.float64), weight[good]
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    weight = weight / weight.sum()
    x, y = x - np.sum(weight * x), y - np.sum(weight * y)
    return float(np.sum(weight * x * y) / np.sqrt(np.sum(weight * x**2) * np.sum(weight * y**2)))


def ranks(x: Array, weight: Array) -> Floats:
    """Return the weighted rank of every row among those that are not NaN, (n,) from 0 to 1; NaN stays NaN.

    The linear correlation of ranks is Spearman's.
    """
    result = np.full(len(x), np.nan)
    good = ~np.isnan(x)
    if weight[good].sum() > 0:
        result[good] = weighted_cdf(x[good], weight[good], x[good])
    return result


def histogram_edges(values: Array, bins: int = 40) -> Floats:
    """Return bin edges that suit a column (n,): unit bins for small integers, else equal bins over 99 % of the rows."""
    finite = values[np.isfinite(values)].astype(np.float64)
    if not len(finite):
        return np.array([0.0, 1.0])
    low, high = finite.min(), finite.max()
    if high - low < bins and np.all(finite == np.round(finite)):
        return np.arange(low - 0.5, high + 1.0)
    low, high = np.quantile(finite, (0.005, 0.995))
    if not high > low:
        low, high = low - 0.5, low + 0.5
    return np.linspace(low, high, bins + 1)
