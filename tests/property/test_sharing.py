"""The variance of sums of rows that share decays, against all pairs of rows one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.sharing import Sharing

SIZE = 3


@st.composite
def tables(draw):
    """Return decays (n, k) of which few are different, bins and weights."""
    k = draw(st.integers(1, 3))
    rows = draw(st.lists(st.tuples(st.integers(0, SIZE - 1), *[st.integers(-1, 6)] * k), max_size=25))
    table = np.array(rows, dtype=np.int64).reshape(len(rows), k + 1)
    weights = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=len(rows), max_size=len(rows)))
    return table[:, 1:], table[:, 0], np.array(weights, dtype=np.float64)


@given(tables())
def test_every_pair_of_rows_that_share_a_decay_counts_once(table):
    decays, bins, weights = table
    expected = np.zeros(SIZE)
    for i, mine in enumerate(decays.tolist()):
        for j, others in enumerate(decays.tolist()):
            share = i == j or {d for d in mine if d >= 0} & set(others)
            expected[bins[i]] += weights[i] * weights[j] if share and bins[i] == bins[j] else 0.0
    assert Sharing.of(decays, bins, SIZE).variances(weights) == pytest.approx(expected)


@given(tables())
def test_order_and_names_of_decays_do_not_matter(table):
    decays, bins, weights = table
    renamed = np.where(decays < 0, -7, 10**14 + 3 * decays)[:, ::-1]
    found = Sharing.of(renamed, bins, SIZE).variances(weights)
    assert found == pytest.approx(Sharing.of(decays, bins, SIZE).variances(weights))


def test_rows_that_share_nothing_are_independent():
    bins, weights = np.array([0, 2, 2]), np.array([1.0, 2.0, 3.0])
    for decays in (None, np.arange(3), np.full((3, 2), -1)):
        assert Sharing.of(decays, bins, SIZE).variances(weights).tolist() == [1.0, 0.0, 13.0]


def test_weights_that_cancel_leave_the_variance_of_independent_rows():
    assert Sharing.of(np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.int64), 1).variances(np.array([1.0, -1.0])) == 2
