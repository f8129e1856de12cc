"""The language of cuts: what it computes, what it refuses, and how it says so."""

import numpy as np
import pytest

from analysis.errors import ConfigurationError, InputError
from analysis.ntuples.expression import Expression

COLUMNS = {
    "a": np.array([1.0, np.nan, 3.0, 0.0]),
    "b": np.array([1, 2, 3, 4], dtype=np.uint32),
    "f": np.array([0.1, 0.2, 0.3, 0.4], dtype=np.float32),
    "flag": np.array([True, False, True, True]),
    "big": np.array([2**53, 2**53 + 1, 2**62, -1], dtype=np.int64),
}
T, F = True, False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.9 < a and b < 4", [T, F, T, F]),
        ("  a >\n  0.5", [T, F, T, F]),
        ("0 < b < 3", [T, T, F, F]),
        ("3 > b > 1 == flag", [F, F, F, F]),
        ("(a > 1) & (b < 4)", [F, F, T, F]),
        ("(a > 1) | ~(b < 4)", [F, F, T, T]),
        ("flag & (b > 1)", [F, F, T, T]),
        ("~flag", [F, T, F, F]),
        ("not (a > 1 or b == 1)", [F, T, F, T]),
        ("a in [1, -3, 3.0]", [T, F, T, F]),
        ("b not in (1, 4)", [F, T, T, F]),
        ("abs(a - 2) < 1.5", [T, F, T, F]),
        ("sqrt(-b) > 0 or isnan(a)", [F, T, F, F]),
        ("min(a, b, 2) == 2", [F, F, T, F]),
        ("max(a, 1) == 1", [T, F, F, T]),
        ("1 / a > 1e300", [F, F, F, T]),
        ("b - 5 < 0", [T, T, T, T]),  # unsigned numbers do not wrap around
        ("-b < 0", [T, T, T, T]),
        ("flag - flag == 0", [T, T, T, T]),
        ("b ** 2 * 2 + 1 == 19", [F, F, T, F]),
        ("-b ** 2 == -4", [F, T, F, F]),
        ("big == 9007199254740993", [F, T, F, F]),  # exact beyond 2**53
        ("big < 1" + "0" * 400, [T, T, T, T]),
        ("big > -1" + "0" * 400, [T, T, T, T]),
        ("9**9**9**9 > b", [T, T, T, T]),
        ("f == 0.3", [F, F, F, F]),  # compared as doubles, as in ROOT
        ("True", [T, T, T, T]),
        ("2 < 1", [F, F, F, F]),
    ],
)
def test_conditions(text, expected):
    values = Expression.parse(text).evaluate(COLUMNS)
    assert values.dtype == bool
    assert values.tolist() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a == a", [T, F, T, T]),
        ("a < 2", [T, F, F, T]),
        ("a >= 0", [T, F, T, T]),
        ("a in [0]", [F, F, F, T]),
        ("a != 3", [T, T, F, T]),
        ("a not in [3]", [T, T, F, T]),
        ("not a", [F, T, F, T]),
        ("a and True", [T, F, T, F]),
    ],
)
def test_nan_follows_the_documented_rules(text, expected):
    assert Expression.parse(text).evaluate(COLUMNS).tolist() == expected


def test_numbers_have_their_types():
    assert Expression.parse("b").evaluate(COLUMNS).dtype == np.uint32
    assert Expression.parse("b * 2").evaluate(COLUMNS).dtype == np.float64
    np.testing.assert_array_equal(Expression.parse("b / 2").evaluate(COLUMNS), [0.5, 1, 1.5, 2])
    np.testing.assert_array_equal(Expression.parse("2 ** 3").evaluate(COLUMNS), [8.0] * 4)


def test_mask_reads_a_number_as_a_condition():
    assert Expression.parse("a").mask(COLUMNS).tolist() == [T, F, T, F]
    assert Expression.parse("b - 2").mask(COLUMNS).tolist() == [T, F, T, T]


