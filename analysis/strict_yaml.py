"""YAML and JSON as people write them: no key may stand twice in a mapping.

The libraries keep the last of two equal keys without a word: ``blinded: true``, and far below ``blinded: false``.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Safe YAML with anchors and merge keys. Keys are compared as written, before ``<<`` brings in those of others."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        first: dict[tuple[str, str], yaml.Mark] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            before = first.setdefault((key.tag, key.value), key.start_mark)
            if before is not key.start_mark:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {key.value!r} stands twice, in lines {before.line + 1} and {key.start_mark.line + 1}",
                    key.start_mark,
                )
        return node


def load_yaml(text: str) -> Any:
    r"""Return the plain values in a YAML text.

    Raises
    ------
    yaml.YAMLError
        The text is no YAML, or a key stands twice in a mapping; :func:`told` gives the reason and the lines.

    Examples
    --------
    >>> load_yaml("base: &b {a: 1, b: 2}\ntop: {<<: *b, b: 3}")["top"]
    {'a': 1, 'b': 3}
    """
    return yaml.load(text, _Loader)


def load_json(text: str) -> Any:
    """Return the plain values in a JSON text.

    Raises
    ------
    ValueError
        The text is no JSON (`json.JSONDecodeError`), or a key stands twice in an object.
    """
    return json.loads(text, object_pairs_hook=_distinct)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {key!r} stands twice in an object")
        result[key] = value
    return result


def place(error: yaml.YAMLError | ValueError) -> str | None:
    """Return the line that a parser stumbled over, as ``line 3``; None if it does not tell."""
    mark = getattr(error, "problem_mark", None)
    line = getattr(error, "lineno", None) if mark is None else mark.line + 1
    return None if line is None else f"line {line}"


def told(error: yaml.YAMLError | ValueError) -> str:
    """Return what a parser has to say, without the place."""
    return str(getattr(error, "problem", None) or getattr(error, "msg", None) or error)
