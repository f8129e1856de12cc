"""The record in which a calibration campaign tells what its bucket was calibrated with.

`analysis.campaign` writes it when a campaign is closed (``conditions.json``). The metadata of the bucket's samples
refer to it by its digest, the gate compares them with it, and the ledger keeps it, so that from μ one can walk back to
the campaign.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from analysis import io
from analysis.conditions.findings import Finding, conditions_error, from_validation, raise_for
from analysis.conditions.iov import IoV
from analysis.conditions.metadata import Count, Digest, Text
from analysis.conditions.records import SCHEMA, Record, TagUse, check_schema, digest_finding


class Bucket(Record):
    """With what a bucket was calibrated: samples of it have these global tags and runs.

    Parameters
    ----------
    bucket, iov
        Its name and its interval of runs.
    release, beam_energy
        Of the campaign.
    global_tags, global_tags_mcrd
        For data and for run-dependent simulation, highest priority first; the content of the staging tag is known.
    runs
        The runs calibrated.
    luminosity, n_events
        Of these runs, fb⁻¹; None if a run does not tell.
    settings
        Task → digest of its reviewed settings.
    validated
        Task → what its validation said; None where there is none.
    forced
        What was done in spite of something, with the reason.
    """

    bucket: Text
    iov: IoV
    release: Text
    beam_energy: Text
    global_tags: Annotated[tuple[TagUse, ...], Field(strict=False, min_length=1)]
    global_tags_mcrd: Annotated[tuple[TagUse, ...], Field(strict=False)] = ()
    runs: Annotated[tuple[IoV, ...], Field(strict=False, min_length=1)]
    luminosity: Annotated[float, Field(ge=0)] | None = None
    n_events: Count | None = None
    settings: Annotated[dict[str, Digest], Field(default_factory=dict)]
    validated: Annotated[dict[str, bool | None], Field(default_factory=dict)]
    forced: Annotated[tuple[str, ...], Field(strict=False)] = ()


def sidecar_keys(bucket: Bucket) -> dict[str, Any]:
    """Return what the metadata sidecars of the bucket's data must say; see `analysis.conditions.metadata`."""
    return {
        "release": bucket.release,
        "globalTag": ",".join(tag.name for tag in bucket.global_tags),
        "dataset": {
            "campaign": "prompt",
            "bucket": bucket.bucket,
            "calibration": bucket.digest,
            "beamEnergy": bucket.beam_energy,
            "globalTagStates": {tag.name: tag.state.value for tag in bucket.global_tags},
            "runs": [list(iov.as_tuple()) for iov in bucket.runs],
        },
    }


def bucket_to_plain(bucket: Bucket) -> dict[str, Any]:
    """Return the content of ``conditions.json``: the record, its digest, and what sidecars must say."""
    return {
        "schema": SCHEMA,
        "digest": bucket.digest,
        "conditions": bucket.model_dump(mode="json"),
        "sidecar": sidecar_keys(bucket),
    }


def read_bucket(path: str | Path) -> Bucket:
    """Read a campaign's closing record and check its digest.

    Raises
    ------
    ConditionsError
        The file is no such record, or was edited by hand.
    """
    plain = check_schema(io.read_json(path), path, "conditions", "closing record of a campaign", "campaign close")
    try:
        bucket = Bucket.model_validate(plain["conditions"])
    except ValidationError as error:
        findings = from_validation(error, path, remedy="close the campaign again")
        raise conditions_error("The record of a bucket cannot be used", findings) from None
    if plain.get("digest") != bucket.digest:
        finding = digest_finding(path, "digest", plain.get("digest"), bucket.digest, "campaign close")
        raise_for("The record of a bucket cannot be used", [finding])
    return bucket


def read_buckets(paths: Iterable[str | Path]) -> dict[str, Bucket]:
    """Read several closing records, by the name of their bucket; raises as `read_bucket`, or if one is told twice."""
    buckets: dict[str, Bucket] = {}
    for path in paths:
        bucket = read_bucket(path)
        if buckets.setdefault(bucket.bucket, bucket) is not bucket:
            finding = Finding(
                "repeated-bucket",
                "Two closing records are given for one bucket.",
                file=str(path),
                key="conditions.bucket",
                found=bucket.bucket,
                expected="one record per bucket",
                remedy="keep the newer one only",
            )
            raise_for("The records of the buckets cannot be used", [finding])
    return buckets
