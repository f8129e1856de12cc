"""Cross-validation folds by a hash, so that neither order nor number of rows decides where an event goes.

Rows that share simulated decays (``parentGroup`` ≥ 0) are hashed by their group and stay together;
all others are hashed by (experiment, run, event, production).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.basf2 import EVENT_KEY
from analysis.errors import InputError
from analysis.sharing import GROUP, decays_or_event

Array = NDArray[Any]
Columns = Mapping[str, Array]
Words = NDArray[np.uint64]

# Start values, so that group 5 and event 5 are not neighbours: "event" and "group" in ASCII.
_EVENT_SALT = np.uint64(0x6576656E74)
_GROUP_SALT = np.uint64(0x67726F7570)


def splitmix64(words: Words) -> Words:
    """Return the SplitMix64 hash of 64-bit words.

    References
    ----------
    G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014, doi:10.1145/2660193.2660195.

    Examples
    --------
    >>> int(splitmix64(np.array([1234567], dtype=np.uint64))[0])
    6457827717110365317
    """
    with np.errstate(over="ignore"):
        z = words + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _words(values: Array) -> Words:
    return np.asarray(values).astype(np.int64).view(np.uint64)


def unit_hash(columns: Columns) -> Words:
    """Return the hash of what folds must not split: the group of a row where it has one, else its event.

    Parameters
    ----------
    columns
        The event key, (n,) integers each, and `GROUP` if there is such a column.

    Returns
    -------
    (n,) uint64; equal for rows that belong together.

    Raises
    ------
    InputError
        A column of the event key is missing.
    """
    value = _event_hash(columns)
    if GROUP in columns:
        grouped = columns[GROUP] >= 0
        by_group = splitmix64(splitmix64(_words(columns[GROUP]) ^ _GROUP_SALT))
        value = np.where(grouped, by_group, value)
    return value


def _event_hash(columns: Columns) -> Words:
    for name in EVENT_KEY:
        if name not in columns:
            raise InputError(
                "Folds cannot be made without the event key.",
                where=name,
                remedy="keep the index branches in the skim",
            )
    value: Words = np.full(len(columns[EVENT_KEY[0]]), _EVENT_SALT)
    for name in EVENT_KEY:
        value = splitmix64(value ^ _words(columns[name]))
    return value


def decays(columns: Columns) -> NDArray[np.int64]:
    """Return what stands behind the rows, for statistics, (n, 3): see `analysis.sharing.decays_or_event`.

    An event's number is from the hash of its key, of 63 bits: with a million events and decays, one is mistaken for
    another by a chance of 10⁻⁷.
    """
    return decays_or_event(columns, (_event_hash(columns) >> np.uint64(1)).astype(np.int64))


def assign(columns: Columns, folds: int) -> NDArray[np.int8]:
    """Return the fold of every row, 0 to ``folds`` − 1, as int8; see `unit_hash`."""
    return (unit_hash(columns) % np.uint64(folds)).astype(np.int8)
