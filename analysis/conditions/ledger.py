"""The ledger: the conditions of every sample of an analysis, in one file with one digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from analysis import io
from analysis.conditions.buckets import Bucket
from analysis.conditions.findings import Finding, conditions_error, from_validation, raise_for
from analysis.conditions.records import (
    SCHEMA,
    Frozen,
    GlobalTag,
    SampleConditions,
    check_schema,
    digest_finding,
)


class Ledger(Frozen):
    """The conditions of all samples.

    Parameters
    ----------
    samples
        Sample name → its conditions.
    global_tags
        Contents of the global tags, for those of which they are known.
    buckets
        Closing records of the calibration campaigns, by bucket, for those that the configuration names.
    """

    samples: dict[str, SampleConditions]
    global_tags: Annotated[dict[str, GlobalTag], Field(default_factory=dict)]
    buckets: Annotated[dict[str, Bucket], Field(default_factory=dict)]

    @cached_property
    def sample_digests(self) -> dict[str, str]:
        """Sample name → SHA-256 of its conditions."""
        return {name: record.digest for name, record in sorted(self.samples.items())}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the whole: it changes when any sample's conditions do."""
        return ledger_digest(self.sample_digests)

    def to_plain(self) -> dict[str, Any]:
        """Return the file's content: the records, and the digests of each and of the whole."""
        return {
            "schema": SCHEMA,
            "digest": self.digest,
            "digests": self.sample_digests,
            "samples": {name: record.model_dump(mode="json") for name, record in sorted(self.samples.items())},
            "global_tags": {name: tag.model_dump(mode="json") for name, tag in sorted(self.global_tags.items())},
            "buckets": {name: bucket.model_dump(mode="json") for name, bucket in sorted(self.buckets.items())},
        }


def ledger_digest(sample_digests: Mapping[str, str]) -> str:
    """Return the digest of a ledger from those of its samples.

    Derived files carry the digests of their samples: where they carry all of them, this is the
    digest of the ledger they were made under.
    """
    return io.digest({"schema": SCHEMA, "samples": dict(sample_digests)})


def build(
    records: Iterable[SampleConditions],
    known: Mapping[str, GlobalTag] | None = None,
    buckets: Mapping[str, Bucket] | None = None,
) -> Ledger:
    """Put records into one ledger.

    Parameters
    ----------
    records
        One per sample.
    known
        Global tags from the conditions database; the contents of those in use are kept.
    buckets
        Closing records of calibration campaigns, by bucket.

    Raises
    ------
    ConditionsError
        Two records are of one sample.
    """
    samples: dict[str, SampleConditions] = {}
    findings = []
    for record in records:
        if record.sample in samples:
            finding = Finding(
                "repeated-sample",
                "Two records are given for one sample.",
                samples=(record.sample,),
                expected="one record per sample",
                remedy="name each sample once",
            )
            findings.append(finding)
        samples[record.sample] = record
    raise_for("The ledger cannot be made", findings)
    used = {tag.name for record in samples.values() for tag in record.global_tags}
    contents = {name: tag for name, tag in sorted((known or {}).items()) if name in used and tag.content}
    return Ledger(samples=samples, global_tags=contents, buckets=dict(buckets or {}))


def read_ledger(path: str | Path) -> Ledger:
    """Read a ledger and check its digests.

    Raises
    ------
    ConditionsError
        The file is no ledger, of another schema, or was edited by hand.
    """
    plain = check_schema(io.read_json(path), path, "samples", "ledger", "conditions ledger")
    try:
        ledger = Ledger.model_validate({key: plain.get(key, {}) for key in Ledger.model_fields})
    except ValidationError as error:
        findings = from_validation(error, path, remedy="make the ledger again")
        raise conditions_error("The ledger cannot be used", findings) from None
    told = plain.get("digests")
    pairs = {"digest": (plain.get("digest"), ledger.digest)} | {
        f"digests.{name}": (told.get(name) if isinstance(told, dict) else None, value)
        for name, value in ledger.sample_digests.items()
    }
    findings = [digest_finding(path, key, told, value) for key, (told, value) in pairs.items() if told != value]
    raise_for("The ledger cannot be used", findings)
    return ledger


def read_findings(path: str | Path) -> list[Finding]:
    """Read what the gate found when a ledger was made: warnings, and errors that a waiver accepted.

    Raises
    ------
    ConditionsError
        The file is no ledger, or its findings are none.
    """
    plain = check_schema(io.read_json(path), path, "samples", "ledger", "conditions ledger")
    try:
        return TypeAdapter(list[Finding]).validate_python(plain.get("findings", []))
    except ValidationError as error:
        findings = from_validation(error, path, remedy="make the ledger again")
        raise conditions_error("The findings of the ledger cannot be used", findings) from None
