"""The validation's figure: the peak before and after, interval by interval."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from analysis.campaign.toy.peak import Peak
from analysis.plots.style import ACCENT_COLOUR, BACKGROUND_COLOUR, GREY, new_figure, styled


@styled
def draw(pairs: Sequence[tuple[str, Peak, Peak]], label: str) -> Figure:
    """Return the figure.

    Parameters
    ----------
    pairs
        For each interval: its name, the fit without and the fit with the new constant.
    label
        Of the x axis.
    """
    figure = new_figure(4.2 * len(pairs), 3.8)
    for axes, (title, before, after) in zip(figure.subplots(1, len(pairs), squeeze=False)[0], pairs, strict=True):
        for peak, colour, name in ((before, GREY, "before"), (after, BACKGROUND_COLOUR, "after")):
            centres = (peak.edges[1:] + peak.edges[:-1]) / 2
            axes.stairs(peak.counts, peak.edges, color=colour, label=f"{name}: {peak.position:.5f} ± {peak.error:.5f}")
            axes.plot(centres, peak.expected(), color=colour, linestyle="--", linewidth=1.0)
        axes.axvline(1.0, color=ACCENT_COLOUR, linewidth=0.8)
        axes.set_ylim(0, 1.4 * max(before.counts.max(), after.counts.max()))
        axes.set_xlabel(label)
        axes.set_ylabel("Entries")
        axes.set_title(title, fontsize=10)
        axes.legend(loc="upper left", fontsize=8)
    return figure
