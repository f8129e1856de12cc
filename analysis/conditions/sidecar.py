"""Reading metadata sidecars: what is wrong with one, told in full."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from analysis.conditions.findings import Finding, conditions_error, from_validation
from analysis.conditions.iov import IoV, RunSet
from analysis.conditions.lfn import parse_lfn, runs_in_path
from analysis.conditions.metadata import (
    SIDECAR_SUFFIX,
    DatasetMetadata,
    FileMetadata,
)

LUMINOSITY_TOLERANCE = 1e-4  # relative: a list is rounded, a run that is missing in it is more than this
"""By how much the luminosities of the runs may differ from the file's."""


def sidecar_of(file: str | Path) -> Path:
    """Return where the metadata of an ntuple are expected: beside it.

    Examples
    --------
    >>> str(sidecar_of("ntuples/signal_0.root"))
    'ntuples/signal_0.root.metadata.json'
    """
    path = Path(file)
    return path.with_name(path.name + SIDECAR_SUFFIX)


def read_sidecar(path: str | Path) -> FileMetadata:
    """Read and check the metadata of one file.

    Raises
    ------
    ConditionsError
        With everything that is wrong, each with key, value and remedy.
    """
    metadata, findings = examine_sidecar(path)
    if metadata is None or findings:
        raise conditions_error("The metadata of a file cannot be used", findings)
    return metadata


