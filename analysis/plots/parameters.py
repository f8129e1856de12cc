"""The parameters of the likelihood: pulls, correlations, impacts on μ, shares in its error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.inference.results import Impacts
from analysis.plots.matrices import draw_matrix
from analysis.plots.style import (
    ACCENT_COLOUR,
    BACKGROUND_COLOUR,
    DARK,
    EDGE,
    GREEN,
    GREY,
    SIGNAL_COLOUR,
    YELLOW,
    Tag,
    asimov_label,
    new_figure,
    put_tag,
    styled,
)

MOST_PULLS = 26
MOST_CORRELATED = 16
MOST_IMPACTS = 20


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
    axes.axvspan(-2, 2, color=YELLOW, linewidth=0)
    axes.axvspan(-1, 1, color=GREEN, linewidth=0)
    axes.axvline(0.0, color=EDGE, linewidth=0.8)
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
    axes.axhspan(-2, 2, color=YELLOW, linewidth=0)
    axes.axhspan(-1, 1, color=GREEN, linewidth=0)
    axes.axhline(0.0, color=EDGE, linewidth=0.8)
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


@styled
def impacts(shown: Impacts, tag: Tag) -> Figure:
    """Return the ranking: pulls and constraints on the left, shifts of μ̂ on the right; the largest first."""
    rows = shown.impacts[:MOST_IMPACTS]
    figure = new_figure(9.4, 2.0 + 0.25 * max(len(rows), 4))
    left, right = figure.subplots(1, 2, sharey=True, gridspec_kw={"width_ratios": (1.0, 1.25)})
    y = np.arange(len(rows))
    left.axvspan(-2, 2, color=YELLOW, linewidth=0)
    left.axvspan(-1, 1, color=GREEN, linewidth=0)
    pulled = [(k, row) for k, row in enumerate(rows) if row.pull is not None]
    left.errorbar(
        [row.pull for _, row in pulled], [k for k, _ in pulled], xerr=[row.constraint for _, row in pulled],
        fmt="o", color="black", markersize=3.6, linewidth=1.2,
    )  # fmt: skip
    for k, row in enumerate(rows):
        if row.pull is None:
            left.text(0.0, k, f"free: {row.value:.2f} ± {row.error:.2f}", ha="center", va="center", fontsize=8.5)
    left.axvline(0.0, color=EDGE, linewidth=0.8)
    left.set_yticks(y, [row.name for row in rows], fontsize=9)
    reach = max([2.3, *(abs(row.pull or 0.0) + (row.constraint or 0.0) for _, row in pulled)])
    left.set_xlim(-1.06 * reach, 1.06 * reach)
    left.set_xlabel(r"$(\hat{\theta}-\theta_0)/\Delta\theta$")
    right.barh(y - 0.19, [row.up for row in rows], 0.36, color=SIGNAL_COLOUR, label="parameter held at its upper error")
    right.barh(
        y + 0.19, [row.down for row in rows], 0.36, facecolor="white", edgecolor=BACKGROUND_COLOUR, linewidth=1.3,
        label="at its lower error",
    )  # fmt: skip
    right.axvline(0.0, color=EDGE, linewidth=0.8)
    widest = max([1e-12, *(max(abs(row.up), abs(row.down)) for row in rows)])
    right.set_xlim(-1.15 * widest, 1.15 * widest)
    right.set_xlabel(r"Shift of $\hat{\mu}$")
    for axes in (left, right):
        axes.tick_params(axis="y", which="both", left=False, right=False)
        axes.set_ylim(len(rows) - 0.4, -0.6)
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    some = f"{len(rows)} of {len(shown.impacts)} parameters" if len(rows) < len(shown.impacts) else ""
    put_tag(left, tag, right="")
    put_tag(right, Tag("", tag.luminosity), right=asimov_label(shown.asimov) or some)
    return figure


@styled
def breakdown(shown: Impacts, tag: Tag) -> Figure:
    """Return the shares of groups of parameters in σ(μ)."""
    figure = new_figure(7.6, 1.7 + 0.33 * (len(shown.groups) + 1))
    axes = figure.subplots()
    names = [*(share.name for share in shown.groups), "total"]
    values = [*(share.sigma for share in shown.groups), shown.error]
    colours = [GREY if value < 0 else BACKGROUND_COLOUR for value in values[:-1]]
    axes.barh(range(len(names)), values, 0.66, color=[*colours, DARK])
    widest = max(abs(value) for value in values)
    for k, value in enumerate(values):
        axes.annotate(
            f"{value:.2f}".replace("-", "−"), (max(value, 0.0), k), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=9,
        )  # fmt: skip
    axes.axvline(0.0, color=EDGE, linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", which="both", left=False, right=False)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(min(0.0, *values) * 1.1, 1.14 * widest)
    axes.set_xlabel(r"Share of $\sigma(\mu)$")
    put_tag(axes, tag, asimov_label(shown.asimov))
    return figure
