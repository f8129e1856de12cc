"""Documents that people write and review: YAML or JSON into a model, with everything wrong told at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from analysis import io
from analysis.conditions.findings import Finding, conditions_error, from_validation
from analysis.strict_yaml import load_json, load_yaml, place, told

Kind = TypeVar("Kind", bound=BaseModel)


class Model(BaseModel):
    """Frozen, unknown keys refused, attribute docstrings become descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def examine_text(
    text: str, model: type[Kind], source: str, given: Mapping[str, object] | None = None
) -> tuple[Kind | None, list[Finding]]:
    """Return the model in a text, None if something is wrong, and what that is.

    Parameters
    ----------
    text
        YAML; JSON if ``source``, which is for the messages otherwise, ends so.
    model
        What it should hold.
    given
        Keys that need not stand in the text, because its place tells them.
    """
    try:
        plain = load_json(text) if source.endswith(".json") else load_yaml(text)
    except (yaml.YAMLError, ValueError) as error:
        kind = "JSON" if source.endswith(".json") else "YAML"
        return None, [
            Finding(
                f"broken-{kind.lower()}",
                f"The file is not valid {kind}.",
                file=source,
                key=place(error),
                found=told(error),
                remedy="correct the line",
            )
        ]
    if not isinstance(plain, dict):
        return None, [
            Finding(
                "wrong-value",
                "The file holds no mapping.",
                file=source,
                found="nothing" if plain is None else type(plain).__name__,
                expected="`key: value` lines",
            )
        ]
    return examine_plain({**(given or {}), **plain}, model, source)


def examine_plain(plain: Mapping[str, object], model: type[Kind], source: str) -> tuple[Kind | None, list[Finding]]:
    """Return the model in plain values, None if something is wrong, and what that is."""
    try:
        return model.model_validate(plain), []
    except ValidationError as error:
        return None, from_validation(error, source, sorted(_keys(model)))


def examine(
    path: Path, model: type[Kind], given: Mapping[str, object] | None = None
) -> tuple[Kind | None, list[Finding]]:
    """Read a document; return it (None if unusable) and what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        return None, [
            Finding(
                "unreadable",
                "A file cannot be read.",
                file=str(path),
                found=reason,
                expected="a text file in UTF-8",
                remedy="check the path",
            )
        ]
    return examine_text(text, model, str(path), given)


def read(path: Path, model: type[Kind], title: str) -> Kind:
    """Read a document, or raise a `ConditionsError` under ``title`` that tells everything wrong with it."""
    document, findings = examine(path, model)
    if document is None:
        raise conditions_error(title, findings)
    return document


def _keys(model: type[BaseModel]) -> set[str]:
    keys = set(model.model_fields)
    for field in model.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys |= _keys(field.annotation)
    return keys


def digest(document: BaseModel) -> str:
    """Return the SHA-256 of a document's content: comments and layout do not count."""
    return io.digest(document.model_dump(mode="json"))


def to_yaml(document: BaseModel) -> str:
    """Return the YAML text of a document, keys in the order of the model."""
    plain = document.model_dump(mode="json")
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110))


def write_text(path: Path, text: str) -> bool:
    """Write a text atomically if it differs from what is there; return whether it did.

    An unchanged file keeps its time of modification, so that the loop does not take it for new.
    """
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    with io.atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return True


def write_json(path: Path, value: object) -> bool:
    """Write JSON as :func:`write_text` does."""
    return write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