def test_empty_columns():
    empty = {name: array[:0] for name, array in COLUMNS.items()}
    assert Expression.parse("a > 1 and b in [1]").mask(empty).shape == (0,)
    assert Expression.parse("True").mask(empty).shape == (0,)


def test_names_are_the_columns_only():
    parsed = Expression.parse("abs(x) < 3 and y in [1] and not extraInfo__boZ__bc")
    assert parsed.names == {"x", "y", "extraInfo__boZ__bc"}
    assert str(parsed) == "abs(x) < 3 and y in [1] and not extraInfo__boZ__bc"


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("", 1, "empty"),
        ("a > 1 & b < 2", 5, "binds more tightly"),
        ("a > b & flag", 5, "binds more tightly"),
        ("~a > 3", 1, "binds more tightly"),
        ("~3", 1, "binds more tightly"),
        ("ä > 2 & 3", 5, "binds more tightly"),
        ("a > 1 && b", 7, "write 'and'"),
        ("a || b", 3, "write 'or'"),
        ("b > 1 and !a", 11, "write 'not'"),
        ("a = 3", 3, "write '=='"),
        ("p > 500 MeV", 7, "leave the unit out"),
        ("1 <", None, "invalid syntax"),
        ("  a b", 5, "invalid syntax"),
        ("(a > 1", 1, "never closed"),
        ("a>1) or (b<2", 4, "unmatched"),
        ("a > 1 # and b < 2", 7, "comment"),
        ("a > 0 and extraInfo(SignalProbability > 3", 20, "never closed"),
        ("[a > 1, b] and b", 1, "lists follow 'in' only"),
        ("[a > 1 and b", 1, "never closed"),
        ("a in [1] and [a > 1)", 20, "closed by"),
        ("a^2 > 3 and a^2 = 3", 17, "write '=='"),
        ("[daughter(0, p)^2 > 3] and a ^ 2 // 3 > 0", 37, "operator"),
        ("(a > 1) ^ (b > 1)", 1, "powers"),
        ("a == nan", 6, "isnan"),
        ("TMath::Abs(a) > 3", 1, "plain names"),
        ("daughter(0, p)(1)", 1, "not a function"),
        ("np.abs(a) > 3", 1, "not a function"),
        ("a.b", 1, "not part of the cut language"),
        ("a[0]", 1, "not part of the cut language"),
        ("lambda: 1", 1, "not part of the cut language"),
        ("a if b else c", 1, "not part of the cut language"),
        ("[x for x in a]", 1, "not part of the cut language"),
        ("max(*a, 2)", 5, "not part of the cut language"),
        ("__import__('os').system('true')", 1, "not a function"),
        ("'x'", 1, "not a number"),
        ("3j", 1, "not a number"),
        ("a // 2", 6, "operator"),
        ("a is 3", 6, "write '=='"),
        ("abs", 1, "is a function"),
        ("abs(1, 2)", 1, "takes 1 argument"),
        ("a in b", 6, "list of numbers"),
        ("a in [b]", 7, "list of numbers"),
        ("1 < a in [1]", 10, "chained"),
        ("-" * 300 + "a", 122, "nested too deeply"),
        ("(" * 90_000, 1, "longer"),
    ],
)
def test_refusals_show_the_place(text, column, said):
    with pytest.raises(ConfigurationError) as caught:
        Expression.parse(text)
    if column is not None:  # where Python itself decides, its versions differ
        assert caught.value.where == f"column {column}"
    assert said in str(caught.value)
    shown, caret = caught.value.found.split("\n")
    assert len(caret) - len("  found:    ") - 1 <= len(shown)


