"""What a calibration is given: the bucket's runs, the files of those that its filters accept, and its configuration.

``caf_config.json`` and ``input_data.json`` are those of b2caf-prompt-run.
"""

from __future__ import annotations

import csv
import io as text_io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from analysis.campaign.primary import Campaign
from analysis.campaign.tasks import CATEGORY, Calibration, filter_name
from analysis.conditions.findings import Finding, conditions_error, raise_for
from analysis.conditions.iov import IoV
from analysis.conditions.lfn import runs_in_path
from analysis.conditions.runinfo import Run, RunTable

COLUMNS = ("path", "experiment", "run", "format", "data_tag")


@dataclass(frozen=True, slots=True)
class InputFile:
    """A line of the catalogue: a file, or a folder of files, of one run."""

    path: str
    experiment: int
    run: int
    format: str
    data_tag: str


@dataclass(frozen=True)
class Selection:
    """The files of a task.

    Parameters
    ----------
    files
        Input name → files, sorted by run and path.
    excluded
        Input name → why runs of the bucket were left out → their ``experiment.run``.
    """

    files: Mapping[str, tuple[InputFile, ...]]
    excluded: Mapping[str, Mapping[str, tuple[str, ...]]]

    def input_data(self) -> dict[str, list[list[object]]]:
        """Return the content of ``input_data.json``: {name: [[path, [experiment, run]], …]}, paths absolute."""
        return {
            name: [[str(Path(file.path).absolute()), [file.experiment, file.run]] for file in files]
            for name, files in self.files.items()
        }


