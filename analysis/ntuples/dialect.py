"""basf2's way of writing cuts, turned into what Python's parser reads.

basf2 groups conditions by square brackets, has variables with arguments (``daughter(0, p)``, ``roeEextra(mask)``), and
writes powers as ``^`` (framework/scripts/b2parser.py of basf2). Here brackets become parentheses, a variable with its
arguments becomes one name, and ``^`` becomes ``**``; where each character stood is remembered for the messages.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

# A name and the parenthesis behind it; not behind a dot, where it would be an attribute.
_CALL = re.compile(r"(?<![\w.])([A-Za-z][A-Za-z0-9_]*)\s*\(")
_KEYWORDS = frozenset({"and", "or", "not", "in", "is", "if", "else", "for", "lambda", "await", "yield"})
_LAST_WORD = re.compile(r"\w+$")


class BracketError(ValueError):
    """Brackets do not fit together; ``args`` are the position and what is wrong."""


@dataclass(frozen=True)
class Translated:
    """An expression for Python's parser.

    Attributes
    ----------
    text
        What to parse.
    positions
        For each of its characters, and the end, the position in the original.
    variables
        Position in ``text`` of a name that stands for a variable with arguments -> that variable.
    """

    text: str
    positions: tuple[int, ...]
    variables: dict[int, str]


def translate(text: str, functions: Collection[str]) -> Translated:
    """Translate an expression.

    Parameters
    ----------
    text
        On one line.
    functions
        Names that stay calls; any other name with a parenthesis behind it is a variable with arguments.

    Raises
    ------
    BracketError
        The arguments of a variable do not end, or a bracket is closed by one of another kind.

    Examples
    --------
    >>> done = translate("[daughter(0, p) > 1 or x^2 < 3] and n in [1, 2]", {"abs"})
    >>> done.text, done.variables
    ('(v_____________ > 1 or x**2 < 3) and n in [1, 2]', {1: 'daughter(0, p)'})
    """
    out: list[str] = []
    positions: list[int] = []
    variables: dict[int, str] = {}
    opened: list[str] = []  # of the open brackets, what they are and what closes them in the translation
    position = 0
    while position < len(text):
        call = _CALL.match(text, position)
        if call and call[1] not in functions and call[1] not in _KEYWORDS:
            stop = _closing(text, call.end() - 1)
            # a name of the same length, so that positions inside need no thought
            variables[len(out)] = " ".join(text[position:stop].split())
            out += "v" + "_" * (stop - position - 1)
            positions += range(position, stop)
            position = stop
            continue
        character = text[position]
        if character in "([":
            grouping = character == "[" and _groups(text[:position].rstrip())
            opened.append(character + (")" if grouping or character == "(" else "]"))
            character = "(" if grouping else character
        elif character in ")]" and opened:
            pair = opened.pop()
            if pair[0] + character not in ("()", "[]"):
                raise BracketError(position, f"'{pair[0]}' is closed by '{character}'")
            character = pair[1]
        elif character == "^":
            character = "**"
        out += character
        positions += [position] * len(character)
        position += 1
    return Translated("".join(out), (*positions, len(text)), variables)


def _groups(before: str) -> bool:
    """Whether a bracket behind this text groups, rather than holds a list (after ``in``) or an index."""
    word = _LAST_WORD.search(before[-80:])
    if word:
        return word[0] in _KEYWORDS and word[0] != "in"
    return not before.endswith((")", "]"))


def _closing(text: str, start: int) -> int:
    """Return the position behind the parenthesis that closes the one at ``start``."""
    depth = 0
    for position in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth == 0:
            return position + 1
    raise BracketError(start, "'(' was never closed")
