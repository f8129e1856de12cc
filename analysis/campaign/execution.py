"""The tasks of the loop: prepare their input; make constants, validate them.

Each step writes its result last and whole, so that a killed one leaves nothing that looks done.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from analysis import io, provenance
from analysis.campaign import documents
from analysis.campaign.documents import Model
from analysis.campaign.inputs import caf_config, read_catalogue, select
from analysis.campaign.layout import Layout, TaskFiles, files_of, read_dependencies
from analysis.campaign.payloads import Entry, read_entries, write_entries
from analysis.campaign.primary import Campaign, upstream_words
from analysis.campaign.tasks import AnyTask, Calibration, LocalCopy, settings_of
from analysis.conditions.findings import Finding, raise_for
from analysis.conditions.runinfo import RunTable
from analysis.errors import ConditionsError

logger = logging.getLogger(__name__)

# Where b2caf-prompt-run collects the payloads of a task's calibrations, one folder each.
OUTPUT = "caf_outputdb_results"


class Check(Model):
    """One thing that a validation looked at."""

    name: str
    value: float
    expected: float
    tolerance: float
    passed: bool


class Validation(Model):
    """What a validation writes, ``validation.json``."""

    passed: bool
    checks: tuple[Check, ...] = Field(min_length=1)
    figures: tuple[str, ...] = ()


class Status(Model):
    """A finished task's ``status.json``."""

    task: str
    validation: Validation | None
    """None if its settings name no validation."""


def prepare(campaign: Campaign, tasks: Mapping[str, AnyTask], runs: RunTable) -> None:
    """Write for each calibration ``caf_config.json``, ``input_data.json``, and which runs were left out, and why.

    What did not change is left alone, so that nothing is calibrated anew without need.

    Raises
    ------
    ConditionsError
        The catalogue contradicts itself or the run information, or nothing is left of it for a task: before any task
        has begun.
    """
    catalogue = read_catalogue(campaign.paths.files)
    source = str(campaign.paths.files)
    calibrations = [task for task in tasks.values() if isinstance(task, Calibration)]
    selections = [select(task, campaign, catalogue, runs, source) for task in calibrations]
    for task, selection in zip(calibrations, selections, strict=True):
        for name, reasons in selection.excluded.items():
            for reason, left_out in reasons.items():
                number = "one run" if len(left_out) == 1 else f"{len(left_out)} runs"
                logger.warning("%s, %s: %s left out: %s", task.name, name, number, reason)
        files = files_of(campaign, task.name)
        documents.write_json(files.selection, {"task": task.name, "excluded": selection.excluded})
        documents.write_json(files.caf_config, caf_config(campaign, task))
        documents.write_json(files.input_data, selection.input_data())


def calibrate(layout: Layout, campaign: Campaign, task: AnyTask) -> None:
    """Make a task's constants: run its calibration, or copy payloads; then upload them, if the campaign says so.

    Raises
    ------
    ConditionsError
        The command failed, or its payloads are not what they should be.
    """
    files = files_of(campaign, task.name)
    entries = _copy(campaign, task) if isinstance(task, LocalCopy) else _calibrate(layout, campaign, task, files)
    write_entries(files.database, entries)
    if campaign.upload:
        run_command(campaign.upload, campaign, task, files, [], files.folder)
    inputs = [] if isinstance(task, LocalCopy) else [files.caf_config, files.input_data]
    io.write_json(
        files.constants,
        {
            "campaign": campaign.name,
            "task": task.name,
            "payloads": [entry.plain() for entry in entries],
            "provenance": provenance.collect(
                "campaign",
                settings_of(campaign, task),
                input_digests={path.name: io.sha256_file(path) for path in inputs},
            ),
        },
    )


def _calibrate(layout: Layout, campaign: Campaign, task: Calibration, files: TaskFiles) -> list[Entry]:
    shutil.rmtree(files.job, ignore_errors=True)
    files.job.mkdir(parents=True)
    upstream = read_dependencies(layout).upstream[task.name]
    databases = [str(files_of(campaign, other).database) for other in upstream]
    run_command(task.command or campaign.command, campaign, task, files, databases, files.job)
    entries = [entry for path in sorted((files.job / OUTPUT).glob("**/database.txt")) for entry in read_entries(path)]
    _check(task, campaign, entries, files.job)
    return entries


def _copy(campaign: Campaign, task: LocalCopy) -> list[Entry]:
    """Take the payloads that are valid somewhere in the bucket from the tags they come from."""
    if campaign.paths.tags is None:
        raise ConditionsError(
            "Local payloads have no source.",
            where="paths.tags",
            found="nothing",
            expected="a folder of text databases, <global tag>/database.txt (b2conditionsdb download)",
            remedy="add `paths: tags:`",
        )
    copied: list[Entry] = []
    findings = []
    for tag, names in sorted(task.sources.items()):
        path = campaign.paths.tags / tag / "database.txt"
        entries = [entry for entry in read_entries(path) if entry.iov.overlaps(campaign.iov)]
        copied += [entry for entry in entries if entry.name in names]
        findings += [
            Finding(
                "no-payload",
                "A payload to copy is not there.",
                file=str(path),
                key=f"{task.name}.sources.{tag}",
                found=f"no {name} that is valid within {campaign.iov}",
                expected=f"one of {', '.join(sorted({entry.name for entry in entries})) or 'nothing'}",
                remedy="correct the name, or download the tag again",
            )
            for name in names
            if name not in {entry.name for entry in entries}
        ]
    raise_for(f"The payloads of {task.name!r} cannot be copied", findings)
    return copied


