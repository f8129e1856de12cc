"""Run information: an export of the run database as CSV.

The header names the columns; the spellings that exports use are in `_HEADERS`. The separator is a
comma, a semicolon or a tab. Quoted fields may hold separators and line breaks (shifters' comments
do), and columns that are not ours are passed over. Event counts and luminosities may be missing.
A luminosity column must say its unit: ``luminosity_pb``, ``luminosity [nb^-1]``, ``lumi (1/fb)``.
"""

from __future__ import annotations

import bisect
import csv
import io as text_io
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from analysis.conditions.findings import Finding, conditions_error
from analysis.conditions.iov import IoV, RunSet, run_key
from analysis.errors import nearest

_HEADERS: Mapping[str, tuple[str, ...]] = {
    "experiment": ("experiment", "exp", "experiment_number"),
    "run": ("run", "run_number", "runnumber"),
    "start": ("start", "start_time", "begin", "run_start"),
    "stop": ("stop", "stop_time", "end", "end_time", "run_stop"),
    "n_events": ("n_events", "nevents", "events", "number_of_events"),
    "luminosity": ("luminosity", "lumi", "integrated_luminosity", "recorded_luminosity", "lumi_recorded"),
    "beam_energy": ("beam_energy", "energy", "beam"),
    "magnet": ("magnet", "solenoid", "magnetic_field"),
    "quality": ("quality", "data_quality", "data_quality_tag", "dq", "flag"),
    "run_type": ("run_type", "type"),
}
# fb⁻¹ per unit of the column.
_UNITS = {"fb": 1.0, "pb": 1e-3, "nb": 1e-6}
_UNIT = re.compile(r"[\s_\[(/]*(?:1/)?(?:inv_?)?(fb|pb|nb)(?:\^?[-⁻]?[1¹])?[\])]*$")
_MISSING = frozenset({"", "-", "none", "null", "nan", "n/a", "na"})


@dataclass(frozen=True, slots=True)
class Run:
    """One run; None where the export has no value.

    ``luminosity`` is in fb⁻¹.
    """

    experiment: int
    run: int
    start: str | None = None
    stop: str | None = None
    n_events: int | None = None
    luminosity: float | None = None
    beam_energy: str | None = None
    magnet: str | None = None
    quality: str | None = None
    run_type: str | None = None

    @property
    def key(self) -> int:
        """Position on the line of all runs."""
        return run_key(self.experiment, self.run)


@dataclass(frozen=True)
class RunTable:
    """The runs of an export, sorted by experiment and run."""

    source: str
    runs: tuple[Run, ...]

    @cached_property
    def run_set(self) -> RunSet:
        """All runs."""
        return RunSet.of_keys(self._keys)

    @cached_property
    def _keys(self) -> list[int]:
        return [run.key for run in self.runs]

    @cached_property
    def _cumulative(self) -> list[float]:
        return [0.0, *itertools.accumulate(run.luminosity or 0.0 for run in self.runs)]

    @cached_property
    def _unknown(self) -> list[int]:
        return [0, *itertools.accumulate(run.luminosity is None for run in self.runs)]

    def within(self, iov: IoV) -> tuple[Run, ...]:
        """Return the runs of one interval."""
        return self.runs[bisect.bisect_left(self._keys, iov.start) : bisect.bisect_right(self._keys, iov.end)]

    def luminosity_of(self, runs: RunSet) -> float | None:
        """Return the luminosity of a set of runs, fb⁻¹; None if one of them has no value."""
        parts = []
        for iov in runs:
            first = bisect.bisect_left(self._keys, iov.start)
            last = bisect.bisect_right(self._keys, iov.end)
            if self._unknown[last] > self._unknown[first]:
                return None
            parts.append(self._cumulative[last] - self._cumulative[first])
        return math.fsum(parts)


