"""Tables of the report: cut flow, training, yields, systematics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from analysis.basf2 import SampleType
from analysis.bdt.report import Training
from analysis.cutflow import CutFlow, Interval, Step
from analysis.inference.results import FitResult
from analysis.plots.histograms import Floats
from analysis.plots.templates import Variation
from analysis.report.html import Cell, Markup, fold_out, heading, paragraph, table, with_small, words
from analysis.report.likelihood import NormFactor
from analysis.templates.document import Document

SAMPLE_NAMES: Mapping[SampleType, str] = {
    SampleType.SIGNAL: "B⁺ → K⁺νν̄",
    SampleType.CHARGED: "B⁺B⁻",
    SampleType.MIXED: "B⁰B̄⁰",
    SampleType.UUBAR: "uū",
    SampleType.DDBAR: "dd̄",
    SampleType.SSBAR: "ss̄",
    SampleType.CCBAR: "cc̄",
    SampleType.TAUPAIR: "τ⁺τ⁻",
    SampleType.DATA: "data",
    SampleType.OFFRES: "off-resonance data",
}


def heading_of(name: str, kind: SampleType) -> Cell:
    """Return the head of a sample's column: the field's notation, and the sample's own name beside it."""
    return with_small(SAMPLE_NAMES[kind], name) if name != kind.value else SAMPLE_NAMES[kind]


def number(value: float | None, digits: int = 4) -> str:
    """Return a number for a table, or a dash.

    Examples
    --------
    >>> number(1234567.0), number(0.0123456), number(None)
    ('1.235×10⁶', '0.01235', '–')
    """
    if value is None or not np.isfinite(value):
        return "–"
    text = f"{value:.{digits}g}"
    if "e" in text:
        mantissa, exponent = text.split("e")
        text = f"{mantissa}×10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return text.replace("-", "−")


def grouped(value: float, decimals: int = 0) -> str:
    """Return a number with its thousands set apart by narrow spaces that do not break."""
    return f"{value:,.{decimals}f}".replace(",", "\u202f").replace("-", "−")


def measured(value: float, error: float) -> str:
    """Return a value with its error, which has two digits; both end at the same decimal.

    Examples
    --------
    >>> measured(5668.2, 491.3), measured(6.2553, 0.1987), measured(0.0, 0.0)
    ('5\u202f670 ± 490', '6.26 ± 0.20', '0')
    """
    if not error > 0:
        return number(value)
    last = 1 - math.floor(math.log10(float(f"{error:.1e}")))
    if last > 6:
        return f"{number(value, 3)} ± {number(error, 2)}"
    return f"{grouped(round(value, last), max(last, 0))} ± {grouped(round(error, last), max(last, 0))}"


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def percent(value: float | None, digits: int = 2) -> str:
    """Return a fraction in per cent, with a sign."""
    if value is None or not np.isfinite(value):
        return "–"
    return f"{100 * value:+.{digits}f}".replace("-", "−")


def cut_flow_tables(flows: Sequence[CutFlow]) -> list[Markup]:
    """Return the cut flows: all samples beside each other, then each one in full.

    Parameters
    ----------
    flows
        All made with the same cuts; data only if they may be counted.
    """
    header: list[Cell] = ["step", *(heading_of(flow.sample, SampleType(flow.type)) for flow in flows)]
    rows: list[list[Cell]] = []
    data = [SampleType(flow.type).is_data for flow in flows]
    for steps in zip(*(flow.steps for flow in flows), strict=True):
        rows.append([steps[0].name, *(_expected(step, counted) for step, counted in zip(steps, data, strict=True))])
    return [
        paragraph(
            "Candidates expected in the luminosity of the data (data: seen), with the statistical error of simulation: "
            "several of an event, until the last step leaves one. Beside it, in grey, the number of different events."
        ),
        table(header, rows),
        heading("Sample by sample"),
        paragraph(flows[0].method + f". Intervals at {100 * flows[0].level:.1f} %.", note=True),
        *(fold_out(f"{SAMPLE_NAMES[SampleType(flow.type)]} ({flow.sample})", _one_flow(flow)) for flow in flows),
    ]


