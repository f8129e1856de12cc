from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis import cutflow, io
from analysis.cutflow import BestCandidateSummary, Count, CutFlow
from analysis.errors import InputError


def flow(sample: str, counts: list[Count], *, generated: float | None = 1000.0, expected: float | None = 50.0):
    return CutFlow(
        sample=sample,
        type="signal" if generated else "data",
        level=cutflow.LEVEL,
        method=cutflow.METHOD,
        generated_events=generated,
        expected_events=expected,
        steps=cutflow.with_efficiencies(counts, generated, expected),
        best_candidate=BestCandidateSummary(
            rule="",
            multiplicity=1.0,
            ties_signal_probability=0,
            ties_kaon_id=0,
            ties_candidate=0,
            events_without_signal_probability=0,
            duplicate_keys=0,
        ),
    )


COUNTS = [
    Count(name="generated", events=1000, sum_w=50.0),
    Count(name="ntuple", rows=400, sum_w=20.0),
    Count(name="skim", rows=300, events=200, sum_w=15.0, variance=0.75),
    Count(name="a cut", cut="x > 1", rows=120, events=100, sum_w=6.0, variance=0.3, variance_step=0.18),
]


@pytest.mark.parametrize(("passed", "total"), [(0, 7), (3, 7), (7, 7), (40, 100_000)])
@pytest.mark.parametrize("level", [0.6827, 0.95])
def test_clopper_pearson_inverts_the_binomial(passed, total, level):
    """Each end is where the observation becomes a fluctuation of (1 − level) / 2: the definition."""
    low, high = cutflow.clopper_pearson(passed, total, level)
    tail = (1 - level) / 2
    if passed > 0:
        assert stats.binom.sf(passed - 1, total, low) == pytest.approx(tail, rel=1e-6)
    else:
        assert low == 0
    if passed < total:
        assert stats.binom.cdf(passed, total, high) == pytest.approx(tail, rel=1e-6)
    else:
        assert high == 1


def test_clopper_pearson_refuses_what_is_no_efficiency():
    with pytest.raises(ValueError, match="5 of 4"):
        cutflow.clopper_pearson(5, 4)


def test_efficiencies_are_of_events_where_both_steps_counted_them():
    generated, ntuple, skim, cut = flow("signal", COUNTS).steps
    assert generated.efficiency is None
    assert ntuple.efficiency is None
    assert (skim.efficiency_step.value, skim.efficiency_step.basis) == (300 / 400, "candidates")
    assert (cut.efficiency_step.value, cut.efficiency_step.basis) == (0.5, "events")
    assert cut.efficiency.value == 0.1
    assert (cut.efficiency.low, cut.efficiency.high) == cutflow.clopper_pearson(100, 1000)


def test_weighted_efficiencies():
    *_, cut = flow("signal", COUNTS).steps
    assert cut.weighted.value == pytest.approx(6 / 50)
    assert cut.weighted.error == pytest.approx(np.sqrt(0.3) / 50)
    # equal weights of 0.05: the weighted binomial is the binomial of 120 in 300
    assert cut.weighted_step.value == pytest.approx(0.4)
    assert cut.weighted_step.error == pytest.approx(np.sqrt(0.4 * 0.6 / 300))


def test_more_events_than_generated_is_not_an_efficiency():
    """Simulated decays that are used again can outnumber the generated ones: undefined, not wrong."""
    counts = [
        Count(name="generated", events=10, sum_w=1.0),
        Count(name="skim", rows=40, events=30, sum_w=3, variance=1),
    ]
    step = flow("signal", counts, generated=10.0, expected=1.0).steps[1]
    assert step.efficiency is None
    assert step.weighted.value == 3.0


def test_more_events_than_were_generated_have_no_efficiency():
    """One more is enough: what is not a part of a whole has no interval of a binomial."""
    more = [COUNTS[0], Count(name="skim", rows=1001, events=1001, sum_w=50.0, variance=2.5)]
    _, skim = flow("signal", more).steps
    assert skim.efficiency is None
    assert skim.efficiency_step is None
    exactly = [COUNTS[0], more[1].model_copy(update={"events": 1000})]
    assert flow("signal", exactly).steps[1].efficiency.value == 1.0


def test_text_table_shows_each_step():
    lines = cutflow.text_table(flow("signal", COUNTS)).splitlines()
    assert len(lines) == 1 + len(COUNTS)
    assert lines[-1].split()[:5] == ["a", "cut", "120", "100", "6"]
    assert "50.00" in lines[-1]


def test_written_and_read_back(tmp_path):
    nominal = flow("signal", COUNTS)
    io.write_json(tmp_path / "c.json", nominal.model_dump(mode="json"))
    assert io.read_model(tmp_path / "c.json", cutflow.CutFlow, "preselection") == nominal


def test_another_file_is_refused(tmp_path):
    io.write_json(tmp_path / "c.json", {"sample": "signal"})
    with pytest.raises(InputError, match="not what `preselection` of this version writes"):
        io.read_model(tmp_path / "c.json", cutflow.CutFlow, "preselection")
