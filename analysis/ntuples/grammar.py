"""What the language of cuts allows: parsing by `ast`, a whitelist of nodes, errors with the place.

`analysis.ntuples.expression` documents the language and evaluates it.
"""

from __future__ import annotations

import ast
import functools
import math
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from analysis.errors import ConfigurationError, nearest
from analysis.ntuples.dialect import BracketError, Translated, translate

MAX_LENGTH = 20_000
MAX_DEPTH = 120

UNITS = frozenset({"eV", "keV", "MeV", "GeV", "TeV", "mm", "cm", "m", "ns", "ps", "rad", "deg"})

COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
BITWISE: dict[type[ast.operator], str] = {ast.BitAnd: "&", ast.BitOr: "|"}

# name -> (function of float64, fewest arguments, most arguments)
FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "abs": (np.abs, 1, 1),
    "sqrt": (np.sqrt, 1, 1),
    "exp": (np.exp, 1, 1),
    "log": (np.log, 1, 1),
    "log10": (np.log10, 1, 1),
    "sin": (np.sin, 1, 1),
    "cos": (np.cos, 1, 1),
    "tan": (np.tan, 1, 1),
    "arcsin": (np.arcsin, 1, 1),
    "arccos": (np.arccos, 1, 1),
    "arctan": (np.arctan, 1, 1),
    # basf2's names
    "asin": (np.arcsin, 1, 1),
    "acos": (np.arccos, 1, 1),
    "atan": (np.arctan, 1, 1),
    "ifNANgiveX": (lambda value, other: np.where(np.isnan(value), other, value), 2, 2),
    "arctan2": (np.arctan2, 2, 2),
    "hypot": (np.hypot, 2, 2),
    "floor": (np.floor, 1, 1),
    "ceil": (np.ceil, 1, 1),
    "min": (lambda *args: functools.reduce(np.minimum, args), 2, 64),
    "max": (lambda *args: functools.reduce(np.maximum, args), 2, 64),
}
# name -> function of float64 that gives a condition
CONDITIONS: dict[str, Callable[[Any], Any]] = {
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    # basf2's names
    "isNAN": np.isnan,
    "isInfinity": np.isinf,
}
# Words of basf2 that are values rather than names of columns.
WORDS: dict[str, bool | float] = {"true": True, "false": False, "inf": math.inf, "infinity": math.inf}


def _error(problem: str, text: str, node: ast.AST | int, remedy: str) -> ConfigurationError:
    column = node if isinstance(node, int) else getattr(node, "col_offset", 0)
    # ast counts UTF-8 bytes; a reader counts characters
    column = len(text.encode()[:column].decode(errors="ignore"))
    start = max(0, column - 60)
    shown = text[start : column + 60]
    caret = " " * (12 + column - start) + "^"
    return ConfigurationError(
        f"The expression cannot be read: {problem}.",
        where=f"column {column + 1}",
        found=f"{shown}\n{caret}",
        remedy=remedy,
    )


def parse(text: str) -> ast.expr:
    """Return the syntax tree of ``text``, unchecked, with positions that count from its start.

    Raises
    ------
    ConfigurationError
        The text is not one expression.
    """
    if not text.strip():
        raise _error("it is empty", text, 0, "write a condition, or leave the cut out")
    if len(text) > MAX_LENGTH:
        raise _error(f"longer than {MAX_LENGTH} characters", text, 0, "split it")
    # Line breaks are welcome in YAML blocks; they mean nothing here. Same length: positions hold.
    flat = re.sub(r"[\r\n\t]", " ", text)
    indent = len(flat) - len(flat.lstrip())
    if "#" in flat:
        # Python would take the rest for a comment: with the line breaks gone, that is everything.
        raise _error(
            "comments are not part of the cut language",
            flat,
            len(flat[: flat.index("#")].encode()),
            "leave the comment out",
        )
    try:
        translated = translate(flat, (*FUNCTIONS, *CONDITIONS))
    except BracketError as error:
        raise _error(error.args[1], flat, _bytes(flat, error.args[0]), "close it by one of its own kind") from None
    try:
        body = ast.parse(translated.text[indent:], mode="eval").body
    except SyntaxError as error:
        character = translated.positions[max(0, min(len(translated.text), (error.offset or 1) - 1 + indent))]
        raise _error(*_explain_syntax(flat, error, _bytes(flat, character))) from None
    except (RecursionError, MemoryError, ValueError):
        raise _error("it is nested too deeply", flat, 0, "split it") from None
    restored = _Restore(flat, translated, indent).visit(body)
    assert isinstance(restored, ast.expr)
    return restored


