"""What people write by hand of a dataset: YAML, or a list of the grid's dataset names.

Both stand in a sample's ``metadata:`` beside its files and fill what the files do not tell:

- A YAML file with the key ``dataset`` gives defaults for the block ``dataset`` of every file. One
  with basf2's own keys (``LFN`` …) describes a file of the sample instead of a JSON sidecar.
- A text file with one logical name per line (``#`` starts a comment) gives campaign, beam energy,
  event type and productions, where all names agree.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from analysis.conditions.findings import Finding
from analysis.conditions.lfn import LogicalName, parse_lfn
from analysis.strict_yaml import load_yaml, place, told

_FIELDS = {"campaign": "campaign", "beamEnergy": "beam_energy", "eventType": "event_type"}


@dataclass(frozen=True)
class Handwritten:
    """What one file told: defaults of the dataset, or the text of a file's metadata."""

    defaults: Mapping[str, Any]
    metadata: str | None = None


def read_yaml(path: str | Path) -> tuple[Handwritten | None, list[Finding]]:
    """Read YAML written by hand."""
    try:
        content = load_yaml(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        return None, [_unreadable(path, f"{place(error)}: {told(error)}", "a YAML file in UTF-8")]
    except (OSError, UnicodeDecodeError) as error:
        return None, [_unreadable(path, " ".join(str(error).split()), "a YAML file in UTF-8")]
    if isinstance(content, dict) and "LFN" in content:
        # YAML reads a date as a date; basf2's metadata hold text.
        return Handwritten({}, json.dumps(content, default=str)), []
    if isinstance(content, dict) and set(content) == {"dataset"} and isinstance(content["dataset"], dict):
        return Handwritten(json.loads(json.dumps(content["dataset"], default=str))), []
    found = f"the keys {', '.join(map(str, content))}" if isinstance(content, dict) else type(content).__name__
    return None, [_unreadable(path, found, "the key `dataset` alone, or basf2's keys with `LFN`")]


def read_names(path: str | Path) -> tuple[Handwritten | None, list[Finding]]:
    """Read a list of logical names."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        return None, [_unreadable(path, str(error), "a list of logical names in UTF-8")]
    names = [text for line in lines if (text := line.partition("#")[0].strip())]
    defaults, findings = dataset_of([parse_lfn(name) for name in names], str(path))
    return (None if findings else Handwritten(defaults)), findings


def dataset_of(names: Iterable[LogicalName], source: str) -> tuple[dict[str, Any], list[Finding]]:
    """Return what logical names say of the dataset they belong to.

    Parameters
    ----------
    names
        Parsed names; at least one must be a dataset's.
    source
        For the messages.

    Returns
    -------
    defaults, findings
        Keys of `DatasetMetadata`; names that contradict each other are findings.
    """
    names = list(names)
    findings = [
        Finding(
            "lfn",
            "A line is no logical name of a dataset.",
            file=source,
            found=name.name,
            expected="/belle/MC/… or /belle/Data/… (users' datasets tell nothing)",
            remedy="remove the line, or write the dataset's metadata by hand",
        )
        for name in names
        if name.is_mc is None
    ]
    if not names:
        findings.append(_unreadable(source, "no name", "one logical name per line"))
    defaults: dict[str, Any] = {}
    for key, field in _FIELDS.items():
        values = sorted({value for name in names if (value := getattr(name, field)) is not None})
        if len(values) > 1:
            findings.append(
                Finding(
                    "files-disagree",
                    "The datasets of one sample do not belong together.",
                    file=source,
                    key=f"dataset.{key}",
                    found=", ".join(values),
                    expected="one value",
                    remedy="make samples of their own",
                )
            )
        elif values:
            defaults[key] = values[0]
    productions = sorted({name.production for name in names if name.production is not None})
    if productions:
        defaults["productions"] = productions
    campaign = str(defaults.get("campaign", ""))
    if campaign.startswith("MC") and campaign[2:].lstrip("0123456789")[:2] in ("ri", "rd"):
        defaults["runDependence"] = campaign[2:].lstrip("0123456789")[:2]
    if names and not any(name.is_mc for name in names):
        # For data the part before the data level is the stream (hadron, tau …), not what was generated.
        defaults.pop("eventType", None)
        if campaign.startswith("bucket"):
            defaults["bucket"] = campaign
    return defaults, findings


def _unreadable(path: str | Path, found: str, expected: str) -> Finding:
    return Finding(
        "unreadable",
        "A file written by hand cannot be used.",
        file=str(path),
        found=found,
        expected=expected,
        remedy="see analysis/conditions/handwritten.py for its form",
    )