def read_runs(path: str | Path) -> RunTable:
    """Read a run database's export.

    Raises
    ------
    ConditionsError
        With everything that is wrong, line by line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        finding = Finding(
            "unreadable",
            "The run information cannot be read.",
            file=str(path),
            found=str(error),
            expected="a CSV file in UTF-8",
            remedy="check the path, or export it again",
        )
        raise conditions_error("The run information cannot be used", [finding]) from None
    return parse_runs(text, str(path))


def parse_runs(text: str, source: str) -> RunTable:
    """Parse the text of an export; ``source`` is for the messages. Raises as `read_runs`."""
    first_line = text.split("\n", 1)[0]
    separator = max(";\t,", key=first_line.count)
    reader = csv.reader(text_io.StringIO(text, newline=""), delimiter=separator, strict=True)
    problems = _Problems(source)
    runs: dict[int, Run] = {}
    try:
        columns = _columns(next(reader, []), problems)
        start = reader.line_num + 1
        for fields in reader:
            line, start = start, reader.line_num + 1
            if not any(field.strip() for field in fields):
                continue
            run = _run(fields, columns, line, problems)
            if run is not None and runs.setdefault(run.key, run) is not run:
                problems.add(
                    "repeated-run",
                    "A run is listed twice.",
                    f"line {line}",
                    f"experiment {run.experiment}, run {run.run} again",
                    "every run once",
                    "remove one of the lines",
                )
    except csv.Error as error:
        problems.add(
            "broken-csv",
            "The file is not valid CSV.",
            f"line {reader.line_num}",
            str(error),
            "quotes in pairs",
            "export it again; it may have been truncated",
        )
    if not problems.found and not runs:
        problems.add("no-runs", "The file lists no run.", None, "0 runs", "at least one", "export it again")
    if problems.found:
        raise conditions_error("The run information cannot be used", problems.found)
    return RunTable(source, tuple(runs[key] for key in sorted(runs)))


class _Problems:
    def __init__(self, source: str) -> None:
        self.source = source
        self.found: list[Finding] = []

    def add(self, code: str, problem: str, key: str | None, found: str, expected: str, remedy: str) -> None:
        self.found.append(
            Finding(code, problem, file=self.source, key=key, found=found, expected=expected, remedy=remedy)
        )


@dataclass(frozen=True)
class _Columns:
    """Where each field stands, and the unit of the luminosity in fb⁻¹."""

    places: Mapping[str, int]
    unit: float
    n_columns: int


def _columns(header: Sequence[str], problems: _Problems) -> _Columns:
    places: dict[str, int] = {}
    unit = math.nan
    for place, title in enumerate(header):
        plain, scale = _title(title)
        field = next((field for field, titles in _HEADERS.items() if plain in titles), None)
        if field is None:
            continue
        if field in places:
            problems.add(
                "repeated-column",
                "Two columns mean the same.",
                "header",
                f"{header[places[field]]!r} and {title!r}",
                f"one column for {field}",
                "remove one of them",
            )
        places[field] = place
        if field == "luminosity":
            unit = scale or math.nan
            if scale is None:
                problems.add(
                    "luminosity-unit",
                    "The luminosity has no unit.",
                    f"header, {title!r}",
                    title,
                    "a unit in the title: luminosity_fb, luminosity_pb or luminosity_nb",
                    "rename the column",
                )
    for field in ("experiment", "run"):
        if field not in places:
            problems.add(
                "missing-column",
                "A column is missing.",
                "header",
                f"nearest: {nearest(field, header)}",
                f"one of {', '.join(_HEADERS[field])}",
                "name the column so",
            )
    return _Columns(places, unit, len(header))


def _title(title: str) -> tuple[str, float | None]:
    """Return a title in its plain form, and the unit at its end."""
    plain = title.strip().lower()
    match = _UNIT.search(plain)
    scale = None
    if match and match.start() > 0 and plain.startswith(("lumi", "integrated", "recorded")):
        plain, scale = plain[: match.start()], _UNITS[match[1]]
    return re.sub(r"[\s\-]+", "_", plain.strip(" _[(")), scale


def _run(fields: Sequence[str], columns: _Columns, line: int, problems: _Problems) -> Run | None:
    if len(fields) != columns.n_columns:
        problems.add(
            "field-count",
            "A line has another number of fields than the header.",
            f"line {line}",
            f"{len(fields)}",
            f"{columns.n_columns}",
            "quote fields that hold the separator",
        )
        return None

    def field(name: str) -> str | None:
        place = columns.places.get(name)
        text = "" if place is None else fields[place].strip()
        return None if text.lower() in _MISSING else text

    before = len(problems.found)
    numbers = {
        name: _count(field(name), name, line, problems, required=name != "n_events")
        for name in ("experiment", "run", "n_events")
        if name in columns.places
    }
    luminosity = _amount(field("luminosity"), line, problems)
    if len(problems.found) > before or "experiment" not in numbers or "run" not in numbers:
        return None
    texts = {name: field(name) for name in ("start", "stop", "beam_energy", "magnet", "quality", "run_type")}
    return Run(
        experiment=numbers["experiment"] or 0,
        run=numbers["run"] or 0,
        n_events=numbers.get("n_events"),
        luminosity=None if luminosity is None else luminosity * columns.unit,
        **texts,
    )


def _count(text: str | None, name: str, line: int, problems: _Problems, *, required: bool) -> int | None:
    if text is None and not required:
        return None
    # Exports through spreadsheets write whole numbers as 12.0.
    plain = re.sub(r"\.0+$", "", text or "")
    if plain.isascii() and plain.isdigit():
        return int(plain)
    problems.add(
        "wrong-value",
        "A field is no whole number.",
        f"line {line}, {name}",
        repr(text or ""),
        "a number, not negative",
        "correct the line",
    )
    return None


def _amount(text: str | None, line: int, problems: _Problems) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isfinite(value) and value >= 0:
        return value
    problems.add(
        "wrong-value",
        "A luminosity is no number, or negative.",
        f"line {line}, luminosity",
        repr(text),
        "a number, not negative, with a decimal point",
        "correct the line, or leave the field empty",
    )
    return None