def _check(task: Calibration, campaign: Campaign, entries: Sequence[Entry], folder: Path) -> None:
    made = {entry.name for entry in entries}
    findings = []
    if not entries:
        findings.append(
            Finding(
                "no-constants",
                "The calibration made no payload.",
                file=str(folder / OUTPUT),
                found="no database.txt with an entry",
                expected="what b2caf-prompt-run leaves: one folder per calibration with database.txt and payloads",
                remedy="look into the calibration's log in its folder",
            )
        )
    elif task.payloads and made != set(task.payloads):
        findings.append(
            Finding(
                "other-constants",
                "The calibration made other payloads than it should.",
                file=str(folder / OUTPUT),
                found=", ".join(sorted(made)),
                expected=", ".join(sorted(task.payloads)),
                remedy="correct `payloads` in its settings, or the calibration",
            )
        )
    findings += [
        Finding(
            "outside-bucket",
            "A payload begins outside of the bucket.",
            file=str(folder / OUTPUT),
            key=entry.name,
            found=str(entry.iov),
            expected=f"a first run within {campaign.iov}",
            remedy="correct `payload_boundaries`; another bucket's runs must keep their constants",
        )
        for entry in entries
        if not campaign.iov.contains(entry.iov.first_experiment, entry.iov.first_run)
    ]
    raise_for(f"The constants of {task.name!r} cannot be used", findings)


def validate(layout: Layout, campaign: Campaign, task: AnyTask) -> Validation | None:
    """Run a task's validation; return None if it has none.

    Raises
    ------
    ConditionsError
        The command failed, wrote no verdict, or the verdict is bad.
    """
    files = files_of(campaign, task.name)
    command = task.validation if isinstance(task, Calibration) else None
    if command is None:
        return None
    shutil.rmtree(files.validation, ignore_errors=True)
    files.validation.mkdir(parents=True)
    upstream = read_dependencies(layout).upstream[task.name]
    databases = [str(files_of(campaign, other).database) for other in upstream]
    run_command(command, campaign, task, files, databases, files.validation)
    verdict = documents.read(files.validation / "validation.json", Validation, "The validation gave no verdict")
    for name in verdict.figures:
        if not (files.validation / name).is_file():
            raise ConditionsError(
                "The validation names a figure that it did not draw.",
                file=files.validation / "validation.json",
                found=name,
                expected="a file in its folder",
                remedy="correct the validation",
            )
    if not verdict.passed:
        raise ConditionsError(
            f"The constants of {task.name!r} failed their validation.",
            file=files.validation / "validation.json",
            found="; ".join(f"{c.name}: {c.value:.5g}" for c in verdict.checks if not c.passed),
            expected="; ".join(f"{c.expected:.5g} ± {c.tolerance:.2g}" for c in verdict.checks if not c.passed),
            remedy="look at its figures; correct the settings, approve them again, and run",
        )
    return verdict


def keep_validation(layout: Layout, campaign: Campaign, task: AnyTask) -> None:
    """Copy a task's validation, figures included, into the repository, where people look for it."""
    source = files_of(campaign, task.name).validation
    target = layout.folder / "validation" / task.name
    shutil.rmtree(target, ignore_errors=True)
    if not (source / "validation.json").exists():
        return
    verdict = documents.read(source / "validation.json", Validation, "The validation gave no verdict")
    target.mkdir(parents=True)
    for name in ("validation.json", *verdict.figures):
        shutil.copyfile(source / name, target / Path(name).name)


def run_command(
    command: str, campaign: Campaign, task: AnyTask, files: TaskFiles, upstream: Sequence[str], folder: Path
) -> None:
    """Run a command of the settings in a folder; what it prints goes to ``output.log`` there.

    Parameters
    ----------
    command
        With placeholders: python, task, caf_config, input_data, database, validation, staging_gt, upstream.
    campaign, task, files
        What they stand for.
    upstream
        Text databases of the tasks before, nearest first.
    folder
        Where it runs.

    Raises
    ------
    ConditionsError
        There is no such program, or it ended with an error: the end of its output is shown.
    """
    values = {
        "python": sys.executable,
        "task": task.name,
        "caf_config": str(files.caf_config),
        "input_data": str(files.input_data),
        "database": str(files.database),
        "validation": str(files.validation),
        "staging_gt": campaign.staging_gt,
    }
    words = upstream_words(command, values, upstream)
    log = folder / "output.log"
    try:
        with log.open("w") as output:
            done = subprocess.run(words, cwd=folder, stdout=output, stderr=subprocess.STDOUT, check=False)
    except OSError as error:
        raise ConditionsError(
            "A command cannot be started.",
            where=f"{task.name}: {command}",
            found=error,
            expected="a program on the PATH",
            remedy="set up the release first (b2setup), or correct `command`",
        ) from None
    if done.returncode:
        raise ConditionsError(
            f"A command of the task {task.name!r} failed.",
            file=log,
            where=" ".join(words),
            found=f"exit status {done.returncode}\n"
            + "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]),
            remedy="mend the cause and run the campaign again: what is done stays done",
        )
