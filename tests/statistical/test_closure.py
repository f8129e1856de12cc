"""The closure study passes where it should, and notices what it is there for."""

import pytest

from analysis.basf2 import SampleType
from analysis.closure import closure
from analysis.config.models import Systematics
from tests.unit.test_closure import SETTINGS, tables

pytestmark = pytest.mark.statistical


def test_passes_with_much_simulation() -> None:
    found = closure(tables(100_000), SETTINGS, (), Systematics(), [0.0, 1.0, 5.0], 40, seed=20260101)
    assert found.passed
    for point in found.points:
        assert point.n_failed == 0
        assert abs(point.pull_mean) < 0.5
        assert point.pull_width == pytest.approx(1.0, abs=0.35)
        assert point.expected_width == pytest.approx(1.0, abs=0.05)
        # the mean of μ̂ lies within four of its errors
        assert abs(point.mean - point.mu) < 4 * point.spread / 40**0.5


def test_notices_statistics_of_the_simulation_that_the_fit_does_not_know() -> None:
    # As many simulated background events in a half as in the data; the normalisation must not absorb their fluctuation.
    few = tables(800)
    normalisation = {SampleType.CHARGED: 0.01}
    ignored, known = (
        closure(
            few,
            SETTINGS,
            (),
            Systematics(normalisation=normalisation, simulation_statistics=statistics),
            [1.0],
            40,
            seed=20260101,
        )
        for statistics in (False, True)
    )
    assert not ignored.passed
    assert ignored.points[0].pull_width > 1.35 > known.points[0].pull_width
    assert known.points[0].expected_width > 1.1
