from __future__ import annotations

import numpy as np
import pytest

from analysis import selection
from analysis.errors import InputError

KEY = ("__experiment__", "__run__", "__event__", "__production__", "__candidate__")


def events(keys, **columns):
    """Return a table with the given row keys."""
    result = {name: np.array(values, dtype="int64") for name, values in zip(KEY, zip(*keys, strict=True), strict=True)}
    return result | {name: np.array(values, dtype=float) for name, values in columns.items()}


def test_momenta_in_another_unit_are_refused():
    def momenta(values):
        return selection.kaon_momenta({"K_pStar": values}, 10.58, "charged")

    good = np.linspace(0.4, 2.8, 300)
    assert momenta(good) is good
    momenta(np.append(good, [6.0, np.nan]))
    momenta(np.zeros(0))
    with pytest.raises(
        InputError, match=r"'charged', column 'K_pStar': 150 of 300 rows(.|\n)*22\d\d, their median(.|\n)*√s/2 = 5.29"
    ):
        momenta(np.where(np.arange(300) < 150, good, 1000 * good))
    with pytest.raises(InputError, match="'charged', column 'K_pStar'"):
        selection.kaon_momenta({}, 10.58, "charged")


def test_q2_rec_at_the_kinematic_end():
    # A B at rest and a kaon at rest: q² = (m_B − m_K)² with m_B = √s / 2.
    sqrt_s = 10.57934
    assert selection.q2_rec(np.zeros(1), sqrt_s) == pytest.approx((sqrt_s / 2 - selection.M_K) ** 2)


def test_q2_rec_is_the_invariant_mass_of_what_recoils():
    sqrt_s, p = 10.58, np.array([0.3, 1.7, 2.6])
    energy = sqrt_s / 2 - np.hypot(p, selection.M_K)
    assert selection.q2_rec(p, sqrt_s) == pytest.approx(energy**2 - p**2)


def test_masks_accumulate():
    columns = {"x": np.arange(6), "y": np.array([1, 0, 1, 0, 1, np.nan])}
    masks = selection.cumulative_masks(["x > 0", "y == 1", "x < 4"], columns)
    assert [mask.tolist().count(True) for mask in masks] == [5, 2, 1]
    assert np.flatnonzero(masks[-1]).tolist() == [2]


def test_unknown_column_in_a_cut_is_named_with_its_neighbour():
    with pytest.raises(InputError, match="K_kaonID"):
        selection.cumulative_masks(["K_kaonId > 0.9"], {"K_kaonID": np.ones(2)})


def test_highest_signal_probability_wins():
    table = events(
        [(1, 1, 7, 0, 0), (1, 1, 7, 0, 1), (1, 1, 8, 0, 0)],
        Btag_SignalProbability=[0.1, 0.3, 0.2],
        K_kaonID=[0.99, 0.91, 0.95],
    )
    best = selection.best_candidates(table)
    assert best.rows.tolist() == [1, 2]
    assert (best.events, best.multiplicity, best.ties_rank) == (2, 1.5, 0)


def test_same_event_number_in_another_production_is_another_event():
    table = events(
        [(1, 1, 7, 0, 0), (1, 1, 7, 1, 0), (2, 1, 7, 0, 0), (1, 2, 7, 0, 0)],
        Btag_SignalProbability=[0.1, 0.3, 0.2, 0.2],
        K_kaonID=[1, 1, 1, 1],
    )
    assert sorted(selection.best_candidates(table).rows) == [0, 1, 2, 3]


def test_ties_are_broken_by_kaon_id_then_candidate_then_the_rest():
    keys = [(1, 1, 1, 0, 0), (1, 1, 1, 0, 1), (1, 1, 2, 0, 1), (1, 1, 2, 0, 0), (1, 1, 3, 0, 0), (1, 1, 3, 0, 0)]
    table = events(
        keys,
        Btag_SignalProbability=[0.5] * 6,
        K_kaonID=[np.nan, 0.91, 0.95, 0.95, 0.95, 0.95],
        zeta=[0, 0, 0, 0, 2, 1],
    )
    best = selection.best_candidates(table)
    assert best.rows.tolist() == [1, 3, 5]
    assert (best.ties_rank, best.ties_kaon_id, best.ties_candidate) == (3, 2, 1)


def test_nan_signal_probability_never_wins():
    table = events(
        [(1, 1, 1, 0, 0), (1, 1, 1, 0, 1), (1, 1, 2, 0, 0)],
        Btag_SignalProbability=[np.nan, 1e-6, np.nan],
        K_kaonID=[0.99, 0.91, 0.99],
    )
    best = selection.best_candidates(table)
    assert best.rows.tolist() == [1]
    assert (best.events, best.without_rank) == (2, 1)


def test_chosen_rows_are_in_the_order_of_the_event_key(skim):
    chosen = selection.take(skim, selection.best_candidates(skim).rows)
    keys = list(zip(*(chosen[name].tolist() for name in KEY[:4]), strict=True))
    assert keys == sorted(set(keys))


def test_no_rows():
    empty = events([(1, 1, 1, 0, 0)], Btag_SignalProbability=[1], K_kaonID=[1])
    empty = selection.take(empty, np.zeros(1, dtype=bool))
    best = selection.best_candidates(empty)
    assert (len(best.rows), best.events) == (0, 0)


def test_missing_key_column_is_named(skim):
    del skim["__production__"]
    with pytest.raises(InputError, match="__production__"):
        selection.best_candidates(skim)


def test_event_index_numbers_events_in_the_order_of_their_keys():
    table = events([(1, 1, 9, 0, 0), (1, 1, 2, 0, 0), (1, 1, 9, 0, 1), (0, 5, 9, 0, 0)])
    assert selection.event_index(table).tolist() == [2, 1, 2, 0]


def test_duplicated_rows_are_counted_where_candidates_are_numbered():
    keys = [(1, 1, 1, 0, 0), (1, 1, 1, 0, 1), (1, 1, 1, 0, 1), (1, 1, 2, 0, 0)]
    assert selection.duplicate_rows(events(keys)) == 1
    assert selection.duplicate_rows(events([(1, 1, 1, 0, 0)] * 3)) == 0