def _expected(step: Step, counted: bool) -> Cell:
    text = number(step.sum_w)
    if step.sum_w is not None and step.variance is not None and not counted:
        text = measured(step.sum_w, math.sqrt(step.variance))
    count = step.events if step.events is not None else step.rows
    return with_small(text, grouped(count)) if count is not None else text


def _one_flow(flow: CutFlow) -> Markup:
    rows: list[list[Cell]] = []
    for step in flow.steps:
        rows.append(
            [
                step.name,
                "–" if step.rows is None else str(step.rows),
                "–" if step.events is None else str(step.events),
                "–" if step.parents is None else str(step.parents),
                number(step.sum_w, 5),
                _efficiency(step.efficiency_step),
                "–" if step.weighted_step is None
                else f"{100 * step.weighted_step.value:.2f} ± {100 * step.weighted_step.error:.2f}",
                _efficiency(step.efficiency),
            ]
        )  # fmt: skip
    header = [
        "step", "candidates", "events", "parents", "weighted", "ε of the step [%]", "weighted ε [%]", "ε in all [%]",
    ]  # fmt: skip
    return table(header, rows)


def _efficiency(interval: Interval | None) -> Cell:
    if interval is None:
        return "–"
    value = f"{100 * interval.value:.4g}"
    return with_small(value, f"[{100 * interval.low:.4g}, {100 * interval.high:.4g}]")


def training_tables(training: Training) -> list[Markup]:
    """Return the training report: samples, folds, inputs."""
    samples: list[list[Cell]] = [
        [
            heading_of(sample.name, SampleType(sample.type)),
            str(sample.rows), str(sample.units), number(sample.sum_w), number(sample.n_eff_units, 5),
            ", ".join(f"{name}: {count}" for name, count in sample.nan.items()) or "–",
        ]
        for sample in training.samples
    ]  # fmt: skip
    folds: list[list[Cell]] = [
        [
            str(fold.fold), str(fold.train_rows), str(fold.test_rows),
            f"{fold.train.auc.value:.4f} ± {fold.train.auc.error:.4f}",
            f"{fold.test.auc.value:.4f} ± {fold.test.auc.error:.4f}",
            f"{fold.ks_signal.p_value:.3f}", f"{fold.ks_background.p_value:.3f}",
        ]
        for fold in training.per_fold
    ]  # fmt: skip
    inputs: list[list[Cell]] = [
        [
            each.name,
            f"{each.separation:.3f}",
            f"{100 * each.gain.value:.1f} ± {100 * each.gain.error:.1f}",
            f"{100 * each.permutation.value:.2f} ± {100 * each.permutation.error:.2f}",
            words(each.meaning + (f" [{each.unit}]" if each.unit else "")),
        ]
        for each in sorted(training.inputs, key=lambda each: -each.gain.value)
    ]
    overall = training.overall.auc
    return [
        paragraph(
            f"{training.folds} folds; every event is scored by trees that have not seen its fold. Area under the ROC "
            f"curve, all folds together: {overall.value:.4f} ± {overall.error:.4f}."
        ),
        heading("Folds"),
        table(
            ["fold", "training rows", "held-out rows", "AUC training", "AUC held out", "KS p, signal", "background"],
            folds,
            caption="KS: Kolmogorov–Smirnov test, training against held-out scores; approximate for weighted events.",
        ),
        heading("Samples"),
        table(
            ["sample", "rows", "distinct parents or events", "expected", "effective number", "rows with NaN, by input"],
            samples,
        ),
        heading("Inputs"),
        table(
            ["input", "separation", "share of the gain [%]", "loss of AUC if shuffled [%]", words("meaning")],
            inputs,
            caption="Mean and spread over the folds. Separation: ½ Σ (s − b)² / (s + b) of the normalised histograms.",
        ),
    ]  # fmt: skip


