"""The result beside published ones: as JSON for machines, as a page for people, as points for the figure."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, JsonValue

from analysis.basf2 import SampleType
from analysis.cutflow import CutFlow
from analysis.inference.results import (
    BranchingFraction,
    FitResult,
    GoodnessOfFit,
    Interval,
    SignalStrength,
    Significance,
    UpperLimit,
)
from analysis.plots.comparisons import Measurement
from analysis.plots.style import Tag
from analysis.report.html import Cell, Markup, errors, fold_out, heading, nowrap, paragraph, table
from analysis.report.published import PUBLISHED, Published
from analysis.report.tables import number

UNIT = 1e-5


class Efficiency(BaseModel):
    """Selection efficiency of the signal: weighted events after all cuts over those expected before any."""

    model_config = ConfigDict(frozen=True)

    value: float
    error: float
    expected_events: float
    """Signal events after all cuts at μ = 1."""


class Summary(BaseModel):
    """The numbers one would quote. Branching fractions are plain numbers, not in units of 10⁻⁵."""

    model_config = ConfigDict(frozen=True)

    name: str
    what: str
    """What was fitted: data, or an Asimov data set."""
    luminosity: float
    """fb⁻¹."""
    mu: SignalStrength | None
    intervals: tuple[Interval, ...]
    """Of μ; those to be quoted are marked."""
    significance: Significance | None
    upper_limit: UpperLimit | None
    branching_fraction: BranchingFraction | None
    goodness_of_fit: GoodnessOfFit | None
    signal_efficiency: Efficiency | None
    blinded: bool
    n_parameters: int
    diagnosis: tuple[str, ...]
    warnings: tuple[str, ...]
    provenance: JsonValue = None


def signal_efficiency(flows: Sequence[CutFlow]) -> Efficiency | None:
    """Return the signal's selection efficiency; None without a weighted signal sample."""
    for flow in flows:
        last = flow.steps[-1]
        if SampleType(flow.type) is SampleType.SIGNAL and last.weighted and last.sum_w is not None:
            return Efficiency(value=last.weighted.value, error=last.weighted.error, expected_events=last.sum_w)
    return None


def summarise(name: str, tag: Tag, result: FitResult, flows: Sequence[CutFlow], provenance: JsonValue) -> Summary:
    """Return the summary of a fit."""
    return Summary(
        name=name,
        what=fitted(result, tag),
        luminosity=tag.luminosity,
        mu=result.mu,
        intervals=tuple(result.intervals),
        significance=result.significance,
        upper_limit=result.upper_limit,
        branching_fraction=result.branching_fraction,
        goodness_of_fit=result.goodness_of_fit,
        signal_efficiency=signal_efficiency(flows),
        blinded=result.blinded,
        n_parameters=result.n_parameters,
        diagnosis=tuple(result.diagnosis),
        warnings=tuple(result.warnings),
        provenance=provenance,
    )


def fitted(result: FitResult, tag: Tag) -> str:
    """Return in words what was fitted."""
    if result.asimov is not None:
        return f"Asimov data set of μ = {result.asimov:g} (blinded: no observed number entered)"
    return f"{tag.text[0].lower()}{tag.text[1:]}, {tag.luminosity:g} fb⁻¹"


def asymmetric(value: float, low: float, high: float, digits: int = 2) -> Markup:
    """Return a value with its errors above each other; ``low`` ≤ 0 ≤ ``high``."""
    text = f"{value:.{digits}f}".replace("-", "−")
    return nowrap(f"{text} {errors(f'{abs(low):.{digits}f}', f'{high:.{digits}f}')}")


