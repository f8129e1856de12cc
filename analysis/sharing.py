"""Statistical variance of sums over rows that stand on the same simulated decays.

A simulated event is made of decays: that of the signal-side B and that of the other B, or the event and both charmed
hadrons of cc̄. A toy, and any simulation that uses decays again, puts one into several events, which are not
independent. The number of decays that end in a bin is a Poisson number, and a decay brings all its rows along; so
every pair of rows that share a decay adds the product of its weights to the variance,

    V = Σ_ij w_i w_j [rows i and j share a decay, or i = j],

which is Σ w² without sharing, and Σ_d (Σ_d w)² if every row has one decay d. This is the variance of clusters that
cross, A. C. Cameron, J. B. Gelbach, D. L. Miller, J. Bus. Econ. Stat. 29 (2011) 238. It is too wide where
the shared decay does not decide whether a row is selected, for the number of generated decays is fixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Columns with the decays behind a row, and with a number that all rows have in common which share any; below 0: none.
DECAYS = ("parentId", "partnerId1", "partnerId2")
GROUP = "parentGroup"


def decays_of(columns: Mapping[str, Array]) -> Ints | None:
    """Return the decays behind the rows, (n, k): the columns of `DECAYS` that there are; None if there is none."""
    found = [np.asarray(columns[name], dtype=np.int64) for name in DECAYS if name in columns]
    return np.column_stack(found) if found else None


def decays_or_event(columns: Mapping[str, Array], event: Ints) -> Ints:
    """Return the decays behind the rows, (n, 3): a row that names none of the signal side stands on its event.

    Parameters
    ----------
    columns
        Those of `DECAYS` that there are.
    event : (n,)
        Number of each row's event, at least 0; no decay should have it.
    """
    none = np.full(len(event), -1)
    first, *others = (np.asarray(columns.get(name, none), dtype=np.int64) for name in DECAYS)
    return np.column_stack([np.where(first < 0, event, first), *others])


@dataclass(frozen=True)
class Sharing:
    """Rows in bins, and within a bin the groups of rows that stand on the same decays.

    Inclusion and exclusion: pairs of rows that share a decay are those in groups of one decay, less those counted
    twice as they share two, and so on. Groups of a single row cancel, and are left out.

    Attributes
    ----------
    bins : (n,)
        Bin of each row.
    size
        Number of bins.
    rows, groups : (m,)
        Members of the groups: which row is in which group.
    group_bins, signs : (g,)
        Bin of a group; +1 for groups that share one decay or three, -1 for those that share two.
    """

    bins: Ints
    size: int
    rows: Ints
    groups: Ints
    group_bins: Ints
    signs: Ints

    @classmethod
    def of(cls, decays: Array | None, bins: Ints, size: int) -> Sharing:
        """Find the groups.

        Parameters
        ----------
        decays : (n, k) or (n,) integers, or None
            Decays behind a row, in any order: below 0 is none. None: the rows share nothing.
        bins : (n,)
            Bin of each row.
        size
            Number of bins.
        """
        none = np.zeros(0, dtype=np.int64)
        cells = np.empty((len(bins), 0), dtype=np.int64) if decays is None else _cells(decays, bins, size)
        found = [_groups(cells, many) for many in range(1, cells.shape[1] + 1)]
        sizes = [int(groups.max(initial=-1)) + 1 for _, groups in found]
        first = np.cumsum([0, *sizes])
        rows = np.concatenate([none, *(rows for rows, _ in found)])
        groups = np.concatenate([none, *(groups + start for (_, groups), start in zip(found, first, strict=False))])
        group_bins = np.empty(first[-1], dtype=np.int64)
        group_bins[groups] = bins[rows]
        return cls(bins, size, rows, groups, group_bins, np.repeat((-1) ** np.arange(len(sizes)), sizes))

    def variances(self, weights: Floats) -> Floats:
        """Return the variance of the sum of weights in each bin, (size,).

        Correlations between bins are not told. Where weights of both signs leave nothing or less, the result is that
        of independent rows.

        Parameters
        ----------
        weights : (n,)
            One per row.
        """
        squares = np.bincount(self.bins, weights**2, self.size).astype(np.float64)
        members = weights[self.rows]
        sums, own = (np.bincount(self.groups, each, len(self.signs)) for each in (members, members**2))
        shared = squares + np.bincount(self.group_bins, self.signs * (sums**2 - own), self.size)
        return np.where(shared > 0, shared, squares)


def shared_variance(weights: Array, decays: Array | None) -> float:
    """Return the variance of the sum of weights of rows with the ``decays`` (n, k) behind them."""
    weights = np.asarray(weights, dtype=np.float64)
    return float(Sharing.of(decays, np.zeros(len(weights), dtype=np.int64), 1).variances(weights)[0])


def _cells(decays: Array, bins: Ints, size: int) -> Ints:
    """Return (n, k) numbers of (decay, bin), in falling order; -1 where there is none, or no other row has it."""
    decays = decays.reshape(len(bins), decays.shape[1] if decays.ndim == 2 else 1)
    decays = decays[:, np.any(decays >= 0, axis=0)]
    _, dense = np.unique(decays, return_inverse=True)
    cells = np.where(decays < 0, -1, dense.reshape(decays.shape) * size + bins[:, None])
    cells = -np.sort(-cells, axis=1)
    cells[:, 1:][cells[:, 1:] == cells[:, :-1]] = -1  # a decay may stand in a row twice
    _, dense, counts = np.unique(cells, return_inverse=True, return_counts=True)
    dense = dense.reshape(cells.shape)
    return -np.sort(-np.where((cells < 0) | (counts[dense] == 1), -1, dense), axis=1)


def _groups(cells: Ints, many: int) -> tuple[Ints, Ints]:
    """Return rows and their groups: those that have the same ``many`` cells, two rows at least."""
    found = [(np.flatnonzero(cells[:, slots[-1]] >= 0), slots) for slots in combinations(range(cells.shape[1]), many)]
    rows = np.concatenate([row for row, _ in found])
    keys = np.concatenate([cells[row][:, slots] for row, slots in found])
    code = keys[:, 0]
    for column in keys.T[1:]:
        code = np.unique(code, return_inverse=True)[1] * cells.size + column
    _, groups, counts = np.unique(code, return_inverse=True, return_counts=True)
    several = counts[groups] > 1
    number = np.cumsum(counts > 1) - 1
    return rows[several], number[groups[several]]
