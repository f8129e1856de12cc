"""Checks of samples against the calibration campaigns of their buckets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from analysis.conditions.buckets import Bucket
from analysis.conditions.findings import Finding, Severity
from analysis.conditions.gate.common import Part, parts
from analysis.conditions.gate.tags import ANALYSIS_TAG, RELEASE
from analysis.conditions.iov import RunSet
from analysis.conditions.records import SampleConditions, TagUse

# A file's luminosity is rounded; more than this beyond the bucket's is no rounding.
LUMINOSITY_TOLERANCE = 0.01


def check(records: Sequence[SampleConditions], buckets: Mapping[str, Bucket]) -> Iterator[Finding]:
    """Compare every block that belongs to a calibrated bucket with the campaign's closing record.

    Parameters
    ----------
    records
        Of all samples.
    buckets
        Closing records by bucket; none leaves calibrations unchecked.
    """
    for part in parts(records):
        if part.block.bucket is None or not buckets:
            continue
        bucket = buckets.get(part.block.bucket)
        if bucket is None:
            yield _unknown(part, sorted(buckets))
            continue
        yield from _reference(part, bucket)
        yield from _release(part, bucket)
        yield from _tags(part, bucket)
        yield from _runs(part, bucket)
    used = {part.block.bucket for part in parts(records)}
    for bucket in buckets.values():
        if bucket.forced and bucket.bucket in used:
            yield Finding(
                "calibration-forced",
                "A step of the bucket's calibration was forced.",
                Severity.WARNING,
                key=bucket.bucket,
                found="; ".join(bucket.forced),
                expected="review and validation passed",
                remedy="ask the campaign's responsible whether the reason still holds",
            )


def _unknown(part: Part, known: Sequence[str]) -> Finding:
    return Finding(
        "calibration",
        "No closing record is given for a bucket.",
        Severity.WARNING,
        samples=(part.sample,),
        key="dataset.bucket",
        found=str(part.block.bucket),
        expected=f"one of {', '.join(known)}",
        remedy="add the campaign's conditions.json to `conditions: buckets:`",
    )


def _reference(part: Part, bucket: Bucket) -> Iterator[Finding]:
    """Compare the record that the sample's metadata refer to with the one given; older metadata refer to none."""
    if part.block.calibration not in (None, bucket.digest):
        yield Finding(
            "calibration",
            f"A sample of {bucket.bucket} refers to another record of its calibration.",
            samples=(part.sample,),
            key="dataset.calibration",
            found=str(part.block.calibration)[:12],
            expected=f"{bucket.digest[:12]}, the record with which the campaign closed",
            remedy="the bucket was calibrated again: process its samples again, or give the older conditions.json",
        )


def _release(part: Part, bucket: Bucket) -> Iterator[Finding]:
    own, calibrated = part.block.release, bucket.release
    if own == calibrated:
        return
    majors = [match[1] if (match := RELEASE.match(release)) else release for release in (own, calibrated)]
    yield Finding(
        "calibration",
        f"A sample of {bucket.bucket} was processed with another release than calibrated it.",
        Severity.ERROR if majors[0] != majors[1] else Severity.WARNING,
        samples=(part.sample,),
        key="release",
        found=own,
        expected=f"{calibrated}, as the campaign closed",
        remedy="process the bucket with the release that calibrated it",
    )


def _tags(part: Part, bucket: Bucket) -> Iterator[Finding]:
    """Compare tags and contents; tags of the analysis tools are added after the processing."""
    chain = bucket.global_tags if part.plays_data else bucket.global_tags_mcrd
    own = [tag for tag in part.block.global_tags if not ANALYSIS_TAG.search(tag.name)]
    calibrated = [tag for tag in chain if not ANALYSIS_TAG.search(tag.name)]
    if [tag.name for tag in own] != [tag.name for tag in calibrated]:
        yield _other_calibration(part, "globalTag", _names(own), _names(calibrated))
        return
    for used, made in zip(own, calibrated, strict=True):
        if used.content and made.content and used.content != made.content:
            yield _other_calibration(
                part, f"globalTag {used.name}", f"content {used.content[:12]}", f"content {made.content[:12]}"
            )


def _names(tags: Sequence[TagUse]) -> str:
    return ",".join(tag.name for tag in tags)


def _other_calibration(part: Part, key: str, found: str, expected: str) -> Finding:
    return Finding(
        "calibration",
        f"A sample of {part.block.bucket} was made with another calibration than the bucket's.",
        samples=(part.sample,),
        key=key,
        found=found,
        expected=f"{expected}, as the campaign closed",
        remedy="process the bucket again with its calibration",
    )


def _runs(part: Part, bucket: Bucket) -> Iterator[Finding]:
    outside = part.block.run_set.difference(RunSet(bucket.runs if part.block.runs_exact else [bucket.iov]))
    if outside:
        yield Finding(
            "calibration",
            f"Runs of {bucket.bucket} were not calibrated with it.",
            samples=(part.sample,),
            key="dataset.runs",
            found=str(outside) if len(outside) < 6 else f"{len(outside)} intervals, {next(iter(outside))} first",
            expected=f"within {bucket.iov}, the runs of the campaign",
            remedy="put these runs into their own bucket, or leave them out",
        )
    told, calibrated = part.block.luminosity, bucket.luminosity
    if part.plays_data and told and calibrated is not None and told > calibrated * (1 + LUMINOSITY_TOLERANCE):
        yield Finding(
            "calibration",
            f"A sample holds more luminosity of {bucket.bucket} than was calibrated.",
            samples=(part.sample,),
            key=f"dataset.luminosity of {bucket.bucket}",
            found=f"{told:.6g} fb⁻¹",
            expected=f"at most {calibrated:.6g} fb⁻¹",
            remedy="correct the luminosity in the metadata, or the bucket they name",
        )
