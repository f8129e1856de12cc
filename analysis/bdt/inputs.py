"""The matrix of BDT inputs, checked.

NaN is passed on to xgboost as "missing" for columns whose declaration in the data model says what
it means; in any other column it is an error. Infinities are always an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.columns import COLUMNS
from analysis.errors import InputError, nearest

Array = NDArray[Any]
Columns = Mapping[str, Array]


def nan_allowed(name: str) -> bool:
    """Return whether NaN is a legal value of an input."""
    return name in COLUMNS and bool(COLUMNS[name].nan)


def matrix(columns: Columns, inputs: Sequence[str], *, sample: str) -> NDArray[np.float32]:
    """Return the inputs as a matrix for xgboost, which works in float32.

    Parameters
    ----------
    columns
        name -> (n,) array.
    inputs
        Names of m columns.
    sample
        Named in errors.

    Returns
    -------
    (n, m) float32, rows contiguous.

    Raises
    ------
    InputError
        A column is missing, is not numeric, or holds NaN (where it has no meaning) or infinities.
    """
    missing = [name for name in inputs if name not in columns]
    if missing:
        raise InputError(
            f"BDT inputs are missing in sample '{sample}'.",
            where=", ".join(missing),
            found=f"nearest to '{missing[0]}': {nearest(missing[0], columns)}",
            remedy="correct `bdt: inputs:`, or give the column an alias in the sample's configuration",
        )
    rows = len(columns[inputs[0]])
    result = np.empty((rows, len(inputs)), dtype=np.float32)
    for i, name in enumerate(inputs):
        values = columns[name]
        if values.dtype.kind not in "biuf":
            raise InputError(
                "A BDT input is not numeric.",
                where=f"sample '{sample}', column '{name}'",
                found=str(values.dtype),
                expected="numbers",
                remedy="take it out of `bdt: inputs:`, or give the column an alias of a numeric branch",
            )
        with np.errstate(over="ignore"):
            result[:, i] = values
        _refuse(np.isinf(result[:, i]), "is infinite (or too large for float32)", name, sample)
        if not nan_allowed(name):
            _refuse(np.isnan(result[:, i]), "is NaN", name, sample)
    return result


def _refuse(bad: NDArray[np.bool_], what: str, name: str, sample: str) -> None:
    if not bad.any():
        return
    rows = np.flatnonzero(bad)
    raise InputError(
        f"A BDT input {what}.",
        where=f"sample '{sample}', column '{name}'",
        found=f"{len(rows)} of {len(bad)} rows, the first are {', '.join(map(str, rows[:5]))}",
        expected="a finite number"
        + ("" if nan_allowed(name) else "; the data model gives NaN no meaning in this column"),
        remedy="mend the ntuple, cut on the column in the selection, or, if NaN has a meaning, declare "
        "it (`nan=`) in analysis/columns.py",
    )
