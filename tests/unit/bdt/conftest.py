"""A small problem: Gaussian signal on Gaussian background, with a known best separation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.basf2 import SampleType
from analysis.bdt.train import Source
from analysis.config.models import Bdt

Columns = dict[str, NDArray[Any]]
INPUTS = ("roeEextra", "R2", "K_D0vetoM")
SETTINGS = Bdt(inputs=INPUTS, folds=3, trees=20, depth=2, learning_rate=0.3)


def make_columns(rows: int, *, seed: int, shift: float, run: int = 0, per_parent: int = 1) -> Columns:
    """Return a preselected sample; ``roeEextra`` and ``R2`` are shifted by ``shift`` standard deviations."""
    rng = np.random.default_rng(seed)
    event = np.arange(rows)
    columns: Columns = {
        "__experiment__": np.full(rows, 1003, dtype="int32"),
        "__run__": np.full(rows, run, dtype="int32"),
        "__event__": event.astype("uint32"),
        "__production__": np.zeros(rows, dtype="int32"),
        "parentGroup": (event // per_parent + 10_000 * run) if per_parent > 1 else np.full(rows, -1),
        "parentId": (event // per_parent + 10_000 * run) if per_parent > 1 else np.full(rows, -1),
        "weight": rng.uniform(0.5, 1.5, rows),
        "q2_rec": rng.uniform(-1, 23, rows),
    }
    parent = event // per_parent
    for name in ("roeEextra", "R2"):
        # Rows of a parent are nearly the same: a leak between folds would be seen.
        columns[name] = rng.normal(size=rows)[parent] + 0.01 * rng.normal(size=rows) + shift
    columns["K_D0vetoM"] = np.where(rng.uniform(size=rows) < 0.3, np.nan, rng.normal(1.86, 0.2, rows))
    return columns


def make_sources(rows: int = 600, *, shift: float = 1.0, per_parent: int = 1) -> list[Source]:
    kinds = (SampleType.SIGNAL, SampleType.CHARGED, SampleType.MIXED)
    return [
        Source(
            kind.value,
            kind,
            make_columns(
                rows, seed=i, shift=-shift if kind is SampleType.SIGNAL else 0.0, run=i, per_parent=per_parent
            ),
        )
        for i, kind in enumerate(kinds)
    ]


@pytest.fixture
def sources() -> list[Source]:
    return make_sources()


@pytest.fixture
def factory() -> Callable[..., list[Source]]:
    return make_sources


@pytest.fixture
def settings() -> Bdt:
    return SETTINGS


@pytest.fixture(scope="module")
def module_sources() -> list[Source]:
    return make_sources(1500)


@pytest.fixture(scope="module")
def module_settings() -> Bdt:
    return SETTINGS


@pytest.fixture
def columns() -> Callable[..., Columns]:
    return make_columns