def read_catalogue(path: Path) -> tuple[InputFile, ...]:
    """Read the catalogue of input files.

    Raises
    ------
    ConditionsError
        With everything that is wrong, line by line: paths that name another run than their line are refused.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        finding = Finding(
            "unreadable",
            "The catalogue of files cannot be read.",
            file=str(path),
            found=str(error),
            expected="a CSV file in UTF-8",
            remedy="check the path: `paths: files:` of the primary configuration",
        )
        raise conditions_error("The input files cannot be used", [finding]) from None
    reader = csv.DictReader(text_io.StringIO(text, newline=""), strict=True)
    files: dict[tuple[str, str], InputFile] = {}
    findings: list[Finding] = []
    try:
        if set(reader.fieldnames or ()) != set(COLUMNS):
            raise conditions_error("The input files cannot be used", [_other_columns(path, reader.fieldnames or ())])
        for row in reader:
            where = f"line {reader.line_num}"
            file, found = _line(row, str(path), where)
            findings += found
            if file is not None and files.setdefault((file.path, file.data_tag), file) is not file:
                findings.append(_listed_twice(path, where, file))
    except csv.Error as error:
        findings.append(_broken(path, f"line {reader.line_num}", error))
    raise_for("The input files cannot be used", findings)
    return tuple(sorted(files.values(), key=lambda file: (file.experiment, file.run, file.path)))


def _other_columns(path: Path, found: Sequence[str]) -> Finding:
    return Finding(
        "missing-column",
        "The catalogue's columns are not the expected ones.",
        file=str(path),
        key="line 1",
        found=",".join(found) or "nothing",
        expected=",".join(COLUMNS),
        remedy="name the columns so, in any order",
    )


def _listed_twice(path: Path, where: str, file: InputFile) -> Finding:
    return Finding(
        "repeated-file",
        "A file is listed twice.",
        file=str(path),
        key=where,
        found=file.path,
        expected="every file and data tag once",
        remedy="remove one of the lines",
    )


def _broken(path: Path, where: str, error: csv.Error) -> Finding:
    return Finding(
        "broken-csv",
        "The catalogue is not valid CSV.",
        file=str(path),
        key=where,
        found=str(error),
        expected="quotes in pairs",
        remedy="make it again; it may have been truncated",
    )


def _line(row: Mapping[str | None, str | None], source: str, where: str) -> tuple[InputFile | None, list[Finding]]:
    values = {name: (row[name] or "").strip() for name in COLUMNS}
    numbers = [values["experiment"], values["run"]]
    if None in row or not all(values.values()) or not all(text.isascii() and text.isdigit() for text in numbers):
        return None, [
            Finding(
                "wrong-value",
                "A line is not complete, or its run is no number.",
                file=source,
                key=where,
                found=", ".join(str(value) for value in row.values()),
                expected=",".join(COLUMNS),
            )
        ]
    told = (int(values["experiment"]), int(values["run"]))
    findings = [
        Finding(
            "path-run",
            "A path names another run than the list.",
            file=source,
            key=where,
            found=f"experiment {named[0]}, run {named[1]} in {values['path']}",
            expected=f"experiment {told[0]}, run {told[1]}, as listed",
            remedy="find out which is right: constants would be made from another run's events",
        )
        for named in runs_in_path(values["path"])
        if named != told
    ]
    return InputFile(values["path"], *told, values["format"].lower(), values["data_tag"]), findings


def select(task: Calibration, campaign: Campaign, files: Iterable[InputFile], runs: RunTable, source: str) -> Selection:
    """Choose a task's input: files of its formats, of the bucket's runs that its filters accept.

    Parameters
    ----------
    task, campaign
        Settings.
    files
        The catalogue.
    runs
        The bucket's runs.
    source
        The catalogue's name, for the messages.

    Raises
    ------
    ConditionsError
        A file of the bucket belongs to no known run, or an input name is left without a file.
    """
    inside = [
        file
        for file in files
        if file.format in task.input_data_formats and campaign.iov.contains(file.experiment, file.run)
    ]
    known = {(run.experiment, run.run) for run in runs.runs}
    findings = [
        Finding(
            "unknown-run",
            "A file belongs to a run that the run database does not have.",
            file=source,
            found=f"experiment {file.experiment}, run {file.run}: {file.path}",
            expected=f"a run of {runs.source}",
            remedy="export the run database again, or correct the catalogue",
        )
        for file in inside
        if (file.experiment, file.run) not in known
    ]
    chosen: dict[str, tuple[InputFile, ...]] = {}
    excluded: dict[str, dict[str, tuple[str, ...]]] = {}
    for name in sorted(task.input_data_names):
        filters = task.input_data_filters.get(name, ())
        reasons = {(run.experiment, run.run): refusal(run, filters) for run in runs.runs}
        tagged = [file for file in inside if _accepted({file.data_tag}, "Data Tag", filters)]
        chosen[name] = tuple(file for file in tagged if reasons.get((file.experiment, file.run)) is None)
        with_files = {(file.experiment, file.run) for file in tagged}
        reasons = {run: why or (None if run in with_files else "no files") for run, why in reasons.items()}
        excluded[name] = _by_reason(reasons)
        if not chosen[name]:
            findings.append(_nothing_left(task, name, filters, excluded[name], source))
    raise_for(f"The input of the task {task.name!r} cannot be chosen", findings)
    return Selection(chosen, excluded)


def _nothing_left(
    task: Calibration, name: str, filters: Sequence[str], excluded: Mapping[str, Sequence[str]], source: str
) -> Finding:
    why = "; ".join(f"{reason}: {len(runs)} runs" for reason, runs in excluded.items())
    return Finding(
        "no-input",
        "No file is left for an input.",
        file=source,
        key=f"{task.name}.input_data_names.{name}",
        found=why or "no runs",
        expected=f"files of {' or '.join(task.input_data_formats)} that pass {list(filters)}",
        remedy="correct the filters, or the catalogue",
    )


def _by_reason(reasons: Mapping[tuple[int, int], str | None]) -> dict[str, tuple[str, ...]]:
    texts = sorted({reason for reason in reasons.values() if reason is not None})
    return {
        text: tuple(f"{experiment}.{run}" for (experiment, run), reason in sorted(reasons.items()) if reason == text)
        for text in texts
    }


def _quality(run: Run) -> set[str]:
    # A run may have several tags; basf2's "… Or …" is met by any of its parts.
    tags = {tag.strip() for tag in re.split(r"[;|,]", run.quality or "") if tag.strip()}
    return tags | ({"Good Or Recoverable"} if tags & {"Good", "Recoverable"} else set())


_OF_RUN: Mapping[str, Callable[[Run], set[str]]] = {
    "Magnet": lambda run: {run.magnet, "Either"} if run.magnet else set(),
    "Beam Energy": lambda run: {run.beam_energy} if run.beam_energy else set(),
    "Run Type": lambda run: {run.run_type} if run.run_type else set(),
    "Data Quality Tag": _quality,
}


def refusal(run: Run, filters: Sequence[str]) -> str | None:
    """Return why a run does not pass some filters, None if it does.

    Examples
    --------
    >>> refusal(Run(31, 1, magnet="Off"), ["On"])
    'Magnet is Off'
    >>> refusal(Run(31, 1, quality="Good"), ["Good", "NOT On"])
    'Magnet is unknown'
    """
    for category, value in _OF_RUN.items():
        asked = [text for text in filters if CATEGORY[filter_name(text)[0]] == category]
        if not asked:
            continue
        found = value(run)
        if not found:
            return f"{category} is unknown"
        if not _accepted(found, category, asked):
            return f"{category} is {' and '.join(sorted(found - {'Either'}))}"
    return None


def _accepted(found: set[str], category: str, filters: Sequence[str]) -> bool:
    """Whether one of the wanted filters of a category is met, and none of the excluded ones."""
    pairs = [filter_name(text) for text in filters]
    wanted = {name for name, positive in pairs if positive and CATEGORY[name] == category}
    excluded = {name for name, positive in pairs if not positive and CATEGORY[name] == category}
    return (not wanted or bool(wanted & found)) and not excluded & found


def caf_config(campaign: Campaign, task: Calibration) -> dict[str, object]:
    """Return the content of ``caf_config.json``."""
    return {
        "caf_script": task.caf_script or f"{task.name}.py",
        "database_chain": list(campaign.data),
        **({"backend_args": dict(campaign.backend_args)} if campaign.backend_args else {}),
        "requested_iov": list(campaign.iov.as_tuple()),
        "expert_config": task.expert_config,
    }


def bucket_runs(runs: RunTable, iov: IoV) -> RunTable:
    """Return the runs of a bucket.

    Raises
    ------
    ConditionsError
        There is none.
    """
    inside = runs.within(iov)
    if not inside:
        finding = Finding(
            "no-runs",
            "The run database has no run of the bucket.",
            file=runs.source,
            key="iov",
            found=f"{len(runs.runs)} runs, none within {iov}",
            remedy="export the bucket's experiments and runs, or correct `iov`",
        )
        raise conditions_error("The run information cannot be used", [finding])
    return RunTable(runs.source, inside)


def run_info_csv(runs: RunTable) -> str:
    """Return a run table as CSV; luminosities in fb⁻¹, empty where nothing is known."""
    names = [field.name for field in fields(Run)]
    text = text_io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow("luminosity_fb" if name == "luminosity" else name for name in names)
    writer.writerows(_values(run, names) for run in runs.runs)
    return text.getvalue()


def _values(run: Run, names: Sequence[str]) -> Iterator[object]:
    for name in names:
        value = getattr(run, name)
        yield "" if value is None else repr(value) if isinstance(value, float) else value
