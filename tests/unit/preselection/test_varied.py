"""The selection under a variation: the same as on a skim that had the alternative columns from the beginning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis import io
from analysis.cli import main
from analysis.columns import CHANGED, VARIATION, VARIATIONS, alternative
from analysis.preselection import variations_of, varied
from tests.unit.preselection.conftest import make_skim

ROOT = Path(__file__).parents[3]


@pytest.fixture
def skim():
    """Alternatives are the nominal values in two rows of three, those of the next row in the others."""
    made = make_skim(1200)
    moves = np.arange(1200) % 3 == 0
    for variation, names in VARIATIONS.items():
        for name in names:
            made[alternative(name, variation)] = np.where(moves, np.roll(made[name], -1), made[name])
    return made


@pytest.fixture
def tables(tmp_path, write_skim, monkeypatch):
    monkeypatch.chdir(ROOT)

    def run(name, kind, columns):
        path = write_skim(name, kind, columns)
        nominal, other, flow = (tmp_path / f"{name}{end}" for end in (".parquet", ".varied.parquet", ".json"))
        outputs = ["--output", str(nominal), "--varied", str(other), "--cutflow", str(flow)]
        assert main(["preselection", "--config", "config/config.yaml", "--sample", name, *outputs, str(path)]) == 0
        return io.read_table(nominal), io.read_table(other)

    return run


def test_a_variation_needs_all_its_columns(skim):
    assert variations_of(skim) == list(VARIATIONS)
    del skim["roeNPi0_gammaUp"]
    assert variations_of(skim) == [name for name in VARIATIONS if name != "gammaUp"]
    assert variations_of({"roeEextra": np.ones(1)}) == []


def test_rows_that_differ_are_marked(skim):
    one = {name: np.array([1.0, np.nan, 2.0]) for name in VARIATIONS["KLeffUp"]}
    other = {alternative(name, "KLeffUp"): values.copy() for name, values in one.items()}
    other["roeEextra_KLeffUp"][2] = 2.5
    made = varied(one | other, "KLeffUp")
    assert made[CHANGED].tolist() == [False, False, True]
    assert made["roeEextra"].tolist()[2] == 2.5


@pytest.mark.parametrize("variation", ["gammaDown", "beamEnergyUp", "lostTrack"])
def test_the_selection_is_run_again(tables, skim, variation):
    nominal, other = tables("signal", "signal", skim)
    moved = {**skim, **{name: skim[alternative(name, variation)] for name in VARIATIONS[variation]}}
    expected, _ = tables("signal", "signal", moved)
    rows = other.columns[VARIATION] == other.metadata["variations"].index(variation)
    assert rows.sum() == len(expected)
    for name in ("__event__", "q2_rec", "weight", "parentId", "roeEextra"):
        assert np.array_equal(other.columns[name][rows], expected.columns[name])
    if variation == "gammaDown":
        events = [
            set(zip(t.columns["__event__"], t.columns["__production__"], strict=True)) for t in (nominal, expected)
        ]
        assert events[1] - events[0], "events enter that the nominal selection rejects"
        assert events[0] - events[1], "others leave"


def test_what_later_stages_need_is_kept_and_no_more(tables, skim):
    nominal, other = tables("signal", "signal", skim)
    assert {"weight", "parentGroup", "parentId", CHANGED, VARIATION, "q2_rec", "Btag_l_pStar"} <= set(other.columns)
    assert not any(name.endswith(("Up", "Down")) for name in other.columns)
    assert other.metadata["sample"] == "signal"
    assert other.metadata["provenance"]["conditions"] == nominal.metadata["provenance"]["conditions"]


def test_an_ntuple_without_alternatives_gives_an_empty_table(tables, skim):
    plain = {name: values for name, values in skim.items() if not name.endswith(("Up", "Down", "_lostTrack"))}
    nominal, other = tables("signal", "signal", plain)
    assert len(nominal) > 0
    assert len(other) == 0
    assert other.metadata["variations"] == []
