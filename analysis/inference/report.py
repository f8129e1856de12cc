"""Results as tables for people."""

from __future__ import annotations

import math
from collections.abc import Iterator

from analysis.inference.results import (
    BranchingFraction,
    FitResult,
    Impacts,
    Limits,
    Scan,
    Sensitivities,
    SignalStrength,
    ToyStudy,
)

# Probability in % that two parameters lie within 2ΔNLL.
CONTOURS = ((68.3, 2.30), (95.4, 6.18))


def fit_table(result: FitResult, n_parameters: int = 12) -> str:
    """Return a fit's summary and its most pulled or most constrained parameters.

    Parameters
    ----------
    result
        A fit.
    n_parameters
        How many parameters to list.
    """
    data = "data" if result.asimov is None else f"Asimov data of {result.poi} = {result.asimov:g}, no observed number"
    rows = [
        ("fitted", data),
        ("measurement", result.measurement),
        ("engine", result.engine),
        *_interest_rows(result),
        *_quality_rows(result),
        ("−ln L", f"{result.nll:.6f}"),
        ("parameters", f"{result.n_parameters}, {result.n_free} free"),
    ]
    lines = [f"{label:<20} {value}" for label, value in rows]
    lines += ["", *_parameter_lines(result, n_parameters)]
    lines += [f"note: {note}" for note in result.diagnosis]
    return "\n".join(lines)


def _interest_rows(result: FitResult) -> Iterator[tuple[str, str]]:
    """Yield what the fit says of the parameter of interest."""
    if result.mu is not None:
        yield str(result.poi), _measured(result.mu) + result.mu.where
    for interval in result.intervals:
        quoted = ", quoted" if interval.quoted else ""
        ends = f"[{interval.lower:.4g}, {interval.upper:.4g}]"
        yield f"{100 * interval.level:.3g} % interval", f"{ends} {interval.method}{quoted}"
    if result.significance is not None:
        yield "over μ = 0", f"{result.significance.observed:.2f} σ"
        yield "away from μ = 1", f"{result.significance.sm:+.2f} σ"
    if result.upper_limit is not None:
        limit = result.upper_limit
        bands = " ".join(f"{value:.3g}" for value in limit.expected)
        yield f"limit, {100 * limit.level:g} % CL", f"{limit.observed:.4g} (expected −2σ…+2σ: {bands})"
    if result.branching_fraction is not None:
        yield "branching fraction", _measured(result.branching_fraction, 1e6) + " ×10⁻⁶"


def _quality_rows(result: FitResult) -> Iterator[tuple[str, str]]:
    if result.goodness_of_fit is None:
        return
    good = result.goodness_of_fit
    p_value = "–" if good.p_value is None else f"{good.p_value:.3f}"
    toys = "" if good.p_value_toys is None else f", {good.p_value_toys:.3f} from {good.n_toys} toys"
    yield "goodness of fit", f"{good.statistic:.1f} / {good.ndof}, p = {p_value}{toys}"


def _parameter_lines(result: FitResult, n: int) -> list[str]:
    # The parameter of interest and free factors first, then by size of pull and by constraint.
    ranked = sorted(
        (p for p in result.parameters if not p.fixed),
        key=lambda p: (
            p.pull is not None,
            -max(abs(p.pull or 0.0), 1.0 - (1.0 if p.constraint is None else p.constraint)),
        ),
    )[:n]
    width = max((len(p.name) for p in ranked), default=0)
    lines = [f"{'parameter':<{width}} {'value':>10} {'error':>9} {'pull':>7} {'constraint':>10}"]
    for p in ranked:
        pull = "" if p.pull is None else f"{p.pull:+.2f}"
        constraint = "" if p.constraint is None else f"{p.constraint:.2f}"
        lines.append(f"{p.name:<{width}} {p.value:>10.4f} {p.error:>9.4f} {pull:>7} {constraint:>10}")
    left = sum(not p.fixed for p in result.parameters) - len(ranked)
    return [*lines, *([f"… and {left} more in the JSON file"] if left > 0 else [])]


def _measured(found: SignalStrength | BranchingFraction, scale: float = 1.0) -> str:
    """Return value, error and MINOS errors in units of 1 / ``scale``."""
    low, high = scale * found.error_lo, scale * found.error_hi
    ends = "0" if low == 0 else f"{low:+.3g}", "0" if high == 0 else f"{high:+.3g}"
    return f"{scale * found.value:.4g} ± {scale * found.error:.3g} ({' '.join(ends)})"


def limit_table(result: Limits) -> str:
    """Return limits as a table: observed and expected, asymptotic and from toys."""
    header = f"{'limit on ' + result.poi:<24} {'observed':>9}   expected −2σ … +2σ"
    lines = [header]
    rows = [*result.asymptotic, *([result.toys.limit] if result.toys else [])]
    for limit in rows:
        bands = " ".join(f"{value:8.4g}" for value in limit.expected)
        lines.append(f"{100 * limit.level:g} % {limit.method:<18} {limit.observed:>9.4g}   {bands}")
    if result.toys:
        lines.append(f"  ± {result.toys.error:.2g} from {result.toys.n} toys for each point and hypothesis")
        lines += [f"  note: {note}" for note in result.toys.notes]
    if result.feldman_cousins:
        interval = result.feldman_cousins
        lines.append(f"{100 * interval.level:g} % Feldman–Cousins    [{interval.lower:.4g}, {interval.upper:.4g}]")
    return "\n".join([*lines, *_remarks(result)])


