"""Closure: pulls of pseudo-experiments beside the normal distribution, one panel per true signal strength."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.plots.style import BACKGROUND_COLOUR, Tag, headroom, new_figure, put_tag, styled

REACH, STEP = 4.0, 0.5
LINE = 36  # characters of small print in a panel


@dataclass(frozen=True)
class Pulls:
    """Pulls at one true signal strength.

    Attributes
    ----------
    mu
        The true signal strength.
    values : (n,) float64
        Pulls; those beyond ±4 are drawn in the outermost bins.
    mean, width, expected_width
        Of the pulls; the width that half the simulation leads one to expect.
    verdict
        Whether they close, in a word or two.
    """

    mu: float
    values: NDArray[np.float64]
    mean: float
    width: float
    expected_width: float
    verdict: str


@styled
def pulls(shown: Sequence[Pulls], tag: Tag) -> Figure:
    """Return histograms of pulls, each with a normal distribution of the same area.

    Parameters
    ----------
    shown
        One panel each.
    tag
        Text above the figure.
    """
    figure = new_figure(0.6 + 3.6 * len(shown), 4.0)
    edges = np.arange(-REACH, REACH + STEP / 2, STEP)
    line = np.linspace(-REACH, REACH, 161)
    for number, (axes, each) in enumerate(zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True)):
        inside = np.clip(each.values, -REACH + STEP / 2, REACH - STEP / 2)
        axes.hist(inside, edges, color=BACKGROUND_COLOUR, label=f"{len(each.values)} pseudo-experiments")
        normal = np.exp(-0.5 * line**2) / np.sqrt(2 * np.pi) * len(each.values) * STEP
        axes.plot(line, normal, color="black", linewidth=1.2, label="normal distribution")
        axes.set_xlim(-REACH, REACH)
        axes.set_xlabel(r"pull: $\pm\sqrt{2\Delta\mathrm{NLL}(\mu)}$")
        headroom(axes, 1.95)
        said = [
            *fill(f"μ = {each.mu:g}: {each.verdict}", LINE).splitlines(),
            f"mean {each.mean:.2f}, width {each.width:.2f} ({each.expected_width:.2f} expected)",
        ]
        axes.text(0.04, 0.97, "\n".join(said), transform=axes.transAxes, va="top", fontsize=8)
        if number == 0:
            axes.set_ylabel(f"Pseudo-experiments / {STEP:g}")
            axes.legend(loc="upper left", bbox_to_anchor=(0.0, 0.81), fontsize=8, frameon=False)
            put_tag(axes, tag, right="")
    return figure
