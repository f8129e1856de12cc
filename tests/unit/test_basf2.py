import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import basf2

# The table of basf2's makeROOTCompatible, character by character.
TABLE = """
  __sp|,__cm|:__cl|=__eq|<__st|>__gt|.__pt|+__pl|-__mi|(__bo|)__bc|{__co|}__cc|[__so|]__sc|^__ha|!__em|?__qm|;__sm|#__hs|*__mu|
/__sl|\\__bl|'__sq|"__dq|~__ti|&__am|@__at|$__do|%__pr|`__to
"""


def test_sequences_are_those_of_basf2() -> None:
    expected = {entry[0]: entry[1:] for entry in TABLE.strip("\n").replace("\n", "")[1:].split("|") if entry}
    expected["|"] = "__pi"
    assert expected == basf2.ROOT_SEQUENCES


@pytest.mark.parametrize(
    ("variable", "branch"),
    [
        ("extraInfo(SignalProbability)", "extraInfo__boSignalProbability__bc"),
        ("useCMSFrame(p)", "useCMSFrame__bop__bc"),
        ("weMissM2(cleanMask, 0)", "weMissM2__bocleanMask__cm__sp0__bc"),
        ("daughter(0, M)", "daughter__bo0__cm__spM__bc"),
        ("kaonID", "kaonID"),
        ("cosθ", "cos"),  # characters without a sequence are dropped
    ],
)
def test_make_root_compatible(variable: str, branch: str) -> None:
    assert basf2.make_root_compatible(variable) == branch


def test_index_branches_come_back_as_they_are() -> None:
    for name in basf2.INDEX_BRANCHES:
        assert basf2.invert_root_compatible(name) == name
        np.dtype(basf2.INDEX_BRANCHES[name])


@given(st.text(alphabet="abcXYZ019" + "".join(basf2.ROOT_SEQUENCES)))
def test_inverse_undoes_names_without_underscores(name: str) -> None:
    assert basf2.invert_root_compatible(basf2.make_root_compatible(name)) == name


def test_sample_types_are_split_into_exactly_one_family() -> None:
    for kind in basf2.SampleType:
        families = [kind.is_data, kind.is_bbbar, kind.is_continuum, kind is basf2.SampleType.SIGNAL]
        assert sum(families) == 1
    assert basf2.SampleType.OFFRES.is_data