def scan_table(result: Scan) -> str:
    """Return a scan as a table: all points over one parameter, the extent of the regions over two."""
    data = "data" if result.asimov is None else f"Asimov data of {result.asimov:g}"
    best = ", ".join(f"{name} = {value:.4g}" for name, value in zip(result.parameters, result.minimum, strict=True))
    lines = [f"minimum at {best} ({data})"]
    if len(result.parameters) == 1:
        lines.append(f"{result.parameters[0]:>16} {'2ΔNLL':>10} {'σ':>7}")
        for point in result.points:
            height = point.twice_delta_nll
            lines.append(f"{point.values[0]:>16.5g} {height:>10.4f} {math.sqrt(height):>7.2f}")
    else:
        lines += [f"{len(result.points)} points; on this grid"]
        for percent, height in CONTOURS:
            inside = [point.values for point in result.points if point.twice_delta_nll <= height]
            for name, values in zip(result.parameters, zip(*inside, strict=True), strict=False):
                lines.append(f"{percent:g} %: {name} from {min(values):.4g} to {max(values):.4g}")
    return "\n".join([*lines, *_remarks(result)])


def toy_table(result: ToyStudy) -> str:
    """Return a study with toys as a table, one line for each true value, level and method."""
    head = f"{'true ' + result.poi:>10} {'toys':>6} {'bias':>16} {'pull':>14} {'level':>7} {'covered':>8}"
    lines = [head]
    for point in result.points:
        for k, entry in enumerate(point.coverage):
            bias = f"{point.bias:+.3f} ± {point.bias_error:.3f}" if not k else ""
            known = not k and point.pull_mean is not None
            pull = f"{point.pull_mean:+.2f} ± {point.pull_width:.2f}" if known else ""
            start = f"{point.mu:>10g} {point.n - point.n_failed:>6}" if not k else " " * 17
            lines.append(
                f"{start} {bias:>16} {pull:>14} {100 * entry.level:6.2f}% {100 * entry.covered:7.2f}% "
                + ("ok    " if entry.passed else "FAILED")
                + f" {entry.method}"
            )
    lines.append(f"to be quoted: {result.quoted}; {'passed' if result.passed else 'FAILED'}")
    ensemble = {"auxiliary": "auxiliary measurements fluctuate", "parameters": "parameters fluctuate"}
    lines.append(f"{ensemble[result.nuisances]}; true parameters: {result.truth}; seed {result.seed}")
    if result.too_few:
        lines.append(f"note: {result.too_few}")
    return "\n".join([*lines, *_remarks(result)])


def _remarks(result: Impacts | Limits | Scan | ToyStudy) -> list[str]:
    notes = list(result.remarks)
    if result.asimov is not None and not isinstance(result, Scan):
        notes.insert(0, f"Asimov data of {result.poi} = {result.asimov:g}, no observed number")
    return [f"note: {note}" for note in notes]


def impact_table(result: Impacts, n: int = 15) -> str:
    """Return the largest impacts and the breakdown of the error."""
    shown = result.impacts[:n]
    width = max((len(row.name) for row in shown), default=9)
    lines = [f"{'parameter':<{width}} {'up':>9} {'down':>9} {'pull':>7} {'constraint':>10}"]
    for row in shown:
        pull = "" if row.pull is None else f"{row.pull:+.2f}"
        constraint = "" if row.constraint is None else f"{row.constraint:.2f}"
        lines.append(f"{row.name:<{width}} {row.up:>+9.4f} {row.down:>+9.4f} {pull:>7} {constraint:>10}")
    if len(result.impacts) > n:
        lines.append(f"… and {len(result.impacts) - n} more in the JSON file")
    lines += ["", f"{result.poi} = {result.value:.4g} ± {result.error:.4g}, of which"]
    lines += [f"  {share.name:<28} {share.sigma:>+8.4f}" for share in result.groups]
    return "\n".join([*lines, *_remarks(result)])


def sensitivity_table(result: Sensitivities) -> str:
    """Return what several analyses expect at μ = 1, and observed."""
    width = max(len(row.label) for row in result.rows)
    limit = f"{100 * result.level:g} % limit"
    lines = [f"{'at μ = 1':<{width}} {'expected':>18} {'over 0':>8} {limit:>12} {'observed':>24}"]
    for row in result.rows:
        seen = "–" if row.observed is None else _errors(row.observed)
        expected = _errors(row.mu)
        lines.append(
            f"{row.label:<{width}} {expected:>18} {row.significance:>6.2f} σ {row.upper_limit:>12.3g} {seen:>24}"
        )
    return "\n".join(lines)


def _errors(mu: SignalStrength) -> str:
    return f"{mu.value:.3g} {mu.error_lo:+.3g} {mu.error_hi:+.3g}"
