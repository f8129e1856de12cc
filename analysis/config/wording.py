"""pydantic's errors in words that need no knowledge of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from analysis.config.models import Config
from analysis.config.models.base import nested_models
from analysis.errors import nearest

_KINDS = {
    "tuple_type": "must be a list, such as `[a, b]`",
    "dict_type": "must be `key: value` lines",
    "model_type": "must be a section of `key: value` lines",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "int_from_float": "must be an integer",
    "finite_number": "must be a finite number",
}


# What tells an item of a list from the others: samples, cuts and channels have names, axes columns, waivers findings.
_NAMES = ("name", "column", "finding")


def describe(error: ErrorDetails, raw: Mapping[str, Any]) -> str:
    """Return one of pydantic's errors as a line: key, what is wrong, what was found.

    Parameters
    ----------
    error
        One of pydantic's.
    raw
        The configuration that it was found in: items of lists are called by their names there.
    """
    location = error["loc"]
    key = _key(location, raw)
    if error["type"] == "extra_forbidden":
        model = _model_at(location)
        known = list(model.model_fields) if model else []
        return f"{key}: unknown key; nearest: {nearest(str(location[-1]), known)}; known: {', '.join(known)}"
    if error["type"] == "missing":
        return f"{key}: missing; add it (config/README.md tells its meaning)"
    value = error["input"]
    # A whole section or list says nothing that the file does not show; only the kind of a wrong value does.
    found = repr(value) if not isinstance(value, (dict, list, tuple, BaseModel)) else _kind(value, error["type"])
    return f"{key}: {_expectation(error)}" + (f" (found {found})" if found else "")


def _key(location: Sequence[int | str], raw: object) -> str:
    """Return the place of a value; items of lists by name, or else counted: ``samples (data).files (item 2)``."""
    key = ""
    value: Any = raw
    for part in location:
        holder = value
        if isinstance(holder, list):
            value = holder[part] if isinstance(part, int) and part < len(holder) else None
        else:
            value = holder.get(part) if isinstance(holder, Mapping) else None
        if isinstance(part, int):
            key += f" ({_item(part, value, holder)})"
        elif part != "[key]":
            key += f".{part}"
    return key.removeprefix(".") or "configuration"


def _item(index: int, item: object, items: object) -> str:
    name = _name(item)
    if name is None:
        return f"item {index + 1}"
    several = isinstance(items, list) and [_name(other) for other in items].count(name) > 1
    return f"{name}, item {index + 1}" if several else name


def _name(item: object) -> str | None:
    names = (item.get(key) for key in _NAMES) if isinstance(item, Mapping) else ()
    return next((name for name in names if isinstance(name, str) and name), None)


def _kind(value: object, error: str) -> str:
    if error not in _KINDS:
        return ""
    return "a list" if isinstance(value, (list, tuple)) else "`key: value` lines"


def _expectation(error: ErrorDetails) -> str:
    kind, limits = error["type"], error.get("ctx", {})
    if kind in _KINDS:
        return _KINDS[kind]
    if kind in ("too_short", "too_long"):
        bound, number = ("least", limits["min_length"]) if kind == "too_short" else ("most", limits["max_length"])
        return f"must have at {bound} {number} item{'s' * (number != 1)}, not {limits['actual_length']}"
    if kind == "string_pattern_mismatch":
        return "must begin with a letter and go on with letters, digits, `_` or `-`"
    if kind in ("enum", "literal_error"):
        return f"must be {limits['expected']}"
    text = error["msg"].removeprefix("Value error, ")
    for start in ("Input should be ", "String should be "):
        if text.startswith(start):
            return "must be " + text.removeprefix(start)
    return text


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Return the model that holds the key at the end of a location, for naming its neighbours."""
    model: type[BaseModel] = Config
    for key in location[:-1]:
        if isinstance(key, int):
            continue
        inner = nested_models(model.model_fields[key].annotation) if key in model.model_fields else []
        if not inner:
            return None
        model = inner[0]
    return model
