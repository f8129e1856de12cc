"""The profile likelihood over one parameter or two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import chi2

from analysis.inference.results import Scan
from analysis.plots.style import (
    ACCENT_COLOUR,
    BACKGROUND_COLOUR,
    DARK,
    GREY,
    SIGNAL_COLOUR,
    Tag,
    asimov_label,
    headroom,
    new_figure,
    put_tag,
    styled,
)


@dataclass(frozen=True)
class LikelihoodScan:
    """The profile likelihood of the signal strength.

    Attributes
    ----------
    values, heights : (n,) float64
        μ and 2ΔNLL.
    best
        Minimum.
    asimov
        μ of the Asimov data set that was scanned; None for data.
    errors
        MINOS errors (≤ 0, ≥ 0); None to show none.
    limit, level
        Upper limit and its confidence level; None if there is none.
    name
        Of a parameter other than the signal strength; empty for that.
    """

    values: NDArray[np.float64]
    heights: NDArray[np.float64]
    best: float
    asimov: float | None
    errors: tuple[float, float] | None = None
    limit: float | None = None
    level: float = 0.90
    name: str = ""


@styled
def scan(shown: LikelihoodScan, tag: Tag) -> Figure:
    """Return 2ΔNLL over μ with the 1σ and 2σ heights, the interval and the limit."""
    figure = new_figure(7.2, 5.2)
    axes = figure.subplots()
    low, high = _reach(shown)
    if shown.errors is not None:
        axes.axvspan(
            shown.best + shown.errors[0], shown.best + shown.errors[1], color="#cfe3f6", linewidth=0,
            label=_measured("\\mu", shown.best, *shown.errors),
        )  # fmt: skip
    axes.plot(shown.values, shown.heights, "o-", color=DARK, markersize=3.2, linewidth=1.4)
    axes.axvline(shown.best, color=BACKGROUND_COLOUR, linewidth=1.4)
    if not shown.name:
        axes.axvline(1.0, color=SIGNAL_COLOUR, linewidth=1.2, linestyle=(0, (5, 2)), label="Standard Model, $\\mu=1$")
    if shown.limit is not None:
        axes.axvline(
            shown.limit, color=ACCENT_COLOUR, linewidth=1.4, linestyle=(0, (1.5, 1.5)),
            label=rf"$\mu < {shown.limit:.2f}$ at {100 * shown.level:g} % CL (CL$_s$)",
        )  # fmt: skip
    top = float(np.clip(shown.heights.max(initial=5.0) * 1.1, 5.5, 12.0))
    for sigma in (1, 2, 3):
        if sigma**2 < top:
            axes.axhline(sigma**2, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
            axes.annotate(f"{sigma}σ", (high, sigma**2), xytext=(-4, 3), textcoords="offset points", ha="right")
    axes.set_xlim(low, high)
    axes.set_ylim(0, top)
    headroom(axes, 1.28)
    axes.set_xlabel(shown.name or r"Signal strength $\mu=\mathcal{B}/\mathcal{B}_\mathrm{SM}$")
    axes.set_ylabel(r"$2\,\Delta\mathrm{NLL}$")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper center", frameon=True, facecolor="white", edgecolor="none", framealpha=1.0)
    put_tag(axes, tag, asimov_label(shown.asimov))
    return figure


def _reach(shown: LikelihoodScan) -> tuple[float, float]:
    """Return the ends of the axis: those of the scan, or beyond the interval and the limit."""
    scanned = float(shown.values.min()), float(shown.values.max())
    low, high = scanned
    if shown.errors is not None:
        low, high = min(low, shown.best + shown.errors[0]), max(high, shown.best + shown.errors[1])
    if shown.limit is not None:
        high = max(high, shown.limit)
    margin = 0.04 * (high - low)
    return low - margin * (low < scanned[0]), high + margin * (high > scanned[1])


def _measured(name: str, value: float, low: float, high: float) -> str:
    ends = [f"{sign}{abs(error):.2f}" if round(error, 2) else "0.00" for sign, error in (("+", high), ("-", low))]
    return rf"$\hat{{{name}}} = {value:.2f}\,^{{{ends[0]}}}_{{{ends[1]}}}$"


@styled
def contours(shown: Scan, tag: Tag) -> Figure:
    """Return the profile likelihood over two parameters with the contours of 68.3 % and 95.4 % probability."""
    first = np.array(sorted({point.values[0] for point in shown.points}))
    second = np.array(sorted({point.values[1] for point in shown.points}))
    grid = np.full((len(first), len(second)), np.nan)
    for point in shown.points:
        a, b = point.values
        grid[np.searchsorted(first, a), np.searchsorted(second, b)] = point.twice_delta_nll
    # Points that are missing, where the data are impossible, stay white.
    heights = np.ma.masked_invalid(grid)
    figure = new_figure(6.6, 5.2)
    axes = figure.subplots()
    levels = [float(chi2.ppf(share, 2)) for share in (0.6827, 0.9545)]
    filled = axes.pcolormesh(
        first, second, heights.T, cmap="Blues_r", vmax=3 * levels[1], shading="gouraud", rasterized=True
    )
    lines = axes.contour(first, second, heights.T, levels=levels, colors=[DARK, DARK], linestyles=["-", "--"])
    axes.clabel(lines, fmt=dict(zip(levels, ("68.3 %", "95.4 %"), strict=True)), fontsize=8.5)
    axes.plot(*shown.minimum, marker="*", color=SIGNAL_COLOUR, markersize=11, linestyle="none")
    axes.set_xlabel(shown.parameters[0])
    axes.set_ylabel(shown.parameters[1])
    bar = figure.colorbar(filled, ax=axes, pad=0.02)
    bar.set_label(r"$2\,\Delta\mathrm{NLL}$")
    put_tag(axes, tag, asimov_label(shown.asimov))
    return figure
