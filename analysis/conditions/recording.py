"""From a sample's metadata files to its conditions record."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analysis import io
from analysis.basf2 import BeamEnergy, SampleType, is_off_resonance
from analysis.conditions.databases import read_databases
from analysis.conditions.findings import Finding, conditions_error, raise_for
from analysis.conditions.handwritten import read_names, read_yaml
from analysis.conditions.merging import SampleFile, merge
from analysis.conditions.metadata import SIDECAR_SUFFIX, FileMetadata
from analysis.conditions.records import GlobalTag, SampleConditions
from analysis.conditions.rootfile import metadata_text
from analysis.conditions.sidecar import examine_sidecar, examine_text, sidecar_of
from analysis.config.models import ConditionsSettings, Config, Sample
from analysis.errors import AnalysisError

_BY_HAND = {".yaml": read_yaml, ".yml": read_yaml, ".txt": read_names}


@dataclass(frozen=True)
class SampleSource:
    """Where the conditions of one sample are told.

    Parameters
    ----------
    name, type
        As in the configuration.
    simulated
        The workflow makes the sample itself: pseudo-data may then be generated events.
    sidecars
        Metadata files, one per ntuple.
    beam_energy
        As in the configuration.
    """

    name: str
    type: SampleType
    sidecars: tuple[Path, ...]
    simulated: bool = False
    beam_energy: BeamEnergy = BeamEnergy.ON_RESONANCE


def source_of(sample: Sample, files: Sequence[str] = ()) -> SampleSource:
    """Return where the metadata of a configured sample lie.

    Parameters
    ----------
    sample
        The sample, from the configuration.
    files
        Its ntuples or its metadata files, or patterns of them, where they are not those of the
        configuration: the workflow names here what it simulated itself.

    Raises
    ------
    ConditionsError
        A pattern matches nothing, or there is no file at all.
    """
    source, findings = find_source(sample, files)
    raise_for("The metadata of a sample cannot be found", findings)
    return source


def find_source(sample: Sample, files: Sequence[str] = ()) -> tuple[SampleSource, list[Finding]]:
    """Return where the metadata of a sample lie, as `source_of`, and what is wrong with that."""
    patterns = files or sample.metadata or sample.files
    paths: list[Path] = []
    findings = []
    for pattern in patterns:
        found = matches(pattern)
        if not found:
            findings.append(_nothing_matches(sample, pattern))
        paths += [_metadata_of(path, told=patterns is not sample.files) for path in found]
    if not patterns:
        finding = Finding(
            "no-metadata",
            "A sample has no metadata.",
            samples=(sample.name,),
            expected="`metadata:` or `files:` in the configuration, or files on the command line",
            remedy="name its files; a simulated sample's are made by the workflow",
        )
        findings.append(finding)
    distinct = tuple(dict.fromkeys(paths))
    source = SampleSource(
        sample.name, sample.type, distinct, simulated=sample.simulated, beam_energy=sample.beam_energy
    )
    return source, findings


def record_all(config: Config, known: Mapping[str, GlobalTag] | None = None) -> list[SampleConditions]:
    """Read the metadata of every configured sample.

    Parameters
    ----------
    config
        The configuration. Samples that the workflow simulates are looked for in its results.
    known
        Global tags from the conditions database, by name (see `known_tags`).

    Raises
    ------
    ConditionsError
        With every problem of every sample at once.
    """
    records: list[SampleConditions] = []
    findings: list[Finding] = []
    for sample in config.samples:
        source, found = find_source(sample, simulated_metadata(config, sample))
        conditions = None
        if not found:
            conditions, found = examine(source, known)
        findings += found
        if conditions is not None:
            records.append(conditions)
    raise_for("The conditions of the samples cannot be recorded", findings)
    return records


def simulated_metadata(config: Config, sample: Sample) -> tuple[str, ...]:
    """Return the pattern of the sidecars that the workflow writes for a sample it simulates."""
    if not sample.simulated:
        return ()
    return (f"results/{config.name}/ntuples/{sample.name}/*{SIDECAR_SUFFIX}",)


def matches(pattern: str) -> list[Path]:
    """Return the files that a path or pattern names, sorted; a plain path need not exist."""
    if glob.has_magic(pattern):
        return [Path(path) for path in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207
    return [Path(pattern)]


def _metadata_of(path: Path, *, told: bool) -> Path:
    """Return where the metadata of a path lie.

    Metadata files are their own. An ntuple has a sidecar; where the configuration names ROOT files as
    *metadata* (or, on the command line, where an ntuple has no sidecar), the object inside counts.
    """
    if path.suffix != ".root":
        return path
    beside = sidecar_of(path)
    return path if told and not beside.exists() else beside


def _nothing_matches(sample: Sample, pattern: str) -> Finding:
    return Finding(
        "no-metadata",
        "A pattern matches no file.",
        samples=(sample.name,),
        key=f"samples.{sample.name}",
        found=pattern,
        expected="at least one file, relative to the working directory",
        remedy="run the workflow first: it simulates the sample" if sample.simulated else "correct the pattern",
    )


def known_tags(settings: ConditionsSettings) -> dict[str, GlobalTag]:
    """Return what the configuration tells of global tags: from databases, or the state by hand.

    Raises
    ------
    ConditionsError
        A database cannot be used.
    """
    tags = read_databases(settings.databases)
    for name, state in settings.global_tag_states.items():
        content = tags[name].content if name in tags else None
        tags[name] = GlobalTag(name=name, state=state, content=content)
    return tags


def told_of_tags(sidecars: Sequence[str | Path] | None, known: Mapping[str, GlobalTag]) -> dict[str, str]:
    """Return what a sample's record takes from the conditions databases: name → digest, of the tags that it used.

    The workflow compares this, not the databases: a new dump remakes the records of samples whose tags changed in it.

    Parameters
    ----------
    sidecars
        The sample's metadata; None where they are yet to be made. All known tags count then, and where a file does not
        tell its tags at a glance.
    known
        As of `known_tags`.
    """
    digests = {name: tag.digest for name, tag in sorted(known.items())}
    if sidecars is None or not known:
        return digests
    used: set[str] = set()
    for path in sidecars:
        try:
            used.update(name.strip() for name in io.read_json(path)["globalTag"].split(","))
        except (AnalysisError, OSError, KeyError, TypeError, AttributeError):
            return digests
    return {name: digest for name, digest in digests.items() if name in used}


def record(source: SampleSource, known: Mapping[str, GlobalTag] | None = None) -> SampleConditions:
    """Read the metadata of a sample's files and merge them into its conditions.

    Parameters
    ----------
    source
        Where they lie.
    known
        Global tags from the conditions database, by name (see `known_tags`).

    Raises
    ------
    ConditionsError
        With every problem of every file at once.
    """
    conditions, findings = examine(source, known)
    if conditions is None:
        raise conditions_error(f"The conditions of the sample {source.name!r} cannot be recorded", findings)
    return conditions


def examine(
    source: SampleSource, known: Mapping[str, GlobalTag] | None = None
) -> tuple[SampleConditions | None, list[Finding]]:
    """Return the conditions of a sample, None where something is wrong, and what that is."""
    defaults, texts, findings = _handwritten(source.sidecars)
    files: list[SampleFile] = []
    for path in source.sidecars:
        if path.suffix in _BY_HAND and path not in texts:
            continue
        metadata, found = _examine_file(path, texts.get(path), defaults)
        findings += found
        if metadata is not None and metadata.dataset is not None:
            files.append(SampleFile(str(path), metadata, metadata.dataset))
            findings += [*_role(source, files[-1]), *_energy(source, files[-1])]
    if not files and not findings:
        findings.append(_no_files(source))
    if findings:
        return None, [_of_sample(finding, source.name) for finding in findings]
    return merge(source.name, source.type, files, known)


def _handwritten(paths: Sequence[Path]) -> tuple[dict[str, Any], dict[Path, str], list[Finding]]:
    """Read what was written by hand: defaults of the dataset, and metadata of files by their path."""
    defaults: dict[str, Any] = {}
    texts: dict[Path, str] = {}
    findings: list[Finding] = []
    for path in paths:
        if path.suffix in _BY_HAND:
            told, found = _BY_HAND[path.suffix](path)
            findings += found
            if told is not None and told.metadata is not None:
                texts[path] = told.metadata
            elif told is not None:
                defaults |= told.defaults
    return defaults, texts, findings


def _examine_file(
    path: Path, text: str | None, defaults: Mapping[str, Any]
) -> tuple[FileMetadata | None, list[Finding]]:
    if path.suffix == ".root":
        text, findings = metadata_text(path)
        if text is None:
            return None, findings
    return examine_sidecar(path, defaults) if text is None else examine_text(text, path, defaults)


def _no_files(source: SampleSource) -> Finding:
    return Finding(
        "no-metadata",
        "A sample has no metadata of files, only of the dataset.",
        samples=(source.name,),
        file=", ".join(map(str, source.sidecars)),
        expected="the output of `b2file-metadata-show --json` for each file",
        remedy="add the files' metadata to `metadata:` of the sample",
    )


def _of_sample(finding: Finding, sample: str) -> Finding:
    return finding if finding.samples else replace(finding, samples=(sample,))


def _energy(source: SampleSource, file: SampleFile) -> list[Finding]:
    """Compare the energy that the configuration tells of simulation with the file's; of data their type decides."""
    told = file.dataset.beam_energy
    is_off = is_off_resonance(told)
    if source.type.is_data or is_off == (source.beam_energy is BeamEnergy.OFF_RESONANCE):
        return []
    return [
        Finding(
            "beam-energy",
            "The sample was simulated at another energy than the configuration says.",
            samples=(source.name,),
            file=file.source,
            key="dataset.beamEnergy",
            found=told,
            expected=f"{source.beam_energy}, as `beam_energy:` of the sample",
            remedy="correct `beam_energy:` of the sample, or take the file out of it",
        )
    ]


def _role(source: SampleSource, file: SampleFile) -> list[Finding]:
    """Compare what the configuration says of the sample with what the file says of itself."""
    is_mc = file.metadata.is_mc
    # Pseudo-data of the workflow's own are generated events that play the part of data.
    if is_mc != source.type.is_data or (source.simulated and source.type.is_data):
        return []
    return [
        Finding(
            "is-mc",
            "The sample's type contradicts the file.",
            samples=(source.name,),
            file=file.source,
            key="isMC",
            found=f"isMC {str(is_mc).lower()} in a sample of type {source.type}",
            expected="false for data and offres, true for simulation",
            remedy="correct the sample's type, or take the file out of it",
        )
    ]
