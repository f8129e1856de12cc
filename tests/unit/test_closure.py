"""Halves of the simulation, and the study made of them."""

import itertools
from typing import Any

import numpy as np
import pytest

from analysis.basf2 import BeamEnergy, SampleType
from analysis.closure import closure, halves, verdict
from analysis.config.models import Axis, Channel, Systematics, Templates
from analysis.errors import FitError, InputError
from analysis.inference.minimiser import NewtonEngine
from analysis.templates.fill import SampleTable

SETTINGS = Templates(
    channels=(
        Channel(name="SR", axes=(Axis(column="eta", edges=(0.5, 0.75, 1.0)),)),
        Channel(name="CR", cut="eta < 0.5", signal_region=False, axes=(Axis(column="eta", edges=(0.0, 0.5)),)),
    )
)


def sample(kind: SampleType, rows: int, expected: float, power: float, parents: int = 0) -> SampleTable:
    """Events with η distributed as η^(power - 1); ``parents`` > 0: rows share that many simulated decays."""
    rng = np.random.default_rng([rows, int(power * 100)])
    columns = {"eta": rng.random(rows) ** (1 / power), "weight": np.full(rows, expected / rows)}
    if parents:
        columns["parentId"] = rng.integers(0, parents, rows)
    return SampleTable(kind.value, kind, columns)


def tables(rows: int) -> list[SampleTable]:
    return [sample(SampleType.SIGNAL, rows, 30.0, 3.0), sample(SampleType.CHARGED, rows, 400.0, 0.4)]


def test_halves_share_no_parent_and_keep_the_expectation() -> None:
    whole = sample(SampleType.CHARGED, 4000, 100.0, 1.0, parents=500)
    (first,), (second,) = halves([whole], np.random.default_rng(1))
    assert not set(first.columns["parentId"]) & set(second.columns["parentId"])
    assert first.rows + second.rows == whole.rows
    weights = [each.columns["weight"].sum() for each in (first, second)]
    assert sum(weights) == pytest.approx(200.0)
    assert weights == pytest.approx([100.0, 100.0], rel=0.25)


def test_rows_without_a_parent_are_split_one_by_one() -> None:
    columns = {"weight": np.ones(2000), "parentId": np.full(2000, -1)}
    (first,), (second,) = halves([SampleTable("x", SampleType.CHARGED, columns)], np.random.default_rng(2))
    assert abs(first.rows - second.rows) < 200


def test_the_same_seed_gives_the_same_study_and_data_are_not_touched() -> None:
    data = SampleTable("data", SampleType.DATA, {})
    first = closure([*tables(20_000), data], SETTINGS, (), Systematics(), [1.0], 10, seed=3)
    second = closure(tables(20_000), SETTINGS, (), Systematics(), [1.0], 10, seed=3)
    assert first == second
    # off-resonance channels are no part of it, however few events they hold
    off = Channel(name="OFF", beam_energy="4S_offres", axes=(Axis(column="eta", edges=(0.0, 1.0)),))
    more = SETTINGS.model_copy(update={"channels": (*SETTINGS.channels, off)})
    empty = {"eta": np.zeros(0), "weight": np.zeros(0)}
    below = SampleTable("ccbar_off", SampleType.CCBAR, empty, beam_energy=BeamEnergy.OFF_RESONANCE)
    assert closure([*tables(20_000), below], more, (), Systematics(), [1.0], 10, seed=3) == first
    assert first.points[0].n_failed == 0
    assert len(first.points[0].pulls) == 10


def test_an_experiment_without_an_error_of_its_own_counts_as_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    covariance, calls = NewtonEngine.covariance, itertools.count()

    def singular_once(self: NewtonEngine, *args: Any) -> Any:
        if next(calls) == 0:
            raise FitError("The data do not determine a combination of parameters.")
        return covariance(self, *args)

    monkeypatch.setattr(NewtonEngine, "covariance", singular_once)
    (point,) = closure(tables(20_000), SETTINGS, (), Systematics(), [1.0], 10, seed=3).points
    assert point.n_failed == 1
    assert len(point.pulls) == 9


def test_too_few_experiments_are_refused() -> None:
    with pytest.raises(InputError, match="at least 10"):
        closure(tables(100), SETTINGS, (), Systematics(), [1.0], 9, seed=3)


def test_fits_at_the_bound_leave_the_study_without_a_verdict() -> None:
    """A bin of η near 1 with hardly any background: μ cannot go far below zero."""
    few = [sample(SampleType.SIGNAL, 20_000, 1.0, 3.0), sample(SampleType.CHARGED, 20_000, 20.0, 0.1)]
    found = closure(few, SETTINGS, (), Systematics(), [0.0], 30, seed=4)
    (point,) = found.points
    assert point.n_at_bound > 2
    assert point.passed is found.passed is None
    assert "of 30 failed or at the bound" in verdict(point)
