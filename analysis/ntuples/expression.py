"""The language of cuts: a small, safe subset of Python's expressions, evaluated on columns.

Grammar
-------
``0.9 < kaonID and roeEextra < 1.2``, ``abs(dz) < 3``, ``not (a or b)``, ``decayModeID in [0, 4]``;
numbers, ``True``/``False``, names of columns, ``+ - * / **``, chained comparisons, ``in`` and
``not in`` a list of numbers, ``and or not``, and the functions of `FUNCTIONS`. ``& | ~`` are
accepted between conditions; because they bind more tightly than comparisons, an expression in which
they would act on a number is refused and explained.

As in basf2, square brackets group (``[a < 1 or b > 2] and c < 3``), ``^`` is a power, ``true``, ``false`` and ``inf``
are values, and a variable may have arguments: ``daughter(0, p)`` is the column of that name, or of the name that basf2
writes for it (``daughter__bo0__cm__spp__bc``), with whatever spaces. It must be in the ntuple: nothing but `FUNCTIONS`
is computed here. Unlike basf2, ``==`` compares exactly.

Semantics
---------
- Arithmetic and functions work in float64, whatever the columns' types: no integer overflow, no
  wrap-around of unsigned numbers. float32 columns are widened, as in ROOT. Integer columns that are
  compared directly are compared exactly.
- IEEE rules for NaN: every comparison with NaN is False, except ``!=`` (and ``not in``), which is
  the negation of ``==`` (and ``in``) and so True. Division by zero and logarithms of negative
  numbers give inf and NaN, without a warning.
- A number used as a condition is true if it is neither zero nor NaN (older basf2 releases store
  flags such as ``isSignal`` as floating-point numbers, NaN where there is no truth).

Nothing is executed by Python: the text is parsed by `ast`, every node is checked against a list,
and this module walks the tree.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.basf2 import find_branch, make_root_compatible
from analysis.errors import InputError, nearest
from analysis.ntuples.grammar import (
    ARITHMETIC,
    COMPARE,
    CONDITIONS,
    FUNCTIONS,
    UNITS,
    check,
    numbers,
    parse,
)

Array = NDArray[Any]
Value = Any  # an array or a Python scalar, inside the walk over the tree


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Attributes
    ----------
    text
        As written.
    names
        The columns it reads.
    """

    text: str
    names: frozenset[str] = field(compare=False)
    _body: ast.expr = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Parse and check ``text``.

        Raises
        ------
        ConfigurationError
            The text is not an expression of the cut language; the message shows the place.

        Examples
        --------
        >>> sorted(Expression.parse("0.9 < kaonID and abs(dz) < 3").names)
        ['dz', 'kaonID']
        """
        body = parse(text)
        names = check(body, text)
        return cls(text=text, names=frozenset(names), _body=body)

    def bind(self, available: Collection[str]) -> dict[str, str]:
        """Return the column behind every name.

        Raises
        ------
        InputError
            Names the unknown columns and the nearest known ones.
        """
        bound = {name: find_branch(name, available) for name in self.names}
        missing = sorted(name for name, column in bound.items() if column is None)
        if missing:
            unit = next((name for name in missing if name in UNITS), None)
            call = next((name for name in missing if "(" in name), None)
            remedy = "correct the name, or add the column or an alias to the configuration"
            if unit:
                remedy = f"units such as '{unit}' are not written in expressions: a number is in the unit of its column"
            elif call:
                remedy = (
                    f"variables with arguments, such as '{call}', must be columns of the ntuple; computed here are "
                    f"{', '.join(sorted((*FUNCTIONS, *CONDITIONS)))}"
                )
            raise InputError(
                f"The expression uses unknown columns: {', '.join(map(repr, missing))}.",
                where=self.text,
                expected="; ".join(f"instead of '{name}': {_nearest(name, available)}" for name in missing),
                remedy=remedy,
            )
        return {name: column for name, column in bound.items() if column is not None}

    def evaluate(self, columns: Mapping[str, Array]) -> Array:
        """Return the expression's value, one per row.

        Parameters
        ----------
        columns
            name -> (n,) numeric or boolean array; further columns are ignored, except that an
            expression without names takes its length from them.

        Returns
        -------
        (n,) array: bool for a condition, float64 for arithmetic, the column's own type for a name.

        Raises
        ------
        InputError
            A column is missing or is not a flat numeric one.
        """
        arrays = {name: columns[column] for name, column in self.bind(columns).items()}
        for name, array in arrays.items():
            if array.dtype.kind not in "biuf":
                raise InputError(
                    f"Column '{name}' cannot be used in an expression.",
                    where=self.text,
                    found=f"type {array.dtype}",
                    expected="one number or boolean per row",
                    remedy="choose another column; strings and lists can be kept, not cut on",
                )
        with np.errstate(all="ignore"):
            value = np.asarray(_evaluate(self._body, arrays))
        if value.ndim == 0 and columns:
            length = len(next(iter(columns.values())))
            value = np.full(length, value)
        return value

    def mask(self, columns: Mapping[str, Array]) -> NDArray[np.bool_]:
        """Return the rows that pass: `evaluate`, with numbers read as conditions."""
        mask: NDArray[np.bool_] = np.asarray(_truth(self.evaluate(columns)), dtype=bool)
        return mask

    def __str__(self) -> str:
        return self.text


def _nearest(name: str, available: Collection[str]) -> str:
    """Return the nearest columns, and the nearest functions if the name has arguments."""
    safe = make_root_compatible(name)
    columns = nearest(safe, available)
    function, parenthesis, _ = name.partition("(")
    hits = nearest(function, (*FUNCTIONS, *CONDITIONS)) if parenthesis else "nothing similar"
    return columns if hits == "nothing similar" else f"{columns}, or the function {hits}"


def _truth(value: Value) -> Value:
    """Read a number as a condition: neither zero nor NaN."""
    array = np.asarray(value)
    if array.dtype == bool:
        return array
    return (array != 0) & (array == array)


def _number(value: Value) -> Value:
    return np.asarray(value, dtype=np.float64)


def _comparable(value: Value) -> Value:
    """Widen float32 and smaller; leave integers exact, unless they exceed 64 bits."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.astype(np.float64, copy=False)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        try:
            return float(value)
        except OverflowError:
            return np.inf if value > 0 else -np.inf
    return value


