"""Training: one set of trees per fold, on all other folds; then their η maps from out-of-fold signal.

Every fold is trained on one thread; threads only run folds side by side. So the model has the same
bytes whatever the number of threads.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from analysis import seeds
from analysis.basf2 import SampleType
from analysis.bdt import folds, inputs
from analysis.bdt.eta import EtaMap, fit_eta
from analysis.bdt.model import Model, Parameters, load_booster, out_of_fold
from analysis.config.models import Bdt
from analysis.errors import InputError

Array = NDArray[Any]
Columns = Mapping[str, Array]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """One preselected simulated sample: its name, its type, its columns."""

    name: str
    type: SampleType
    columns: Columns


@dataclass(frozen=True)
class TrainingData:
    """All simulated rows: n rows, m inputs; samples in the order of their names.

    Attributes
    ----------
    names
        Names of the samples.
    types
        Their types.
    sample
        (n,) index into ``names``.
    inputs
        Names of the inputs.
    values
        (n, m) float32.
    signal
        (n,) bool.
    weight
        (n,) float64, expected events in the data.
    fold
        (n,) int8.
    decays
        (n, 3) int64: what stands behind a row, the event or the simulated decays; see `analysis.bdt.folds.decays`.
    q2_rec
        (n,) float64, GeV²/c⁴.
    """

    names: tuple[str, ...]
    types: tuple[SampleType, ...]
    sample: NDArray[np.int64]
    inputs: tuple[str, ...]
    values: NDArray[np.float32]
    signal: NDArray[np.bool_]
    weight: NDArray[np.float64]
    fold: NDArray[np.int8]
    decays: NDArray[np.int64]
    q2_rec: NDArray[np.float64]


def assemble(sources: Sequence[Source], names: Sequence[str], n_folds: int) -> TrainingData:
    """Put the samples together and check them.

    Parameters
    ----------
    sources
        Simulated samples, in any order: they are sorted by name.
    names
        Inputs of the BDT.
    n_folds
        Number of folds.

    Raises
    ------
    InputError
        A sample is data; an input or the weight is missing, NaN or infinite; a weight is negative;
        or a fold lacks signal or background.
    """
    ordered = sorted(sources, key=lambda source: source.name)
    for source in ordered:
        _check_source(source)
    length = [len(source.columns["weight"]) for source in ordered]

    def joined(name: str) -> Array:
        return np.concatenate([np.asarray(source.columns[name]) for source in ordered])

    data = TrainingData(
        names=tuple(source.name for source in ordered),
        types=tuple(source.type for source in ordered),
        sample=np.repeat(np.arange(len(ordered)), length),
        inputs=tuple(names),
        values=np.concatenate([inputs.matrix(source.columns, names, sample=source.name) for source in ordered]),
        signal=np.repeat([source.type is SampleType.SIGNAL for source in ordered], length),
        weight=joined("weight").astype(np.float64),
        fold=np.concatenate([folds.assign(source.columns, n_folds) for source in ordered]),
        decays=np.concatenate([folds.decays(source.columns) for source in ordered]),
        q2_rec=joined("q2_rec").astype(np.float64),
    )
    _check_folds(data, n_folds)
    return data


def _check_source(source: Source) -> None:
    if source.type.is_data:
        raise InputError(
            "Data cannot train the BDT.",
            where=f"sample '{source.name}'",
            found=source.type.value,
            expected="simulated samples",
            remedy="leave its table out; `apply-bdt` takes it",
        )
    for name in ("weight", "q2_rec"):
        if name not in source.columns:
            raise InputError(
                "A table lacks a column that training needs.",
                where=f"sample '{source.name}', column '{name}'",
                remedy="make the table with `preselection`",
            )
    weight = np.asarray(source.columns["weight"], dtype=np.float64)
    bad = ~np.isfinite(weight) | (weight < 0)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            "The BDT cannot be trained with negative (or undefined) weights.",
            where=f"sample '{source.name}': {int(bad.sum())} rows, the first is row {row}",
            found=weight[row],
            expected="finite weights, not negative",
            remedy="use a generator without negative weights for the samples that train the BDT",
        )


def _check_folds(data: TrainingData, n_folds: int) -> None:
    for name, mask in (("signal", data.signal), ("background", ~data.signal)):
        rows = np.bincount(data.fold[mask & (data.weight > 0)], minlength=n_folds)
        if rows.min() < 2:
            raise InputError(
                f"There is too little {name} to train the BDT.",
                where=f"fold {int(rows.argmin())}",
                found=f"rows per fold: {', '.join(map(str, rows))}",
                expected="at least two rows in every fold",
                remedy="simulate more, loosen the selection, or use fewer folds",
            )


def balanced(weight: Array, signal: Array) -> NDArray[np.float64]:
    """Return training weights, (n,): signal and background with equal sums, mean one over all rows.

    Within each class the ratios of the event weights are kept.

    Parameters
    ----------
    weight
        (n,) event weights, not negative.
    signal
        (n,) bool.
    """
    half = len(weight) / 2
    result: NDArray[np.float64] = np.where(
        signal,
        weight * (half / weight[signal].sum()),
        weight * (half / weight[~signal].sum()),
    )
    return result


def parameters(settings: Bdt, seed: int) -> Parameters:
    """Return the parameters of the trees, with one seed per fold drawn from the configuration's."""
    return Parameters(
        **settings.model_dump(exclude={"inputs", "folds"}),
        seeds=tuple(
            int(seeds.seed_sequence(seed, "bdt", "fold", k).generate_state(1)[0] >> 1) for k in range(settings.folds)
        ),
    )


