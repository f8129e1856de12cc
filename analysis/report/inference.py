"""Pages about the likelihood's behaviour: coverage of its intervals, impacts and shares of its parameters."""

from __future__ import annotations

from analysis.inference.results import FitResult, Impacts, Interval, Sensitivities, ToyStudy
from analysis.report.html import Cell, Markup, fold_out, heading, paragraph, table
from analysis.report.summary import asymmetric
from analysis.report.tables import number

NUISANCES = {
    "auxiliary": "auxiliary measurements fluctuate about the true nuisance parameters (conditional on them)",
    "parameters": "nuisance parameters are drawn from their constraints (sampled), auxiliary measurements stay",
}
TRUTHS = {
    "nominal": "nuisance parameters are true at their initial values",
    "fitted": "nuisance parameters are true where the fitted data put them at each μ",
}
MOST_ROWS = 30


def coverage_page(study: ToyStudy, result: FitResult) -> list[Markup]:
    """Return the content of the page about toys: pass or fail first, then the numbers."""
    verdict = "passed" if study.passed else "FAILED"
    n = study.points[0].n
    methods = {
        "profile likelihood": "The asymptotic intervals (2ΔNLL below its χ² quantile) cover: they are quoted.",
        "Neyman, toys": "The asymptotic intervals (2ΔNLL below its χ² quantile) do not cover at every true value: the "
        "intervals of Neyman's construction are quoted, whose critical values come from toys of their own.",
    }
    content = [
        paragraph(Markup(f"<strong>Coverage of the quoted intervals: {verdict}.</strong> {methods[study.quoted]}")),
        paragraph(
            f"{n} toys at each true value; {NUISANCES[study.nuisances]}; {TRUTHS[study.truth]}. Within "
            f"{100 * study.tolerance:g} % of the nominal level passes. Seed {study.seed}."
        ),
    ]
    if study.too_few:
        content.append(paragraph(study.too_few, note=True))
    content += [heading("Coverage"), _coverage_table(study), heading("Intervals"), _intervals(result)]
    content += [heading("Bias and pulls"), _bias_table(study)]
    content.append(
        paragraph(
            "Below 0: toys whose best fit would expect less than nothing in a bin without events. The model takes 0 "
            "there, so that nothing is gained by it; they are kept.",
            note=True,
        )
    )
    if study.belt is not None:
        content.append(fold_out("Critical values of 2ΔNLL", _belt_table(study)))
    return content


def _coverage_table(study: ToyStudy) -> Markup:
    rows: list[list[Cell]] = [
        [
            f"{point.mu:g}",
            f"{100 * entry.level:.3g} %",
            entry.method + (" (quoted)" if entry.method == study.quoted else ""),
            f"{100 * entry.covered:.2f} %",
            f"{100 * entry.interval[0]:.2f} – {100 * entry.interval[1]:.2f} %",
            "pass" if entry.passed else Markup("<strong>FAIL</strong>"),
        ]
        for point in study.points
        for entry in point.coverage
    ]
    return table(
        ["true μ", "level", "method", "covered", "95 % interval", "verdict"],
        rows,
        ours=[k for k, row in enumerate(rows) if str(row[2]).endswith("(quoted)")],
    )


def _intervals(result: FitResult) -> Markup:
    rows: list[list[Cell]] = []
    for each in result.intervals:
        ends = [f"{number(end, 4)}{' (bound)' if bound else ''}" for end, bound in _ends(each)]
        method = each.method + (" (quoted)" if each.quoted else "")
        rows.append([f"{100 * each.level:.3g} %", method, *ends])
    quoted = [k for k, each in enumerate(result.intervals) if each.quoted]
    return table(["level", "method", "lower end", "upper end"], rows, ours=quoted)


def _ends(interval: Interval) -> list[tuple[float, bool]]:
    return list(zip((interval.lower, interval.upper), interval.at_bound, strict=True))


def _bias_table(study: ToyStudy) -> Markup:
    rows: list[list[Cell]] = [
        [
            f"{point.mu:g}",
            str(point.n - point.n_failed),
            str(point.n_failed),
            str(point.n_negative),
            f"{number(point.bias, 3)} ± {number(point.bias_error, 2)}",
            number(point.spread, 3),
            "–" if point.pull_mean is None else f"{point.pull_mean:.2f}".replace("-", "−"),
            "–" if point.pull_width is None else f"{point.pull_width:.2f}",
        ]
        for point in study.points
    ]
    return table(
        ["true μ", "toys", "failed fits", "below 0", "bias of μ̂", "spread of μ̂", "mean pull", "width of pulls"], rows
    )


