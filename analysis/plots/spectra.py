"""Distributions of single variables: backgrounds stacked, the signal over them, data unless blinded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import ArrayLike

from analysis.plots.histograms import (
    Component,
    Floats,
    draw_band,
    draw_points,
    draw_ratio,
    draw_stack,
    draw_step,
    garwood,
)
from analysis.plots.labels import axis_label, events_label
from analysis.plots.style import (
    GREY,
    SIGNAL_COLOUR,
    Tag,
    figure_with_panel,
    headroom,
    new_figure,
    put_tag,
    styled,
)


@dataclass(frozen=True)
class Spectrum:
    """One variable: stacked backgrounds, the signal, and data unless blinded.

    Attributes
    ----------
    column
        Name in the data model.
    edges : (B + 1,) float64
        Bin edges.
    backgrounds
        In the order of the stack.
    signal
        Normalised to μ = 1.
    data : (B,) float64 or None
        Counts; None when blinded or when there are none.
    """

    column: str
    edges: Floats
    backgrounds: tuple[Component, ...]
    signal: Component | None
    data: Floats | None

    @property
    def background(self) -> Floats:
        """Sum of the backgrounds, (B,)."""
        return np.asarray(np.sum([part.values for part in self.backgrounds], axis=0), dtype=float)

    @property
    def background_error(self) -> Floats:
        """Its error from the simulation's statistics, (B,)."""
        return np.asarray(np.sqrt(np.sum([part.variances for part in self.backgrounds], axis=0)), dtype=float)

    def signal_scale(self) -> float:
        """Return the factor that makes the signal as large as the backgrounds, with one digit."""
        if self.signal is None or not self.signal.values.sum():
            return 1.0
        factor = self.background.sum() / self.signal.values.sum()
        if factor <= 1.0:
            return 1.0
        decade = 10.0 ** np.floor(np.log10(factor))
        return float(np.round(factor / decade) * decade)


def round_edges(edges: ArrayLike, bins: int = 20) -> Floats:
    """Return about ``bins`` equal bins with round edges over the same range; bins of one unit around integers stay.

    Parameters
    ----------
    edges : (n,)
        Rising edges that give the range.
    bins
        Number of bins: never more, and at least a third of it.

    Examples
    --------
    >>> round_edges([0.0, 0.977]).tolist()[:3]
    [0.0, 0.05, 0.1]
    """
    old = np.asarray(edges, dtype=float)
    low, high = float(old[0]), float(old[-1])
    if np.allclose(np.diff(old), 1.0) and low % 1 == 0.5:
        return old
    step = (high - low) / bins
    decade = 10.0 ** np.floor(np.log10(step))
    for factor in (1.0, 2.0, 2.5, 5.0, 10.0, 20.0):
        nice = factor * decade
        first, last = np.floor(low / nice + 1e-9), np.ceil(high / nice - 1e-9)
        if last - first <= bins:
            break
    # Multiples rather than sums of the step: 0.1 + 0.2 is not 0.3.
    return np.asarray(np.round(np.arange(first, last + 1) * nice, 12))


@styled
def input_page(spectra: Sequence[Spectrum], tag: Tag) -> Figure:
    """Return a page of input variables.

    Parameters
    ----------
    spectra
        At most :data:`analysis.plots.PANELS_PER_PAGE`.
    tag
        Text above the page.
    """
    rows = -(-len(spectra) // 3)
    figure = new_figure(11.0, 0.8 + 2.9 * rows, pad=0.055)
    panels = figure.subplots(rows, 3, squeeze=False).ravel()
    for axes, spectrum in zip(panels, spectra, strict=False):
        _stacked(axes, spectrum, as_background=True)
        axes.set_ylim(0, None)
        headroom(axes, 1.12)
        axes.set_xlabel(axis_label(spectrum.column))
        width = float(spectrum.edges[1] - spectrum.edges[0])
        axes.set_ylabel(events_label(width, spectrum.column))
        if float(spectrum.edges[0]) % 1 == 0.5 and width == 1.0:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.xaxis.set_minor_locator(NullLocator())
    for axes in panels[len(spectra) :]:
        axes.set_axis_off()
    put_tag(panels[0], tag, right="")
    put_tag(panels[min(len(spectra), 3) - 1], Tag("", tag.luminosity))
    handles: dict[str, Artist] = {}
    for axes in panels[: len(spectra)]:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=len(handles))
    return figure


def _stacked(axes: Axes, spectrum: Spectrum, *, as_background: bool) -> None:
    """Draw backgrounds, the signal and data into one panel.

    The signal is scaled to the area of the backgrounds, or by a round factor that stands in the legend.
    """
    total = draw_stack(axes, spectrum.edges, spectrum.backgrounds)
    draw_band(axes, spectrum.edges, total, spectrum.background_error, "simulation statistics")
    if spectrum.signal is not None:
        if as_background:
            scale = spectrum.background.sum() / max(spectrum.signal.values.sum(), 1e-300)
            label = f"{spectrum.signal.label}, scaled to the background"
        else:
            scale = spectrum.signal_scale()
            label = f"{spectrum.signal.label} × {scale:g}"
        draw_step(axes, spectrum.edges, spectrum.signal.values * scale, SIGNAL_COLOUR, label)
    if spectrum.data is not None:
        draw_points(axes, spectrum.edges, spectrum.data, garwood(spectrum.data), "data")


@styled
def spectrum(shown: Spectrum, tag: Tag, *, log: bool = False, boundaries: Sequence[float] = ()) -> Figure:
    """Return one variable with the ratio of data to expectation below.

    Parameters
    ----------
    shown
        The histograms.
    tag
        Text above the figure.
    log
        Logarithmic y axis.
    boundaries
        Where regions of the fit begin and end: dashed lines.
    """
    figure, main, panel = figure_with_panel()
    _stacked(main, shown, as_background=False)
    if log:
        main.set_yscale("log")
        positive = shown.background[shown.background > 0]
        main.set_ylim(0.3 * float(positive.min(initial=1.0)), None)
    else:
        main.set_ylim(0, None)
    headroom(main, 1.35)
    for axes, top in ((main, 0.74), (panel, 1.0)):  # below the legend
        for boundary in boundaries:
            axes.axvline(boundary, ymax=top, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
    main.set_ylabel(events_label(float(shown.edges[1] - shown.edges[0]), shown.column))
    main.legend(loc="upper center", ncols=3)
    put_tag(main, tag)
    expected, error = shown.background, shown.background_error
    if shown.signal is not None:
        # Where no simulated background event lies, what is expected and how well is not known: no ratio there.
        expected = np.where(expected > 0, expected + shown.signal.values, 0.0)
        error = np.sqrt(error**2 + shown.signal.variances)
    draw_ratio(
        panel, shown.edges, shown.data, expected, error, "Data / sim." if shown.data is not None else "Rel. unc."
    )
    panel.set_xlabel(axis_label(shown.column))
    return figure