def examine_sidecar(
    path: str | Path, defaults: Mapping[str, Any] | None = None
) -> tuple[FileMetadata | None, list[Finding]]:
    """Read the metadata of one file; return them (None if unusable) and what is wrong with them.

    Parameters
    ----------
    path
        The sidecar.
    defaults
        Keys of the block ``dataset`` that count where the file has none.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None, [_missing(path)]
    except (OSError, UnicodeDecodeError) as error:
        finding = Finding(
            "unreadable",
            "A metadata file cannot be read.",
            file=str(path),
            found=str(error),
            expected="a readable text file in UTF-8",
            remedy="check the path and its permissions, or write the file again",
        )
        return None, [finding]
    return examine_text(text, path, defaults)


def examine_text(
    text: str, path: str | Path, defaults: Mapping[str, Any] | None = None
) -> tuple[FileMetadata | None, list[Finding]]:
    """Validate the text of a sidecar; ``path`` is for the messages, ``defaults`` as in `examine_sidecar`."""
    try:
        metadata = FileMetadata.model_validate_json(_completed(text, defaults or {}))
    except ValidationError as error:
        known = [field.alias or name for name, field in DatasetMetadata.model_fields.items()]
        return None, from_validation(error, path, known)
    return metadata, list(_contradictions(metadata, str(path)))


def _completed(text: str, defaults: Mapping[str, Any]) -> str:
    """Put defaults underneath the block ``dataset``; text that is no such JSON is left to the validation."""
    if not defaults:
        return text
    try:
        plain = json.loads(text)
    except json.JSONDecodeError:
        return text
    if not isinstance(plain, dict) or not isinstance(plain.get("dataset", {}), dict):
        return text
    own = {key: value for key, value in plain.get("dataset", {}).items() if value is not None}
    return json.dumps({**plain, "dataset": {**defaults, **own}})


def _missing(path: str | Path) -> Finding:
    return Finding(
        "no-metadata",
        "An ntuple has no metadata.",
        file=str(path),
        found="no such file",
        expected="the output of `b2file-metadata-show --json`, with our block `dataset`",
        remedy="write it, or name the metadata of the sample in its `metadata:`",
    )


def listed_runs(metadata: FileMetadata) -> RunSet:
    """Return the runs of a file: those listed, or else its whole range."""
    listed = metadata.dataset.runs if metadata.dataset else None
    return RunSet(listed or (_range(metadata),))


def _range(metadata: FileMetadata) -> IoV:
    return IoV(metadata.experiment_low, metadata.run_low, metadata.experiment_high, metadata.run_high)


def _contradictions(metadata: FileMetadata, file: str) -> Iterator[Finding]:
    yield from _range_contradictions(metadata, file)
    yield from _event_contradictions(metadata, file)
    yield from _tag_contradictions(metadata, file)
    yield from _name_contradictions(metadata, file)
    yield from _path_contradictions(metadata, file)
    if metadata.dataset is None:
        yield Finding(
            "missing-key",
            "The metadata lack what belongs to the dataset.",
            file=file,
            key="dataset",
            expected="the block `dataset` with campaign, beamEnergy, globalTagStates …",
            remedy="add it to the sidecar, see analysis/conditions/metadata.py",
        )
        return
    yield from _kind_contradictions(metadata, metadata.dataset, file)
    yield from _luminosity_contradictions(metadata, metadata.dataset, file)


def _range_contradictions(metadata: FileMetadata, file: str) -> Iterator[Finding]:
    low = (metadata.experiment_low, metadata.run_low, metadata.event_low)
    high = (metadata.experiment_high, metadata.run_high, metadata.event_high)
    if low > high:
        yield Finding(
            "reversed-range",
            "The range of runs ends before it starts.",
            file=file,
            key="experimentLow … eventHigh",
            found=f"{low} to {high}",
            expected="(experiment, run, event) low not above high",
            remedy="make the metadata again with `b2file-metadata-show --json`",
        )
        return
    outside = listed_runs(metadata).difference(RunSet([_range(metadata)]))
    if outside:
        yield Finding(
            "runs-outside",
            "Runs are listed outside of the file's own range.",
            file=file,
            key="dataset.runs",
            found=str(outside),
            expected=f"within {_range(metadata)}",
            remedy="correct `dataset.runs`",
        )


def _event_contradictions(metadata: FileMetadata, file: str) -> Iterator[Finding]:
    if not metadata.is_mc and metadata.mc_events:
        yield Finding(
            "is-mc",
            "Data cannot hold generated events.",
            file=file,
            key="isMC, mcEvents",
            found=f"isMC false, mcEvents {metadata.mc_events}",
            expected="mcEvents 0 for data",
            remedy="correct isMC or mcEvents",
        )
    if metadata.is_mc and metadata.n_events > metadata.mc_events:
        yield Finding(
            "is-mc",
            "A simulated file holds more events than were generated.",
            file=file,
            key="nEvents, mcEvents",
            found=f"nEvents {metadata.n_events}, mcEvents {metadata.mc_events}",
            expected="mcEvents, the number before any filter, not below nEvents",
            remedy="correct mcEvents; normalisation rests on it",
        )
    if metadata.n_full_events is not None and metadata.n_full_events > metadata.n_events:
        yield Finding(
            "event-count",
            "More full events than events.",
            file=file,
            key="nFullEvents, nEvents",
            found=f"{metadata.n_full_events} of {metadata.n_events}",
            expected="nFullEvents not above nEvents",
            remedy="make the metadata again with `b2file-metadata-show --json`",
        )


def _tag_contradictions(metadata: FileMetadata, file: str) -> Iterator[Finding]:
    names = metadata.global_tags
    if "" in names or len(set(names)) < len(names):
        yield Finding(
            "tag-list",
            "The list of global tags has an empty or repeated entry.",
            file=file,
            key="globalTag",
            found=repr(metadata.global_tag),
            expected="distinct names joined by commas, highest priority first",
            remedy="correct the list",
        )
    for name in metadata.dataset.global_tag_states if metadata.dataset else ():
        if name not in names:
            yield Finding(
                "tag-list",
                "A state is given for a global tag that the file did not use.",
                file=file,
                key=f"dataset.globalTagStates.{name}",
                found=name,
                expected=f"one of globalTag: {', '.join(names)}",
                remedy="correct the name",
            )


def _name_contradictions(metadata: FileMetadata, file: str) -> Iterator[Finding]:
    lfn = parse_lfn(metadata.lfn)
    dataset = metadata.dataset
    inside = _experiments(metadata)
    pairs: list[tuple[str, object, object]] = [
        ("isMC", lfn.is_mc, metadata.is_mc),
        ("release", lfn.release, metadata.release),
    ]
    if dataset is not None:
        pairs += [
            ("dataset.campaign", lfn.campaign, dataset.campaign),
            ("dataset.beamEnergy", lfn.beam_energy, dataset.beam_energy),
        ]
        if lfn.production is not None and lfn.production not in dataset.productions:
            pairs.append(("dataset.productions", lfn.production, list(dataset.productions)))
    if lfn.experiment is not None and not inside[0] <= lfn.experiment <= inside[1]:
        pairs.append(("experimentLow … experimentHigh", lfn.experiment, f"{inside[0]}–{inside[1]}"))
    elif lfn.run and not _range(metadata).contains(lfn.experiment or 0, lfn.run):
        pairs.append(("runLow … runHigh", lfn.run, str(_range(metadata))))
    for key, in_name, in_metadata in pairs:
        if in_name is not None and in_name != in_metadata:
            yield Finding(
                "lfn",
                "The logical name contradicts the metadata.",
                file=file,
                key=f"LFN, {key}",
                found=f"{in_metadata!r}, but {in_name!r} in {metadata.lfn}",
                expected="the same in both",
                remedy="find out which is right: the file may have been moved or mislabelled",
            )


def _path_contradictions(metadata: FileMetadata, file: str) -> Iterator[Finding]:
    for experiment, run in runs_in_path(file):
        if not _range(metadata).contains(experiment, run):
            yield Finding(
                "path-run",
                "The path names another run than the metadata.",
                file=file,
                key="runLow … runHigh",
                found=f"experiment {experiment}, run {run} in the path",
                expected=f"a run of {_range(metadata)}, as in the metadata",
                remedy="find out which is right: the file may have been moved, or its metadata be another's",
            )


def _experiments(metadata: FileMetadata) -> tuple[int, int]:
    return metadata.experiment_low, metadata.experiment_high


def _kind_contradictions(metadata: FileMetadata, dataset: DatasetMetadata, file: str) -> Iterator[Finding]:
    if metadata.is_mc and dataset.run_dependence is None:
        yield Finding(
            "missing-key",
            "Simulation must say whether it is run-dependent.",
            file=file,
            key="dataset.runDependence",
            expected="'ri' or 'rd'",
            remedy="add the key",
        )
    if not metadata.is_mc and dataset.run_dependence is not None:
        yield Finding(
            "is-mc",
            "Data are neither run-independent nor run-dependent simulation.",
            file=file,
            key="isMC, dataset.runDependence",
            found=f"isMC false, runDependence {dataset.run_dependence!r}",
            expected="runDependence null for data",
            remedy="correct isMC, or remove runDependence",
        )
    if not metadata.is_mc and dataset.luminosity is None:
        yield Finding(
            "missing-key",
            "Data must say how much luminosity they hold.",
            file=file,
            key="dataset.luminosity",
            expected="this file's share, fb⁻¹",
            remedy="add the key",
        )


def _luminosity_contradictions(metadata: FileMetadata, dataset: DatasetMetadata, file: str) -> Iterator[Finding]:
    """Check the luminosities of the runs: each told once, of runs of the file, adding up to the file's."""
    if dataset.run_luminosity is None:
        return
    runs = Counter((experiment, run) for experiment, run, _ in dataset.run_luminosity)
    strange = [f"{e},{r} twice" for (e, r), number in runs.items() if number > 1]
    strange += [str(iov) for iov in RunSet(IoV(e, r, e, r) for e, r in runs).difference(listed_runs(metadata))]
    if strange:
        yield Finding(
            "run-luminosity",
            "Luminosity is told of runs that are not in the file, or twice of one.",
            file=file,
            key="dataset.runLuminosity",
            found=", ".join(strange[:5]) + (f" and {len(strange) - 5} more" if len(strange) > 5 else ""),
            expected=f"each run once, of {listed_runs(metadata)}",
            remedy="correct `dataset.runLuminosity` or `dataset.runs`",
        )
    whole = dataset.luminosity
    told = math.fsum(luminosity for *_, luminosity in dataset.run_luminosity)
    if whole is None or not math.isclose(told, whole, rel_tol=LUMINOSITY_TOLERANCE):
        yield Finding(
            "run-luminosity",
            "The luminosities of the runs do not add up to the file's.",
            file=file,
            key="dataset.runLuminosity, dataset.luminosity",
            found=f"{told:.6g} fb⁻¹ in {len(runs)} runs",
            expected="`dataset.luminosity`, which is missing" if whole is None else f"{whole:.6g} fb⁻¹",
            remedy="add the runs that are missing, or correct `dataset.luminosity`",
        )
