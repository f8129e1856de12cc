"""Bins of any workspace before and after a fit; those of our own analysis are drawn by ``plots.templates``."""

from __future__ import annotations

from textwrap import fill

import numpy as np
from matplotlib.figure import Figure

from analysis.inference.results import ChannelYields
from analysis.plots.style import DASHES, EDGE, GREY, SEQUENCE, Tag, figure_with_panel, headroom, put_tag, styled


@styled
def yields(shown: ChannelYields, tag: Tag, *, asimov: bool) -> Figure:
    """Return the bins of a channel: samples after the fit, totals before and after with their errors, what was fitted.

    Parameters
    ----------
    shown
        Yields of the channel.
    tag
        Text above the figure.
    asimov
        What was fitted is an Asimov data set: hollow points.
    """
    figure, axes, panel = figure_with_panel()
    n_bins = len(shown.total)
    edges = np.arange(n_bins + 1) - 0.5
    centres = np.arange(n_bins)
    top, bottom = np.zeros(n_bins), np.zeros(n_bins)
    for k, (name, values) in enumerate(shown.samples.items()):
        heights = np.asarray(values, dtype=float)
        # What is negative hangs below 0, so that nothing is drawn twice.
        start = np.where(heights < 0, bottom, top)
        # More samples than colours: their second round is hatched in white.
        axes.stairs(
            start + heights, edges, baseline=start, fill=True, facecolor=SEQUENCE[k % len(SEQUENCE)],
            edgecolor="white", hatch=None if k < len(SEQUENCE) else "xx", linewidth=0, label=name,
        )  # fmt: skip
        top, bottom = top + np.maximum(heights, 0), bottom + np.minimum(heights, 0)
    if bottom.any():
        axes.axhline(0.0, color=GREY, linewidth=0.9)
        axes.stairs(np.asarray(shown.total), edges, color="black", linewidth=1.2, label="total")
    total, error = np.asarray(shown.total), np.asarray(shown.total_error)
    axes.stairs(
        total + error, edges, baseline=total - error, fill=True, facecolor="none", edgecolor=EDGE, hatch="////",
        linewidth=0, label="uncertainty after the fit",
    )  # fmt: skip
    prefit, prefit_error = np.asarray(shown.prefit), np.asarray(shown.prefit_error)
    axes.stairs(prefit, edges, color="black", linestyle=DASHES[1], linewidth=1.2, label="before the fit")
    axes.errorbar(centres + 0.25, prefit, yerr=prefit_error, fmt="none", color="black", linewidth=0.8)
    observed = np.asarray(shown.observed)
    axes.errorbar(
        centres, observed, yerr=np.sqrt(observed), fmt="o", color="black", markersize=4.5,
        markerfacecolor="white" if asimov else "black", label="Asimov data" if asimov else "data",
    )  # fmt: skip
    highest = float(np.max([*(observed + np.sqrt(observed)), *(total + error), *prefit, *top, 1e-6]))
    axes.set_ylim(1.05 * float(bottom.min()), 1.05 * highest)
    headroom(axes, 1.3)
    axes.set_ylabel("Events")
    axes.legend(ncols=3, fontsize=8.5)
    scale = np.sqrt(np.maximum(total, 1e-12))
    panel.stairs(error / scale, edges, baseline=-error / scale, fill=True, color="#d9dbe0")
    panel.plot(centres, (observed - total) / scale, "o", color="black", markersize=4.0)
    panel.axhline(0.0, color=GREY, linewidth=0.9)
    reach = float(np.max([2.5, *np.abs((observed - total) / scale)])) * 1.15
    panel.set_ylim(-reach, reach)
    panel.set_ylabel(r"$(n-\lambda)/\sqrt{\lambda}$", loc="center")
    # Names of channels may be longer than the figure is wide.
    panel.set_xlabel(fill(f"Bin of {shown.channel}", 60))
    panel.set_xticks(centres)
    panel.tick_params(axis="x", which="minor", bottom=False, top=False)
    axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    panel.set_xlim(edges[0], edges[-1])
    put_tag(axes, tag)
    return figure
