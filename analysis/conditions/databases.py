"""Conditions databases at hand: text databases and sqlite dumps, and which payload a run gets from them.

A text database has one line per payload, ``dbstore/NAME REVISION e,r,e,r``; later lines take
precedence and the revision is, in databases that basf2 writes, the beginning of the payload file's
MD5. ``b2conditionsdb`` writes dumps of whole global tags as sqlite files (application id 0xb2cdb).
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from pydantic import ValidationError

from analysis.conditions.findings import Finding, Severity, conditions_error, expectation, raise_for
from analysis.conditions.iov import IoV
from analysis.conditions.metadata import GlobalTagState
from analysis.conditions.records import GlobalTag, Payload, Validity

APPLICATION_ID = 0xB2CDB
SCHEMA_VERSION = 1
# basf2 names a payload by at least six digits of its checksum.
_CHECKSUM_PREFIX = re.compile(r"[0-9a-f]{6,32}")
_ROWS = """
SELECT payloadName, revision, checksum, firstExp, firstRun, finalExp, finalRun
FROM iov_payloads WHERE globalTagName = ? ORDER BY payloadName, firstExp, firstRun, revision DESC
"""


def read_database(path: str | Path) -> list[GlobalTag]:
    """Read a database, text or sqlite, by its content.

    Raises
    ------
    ConditionsError
        With everything that is wrong.
    """
    try:
        with Path(path).open("rb") as handle:
            is_sqlite = handle.read(16) == b"SQLite format 3\x00"
    except OSError as error:
        raise conditions_error("A conditions database cannot be used", [_unreadable(path, error)]) from None
    return read_sqlite(path) if is_sqlite else [read_text_database(path)]


def read_databases(paths: Sequence[str | Path]) -> dict[str, GlobalTag]:
    """Read several databases into tags by name.

    Raises
    ------
    ConditionsError
        A database cannot be read, or two of them tell one tag differently.
    """
    tags: dict[str, GlobalTag] = {}
    findings = []
    for path in paths:
        for tag in read_database(path):
            if tags.setdefault(tag.name, tag) != tag:
                finding = Finding(
                    "tag-content",
                    "Two databases tell one global tag differently.",
                    file=str(path),
                    key=tag.name,
                    found=f"{tag.state} {tag.digest[:12]}",
                    expected=f"{tags[tag.name].state} {tags[tag.name].digest[:12]}, as in the databases before",
                    remedy="keep the newer dump only",
                )
                findings.append(finding)
    raise_for("The conditions databases contradict each other", findings)
    return tags


def _unreadable(path: str | Path, error: Exception) -> Finding:
    return Finding(
        "unreadable",
        "A conditions database cannot be read.",
        file=str(path),
        found=str(error),
        expected="a text database, or an sqlite dump that `b2conditionsdb` made",
        remedy="check the path, or make the dump again",
    )


def read_text_database(path: str | Path) -> GlobalTag:
    """Read a text database; its name is the folder's for ``database.txt``, else the file's.

    Payload files beside it are checked against the revision, where that is a checksum.

    Raises
    ------
    ConditionsError
        With every wrong line: form, interval, duplicate, or a payload file of another checksum.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise conditions_error("A conditions database cannot be used", [_unreadable(path, error)]) from None
    findings: list[Finding] = []
    content: dict[tuple[str, str, IoV], Validity] = {}
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            validity = _parse_line(text, path)
        except ValueError as error:
            findings.append(_wrong_line(path, number, text, str(error)))
            continue
        key = (validity.payload.name, validity.payload.revision, validity.iov)
        if key in content:
            findings.append(_duplicate(path, f"line {number}", validity))
        content[key] = validity
    if findings:
        raise conditions_error("A conditions database cannot be used", findings)
    name = path.resolve().parent.name if path.name == "database.txt" else path.stem
    # The last line has the highest priority: put it first.
    return GlobalTag(name=name, state=GlobalTagState.UNKNOWN, content=tuple(reversed(content.values())))


def _parse_line(text: str, path: Path) -> Validity:
    fields = text.split()
    if len(fields) != 3 or not fields[0].startswith("dbstore/") or fields[0] == "dbstore/":
        raise ValueError("it has not the three parts that it should have")
    name, revision, iov = fields[0].removeprefix("dbstore/"), fields[1], IoV.parse(fields[2])
    if not (revision.isdigit() or _CHECKSUM_PREFIX.fullmatch(revision)):
        raise ValueError(f"the revision {revision!r} is neither a number nor the beginning of an MD5")
    checksum = None
    file = path.with_name(f"dbstore_{name}_rev_{revision}.root")
    if file.is_file():
        checksum = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
        if _CHECKSUM_PREFIX.fullmatch(revision) and not checksum.startswith(revision):
            raise ValueError(f"the checksum of {file.name} is {checksum}: the file was changed")
    return Validity(payload=Payload(name=name, revision=revision, checksum=checksum), iov=iov)


def _wrong_line(path: Path, number: int, text: str, problem: str) -> Finding:
    return Finding(
        "wrong-line",
        f"A line of the text database is wrong: {problem}.",
        file=str(path),
        key=f"line {number}",
        found=text,
        expected="dbstore/NAME REVISION firstExp,firstRun,finalExp,finalRun",
        remedy="correct the line, or make the payload again",
    )


