from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from analysis.config.models import DecayLabel, Planted
from analysis.simulation.planting import factor
from analysis.simulation.rows import Rows
from analysis.simulation.truth import Label


def rows() -> Rows:
    columns = {
        "Btag_decayModeID": np.array([0.0, 1.0, 1.0, 3.0]),
        "Btag_isSignal": np.array([1.0, 1.0, 0.0, np.nan]),
        "K_mcPDG": np.array([321.0, -321.0, 211.0, np.nan]),
        "roeEextra": np.array([0.0, 0.75, 1.5, 0.75]),
        "Bsig_label": np.array([0, Label.TAU, Label.D_TO_KL | Label.DK, Label.DK]),
    }
    index = np.arange(4)
    return Rows(index, np.ones(4), index, index, columns, 1, index, np.full(4, None))


def test_nothing_is_planted_by_default() -> None:
    assert factor(rows(), Planted()).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("planted", "expected"),
    [
        ({"tag_efficiency": {1: 0.8}}, [1, 0.8, 1, 1]),
        ({"kaon_efficiency": 0.9}, [0.9, 0.9, 1, 1]),
        ({"kaon_fake_rate": 1.5}, [1, 1, 1.5, 1.5]),
        ({"e_ecl_slope": 0.1}, [0.9, 1, 1.1, 1]),
        ({"branching_fractions": {"DK": 2.0, "TAU": 0.0}}, [1, 0, 2, 2]),
    ],
)
def test_each_difference_is_planted_where_it_belongs(planted: dict[str, object], expected: list[float]) -> None:
    assert factor(rows(), Planted.model_validate(planted)) == pytest.approx(expected)


def test_labels_of_the_configuration_are_those_of_the_simulation() -> None:
    assert set(get_args(DecayLabel)) == {label.name for label in Label if label}


def test_the_tag_of_an_event_is_its_first_correct_candidate() -> None:
    """B⁻ → D*⁰ℓ⁻ is found as D⁰ℓ⁻, too: the event has the efficiency of its true mode, once."""
    event = np.array([3, 3, 3, 5, 8, 8])
    columns = {
        "Btag_decayModeID": np.array([0.0, 2.0, 2.0, 2.0, 2.0, 6.0]),
        "Btag_isSignal": np.array([0.0, 1.0, 1.0, 0.0, np.nan, 1.0]),
        "K_mcPDG": np.full(6, 321.0), "roeEextra": np.full(6, 0.75), "Bsig_label": np.zeros(6, dtype=np.int64),
    }  # fmt: skip
    table = Rows(event, np.ones(6), event, event, columns, 1, event, np.full(6, "", dtype=object))
    planted = Planted.model_validate({"tag_efficiency": {0: 0.1, 2: 0.8, 6: 0.5}})
    assert factor(table, planted) == pytest.approx([0.8, 0.8, 0.8, 1, 0.5, 0.5])


@pytest.mark.parametrize(
    "bad",
    [{"kaon_efficiency": 0}, {"tag_efficiency": {8: 0.9}}, {"branching_fractions": {"KK": 1}}, {"e_ecl_slope": 2}],
)
def test_impossible_differences_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(bad))):
        Planted.model_validate(bad)
