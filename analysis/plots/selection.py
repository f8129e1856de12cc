"""The cut flow as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.basf2 import SampleType
from analysis.plots.histograms import Floats
from analysis.plots.labels import SAMPLE_LABELS, typeset
from analysis.plots.style import DARK, SAMPLE_COLOURS, STACK_ORDER, Tag, new_figure, put_tag, styled


@dataclass(frozen=True)
class Flow:
    """What the cuts leave of one sample.

    Attributes
    ----------
    type
        Type of the sample.
    steps
        Names of the steps.
    expected
        Events expected in the data's luminosity after each step; None where nobody counted.
    """

    type: SampleType
    steps: tuple[str, ...]
    expected: tuple[float | None, ...]


@styled
def cut_flow(flows: Sequence[Flow], tag: Tag) -> Figure:
    """Return the expected events after every cut, and the signal's efficiency and purity beside it.

    Parameters
    ----------
    flows
        One for each simulated sample, all with the same steps; samples of one type are added.
    tag
        Text above the figure.
    """
    steps = flows[0].steps
    figure = new_figure(9.8, 1.5 + 0.26 * len(steps))
    left, right = figure.subplots(1, 2, sharey=True, gridspec_kw={"width_ratios": (1.7, 1.0)})
    rows = np.arange(len(steps))
    totals = {
        kind: _total([flow for flow in flows if flow.type is kind])
        for kind in reversed(STACK_ORDER)
        if any(flow.type is kind for flow in flows)
    }
    for kind, values in totals.items():
        left.plot(
            np.where(values > 0, values, np.nan), rows, marker="o", markersize=3.5,
            linewidth=1.3, color=SAMPLE_COLOURS[kind], label=SAMPLE_LABELS[kind],
        )  # fmt: skip
    left.set_xscale("log")
    left.margins(x=0.03)
    left.set_ylim(len(steps) - 0.5, -0.5)
    left.set_yticks(rows, [typeset(step) for step in steps])
    left.tick_params(axis="y", which="minor", left=False, right=False)
    left.set_xlabel("Expected candidates")
    left.grid(axis="y", color="#e4e4e6", linewidth=0.7)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=len(totals), columnspacing=1.4)
    put_tag(left, tag)
    _efficiency_and_purity(right, rows, totals)
    return figure


def _total(flows: Sequence[Flow]) -> Floats:
    table = np.array([[np.nan if value is None else value for value in flow.expected] for flow in flows], dtype=float)
    return np.asarray(table.sum(axis=0), dtype=float)


def _efficiency_and_purity(axes: Axes, rows: NDArray[np.int_], totals: Mapping[SampleType, Floats]) -> None:
    signal = totals.get(SampleType.SIGNAL)
    background = [values for kind, values in totals.items() if kind is not SampleType.SIGNAL]
    if signal is None or not background:
        axes.set_axis_off()
        return
    total = np.sum(background, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        efficiency = signal / signal[0]
        purity = signal / (signal + total)
    axes.plot(efficiency, rows, "o-", markersize=3.5, linewidth=1.3, color=DARK, label="efficiency")
    axes.plot(purity, rows, "s--", markersize=3.5, linewidth=1.3, color="#832db6", label="purity")
    axes.set_xscale("log")
    axes.margins(x=0.06)
    axes.tick_params(axis="y", which="minor", left=False, right=False)
    axes.set_xlabel("Signal efficiency, purity")
    axes.grid(axis="y", color="#e4e4e6", linewidth=0.7)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.1)
