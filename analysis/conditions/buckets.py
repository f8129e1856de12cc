"""The record in which a calibration campaign tells what its bucket was calibrated with.

`analysis.campaign` writes it when a campaign is closed (``conditions.json``); here it is read, by its
contents only: campaigns made elsewhere may write the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError

from analysis import io
from analysis.conditions.findings import conditions_error, from_validation, raise_for
from analysis.conditions.iov import IoV
from analysis.conditions.metadata import Text
from analysis.conditions.records import Record, TagUse, check_schema, digest_finding


class Bucket(Record):
    """A calibrated bucket: the part of a campaign's closing record that samples must agree with.

    Parameters
    ----------
    bucket, iov
        Its name and its interval of runs.
    release, beam_energy
        Of the campaign.
    global_tags, global_tags_mcrd
        For data and for run-dependent simulation, highest priority first.
    runs
        The runs calibrated.
    luminosity
        Their luminosity, fb⁻¹; None if a run does not tell.
    forced
        What was done in spite of something, with the reason.
    """

    # The campaign tells more than samples must agree with.
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    bucket: Text
    iov: IoV
    release: Text
    beam_energy: Text
    global_tags: Annotated[tuple[TagUse, ...], Field(strict=False, min_length=1)]
    global_tags_mcrd: Annotated[tuple[TagUse, ...], Field(strict=False)] = ()
    runs: Annotated[tuple[IoV, ...], Field(strict=False, min_length=1)]
    luminosity: Annotated[float, Field(ge=0)] | None = None
    forced: Annotated[tuple[str, ...], Field(strict=False)] = ()


def read_bucket(path: str | Path) -> Bucket:
    """Read a campaign's closing record and check its digest.

    Raises
    ------
    ConditionsError
        The file is no such record, or was edited by hand.
    """
    plain = check_schema(io.read_json(path), path, "conditions", "calibration campaign's closing record")
    _check_digest(plain, path)
    try:
        return Bucket.model_validate(plain["conditions"])
    except ValidationError as error:
        findings = from_validation(error, path, remedy="close the campaign again")
        raise conditions_error("The record of a bucket cannot be used", findings) from None


def read_buckets(paths: Iterable[str | Path]) -> list[Bucket]:
    """Read several closing records; raises as `read_bucket`."""
    return [read_bucket(path) for path in paths]


def _check_digest(plain: Mapping[str, Any], path: str | Path) -> None:
    value = io.digest(plain["conditions"])
    if plain.get("digest") != value:
        raise_for("The record of a bucket cannot be used", [digest_finding(path, "digest", plain.get("digest"), value)])
