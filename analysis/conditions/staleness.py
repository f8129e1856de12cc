"""What must be made again after a global tag, a bucket or a sample changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.conditions.buckets import Bucket
from analysis.conditions.findings import Finding, raise_for
from analysis.conditions.ledger import Ledger
from analysis.errors import AnalysisError, choice

# Formats whose provenance is found by its digests: it stands inside as JSON.
_TEXT = (".svg", ".html")
_TABLES = (".json", ".parquet")


@dataclass(frozen=True)
class Output:
    """A file of the results folder and the conditions it was made under: sample → digest."""

    path: str
    conditions: Mapping[str, str]


def affected(
    ledger: Ledger, *, tags: Iterable[str] = (), buckets: Iterable[str] = (), samples: Iterable[str] = ()
) -> dict[str, str]:
    """Return the samples that a change reaches, each with the reason.

    Parameters
    ----------
    ledger
        The conditions of all samples.
    tags, buckets, samples
        Names of what changed.

    Raises
    ------
    ConditionsError
        A name is not in the ledger.
    """
    records = sorted(ledger.samples.items())
    of_kind: dict[str, dict[str, set[str]]] = {
        "sample": {sample: {sample} for sample, _ in records},
        "bucket": {sample: {block.bucket for block in record.blocks if block.bucket} for sample, record in records},
        "global tag": {sample: {tag.name for tag in record.global_tags} for sample, record in records},
    }
    reached: dict[str, str] = {}
    findings: list[Finding] = []
    for kind, wanted in (("sample", samples), ("bucket", buckets), ("global tag", tags)):
        for item in wanted:
            hits = [sample for sample, names in of_kind[kind].items() if item in names]
            if not hits:
                findings.append(_no_such(kind, item, set().union(*of_kind[kind].values())))
            for sample in hits:
                reached.setdefault(sample, f"{kind} {item}")
    raise_for("What changed is unknown", findings)
    return reached


def _no_such(kind: str, item: str, known: Iterable[str]) -> Finding:
    return Finding(
        "no-such-name",
        f"No sample of the ledger has this {kind}.",
        found=item,
        expected=choice(item, known),
        remedy="`conditions show` lists what there is",
    )


def changed(recorded: Mapping[str, str], today: Mapping[str, str]) -> dict[str, str]:
    """Return the samples whose conditions are not the recorded ones, each with the reason.

    Parameters
    ----------
    recorded, today
        Sample → digest.
    """
    reasons = {}
    for sample in sorted(recorded.keys() | today.keys()):
        if sample not in today:
            reasons[sample] = "no longer configured"
        elif sample not in recorded:
            reasons[sample] = "new"
        elif recorded[sample] != today[sample]:
            reasons[sample] = f"conditions {recorded[sample][:12]} became {today[sample][:12]}"
    return reasons


def recalibrated(ledger: Ledger, buckets: Mapping[str, Bucket]) -> dict[str, str]:
    """Return the samples whose bucket was calibrated again since they were made, each with the reason.

    Parameters
    ----------
    ledger
        The conditions of all samples.
    buckets
        The campaigns' closing records of today, by bucket.
    """
    reasons = {}
    for sample, record in sorted(ledger.samples.items()):
        for block in record.blocks:
            bucket = buckets.get(block.bucket or "")
            if bucket is not None and block.calibration not in (None, bucket.digest):
                reasons[sample] = f"{bucket.bucket} was calibrated again: {bucket.digest[:12]}"
    return reasons


def outputs(folder: str | Path, read: Callable[[Path], Mapping[str, Any]], digests: Mapping[str, str]) -> list[Output]:
    """Return the outputs below a results folder that were made under any conditions, sorted by path.

    Parameters
    ----------
    folder
        ``results/<name>``.
    read
        Returns the provenance block of a JSON or Parquet file.
    digests
        Sample → digest that pages and figures, which hold their provenance as text, are searched for.
    """
    found = []
    for path in sorted(Path(folder).rglob("*")):
        if path.name.startswith(".") or not path.is_file():
            continue
        conditions = _conditions(path, read, digests)
        if conditions:
            found.append(Output(str(path), conditions))
    return found


def _conditions(path: Path, read: Callable[[Path], Mapping[str, Any]], digests: Mapping[str, str]) -> Mapping[str, str]:
    if path.suffix in _TEXT:
        text = path.read_text(encoding="utf-8", errors="replace")
        inside = set(re.findall(r"[0-9a-f]{64}", text))
        return {sample: digest for sample, digest in digests.items() if digest in inside}
    # A workspace has no place for its provenance: its account beside it has.
    account = path.with_suffix(".provenance.json")
    if path.suffix in _TABLES:
        try:
            return dict(read(account if account.is_file() else path)["conditions"])
        except (AnalysisError, KeyError, TypeError, AttributeError):
            return {}
    return {}


def stale(made: Iterable[Output], samples: Iterable[str]) -> list[str]:
    """Return the outputs that were made from any of some samples."""
    reached = set(samples)
    return [output.path for output in made if reached & output.conditions.keys()]
