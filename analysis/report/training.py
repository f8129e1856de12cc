"""The BDT's training report, as the figures want it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.bdt.report import Contents, Measured, Training
from analysis.plots.classifier import Importance, Roc, ScoreHistograms
from analysis.plots.histograms import Floats


def curves(training: Training) -> list[Roc]:
    """Return the ROC curve of every fold in its held-out events."""
    signal = np.asarray(training.signal_efficiency)
    return [
        Roc(
            f"fold {fold.fold}",
            signal,
            np.asarray(fold.test.background_efficiency),
            fold.test.auc.value,
            fold.test.auc.error,
        )
        for fold in training.per_fold
    ]


def scores(training: Training) -> ScoreHistograms:
    """Return the score histograms as densities."""
    score = training.score
    edges = np.asarray(score.edges)
    parts = {
        f"{stage}_{name}": _density(getattr(score, f"{name}_{stage}"), edges)
        for name in ("signal", "background")
        for stage in ("train", "test")
    }
    return ScoreHistograms(
        edges=edges,
        train_signal=parts["train_signal"][0],
        train_background=parts["train_background"][0],
        test_signal=parts["test_signal"][0],
        test_background=parts["test_background"][0],
        test_signal_error=parts["test_signal"][1],
        test_background_error=parts["test_background"][1],
    )


def _density(contents: Contents, edges: Floats) -> tuple[Floats, Floats]:
    values = np.asarray(contents.sum_w)
    scale = np.maximum(values.sum(), 1e-300) * np.diff(edges)
    return values / scale, np.sqrt(contents.variances) / scale


def compatibility(training: Training) -> str:
    """Return the range of the p-values, training against held out, over the folds."""
    signal = [fold.ks_signal.p_value for fold in training.per_fold]
    background = [fold.ks_background.p_value for fold in training.per_fold]
    return (
        "Kolmogorov–Smirnov p-values of the folds\n"
        f"signal {_p_value(min(signal))} – {_p_value(max(signal))}, "
        f"background {_p_value(min(background))} – {_p_value(max(background))}"
    )


def _p_value(value: float) -> str:
    return "<0.001" if value < 1e-3 else f"{value:.2g}"


def importance(training: Training) -> list[Importance]:
    """Return the importance of every input."""
    return [
        Importance(each.name, each.gain.value, each.gain.error, each.permutation.value, each.permutation.error)
        for each in training.inputs
    ]


@dataclass(frozen=True)
class InputCorrelations:
    """Linear correlations of the inputs.

    Attributes
    ----------
    inputs
        Columns.
    signal, background : (n, n) float64
        Among the inputs; NaN where not defined.
    signal_q2, background_q2 : (n,) float64
        With q²_rec.
    """

    inputs: tuple[str, ...]
    signal: Floats
    background: Floats
    signal_q2: Floats
    background_q2: Floats


def correlations(training: Training) -> InputCorrelations:
    """Return the correlations of the inputs among themselves and with q²_rec."""
    columns = training.correlations_signal.columns
    inputs = tuple(each.name for each in training.inputs)
    places = [columns.index(name) for name in inputs]
    q2 = columns.index("q2_rec")
    signal, background = (
        np.array(part.linear, dtype=float)  # None, a constant column, becomes NaN
        for part in (training.correlations_signal, training.correlations_background)
    )
    return InputCorrelations(
        inputs=inputs,
        signal=signal[np.ix_(places, places)],
        background=background[np.ix_(places, places)],
        signal_q2=signal[q2, places],
        background_q2=background[q2, places],
    )


def eta_profile(training: Training) -> tuple[Floats, tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Return the edges in q²_rec, then mean η and its error for signal and for background; NaN in empty bins."""
    profile = training.eta_profile
    return np.asarray(profile.edges), _columns(profile.signal), _columns(profile.background)


def _columns(measured: Sequence[Measured | None]) -> tuple[Floats, Floats]:
    pairs = [(np.nan, np.nan) if each is None else (each.value, each.error) for each in measured]
    table = np.array(pairs, dtype=float).reshape(-1, 2)
    return table[:, 0], table[:, 1]
