"""The errors a user meets: what is wrong, where, what was expected, and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class AnalysisError(Exception):
    """A problem the user can mend, told in full.

    Parameters
    ----------
    problem
        One sentence: what is wrong.
    file
        The file concerned.
    where
        Branch, bin, key, sample, channel …: the place inside the file.
    found, expected
        What was found there and what should have been.
    remedy
        What the user can do about it.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | Path | None = None,
        where: str | None = None,
        found: object = None,
        expected: object = None,
        remedy: str | None = None,
    ) -> None:
        self.problem = problem
        self.file = None if file is None else str(file)
        self.where = where
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        lines = [self.problem]
        for label, value in (
            ("file", self.file),
            ("where", self.where),
            ("found", self.found),
            ("expected", self.expected),
            ("remedy", self.remedy),
        ):
            if value is not None:
                # Several lines, such as the end of a program's output, keep their place.
                lines.append(f"  {label + ':':<10}" + str(value).replace("\n", "\n" + 12 * " "))
        return "\n".join(lines)


class ConfigurationError(AnalysisError):
    """The configuration is not valid; the message lists every mistake at once."""


class InputError(AnalysisError):
    """An input file is missing, damaged, or lacks what a stage needs."""


class OutputError(AnalysisError):
    """A file cannot be written: the disk is full, the folder is read-only, a folder has its name."""


class ConditionsError(AnalysisError):
    """Samples or their conditions do not belong together."""


class FitError(AnalysisError):
    """The likelihood cannot be built or its fit did not converge."""


def nearest(name: str, candidates: Iterable[str], n: int = 3) -> str:
    """Return the names closest to ``name``, quoted, for an error message.

    Examples
    --------
    >>> nearest("kaonId", ["kaonID", "pionID", "roeEextra"], n=1)
    "'kaonID'"
    """
    lowered: dict[str, str] = {}
    for candidate in candidates:
        lowered.setdefault(candidate.lower(), candidate)
    hits = difflib.get_close_matches(name.lower(), lowered, n=n, cutoff=0.5)
    return ", ".join(f"'{lowered[hit]}'" for hit in hits) or "nothing similar"


def choice(name: str, known: Iterable[str], most: int = 10) -> str:
    """Return what a name may have stood for, for an error message: what is close to it, or else what there is.

    Examples
    --------
    >>> choice("scal", ["scale", "energy"])
    "nearest: 'scale'"
    >>> choice("tracking", ["scale", "energy"])
    'one of energy, scale'
    >>> choice("tracking", [])
    'there is none'
    """
    names = sorted(known)
    hits = nearest(name, names)
    if hits != "nothing similar":
        return f"nearest: {hits}"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"one of {', '.join(names[:most])}{more}" if names else "there is none"
