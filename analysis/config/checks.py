"""What no section can tell of itself: sections that contradict each other, columns that no stage provides.

Each check returns the mistakes it finds, one line each: key, value, remedy.
"""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.basf2 import BeamEnergy, SampleType
from analysis.columns import CHANGED, COLUMNS, VARIATION
from analysis.conditions.metadata import SIDECAR_SUFFIX
from analysis.errors import nearest
from analysis.ntuples.expression import Expression

if TYPE_CHECKING:
    from analysis.config.models import Config, Dataset, Sample

# In the order in which columns come to be.
_STAGES = ("ntuple", "preselection", "bdt")


def problems(config: Config, damaged: Collection[str] = ()) -> list[str]:
    """Return all mistakes across sections.

    Parameters
    ----------
    config
        Valid section by section.
    damaged
        Sections of which parts were left out because they have mistakes of their own: what is missing there is no news.
    """
    return [
        *_samples(config, damaged),
        *_aliases(config, damaged),
        *_columns(config),
        *_off_resonance(config, damaged),
        # Only where events are weighed: the conditions alone do not ask for all of them.
        *(_units(config.dataset) if config.preselection and "dataset" not in damaged else []),
    ]


def missing(config: Config, source: str | Path, damaged: Collection[str] = ()) -> list[str]:
    """Return what the whole analysis needs and does not have; single commands may do without.

    Parameters
    ----------
    config, damaged
        As for :func:`problems`.
    source
        The configuration's file.
    """
    return [
        *_regions(config, damaged),
        *_missing_files(config, source),
        *(line for sample in config.samples if not sample.simulated for line in _missing_ntuples(sample, source)),
        *_shared_ntuples(config),
    ]


def _shared_ntuples(config: Config) -> Iterator[str]:
    """Yield the ntuples of which two samples take one tree: an entry was copied, and its path left as it was."""
    first: dict[tuple[Path, str], str] = {}
    shared: dict[tuple[str, str], list[str]] = {}
    for sample in config.samples:
        for pattern in sample.files:
            for file in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - absolute patterns
                owner = first.setdefault((Path(file).absolute(), sample.tree), sample.name)
                if owner != sample.name:
                    shared.setdefault((owner, sample.name), []).append(file)
    for (owner, name), files in shared.items():
        yield (
            f"samples ({name}).files: {len(files)} of them are those of {owner}, too, {files[0]} is the first: "
            "events would count twice; correct the pattern of one"
        )


def _missing_ntuples(sample: Sample, source: str | Path) -> Iterator[str]:
    """Yield what a sample names and is not there: ntuples, their metadata."""
    files = []
    for key, patterns in (("files", sample.files), ("metadata", sample.metadata)):
        for pattern in patterns:
            found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - absolute patterns
            if key == "files":
                files += found
            if not found:
                yield f"samples ({sample.name}).{key}: {_nothing(pattern, source)}"
    bare = [file for file in files if not sample.metadata and not Path(f"{file}{SIDECAR_SUFFIX}").is_file()]
    if bare:
        yield (
            f"samples ({sample.name}).files: {len(bare)} of {len(files)} ntuples have no metadata beside them, "
            f"{bare[0]}{SIDECAR_SUFFIX} is missing; README.md, 'Your own ntuples', tells what it holds. Without "
            "basf2's metadata, write a copy of config/metadata.example.yaml for it, and name that under `metadata:`"
        )


def _nothing(pattern: str, source: str | Path) -> str:
    """Return that no file has a name, and which file may have been meant: paths start in the working directory."""
    folder = Path(source).resolve().parent
    # Beside the configuration, or in this project, whose files another one that extends ours names.
    bases = [] if Path(pattern).is_absolute() else [folder, folder.parent, Path(__file__).parents[2]]
    near = next((base for base in bases if glob.glob(str(base / pattern), recursive=True)), None)  # noqa: PTH207
    what = f"nothing matches {pattern!r}" if glob.has_magic(pattern) else f"there is no file {pattern!r}"
    remedy = f"there is {near / pattern}: write that" if near else "correct the path, or make the file first"
    return f"{what} in {Path.cwd()}, where relative paths start; {remedy}"