def train_fold(data: TrainingData, fold: int, settings: Parameters) -> str:
    """Train on all rows outside a fold; return xgboost's JSON."""
    rows = data.fold != fold
    matrix = xgboost.DMatrix(
        data.values[rows],
        label=data.signal[rows].astype(np.float32),
        weight=balanced(data.weight[rows], data.signal[rows]),
        feature_names=list(data.inputs),
        nthread=1,
    )
    booster = xgboost.train(
        {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "max_depth": settings.depth,
            "eta": settings.learning_rate,
            "subsample": settings.subsample,
            "colsample_bytree": settings.column_fraction,
            "min_child_weight": settings.min_child_weight,
            "base_score": 0.5,
            "seed": settings.seeds[fold],
            "nthread": 1,
        },
        matrix,
        num_boost_round=settings.trees,
    )
    # Names stand in our own `inputs`; xgboost would compare them with every matrix it scores.
    booster.feature_names = None
    return bytes(booster.save_raw("json")).decode()


def _eta_map(data: TrainingData, score: Array, fold: int) -> EtaMap:
    rows = data.signal & (data.fold == fold)
    try:
        return fit_eta(score[rows], data.weight[rows])
    except ValueError:
        raise InputError(
            "The BDT gives all signal the same score: it has learned nothing.",
            where=f"fold {fold}",
            found=f"{int(rows.sum())} signal rows in it, {int((data.fold != fold).sum())} rows to train on",
            remedy="lower `bdt: min_child_weight:`, or train with more events",
        ) from None


def train(data: TrainingData, settings: Bdt, seed: int, *, threads: int = 1) -> Model:
    """Train all folds and freeze their η maps.

    Parameters
    ----------
    data
        All simulated rows.
    settings
        Configuration of the BDT.
    seed
        The configuration's seed.
    threads
        Folds trained side by side; without influence on the result.

    Returns
    -------
    The model, without provenance.
    """
    grown = parameters(settings, seed)
    with ThreadPoolExecutor(max_workers=threads) as pool:
        texts = tuple(pool.map(lambda k: train_fold(data, k, grown), range(settings.folds)))
    score = out_of_fold(tuple(load_booster(text) for text in texts), data.values, data.fold)
    eta = tuple(_eta_map(data, score, k) for k in range(settings.folds))
    log.info("%d folds of %d trees trained", settings.folds, settings.trees)
    return Model(inputs=data.inputs, folds=settings.folds, parameters=grown, eta=eta, boosters=texts)
