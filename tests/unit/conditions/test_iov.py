import pytest
from pydantic import TypeAdapter, ValidationError

from analysis.conditions.iov import IoV, RunSet


def test_ends_are_inclusive_and_negative_ends_open():
    bucket = IoV(31, 1, 31, 22)
    assert bucket.contains(31, 1)
    assert bucket.contains(31, 22)
    assert not bucket.contains(31, 0)
    assert not bucket.contains(31, 23)
    assert IoV(31, 1, 31, -1).contains(31, 99999)
    assert not IoV(31, 1, 31, -1).contains(32, 0)
    assert IoV(0, 0, -1, -1).contains(0, 0)
    assert IoV(31, 1, -1, -1).contains(4000, 0)
    assert IoV(-1, -1, 3, 0).contains(0, 0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("31,1,31", "four integers"),
        ("31,1,31,x", "four integers"),
        ("31,1,31,22,", "four integers"),
        ("31,22,31,1", "reversed"),
        ("32,0,31,-1", "reversed"),
        ("-1,-1,-1,-1", "empty"),
        ("-1,5,31,1", "no first experiment"),
        ("31,1,-1,5", "no final experiment"),
        ("31,1,1099511627776,0", "impossible experiment"),
        ("31,1,31,4294967295", "impossible run"),
    ],
)
def test_what_is_no_interval(text, problem):
    with pytest.raises(ValueError, match=problem):
        IoV.parse(text)


def test_json_is_a_list_of_four():
    adapter = TypeAdapter(IoV)
    assert adapter.dump_json(IoV(31, 1, -1, -1)) == b"[31,1,-1,-1]"
    assert adapter.validate_json("[31, 1, -1, -1]") == IoV(31, 1, -1, -1)
    assert adapter.validate_python((31, 1, 31, 2)) == IoV(31, 1, 31, 2)
    with pytest.raises(ValidationError, match="reversed"):
        adapter.validate_json("[31, 1, 30, 0]")
    with pytest.raises(ValidationError, match="integer"):
        adapter.validate_json('[31, "1", 31, 2]')


def test_runs_of_neighbouring_experiments_join_only_over_an_open_end():
    assert RunSet([IoV(31, 1, 31, -1), IoV(32, 0, 32, 5)]).intervals() == (IoV(31, 1, 32, 5),)
    assert len(RunSet([IoV(31, 1, 31, 9), IoV(32, 0, 32, 5)])) == 2
    assert RunSet([IoV(31, 1, 31, 4), IoV(31, 5, 31, 9)]).intervals() == (IoV(31, 1, 31, 9),)


def test_gaps():
    data = RunSet([IoV(31, 1, 31, 22)])
    simulated = RunSet([IoV(31, 3, 31, 5), IoV(31, 20, -1, -1)])
    assert str(data.difference(simulated)) == "31,1,31,2 31,6,31,19"
    assert data.experiments() == (31,)
    assert RunSet([IoV(31, 5, 33, 1)]).experiments() == (31, 32, 33)