def result_page(summary: Summary) -> list[Markup]:
    """Return the content of the result's page."""
    rows: list[list[Cell]] = [["fitted", summary.what]]
    # The interval to be quoted is another than these errors tell where toys made it.
    by_toys = any(interval.quoted and interval.method == "Neyman, toys" for interval in summary.intervals)
    errors_are = ", errors where 2ΔNLL = 1; to be quoted is the interval below" if by_toys else ""
    if mu := summary.mu:
        value = asymmetric(mu.value, mu.error_lo, mu.error_hi)
        rows.append(["signal strength μ", Markup(f"{value.text}{mu.where}{errors_are}")])
    for interval in summary.intervals:
        if interval.quoted:
            ends = f"[{number(interval.lower, 3)}, {number(interval.upper, 3)}]"
            bounds = ", ends at the bound of μ" if any(interval.at_bound) else ""
            rows.append([f"{100 * interval.level:.3g} % interval of μ", f"{ends} ({interval.method}{bounds})"])
    if fraction := summary.branching_fraction:
        value = asymmetric(fraction.value / UNIT, fraction.error_lo / UNIT, fraction.error_hi / UNIT)
        ours = ", errors where 2ΔNLL = 1" if by_toys else ""
        rows.append(["branching fraction B(B⁺ → K⁺νν̄)", Markup(f"({value}) × 10⁻⁵{ours}")])
        sm = fraction.sm
        rows.append(
            [
                "μ = 1 stands for",
                f"({sm.value / UNIT:.3f} ± {sm.error / UNIT:.3f}) × 10⁻⁵, short distance; not in the errors",
            ]
        )
    if significance := summary.significance:
        rows.append(["significance over μ = 0", f"{number(significance.observed, 3)} σ"])
        rows.append(["distance from μ = 1", f"{number(significance.sm, 3)} σ"])
    if limit := summary.upper_limit:
        rows.append([f"upper limit on μ, {100 * limit.level:g} % CL", f"{number(limit.observed, 4)} ({limit.method})"])
        rows.append(["expected without signal, −2σ … +2σ", ", ".join(number(value, 3) for value in limit.expected)])
        if fraction and fraction.upper_limit is not None:
            rows.append([f"upper limit on B, {100 * limit.level:g} % CL", f"{fraction.upper_limit / UNIT:.2f} × 10⁻⁵"])
    if good := summary.goodness_of_fit:
        text = f"{good.statistic:.1f} for {good.ndof} degrees of freedom, {_p_value(good.p_value)} ({good.method})"
        if good.p_value_toys is not None:
            text += f"; {_p_value(good.p_value_toys)} from {good.n_toys} toys"
        rows.append(["goodness of fit", text])
    if efficiency := summary.signal_efficiency:
        text = (
            f"({100 * efficiency.value:.3f} ± {100 * efficiency.error:.3f}) %, {number(efficiency.expected_events, 3)}"
        )
        rows.append(["selection efficiency of the signal", f"{text} events at μ = 1"])
    rows.append(["parameters of the fit", str(summary.n_parameters)])
    notes = [paragraph(note, note=True) for note in summary.diagnosis if note not in summary.warnings]
    return [
        table([], rows, text=True),
        *(paragraph(f"Mind: {note}.") for note in summary.warnings),
        heading("Beside published results"),
        published_table(summary),
        *([fold_out(f"Notes on the fit ({len(notes)})", *notes)] if notes else []),
    ]


def _p_value(value: float | None) -> str:
    if value is None:
        return "no p-value"
    return "p < 0.001" if value < 1e-3 else f"p = {value:.3f}"


def published_table(summary: Summary) -> Markup:
    """Return the published results with ours first."""
    rows: list[list[Cell]] = [_our_row(summary), *(_published_row(item) for item in PUBLISHED)]
    return table(
        ["analysis", "tag", "data", "reference", "B [10⁻⁵]", "90 % CL limit [10⁻⁵]", "note"],
        rows,
        caption="≈: approximate, not checked against the paper. Two errors: statistical, then systematic.",
        text=True,
        ours=[0],
    )


def _our_row(summary: Summary) -> list[Cell]:
    fraction = summary.branching_fraction
    value: Cell = "–"
    limit = "–"
    if fraction is not None:
        value = asymmetric(fraction.value / UNIT, fraction.error_lo / UNIT, fraction.error_hi / UNIT)
        if fraction.upper_limit is not None and summary.upper_limit is not None:
            limit = f"{fraction.upper_limit / UNIT:.2f}"
            if summary.upper_limit.level != 0.90:
                limit += f" ({100 * summary.upper_limit.level:g} % CL)"
    return [
        f"this analysis ({summary.name})",
        "semileptonic",
        f"{summary.luminosity:g} fb⁻¹",
        summary.what,
        value,
        limit,
        "",
    ]


def _published_row(item: Published) -> list[Cell]:
    parts = [_errors(item.statistical), *([_errors(item.systematic)] if item.systematic else [])]
    mark = "≈ " if item.approximate else ""
    return [
        f"{item.experiment} {item.year}", item.tag, item.data, item.reference,
        nowrap(f"{mark}{item.value:.1f} {' '.join(parts)}"),
        "–" if item.limit is None else f"{item.limit:.1f}",
        item.note,
    ]  # fmt: skip


def _errors(pair: tuple[float, float]) -> str:
    low, high = pair
    return f"± {high:.1f}" if low == high else errors(f"{low:.1f}", f"{high:.1f}").text


def measurements(result: FitResult, tag: Tag) -> list[Measurement]:
    """Return our branching fraction and the published ones, as points of the figure."""
    points = []
    if fraction := result.branching_fraction:
        what = "Asimov data" if result.asimov is not None else tag.text[0].lower() + tag.text[1:]
        points.append(
            Measurement(
                label=f"This analysis, semileptonic\n{tag.luminosity:g} fb⁻¹, {what}",
                value=fraction.value / UNIT,
                error_lo=-fraction.error_lo / UNIT,
                error_hi=fraction.error_hi / UNIT,
                limit=None if fraction.upper_limit is None else fraction.upper_limit / UNIT,
                ours=True,
                approximate=False,
            )
        )
    points += [
        Measurement(
            label=f"{item.experiment} {item.year}, {item.tag}\n{item.data}, {item.reference}",
            value=item.value,
            error_lo=item.total[0],
            error_hi=item.total[1],
            limit=item.limit,
            ours=False,
            approximate=item.approximate,
        )
        for item in PUBLISHED
    ]
    return points


def standard_model(result: FitResult) -> tuple[float, float] | None:
    """Return value and uncertainty of the branching fraction of μ = 1, in units of 10⁻⁵; None if unknown."""
    if result.branching_fraction is None:
        return None
    sm = result.branching_fraction.sm
    return sm.value / UNIT, sm.error / UNIT
