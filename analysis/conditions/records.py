"""The conditions a sample was made with, as immutable records with a canonical digest.

A sample is a list of *blocks*: all files made under the same conditions. Simulation has one block
as a rule; data have one per calibration bucket, because every bucket brings its own global tags.
What must hold for the whole sample stands on the sample, the rest on its blocks. Nothing that
changes when the same sample is produced once more (dates, sites, users, paths) is recorded: the
same conditions give the same digest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analysis import io
from analysis.basf2 import SampleType
from analysis.conditions.findings import Finding, conditions_error, from_validation, raise_for
from analysis.conditions.iov import IoV, RunSet
from analysis.conditions.metadata import Count, Digest, GlobalTagState, State, Text
from analysis.errors import ConditionsError

# Version of the layout of records and ledgers; part of the ledger's digest.
SCHEMA = 2


class Frozen(BaseModel):
    """A frozen model that may cache properties."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with other values; what was cached of the old ones does not come along."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied


class Record(Frozen):
    """A frozen model whose digest is the SHA-256 of its canonical JSON."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        return io.digest(self.model_dump(mode="json"))


class Payload(Record):
    """One payload of the conditions database.

    Parameters
    ----------
    name
        Class name of the object (``ECLCrystalEnergy``).
    revision
        Number in the central database; a prefix of the checksum in text databases.
    checksum
        MD5 of the payload file, as the database gives it; None where a database has none.
    """

    name: Text
    revision: Text
    checksum: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None


class Validity(Record):
    """A payload and one interval in which it is valid."""

    payload: Payload
    iov: IoV


class GlobalTag(Record):
    """A global tag with what it holds.

    Parameters
    ----------
    name, state
        As in the conditions database.
    content
        Its payloads and their intervals; None where nobody told.
    """

    name: Text
    state: State
    content: Annotated[tuple[Validity, ...], Field(strict=False)] | None = None


class TagUse(Record):
    """A global tag as a sample used it: its name, its state, the digest of its content."""

    name: Text
    state: State = GlobalTagState.UNKNOWN
    content: Digest | None = None


class Block(Record):
    """The files of a sample that were made under the same conditions.

    Parameters
    ----------
    bucket
        Calibration bucket, None outside of the calibration's periods.
    calibration
        Digest of the closing record of the campaign that calibrated the bucket, as the metadata refer to it.
    campaign, release, background
        Production campaign, basf2 release, background overlay.
    global_tags
        In order of priority: the first that holds a payload wins.
    productions
        Production ids, sorted.
    runs
        The runs inside, disjoint and sorted.
    runs_exact
        Whether the runs were listed; otherwise only the range per file is known.
    parents
        Logical names of the parent files, sorted.
    steering
        SHA-256 of each steering file, sorted.
    luminosity
        Sum over the files, fb⁻¹; None if a file does not tell.
    n_events, n_full_events, mc_events
        Sums over the files; ``n_full_events`` is None if an older basf2 wrote a file.
    n_files
        Number of files.
    """

    bucket: Text | None
    calibration: Digest | None = None
    campaign: Text
    release: Text
    background: Text | None
    global_tags: Annotated[tuple[TagUse, ...], Field(strict=False, min_length=1)]
    productions: Annotated[tuple[Count, ...], Field(strict=False)]
    runs: Annotated[tuple[IoV, ...], Field(strict=False, min_length=1)]
    runs_exact: bool
    parents: Annotated[tuple[Text, ...], Field(strict=False)]
    steering: Annotated[tuple[Digest, ...], Field(strict=False)]
    luminosity: Annotated[float, Field(ge=0)] | None
    n_events: Count
    n_full_events: Count | None
    mc_events: Count
    n_files: Annotated[int, Field(ge=1)]

    @cached_property
    def run_set(self) -> RunSet:
        """The runs, ready for unions and differences."""
        return RunSet(self.runs)

    @property
    def tag_names(self) -> tuple[str, ...]:
        """Names of the global tags, highest priority first."""
        return tuple(tag.name for tag in self.global_tags)


LISTS = ("productions", "runs", "parents", "steering")
"""Fields of a block that may be long; what else it tells fits on a line."""


class SampleConditions(Record):
    """With what a sample was made.

    Parameters
    ----------
    sample, type
        The sample's name and type in the configuration.
    is_mc
        Generated events, by basf2's own metadata.
    run_dependence
        ``ri`` or ``rd`` simulation; None for data.
    event_type, decay_file
        What was generated.
    beam_energy, beam_energy_gev
        Name of the energy (``4S``), and the centre-of-mass energy in GeV.
    fei_training
        Training of the Full Event Interpretation.
    data_level, skim
        ``mdst`` or ``udst``; the skim's name.
    blocks
        One per calibration bucket, sorted.
    """

    sample: Text
    type: Annotated[SampleType, Field(strict=False)]
    is_mc: bool
    run_dependence: Literal["ri", "rd"] | None
    event_type: Text | None
    decay_file: Text | None
    beam_energy: Text
    beam_energy_gev: Annotated[float, Field(gt=0)] | None
    fei_training: Text | None
    data_level: Text | None
    skim: Text | None
    blocks: Annotated[tuple[Block, ...], Field(strict=False, min_length=1)]

    @property
    def n_events(self) -> int:
        """Events in the files."""
        return sum(block.n_events for block in self.blocks)

    @property
    def mc_events(self) -> int:
        """Generated events behind the files; 0 for data."""
        return sum(block.mc_events for block in self.blocks)

    @property
    def luminosity(self) -> float | None:
        """Sum over the blocks, fb⁻¹; None if one does not tell."""
        return total(block.luminosity for block in self.blocks)

    @property
    def runs(self) -> RunSet:
        """The runs of all blocks."""
        return RunSet.unite(block.run_set for block in self.blocks)

    @property
    def experiments(self) -> tuple[int, ...]:
        """The experiments of all blocks."""
        return self.runs.experiments()

    @property
    def global_tags(self) -> tuple[TagUse, ...]:
        """Every global tag used in any block, in order of appearance."""
        return tuple(dict.fromkeys(tag for block in self.blocks for tag in block.global_tags))

    @property
    def releases(self) -> tuple[str, ...]:
        """Every release used in any block, sorted."""
        return tuple(sorted({block.release for block in self.blocks}))

    @property
    def campaigns(self) -> tuple[str, ...]:
        """Every campaign of any block, sorted."""
        return tuple(sorted({block.campaign for block in self.blocks}))


def total(values: Iterable[float | None]) -> float | None:
    """Sum exactly, whatever the order; None as soon as one value is unknown."""
    known: list[float] = []
    for value in values:
        if value is None:
            return None
        known.append(value)
    return math.fsum(known)


def record_to_plain(record: SampleConditions) -> dict[str, Any]:
    """Return the content of a record's file: the conditions and their digest."""
    return {
        "schema": SCHEMA,
        "digest": record.digest,
        "conditions": record.model_dump(mode="json"),
    }


