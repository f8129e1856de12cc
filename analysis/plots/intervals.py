"""Intervals and limits from toys: distributions, coverage, Neyman's construction, CLs, Feldman and Cousins."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import chi2, norm

from analysis.inference.belt import critical_root
from analysis.inference.results import Belt, Limits, Scan, ToyStudy
from analysis.plots.style import (
    ACCENT_COLOUR,
    BACKGROUND_COLOUR,
    DARK,
    GREEN,
    GREY,
    SIGNAL_COLOUR,
    YELLOW,
    Tag,
    asimov_label,
    headroom,
    new_figure,
    put_tag,
    styled,
)

METHOD_COLOURS = {"profile likelihood": BACKGROUND_COLOUR, "Neyman, toys": SIGNAL_COLOUR}


@styled
def toys(study: ToyStudy, tag: Tag) -> Figure:
    """Return the distributions of μ̂ and of its pull, one column for each true value."""
    columns = len(study.points)
    figure = new_figure(2.6 * columns + 1.0, 5.6)
    panels = figure.subplots(2, columns, squeeze=False, sharey="row")
    grid = np.linspace(-4, 4, 161)
    for (top, bottom), point in zip(panels.T, study.points, strict=True):
        reach = 4 * point.spread or 1.0  # all at a bound
        low, high = point.mean - reach, point.mean + reach
        top.hist(point.mu_hat, bins=np.linspace(low, high, 41).tolist(), color=BACKGROUND_COLOUR, alpha=0.75)
        top.axvline(point.mu, color=SIGNAL_COLOUR, linewidth=1.4)
        top.set_xlabel(r"$\hat{\mu}$")
        top.set_title(rf"true $\mu = {point.mu:g}$", fontsize=10, pad=20)
        bias = f"bias {point.bias:+.2f} ± {point.bias_error:.2f}\nspread {point.spread:.2f}"
        top.text(
            0.04, 0.96, bias.replace("-", "−"), transform=top.transAxes, va="top", fontsize=8.5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0},
        )  # fmt: skip
        bottom.hist(point.pulls, bins=np.linspace(-4, 4, 41).tolist(), color=BACKGROUND_COLOUR, alpha=0.75)
        bottom.plot(grid, len(point.pulls) * 0.2 * norm.pdf(grid), color=DARK, linewidth=1.2)
        bottom.set_xlabel(r"$(\hat{\mu}-\mu)/\sigma$")
        pull = "no errors: at a bound"
        if point.pull_mean is not None:
            pull = f"mean {point.pull_mean:+.2f}\nwidth {point.pull_width:.2f}"
        bottom.text(0.04, 0.96, pull.replace("-", "−"), transform=bottom.transAxes, va="top", fontsize=8.5)
    for row in panels:
        row[0].set_ylabel("Toys")
        headroom(row[0], 1.3)
    put_tag(panels[0][0], tag, right="")
    put_tag(panels[0][-1], Tag("", tag.luminosity), right=f"{study.points[0].n} toys each")
    return figure


@styled
def coverage(study: ToyStudy, tag: Tag) -> Figure:
    """Return the covered share over the true value for each level and method, with the tolerance as a band."""
    levels = sorted({entry.level for entry in study.points[0].coverage})
    methods = list(dict.fromkeys(entry.method for entry in study.points[0].coverage))
    figure = new_figure(7.2, 2.1 * len(levels) + 1.5)
    panels = figure.subplots(len(levels), 1, sharex=True, squeeze=False)[:, 0]
    span = max(point.mu for point in study.points) - min(point.mu for point in study.points) or 1.0
    for axes, level in zip(panels[::-1], levels, strict=True):
        axes.axhspan(level - study.tolerance, level + study.tolerance, color=GREEN, linewidth=0, label="tolerance")
        axes.axhline(level, color=GREY, linewidth=0.9)
        for k, method in enumerate(methods):
            entries = [
                (point.mu, entry)
                for point in study.points
                for entry in point.coverage
                if (entry.level, entry.method) == (level, method)
            ]
            shares = np.array([entry.covered for _, entry in entries])
            errors = [shares - [e.interval[0] for _, e in entries], [e.interval[1] for _, e in entries] - shares]
            quoted = " (quoted)" if method == study.quoted else ""
            axes.errorbar(
                [mu + 0.012 * span * (2 * k - len(methods) + 1) for mu, _ in entries], shares, yerr=errors,
                fmt="os"[k], color=METHOD_COLOURS[method], markersize=4.5, linewidth=1.3, label=f"{method}{quoted}",
            )  # fmt: skip
        lowest = min([level - 2.2 * study.tolerance, *(_lowest(study, level))])
        axes.set_ylim(lowest - 0.01, max(level + 2.2 * study.tolerance, _highest(study, level) + 0.01))
        axes.set_ylabel(f"Coverage, {100 * level:.3g} %")
    low, high = min(point.mu for point in study.points), max(point.mu for point in study.points)
    panels[-1].set_xlim(low - 0.08 * span, high + 0.08 * span)
    panels[-1].set_xlabel(r"True $\mu$")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    put_tag(panels[0], tag, right=f"{study.points[0].n} toys each; bars: 95 % intervals")
    return figure


def _lowest(study: ToyStudy, level: float) -> list[float]:
    return [entry.interval[0] for point in study.points for entry in point.coverage if entry.level == level]


def _highest(study: ToyStudy, level: float) -> float:
    return max(entry.interval[1] for point in study.points for entry in point.coverage if entry.level == level)


@styled
def belt(shown: Belt | None, scan: Scan, tag: Tag) -> Figure:
    """Return Neyman's construction: critical values of 2ΔNLL over μ, and the observed 2ΔNLL.

    Parameters
    ----------
    shown
        The belt; None where the asymptotic critical values hold.
    scan
        The profile likelihood over μ.
    tag
        Text above the figure.
    """
    figure = new_figure(7.2, 5.0)
    axes = figure.subplots()
    values = np.array([point.values[0] for point in scan.points])
    heights = np.array([point.twice_delta_nll for point in scan.points])
    levels = shown.levels if shown else [0.6827, 0.90]
    top = 0.0
    for k, level in enumerate(levels):
        colour = (BACKGROUND_COLOUR, SIGNAL_COLOUR)[k % 2]
        quantile = float(chi2.ppf(level, 1))
        axes.axhline(
            quantile, color=colour, linewidth=1.0, linestyle=(0, (4, 3)), label=f"{100 * level:.3g} %, asymptotic"
        )
        top = max(top, quantile)
        if shown is not None:
            critical = np.array([point.critical[k] for point in shown.points])
            mus = [point.mu for point in shown.points]
            axes.plot(mus, critical, "o", color=colour, markersize=3.5, label=f"{100 * level:.3g} %, toys")
            fine = np.linspace(mus[0], mus[-1], 200)
            axes.plot(fine, [critical_root(shown, level, mu) ** 2 for mu in fine.tolist()], color=colour)
            top = max(top, float(critical.max()))
    axes.plot(values, heights, color=DARK, linewidth=1.6, label="Asimov data" if scan.asimov is not None else "data")
    axes.set_xlim(values.min(), values.max())
    axes.set_ylim(0, 1.25 * top)
    headroom(axes, 1.25)
    axes.set_xlabel(r"$\mu$")
    axes.set_ylabel(r"$2\,\Delta\mathrm{NLL}$ and its critical value")
    axes.legend(loc="upper center", ncols=3, frameon=True, facecolor="white", edgecolor="none", framealpha=1.0)
    put_tag(axes, tag, "" if shown else "asymptotic intervals cover")
    return figure


@styled
def limits(shown: Limits, tag: Tag) -> Figure:
    """Return CLs from toys over μ with the bands of background only, and the Feldman–Cousins belt if there is one."""
    figure = new_figure(7.2, 5.2 if shown.feldman_cousins is None else 8.2)
    rows = 1 if shown.feldman_cousins is None else 2
    panels = figure.subplots(rows, 1, squeeze=False)[:, 0]
    axes = panels[0]
    if shown.toys is not None:
        points = shown.toys.points
        x = np.array([point.mu for point in points])
        bands = np.array([point.expected for point in points])
        axes.fill_between(x, bands[:, 0], bands[:, 4], color=YELLOW, linewidth=0, label="expected ± 2σ")
        axes.fill_between(x, bands[:, 1], bands[:, 3], color=GREEN, linewidth=0, label="expected ± 1σ")
        axes.plot(x, bands[:, 2], color=GREY, linestyle=(0, (4, 3)), label="expected, median")
        axes.errorbar(
            x, [p.cls for p in points], yerr=[p.cls_error for p in points], fmt="o-", color=DARK, markersize=3.2,
            label="observed" if shown.asimov is None else "Asimov data",
        )  # fmt: skip
        level, found = shown.toys.limit.level, shown.toys.limit.observed
        axes.axhline(1 - level, color=SIGNAL_COLOUR, linewidth=1.0)
        axes.axvline(
            found, color=ACCENT_COLOUR, linewidth=1.4, linestyle=(0, (1.5, 1.5)),
            label=rf"$\mu<{found:.2f}$ at {100 * level:g} % CL, toys",
        )  # fmt: skip
        axes.axvline(
            shown.asymptotic[0].observed, color=BACKGROUND_COLOUR, linewidth=1.2,
            label=rf"$\mu<{shown.asymptotic[0].observed:.2f}$, asymptotic",
        )  # fmt: skip
        axes.set_yscale("log")
        axes.set_ylim(max(1e-3, 0.3 * min(p.cls for p in points if p.cls > 0)), 1.6)
        axes.legend(fontsize=8.5)
    axes.set_xlabel(r"$\mu$")
    axes.set_ylabel(r"CL$_s$")
    put_tag(axes, tag, asimov_label(shown.asimov))
    if shown.feldman_cousins is not None:
        _feldman_cousins(panels[1], shown)
    return figure


def _feldman_cousins(axes: Axes, shown: Limits) -> None:
    interval = shown.feldman_cousins
    assert interval is not None
    x = [point.mu for point in interval.points]
    axes.plot(
        x,
        [point.critical for point in interval.points],
        "o-",
        color=SIGNAL_COLOUR,
        markersize=3.4,
        label="critical value from toys",
    )
    axes.axhline(
        float(chi2.ppf(interval.level, 1)),
        color=GREY,
        linewidth=0.9,
        linestyle=(0, (4, 3)),
        label="asymptotic, far from 0",
    )
    axes.plot(x, [point.t for point in interval.points], color=DARK, label="observed")
    axes.axvspan(
        interval.lower, interval.upper, color="#cfe3f6", linewidth=0,
        label=f"Feldman–Cousins, {100 * interval.level:g} %: [{interval.lower:.2f}, {interval.upper:.2f}]",
    )  # fmt: skip
    axes.set_ylim(0, 2.4 * max(point.critical for point in interval.points))
    axes.set_xlim(x[0], x[-1])
    axes.set_xlabel(r"$\mu$")
    axes.set_ylabel(r"$\tilde{t}_\mu$")
    axes.legend(fontsize=8.5, loc="upper left")
