"""Several analyses beside each other: measured branching fractions, expected sensitivities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.inference.results import Sensitivities
from analysis.plots.style import (
    BACKGROUND_COLOUR,
    DARK,
    EDGE,
    GREY,
    SIGNAL_COLOUR,
    Tag,
    luminosity_label,
    new_figure,
    put_tag,
    styled,
)

_LIMIT_MARK: Mapping[str, Any] = {"linestyle": "none", "marker": "|", "markersize": 8, "markeredgewidth": 2.0}


@dataclass(frozen=True)
class Measurement:
    """A branching fraction to be put beside others, in units of 10⁻⁵.

    Attributes
    ----------
    label
        Experiment, reference and tag.
    value, error_lo, error_hi
        Central value and the distances (≥ 0) to the ends of its interval; statistical and systematic added in
        quadrature.
    limit
        90 % CL upper limit; None if there is none.
    ours
        The result of this analysis.
    approximate
        The central value and its errors are approximate.
    """

    label: str
    value: float
    error_lo: float
    error_hi: float
    limit: float | None
    ours: bool
    approximate: bool


@styled
def comparison(shown: Sequence[Measurement], sm: tuple[float, float] | None, tag: Tag) -> Figure:
    """Return measurements of B(B⁺ → K⁺νν̄) below each other, with the Standard Model as a band.

    Parameters
    ----------
    shown
        Top to bottom.
    sm
        Value and uncertainty of the expectation, 10⁻⁵; None to draw no band.
    tag
        Text above the figure; its luminosity is not that of the others.
    """
    figure = new_figure(8.6, 1.7 + 0.47 * len(shown))
    axes = figure.subplots()
    if sm is not None:
        axes.axvspan(sm[0] - sm[1], sm[0] + sm[1], color="#f6c9c0", linewidth=0, label="Standard Model, short distance")
    for row, item in enumerate(shown):
        colour = SIGNAL_COLOUR if item.ours else DARK
        axes.errorbar(
            item.value, row, xerr=[[item.error_lo], [item.error_hi]], fmt="o", color=colour, markersize=5.0,
            markerfacecolor="white" if item.approximate else colour, linewidth=1.5,
        )  # fmt: skip
        if item.limit is not None:
            _mark_limit(axes, item.limit, row, colour)
    axes.axvline(0.0, color=EDGE, linewidth=0.8)
    axes.set_yticks(range(len(shown)), [item.label for item in shown])
    axes.tick_params(axis="y", which="both", left=False, right=False)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    ends = [item.value + item.error_hi for item in shown] + [item.limit or 0.0 for item in shown]
    starts = [item.value - item.error_lo for item in shown]
    span = max(ends) - min(*starts, 0.0)
    axes.set_xlim(min(*starts, 0.0) - 0.05 * span, max(ends) + 0.12 * span)
    axes.set_xlabel(r"$\mathcal{B}(B^+\to K^+\nu\bar{\nu})\ [10^{-5}]$")
    axes.plot([], [], "o", color=DARK, markerfacecolor="white", label="approximate value")
    axes.plot([], [], **_LIMIT_MARK, color=DARK, label="90 % CL upper limit")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    put_tag(axes, tag, right="")
    return figure


# Colour, marker and name in the legend.
_ROLES = {
    "input": (SIGNAL_COLOUR, "o", "combined"),
    "compared": (BACKGROUND_COLOUR, "s", "not combined"),
    "combination": (DARK, "D", "combination"),
}


@styled
def sensitivities(found: Sensitivities, tag: Tag) -> Figure:
    """Return the expected intervals of μ at μ = 1 below each other, with the expected upper limits.

    Parameters
    ----------
    found
        The first of its rows is our own analysis: the luminosity above the figure is not that of the others.
    tag
        Text above the figure.
    """
    shown = found.rows
    figure = new_figure(8.2, 1.9 + 0.55 * len(shown))
    axes = figure.subplots()
    axes.axvline(1.0, color=GREY, linewidth=1.0, linestyle=(0, (5, 2)))
    bars: dict[str, Any] = {}
    for row, item in enumerate(shown):
        colour, marker, _ = _ROLES[item.role]
        low, high = -item.mu.error_lo, item.mu.error_hi
        bars[item.role] = axes.errorbar(
            item.mu.value, row, xerr=[[low], [high]], fmt=marker, color=colour, markersize=5.0,
            linewidth=2.2 if item.role == "combination" else 1.5,
        )  # fmt: skip
        _mark_limit(axes, item.upper_limit, row, colour)
        axes.annotate(
            rf"$1\,^{{+{high:.2f}}}_{{-{low:.2f}}}$", (1.01, row), xycoords=("axes fraction", "data"), va="center"
        )
    roles = [role for role in _ROLES if role in bars]
    limit = Line2D([], [], **_LIMIT_MARK, color=DARK)
    labels = [*(_ROLES[role][2] for role in roles), f"{100 * found.level:g} % CL limit without signal"]
    axes.set_yticks(range(len(shown)), [item.label for item in shown])
    axes.tick_params(axis="y", which="both", left=False, right=False)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    lowest = min(item.mu.value + item.mu.error_lo for item in shown)
    highest = max(max(item.mu.value + item.mu.error_hi, item.upper_limit) for item in shown)
    margin = 0.08 * (highest - lowest)
    axes.set_xlim(lowest - margin, highest + margin)
    axes.set_xlabel(r"Signal strength $\mu$")
    figure.legend([*(bars[role] for role in roles), limit], labels, loc="outside lower center", ncols=len(labels))
    right = "" if tag.luminosity is None else f"{shown[0].label}: {luminosity_label(tag)}"
    put_tag(axes, tag, r"expected 68 % intervals at $\mu=1$", right=right)
    return figure


def _mark_limit(axes: Axes, limit: float, row: int, colour: str) -> None:
    """Mark an upper limit below the interval of its row, with which it would be confused where the two overlap."""
    below = row + 0.27
    axes.plot(limit, below, **_LIMIT_MARK, color=colour)
    axes.annotate(
        "", (limit, below), xytext=(-24, 0), textcoords="offset points",
        arrowprops={"arrowstyle": "<|-", "color": colour, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip
