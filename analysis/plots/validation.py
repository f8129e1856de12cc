"""Is the toy what it claims to be? Pools against whole events, spectrum, identification, mass peaks, composition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.basf2 import SampleType
from analysis.cutflow import clopper_pearson
from analysis.plots.histograms import Floats, draw_step
from analysis.plots.labels import SAMPLE_LABELS, axis_label
from analysis.plots.style import (
    ACCENT_COLOUR,
    BACKGROUND_COLOUR,
    GREY,
    SAMPLE_COLOURS,
    SIGNAL_COLOUR,
    STACK_ORDER,
    Tag,
    headroom,
    new_figure,
    put_tag,
    styled,
)
from analysis.validation.document import Calibration, Comparison, Composition, Counted, Efficiency, Peak, Spectrum

COLUMNS = 3
FEWEST = 20  # tracks in a bin that are worth a point


def _centres(edges: Floats) -> Floats:
    return np.asarray((edges[1:] + edges[:-1]) / 2)


def _points(axes: Axes, edges: Floats, counted: Counted, colour: str, label: str) -> None:
    axes.errorbar(
        _centres(edges), counted.fraction, counted.error, fmt="o", color=colour, markersize=3.5, label=label, zorder=3
    )


@styled
def pools(comparisons: Sequence[Comparison], tag: Tag) -> Figure:
    """Return the distributions of pooled and of whole events, one panel per column."""
    rows = -(-len(comparisons) // COLUMNS)
    figure = new_figure(3.3 * COLUMNS, 2.6 * rows, pad=0.06, space=0.04)
    grid = np.atleast_1d(figure.subplots(rows, COLUMNS)).ravel()
    for axes, each in zip(grid, comparisons, strict=False):
        edges = np.asarray(each.edges)
        pooled = each.second
        draw_step(axes, edges, np.asarray(pooled.fraction), colour=BACKGROUND_COLOUR, label="pools")
        _points(axes, edges, each.first, "black", "whole events")
        axes.set_xlabel("candidates per event" if each.column == "candidates" else axis_label(each.column))
        axes.set_ylabel("Fraction per bin")
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0)
        headroom(axes, 1.25)
        axes.text(0.97, 0.96, f"$p$ = {each.p_value:.2g}", transform=axes.transAxes, ha="right", va="top")
    for axes in grid[len(comparisons) :]:
        axes.set_visible(False)
    roomy = next((i for i, each in enumerate(comparisons) if each.column == "candidates"), 0)
    grid[roomy].legend(loc="center right", fontsize="small")
    put_tag(grid[0], tag, right="")
    return figure


@styled
def spectrum(found: Spectrum, tag: Tag) -> Figure:
    """Return the generated q² spectrum after reweighting beside the Standard Model's."""
    figure = new_figure(6.4, 4.6)
    axes = figure.subplots()
    edges = np.asarray(found.edges)
    draw_step(axes, edges, np.asarray(found.expected), colour=SIGNAL_COLOUR, label="Standard Model, exact")
    _points(axes, edges, found.measured, "black", "phase space, reweighted")
    axes.set_xlabel(axis_label("q2_gen"))
    axes.set_ylabel("Fraction per bin")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0)
    headroom(axes, 1.15)
    axes.legend(loc="upper right")
    put_tag(axes, tag, right="")
    return figure


@styled
def identification(found: Sequence[Efficiency], tag: Tag, cut: str) -> Figure:
    """Return efficiencies over momentum on a logarithmic axis, so that kaons and fakes stand in one picture."""
    figure = new_figure(6.4, 4.6)
    axes = figure.subplots()
    for each, colour, marker in zip(found, (SIGNAL_COLOUR, BACKGROUND_COLOUR), ("o", "s"), strict=False):
        edges = np.asarray(each.edges)
        passed, total = np.asarray(each.passed), np.asarray(each.total)
        filled = total >= FEWEST
        value = passed[filled] / total[filled]
        limits = np.array([clopper_pearson(int(p), int(n)) for p, n in zip(passed[filled], total[filled], strict=True)])
        axes.errorbar(
            _centres(edges)[filled], value, np.abs(limits.T - value), np.diff(edges)[filled] / 2, fmt=marker,
            color=colour, label=each.label,
        )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(1e-3, 4)
    axes.set_xlabel(axis_label("K_pStar"))
    axes.set_ylabel(f"Efficiency of {cut}")
    axes.legend(loc="center")
    put_tag(axes, tag, right="")
    return figure


@styled
def peaks(found: Sequence[Peak], tag: Tag) -> Figure:
    """Return the mass peaks of true tags."""
    rows = max(-(-len(found) // COLUMNS), 1)
    figure = new_figure(3.3 * COLUMNS, 2.9 * rows, pad=0.06, space=0.04)
    grid = np.atleast_1d(figure.subplots(rows, COLUMNS)).ravel()
    for axes, peak in zip(grid, found, strict=False):
        edges = np.asarray(peak.edges)
        draw_step(axes, edges, np.asarray(peak.counts, dtype=float), BACKGROUND_COLOUR, peak.name)
        axes.axvline(peak.median, color=ACCENT_COLOUR, linewidth=1)
        axes.axvspan(peak.median - peak.width, peak.median + peak.width, color=GREY, alpha=0.2)
        axes.set_xlabel(axis_label(peak.column))
        axes.set_ylabel(f"Candidates / {1e3 * (edges[1] - edges[0]):.3g} MeV/$c^2$")
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0)
        headroom(axes, 1.25)
        text = f"{peak.name}\nwidth {1e3 * peak.width:.2g} MeV/$c^2$"
        axes.text(0.04, 0.96, text, transform=axes.transAxes, ha="left", va="top", fontsize="small")
    for axes in grid[len(found) :]:
        axes.set_visible(False)
    put_tag(grid[0], tag, right="")
    return figure


@styled
def calibration(found: Calibration, tag: Tag) -> Figure:
    """Return the purity of tag candidates against their signal probability."""
    figure = new_figure(6.0, 5.0)
    axes = figure.subplots()
    edges, predicted = np.asarray(found.edges), np.asarray(found.predicted)
    spans = np.array([predicted - edges[:-1], edges[1:] - predicted])
    axes.plot(edges[[0, -1]], edges[[0, -1]], color=GREY, linewidth=1, label="calibrated")
    axes.errorbar(
        predicted, found.purity, found.error, spans, fmt="o", color=BACKGROUND_COLOUR, markersize=4,
        label=f"generic $B\\bar{{B}}$, area under the ROC {found.area:.3f}",
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(axis_label("Btag_SignalProbability"))
    axes.set_ylabel("Share of correct candidates")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(edges[0] / 2, 1.5)
    axes.legend(loc="upper left")
    put_tag(axes, tag, right="")
    return figure


@styled
def composition(found: Sequence[Composition], published: dict[SampleType, float], tag: Tag) -> Figure:
    """Return the share of every background in every region, the published one of the inclusive tag last."""
    names = [*(each.region for each in found), "inclusive tag,\nregion A"]
    shares = [*(each.share for each in found), published]
    figure = new_figure(7.2, 1.4 + 0.6 * len(names))
    axes = figure.subplots()
    left = np.zeros(len(names))
    for kind in reversed(STACK_ORDER):
        if kind is SampleType.SIGNAL:
            continue
        width = np.array([share.get(kind, 0.0) for share in shares])
        axes.barh(names, width, left=left, color=SAMPLE_COLOURS[kind], label=SAMPLE_LABELS[kind], height=0.7)
        left += width
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("Share of the background")
    figure.legend(loc="outside lower center", ncols=7, fontsize="small", handlelength=1.0)
    put_tag(axes, tag)
    return figure
