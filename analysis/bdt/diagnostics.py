"""From training data and model to the training report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import seeds
from analysis.bdt import metrics
from analysis.bdt.model import Model, out_of_fold, predict
from analysis.bdt.report import (
    Contents,
    Correlations,
    Curve,
    EtaHistograms,
    FoldReport,
    InputReport,
    Measured,
    Profile,
    SampleSummary,
    ScoreHistograms,
    Test,
    Training,
)
from analysis.bdt.train import TrainingData
from analysis.columns import COLUMNS
from analysis.weighted import Weighted, effective_number, histogram, kolmogorov_smirnov

Array = NDArray[Any]
Mask = NDArray[np.bool_]

SIGNAL_EFFICIENCY = np.linspace(0.0, 1.0, 201)
SCORE_EDGES = np.linspace(0.0, 1.0, 26)
ETA_EDGES = np.linspace(0.0, 1.0, 51)
Q2_EDGES = np.linspace(-1.0, 25.0, 14)


def diagnose(data: TrainingData, model: Model, *, seed: int) -> Training:
    """Return the training report, without provenance.

    Parameters
    ----------
    data
        What the model was trained on.
    model
        The model.
    seed
        The configuration's; shuffles the columns for the permutation importance.
    """
    score = out_of_fold(model.loaded, data.values, data.fold)
    eta = model.eta_of(score, data.fold)
    # trained[k] holds the scores of booster k on all rows: on fold k they are out of fold.
    trained = [predict(booster, data.values) for booster in model.loaded]
    return Training(
        parameters=model.parameters,
        folds=model.folds,
        samples=tuple(_sample(data, i) for i in range(len(data.names))),
        signal_efficiency=tuple(SIGNAL_EFFICIENCY.tolist()),
        overall=_curve(data, score, np.ones(len(score), dtype=bool)),
        per_fold=tuple(_fold(data, score, trained[k], k) for k in range(model.folds)),
        score=_scores(data, score, trained),
        eta=_etas(data, eta),
        inputs=_inputs(data, model, seed),
        correlations_signal=_correlations(data, score, eta, data.signal),
        correlations_background=_correlations(data, score, eta, ~data.signal),
        eta_profile=Profile(
            edges=tuple(Q2_EDGES.tolist()),
            signal=_profile(data, eta, data.signal),
            background=_profile(data, eta, ~data.signal),
        ),
    )


def _sample(data: TrainingData, index: int) -> SampleSummary:
    rows = data.sample == index
    missing = np.isnan(data.values[rows]).sum(axis=0)
    return SampleSummary(
        name=data.names[index],
        type=data.types[index].value,
        is_signal=data.types[index].value == "signal",
        rows=int(rows.sum()),
        units=len(np.unique(data.decays[rows, 0])),
        sum_w=float(data.weight[rows].sum()),
        n_eff=effective_number(data.weight[rows]),
        n_eff_units=effective_number(data.weight[rows], data.decays[rows]),
        nan={name: int(count) for name, count in zip(data.inputs, missing, strict=True) if count},
    )


def _scored(data: TrainingData, values: Array, rows: Mask) -> Weighted:
    return Weighted(values[rows], data.weight[rows], data.decays[rows])


def _curve(data: TrainingData, score: Array, rows: Mask) -> Curve:
    signal = _scored(data, score, rows & data.signal)
    background = _scored(data, score, rows & ~data.signal)
    value, error = metrics.auc(signal, background)
    return Curve(
        background_efficiency=tuple(metrics.roc(signal, background, SIGNAL_EFFICIENCY).tolist()),
        auc=Measured(value=value, error=error),
    )


def _fold(data: TrainingData, score: Array, trained: Array, fold: int) -> FoldReport:
    """Return the report of a fold, from the out-of-fold scores and those of the fold's trees, (n,) each."""
    test = data.fold == fold

    def compare(score: Array, rows: Mask) -> Test:
        distance, p_value = kolmogorov_smirnov(_scored(data, score, rows & ~test), _scored(data, score, rows & test))
        return Test(distance=distance, p_value=p_value)

    return FoldReport(
        fold=fold,
        train_rows=int((~test).sum()),
        test_rows=int(test.sum()),
        train=_curve(data, trained, ~test),
        test=_curve(data, trained, test),
        ks_signal=compare(trained, data.signal),
        ks_background=compare(trained, ~data.signal),
        agreement_signal=compare(score, data.signal),
        agreement_background=compare(score, ~data.signal),
    )


def contents(rows: Weighted, edges: Array) -> Contents:
    """Return the weighted histogram of rows in bins with edges (k + 1,); the last bin includes its upper edge."""
    values, weight = rows.value, rows.weight
    sums, variances = histogram(rows, edges)
    return Contents(
        sum_w=tuple(sums.tolist()),
        variances=tuple(variances.tolist()),
        underflow=float(weight[values < edges[0]].sum()),
        overflow=float(weight[values > edges[-1]].sum()),
        nan=float(weight[np.isnan(values)].sum()),
    )


