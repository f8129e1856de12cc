"""Ntuples as VariablesToNtuple writes them: one flat TTree, one row per candidate, ROOT-safe names, zlib."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from analysis.basf2 import DEFAULT_TREE, INDEX_BRANCHES, make_root_compatible
from analysis.columns import COLUMNS
from analysis.io import atomic
from analysis.simulation.jagged import Array

# As basf2's VariablesToNtuple: baskets of 1600 bytes, 200 doubles. uproot writes one basket per branch and call: this
# costs twice the time of large baskets, about 5 CPU s per 100 000 rows and 120 branches.
ROWS_PER_BASKET = 200
ENTRIES_BESIDE = 2000
Branches = Mapping[str, Array | list[str]]
# TDatime and TUUID say when and where a file was written; here they must not, or the same seed would give other bytes.
EPOCH = datetime.datetime(2026, 1, 1)


def branch_name(column: str) -> str:
    """Return the branch of a column of the data model: its basf2 expression made ROOT-safe, or its own name."""
    return make_root_compatible(COLUMNS[column].basf2) if COLUMNS[column].basf2 else column


def branch_dtype(column: str) -> str:
    """Return the dtype of a branch: the index branches have integers of their own, variables are f8."""
    return INDEX_BRANCHES.get(column, COLUMNS[column].dtype)


@contextlib.contextmanager
def _timeless(name: str) -> Iterator[uuid.UUID]:
    """Fix the dates that uproot writes, and yield a UUID made from ``name``.

    uproot asks for the time at many places and turns it into ROOT's code at one: only that one is replaced.
    """
    import uproot

    util = uproot._util
    original = util.datetime_to_code
    util.datetime_to_code = lambda _when: original(EPOCH)
    try:
        yield uuid.UUID(bytes=hashlib.sha256(name.encode()).digest()[:16], version=4)
    finally:
        util.datetime_to_code = original


def write_ntuple(
    path: str | Path,
    columns: Mapping[str, Array],
    *,
    identity: str,
    tree: str = DEFAULT_TREE,
    beside: Mapping[str, Branches] | None = None,
) -> None:
    """Write columns of the data model as an ntuple, atomically; the same columns and identity give the same bytes.

    Parameters
    ----------
    path
        ROOT file.
    columns
        Canonical names to arrays (n,); the branches come in the order of the data model.
    identity
        Names the file: its UUID is made from it.
    tree
        Name of the tree.
    beside
        Other trees of the file.
    """
    names = [name for name in COLUMNS if name in columns]
    branches = {branch_name(name): np.asarray(columns[name], dtype=branch_dtype(name)) for name in names}
    write_tree(path, branches, identity=identity, tree=tree, beside=beside)


def write_tree(
    path: str | Path,
    branches: Mapping[str, Array],
    *,
    identity: str,
    tree: str = DEFAULT_TREE,
    rows_per_basket: int = ROWS_PER_BASKET,
    beside: Mapping[str, Branches] | None = None,
) -> None:
    """Write any flat columns as a TTree, atomically; the same columns and identity give the same bytes.

    Parameters
    ----------
    path
        ROOT file.
    branches
        Names to arrays (n,) of numbers or booleans.
    identity
        Names the file: its UUID is made from it.
    tree
        Name of the tree.
    rows_per_basket
        Entries of every basket but the last.
    beside
        Other trees of the file, whose branches may be lists of strings; with `ENTRIES_BESIDE` to the basket.
    """
    import uproot

    with _timeless(identity) as unique, atomic(path) as temporary, temporary.open("w+b") as stream:
        # A stream, as uproot writes a path's name, which is temporary, into the file.
        options = {"compression": uproot.ZLIB(1), "uuid_function": lambda: unique}
        with uproot.recreate(stream, **options) as file:
            _fill(file, tree, branches, rows_per_basket)
            for name, others in (beside or {}).items():
                _fill(file, name, others, ENTRIES_BESIDE)


def _fill(file: Any, tree: str, branches: Branches, entries: int) -> None:
    """Write one tree in baskets of so many entries."""
    n = len(next(iter(branches.values())))
    written = file.mktree(
        tree,
        {name: "string" if isinstance(values, list) else values.dtype for name, values in branches.items()},
        # with room for all baskets: the metadata would be written anew whenever it grows
        initial_basket_capacity=max(10, -(-n // entries)),
    )
    for start in range(0, n, entries):
        part = slice(start, start + entries)
        written.extend(
            {
                name: values[part] if isinstance(values, list) else np.ascontiguousarray(values[part])
                for name, values in branches.items()
            }
        )
