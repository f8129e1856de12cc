"""One look for all figures: colours, fonts, the tag above the axes, and bytes that do not change between runs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from pydantic import JsonValue

from analysis import io
from analysis.basf2 import SampleType

Parameters = ParamSpec("Parameters")

# M. A. Petroff, "Accessible color sequences for data visualization", arXiv:2107.02270: ten colours that stay apart for
# the common forms of colour blindness and in grey. A sample keeps its colour in every figure.
SAMPLE_COLOURS: Mapping[SampleType, str] = {
    SampleType.SIGNAL: "#bd1f01",
    SampleType.CHARGED: "#3f90da",
    SampleType.MIXED: "#92dadd",
    SampleType.CCBAR: "#ffa90e",
    SampleType.SSBAR: "#e76300",
    SampleType.UUBAR: "#b9ac70",
    SampleType.DDBAR: "#94a4a2",
    SampleType.TAUPAIR: "#832db6",
    SampleType.DATA: "#000000",
    SampleType.OFFRES: "#000000",
}
SIGNAL_COLOUR = SAMPLE_COLOURS[SampleType.SIGNAL]
BACKGROUND_COLOUR = SAMPLE_COLOURS[SampleType.CHARGED]
ACCENT_COLOUR = "#a96b59"
DARK = "#1c1c1f"
EDGE = "#50535c"
# ±1σ and ±2σ of an expectation
GREEN, YELLOW = "#d5ead2", "#fdf0c4"
GREY = "#717581"
# Curves that stand for no sample (folds, parameters): each also has its own dashes.
SEQUENCE = (
    "#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#a96b59", "#e76300", "#717581", "#92dadd", "#b9ac70", "#94a4a2",
)  # fmt: skip
DASHES: tuple[tuple[int, tuple[float, ...]], ...] = (
    (0, ()),
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
)
DIVERGING = "RdBu_r"

# Bottom to top in a stack; the signal comes last.
STACK_ORDER = (
    SampleType.TAUPAIR,
    SampleType.DDBAR,
    SampleType.UUBAR,
    SampleType.SSBAR,
    SampleType.CCBAR,
    SampleType.MIXED,
    SampleType.CHARGED,
    SampleType.SIGNAL,
)

RC: Mapping[str, object] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same everywhere, and it has ν, η and σ
    "mathtext.fontset": "dejavusans",
    "font.size": 10.5,
    "axes.labelsize": 11.5,
    "axes.linewidth": 0.9,
    "axes.xmargin": 0.0,
    "axes.formatter.use_mathtext": False,  # plain numbers: parsing each as mathematics costs most of the time
    "axes.formatter.limits": (-4, 6),
    "axes.unicode_minus": True,
    "xaxis.labellocation": "right",
    "yaxis.labellocation": "top",
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "xtick.major.pad": 5.0,
    "ytick.major.pad": 5.0,
    "xtick.major.size": 5.5,
    "ytick.major.size": 5.5,
    "xtick.minor.size": 3.0,
    "ytick.minor.size": 3.0,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "legend.labelspacing": 0.35,
    "hatch.linewidth": 0.6,
    "hatch.color": EDGE,
    "lines.linewidth": 1.6,
    "patch.linewidth": 0.8,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "savefig.dpi": 150,
    "svg.fonttype": "path",  # looks the same wherever it is opened
    "svg.hashsalt": "knunu",  # element names would be random otherwise
}


@dataclass(frozen=True)
class Tag:
    """What stands above every figure.

    Attributes
    ----------
    text
        What the events are: "Toy simulation", "Simulation", … Never a collaboration's approval.
    luminosity
        fb⁻¹, to which the expectation is normalised; None where it is not known (any workspace).
    """

    text: str
    luminosity: float | None


def styled(make: Callable[Parameters, Figure]) -> Callable[Parameters, Figure]:
    """Run a figure function under the project's style, and leave matplotlib's settings as they were."""

    @functools.wraps(make)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
        with mpl.rc_context(dict(RC)):
            return make(*args, **kwargs)

    return wrapped


def new_figure(width: float = 7.2, height: float = 5.2, *, pad: float = 0.04, space: float = 0.02) -> Figure:
    """Return an empty figure; sizes in inches. pyplot is not used, so nothing lingers in memory.

    Parameters
    ----------
    width, height
        Size, inches.
    pad
        Distance around every panel, inches.
    space
        Distance between panels, in parts of a panel.
    """
    engine = ConstrainedLayoutEngine(w_pad=pad, h_pad=pad, wspace=space, hspace=space)
    return Figure(figsize=(width, height), layout=engine)


def figure_with_panel(width: float = 7.2, height: float = 6.0) -> tuple[Figure, Axes, Axes]:
    """Return a figure with main axes and a panel for the ratio below, on a common x axis."""
    figure = new_figure(width, height, pad=0.03, space=0.0)
    main, panel = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (3.2, 1.0)})
    return figure, main, panel


def put_tag(axes: Axes, tag: Tag, extra: str = "", *, right: str | None = None) -> None:
    """Write the tag above the axes.

    Parameters
    ----------
    axes
        Where.
    tag
        What the events are stands on the left, their luminosity on the right.
    extra
        Beside what the events are.
    right
        In place of the luminosity; "" leaves the place empty.
    """
    left = axes.text(0.0, 1.015, tag.text, transform=axes.transAxes, ha="left", va="bottom", fontweight="bold")
    if extra:
        axes.annotate(extra, (1.0, 0.0), xycoords=left, xytext=(7, 0), textcoords="offset points", va="bottom")
    axes.text(
        1.0,
        1.015,
        luminosity_label(tag) if right is None else right,
        transform=axes.transAxes,
        ha="right",
        va="bottom",
    )


def asimov_label(mu: float | None) -> str:
    """Return what stands above a figure of an Asimov data set; empty for data."""
    return "" if mu is None else f"Asimov data, μ = {mu:g}"


def luminosity_label(tag: Tag) -> str:
    """Return the luminosity as it stands above a figure; empty where it is not known."""
    if tag.luminosity is None:
        return ""
    return rf"$\int L\,\mathrm{{d}}t = {tag.luminosity:g}\ \mathrm{{fb}}^{{-1}}$"


def headroom(axes: Axes, factor: float) -> None:
    """Raise the upper end of the y axis by ``factor`` (in decades on a log axis) to make room for a legend."""
    low, high = axes.get_ylim()
    if axes.get_yscale() == "log":
        axes.set_ylim(low, high * (high / low) ** (factor - 1.0))
    else:
        axes.set_ylim(low, low + (high - low) * factor)


def text_colour(background: tuple[float, float, float]) -> str:
    """Return black or white, whichever reads better on an RGB background (relative luminance, WCAG 2.1)."""
    rgb = np.asarray(background, dtype=float)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return "black" if float(linear @ (0.2126, 0.7152, 0.0722)) > 0.179 else "white"


def save(figure: Figure, path: str | Path, provenance: JsonValue = None) -> None:
    """Write a figure as SVG, atomically. The same figure gives the same bytes: no dates.

    Parameters
    ----------
    figure
        The figure.
    path
        File to write.
    provenance
        Travels inside, as JSON in the description of the file's metadata.
    """
    description = None if provenance is None else io.canonical_json(provenance)
    with mpl.rc_context(dict(RC)), io.atomic(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None, "Description": description})
