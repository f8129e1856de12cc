"""From the metadata of a sample's files to its conditions: sums, unions, and contradictions."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analysis.basf2 import SampleType
from analysis.conditions.findings import Finding
from analysis.conditions.iov import RunSet
from analysis.conditions.metadata import DatasetMetadata, FileMetadata, GlobalTagState
from analysis.conditions.records import Block, GlobalTag, SampleConditions, TagUse, total
from analysis.conditions.sidecar import listed_runs


@dataclass(frozen=True)
class SampleFile:
    """One file of a sample: where its metadata came from, and the metadata themselves."""

    source: str
    metadata: FileMetadata
    dataset: DatasetMetadata


# What all files of a sample share, and what those of one bucket share: key in the metadata → value.
_OF_SAMPLE: dict[str, Callable[[SampleFile], object]] = {
    "isMC": lambda file: file.metadata.is_mc,
    "dataset.runDependence": lambda file: file.dataset.run_dependence,
    "dataset.eventType": lambda file: file.dataset.event_type,
    "dataset.decayFile": lambda file: file.dataset.decay_file,
    "dataset.beamEnergy": lambda file: file.dataset.beam_energy,
    "dataset.beamEnergyGeV": lambda file: file.dataset.beam_energy_gev,
    "dataset.feiTraining": lambda file: file.dataset.fei_training,
    "dataDescription.dataLevel": lambda file: file.metadata.data_description.get("dataLevel"),
    "dataDescription.skimDecayMode": lambda file: file.metadata.data_description.get("skimDecayMode"),
}
_OF_BUCKET: dict[str, Callable[[SampleFile], object]] = {
    "dataset.calibration": lambda file: file.dataset.calibration,
    "dataset.campaign": lambda file: file.dataset.campaign,
    "release": lambda file: file.metadata.release,
    "globalTag": lambda file: ",".join(file.metadata.global_tags),
    "dataset.globalTagStates": lambda file: tuple(f"{tag.name} {tag.state}" for tag in _tags(file)),
    "dataset.background": lambda file: file.dataset.background,
}


def merge(
    sample: str,
    kind: SampleType,
    files: Sequence[SampleFile],
    known: Mapping[str, GlobalTag] | None = None,
) -> tuple[SampleConditions | None, list[Finding]]:
    """Merge the metadata of a sample's files into its conditions.

    Parameters
    ----------
    sample, kind
        Name and type of the sample.
    files
        At least one file.
    known
        Global tags from the conditions database, by name: their states and contents count where
        the metadata tell none.

    Returns
    -------
    conditions, findings
        None for the conditions if files contradict each other; every contradiction names two files.
    """
    files = sorted(files, key=lambda file: (file.metadata.lfn, file.source))
    buckets: dict[str | None, list[SampleFile]] = defaultdict(list)
    for file in files:
        buckets[file.dataset.bucket].append(file)
    findings = list(_disagreements(sample, files, _OF_SAMPLE))
    for members in buckets.values():
        findings += _disagreements(sample, members, _OF_BUCKET)
    findings += _repeated(sample, files)
    if findings:
        return None, findings
    first = files[0]
    conditions = SampleConditions(
        sample=sample,
        type=kind,
        is_mc=first.metadata.is_mc,
        run_dependence=first.dataset.run_dependence,
        event_type=first.dataset.event_type,
        decay_file=first.dataset.decay_file,
        beam_energy=first.dataset.beam_energy,
        beam_energy_gev=first.dataset.beam_energy_gev,
        fei_training=first.dataset.fei_training,
        data_level=first.metadata.data_description.get("dataLevel"),
        skim=first.metadata.data_description.get("skimDecayMode"),
        blocks=tuple(
            _block(members, known or {}) for _, members in sorted(buckets.items(), key=lambda item: item[0] or "")
        ),
    )
    return conditions, []


def _tags(file: SampleFile) -> list[TagUse]:
    states = file.dataset.global_tag_states
    return [TagUse(name=name, state=states.get(name, GlobalTagState.UNKNOWN)) for name in file.metadata.global_tags]


def _complete(tag: TagUse, known: GlobalTag | None) -> TagUse:
    """Add what the conditions database tells of a tag; its state when the file was made stays."""
    if known is None:
        return tag
    return TagUse(
        name=tag.name,
        state=known.state if tag.state is GlobalTagState.UNKNOWN else tag.state,
        content=None if known.content is None else known.digest,
    )


def _block(files: Sequence[SampleFile], known: Mapping[str, GlobalTag]) -> Block:
    first = files[0]
    full = [file.metadata.n_full_events for file in files]
    counted = [number for number in full if number is not None]
    runs = RunSet.unite(listed_runs(file.metadata) for file in files)
    return Block(
        bucket=first.dataset.bucket,
        calibration=first.dataset.calibration,
        campaign=first.dataset.campaign,
        release=first.metadata.release,
        background=first.dataset.background,
        global_tags=tuple(_complete(tag, known.get(tag.name)) for tag in _tags(first)),
        productions=tuple(sorted({n for file in files for n in file.dataset.productions})),
        runs=runs.intervals(),
        runs_exact=all(file.dataset.runs is not None for file in files),
        parents=tuple(sorted({name for file in files for name in file.metadata.parents})),
        steering=tuple(
            sorted(
                {
                    hashlib.sha256(file.metadata.steering.encode()).hexdigest()
                    for file in files
                    if file.metadata.steering
                }
            )
        ),
        luminosity=total(file.dataset.luminosity for file in files),
        n_events=sum(file.metadata.n_events for file in files),
        n_full_events=sum(counted) if len(counted) == len(full) else None,
        mc_events=sum(file.metadata.mc_events for file in files),
        n_files=len(files),
    )


def _disagreements(
    sample: str, files: Sequence[SampleFile], keys: dict[str, Callable[[SampleFile], object]]
) -> Iterator[Finding]:
    first = files[0]
    for key, value in keys.items():
        expected = value(first)
        others = [file for file in files[1:] if value(file) != expected]
        if not others:
            continue
        more = f", and {len(others) - 1} more" if len(others) > 1 else ""
        yield Finding(
            "files-disagree",
            "Files of one sample were made under different conditions.",
            samples=(sample,),
            file=f"{first.source} and {others[0].source}{more}",
            key=key,
            found=f"{expected!r} and {value(others[0])!r}",
            expected="the same in every file of the sample"
            + ("" if key in _OF_SAMPLE else " that belongs to the same bucket"),
            remedy="make samples of their own, or correct the metadata",
        )


def _repeated(sample: str, files: Iterable[SampleFile]) -> Iterator[Finding]:
    """Find files that count the same events twice: same logical name, or same generator seed."""
    by_name: dict[str, SampleFile] = {}
    by_seed: dict[tuple[object, ...], SampleFile] = {}
    for file in files:
        data = file.metadata
        if (twin := by_name.setdefault(data.lfn, file)) is not file:
            yield _twins(sample, twin, file, "LFN", data.lfn)
            continue
        if not (data.is_mc and data.random_seed):
            continue
        # basf2's generator stream depends on the seed and on (experiment, run, event).
        events = (data.experiment_low, data.run_low, data.event_low)
        twin = by_seed.setdefault((data.random_seed, file.dataset.event_type, *events), file)
        if twin is not file:
            yield _twins(sample, twin, file, "randomSeed", data.random_seed)


def _twins(sample: str, one: SampleFile, two: SampleFile, key: str, value: str) -> Finding:
    return Finding(
        "repeated-file",
        "Two files of a sample hold the same events.",
        samples=(sample,),
        file=f"{one.source} and {two.source}",
        key=key,
        found=f"{value!r} in both",
        expected="a different value in each file",
        remedy="remove one of them from the sample",
    )
