"""Skims as `analysis.skim` writes them, drawn at random."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis import io
from analysis.columns import COLUMNS

Columns = dict[str, NDArray[Any]]
# Distributions whose bulk passes the default selection.
UNIFORM = {
    "Btag_SignalProbability": (0.005, 0.5),
    "Btag_cosThetaBY": (-2, 1.2),
    "Btag_l_pStar": (0.9, 2.3),
    "Btag_l_leptonID": (0.85, 1),
    "Btag_D_M": (1.84, 1.89),
    "K_p": (0.4, 3.5),
    "K_theta": (0.25, 2.6),
    "K_pStar": (0.4, 2.8),
    "K_kaonID": (0.5, 1),
    "K_electronID": (0, 0.5),
    "K_muonID": (0, 0.5),
    "K_dr": (0, 0.4),
    "K_dz": (-2, 2),
    "K_nCDCHits": (20, 60),
    "roeEextra": (0, 2),
    "missTheta": (0.3, 2.7),
    "visibleEnergyOfEventCMS": (4, 9),
    "R2": (0, 0.6),
    "q2_gen": (0, 22),
}


def make_skim(rows: int, *, seed: int = 1, candidates: int = 3, truth: bool = True) -> Columns:
    """Return a skim of about ``rows / candidates`` events, in random order."""
    rng = np.random.default_rng(seed)
    event = np.sort(rng.integers(0, max(rows // candidates, 1), rows))
    columns: Columns = {
        "__experiment__": np.full(rows, 1003),
        "__run__": rng.integers(0, 1, rows),
        "__event__": event,
        "__production__": event % 2,
        "__weight__": np.ones(rows),
        "parentGroup": event // 4,
        "parentId": event // 2,
        "partnerId1": 10**6 + event % 50,
        "partnerId2": np.full(rows, -1),
    }
    first = np.searchsorted(event, event)
    columns["__candidate__"] = np.arange(rows) - first
    charge = rng.choice([-1, 1], rows)
    columns |= {"K_charge": charge, "Btag_charge": -charge}
    columns["K_mcPDG"] = rng.choice([321, -321, 211, 13, np.nan], rows, p=[0.4, 0.4, 0.1, 0.05, 0.05])
    columns["Btag_decayModeID"] = rng.integers(0, 4, rows)
    for name, column in COLUMNS.items():
        if column.provided_by == "ntuple" and name not in columns and (truth or not column.truth):
            low, high = UNIFORM.get(name, (0, 1))
            columns[name] = rng.uniform(low, high, rows)
    for name in ("roeNTracks", "roeNKS", "roeNPi0"):
        columns[name] = np.where(rng.uniform(size=rows) < 0.8, 0, 1)
    order = rng.permutation(rows)
    kept = {n: a for n, a in columns.items() if truth or not COLUMNS[n].truth}
    return {name: array[order].astype(COLUMNS[name].dtype) for name, array in kept.items()}


@pytest.fixture
def skim() -> Columns:
    return make_skim(1200)


@pytest.fixture
def write_skim(tmp_path):
    """Write a skim of a sample as a table, and return its path."""

    def write(name: str, kind: str, columns: Columns, **metadata: object):
        path = tmp_path / "skim" / f"{name}.parquet"
        rows = len(columns["__event__"])
        content = {
            "stage": "skim",
            "sample": name,
            "type": kind,
            "rows_in": 2 * rows,
            "sum_of_weights": 2.0 * rows,
            "generated_events": None if kind == "data" else 1e5,
            "luminosity": None,
            "provenance": {"conditions": {name: "0" * 64}},
        }
        io.write_table(path, columns, content | metadata)
        return path

    return write