def _scores(data: TrainingData, score: Array, trained: Sequence[Array]) -> ScoreHistograms:
    def train_mean(rows: Mask) -> Contents:
        # Every row is in the training of all folds but one: the mean over those, on the scale of the data.
        parts = [
            contents(_scored(data, values, rows & (data.fold != k)), SCORE_EDGES) for k, values in enumerate(trained)
        ]
        others = len(trained) - 1
        return Contents(
            sum_w=tuple((np.sum([part.sum_w for part in parts], axis=0) / others).tolist()),
            # The same rows come back in every fold: the mean of the sums is not better known than one of them.
            variances=tuple((np.sum([part.variances for part in parts], axis=0) / others).tolist()),
        )

    return ScoreHistograms(
        edges=tuple(SCORE_EDGES.tolist()),
        signal_train=train_mean(data.signal),
        signal_test=contents(_scored(data, score, data.signal), SCORE_EDGES),
        background_train=train_mean(~data.signal),
        background_test=contents(_scored(data, score, ~data.signal), SCORE_EDGES),
    )


def _etas(data: TrainingData, eta: Array) -> EtaHistograms:
    return EtaHistograms(
        edges=tuple(ETA_EDGES.tolist()),
        samples={name: contents(_scored(data, eta, data.sample == i), ETA_EDGES) for i, name in enumerate(data.names)},
    )


def _inputs(data: TrainingData, model: Model, seed: int) -> tuple[InputReport, ...]:
    gain = _gain(model)
    permutation = permutation_importance(data, model, seed)
    reports = []
    for i, name in enumerate(data.inputs):
        values = data.values[:, i].astype(np.float64)
        edges = metrics.histogram_edges(values)
        signal = contents(_scored(data, values, data.signal), edges)
        background = contents(_scored(data, values, ~data.signal), edges)
        column = COLUMNS.get(name)
        reports.append(
            InputReport(
                name=name,
                unit=column.unit if column else "",
                meaning=column.meaning if column else "",
                edges=tuple(edges.tolist()),
                signal=signal,
                background=background,
                separation=separation(signal, background),
                gain=_mean_and_spread(gain[:, i]),
                permutation=_mean_and_spread(permutation[:, i]),
            )
        )
    return tuple(reports)


def separation(signal: Contents, background: Contents) -> float:
    """Return ½ Σ (s − b)² / (s + b) of two histograms scaled to unit sum; outside and NaN are bins too."""
    s, b = (np.array([*part.sum_w, part.underflow, part.overflow, part.nan]) for part in (signal, background))
    s, b = s / s.sum(), b / b.sum()
    used = s + b > 0
    return float(0.5 * np.sum((s - b)[used] ** 2 / (s + b)[used]))


def _mean_and_spread(values: Array) -> Measured:
    return Measured(value=float(np.mean(values)), error=float(np.std(values, ddof=1)))


def _gain(model: Model) -> NDArray[np.float64]:
    """Return the share of each input in the total gain of each fold's trees, (folds, inputs)."""
    gains = np.zeros((model.folds, len(model.inputs)))
    for k, booster in enumerate(model.loaded):
        for feature, gain in booster.get_score(importance_type="total_gain").items():
            gains[k, int(feature.removeprefix("f"))] = gain
    shares: NDArray[np.float64] = gains / np.maximum(gains.sum(axis=1, keepdims=True), 1e-300)
    return shares


def permutation_importance(data: TrainingData, model: Model, seed: int) -> NDArray[np.float64]:
    """Return the loss of out-of-fold AUC when one input is shuffled within its fold, (folds, inputs)."""
    loss = np.zeros((model.folds, len(data.inputs)))
    for k, booster in enumerate(model.loaded):
        rows = data.fold == k
        values, signal, weight = data.values[rows], data.signal[rows], data.weight[rows]
        nominal = metrics.auc_value(predict(booster, values), weight, signal)
        for i, name in enumerate(data.inputs):
            shuffled = values.copy()
            seeds.generator(seed, "bdt", "permutation", k, name).shuffle(shuffled[:, i])
            loss[k, i] = nominal - metrics.auc_value(predict(booster, shuffled), weight, signal)
    return loss


def _correlations(data: TrainingData, score: Array, eta: Array, rows: Mask) -> Correlations:
    weight = data.weight[rows]
    columns = [*data.values[rows].T.astype(np.float64), score[rows], eta[rows], data.q2_rec[rows]]
    return Correlations(
        columns=(*data.inputs, "bdt_score", "eta", "q2_rec"),
        linear=_matrix(columns, weight),
        rank=_matrix([metrics.ranks(column, weight) for column in columns], weight),
    )


def _matrix(columns: Sequence[Array], weight: Array) -> tuple[tuple[float | None, ...], ...]:
    size = len(columns)
    matrix: list[list[float | None]] = [[None] * size for _ in range(size)]
    for i in range(size):
        for j in range(i + 1):
            matrix[i][j] = matrix[j][i] = metrics.correlation(columns[i], columns[j], weight)
    return tuple(tuple(row) for row in matrix)


def _profile(data: TrainingData, eta: Array, rows: Mask) -> tuple[Measured | None, ...]:
    place = np.digitize(data.q2_rec, Q2_EDGES) - 1
    result: list[Measured | None] = []
    for i in range(len(Q2_EDGES) - 1):
        inside = rows & (place == i) & (data.weight > 0)
        if not inside.any():
            result.append(None)
            continue
        weight = data.weight[inside]
        mean = float(np.average(eta[inside], weights=weight))
        variance = float(np.average((eta[inside] - mean) ** 2, weights=weight))
        n_eff = effective_number(weight, data.decays[inside])
        result.append(Measured(value=mean, error=float(np.sqrt(variance / n_eff))))
    return tuple(result)
