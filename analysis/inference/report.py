"""Results as tables for people."""

from __future__ import annotations

from analysis.inference.results import FitResult


def fit_table(result: FitResult, n_parameters: int = 12) -> str:
    """Return a fit's summary and its most pulled or most constrained parameters.

    Parameters
    ----------
    result
        A fit.
    n_parameters
        How many parameters to list.
    """
    data = "data" if result.asimov is None else f"Asimov data of {result.poi} = {result.asimov:g} (blinded)"
    rows = [("fitted", data), ("engine", result.engine)]
    if result.mu is not None:
        mu = result.mu
        rows.append((str(result.poi), _value(mu.value, mu.error, mu.error_lo, mu.error_hi)))
    if result.significance is not None:
        rows.append(("over μ = 0", f"{result.significance.observed:.2f} σ"))
        rows.append(("away from μ = 1", f"{result.significance.sm:+.2f} σ"))
    if result.upper_limit is not None:
        limit = result.upper_limit
        bands = " ".join(f"{value:.3g}" for value in limit.expected)
        rows.append(
            (
                f"limit, {100 * limit.level:g} % CL",
                f"{limit.observed:.4g} (expected −2σ…+2σ: {bands})",
            )
        )
    if result.branching_fraction is not None:
        fraction = result.branching_fraction
        rows.append(
            (
                "branching fraction",
                _value(
                    fraction.value * 1e6,
                    fraction.error * 1e6,
                    fraction.error_lo * 1e6,
                    fraction.error_hi * 1e6,
                )
                + " ×10⁻⁶",
            )
        )
    if result.goodness_of_fit is not None:
        good = result.goodness_of_fit
        p_value = "–" if good.p_value is None else f"{good.p_value:.3f}"
        rows.append(("goodness of fit", f"{good.statistic:.1f} / {good.ndof}, p = {p_value}"))
    rows.append(("−ln L", f"{result.nll:.6f}"))
    rows.append(("parameters", f"{result.n_parameters}, {result.n_free} free"))
    lines = [f"{label:<20} {value}" for label, value in rows]
    lines += ["", *_parameter_lines(result, n_parameters)]
    lines += [f"note: {note}" for note in result.diagnosis]
    return "\n".join(lines)


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


def _value(value: float, error: float, low: float, high: float) -> str:
    return f"{value:.4g} ± {error:.3g} ({low:+.3g} {high:+.3g})"
