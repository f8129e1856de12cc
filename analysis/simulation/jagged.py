"""Index arithmetic for lists of different lengths: every per-event list is flat, sorted by its event number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Array = NDArray[Any]


def offsets(counts: Array) -> Ints:
    """Return where each list starts, and the total at the end: shape (n + 1,)."""
    result = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=result[1:])
    return result


def gather(first: Ints, lists: Ints) -> tuple[Ints, Ints]:
    """Return the flat indices of the items of the chosen lists, and which choice each item belongs to.

    Parameters
    ----------
    first : (n + 1,) int64
        Offsets of the lists.
    lists : (m,) int64
        Lists to take, in any order, with repetition.

    Returns
    -------
    items, owner : (k,) int64
        ``owner`` runs from 0 to m - 1 and never decreases.

    Examples
    --------
    >>> items, owner = gather(np.array([0, 2, 3]), np.array([1, 0, 1]))
    >>> items.tolist(), owner.tolist()
    ([2, 0, 1, 2], [0, 1, 1, 2])
    """
    counts = first[lists + 1] - first[lists]
    owner = np.repeat(np.arange(len(lists)), counts)
    begin = offsets(counts)[:-1]
    items = np.arange(len(owner)) + np.repeat(first[lists] - begin, counts)
    return items, owner


def join(left: Ints, right: Ints, n_events: int) -> tuple[Ints, Ints]:
    """Return all pairs of one item from each side in the same event.

    Parameters
    ----------
    left, right : (n,), (m,) int64
        Event number of every item; ``right`` is sorted.
    n_events
        Number of events.

    Returns
    -------
    i, j : (k,) int64
        Indices into ``left`` and ``right``, sorted as ``left`` is.
    """
    j, i = gather(offsets(np.bincount(right, minlength=n_events)), left)
    return i, j


def count(event: Ints, n_events: int, select: Bools | None = None) -> Ints:
    """Return the number of (selected) items per event, shape (n_events,)."""
    return np.bincount(event if select is None else event[select], minlength=n_events)


def total(event: Ints, values: Floats, n_events: int) -> Floats:
    """Return the sum of values per event, shape (n_events,)."""
    return np.asarray(np.bincount(event, weights=values, minlength=n_events), dtype=np.float64)


@dataclass(frozen=True)
class Table:
    """Base of records of equally long arrays: the last axis runs over the items."""

    def select(self, index: Array) -> Any:
        """Return the record with the chosen items only (indices or mask)."""
        return type(self)(**{k: v[..., index] for k, v in vars(self).items()})


def concatenate(first: Any, second: Any) -> Any:
    """Return two records of the same type as one, sorted by its field ``event``, ties in order."""
    names = list(vars(first))
    merged = {k: np.concatenate([getattr(first, k), getattr(second, k)], axis=-1) for k in names}
    order = np.argsort(merged["event"], kind="stable")
    return type(first)(**{k: v[..., order] for k, v in merged.items()})