def _evaluate(node: ast.expr, columns: Mapping[str, Array]) -> Value:
    match node:
        case ast.Name():
            return columns[node.id]
        case ast.Constant():
            return node.value
        case ast.BoolOp():
            combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            return functools.reduce(combine, (_truth(_evaluate(v, columns)) for v in node.values))
        case ast.UnaryOp():
            operand = _evaluate(node.operand, columns)
            if isinstance(node.op, ast.Not | ast.Invert):
                return np.logical_not(_truth(operand))
            if isinstance(node.operand, ast.Constant) and not isinstance(operand, bool):
                return -operand if isinstance(node.op, ast.USub) else operand
            number = _number(operand)
            return -number if isinstance(node.op, ast.USub) else number
        case ast.BinOp():
            left, right = _evaluate(node.left, columns), _evaluate(node.right, columns)
            if isinstance(node.op, ast.BitAnd):
                return np.logical_and(_truth(left), _truth(right))
            if isinstance(node.op, ast.BitOr):
                return np.logical_or(_truth(left), _truth(right))
            return ARITHMETIC[type(node.op)](_number(left), _number(right))
        case ast.Compare():
            return _evaluate_compare(node, columns)
        case ast.Call(func=ast.Name(id=name)):
            args = [_number(_evaluate(arg, columns)) for arg in node.args]
            function = FUNCTIONS[name][0] if name in FUNCTIONS else CONDITIONS[name]
            return function(*args)
    raise AssertionError(f"unchecked node {node!r}")  # pragma: no cover


def _evaluate_compare(node: ast.Compare, columns: Mapping[str, Array]) -> Value:
    left = _comparable(_evaluate(node.left, columns))
    op = node.ops[0]
    if isinstance(op, ast.In | ast.NotIn):
        # == rather than np.isin: a handful of numbers, exact for integers, False for NaN
        found: Any = np.zeros(np.shape(left), dtype=bool)
        for number in numbers(node.comparators[0], ""):
            found = found | (left == _comparable(number))
        return np.logical_not(found) if isinstance(op, ast.NotIn) else found
    result: Any = None
    for op, operand in zip(node.ops, node.comparators, strict=True):
        right = _comparable(_evaluate(operand, columns))
        holds = COMPARE[type(op)](left, right)
        result = holds if result is None else np.logical_and(result, holds)
        left = right
    return result
