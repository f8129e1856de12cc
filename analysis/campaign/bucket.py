"""The record of a closed campaign: what samples of the bucket refer to, and must agree with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from analysis import io
from analysis.campaign.primary import Campaign
from analysis.campaign.review import Forced
from analysis.conditions.findings import Finding, conditions_error, from_validation, raise_for
from analysis.conditions.iov import IoV, RunSet
from analysis.conditions.metadata import GlobalTagState, Text
from analysis.conditions.records import (
    SCHEMA,
    Block,
    Digest,
    Record,
    SampleConditions,
    TagUse,
    digest_finding,
    total,
)
from analysis.conditions.runinfo import RunTable
from analysis.errors import ConditionsError


class BucketConditions(Record):
    """With what a bucket was calibrated: samples of it have these global tags and runs."""

    bucket: Text
    iov: IoV
    release: Text
    beam_energy: Text
    global_tags: Annotated[tuple[TagUse, ...], Field(strict=False)]
    """For data, highest priority first; the content of the staging tag is known."""
    global_tags_mcrd: Annotated[tuple[TagUse, ...], Field(strict=False)]
    """For the bucket's run-dependent simulation."""
    runs: Annotated[tuple[IoV, ...], Field(strict=False)]
    luminosity: float | None
    """fb⁻¹; None if a run does not tell."""
    n_events: int | None
    """None if a run does not tell."""
    settings: dict[str, Digest]
    """Task → digest of its reviewed settings."""
    validated: dict[str, bool | None]
    """Task → what its validation said; None where there is none."""
    forced: Annotated[tuple[str, ...], Field(strict=False)]
    """What was done in spite of something, with the reason."""


def bucket_conditions(
    campaign: Campaign,
    tag: TagUse,
    runs: RunTable,
    settings: Mapping[str, str],
    validated: Mapping[str, bool | None],
    forced: Sequence[Forced],
) -> BucketConditions:
    """Return the record; ``tag`` is the staging tag with the digest of its content."""

    def use(name: str) -> TagUse:
        known = campaign.global_tag_states.get(name, GlobalTagState.UNKNOWN)
        return tag if name == tag.name else TagUse(name=name, state=known)

    counted = [run.n_events for run in runs.runs]
    return BucketConditions(
        bucket=campaign.name,
        iov=campaign.iov,
        release=campaign.release,
        beam_energy=campaign.beam_energy,
        global_tags=tuple(use(name) for name in campaign.data),
        global_tags_mcrd=tuple(use(name) for name in campaign.mcrd),
        runs=runs.run_set.intervals(),
        luminosity=total(run.luminosity for run in runs.runs),
        n_events=None if None in counted else sum(number or 0 for number in counted),
        settings=dict(sorted(settings.items())),
        validated=dict(sorted(validated.items())),
        forced=tuple(f"{item.action} by {item.by}: {item.reason}" for item in forced),
    )


def sidecar_keys(record: BucketConditions) -> dict[str, object]:
    """Return what the metadata sidecars of the bucket's data must say; see `analysis.conditions.metadata`."""
    return {
        "release": record.release,
        "globalTag": ",".join(tag.name for tag in record.global_tags),
        "dataset": {
            "campaign": "prompt",
            "bucket": record.bucket,
            "beamEnergy": record.beam_energy,
            "globalTagStates": {tag.name: tag.state.value for tag in record.global_tags},
            "runs": [list(iov.as_tuple()) for iov in record.runs],
        },
    }


def to_plain(record: BucketConditions) -> dict[str, object]:
    """Return the content of ``conditions.json``: the record, its digest, and what sidecars must say."""
    return {
        "schema": SCHEMA,
        "digest": record.digest,
        "conditions": record.model_dump(mode="json"),
        "sidecar": sidecar_keys(record),
    }


def read_bucket(path: Path) -> BucketConditions:
    """Read the record of a closed campaign and check its digest.

    Raises
    ------
    ConditionsError
        The file is no such record, of another schema, or was edited by hand.
    """
    plain = io.read_json(path)
    if not isinstance(plain, dict) or plain.get("schema") != SCHEMA or "conditions" not in plain:
        raise ConditionsError(
            "The file is no record of a bucket that this version can read.",
            file=path,
            expected=f"schema {SCHEMA}, with the key 'conditions'",
            remedy="close the campaign again",
        )
    try:
        record = BucketConditions.model_validate(plain["conditions"])
    except ValidationError as error:
        raise conditions_error("The bucket's record cannot be used", from_validation(error, path)) from None
    if plain.get("digest") != record.digest:
        raise_for(
            "The bucket's record cannot be used", [digest_finding(path, "digest", plain.get("digest"), record.digest)]
        )
    return record


def contradictions(bucket: BucketConditions, sample: SampleConditions) -> list[Finding]:
    """Return where a sample contradicts the campaign of a bucket that it says it is of; nothing for other buckets."""
    return [
        finding
        for block in sample.blocks
        if block.bucket == bucket.bucket
        for finding in _of_block(bucket, sample, block)
    ]


def _of_block(bucket: BucketConditions, sample: SampleConditions, block: Block) -> Iterator[Finding]:
    def finding(key: str, found: object, expected: object, remedy: str) -> Finding:
        return Finding(
            "bucket",
            "A sample contradicts the calibration of its bucket.",
            samples=(sample.sample,),
            key=key,
            found=str(found),
            expected=f"{expected}, as {bucket.bucket} was calibrated",
            remedy=remedy,
        )

    if block.release != bucket.release:
        yield finding("release", block.release, bucket.release, "process it with the release that calibrated it")
    tags = bucket.global_tags_mcrd if sample.is_mc else bucket.global_tags
    names = tuple(tag.name for tag in tags)
    if block.tag_names != names:
        yield finding("globalTag", ",".join(block.tag_names), ",".join(names), "process it with the bucket's tags")
    contents = {tag.name: tag.content for tag in tags}
    for tag in block.global_tags:
        expected = contents.get(tag.name)
        if expected and tag.content and tag.content != expected:
            remedy = "the tag changed since: read its payloads again, or process the sample again"
            yield finding(f"content of {tag.name}", tag.content[:12], expected[:12], remedy)
    outside = block.run_set.difference(RunSet(bucket.runs))
    if outside:
        yield finding("runs", f"{outside} besides", RunSet(bucket.runs), "put these runs into their own bucket")
    recorded = bucket.luminosity
    if not sample.is_mc and recorded is not None and (block.luminosity or 0.0) > recorded * (1 + 1e-6):
        yield finding("luminosity", f"{block.luminosity} fb⁻¹", f"at most {recorded} fb⁻¹", "count no file twice")
