"""The bins of the fit: before and after it, and the systematic variations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.basf2 import SampleType
from analysis.plots.histograms import (
    Component,
    Floats,
    draw_band,
    draw_points,
    draw_ratio,
    draw_stack,
    draw_step,
    garwood,
    merged,
)
from analysis.plots.labels import SAMPLE_LABELS, Bins
from analysis.plots.style import (
    DARK,
    DASHES,
    EDGE,
    GREY,
    SIGNAL_COLOUR,
    Tag,
    figure_with_panel,
    new_figure,
    put_tag,
    styled,
)

PANELS = 6


@dataclass(frozen=True)
class ChannelPlot:
    """One channel of the likelihood, before or after the fit.

    Attributes
    ----------
    name
        Of the channel.
    bins
        Its axes.
    components
        Expected events of every sample.
    total, error : (B,) float64
        Their sum, and its uncertainty with all correlations.
    observed : (B,) float64 or None
        What was fitted; None to draw no points.
    asimov
        The points are an Asimov data set: no measurement.
    """

    name: str
    bins: Bins
    components: tuple[Component, ...]
    total: Floats
    error: Floats
    observed: Floats | None
    asimov: bool


@styled
def channel(shown: ChannelPlot, tag: Tag, *, stage: str, band: str) -> Figure:
    """Return a channel as a stack with uncertainty, points, and their ratio below.

    Parameters
    ----------
    shown
        The channel.
    tag
        Text above the figure.
    stage
        "Before the fit" or "After the fit".
    band
        What the hatched band holds.
    """
    edges = np.arange(shown.bins.size + 1) - 0.5
    figure, main, panel = figure_with_panel(max(7.2, 1.6 + 0.62 * shown.bins.size), 6.0)
    parts = merged(shown.components)
    draw_stack(main, edges, parts)
    lowest = float(np.sum([np.minimum(part.values, 0.0) for part in parts], axis=0).min(initial=0.0))
    if lowest < 0:
        draw_step(main, edges, shown.total, DARK, "total")
        main.axhline(0.0, color=EDGE, linewidth=0.8)
    draw_band(main, edges, shown.total, shown.error, band)
    label = "Asimov data" if shown.asimov else "data"
    highest = float((shown.total + shown.error).max(initial=1.0))
    if shown.observed is not None:
        errors = garwood(shown.observed)
        draw_points(main, edges, shown.observed, errors, label, hollow=shown.asimov)
        highest = max(highest, float((shown.observed + errors[1]).max()))
    highest = max(highest, float(np.sum([np.maximum(part.values, 0.0) for part in parts], axis=0).max()))
    main.set_ylim(1.15 * lowest, 1.75 * highest)
    main.set_ylabel("Events / bin")
    main.legend(loc="upper center", ncols=4)
    put_tag(main, tag, f"channel {shown.name}, {stage.lower()}")
    ratio = f"{'Asimov' if shown.asimov else 'Data'} / exp." if shown.observed is not None else "Rel. unc."
    draw_ratio(panel, edges, shown.observed, shown.total, shown.error, ratio, hollow=shown.asimov)
    label_bins(panel, shown.bins)
    main.tick_params(axis="x", which="minor", bottom=False, top=False)
    separate_groups(main, shown.bins, text_at=0.70)
    separate_groups(panel, shown.bins, text_at=None)
    return figure


def label_bins(axes: Axes, bins: Bins) -> None:
    """Write the range of the last axis under every bin, and what it is."""
    many = bins.size > 12
    axes.set_xticks(range(bins.size), bins.labels, rotation=90 if many else 0, fontsize=8 if many else 9.5)
    axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    axes.set_xlim(-0.5, bins.size - 0.5)
    axes.set_xlabel(bins.axis)


def separate_groups(axes: Axes, bins: Bins, *, text_at: float | None) -> None:
    """Draw lines between runs of the last axis, and write each run's range of the other axes at a height."""
    groups = bins.groups
    if not groups:
        return
    run = bins.size // len(groups)
    for index, text in enumerate(groups):
        if index:
            top = 1.0 if text_at is None else text_at + 0.05  # below the legend
            axes.axvline(index * run - 0.5, ymax=top, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
        if text_at is not None:
            axes.text(
                (index + 0.5) * run - 0.5, text_at, text, transform=axes.get_xaxis_transform(),
                ha="center", va="center", fontsize=9.5,
            )  # fmt: skip


@dataclass(frozen=True)
class Variation:
    """What one systematic does to one sample, bin by bin over all channels.

    Attributes
    ----------
    name
        Of the parameter.
    up, down : (B,) float64
        Varied over nominal expectation; NaN in bins without expectation.
    """

    name: str
    up: Floats
    down: Floats

    @property
    def size(self) -> float:
        """Largest change of any bin."""
        changes = np.abs(np.concatenate([self.up, self.down]) - 1.0)
        return float(np.max(changes[np.isfinite(changes)], initial=0.0))


@styled
def variations(
    sample: SampleType,
    shown: Sequence[Variation],
    statistical: Floats,
    channels: Sequence[tuple[str, Bins]],
    tag: Tag,
) -> Figure:
    """Return the largest systematic variations of a sample as ratios to the nominal template.

    Parameters
    ----------
    sample
        Type of the sample: colour and label.
    shown
        All its variations; the :data:`PANELS` largest are drawn, in the order of their size.
    statistical : (B,) float64
        Relative statistical error of the nominal template.
    channels
        Name and bins of every channel, in the order of the bins.
    tag
        Text above the figure.
    """
    largest = sorted(shown, key=lambda variation: -variation.size)[:PANELS]
    if not largest:
        return _nothing_varies(sample, tag)
    columns = 2 if len(largest) > 1 else 1
    rows = -(-len(largest) // columns)
    figure = new_figure(5.4 * columns if columns > 1 else 7.2, 1.5 + 1.75 * rows)
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False)
    edges = np.arange(len(statistical) + 1) - 0.5
    for axes, variation in zip(panels.ravel(), largest, strict=False):
        draw_band(axes, edges, np.ones_like(statistical), statistical, "nominal, simulation statistics")
        axes.axhline(1.0, color=EDGE, linewidth=0.8)
        draw_step(axes, edges, variation.up, SIGNAL_COLOUR, "+1σ")
        draw_step(axes, edges, variation.down, DARK, "−1σ", DASHES[1])
        span = max(1.5 * variation.size, 0.002)
        axes.set_ylim(1 - span, 1 + span)
        axes.set_title(variation.name, fontsize=10, loc="left", pad=4)
        position = 0
        for name, bins in channels:
            if position:
                axes.axvline(position - 0.5, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
            middle = position + (bins.size - 1) / 2
            axes.text(
                middle, 0.95, name, transform=axes.get_xaxis_transform(), ha="center", va="top", fontsize=8.5,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2},
            )  # fmt: skip
            position += bins.size
        axes.set_xlim(-0.5, len(statistical) - 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.tick_params(axis="x", which="minor", bottom=False, top=False)
        axes.ticklabel_format(axis="y", useOffset=False)
    for axes in panels.ravel()[len(largest) :]:
        axes.set_axis_off()
    for axes in panels[-1]:
        axes.set_xlabel("Bin of the likelihood")
    for axes in panels[:, 0]:
        axes.set_ylabel("Varied / nominal", loc="center")
    some = f"{len(largest)} largest of {len(shown)}" if len(largest) < len(shown) else f"{len(shown)}"
    figure.suptitle(
        f"{tag.text}: {SAMPLE_LABELS[sample]}, {some} systematic variations", fontsize=11, x=0.01, ha="left"
    )
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _nothing_varies(sample: SampleType, tag: Tag) -> Figure:
    figure = new_figure(7.2, 1.2)
    axes = figure.subplots()
    axes.set_axis_off()
    text = f"{tag.text}: {SAMPLE_LABELS[sample]}, none of its events is selected, or no shape systematic acts on it"
    axes.text(0.0, 0.5, text, transform=axes.transAxes, fontsize=11)
    return figure
