"""What a check found: severity, samples, place, both values and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from analysis.errors import ConditionsError, nearest

# More findings than this are counted, not listed: a thousand files may share one mistake.
LISTED = 30


class Severity(StrEnum):
    """How much a finding weighs: errors stop the workflow."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Parameters
    ----------
    code
        Short stable name of the check (``tag-state``): what a whitelist refers to.
    problem
        One sentence.
    severity
        Errors stop the workflow before the first skim.
    samples
        The samples concerned.
    file, key
        The place: file, and key or line inside it.
    found, expected
        Both values.
    remedy
        What the user can do.
    waived
        The written reason of the configuration's whitelist, where there is one.
    """

    code: str
    problem: str
    severity: Severity = Severity.ERROR
    samples: tuple[str, ...] = ()
    file: str | None = None
    key: str | None = None
    found: str | None = None
    expected: str | None = None
    remedy: str | None = None
    waived: str | None = None

    def __str__(self) -> str:
        lines = [f"{self.severity}: {self.problem} [{self.code}]"]
        for label, value in (
            ("samples", _listed(self.samples)),
            ("file", self.file),
            ("key", self.key),
            ("found", self.found),
            ("expected", self.expected),
            ("remedy", self.remedy),
            ("waived", self.waived),
        ):
            if value is not None:
                lines.append(f"    {label + ':':<10}{value}")
        return "\n".join(lines)

    @property
    def stops(self) -> bool:
        """Whether the finding stops the workflow."""
        return self.severity is Severity.ERROR and self.waived is None


def conditions_error(title: str, findings: Sequence[Finding]) -> ConditionsError:
    """Return one error that tells all findings at once.

    Parameters
    ----------
    title
        What was being done.
    findings
        At least one; beyond the first 30 they are counted only.
    """
    listed = "\n".join(f"  {finding}" for finding in findings[:LISTED])
    more = len(findings) - LISTED
    tail = f"\n  … and {more} more" if more > 0 else ""
    number = "one problem" if len(findings) == 1 else f"{len(findings)} problems"
    return ConditionsError(f"{title}: {number}.\n{listed}{tail}")


def raise_for(title: str, findings: Iterable[Finding]) -> None:
    """Raise a `ConditionsError` with every finding that stops; do nothing without one."""
    stopping = [finding for finding in findings if finding.stops]
    if stopping:
        raise conditions_error(title, stopping)


def from_validation(
    error: ValidationError, file: str | Path, known: Iterable[str] = (), remedy: str | None = None
) -> list[Finding]:
    """Translate pydantic's errors, one finding per wrong key.

    Parameters
    ----------
    error
        What pydantic raised.
    file
        The file that was read.
    known
        The keys that exist, for suggestions.
    remedy
        Used where nothing better can be said of the single key.
    """
    known = list(known)
    details = error.errors()
    places = {detail["loc"][:n] for detail in details for n in range(len(detail["loc"]))}
    # A list is not too short as well because its items are wrong.
    kept = [detail for detail in details if not (detail["type"] == "too_short" and detail["loc"] in places)]
    return [_translate(detail, str(file), known, remedy) for detail in kept]


def _translate(detail: ErrorDetails, file: str, known: Sequence[str], remedy: str | None) -> Finding:
    key = ".".join(str(part) for part in detail["loc"]) or None
    last = str(detail["loc"][-1]) if detail["loc"] else ""
    kind, value, expected = detail["type"], detail["input"], expectation(detail)
    finding = partial(Finding, file=file, key=key, remedy=remedy or "correct the value")
    if kind == "missing":
        near = nearest(last, value.keys() if isinstance(value, dict) else ())
        found = near if near.startswith("nothing") else f"nearest: {near}"
        what = "A required key is missing."
        return finding("missing-key", what, found=found, expected=f"the key {last!r}", remedy=remedy or "add the key")
    if kind == "extra_forbidden":
        near, mend = f"nearest: {nearest(last, known)}", "correct the spelling, or remove the key"
        return finding("unknown-key", "A key is unknown.", found=_brief(value), expected=near, remedy=mend)
    if kind == "json_invalid":
        what = "The file is not valid JSON."
        found, json = (
            expected.removeprefix("Invalid JSON: "),
            "a JSON object, as `b2file-metadata-show --json` prints it",
        )
        mend = "write the file again; it may have been truncated"
        return finding("broken-json", what, key=None, found=found, expected=json, remedy=mend)
    if kind == "value_error":
        # A check of our own: its sentence says it all. What it looked at is of use where it is one value.
        seen = None if isinstance(value, dict) and not key else _brief(value)
        return finding("wrong-value", f"A value is wrong: {expected}.", found=seen)
    what = "A value has the wrong type or is out of range."
    return finding("wrong-value", what, found=_brief(value), expected=expected)


def expectation(detail: ErrorDetails) -> str:
    """Return what pydantic expected, in words that need no knowledge of it."""
    limits = detail.get("ctx", {})
    if detail["type"] == "string_too_short":
        return "a text that is not empty"
    if detail["type"] == "string_pattern_mismatch":
        return f"a text of the form {limits['pattern']}"
    if detail["type"] in ("too_short", "too_long"):
        number = limits.get("min_length", limits.get("max_length"))
        return f"at {'least' if detail['type'] == 'too_short' else 'most'} {number} of them"
    return detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")


def _listed(samples: Sequence[str], most: int = 10) -> str | None:
    more = len(samples) - most
    return (", ".join(samples[:most]) + (f" and {more} more" if more > 0 else "")) or None


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "…"
