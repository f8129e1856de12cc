"""Binned data and the ways to draw them: stacks of samples, bands of uncertainty, data points, ratios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mplhep
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, norm

from analysis.basf2 import SampleType
from analysis.plots.labels import SAMPLE_LABELS
from analysis.plots.style import EDGE, SAMPLE_COLOURS, STACK_ORDER
from analysis.weighted import Weighted, histogram

Floats = NDArray[np.float64]
ONE_SIGMA = float(norm.cdf(1) - norm.cdf(-1))


@dataclass(frozen=True)
class Component:
    """One sample in a histogram.

    Attributes
    ----------
    type
        Decides colour, label and place in the stack.
    values : (B,) float64
        Expected events.
    variances : (B,) float64
        Of the sums, from the simulation's statistics.
    """

    type: SampleType
    values: Floats
    variances: Floats

    @property
    def label(self) -> str:
        """The sample in the field's notation."""
        return SAMPLE_LABELS[self.type]

    @property
    def colour(self) -> str:
        """Its fixed colour."""
        return SAMPLE_COLOURS[self.type]


def fill(kind: SampleType, rows: Weighted, edges: Floats) -> Component:
    """Histogram rows; see `analysis.weighted.histogram`.

    Parameters
    ----------
    kind
        Type of the sample.
    rows
        Values (NaN allowed), weights and what rows share.
    edges : (B + 1,)
        Rising bin edges; the last one is inclusive.
    """
    return Component(kind, *histogram(rows, edges))


def merged(components: Sequence[Component]) -> list[Component]:
    """Add components of the same type, and put them into the order of the stack."""
    return [
        Component(
            kind,
            np.sum([part.values for part in components if part.type is kind], axis=0),
            np.sum([part.variances for part in components if part.type is kind], axis=0),
        )
        for kind in STACK_ORDER
        if any(part.type is kind for part in components)
    ]


def garwood(counts: ArrayLike, level: float = ONE_SIGMA) -> Floats:
    """Return the distances from Poisson counts to the ends of their exact central intervals.

    Parameters
    ----------
    counts : (n,)
        Observed events.
    level
        Confidence level.

    Returns
    -------
    (2, n) float64
        Downwards and upwards, both ≥ 0.

    References
    ----------
    F. Garwood, Biometrika 28 (1936) 437.

    Examples
    --------
    >>> garwood([0, 4]).round(3).tolist()
    [[0.0, 1.914], [1.841, 3.163]]
    """
    n = np.asarray(counts, dtype=float)
    tail = (1 - level) / 2
    low = np.where(n > 0, chi2.ppf(tail, 2 * np.maximum(n, 0.5)) / 2, 0.0)
    high = chi2.isf(tail, 2 * (n + 1)) / 2
    return np.stack([n - low, high - n])


def draw_stack(axes: Axes, edges: ArrayLike, components: Sequence[Component]) -> Floats:
    """Draw samples on top of each other and return their sum, (B,) float64.

    What is negative in a bin hangs below 0, so that the top of the stack is the sum of the rest: where there is any the
    sum wants a line of its own.
    """
    bins = np.asarray(edges, dtype=float)
    up, down = np.zeros(len(bins) - 1), np.zeros(len(bins) - 1)
    for part in components:
        base = np.where(part.values >= 0, up, down)
        axes.stairs(
            base + part.values,
            bins,
            baseline=base,
            fill=True,
            facecolor=part.colour,
            edgecolor="white",
            linewidth=0.4,
            label=part.label,
        )
        up, down = up + np.maximum(part.values, 0.0), down + np.minimum(part.values, 0.0)
    return up + down


def draw_step(axes: Axes, edges: ArrayLike, values: ArrayLike, colour: str, label: str, style: object = "-") -> None:
    """Draw one histogram as a line: values (B,) in bins with edges (B + 1,)."""
    mplhep.histplot(
        np.asarray(values, dtype=float),
        bins=np.asarray(edges, dtype=float),
        ax=axes,
        histtype="step",
        yerr=False,
        color=colour,
        linestyle=style,
        label=label,
        flow="none",
    )