def _belt_table(study: ToyStudy) -> Markup:
    assert study.belt is not None
    rows: list[list[Cell]] = [
        [number(point.mu, 3), str(point.n), *(f"{value:.3f}" for value in point.critical)]
        for point in study.belt.points
    ]
    return table(["true μ", "toys", *(f"{100 * level:.3g} %" for level in study.belt.levels)], rows)


def impacts_page(impacts: Impacts) -> list[Markup]:
    """Return the content of the page about impacts."""
    what = "data" if impacts.asimov is None else f"Asimov data of μ = {impacts.asimov:g}"
    shares: list[list[Cell]] = [
        [
            share.name,
            f"{share.sigma:.3f}".replace("-", "−"),
            str(len(share.parameters)) if share.parameters else "",
        ]
        for share in impacts.groups
    ]
    shares.append(["total", f"{impacts.error:.3f}", ""])
    rows: list[list[Cell]] = [
        [
            row.name,
            f"{row.up:+.4f}".replace("-", "−"),
            f"{row.down:+.4f}".replace("-", "−"),
            "free" if row.pull is None else f"{row.pull:+.2f}".replace("-", "−"),
            "" if row.constraint is None else f"{row.constraint:.2f}",
        ]
        for row in impacts.impacts
    ]
    head: list[Cell] = ["parameter", "shift up", "shift down", "pull", "error / prior"]
    rest = (
        [fold_out(f"The other {len(rows) - MOST_ROWS}", table(head, rows[MOST_ROWS:]))] if len(rows) > MOST_ROWS else []
    )
    return [
        paragraph(f"Fitted: {what}. μ = {impacts.value:.3f} ± {impacts.error:.3f} (Hessian).".replace("-", "−")),
        heading("Groups of parameters"),
        table(["group", "share of σ(μ)", "parameters"], shares, ours=[len(shares) - 1]),
        paragraph(
            "A group's share is what σ(μ) loses, in quadrature, when its parameters are held at their best fit; the "
            "statistical share is what is left when all constrained parameters are held. Only with the last line, that "
            "of correlations between groups, do they add up in quadrature.",
            note=True,
        ),
        heading("Parameters"),
        table(head, rows[:MOST_ROWS]),
        paragraph(
            "Shift of μ̂ with the parameter held at its best fit plus or minus its error, all others fitted again.",
            note=True,
        ),
        *rest,
    ]


def combination_page(found: Sensitivities, ours: str) -> list[Markup]:
    """Return the content of the page about the combination; ``ours`` says what our own events are."""
    rows: list[list[Cell]] = []
    for row in found.rows:
        seen: Cell = "–"
        if row.observed is not None:
            seen = asymmetric(row.observed.value, row.observed.error_lo, row.observed.error_hi)
        rows.append(
            [
                row.label + (" (not combined)" if row.role == "compared" else ""),
                asymmetric(row.mu.value, row.mu.error_lo, row.mu.error_hi),
                f"{row.significance:.2f} σ",
                f"{row.upper_limit:.2f}",
                seen,
                str(row.n_parameters),
            ]
        )
    level = f"{100 * found.level:g} %"
    head: list[Cell] = [
        "analysis",
        "μ expected at 1",
        "over 0",
        f"{level} CL limit expected",
        "μ observed",
        "parameters",
    ]
    missing = (
        []
        if any(row.label == "ITA" for row in found.rows)
        else [
            paragraph(
                "The inclusive channels (ITA) are not shown: the configuration names no file of the published "
                "likelihood (HEPData 10.17182/hepdata.166082) under combination: compare.",
                note=True,
            )
        ]
    )
    return [
        paragraph(
            f"SL: this analysis ({ours[0].lower()}{ours[1:]}). HTA: HEPData 10.17182/hepdata.166082, arXiv:2507.12393."
        ),
        table(head, rows, ours=[len(rows) - 1]),
        *missing,
        paragraph(
            "Expected: Asimov data of μ = 1, nuisance parameters at their initial values; limits without signal are "
            "medians (CLs, asymptotic). Events that two analyses have in common would be counted twice.",
            note=True,
        ),
    ]