def _missing_files(config: Config, source: str | Path) -> list[str]:
    """Return the files that are named and not there, those of samples aside."""
    named = [
        ("weights.kaon_id", config.weights.kaon_id),
        *(("conditions.databases", path) for path in config.conditions.databases),
        *(("conditions.buckets", path) for path in config.conditions.buckets),
        ("conditions.run_information", config.conditions.run_information),
    ]
    if config.combination:
        named += [
            *((f"combination.workspaces.{label}", path) for label, path in config.combination.workspaces.items()),
            *((f"combination.compare.{label}", path) for label, path in config.combination.compare.items()),
            ("combination.map", config.combination.map),
        ]
    return [f"{key}: {_nothing(path, source)}" for key, path in named if path is not None and not Path(path).is_file()]


def _samples(config: Config, damaged: Collection[str]) -> Iterator[str]:
    for name, count in Counter(sample.name for sample in config.samples).items():
        if count > 1:
            yield f"samples: two samples are named {name!r}; give each a name of its own"
    simulated = [sample for sample in config.samples if sample.simulated and "simulation" not in damaged]
    if simulated and config.simulation is None:
        names = ", ".join(sample.name for sample in simulated)
        yield f"samples ({names}): `simulated: true` needs a `simulation:` section"
    decays = config.simulation.decays if config.simulation else None
    for sample in simulated:
        if decays is not None and not sample.type.is_data and sample.type not in decays:
            yield f"simulation.decays: no number for {sample.type.value!r}, the type of sample {sample.name!r}"
    for kind in dict.fromkeys(sample.type for sample in config.samples):
        if kind.is_continuum and kind not in config.dataset.cross_sections and "dataset" not in damaged:
            yield f"dataset.cross_sections: no number for {kind.value!r}"


def _units(dataset: Dataset) -> Iterator[str]:
    """Yield numbers that contradict each other or are in other units: every yield would be wrong in silence."""
    # 1.09 nb at BaBar and Belle, 1.07 at Belle II; another spread of the beams' energy moves it by less.
    made = dataset.bb_cross_section
    if not 0.8 < made < 1.4:
        yield (
            f"dataset.n_bb: {dataset.n_bb:g} in {dataset.luminosity:g} fb⁻¹ are {made:.3g} nb, "
            "but e⁺e⁻ → Υ(4S) has about 1.1 nb; give `n_bb` and `luminosity`, in fb⁻¹, of the same data"
        )
    for key, energy in (("sqrt_s", dataset.sqrt_s), ("off_resonance_sqrt_s", dataset.off_resonance_sqrt_s)):
        if not 10 < energy < 11.5:
            yield f"dataset.{key}: {energy:g} GeV are far from the Υ(4S) at 10.58 GeV; give it in GeV"
    for kind, size in dataset.cross_sections.items():
        if size > 20:
            yield f"dataset.cross_sections.{kind.value}: {size:g} nb are more than all of e⁺e⁻ → hadrons; give it in nb"


def _off_resonance(config: Config, damaged: Collection[str]) -> Iterator[str]:
    """Off-resonance channels need data, simulation and a luminosity of their own; the data need no channel."""
    off = [sample for sample in config.samples if sample.beam_energy is BeamEnergy.OFF_RESONANCE]
    channels = [each.name for each in (config.templates.channels if config.templates else ()) if each.off_resonance]
    scaled = [sample.name for sample in off if sample.simulated or not sample.type.is_data]
    if (scaled or channels) and config.dataset.off_resonance_luminosity is None and "dataset" not in damaged:
        yield f"dataset.off_resonance_luminosity: no number, but {', '.join(scaled or channels)} must be scaled to it"
    if not channels or "samples" in damaged:
        return
    where = f"templates.channels ({', '.join(channels)})"
    if not any(sample.type is SampleType.OFFRES for sample in off):
        yield f"{where}: no sample is of `type: offres`; without off-resonance data the channel tells nothing"
    below = {sample.type for sample in off if sample.type.is_continuum}
    above = {sample.type for sample in config.samples if sample.type.is_continuum and sample not in off}
    if above - below or not below:
        named = " or ".join(sorted(above - below)) or "continuum"
        yield f"{where}: no sample of {named} has `beam_energy: 4S_offres`; simulate what the data hold"


