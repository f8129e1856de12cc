import numpy as np
import pytest

from analysis.columns import COLUMNS
from analysis.validation.ranges import RANGES, outside


def test_every_column_of_an_ntuple_has_a_range() -> None:
    ntuple = {name for name, column in COLUMNS.items() if column.provided_by == "ntuple"}
    assert set(RANGES) == ntuple


@pytest.mark.parametrize(
    ("column", "value", "bad"),
    [
        ("K_kaonID", 1.0, False), ("K_kaonID", 1.001, True), ("K_kaonID", np.nan, True), ("roeNTracks", 1.5, True),
        ("roeNTracks", -1.0, True), ("roeEextra", np.inf, True), ("q2_gen", np.nan, False), ("q2_gen", 23.5, True),
        ("KSFW_hso00", -0.1, True), ("KSFW_hso01", -0.1, False), ("K_D0vetoM", np.nan, False), ("R2", -1e-9, True),
    ],
)  # fmt: skip
def test_unphysical_values_are_counted(column: str, value: float, bad: bool) -> None:
    good = 2.0 if column == "K_D0vetoM" else 1.0
    assert outside(column, np.array([good, value, good])) == int(bad)


def test_integers_are_checked_too() -> None:
    assert outside("__ncandidates__", np.array([1, 2, 0], dtype=np.int32)) == 1
    assert outside("__event__", np.array([1, 2], dtype=np.uint32)) == 0