def _bytes(text: str, characters: int) -> int:
    """Return how many bytes the first characters have: ast counts bytes."""
    return len(text[:characters].encode())


class _Restore(ast.NodeTransformer):
    """Puts the original's positions, variables with arguments and basf2's words into a tree."""

    def __init__(self, text: str, translated: Translated, indent: int) -> None:
        self.text, self.translated = text, translated
        self.indent = _bytes(translated.text, indent)  # a no-break space takes two
        self.encoded = translated.text.encode()

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.expr | ast.keyword):
            character = len(self.encoded[: node.col_offset + self.indent].decode())
            node.col_offset = _bytes(self.text, self.translated.positions[character])
            if isinstance(node, ast.Name):
                node.id = self.translated.variables.get(character, node.id)
                if node.id in WORDS:
                    return ast.copy_location(ast.Constant(WORDS[node.id]), node)
        return self.generic_visit(node)


def _explain_syntax(text: str, error: SyntaxError, position: int) -> tuple[str, str, int, str]:
    for pattern, problem, remedy in (
        (r"&&", "'&&' is not known", "write 'and'"),
        (r"\|\|", "'||' is not known", "write 'or'"),
        (r"!(?!=)", "'!' is not known", "write 'not'"),
        (r"(?<![<>=!])=(?!=)", "'=' is no comparison", "write '=='"),
        (r"\w+::\w+", "'::' is not known", "functions have plain names here, as in 'abs(dz)'"),
        (
            rf"\d\s*(?:{'|'.join(sorted(UNITS))})\b",
            "a number is followed by a unit",
            "leave the unit out: a number is in the unit of its column",
        ),
    ):
        match = re.search(pattern, text)
        if match:
            return problem, text, len(text[: match.start()].encode()), remedy
    message = re.sub(r"\. Perhaps.*|\(<.*?\)", "", error.msg or "syntax error").strip()
    return message, text, position, "write it as in '0.9 < kaonID and abs(dz) < 3'"


def _is_number(node: ast.expr) -> bool:
    """Whether ``node`` certainly gives a number rather than a condition (a name may be either)."""
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, bool)
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub | ast.UAdd)
    if isinstance(node, ast.BinOp):
        return type(node.op) in ARITHMETIC
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in FUNCTIONS
    return False


def _is_condition(node: ast.expr) -> bool:
    """Whether ``node`` certainly gives a condition rather than a number (a name may be either)."""
    return (
        isinstance(node, ast.Compare | ast.BoolOp)
        or _is_bitwise(node)
        or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CONDITIONS)
    )


def _is_bitwise(node: ast.expr) -> bool:
    return (isinstance(node, ast.BinOp) and type(node.op) in BITWISE) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert)
    )


def _precedence_error(node: ast.expr, text: str) -> ConfigurationError:
    symbol = "~"
    if isinstance(node, ast.BinOp):
        symbol = BITWISE[type(node.op)]
    return _error(
        f"'{symbol}' would act on numbers, because it binds more tightly than a comparison: "
        "'a > 1 & b < 2' means 'a > (1 & b) < 2'",
        text,
        node,
        "write 'and', 'or', 'not', or put each condition into parentheses: '(a > 1) & (b < 2)'",
    )


def check(node: ast.expr, text: str) -> frozenset[str]:
    """Return the names of the columns in a tree after checking every node against the whitelist.

    Raises
    ------
    ConfigurationError
        Something is not part of the language.
    """
    names: set[str] = set()
    _check(node, text, names, depth=0)
    return frozenset(names)


