"""The checks on a few whole events and pools: they pass, and they see what is planted."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.basf2 import SampleType
from analysis.simulation import whole
from analysis.simulation.rows import Rows
from analysis.simulation.whole import Whole
from analysis.validation.generator import COMPARED, Found, check, compare

pytest.importorskip("pythia8mc", reason="the extra `toy` is not installed")
SQRT_S = 10.579
EVENTS = {SampleType.SIGNAL: 4000, SampleType.CHARGED: 6000, SampleType.MIXED: 6000}


@pytest.fixture(scope="module")
def events() -> dict[SampleType, Whole]:
    return {
        kind: whole.make(kind, n, np.array([3, 4]), np.random.default_rng(1)) for kind, n in EVENTS.items()
    }  # fmt: skip


@pytest.fixture(scope="module")
def pools() -> dict[SampleType, Rows]:
    return {
        kind: whole.pooled(kind, n, 2, np.array([5, 6]), np.random.default_rng(2)) for kind, n in EVENTS.items()
    }  # fmt: skip


@pytest.fixture(scope="module")
def found(events: dict[SampleType, Whole], pools: dict[SampleType, Rows]) -> Found:
    return check(events, pools, SQRT_S)


def failed(found: Found) -> set[str]:
    return {each.name for each in found.checks if each.passed is False}


def test_all_pass(found: Found) -> None:
    assert failed(found) == set()
    groups = {each.group for each in found.checks}
    assert len(groups) == 7
    assert {each.column for each in found.pools} == set(COMPARED)


def test_events_count_once(found: Found, events: dict[SampleType, Whole]) -> None:
    """So many effective events are there as events with candidates, but for those whose other B is a tag, too."""
    rows = events[SampleType.SIGNAL].rows
    assert len(rows) > len(np.unique(rows.event))
    assert found.pools[0].first.n_effective == pytest.approx(len(np.unique(rows.event)), rel=0.001)


def test_missing_events_are_seen(events: dict[SampleType, Whole], pools: dict[SampleType, Rows]) -> None:
    rows = pools[SampleType.SIGNAL]
    fewer = {**pools, SampleType.SIGNAL: replace(rows, weight=rows.weight * 0.7)}
    assert failed(check(events, fewer, SQRT_S)) == {"events with candidates, of those with an accepted tag"}


def test_a_difference_is_seen(events: dict[SampleType, Whole], pools: dict[SampleType, Rows]) -> None:
    rows = pools[SampleType.SIGNAL]
    shifted = replace(rows, columns={**rows.columns, "roeEextra": rows.columns["roeEextra"] * 1.3 + 0.03})
    p = {each.column: each.p_value for each in compare(events[SampleType.SIGNAL].rows, shifted, SQRT_S)}
    assert p["roeEextra"] < 1e-3
    assert p["K_pStar"] > 1e-3


def test_a_wrong_spectrum_and_a_wrong_identification_are_seen(
    events: dict[SampleType, Whole], pools: dict[SampleType, Rows]
) -> None:
    signal = events[SampleType.SIGNAL]
    wrong = replace(
        signal, q2=signal.q2 * 0.9, found=replace(signal.found, mass=signal.found.mass + 0.004),
        kaons=replace(signal.kaons, kaon_id=np.sqrt(signal.kaons.kaon_id)),
    )  # fmt: skip
    names = " ".join(sorted(failed(check({**events, SampleType.SIGNAL: wrong}, pools, SQRT_S))))
    for part in ("fractions in bins", "mean after reweighting", "efficiency, kaons", "K⁻π⁺"):
        assert part in names