def draw_band(axes: Axes, edges: ArrayLike, centre: ArrayLike, error: ArrayLike, label: str | None = None) -> None:
    """Hatch centre ± error, (B,) each, in every bin; edges (B + 1,)."""
    middle, width = np.asarray(centre, dtype=float), np.asarray(error, dtype=float)
    axes.stairs(
        middle + width,
        np.asarray(edges, dtype=float),
        baseline=np.maximum(middle - width, 0.0) if axes.get_yscale() == "log" else middle - width,
        fill=True,
        label=label,
        facecolor="none",
        edgecolor=EDGE,
        hatch="//////",
        linewidth=0.0,
    )


def draw_points(
    axes: Axes,
    edges: ArrayLike,
    values: ArrayLike,
    errors: ArrayLike,
    label: str | None = None,
    *,
    hollow: bool = False,
) -> None:
    """Draw points with error bars, (2, B) or (B,), at the centres of the bins; not-finite values are left out."""
    bins = np.asarray(edges, dtype=float)
    values, errors = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
    seen = np.isfinite(values)
    axes.errorbar(
        ((bins[:-1] + bins[1:]) / 2)[seen],
        values[seen],
        yerr=errors[..., seen],
        fmt="o",
        color="black",
        markerfacecolor="white" if hollow else "black",
        markersize=4.2,
        linewidth=1.1,
        capsize=0,
        label=label,
        zorder=5,
    )


def ratio_range(values: ArrayLike, errors: ArrayLike, *, most: float = 1.5) -> tuple[float, float]:
    """Return symmetric limits around 1 that hold points (B,) with errors (B,) or (2, B), at most 1 ± ``most``."""
    values, errors = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
    reach = np.abs(values - 1) + (errors if errors.ndim == 1 else errors.max(axis=0))
    reach = reach[np.isfinite(reach)]
    span = float(np.clip(1.15 * reach.max(initial=0.0), 0.12, most))
    return 1 - span, 1 + span


def draw_ratio(
    axes: Axes,
    edges: ArrayLike,
    observed: Floats | None,
    expected: ArrayLike,
    expected_error: ArrayLike,
    label: str,
    *,
    hollow: bool = False,
) -> None:
    """Fill the panel below: observed over expected, and the relative uncertainty of the expectation as a band.

    Bins without expectation have neither; points outside the panel become arrows at its edge.

    Parameters
    ----------
    axes
        The panel.
    edges : (B + 1,)
        Bin edges.
    observed : (B,) float64 or None
        Counts; None to draw the band alone.
    expected, expected_error : (B,)
        Expectation and its uncertainty.
    label
        Of the y axis.
    hollow
        Draw hollow points: no data.
    """
    expected = np.asarray(expected, dtype=float)
    expected_error = np.asarray(expected_error, dtype=float)
    some = expected > 0
    safe = np.where(some, expected, np.nan)
    band = np.nan_to_num(expected_error / safe)
    draw_band(axes, edges, np.ones_like(expected), band)
    axes.axhline(1.0, color=EDGE, linewidth=0.8)
    low, high = ratio_range(1 + band, np.zeros_like(band), most=1.0)
    if observed is not None:
        ratio, errors = observed / safe, garwood(observed) / safe
        draw_points(axes, edges, ratio, errors, hollow=hollow)
        low, high = ratio_range(np.append(ratio, 1 + band), np.append(errors.max(axis=0), 0 * band))
        low = max(low, 0.0)
        bins = np.asarray(edges, dtype=float)
        centres = (bins[:-1] + bins[1:]) / 2
        above = some & (ratio > high)
        if above.any():
            at = np.full(above.sum(), high)
            axes.plot(centres[above], at, "^", color="black", clip_on=False, zorder=6)
    axes.set_ylim(low, high)
    axes.set_ylabel(label, loc="center")
