"""The frozen model: the trees and the η map of every fold, and the inputs, in one JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from analysis.bdt import folds, inputs
from analysis.bdt.eta import EtaMap
from analysis.provenance import Provenance

Array = NDArray[Any]
Columns = Mapping[str, Array]


class Parameters(BaseModel):
    """How the trees were grown: parameters of xgboost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trees: int
    depth: int
    learning_rate: float
    subsample: float
    column_fraction: float
    min_child_weight: float
    seeds: tuple[int, ...]
    """One per fold."""


@dataclass(frozen=True)
class Scores:
    """What the model says of rows: ``fold`` (n,) int8, ``score`` and ``eta`` (n,) float64."""

    fold: NDArray[np.int8]
    score: NDArray[np.float64]
    eta: NDArray[np.float64]


class Model(BaseModel):
    """The frozen model. ``boosters[k]`` was trained on all folds but ``k``, and scores the rows of fold ``k``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: tuple[str, ...]
    folds: int
    parameters: Parameters
    eta: tuple[EtaMap, ...]
    """One map per fold, from the signal of that fold."""
    boosters: tuple[str, ...]
    """xgboost's own JSON, one text per fold."""
    provenance: Provenance | None = None

    @cached_property
    def loaded(self) -> tuple[xgboost.Booster, ...]:
        """The boosters, ready to be used; one thread each."""
        return tuple(load_booster(text) for text in self.boosters)

    def eta_of(self, score: Array, fold: Array) -> NDArray[np.float64]:
        """Return η of rows, (n,) float64, from their scores and folds, (n,) each."""
        eta = np.empty(len(score))
        for k, eta_map in enumerate(self.eta):
            rows = fold == k
            eta[rows] = eta_map(score[rows])
        return eta

    def apply(self, columns: Columns, *, sample: str) -> Scores:
        """Score rows by the model that has not seen their fold.

        Parameters
        ----------
        columns
            name -> (n,) array: inputs, event key, and ``parentGroup`` if rows have one.
        sample
            Named in errors.

        Raises
        ------
        InputError
            An input is missing, or NaN or infinite where it may not be.
        """
        values = inputs.matrix(columns, self.inputs, sample=sample)
        fold = folds.assign(columns, self.folds)
        score = out_of_fold(self.loaded, values, fold)
        return Scores(fold=fold, score=score, eta=self.eta_of(score, fold))


def load_booster(text: str) -> xgboost.Booster:
    """Return the booster from its JSON text."""
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(text.encode()))
    return booster


def predict(booster: xgboost.Booster, values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the score, (n,) float64 between 0 and 1; float32 inside xgboost."""
    if not len(values):
        return np.empty(0)
    matrix = xgboost.DMatrix(values, nthread=1)
    return np.asarray(booster.predict(matrix), dtype=np.float64)


def out_of_fold(
    boosters: tuple[xgboost.Booster, ...], values: NDArray[np.float32], fold: NDArray[np.int8]
) -> NDArray[np.float64]:
    """Return the (n,) score of every row by the booster of its own fold, which was not trained on it."""
    score = np.empty(len(values))
    for k, booster in enumerate(boosters):
        rows = fold == k
        score[rows] = predict(booster, values[rows])
    return score
