"""The algebra of intervals against a brute-force table of every run of a small detector's life."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.conditions.iov import IoV, RunSet, run_key

EXPERIMENTS, RUNS = 4, 6
POINTS = list(itertools.product(range(EXPERIMENTS), range(RUNS)))


def inside(iov: tuple[int, int, int, int], point: tuple[int, int]) -> bool:
    """Basf2's selection of payloads, as its SQL says it."""
    first_experiment, first_run, final_experiment, final_run = iov
    experiment, run = point
    begun = (first_experiment == experiment and first_run <= run) or first_experiment < experiment
    not_ended = (
        final_experiment < 0
        or (final_run < 0 and final_experiment >= experiment)
        or final_experiment > experiment
        or (final_experiment == experiment and final_run >= run)
    )
    return begun and not_ended


@st.composite
def iovs(draw):
    experiment, run = draw(st.sampled_from(POINTS))
    last = draw(st.integers(-1, EXPERIMENTS - 1))
    last_run = -1 if last < 0 else draw(st.integers(-1, RUNS - 1))
    numbers = (experiment, run, last, last_run)
    reversed_ = last >= 0 and (last < experiment or (last == experiment and 0 <= last_run < run))
    if reversed_:
        with pytest.raises(ValueError, match="reversed"):
            IoV(*numbers)
        numbers = (experiment, run, -1, -1)
    return IoV(*numbers)


def table(runs) -> set[tuple[int, int]]:
    return {p for p in POINTS if any(inside(iov.as_tuple(), p) for iov in runs)}


@given(iovs())
def test_contains_is_basf2s_rule(iov):
    assert {p for p in POINTS if iov.contains(*p)} == table([iov])
    assert IoV.parse(str(iov)) == iov
    assert IoV.from_keys(iov.start, iov.end) == iov


@given(iovs(), iovs())
def test_pairs(one, two):
    common = table([one]) & table([two])
    both = one.intersection(two)
    assert table([both] if both else []) == common
    if common:
        assert one.overlaps(two)
    assert one.overlaps(two) == (both is not None) == two.overlaps(one)
    if both is not None:
        assert (both.start, both.end) == (max(one.start, two.start), min(one.end, two.end))


@given(st.lists(iovs(), max_size=6), st.lists(iovs(), max_size=6))
def test_sets(first, second):
    one, two = RunSet(first), RunSet(second)
    assert table(one) == table(first)
    assert table(one.union(two)) == table(first) | table(second)
    assert table(one.intersection(two)) == table(first) & table(second)
    assert table(one.difference(two)) == table(first) - table(second)
    assert RunSet.of_keys(run_key(*point) for point in table(first)).intersection(two) == RunSet(
        IoV(*point, *point) for point in table(first) & table(second)
    )
    # Normal form: equal sets are equal objects, whatever made them.
    assert one == one.difference(two).union(one.intersection(two))
    assert hash(one.union(two)) == hash(two.union(one))
    assert not one.difference(two).intersection(two)


@given(st.lists(iovs(), max_size=6))
def test_normal_form_is_sorted_and_disjoint(intervals):
    spans = [(iov.start, iov.end) for iov in RunSet(intervals)]
    assert all(b + 1 < c for (_, b), (c, _) in itertools.pairwise(spans))
