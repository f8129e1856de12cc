"""Payloads in text databases, as basf2's calibration framework writes them.

Beside the ``database.txt`` that `analysis.conditions.databases` reads lie the payloads themselves,
``dbstore_NAME_rev_REVISION.root`` (any suffix is accepted here). In a local database the revision is the beginning of
the payload's MD5 checksum, as basf2 has it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from analysis.campaign.documents import write_text
from analysis.conditions.databases import read_text_database
from analysis.conditions.findings import Finding, raise_for
from analysis.conditions.iov import IoV
from analysis.conditions.records import Payload, Validity


@dataclass(frozen=True)
class Entry:
    """A payload with an interval and its file."""

    validity: Validity
    file: Path

    @property
    def name(self) -> str:
        """The payload's name."""
        return self.validity.payload.name

    @property
    def iov(self) -> IoV:
        """Where it is valid."""
        return self.validity.iov

    def plain(self) -> dict[str, object]:
        """Return the entry without its place on disk."""
        return self.validity.model_dump(mode="json")


def checksum_of(file: Path) -> str:
    """Return the MD5 of a payload's file, by which the conditions database knows it."""
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def read_entries(path: Path) -> list[Entry]:
    """Read a text database and the payloads beside it, sorted.

    Raises
    ------
    ConditionsError
        With every wrong line, missing payload, and payload that is not what its revision says.
    """
    entries, findings = [], []
    for validity in read_text_database(path).content or ():
        payload = validity.payload
        pattern = f"dbstore_{payload.name}_rev_{payload.revision}.*"
        files = sorted(path.parent.glob(pattern))
        if len(files) != 1:
            findings.append(
                _finding("no-payload", "A payload's file is missing.", path, f"{len(files)} files {pattern}")
            )
            continue
        checksum = checksum_of(files[0])
        if not payload.revision.isdigit() and not checksum.startswith(payload.revision):
            findings.append(_finding("checksum", "A payload was changed.", files[0], f"its checksum is {checksum}"))
        named = Payload(name=payload.name, revision=payload.revision, checksum=checksum)
        entries.append(Entry(Validity(payload=named, iov=validity.iov), files[0]))
    raise_for("Payloads cannot be used", findings)
    return sort(entries)


def _finding(code: str, problem: str, path: Path, found: str) -> Finding:
    return Finding(
        code,
        problem,
        file=str(path),
        found=found,
        expected="each payload once beside the database; a revision begins its checksum",
        remedy="make the payloads again: files of a database must not be edited",
    )


def write_entries(path: Path, entries: Iterable[Entry]) -> None:
    """Write a text database and copy the payloads beside it; the folder holds nothing else afterwards.

    Later lines take precedence: a payload that begins later ends one that is valid for ever. A database that would
    say the same is not touched: nothing that was made with it is out of date.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lines, files = [], {path.name}
    for entry in sort(entries):
        shutil.copyfile(entry.file, path.parent / entry.file.name)
        lines.append(f"dbstore/{entry.name} {entry.validity.payload.revision} {entry.iov}\n")
        files.add(entry.file.name)
    write_text(path, "".join(lines))
    for stranger in path.parent.iterdir():
        if stranger.name not in files:
            stranger.unlink()


def sort(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries by name, start, end and revision."""
    return sorted(
        entries, key=lambda entry: (entry.name, entry.iov.start, entry.iov.end, entry.validity.payload.revision)
    )