def _check(node: ast.expr, text: str, names: set[str], depth: int) -> None:
    """Check ``node`` and what is below against the whitelist; collect the names of columns."""
    if depth > MAX_DEPTH:
        raise _error("it is nested too deeply", text, node, "split it")
    children: list[ast.expr] = []
    match node:
        case ast.Name():
            if node.id in FUNCTIONS or node.id in CONDITIONS:
                raise _error(f"'{node.id}' is a function", text, node, f"write '{node.id}(...)' of something")
            if node.id.lower() == "nan":
                raise _error("nothing equals NaN", text, node, "write 'isnan(x)', or 'not isnan(x)'")
            names.add(node.id)
        case ast.Constant():
            if type(node.value) not in (bool, int, float):
                raise _error(f"{node.value!r} is not a number", text, node, "use numbers, True and False")
        case ast.BoolOp():
            children = node.values
        case ast.UnaryOp():
            children = [node.operand]
            if isinstance(node.op, ast.Invert) and _is_number(node.operand):
                raise _precedence_error(node, text)
        case ast.BinOp() if type(node.op) in BITWISE:
            children = [node.left, node.right]
            if any(_is_number(child) for child in children):
                raise _precedence_error(node, text)
        case ast.BinOp() if type(node.op) in ARITHMETIC:
            children = [node.left, node.right]
            if isinstance(node.op, ast.Pow) and any(_is_condition(child) for child in children):
                raise _error("'^' and '**' are powers, of numbers", text, node, "write '!=' for either, but not both")
        case ast.BinOp():
            raise _error("this operator is not known", text, node.right, "operators are + - * / ** ^ & | ~")
        case ast.Compare():
            children = _check_compare(node, text)
        case ast.Call():
            children = _check_call(node, text)
        case ast.List() | ast.Tuple() | ast.Set():
            raise _error(
                "a list stands where a number or a condition should",
                text,
                node,
                "lists follow 'in' only",
            )
        case _:
            raise _error(
                f"{type(node).__name__.lower()} is not part of the cut language",
                text,
                node,
                "use numbers, names, comparisons, and/or/not, + - * / ** and functions "
                + ", ".join(sorted((*FUNCTIONS, *CONDITIONS))),
            )
    for child in children:
        _check(child, text, names, depth + 1)


def _check_compare(node: ast.Compare, text: str) -> list[ast.expr]:
    children = [node.left]
    for op, operand in zip(node.ops, node.comparators, strict=True):
        if isinstance(op, ast.In | ast.NotIn):
            if len(node.ops) > 1:
                raise _error("'in' cannot be chained", text, operand, "join the two conditions by 'and'")
            numbers(operand, text)
        elif type(op) in COMPARE:
            children.append(operand)
        else:
            raise _error("'is' is no comparison", text, operand, "write '==' or '!='")
    for child in children:
        if _is_bitwise(child):
            raise _precedence_error(child, text)
    return children


def _check_call(node: ast.Call, text: str) -> list[ast.expr]:
    name = ast.unparse(node.func)
    known = isinstance(node.func, ast.Name) and (name in FUNCTIONS or name in CONDITIONS)
    if not known:
        raise _error(
            f"'{name}' is not a function of the cut language",
            text,
            node,
            f"nearest: {nearest(name, (*FUNCTIONS, *CONDITIONS))}",
        )
    fewest, most = FUNCTIONS[name][1:] if name in FUNCTIONS else (1, 1)
    if node.keywords or not fewest <= len(node.args) <= most:
        count = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        raise _error(
            f"'{name}' takes {count} argument{'s' if most > 1 else ''}",
            text,
            node,
            "correct the call",
        )
    return node.args


def numbers(node: ast.expr, text: str) -> list[int | float]:
    """Return the numbers of the list after ``in``."""
    if not isinstance(node, ast.List | ast.Tuple | ast.Set):
        raise _error("'in' needs a list of numbers", text, node, "write it as in 'decayModeID in [0, 4]'")
    values: list[int | float] = []
    for element in node.elts:
        inner, sign = element, 1
        if isinstance(inner, ast.UnaryOp) and isinstance(inner.op, ast.USub):
            inner, sign = inner.operand, -1
        value = inner.value if isinstance(inner, ast.Constant) else None
        if not isinstance(value, int | float):
            raise _error("'in' needs a list of numbers", text, element, "write the numbers out")
        values.append(sign * value)
    return values
