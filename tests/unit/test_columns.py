import numpy as np
import pytest

from analysis import columns
from analysis.basf2 import INDEX_BRANCHES, ROW_KEY
from analysis.errors import InputError

PROBABILITY = "daughter__bo0__cm__spextraInfo__boSignalProbability__bc__bc"


def test_declarations_are_sound() -> None:
    branches = [column.basf2 for column in columns.COLUMNS.values() if column.basf2]
    assert len(set(branches)) == len(branches)
    for column in columns.COLUMNS.values():
        np.dtype(column.dtype)
        assert column.meaning
        assert column.required_by <= {columns.PRE, columns.KAON_ID, columns.FORM_FACTOR, columns.TRACKING}
    for name, dtype in INDEX_BRANCHES.items():
        assert columns.COLUMNS[name].dtype == dtype


def test_truth_is_asked_for_in_simulation_only() -> None:
    simulated = {c.name for c in columns.required([columns.FORM_FACTOR], simulated=True)}
    data = {c.name for c in columns.required([columns.FORM_FACTOR], simulated=False)}
    assert simulated - data == {"q2_gen"}
    assert set(ROW_KEY) <= {c.name for c in columns.required([columns.PRE], simulated=False)}


@pytest.mark.parametrize(
    ("branches", "aliases", "expected"),
    [
        ([PROBABILITY, "Btag_SignalProbability", "mine"], {"Btag_SignalProbability": "mine"}, "mine"),
        ([PROBABILITY, "Btag_SignalProbability"], {}, PROBABILITY),
        (["Btag_SignalProbability"], {}, "Btag_SignalProbability"),
        (["extraInfo__boSP__bc"], {"Btag_SignalProbability": "extraInfo(SP)"}, "extraInfo__boSP__bc"),
    ],
)
def test_branches_are_found_by_alias_expression_name(
    branches: list[str], aliases: dict[str, str], expected: str
) -> None:
    assert columns.branch_of("Btag_SignalProbability", branches, aliases) == expected


def test_missing_branch_is_told_with_the_nearest_and_a_remedy() -> None:
    with pytest.raises(InputError) as caught:
        columns.branch_of("K_kaonID", ["K_kaonId", "other"], {}, file="f.root")
    for part in ("'K_kaonID'", "f.root", "'K_kaonId'", "aliases"):
        assert part in str(caught.value)


def test_a_default_stands_in_only_where_no_alias_was_given() -> None:
    assert columns.branch_of("__production__", ["x"], {}) is None
    with pytest.raises(InputError, match="myProduction"):
        columns.branch_of("__production__", ["x"], {"__production__": "myProduction"})


def test_all_missing_branches_are_told_at_once_and_each_try_once() -> None:
    aliases = {"R2": "my_R2_v", "missM2": "mm2"}
    with pytest.raises(InputError) as caught:
        columns.branches_of(["R2", "K_dr", "missM2", "K_dz"], ["my_R2", "other", "K_dz"], aliases, file="f.root")
    message = str(caught.value)
    assert "branches of 3 columns" in message
    for part in ("f.root", "R2: tried my_R2_v; nearest branches: 'my_R2'", "K_dr: tried", "missM2: tried mm2;"):
        assert part in message
    with pytest.raises(InputError, match="of column 'R2'"):
        columns.branches_of(["R2", "K_dz"], ["K_dz"], aliases)