def read_record(path: str | Path) -> SampleConditions:
    """Read the conditions record of a sample and check its digest.

    Raises
    ------
    ConditionsError
        The file is no record, of another schema, or was edited by hand.
    """
    plain = check_schema(io.read_json(path), path, "conditions", "record of a sample", "conditions record")
    try:
        record = SampleConditions.model_validate(plain["conditions"])
    except ValidationError as error:
        findings = from_validation(error, path, remedy="make the record again")
        raise conditions_error("The record cannot be used", findings) from None
    if plain.get("digest") != record.digest:
        finding = digest_finding(path, "digest", plain.get("digest"), record.digest)
        raise_for("The record cannot be used", [finding])
    return record


def check_schema(plain: Any, path: str | Path, key: str, what: str, command: str) -> dict[str, Any]:
    """Return the mapping read from a file, or raise if it is not what was asked for, which ``command`` makes."""
    if isinstance(plain, dict) and plain.get("schema") == SCHEMA and key in plain:
        return plain
    raise ConditionsError(
        f"The file is no {what} that this version can read.",
        file=path,
        where="schema",
        found=plain.get("schema") if isinstance(plain, dict) else type(plain).__name__,
        expected=f"schema {SCHEMA}, with the key {key!r}",
        remedy=f"make it again with `python -m analysis {command}`",
    )


def digest_finding(path: str | Path, key: str, told: object, value: str, command: str = "conditions") -> Finding:
    """Return the finding that a recorded digest is not the one of what stands beside it; ``command`` makes the file."""
    return Finding(
        "digest",
        "The content does not belong to its digest: the file was changed by hand.",
        file=str(path),
        key=key,
        found=str(told)[:12],
        expected=value[:12],
        remedy=f"make it again with `python -m analysis {command}`",
    )
