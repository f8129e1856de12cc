"""Where a peak is: a binned maximum-likelihood fit of a Gaussian, or of a Crystal Ball function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from iminuit import Minuit
from numpy.typing import NDArray
from scipy import stats

from analysis.errors import FitError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Peak:
    """A fitted peak.

    Parameters
    ----------
    position, error, width
        In the units of what was fitted.
    tail
        Crystal Ball's begin and power of the tail; None for a Gaussian.
    edges, counts : (n + 1,), (n,)
        What was fitted.
    goodness
        Deviance per degree of freedom: about 1 where the shape is right.
    """

    position: float
    error: float
    width: float
    tail: tuple[float, float] | None
    edges: Floats
    counts: Floats
    goodness: float

    def expected(self) -> Floats:
        """Return the fitted number of entries per bin, (n,)."""
        return _expected(self.edges, self.counts.sum(), self.position, self.width, self.tail)


def _expected(edges: Floats, total: float, position: float, width: float, tail: tuple[float, float] | None) -> Floats:
    z = (edges - position) / width
    below = stats.norm.cdf(z) if tail is None else stats.crystalball.cdf(z, *tail)
    # Only what falls into the window is counted, so the shape is normalised there.
    return np.asarray(total * np.diff(below) / (below[-1] - below[0]))


def fit_peak(values: Floats, *, tail: bool, bins: int = 80) -> Peak:
    """Fit the peak of a distribution.

    Parameters
    ----------
    values : (n,)
        Measured values.
    tail
        Whether it has a tail to the left; the window then reaches further there.

    Raises
    ------
    FitError
        There are too few values, or the fit does not converge.
    """
    if len(values) < 200:
        raise FitError(
            "A peak has too few entries.", found=len(values), expected="at least 200", remedy="join runs or boundaries"
        )
    middle = float(np.median(values))
    spread = float(np.subtract(*np.quantile(values, [0.84, 0.5])))
    edges = np.linspace(middle - (6 if tail else 2.5) * spread, middle + 3 * spread, bins + 1)
    counts = np.histogram(values, edges)[0].astype(float)
    shape = _with_tail if tail else _without_tail

    def deviance(*parameters: float) -> float:
        # Baker and Cousins, NIM 221 (1984) 437.
        expected = np.maximum(shape(edges, counts.sum(), *parameters), 1e-9)
        logs = np.where(counts > 0, counts * np.log(np.maximum(counts, 1) / expected), 0.0)
        return float(2 * np.sum(expected - counts + logs))

    return _minimise(deviance, middle, spread, tail, edges, counts)


def _with_tail(edges: Floats, total: float, position: float, width: float, begin: float, power: float) -> Floats:
    return _expected(edges, total, position, width, (begin, power))


def _without_tail(edges: Floats, total: float, position: float, width: float) -> Floats:
    return _expected(edges, total, position, width, None)


def _minimise(
    deviance: Callable[..., float], middle: float, spread: float, tail: bool, edges: Floats, counts: Floats
) -> Peak:
    names = ("position", "width", "begin", "power") if tail else ("position", "width")
    start = (middle, spread, 1.5, 3.0)[: len(names)]
    minuit = Minuit(deviance, *start, name=names)
    minuit.errordef = Minuit.LEAST_SQUARES  # a deviance rises by one for one standard deviation
    minuit.limits["position"] = (edges[0], edges[-1])
    minuit.limits["width"] = (0.2 * spread, 5 * spread)
    if tail:
        minuit.limits["begin"] = (0.3, 5)
        minuit.limits["power"] = (1.05, 50)
    minuit.migrad()
    if not minuit.valid:
        raise FitError(
            "The fit of a peak does not converge.",
            found=f"{int(counts.sum())} entries between {edges[0]:.5g} and {edges[-1]:.5g}",
            remedy="look at the figure of the validation; join boundaries",
        )
    values = minuit.values
    return Peak(
        position=float(values["position"]),
        error=float(minuit.errors["position"]),
        width=float(values["width"]),
        tail=(float(values["begin"]), float(values["power"])) if tail else None,
        edges=edges,
        counts=counts,
        goodness=float(deviance(*values)) / (len(counts) - 1 - len(names)),
    )