def _aliases(config: Config, damaged: Collection[str]) -> Iterator[str]:
    if config.skim.columns is None and not (config.preselection or config.bdt or config.templates):
        return  # a skim by itself keeps everything, under the names that the aliases give
    used = {name for _, _, name in _used(config)} | set(config.skim.columns or ())
    # Anchors give many samples the same aliases: one mistake, told once.
    unknown: dict[str, list[str]] = {}
    for sample in config.samples:
        for name in sample.aliases:
            if name not in COLUMNS and name not in used:
                unknown.setdefault(name, []).append(sample.name)
    # Where a cut or an input is missing because of its own mistake, it might have used the column.
    if damaged:
        return
    for name, samples in unknown.items():
        yield (
            f"samples ({samples[0]}).aliases.{name}: no column of the data model, and nothing here uses it"
            f"{f' (also in {len(samples) - 1} other samples)' if len(samples) > 1 else ''}; "
            f"nearest: {nearest(name, COLUMNS)}"
        )


def _used(config: Config) -> Iterator[tuple[str, str, str]]:
    """Yield key, last stage whose columns it may use, and name of every column that the configuration names."""
    yield from (("skim.cut", "ntuple", name) for name in _names(config.skim.cut))
    for cut in config.preselection.cuts if config.preselection else ():
        yield from ((f"preselection.cuts ({cut.name})", "preselection", name) for name in _names(cut.cut))
    yield from (("bdt.inputs", "preselection", name) for name in (config.bdt.inputs if config.bdt else ()))
    for channel in config.templates.channels if config.templates else ():
        key = f"templates.channels ({channel.name})"
        yield from ((f"{key}.cut", "bdt", name) for name in _names(channel.cut))
        yield from ((f"{key}.axes", "bdt", axis.column) for axis in channel.axes)


def _names(cut: str) -> list[str]:
    return sorted(Expression.parse(cut).names) if cut else []


def _columns(config: Config) -> Iterator[str]:
    aliases = {name for sample in config.samples for name in sample.aliases}
    known = COLUMNS.keys() | aliases
    folded = {name.casefold(): name for name in known}
    data = any(sample.type.is_data for sample in config.samples)
    # The toy's branches are the data model's; what branches other ntuples have, only they can tell.
    simulated = bool(config.samples) and all(sample.simulated for sample in config.samples)
    for key, stage, name in dict.fromkeys(_used(config)):
        # Of what the BDT may see its own section knows more.
        column = COLUMNS.get(name)
        if column is not None and key == "bdt.inputs":
            continue
        if column is None:
            if name not in aliases and (simulated or name.casefold() in folded):
                near = repr(folded[name.casefold()]) if name.casefold() in folded else nearest(name, _offered(stage))
                remedy = "" if simulated else f"; if a branch is called so, say `aliases: {{{name}: {name}}}`"
                yield f"{key}: no stage provides a column {name!r}; nearest: {near}{remedy}"
        elif column.truth and (stage != "ntuple" or data):
            yield f"{key}: {name!r} is truth: data do not have it; take what the detector measures"
        elif name in (VARIATION, CHANGED):
            yield f"{key}: {name!r} is of varied tables only"
        elif _STAGES.index(column.provided_by) > _STAGES.index(stage):
            yield f"{key}: {name!r} does not exist yet: the stage `{column.provided_by}` makes it, later"


def _offered(stage: str) -> Iterable[str]:
    stages = _STAGES[: _STAGES.index(stage) + 1]
    return [column.name for column in COLUMNS.values() if column.provided_by in stages and not column.truth]


def _regions(config: Config, damaged: Collection[str]) -> Iterator[str]:
    if config.templates is None:
        return
    if "samples" not in damaged and not any(sample.type == "signal" for sample in config.samples):
        yield "samples: none is of `type: signal`; without its templates there is no μ to fit"
    if "templates" not in damaged and not any(channel.signal_region for channel in config.templates.channels):
        yield (
            "templates.channels: no channel is a signal region; leave `signal_region: false` out where the signal is, "
            "or data that should be blinded are not"
        )
