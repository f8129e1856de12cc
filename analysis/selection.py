"""The semileptonic selection: ordered cuts, one candidate per event, and the reconstructed q².

Pure functions on columns; `analysis.cli.preselection` reads and writes.

The rule of the best candidate
------------------------------
Of all candidates of an event (experiment, run, event, production) that pass the cuts, the one with
the highest ``Btag_SignalProbability`` stays. Ties are broken by the highest ``K_kaonID`` (NaN counts
as lowest), then by the lowest ``__candidate__``, then by the values of all other columns in the
order of their names, lowest first. Candidates that are still equal are equal in every column, so
that it does not matter which of them stays. The rule is a total order of rows: neither the order of
the rows nor the way they are cut into files has an influence. A candidate whose
``Btag_SignalProbability`` is NaN is never chosen; an event that has no other is lost, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.basf2 import EVENT_KEY, ROW_KEY
from analysis.columns import COLUMNS
from analysis.errors import InputError
from analysis.formfactors import M_K
from analysis.ntuples.expression import Expression

Array = NDArray[Any]
Columns = Mapping[str, Array]
Mask = NDArray[np.bool_]

RANK = "Btag_SignalProbability"
TIE = "K_kaonID"
CANDIDATE = "__candidate__"
BEST_CANDIDATE_RULE = (
    "per (experiment, run, event, production): highest Btag_SignalProbability, never NaN; ties: highest K_kaonID "
    "(NaN lowest), then lowest __candidate__, then all other columns in the order of their names, lowest first"
)


@dataclass(frozen=True)
class BestCandidates:
    """The chosen rows, and how they were chosen.

    Attributes
    ----------
    rows
        (m,) int64: indices of the chosen rows, in the order of the event key.
    events
        Events among the rows given.
    multiplicity
        Mean number of candidates per event.
    ties_rank
        Events with more than one candidate at the highest signal probability.
    ties_kaon_id
        Of these, events in which ``K_kaonID`` did not decide either.
    ties_candidate
        Of these, events in which ``__candidate__`` did not decide either.
    without_rank
        Events lost because every signal probability is NaN.
    """

    rows: NDArray[np.int64]
    events: int
    multiplicity: float
    ties_rank: int
    ties_kaon_id: int
    ties_candidate: int
    without_rank: int


def q2_rec(k_p_star: Array, sqrt_s: float) -> NDArray[np.float64]:
    """Return the reconstructed mass squared of the neutrino pair, s/4 + m_K² − √s E*_K.

    The B is taken to be at rest in the centre-of-mass system, hence values below zero and above the
    kinematic limit occur (arXiv:2311.14647).

    Parameters
    ----------
    k_p_star
        (n,) momentum of the kaon in the centre-of-mass system, GeV/c.
    sqrt_s
        Centre-of-mass energy, GeV.

    Returns
    -------
    (n,) float64, GeV²/c⁴.

    Examples
    --------
    >>> q2_rec(np.array([0.0]), 10.58).round(3)  # a kaon at rest
    array([23.005])
    """
    energy = np.sqrt(np.asarray(k_p_star, dtype=np.float64) ** 2 + M_K**2)
    return np.asarray(sqrt_s**2 / 4 + M_K**2 - sqrt_s * energy, dtype=np.float64)


def kaon_momenta(columns: Columns, sqrt_s: float, sample: str) -> Array:
    """Return ``K_pStar``, unless no particle of these collisions has such momenta: q²_rec would be wrong in silence.

    Parameters
    ----------
    columns
        name -> (n,) array, with the kaon's momentum in the centre-of-mass system, GeV/c.
    sqrt_s
        Centre-of-mass energy, GeV.
    sample
        Named in the errors.

    Raises
    ------
    InputError
        The column is missing, or more than one row in a hundred, which tracks measured badly may be, lies above half
        the energy.
    """
    if "K_pStar" not in columns:
        raise InputError(
            "The reconstructed q² cannot be made without this column.",
            where=f"sample '{sample}', column 'K_pStar'",
            remedy="keep it in the skim, or give it an alias in the sample's configuration",
        )
    momenta = columns["K_pStar"]
    above = momenta > sqrt_s / 2
    if np.count_nonzero(above) > 0.01 * len(momenta):
        raise InputError(
            "The kaons are faster than the beams allow.",
            where=f"sample '{sample}', column 'K_pStar': {np.count_nonzero(above)} of {len(momenta)} rows",
            found=f"{np.median(momenta[above]):.4g}, their median",
            expected=f"GeV/c, at most √s/2 = {sqrt_s / 2:.2f}",
            remedy="alias the column to a branch in GeV/c, or give an expression that converts it in basf2",
        )
    return momenta


def cumulative_masks(cuts: Sequence[str], columns: Columns) -> list[Mask]:
    """Return, for each cut, the rows that pass it and all cuts before it.

    Parameters
    ----------
    cuts
        Expressions of the cut language.
    columns
        name -> (n,) array.

    Raises
    ------
    InputError
        A cut uses a column that is not there; the message names the nearest.
    ConfigurationError
        A cut cannot be read.
    """
    masks: list[Mask] = []
    passed: Mask = np.ones(row_count(columns), dtype=bool)
    for cut in cuts:
        passed = passed & Expression.parse(cut).mask(columns)
        masks.append(passed)
    return masks


def nan_in_cuts(cuts: Sequence[str], columns: Columns) -> dict[str, int]:
    """Return the columns of cuts -> rows in which they are NaN, and which therefore cannot pass.

    Columns in which NaN has a meaning (see the data model) are left out, and so are those without NaN.
    """
    names = sorted(frozenset[str]().union(*(Expression.parse(cut).names for cut in cuts)) & columns.keys())
    strange = [name for name in names if not (name in COLUMNS and COLUMNS[name].nan)]
    floats = [name for name in strange if columns[name].dtype.kind == "f"]
    counts = {name: int(np.count_nonzero(np.isnan(columns[name]))) for name in floats}
    return {name: count for name, count in counts.items() if count}


def row_count(columns: Columns) -> int:
    """Return the number of rows of a table."""
    return len(next(iter(columns.values()))) if columns else 0


def take(columns: Columns, rows: Array) -> dict[str, Array]:
    """Return the rows given by a mask (n,) or by indices (m,), all columns."""
    return {name: array[rows] for name, array in columns.items()}


def event_starts(columns: Columns, order: Array, key: Sequence[str] = EVENT_KEY) -> Mask:
    """Return (n,) bool: row ``order[i]`` has another key than row ``order[i - 1]``."""
    starts: Mask = np.zeros(len(order), dtype=bool)
    if len(order):
        starts[0] = True
        for name in key:
            values = columns[name][order]
            starts[1:] |= values[1:] != values[:-1]
    return starts


def _sorted_by(columns: Columns, key: Sequence[str]) -> Array:
    return np.lexsort([columns[name] for name in reversed(key)])


def event_index(columns: Columns) -> NDArray[np.int64]:
    """Return (n,) int64: the number of each row's event (experiment, run, event, production), from 0, in its order."""
    order = _sorted_by(columns, EVENT_KEY)
    index = np.empty(len(order), dtype=np.int64)
    index[order] = np.cumsum(event_starts(columns, order)) - 1
    return index


