"""The result: pulls, correlations, the likelihood scan, and other measurements beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.plots.matrices import draw_matrix
from analysis.plots.style import (
    ACCENT_COLOUR,
    BACKGROUND_COLOUR,
    GREY,
    SIGNAL_COLOUR,
    Tag,
    headroom,
    new_figure,
    put_tag,
    styled,
)

MOST_PULLS = 26
MOST_CORRELATED = 16


@dataclass(frozen=True)
class Pull:
    """A constrained parameter after the fit.

    Attributes
    ----------
    name
        Of the parameter.
    pull
        (fitted − prior) / prior width.
    constraint
        Error after the fit over prior width.
    at_bound
        Whether the parameter is at its bound, where it has no error.
    """

    name: str
    pull: float
    constraint: float
    at_bound: bool = False


@styled
def pulls(shown: Sequence[Pull], tag: Tag) -> Figure:
    """Return pulls with their constraints; if there are many, those with the largest pull or strongest constraint.

    Parameters
    ----------
    shown
        In the order of the model.
    tag
        Text above the figure.
    """
    ranked = sorted(shown, key=lambda p: -max(abs(p.pull), 1.0 - p.constraint))[:MOST_PULLS]
    drawn = [pull for pull in shown if pull in ranked]
    figure = new_figure(8.2, 1.5 + 0.215 * max(len(drawn), 4))
    axes = figure.subplots()
    rows = np.arange(len(drawn))
    axes.axvspan(-2, 2, color="#fdf0c4", linewidth=0)
    axes.axvspan(-1, 1, color="#d5ead2", linewidth=0)
    axes.axvline(0.0, color="#50535c", linewidth=0.8)
    axes.errorbar(
        [pull.pull for pull in drawn], rows, xerr=[pull.constraint for pull in drawn],
        fmt="o", color="black", markersize=4.0, linewidth=1.3,
    )  # fmt: skip
    _mark_bounds(axes, [(pull.pull, row) for row, pull in enumerate(drawn) if pull.at_bound])
    axes.set_yticks(rows, [pull.name for pull in drawn], fontsize=9)
    axes.tick_params(axis="y", which="both", left=False, right=False)
    axes.set_ylim(len(drawn) - 0.4, -0.6)
    reach = max((abs(pull.pull) + pull.constraint for pull in drawn), default=1.0)
    axes.set_xlim(-max(2.4, 1.08 * reach), max(2.4, 1.08 * reach))
    axes.set_xlabel(r"$(\hat{\theta}-\theta_0)/\Delta\theta$;  bar: uncertainty after the fit $/\Delta\theta$")
    some = "" if len(drawn) == len(shown) else f"{len(drawn)} of {len(shown)} parameters"
    put_tag(axes, tag, some)
    return figure


@styled
def simulation_pulls(groups: Sequence[tuple[str, Sequence[Pull]]], tag: Tag) -> Figure:
    """Return the pulls of the parameters of simulation statistics, one group after the other.

    Parameters
    ----------
    groups
        Name of the group (channel and sample) and its parameters, one per bin.
    tag
        Text above the figure.
    """
    figure = new_figure(max(8.2, 2.0 + 0.09 * sum(len(group) for _, group in groups)), 4.6)
    axes = figure.subplots()
    axes.axhspan(-2, 2, color="#fdf0c4", linewidth=0)
    axes.axhspan(-1, 1, color="#d5ead2", linewidth=0)
    axes.axhline(0.0, color="#50535c", linewidth=0.8)
    position, middles, reach = 0, [], 1.0
    bounded: list[tuple[float, float]] = []
    for index, (_, group) in enumerate(groups):
        if index:
            axes.axvline(position - 0.5, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
        axes.errorbar(
            np.arange(len(group)) + position, [pull.pull for pull in group], yerr=[pull.constraint for pull in group],
            fmt="o", color="black", markersize=3.0, linewidth=0.9,
        )  # fmt: skip
        bounded += [(position + k, pull.pull) for k, pull in enumerate(group) if pull.at_bound]
        middles.append(position + (len(group) - 1) / 2)
        position += len(group)
        reach = max([reach, *(abs(pull.pull) + pull.constraint for pull in group)])
    _mark_bounds(axes, bounded)
    if not groups:
        axes.text(0.5, 0.5, "no parameters of simulation statistics", transform=axes.transAxes, ha="center")
    axes.set_xticks(middles, [name for name, _ in groups], rotation=90, fontsize=8.5)
    axes.tick_params(axis="x", which="both", bottom=False, top=False)
    axes.set_xlim(-0.5, max(position, 1) - 0.5)
    axes.set_ylim(-max(2.4, 1.08 * reach), max(2.4, 1.08 * reach))
    axes.set_ylabel(r"$(\hat{\gamma}-\gamma_0)/\Delta\gamma$", loc="center")
    put_tag(axes, tag, "simulation statistics, bin by bin")
    return figure


def _mark_bounds(axes: Axes, places: Sequence[tuple[float, float]]) -> None:
    """Mark parameters at their bounds, which have no error bar."""
    if places:
        x, y = zip(*places, strict=True)
        axes.plot(x, y, "D", color=ACCENT_COLOUR, markersize=6.0, markerfacecolor="white", label="at its bound")
        axes.legend(loc="upper right", fontsize=9)


@styled
def correlations(names: Sequence[str], matrix: NDArray[np.float64], first: str | None, tag: Tag) -> Figure:
    """Return the correlations of the parameters that are most correlated with any other.

    Parameters
    ----------
    names
        Parameters.
    matrix : (P, P) float64
        Their correlations.
    first
        The parameter of interest: it always comes first.
    tag
        Text above the figure.
    """
    off_diagonal = np.abs(matrix - np.eye(len(names)))
    strength = off_diagonal.max(axis=1, initial=0.0)
    order = [i for i in np.argsort(-strength, kind="stable") if names[i] != first]
    chosen = ([names.index(first)] if first in names else []) + order
    chosen = chosen[:MOST_CORRELATED]
    kept = chosen[:1] + sorted(chosen[1:]) if first in names else sorted(chosen)
    size = len(kept)
    figure = new_figure(3.3 + 0.31 * size, 2.0 + 0.31 * size)
    axes = figure.subplots()
    draw_matrix(axes, matrix[np.ix_(kept, kept)], [names[i] for i in kept], figure, size_of_text=7.0)
    extra = "" if size == len(names) else f"the {size} most correlated parameters"
    put_tag(axes, tag, right=extra)
    return figure


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
        The scan is of an Asimov data set.
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
    asimov: bool
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
    axes.plot(shown.values, shown.heights, "o-", color="#1c1c1f", markersize=3.2, linewidth=1.4)
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
    put_tag(axes, tag, "Asimov data, μ = 1" if shown.asimov else "")
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
        Text above the figure.
    """
    figure = new_figure(8.6, 1.7 + 0.47 * len(shown))
    axes = figure.subplots()
    if sm is not None:
        axes.axvspan(sm[0] - sm[1], sm[0] + sm[1], color="#f6c9c0", linewidth=0, label="Standard Model, short distance")
    for row, item in enumerate(shown):
        colour = SIGNAL_COLOUR if item.ours else "#1c1c1f"
        axes.errorbar(
            item.value, row, xerr=[[item.error_lo], [item.error_hi]], fmt="o", color=colour, markersize=5.0,
            markerfacecolor="white" if item.approximate else colour, linewidth=1.5,
        )  # fmt: skip
        if item.limit is not None:
            below = row + 0.27
            axes.plot(item.limit, below, marker="|", markersize=8, markeredgewidth=2.0, color=colour)
            axes.annotate(
                "", (item.limit, below), xytext=(-24, 0), textcoords="offset points",
                arrowprops={"arrowstyle": "<|-", "color": colour, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
    axes.axvline(0.0, color="#50535c", linewidth=0.8)
    axes.set_yticks(range(len(shown)), [item.label for item in shown])
    axes.tick_params(axis="y", which="both", left=False, right=False)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    ends = [item.value + item.error_hi for item in shown] + [item.limit or 0.0 for item in shown]
    starts = [item.value - item.error_lo for item in shown]
    span = max(ends) - min(*starts, 0.0)
    axes.set_xlim(min(*starts, 0.0) - 0.05 * span, max(ends) + 0.12 * span)
    axes.set_xlabel(r"$\mathcal{B}(B^+\to K^+\nu\bar{\nu})\ [10^{-5}]$")
    axes.plot([], [], "o", color="#1c1c1f", markerfacecolor="white", label="approximate value")
    axes.plot([], [], "|", color="#1c1c1f", markersize=9, markeredgewidth=2.0, label="90 % CL upper limit")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    put_tag(axes, tag)
    return figure
