"""The calibrations of a release, found in a folder of settings.

``local/*.yaml`` hold {subsystem: {source global tag: [payload names]}}. ``raw/`` and ``cdst/`` hold one YAML or JSON
file per calibration with the fields of basf2's `CalibrationSettings` (what its ``json_dumps()`` prints will do) and,
optionally, those of ours: see `analysis.campaign.tasks.Calibration`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from analysis.campaign import documents
from analysis.campaign.primary import Campaign
from analysis.campaign.tasks import AnyTask, Calibration, LocalCopy, LocalFile
from analysis.conditions.findings import Finding
from analysis.conditions.iov import IoV

SUFFIXES = (".yaml", ".yml", ".json")


def discover(campaign: Campaign) -> tuple[dict[str, AnyTask], list[Finding]]:
    """Return the tasks by name, and everything that is wrong in the folder."""
    folder = campaign.paths.calibrations
    if not folder.is_dir():
        return {}, [
            Finding(
                "no-settings",
                "The release's settings are missing.",
                file=str(folder),
                key="paths.calibrations",
                found="no such folder",
                expected="a folder with local/, raw/, cdst/",
                remedy="correct the path; it starts at the working directory",
            )
        ]
    findings = list(_strangers(folder))
    tasks: dict[str, AnyTask] = {}
    places: dict[str, Path] = {}
    for path, found in _candidates(folder, campaign.managers[0], findings):
        if found.name in places:
            findings.append(_twice(found.name, places[found.name], path))
        tasks[found.name], places[found.name] = found, path
        if isinstance(found, Calibration):
            findings += boundaries_outside(found, campaign.iov, str(path))
    if not tasks and not findings:
        findings.append(
            Finding(
                "no-settings",
                "No calibration was found.",
                file=str(folder),
                expected="settings in local/, raw/ or cdst/",
                remedy="correct `paths.calibrations`",
            )
        )
    return dict(sorted(tasks.items())), findings


def _strangers(folder: Path) -> Iterator[Finding]:
    """Files that would be passed over in silence."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        in_place = len(relative.parts) == 2 and relative.parts[0] in ("local", "raw", "cdst")
        if path.is_file() and path.suffix in SUFFIXES and not in_place:
            yield Finding(
                "misplaced-settings",
                "Settings lie where nobody looks for them.",
                file=str(path),
                expected="local/, raw/ or cdst/, without further folders",
                remedy="move the file",
            )


def _candidates(folder: Path, manager: str, findings: list[Finding]) -> Iterator[tuple[Path, AnyTask]]:
    for path in _files(folder / "local"):
        document, found = documents.examine(path, LocalFile)
        findings += found
        for subsystem, sources in document.root.items() if document else ():
            plain = {"name": f"local_{subsystem}", "expert_username": manager, "sources": sources}
            plain["description"] = f"Payloads that {subsystem} made by itself."
            task, found = documents.examine_plain(plain, LocalCopy, str(path))
            findings += found
            if task is not None:
                yield path, task
    for kind in ("raw", "cdst"):
        for path in _files(folder / kind):
            calibration, found = documents.examine(path, Calibration, {"kind": kind})
            findings += found
            if calibration is None:
                continue
            if calibration.kind != kind:
                findings.append(_wrong_kind(path, calibration.kind, kind))
            yield path, calibration


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES)


def _twice(name: str, one: Path, two: Path) -> Finding:
    return Finding(
        "repeated-task",
        "Two settings have the same name.",
        file=f"{one} and {two}",
        key="name",
        found=name,
        expected="a name of its own for each",
        remedy="rename one of them",
    )


def _wrong_kind(path: Path, found: str, expected: str) -> Finding:
    return Finding(
        "wrong-value",
        "Settings lie in a folder of another kind.",
        file=str(path),
        key="kind",
        found=found,
        expected=expected,
        remedy="move the file, or leave `kind` out",
    )


def boundaries_outside(task: Calibration, iov: IoV, source: str) -> list[Finding]:
    """Return a finding for each payload boundary outside of the bucket."""
    return [
        Finding(
            "boundary-outside",
            "A payload boundary lies outside of the bucket.",
            file=source,
            key="expert_config.payload_boundaries",
            found=str(boundary),
            expected=f"within {iov}",
            remedy="correct or remove it",
        )
        for boundary in task.expert_config.get("payload_boundaries", [])
        if not iov.contains(*boundary)
    ]
