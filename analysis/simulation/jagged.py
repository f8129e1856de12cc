"""Index arithmetic for lists of different lengths: every per-event list is flat, sorted by its event number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

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
        # a mask would be searched through for every field, and `take` is three times as fast as indexing
        index = np.asarray(index)
        chosen = np.flatnonzero(index) if index.dtype == bool else index
        return type(self)(**{k: v.take(chosen, axis=-1) for k, v in vars(self).items()})


@dataclass(frozen=True)
class Listed(Table):
    """Items of events, sorted by ``event``, (n,) int64."""

    event: Ints


Items = TypeVar("Items", bound=Listed)


def renumbered(items: Items, events: Ints, n_events: int, start: int = 0) -> Items:
    """Return the items of the chosen events (rising), numbered from ``start`` on."""
    new = np.full(n_events, -1)
    new[events] = np.arange(len(events)) + start
    number = new[items.event]
    keep = np.flatnonzero(number >= 0)
    chosen: Items = items.select(keep)
    return replace(chosen, event=number[keep])


def taken(items: Items, n_lists: int, lists: Ints) -> Items:
    """Return the items of the chosen lists, which may repeat, numbered in the order of choice."""
    index, owner = gather(offsets(count(items.event, n_lists)), lists)
    chosen: Items = items.select(index)
    return replace(chosen, event=owner)


def stacked(parts: Sequence[Items]) -> Items:
    """Return the items of several batches one after the other."""
    kind = type(parts[0])
    return kind(**{k: np.concatenate([getattr(p, k) for p in parts], axis=-1) for k in vars(parts[0])})


def merged(parts: Sequence[Items]) -> Items:
    """Return the items of several parts sorted by event, ties in the order of the parts."""
    whole = stacked(parts)
    result: Items = whole.select(np.argsort(whole.event, kind="stable"))
    return result


def on_side(n: int, side: int) -> Array:
    """Return a side for n particles."""
    return np.full(n, side, dtype=np.int8)
