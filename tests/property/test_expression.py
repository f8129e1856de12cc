"""The cut language against Python itself, and against anything that is thrown at it."""

import math

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis.errors import AnalysisError
from analysis.ntuples.expression import Expression

NAMES = ("x", "y", "z")
numbers = st.one_of(
    st.integers(-5, 5),
    st.floats(-10, 10, allow_nan=False).map(lambda value: round(value, 3)),
)
atoms = st.one_of(st.sampled_from(NAMES), numbers.map(lambda value: f"({value!r})"))
arithmetic = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda text: f"abs({text})"),
        inner.map(lambda text: f"(-{text})"),
        st.tuples(inner, inner).map(lambda t: f"max({t[0]}, {t[1]})"),
    ),
    max_leaves=6,
)
comparisons = st.tuples(
    arithmetic,
    st.lists(
        st.tuples(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), arithmetic),
        min_size=1,
        max_size=2,
    ),
).map(lambda t: "(" + t[0] + "".join(f" {op} {right}" for op, right in t[1]) + ")")
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda text: f"(not {text})"),
    ),
    max_leaves=5,
)
values = st.floats(-10, 10, allow_nan=False)


@given(conditions, st.lists(st.tuples(values, values, values), min_size=1, max_size=4))
def test_agrees_with_python_row_by_row(text, rows):
    columns = dict(zip(NAMES, np.array(rows).T, strict=True))
    found = Expression.parse(text).evaluate(columns)
    for row, value in zip(rows, found, strict=True):
        scope = dict(zip(NAMES, map(float, row), strict=True), abs=abs, max=max)
        assert value == eval(text, {"__builtins__": {}}, scope)


bracketed = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"[{t[0]} {t[1]} {t[2]}]"),
        inner.map(lambda text: f"[not {text}]"),
    ),
    max_leaves=5,
)


@given(bracketed, st.lists(st.tuples(values, values, values), min_size=1, max_size=4))
def test_square_brackets_group_as_in_basf2(text, rows):
    columns = dict(zip(NAMES, np.array(rows).T, strict=True))
    usual = text.replace("[", "(").replace("]", ")")
    assert (Expression.parse(text).mask(columns) == Expression.parse(usual).mask(columns)).all()


@given(conditions)
def test_nan_in_every_column_never_passes_an_ordering(text):
    columns = {name: np.array([math.nan]) for name in NAMES}
    ordering = f"x < 1 and {text}"
    assert not Expression.parse(ordering).mask(columns)[0]


@settings(max_examples=300)
@given(st.text(max_size=60) | st.text(alphabet="xyz01.<>=&|~()[], +-*/andornti'\\#\n", max_size=40))
@example("\x850")
def test_any_text_is_either_an_expression_or_a_clear_error(text):
    try:
        expression = Expression.parse(text)
    except AnalysisError as caught:
        remedy = caught.remedy
    else:
        columns = {name: np.arange(3.0) for name in expression.names | {"other"}}
        assert expression.mask(columns).shape == (3,)
        return
    assert remedy