def test_unknown_names_are_reported_with_the_nearest():
    with pytest.raises(InputError, match="'kaonID': 'kaonId'") as caught:
        Expression.parse("kaonID > 3").evaluate({"kaonId": COLUMNS["a"]})
    assert "kaonID > 3" in str(caught.value)
    with pytest.raises(InputError, match="units such as 'MeV'"):
        Expression.parse("p > 500 * MeV").bind(["p"])
    with pytest.raises(InputError, match="or the function 'sqrt'") as caught:
        Expression.parse("sqr(p) > 5").bind(["p"])
    assert "variables with arguments, such as 'sqr(p)', must be columns" in caught.value.remedy


def test_strings_cannot_be_cut_on():
    with pytest.raises(InputError, match="'s' cannot be used"):
        Expression.parse("s == 1").evaluate({"s": np.array(["x", "y"])})


def test_equality_is_by_text():
    assert Expression.parse("a > 1") == Expression.parse("a > 1")
    assert Expression.parse("a > 1") != Expression.parse("a > 2")


BASF2 = {
    "p": np.array([1.0, 2.0, 3.0]),
    "daughter__bo0__cm__spp__bc": np.array([0.1, 0.9, 0.5]),
    "daughter(1, p)": np.array([0.2, 0.2, 0.7]),
    "roeEextra__bomask__bc": np.array([0.0, 1.0, np.nan]),
    "nROE_ParticlesInList__boK__pl__clall__bc": np.array([0, 1, 2], "i4"),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[p < 2 or p > 2] and p < 3", [1, 0, 0]),
        ("not [p < 2] and [[p < 3]]", [0, 1, 0]),
        ("p in [1, 3] and [p > 1]", [0, 0, 1]),
        ("1 < p <= 3 and p not in [3]", [0, 1, 0]),
        ("daughter(0, p) > 0.4", [0, 1, 1]),
        ("daughter(0,p) > 0.4", [0, 1, 1]),  # other spaces
        ("daughter(0,\n  p) > 0.4", [0, 1, 1]),
        ("daughter__bo0__cm__spp__bc > 0.4", [0, 1, 1]),
        ("daughter(1,p) > 0.4", [0, 0, 1]),  # a table of ours keeps the name as written
        ("roeEextra(mask) < 0.5 and nROE_ParticlesInList(K+:all) == 0", [1, 0, 0]),
        ("[roeEextra(mask) < 0.5 or isNAN(roeEextra(mask))] and true", [1, 0, 1]),
        ("ifNANgiveX(roeEextra(mask), 7) > 0.5", [0, 1, 1]),
        ("abs(daughter(0, p) - 0.5) < 0.3", [0, 0, 1]),
        ("max(daughter(0, p), daughter(1, p)) > 0.6", [0, 1, 1]),
        ("p^2 - 2*p^1 > -0.5", [0, 1, 1]),
        ("-p^2 < -4", [0, 0, 1]),
        ("2^p^2 > 17", [0, 0, 1]),  # from the right, as in basf2
        ("p < inf and not isInfinity(p)", [1, 1, 1]),
        ("atan(p) > 0.8", [0, 1, 1]),
        ("p == 0x2", [0, 1, 0]),
        ("p < 1.E1 and p > .5e0", [1, 1, 1]),
    ],
)
def test_basf2_cuts(text, expected):
    assert Expression.parse(text).mask(BASF2).tolist() == [bool(x) for x in expected]


def test_variables_with_arguments_are_names():
    assert Expression.parse("[daughter( 0,  p) > 1] and abs(dz) < 3").names == {"daughter( 0, p)", "dz"}


def test_columns_that_differ_by_spaces_are_not_mixed_up():
    columns = {"daughter__bo0__cmp__bc": COLUMNS["a"], "daughter__bo0__cm__spp__bc": COLUMNS["b"]}
    assert Expression.parse("daughter(0, p)").bind(columns) == {"daughter(0, p)": "daughter__bo0__cm__spp__bc"}
    with pytest.raises(InputError, match="unknown columns"):
        Expression.parse("daughter(0,  p )").bind(columns)
