from __future__ import annotations

import numpy as np
import pytest

from analysis.bdt import folds
from analysis.errors import InputError


def keys(event, *, experiment=7, run=3, production=0, **more):
    event = np.asarray(event)
    columns = {
        "__experiment__": np.full(len(event), experiment, dtype="int32"),
        "__run__": np.full(len(event), run, dtype="int32"),
        "__event__": event.astype("uint32"),
        "__production__": np.full(len(event), production, dtype="int32"),
    }
    return columns | {name: np.asarray(values) for name, values in more.items()}


def test_splitmix64_reference_sequence():
    """The first outputs of the reference generator from seed 1234567: state k is seed + k × the golden gamma."""
    gamma = 0x9E3779B97F4A7C15
    states = np.array([(1234567 + k * gamma) % 2**64 for k in range(5)], dtype=np.uint64)
    assert [int(value) for value in folds.splitmix64(states)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_folds_are_frozen():
    """A trained model means nothing if folds move: these are the folds of today, for ever."""
    assert folds.assign(keys(range(12)), 4).tolist() == [2, 3, 2, 1, 1, 2, 0, 0, 2, 2, 0, 3]


def test_folds_are_equally_full_and_independent_of_order():
    table = keys(np.arange(40_000))
    fold = folds.assign(table, 4)
    # binomial: 10 000 ± 87
    assert np.all(np.abs(np.bincount(fold, minlength=4) - 10_000) < 4 * 87)
    order = np.random.default_rng(1).permutation(40_000)
    assert np.array_equal(folds.assign({n: v[order] for n, v in table.items()}, 4), fold[order])


@pytest.mark.parametrize("change", [{"experiment": 8}, {"run": 4}, {"production": 1}, {"run": -1}])
def test_every_part_of_the_key_counts(change):
    assert not np.array_equal(folds.unit_hash(keys(range(50))), folds.unit_hash(keys(range(50), **change)))


def test_key_does_not_depend_on_its_integer_type():
    table = keys(range(100))
    wide = {name: values.astype("int64") for name, values in table.items()}
    assert np.array_equal(folds.unit_hash(table), folds.unit_hash(wide))


def test_rows_that_share_a_parent_stay_together():
    group = np.repeat(np.arange(500), 7)
    table = keys(np.random.default_rng(2).permutation(3500), parentGroup=group)
    fold = folds.assign(table, 5)
    assert all(len(set(fold[group == g])) == 1 for g in range(500))
    assert len(set(fold)) == 5


def test_rows_without_a_parent_go_by_their_event():
    group = np.where(np.arange(100) < 50, -1, 3)
    with_group = folds.unit_hash(keys(range(100), parentGroup=group))
    without = folds.unit_hash(keys(range(100)))
    assert np.array_equal(with_group[:50], without[:50])
    assert len(set(with_group[50:].tolist())) == 1


def test_what_stands_behind_a_row_is_its_decays_else_its_event():
    table = keys([5, 5, 6, 7], parentId=np.array([-1, -1, 3, 4]), partnerId1=np.array([-1, -1, 9, 9]))
    found = folds.decays(table)
    assert found.shape == (4, 3)
    assert found[0, 0] == found[1, 0] > 10**9, "the hash of their event"
    assert found[2:, 0].tolist() == [3, 4]
    assert found[:, 1].tolist() == [-1, -1, 9, 9]
    assert found[:, 2].tolist() == [-1] * 4
    events = folds.decays(keys(range(2000)))[:, 0]
    assert events.min() >= 0
    assert len(set(events.tolist())) == 2000


def test_missing_key_is_named():
    table = keys(range(3))
    del table["__run__"]
    with pytest.raises(InputError, match="__run__"):
        folds.assign(table, 2)
