"""Reading the configuration: YAML → validated, frozen models; all mistakes reported at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from analysis.config.models import Config, Sample, nested_models
from analysis.errors import ConfigurationError, nearest
from analysis.ntuples.expression import Expression
from analysis.strict_yaml import load_json, load_yaml, place, told

__all__ = ["Config", "Sample", "load", "merge", "resolve", "settings", "used_columns"]


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``changes`` on top: mappings are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        # YAML 1.1 takes 1e-06 for a string, so JSON is read as JSON.
        content = load_json(text) if path.suffix == ".json" else load_yaml(text)
    except FileNotFoundError:
        raise ConfigurationError("A configuration file is missing.", file=path) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(
            f"A configuration file is not valid {'JSON' if path.suffix == '.json' else 'YAML'}.",
            file=path,
            where=place(error),
            found=told(error),
            remedy="correct the line",
        ) from None
    except OSError as error:
        raise ConfigurationError("A configuration file cannot be read.", file=path, found=error.strerror) from None
    if not isinstance(content, dict):
        raise ConfigurationError("A configuration file must be a mapping.", file=path, found=type(content).__name__)
    return content


def expand(raw: Mapping[str, Any], folder: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return the raw configuration with the files named by ``extends:`` underneath it.

    ``extends`` is a path relative to ``folder``. Files stand alone otherwise: nothing is inherited silently.
    """
    raw = dict(raw)
    base = raw.pop("extends", None)
    if base is None:
        return raw
    path = (folder / str(base)).resolve()
    if path in seen:
        raise ConfigurationError("Configuration files extend each other in a circle.", file=path)
    return merge(expand(_read_yaml(path), path.parent, (*seen, path)), raw)


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


def _describe(error: ErrorDetails) -> str:
    location = error["loc"]
    key = ".".join(str(part) for part in location) or "configuration"
    text = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        model = _model_at(location)
        known = list(model.model_fields) if model else []
        return f"{key}: unknown key; nearest: {nearest(str(location[-1]), known)}; known: {', '.join(known)}"
    if error["type"] == "missing":
        return f"{key}: missing; add it (config/README.md tells its meaning)"
    value = error["input"]
    shown = "" if isinstance(value, (dict, BaseModel)) else f" (found {value!r})"
    return f"{key}: {text}{shown}"


def resolve(raw: Mapping[str, Any], *, source: str | Path, folder: Path | None = None) -> Config:
    """Return the validated configuration.

    Parameters
    ----------
    raw
        Plain values, as read from YAML; may name a file to build upon under ``extends``.
    source
        Named in errors.
    folder
        What ``extends`` is relative to; default: the folder of ``source``.

    Raises
    ------
    ConfigurationError
        The message lists every mistake, each with its key, the value found and what is expected.
    """
    expanded = expand(raw, folder if folder is not None else Path(source).parent)
    try:
        return Config.model_validate(expanded)
    except ValidationError as error:
        # A list counts as too short also when its items are refused; those are told already.
        mistakes = [
            _describe(item)
            for item in error.errors()
            if not (item["type"] == "too_short" and len(item["input"]) > item["ctx"]["actual_length"])
        ]
        raise ConfigurationError(
            f"The configuration has {len(mistakes)} mistake{'s' * (len(mistakes) > 1)}:\n"
            + "\n".join(f"  - {mistake}" for mistake in mistakes),
            file=source,
            remedy="config/README.md lists every key with its unit and default",
        ) from None


def load(path: str | Path) -> Config:
    """Read and validate a configuration file; see :func:`resolve`."""
    path = Path(path)
    return resolve(_read_yaml(path), source=path)


def namesake(path: str | Path, config: Config, origin: str | Path) -> str | None:
    """Return the other configuration file that has the same `name:` and made the results, None if there is none.

    A file that was renamed, or whose name was changed since, is no other one.

    Parameters
    ----------
    path, config
        The configuration about to run.
    origin
        ``results/<name>/config.provenance.json``; may be missing.
    """
    try:
        other = Path(str(json.loads(Path(origin).read_text(encoding="utf-8"))["configuration"]))
        if other.resolve() != Path(path).resolve() and load(other).name == config.name:
            return str(other)
    except (OSError, ValueError, LookupError, TypeError, ConfigurationError):
        return None
    return None


def settings(config: BaseModel, *keys: str) -> dict[str, Any]:
    """Return some parts of the configuration as plain JSON values: what a rule depends on, and no more."""
    return config.model_dump(mode="json", include=set(keys))


def used_columns(config: Config) -> list[str]:
    """Return the columns that the stages after the skim name in their configuration, in order of appearance."""
    names: list[str] = []
    cuts = [line.cut for line in config.preselection.cuts] if config.preselection else []
    if config.bdt:
        names += config.bdt.inputs
    for channel in config.templates.channels if config.templates else ():
        cuts.append(channel.cut)
        names += [axis.column for axis in channel.axes]
    for cut in cuts:
        if cut:
            names += sorted(Expression.parse(cut).names)
    return list(dict.fromkeys(names))