def _duplicate(path: str | Path, key: str, validity: Validity) -> Finding:
    return Finding(
        "repeated-payload",
        "A payload is listed twice with the same interval.",
        file=str(path),
        key=key,
        found=f"{validity.payload.name} {validity.payload.revision} {validity.iov}",
        expected="every payload and interval once",
        remedy="remove one of them",
    )


def read_sqlite(path: str | Path) -> list[GlobalTag]:
    """Read all global tags of a ``b2conditionsdb`` dump.

    Raises
    ------
    ConditionsError
        The file is no such dump, is damaged, or holds intervals, states or checksums that are none.
    """
    uri = f"{Path(path).resolve().as_uri()}?mode=ro"
    findings: list[Finding] = []
    tags = []
    try:
        with closing(sqlite3.connect(uri, uri=True)) as database:
            _check_schema(database)
            names = database.execute(
                "SELECT globalTagName, globalTagStatus FROM globaltags ORDER BY globalTagName"
            ).fetchall()
            for name, state in names:
                if state not in GlobalTagState.__members__:
                    findings.append(_wrong_state(path, name, state))
                    continue
                content = list(_rows(database, path, name, findings))
                tags.append(GlobalTag(name=name, state=state, content=tuple(content)))
    except (sqlite3.Error, ValueError) as error:
        raise conditions_error("A conditions database cannot be used", [_unreadable(path, error)]) from None
    if findings:
        raise conditions_error("A conditions database cannot be used", findings)
    return tags


def _check_schema(database: sqlite3.Connection) -> None:
    for pragma, expected in (("application_id", APPLICATION_ID), ("user_version", SCHEMA_VERSION)):
        found = database.execute(f"PRAGMA {pragma}").fetchone()[0]
        if found != expected:
            raise ValueError(f"{pragma} is {found:#x}, not {expected:#x}: no dump that this version can read")


def _wrong_state(path: str | Path, tag: str, state: object) -> Finding:
    return Finding(
        "tag-state",
        "The state of a global tag is unknown to us.",
        file=str(path),
        key=tag,
        found=repr(state),
        expected=f"one of {', '.join(GlobalTagState.__members__)}",
        remedy="make the dump again",
    )


def _rows(database: sqlite3.Connection, path: str | Path, tag: str, findings: list[Finding]) -> Iterator[Validity]:
    seen: set[Validity] = set()
    for name, revision, checksum, *numbers in database.execute(_ROWS, (tag,)):
        try:
            payload = Payload(name=name, revision=str(revision), checksum=checksum)
            validity = Validity(payload=payload, iov=IoV(*numbers))
        except (ValueError, ValidationError) as error:
            row = f"{name} {revision} {checksum} {','.join(map(str, numbers))}"
            told = error.errors()[0] if isinstance(error, ValidationError) else None
            reason = f"{told['loc'][-1]} must be {expectation(told)}" if told else str(error)
            findings.append(
                Finding(
                    "wrong-line",
                    f"A row of the conditions database is wrong: {reason}.",
                    file=str(path),
                    key=tag,
                    found=row,
                    expected="name, revision, MD5 and interval of a payload",
                    remedy="make the dump again",
                )
            )
            continue
        if validity in seen:
            findings.append(_duplicate(path, tag, validity))
        seen.add(validity)
        yield validity


def resolve(tags: Sequence[GlobalTag], experiment: int, run: int) -> dict[str, tuple[GlobalTag, Validity]]:
    """Return which payloads a run gets from a list of global tags.

    Parameters
    ----------
    tags
        Highest priority first: the first tag that holds a payload for the run wins. Within a tag
        the order of its content decides, the highest revision (or last line) first.
    experiment, run
        The run.

    Returns
    -------
    payloads
        Payload name → the tag that provides it, and the payload with its interval.
    """
    found: dict[str, tuple[GlobalTag, Validity]] = {}
    for tag in tags:
        for validity in tag.content or ():
            if validity.payload.name not in found and validity.iov.contains(experiment, run):
                found[validity.payload.name] = (tag, validity)
    return found


def overlaps(tag: GlobalTag) -> list[Finding]:
    """Return where a tag holds two revisions of one payload for the same runs (basf2 warns, and takes one)."""
    findings = []
    for name, members in sorted(_by_name(tag).items()):
        reach: Validity | None = None
        for validity in sorted(members, key=lambda item: (item.iov.start, item.iov.end, item.payload.revision)):
            if reach is not None and validity.iov.start <= reach.iov.end:
                findings.append(
                    Finding(
                        "payload-overlap",
                        "Two payloads of one name are valid for the same runs.",
                        Severity.WARNING,
                        key=f"{tag.name}, {name}",
                        found=f"revision {reach.payload.revision} {reach.iov} and "
                        f"revision {validity.payload.revision} {validity.iov}",
                        expected="intervals apart",
                        remedy="end the older interval where the newer begins",
                    )
                )
            if reach is None or validity.iov.end > reach.iov.end:
                reach = validity
    return findings


def _by_name(tag: GlobalTag) -> Mapping[str, list[Validity]]:
    result: dict[str, list[Validity]] = defaultdict(list)
    for validity in tag.content or ():
        result[validity.payload.name].append(validity)
    return result
