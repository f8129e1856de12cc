"""What the BDT does: ROC, overtraining, importance, correlations of its inputs, η over q²."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from analysis.plots.histograms import Floats, draw_step
from analysis.plots.labels import axis_label, symbol
from analysis.plots.matrices import draw_matrix
from analysis.plots.style import (
    BACKGROUND_COLOUR,
    DARK,
    DASHES,
    EDGE,
    GREY,
    SEQUENCE,
    SIGNAL_COLOUR,
    Tag,
    figure_with_panel,
    headroom,
    new_figure,
    put_tag,
    styled,
)


@dataclass(frozen=True)
class Roc:
    """One fold's curve.

    Attributes
    ----------
    label
        Name in the legend.
    signal, background : (n,) float64
        Fractions of events above a threshold that falls from 1 to 0.
    area, area_error
        Probability that a signal event scores above a background event, and its error.
    """

    label: str
    signal: Floats
    background: Floats
    area: float
    area_error: float


@styled
def roc(curves: Sequence[Roc], tag: Tag) -> Figure:
    """Return background efficiency over signal efficiency, one curve per fold."""
    figure = new_figure(6.4, 5.2)
    axes = figure.subplots()
    lowest = 1.0
    for index, curve in enumerate(curves):
        seen = (curve.background > 0) & (curve.signal > 0)
        axes.plot(
            curve.signal[seen],
            curve.background[seen],
            color=SEQUENCE[index % len(SEQUENCE)],
            linestyle=DASHES[index % len(DASHES)],
            label=f"{curve.label}: AUC {curve.area:.4f} ± {curve.area_error:.4f}",
        )
        lowest = min(lowest, float(curve.background[seen & (curve.signal > 0.02)].min(initial=1.0)))
    guess = np.linspace(0.0, 1.0, 200)
    axes.plot(guess[1:], guess[1:], color=GREY, linewidth=0.9, linestyle=(0, (1, 2)), label="no separation")
    axes.set_yscale("log")
    axes.set_xlim(0, 1)
    axes.set_ylim(lowest / 2, 1.0)
    axes.set_xlabel("Signal efficiency")
    axes.set_ylabel("Background efficiency")
    axes.legend(loc="lower right")
    put_tag(axes, tag)
    return figure


@dataclass(frozen=True)
class ScoreHistograms:
    """BDT output of signal and background in events used for training and in those held out; unit area each.

    Attributes
    ----------
    edges : (B + 1,) float64
        Bin edges of the score.
    train_signal, train_background, test_signal, test_background : (B,) float64
        Densities.
    test_signal_error, test_background_error : (B,) float64
        Their statistical errors.
    """

    edges: Floats
    train_signal: Floats
    train_background: Floats
    test_signal: Floats
    test_background: Floats
    test_signal_error: Floats
    test_background_error: Floats


@styled
def overtraining(shown: ScoreHistograms, tag: Tag, note: str = "") -> Figure:
    """Return the BDT output in training events (lines) and held-out events (points), with their ratio below."""
    figure, main, panel = figure_with_panel()
    for name, colour, train, test, error in (
        ("signal", SIGNAL_COLOUR, shown.train_signal, shown.test_signal, shown.test_signal_error),
        ("background", BACKGROUND_COLOUR, shown.train_background, shown.test_background, shown.test_background_error),
    ):  # fmt: skip
        draw_step(main, shown.edges, train, colour, f"{name}, training")
        centres = (shown.edges[:-1] + shown.edges[1:]) / 2
        marker = "o" if name == "signal" else "s"
        main.errorbar(
            centres,
            test,
            yerr=error,
            label=f"{name}, held out",
            fmt=marker,
            color=colour,
            markersize=4.0,
            linewidth=1.1,
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(train > 0, test / train, np.nan)
            spread = np.where(train > 0, error / train, np.nan)
        seen = np.isfinite(ratio) & (test > 0)
        shift = (0.12 if name == "signal" else -0.12) * (shown.edges[1] - shown.edges[0])
        panel.errorbar(
            centres[seen] + shift,
            ratio[seen],
            yerr=spread[seen],
            fmt=marker,
            color=colour,
            markersize=4.0,
            linewidth=1.1,
        )
    main.set_yscale("log")
    headroom(main, 1.35)
    main.set_ylabel("Density")
    main.legend(loc="upper center", ncols=2, title=note or None, title_fontsize=9)
    put_tag(main, tag)
    panel.axhline(1.0, color=EDGE, linewidth=0.8)
    panel.set_ylim(0.4, 1.6)
    panel.set_ylabel("Held out /\ntraining", loc="center")
    panel.set_xlabel("BDT output")
    return figure


@dataclass(frozen=True)
class Importance:
    """How much one input matters: mean over the folds and spread among them.

    Attributes
    ----------
    column
        Name in the data model.
    gain, gain_spread
        Share of the trees' total gain.
    loss, loss_spread
        Loss of out-of-fold AUC when the column is shuffled.
    """

    column: str
    gain: float
    gain_spread: float
    loss: float
    loss_spread: float


@styled
def importance(shown: Sequence[Importance], tag: Tag) -> Figure:
    """Return the importance of every input, largest gain first."""
    ranked = sorted(shown, key=lambda item: -item.gain)
    figure = new_figure(9.4, 1.3 + 0.25 * len(ranked))
    left, right = figure.subplots(1, 2, sharey=True)
    rows = np.arange(len(ranked))
    for axes, values, spreads, label in (
        (left, [item.gain for item in ranked], [item.gain_spread for item in ranked], "Share of the total gain [%]"),
        (right, [item.loss for item in ranked], [item.loss_spread for item in ranked], "Loss of AUC if shuffled [%]"),
    ):
        axes.barh(
            rows, 100 * np.asarray(values), xerr=100 * np.asarray(spreads), color=BACKGROUND_COLOUR, height=0.72,
            error_kw={"ecolor": DARK, "elinewidth": 1.1},
        )  # fmt: skip
        axes.axvline(0.0, color=DARK, linewidth=0.8)
        axes.margins(x=0.04)
        axes.set_xlabel(label)
        axes.tick_params(axis="y", which="both", left=False, right=False)
    left.set_xlim(0, None)
    left.set_yticks(rows, [symbol(item.column) for item in ranked])
    left.set_ylim(len(ranked) - 0.4, -0.6)
    put_tag(left, tag, right="")
    put_tag(right, Tag("", None), right="bars: mean and spread of the folds")
    return figure


@styled
def input_correlations(names: Sequence[str], signal: Floats, background: Floats, tag: Tag) -> Figure:
    """Return the correlations of the inputs: background below the diagonal, signal above it.

    Parameters
    ----------
    names
        Columns.
    signal, background : (n, n) float64
        Correlations; NaN where they are not defined.
    tag
        Text above the figure.
    """
    size = len(names)
    figure = new_figure(2.6 + 0.31 * size, 2.2 + 0.29 * size)
    axes = figure.subplots()
    both = np.where(np.tri(size, k=-1, dtype=bool), background, signal)
    np.fill_diagonal(both, np.nan)
    draw_matrix(axes, both, [symbol(name) for name in names], figure, size_of_text=6.2)
    axes.plot([-0.5, size - 0.5], [-0.5, size - 0.5], color=DARK, linewidth=0.8)
    put_tag(axes, tag, right="above the diagonal: signal; below: background")
    return figure


@styled
def q2_correlations(names: Sequence[str], signal: Floats, background: Floats, tag: Tag) -> Figure:
    """Return each input's correlation with q²_rec: an input that knows q² sculpts that axis of the fit.

    Parameters
    ----------
    names
        Columns.
    signal, background : (n,) float64
        Correlation of each column with q²_rec; NaN where it is not defined.
    tag
        Text above the figure.
    """
    figure = new_figure(7.6, 1.2 + 0.25 * len(names))
    axes = figure.subplots()
    strength = np.fmax(np.abs(np.nan_to_num(signal)), np.abs(np.nan_to_num(background)))
    order = np.argsort(-strength, kind="stable")
    rows = np.arange(len(names))
    axes.barh(rows - 0.2, 100 * signal[order], height=0.38, color=SIGNAL_COLOUR, label="signal")
    axes.barh(rows + 0.2, 100 * background[order], height=0.38, color=BACKGROUND_COLOUR, label="background")
    axes.axvline(0.0, color=DARK, linewidth=0.8)
    axes.set_yticks(rows, [symbol(names[index]) for index in order])
    axes.tick_params(axis="y", which="both", left=False, right=False)
    axes.set_ylim(len(names) - 0.4, -0.6)
    reach = 108 * float(strength.max(initial=0.05))
    axes.set_xlim(-reach, reach)
    axes.set_xlabel(r"Linear correlation with $q^2_\mathrm{rec}$ [%]")
    axes.legend(loc="lower right")
    put_tag(axes, tag)
    return figure


@styled
def eta_profile(edges: Floats, signal: tuple[Floats, Floats], background: tuple[Floats, Floats], tag: Tag) -> Figure:
    """Return the mean η in bins of q²_rec.

    Parameters
    ----------
    edges : (B + 1,) float64
        Of q²_rec, GeV²/c⁴.
    signal, background : pair of (B,) float64
        Mean and its error; NaN in empty bins.
    tag
        Text above the figure.
    """
    figure = new_figure(7.2, 4.6)
    axes = figure.subplots()
    centres, half = (edges[:-1] + edges[1:]) / 2, np.diff(edges) / 2
    for (mean, error), colour, marker, label in (
        (signal, SIGNAL_COLOUR, "o", "signal"),
        (background, BACKGROUND_COLOUR, "s", "background"),
    ):
        seen = np.isfinite(mean)
        axes.errorbar(
            centres[seen], mean[seen], xerr=half[seen], yerr=error[seen], fmt=marker, color=colour,
            markersize=4.5, linewidth=1.2, label=label,
        )  # fmt: skip
    axes.set_xlim(float(edges[0]), float(edges[-1]))
    axes.set_ylim(0, 1)
    axes.set_xlabel(axis_label("q2_rec"))
    axes.set_ylabel(rf"Mean {symbol('eta')}")
    axes.legend(loc="upper right")
    put_tag(axes, tag)
    return figure
