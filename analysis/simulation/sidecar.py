"""Metadata sidecars of the toy, with basf2's keys and real-looking values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from analysis.basf2 import BeamEnergy, SampleType
from analysis.conditions.buckets import Bucket
from analysis.conditions.iov import IoV
from analysis.conditions.metadata import DatasetMetadata, FileMetadata, GlobalTagState
from analysis.io import sha256_file
from analysis.simulation.tags.probability import TABLE

RELEASE = "release-08-02-07"
ANALYSIS_TAG = "analysis_tools_light-2406-ragdoll"
MC_TAG, DATA_TAG = "mc_production_MC16_a", "data_reprocessing_proc16"
# Run-dependent simulation: tags of its own above those of the data whose runs and beam background it has.
RUN_DEPENDENT_CAMPAIGN, RUN_DEPENDENT_TAG = "MC16rd_a", "mc_production_MC16rd_a"
# The prompt tag of off-resonance data, which are calibrated apart, as a bucket of their own.
OFF_RESONANCE_TAG, OFF_RESONANCE_BUCKET = "data_reprocessing_proc16_offres", "proc16_offres"
CAMPAIGN, DATA_CAMPAIGN = "MC16ri_a", "proc16"
BEAM_ENERGY_GEV = {BeamEnergy.ON_RESONANCE: 10.58, BeamEnergy.OFF_RESONANCE: 10.52}
MC_EXPERIMENT = 1003
DATE = "2026-01-01 00:00:00"  # of the toy, not of the run: the same seed gives the same bytes


@cache
def fei_training() -> str:
    """Return the name of the table of the tags' signal probability: another table, another name."""
    return f"toy_logistic_{sha256_file(TABLE)[:8]}"


@dataclass(frozen=True)
class Origin:
    """Where a file of the toy comes from.

    Attributes
    ----------
    type
        What it holds.
    production, chunk
        Numbers of the production and of the file in it.
    seed
        Of PYTHIA, as text.
    mc_events
        Equivalent generated events; 0 for pseudo-data.
    luminosity
        fb⁻¹: of the pseudo-data's share, or equivalent to the generated events.
    runs
        (experiment, run), sorted.
    bucket
        Closing record of the campaign that calibrated the bucket of the runs, if there is one.
    beam_energy
        On or off resonance.
    """

    type: SampleType
    production: int
    chunk: int
    seed: str
    mc_events: int
    luminosity: float
    runs: tuple[tuple[int, int], ...]
    bucket: Bucket | None = None
    beam_energy: BeamEnergy = BeamEnergy.ON_RESONANCE

    @property
    def run_dependent(self) -> bool:
        """Whether it is simulation of runs of data taking."""
        return not self.type.is_data and self.runs[0][0] != MC_EXPERIMENT


def _processing(origin: Origin) -> tuple[str, str, dict[str, GlobalTagState]]:
    """Return release, campaign and global tags with their states, highest priority first."""
    campaign = RUN_DEPENDENT_CAMPAIGN if origin.run_dependent else CAMPAIGN
    if origin.bucket is not None:
        used = origin.bucket.global_tags_mcrd if origin.run_dependent else origin.bucket.global_tags
        states = {tag.name: tag.state for tag in used}
        named = campaign if origin.run_dependent else "prompt"
        return origin.bucket.release, named, {ANALYSIS_TAG: GlobalTagState.PUBLISHED, **states}
    data_tag = DATA_TAG if origin.beam_energy is BeamEnergy.ON_RESONANCE else OFF_RESONANCE_TAG
    tags: tuple[str, ...] = (ANALYSIS_TAG, MC_TAG)
    if origin.type.is_data:
        campaign, tags = DATA_CAMPAIGN, (ANALYSIS_TAG, data_tag)
    elif origin.run_dependent:
        tags = ANALYSIS_TAG, RUN_DEPENDENT_TAG, data_tag
    return RELEASE, campaign, dict.fromkeys(tags, GlobalTagState.PUBLISHED)


def _bucket(origin: Origin) -> str | None:
    """Return the bucket of the runs; run-independent simulation has none."""
    if origin.bucket:
        return origin.bucket.bucket
    if not (origin.type.is_data or origin.run_dependent):
        return None
    return DATA_CAMPAIGN if origin.beam_energy is BeamEnergy.ON_RESONANCE else OFF_RESONANCE_BUCKET


def file_metadata(origin: Origin, n_rows: int, events: tuple[int, int]) -> FileMetadata:
    """Return the metadata of a file.

    Parameters
    ----------
    origin
        Where it comes from.
    n_rows
        Rows in the ntuple.
    events
        Lowest and highest event number.
    """
    data = origin.type.is_data
    experiment, run = origin.runs[0]
    last_experiment, last_run = origin.runs[-1]
    release, campaign, tags = _processing(origin)
    energy = origin.beam_energy
    name = "hadron" if data else origin.type.value
    folder = "Data" if data else "MC"
    lfn = (
        f"/belle/{folder}/{release}/DB00002900/{campaign}/prod{origin.production:08d}/s00/e{experiment:04d}/{energy}/"
        f"r{run:05d}/{name}/udst/sub00/{name}_{origin.chunk:06d}.root"
    )
    return FileMetadata(
        lfn=lfn, n_events=n_rows, n_full_events=n_rows, experiment_low=experiment, run_low=run, event_low=events[0],
        experiment_high=last_experiment, run_high=last_run, event_high=events[1], parents=(), date=DATE, site="toy",
        user="toy", random_seed=origin.seed, release=release, is_mc=not data, mc_events=origin.mc_events,
        global_tag=",".join(tags), data_description={"dataLevel": "udst"},
        steering="# toy: python -m analysis simulate",
        dataset=DatasetMetadata(
            campaign=campaign, run_dependence=None if data else "rd" if origin.run_dependent else "ri",
            background=None if data else "BGx1",
            event_type=None if data else origin.type.value, beam_energy=energy.value,
            beam_energy_gev=BEAM_ENERGY_GEV[energy],
            productions=(origin.production,), luminosity=origin.luminosity, bucket=_bucket(origin),
            calibration=origin.bucket.digest if origin.bucket else None,
            fei_training=fei_training(),
            global_tag_states=tags,
            decay_file=None if data else f"pythia8:{origin.type.value}",
            runs=tuple(IoV(e, r, e, r) for e, r in origin.runs),
            # all runs of the toy are as long
            run_luminosity=tuple((e, r, origin.luminosity / len(origin.runs)) for e, r in origin.runs),
        ),
    )  # fmt: skip
