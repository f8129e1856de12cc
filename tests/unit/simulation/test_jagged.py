import numpy as np

from analysis.simulation.jagged import count, gather, join, offsets, total


def test_gather_takes_lists_in_any_order_with_repetition() -> None:
    first = offsets(np.array([2, 0, 3]))
    items, owner = gather(first, np.array([2, 1, 0, 2]))
    assert items.tolist() == [2, 3, 4, 0, 1, 2, 3, 4]
    assert owner.tolist() == [0, 0, 0, 2, 2, 3, 3, 3]


def test_join_finds_all_pairs_of_an_event() -> None:
    rng = np.random.default_rng(1)
    left, right = np.sort(rng.integers(0, 20, 50)), np.sort(rng.integers(0, 20, 40))
    i, j = join(left, right, 20)
    expected = [(a, b) for a in range(50) for b in range(40) if left[a] == right[b]]
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == expected


def test_sums_and_counts_keep_empty_events() -> None:
    event, values = np.array([0, 0, 2]), np.array([1.0, 2.0, 4.0])
    assert count(event, 4).tolist() == [2, 0, 1, 0]
    assert count(event, 4, values > 1).tolist() == [1, 0, 1, 0]
    assert total(event, values, 4).tolist() == [3.0, 0.0, 4.0, 0.0]
