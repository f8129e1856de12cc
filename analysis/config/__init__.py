"""Reading the configuration: YAML → validated, frozen models; all mistakes reported at once."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from analysis.basf2 import SampleType
from analysis.config import checks
from analysis.config.models import INCONSISTENT, Config, Sample
from analysis.config.wording import describe
from analysis.errors import ConfigurationError
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
        raise ConfigurationError(
            "A configuration file is missing.",
            file=path,
            remedy="correct the path: it starts at the working directory, under `extends:` at the file itself",
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigurationError(
            f"A configuration file is not valid {'JSON' if path.suffix == '.json' else 'YAML'}.",
            file=path,
            where=place(error),
            found=told(error),
            remedy="correct the line",
        ) from None
    except OSError as error:
        raise ConfigurationError(
            "A configuration file cannot be read.", file=path, found=error.strerror, remedy="check the path"
        ) from None
    if not isinstance(content, dict):
        raise ConfigurationError(
            "A configuration file must be a mapping.",
            file=path,
            found="nothing" if content is None else type(content).__name__,
            expected="`key: value` lines",
            remedy="start from config/belle2.example.yaml",
        )
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
        raise ConfigurationError(
            "Configuration files extend each other in a circle.",
            file=path,
            found=" → ".join(each.name for each in (*seen, path)),
            remedy="take `extends:` out of one of them",
        )
    return merge(expand(_read_yaml(path), path.parent, (*seen, path)), raw)


def _without(raw: Mapping[str, Any], locations: Iterable[tuple[int | str, ...]]) -> dict[str, Any]:
    """Return the raw configuration without the values at some locations, or the deepest part of each that exists."""
    result = copy.deepcopy(dict(raw))
    gone = object()
    for location in locations:
        holder: Any = None
        value: Any = result
        for part in location:
            index = isinstance(value, list) and isinstance(part, int) and part < len(value)
            if not index and not (isinstance(value, dict) and part in value):
                break
            holder, key, value = value, part, value[part]
        if holder is not None:
            holder[key] = gone

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: kept(item) for key, item in value.items() if item is not gone}
        return [kept(item) for item in value if item is not gone] if isinstance(value, list) else value

    return dict(kept(result))


def _sound_parts(raw: Mapping[str, Any], errors: Sequence[ErrorDetails]) -> tuple[Config, set[str]]:
    """Return the parts of a configuration that are right by themselves, and the sections that lack some."""
    damaged = {str(error["loc"][0]) for error in errors if error["loc"]}
    sound: dict[str, Any] = {"samples": ()}
    for name, value in _without(raw, (error["loc"] for error in errors)).items():
        if name not in Config.model_fields:
            continue
        kind: Any = Config.model_fields[name].annotation
        section = {name: value}
        # An item without its wrong value may lack a key now; then it goes as well, and so on to the whole section.
        while section:
            try:
                sound[name] = TypeAdapter(kind).validate_python(section[name])
                break
            except ValidationError as error:
                damaged.add(name)
                section = _without(section, ((name, *item["loc"]) for item in error.errors()))
    return Config.model_construct(**sound), damaged


def resolve(
    raw: Mapping[str, Any], *, source: str | Path, folder: Path | None = None, complete: bool = False
) -> Config:
    """Return the validated configuration.

    Parameters
    ----------
    raw
        Plain values, as read from YAML; may name a file to build upon under ``extends``.
    source
        Named in errors.
    folder
        What ``extends`` is relative to; default: the folder of ``source``.
    complete
        Whether it must have what the whole analysis needs: signal and signal region if there are templates, and the
        files that it names (ntuples, metadata, tables, databases, workspaces).

    Raises
    ------
    ConfigurationError
        The message lists every mistake, each with its key, the value found and what is expected.
    """
    expanded = expand(raw, folder if folder is not None else Path(source).parent)
    damaged: set[str] = set()
    mistakes: list[str] = []
    try:
        config = Config.model_validate(expanded)
    except ValidationError as error:
        # A list counts as too short also when its items are refused; those are told already.
        errors = [
            item
            for item in error.errors()
            if not (item["type"] == "too_short" and len(item["input"]) > item["ctx"]["actual_length"])
        ]
        mistakes = [describe(item, expanded) for item in errors if item["type"] != INCONSISTENT]
        config, damaged = _sound_parts(expanded, errors)
        mistakes += checks.problems(config, damaged)
    mistakes += _inherited_unblinding(raw, config)
    if complete:
        mistakes += checks.missing(config, source, damaged)
    if mistakes:
        raise ConfigurationError(
            f"The configuration has {len(mistakes)} mistake{'s' * (len(mistakes) > 1)}:\n"
            + "\n".join(f"  - {mistake}" for mistake in mistakes),
            file=source,
            remedy="config/README.md lists every key with its unit and default",
        )
    return config


def _inherited_unblinding(raw: Mapping[str, Any], config: Config) -> list[str]:
    """Return what is wrong where data would be unblinded by a file that another one extends, the toy's say."""
    real = [sample.name for sample in config.samples if sample.type is SampleType.DATA and not sample.simulated]
    if config.blinded or "blinded" in raw or not real:
        return []
    return [
        f"blinded: false comes from {raw['extends']}, but {', '.join(real)} would be real data; "
        "write `blinded: true` here, or `blinded: false` if they may be seen"
    ]


def load(path: str | Path, *, complete: bool = False) -> Config:
    """Read and validate a configuration file; see :func:`resolve`."""
    path = Path(path)
    return resolve(_read_yaml(path), source=path, complete=complete)


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