def duplicate_rows(columns: Columns) -> int:
    """Return how many rows repeat the key (experiment, run, event, production, candidate) of another row.

    Keys repeat when a file is read twice, or when productions that number their events alike are
    merged without ``__production__``. Tables in which every ``__candidate__`` is zero do not
    number their candidates; nothing can be said there, and 0 is returned.
    """
    if not np.any(columns[CANDIDATE]):
        return 0
    order = _sorted_by(columns, ROW_KEY)
    return len(order) - int(event_starts(columns, order, ROW_KEY).sum())


def best_candidates(columns: Columns) -> BestCandidates:
    """Choose one candidate per event; the rule stands at the top of this module.

    Parameters
    ----------
    columns
        name -> (n,) array, with the row key, ``Btag_SignalProbability`` and ``K_kaonID``.

    Raises
    ------
    InputError
        One of these columns is missing.
    """
    for name in (*ROW_KEY, RANK, TIE):
        if name not in columns:
            raise InputError(
                "The best candidate of an event cannot be chosen without this column.",
                where=name,
                remedy="keep it in the skim, or give it an alias in the sample's configuration",
            )
    rank = np.asarray(columns[RANK], dtype=np.float64)
    tie = np.asarray(columns[TIE], dtype=np.float64)
    tie = np.where(np.isnan(tie), -np.inf, tie)
    keys = [columns[name] for name in reversed(EVENT_KEY)]
    # NaN sorts last.
    order = np.lexsort([columns[CANDIDATE], -tie, -rank, *keys])
    starts = event_starts(columns, order)
    if not len(order):
        return BestCandidates(order.astype(np.int64), 0, 0.0, 0, 0, 0, 0)

    event = np.cumsum(starts) - 1
    first = order[starts]
    same_rank = rank[order] == rank[first][event]
    same_tie = same_rank & (tie[order] == tie[first][event])
    same_all = same_tie & (columns[CANDIDATE][order] == columns[CANDIDATE][first][event])
    n_events = len(first)

    def several(mask: Mask) -> Array:
        return np.bincount(event[mask], minlength=n_events) > 1

    undecided = several(same_all)
    chosen = first.copy()
    if undecided.any():
        rows = order[same_all & undecided[event]]
        chosen[undecided] = _lowest_in_all_columns(columns, rows)
    has_rank = ~np.isnan(rank[first])
    return BestCandidates(
        rows=chosen[has_rank].astype(np.int64),
        events=n_events,
        multiplicity=len(order) / n_events,
        ties_rank=int(several(same_rank).sum()),
        ties_kaon_id=int(several(same_tie).sum()),
        ties_candidate=int(undecided.sum()),
        without_rank=int((~has_rank).sum()),
    )


def _lowest_in_all_columns(columns: Columns, rows: Array) -> Array:
    """Return for each event among ``rows`` the row whose values, column by column, are lowest."""
    others = [
        columns[name][rows] for name in sorted(columns) if name not in ROW_KEY and columns[name].dtype.kind in "biufUSO"
    ]
    # Strings come as objects; their text is what can be compared.
    others = [values.astype(str) if values.dtype.kind == "O" else values for values in others]
    keys = [columns[name][rows] for name in reversed(EVENT_KEY)]
    order = np.lexsort([*reversed(others), *keys])
    lowest: Array = rows[order][event_starts(columns, rows[order])]
    return lowest
