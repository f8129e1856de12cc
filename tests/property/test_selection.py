"""One candidate per event, whatever the order of the rows and however they are cut into chunks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analysis import selection
from analysis.basf2 import EVENT_KEY

# Few different values, so that ties of every kind occur.
ROW = st.tuples(
    st.integers(7, 8),
    st.integers(0, 1),
    st.integers(0, 2),
    st.integers(0, 1),
    st.integers(0, 2),
    st.sampled_from([0.1, 0.2, np.nan, -0.0, 0.0]),
    st.sampled_from([0.9, 0.95, np.nan]),
    st.sampled_from([1.0, 2.0, np.nan]),
)
NAMES = (*EVENT_KEY, "__candidate__", "Btag_SignalProbability", "K_kaonID", "other")
ROWS = st.lists(ROW, min_size=1, max_size=40)


def table(rows):
    columns = {name: np.array([row[i] for row in rows]) for i, name in enumerate(NAMES)}
    return columns | {name: columns[name].astype("int32") for name in NAMES[:5]}


def chosen(columns):
    """Return the chosen rows as a list of tuples; NaN made comparable, -0.0 equal to 0.0."""
    rows = selection.best_candidates(columns).rows
    return [tuple(str(value + 0.0) for value in row) for row in zip(*(columns[n][rows] for n in NAMES), strict=True)]


@given(rows=ROWS, data=st.data())
def test_order_of_rows_does_not_matter(rows, data):
    shuffled = data.draw(st.permutations(rows))
    assert chosen(table(rows)) == chosen(table(shuffled))


@given(rows=ROWS, data=st.data())
def test_chunks_do_not_matter(rows, data):
    """Choosing within chunks first, then among their winners, gives the same: files may split events."""
    labels = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    winners = []
    for label in sorted(set(labels)):
        chunk = [row for row, its in zip(rows, labels, strict=True) if its == label]
        best = selection.best_candidates(table(chunk)).rows
        winners += [chunk[i] for i in best]
    if winners:
        assert chosen(table(winners)) == chosen(table(rows))
    else:
        assert chosen(table(rows)) == []


@given(rows=ROWS)
def test_the_rule(rows):
    """Against the rule written out: one row per event, the maximum of an ordered tuple, never NaN."""
    expected = {}
    for row in rows:
        *event, candidate, rank, tie, other = row
        if np.isnan(rank):
            continue
        tie = -np.inf if np.isnan(tie) else tie
        other = np.inf if np.isnan(other) else other
        key = (-rank, -tie, candidate, other)
        expected[tuple(event)] = min(expected.get(tuple(event), key), key)
    columns = table(rows)
    best = selection.best_candidates(columns).rows
    got = {}
    for i in best:
        event = tuple(int(columns[name][i]) for name in EVENT_KEY)
        assert event not in got
        tie, other = columns["K_kaonID"][i], columns["other"][i]
        got[event] = (
            -columns["Btag_SignalProbability"][i],
            np.inf if np.isnan(tie) else -tie,
            int(columns["__candidate__"][i]),
            np.inf if np.isnan(other) else other,
        )
    assert got == expected


@given(rows=ROWS)
def test_account(rows):
    columns = table(rows)
    best = selection.best_candidates(columns)
    events = {row[:4] for row in rows}
    assert best.events == len(events)
    assert len(best.rows) + best.without_rank == len(events)
    assert best.multiplicity == len(rows) / len(events)
    assert best.ties_rank >= best.ties_kaon_id >= best.ties_candidate