def yields_tables(document: Document, result: FitResult) -> list[Markup]:
    """Return the events expected in every bin before and after the fit, and those fitted."""
    kinds = {process.name: process.type for process in document.processes}
    parts: list[Markup] = []
    observed = "Asimov data" if result.asimov is not None else "data"
    by_name = {channel.channel: channel for channel in result.yields.channels}
    for channel in document.channels:
        yields = by_name[channel.name]
        names = [process.name for process in document.processes if process.name in yields.samples]
        header: list[Cell] = [
            "bin", *(heading_of(name, kinds[name]) for name in names),
            "before the fit", "after the fit", observed,
        ]  # fmt: skip
        rows: list[list[Cell]] = [
            [
                each.label,
                *(_events(yields.samples[name][index]) for name in names),
                measured(yields.prefit[index], yields.prefit_error[index]),
                measured(yields.total[index], yields.total_error[index]),
                number(yields.observed[index], 5),
            ]
            for index, each in enumerate(channel.bins)
        ]
        what = f"Region: {channel.cut}. " if channel.cut else ""
        note = "Samples are given after the fit; ~0: the floor of a bin that no simulated event reaches. "
        note += "Errors hold all parameters, after the fit with their correlations."
        parts += [heading(f"Channel {channel.name}"), table(header, rows, caption=what + note)]
    return parts


def _events(value: float) -> str:
    return "~0" if 0 <= value < 1e-4 else number(value, 3)


def systematics_table(
    shapes: Mapping[str, Sequence[Variation]],
    normalisations: Mapping[str, Sequence[NormFactor]],
    statistics: Mapping[str, Floats],
    document: Document,
) -> list[Markup]:
    """Return what every systematic of the fit does to every sample.

    Parameters
    ----------
    shapes, normalisations, statistics
        By sample: shape variations, normalisation factors, relative statistical errors of the bins.
    document
        The templates: types of the samples, notes on the variations.
    """
    samples = list(shapes)
    kinds = {process.name: process.type for process in document.processes}
    names = [each.name for sample in samples for each in normalisations[sample]]
    names += [each.name for sample in samples for each in shapes[sample]]
    rows: list[list[Cell]] = []
    for name in dict.fromkeys(names):
        row: list[Cell] = [name]
        for sample in samples:
            shape = next((each for each in shapes[sample] if each.name == name), None)
            norm = next((each for each in normalisations[sample] if each.name == name), None)
            row.append(_shape_cell(shape) if shape else _norm_cell(norm) if norm else "")
        rows.append(row)
    rows.append(["simulation statistics", *(_statistics_cell(statistics[sample]) for sample in samples)])
    notes = [[each.name, each.group, each.note] for each in document.variations]
    return [
        paragraph(
            "Change of a sample's bins in per cent at +1σ and −1σ of each parameter: normalisations change every bin "
            "alike; for shapes the bin that changes most is given. The last row is the range of the relative "
            "statistical errors of the bins, without bins that no simulated event reaches."
        ),
        table(["parameter", *(heading_of(sample, kinds[sample]) for sample in samples)], rows),
        *(
            paragraph(f"{each.name} is left out of {', '.join(each.samples)}: {each.reason}.")
            for each in document.left_out
        ),
        *([heading("Sources"), table(["parameter", "group", "size and source"], notes, text=True)] if notes else []),
    ]


def _shape_cell(shape: Variation) -> Cell:
    changes = np.stack([shape.up, shape.down]) - 1.0
    sizes = np.nan_to_num(np.abs(changes)).max(axis=0)
    if not len(sizes):
        return ""
    where = int(np.argmax(sizes))
    return f"{percent(float(changes[0, where]))} / {percent(float(changes[1, where]))}"


def _norm_cell(norm: NormFactor) -> Cell:
    return f"{percent(norm.up - 1, 0)} / {percent(norm.down - 1, 0)}"


def _statistics_cell(errors: Floats) -> Cell:
    seen = errors[errors > 0]
    return f"{100 * seen.min():.1f} – {100 * seen.max():.1f}" if len(seen) else "–"
