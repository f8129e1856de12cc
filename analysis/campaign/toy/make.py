"""Everything that a site would give to the example's campaign: runs, files, and a tag to copy payloads from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from analysis import io
from analysis.campaign.documents import write_text
from analysis.campaign.payloads import checksum_of
from analysis.campaign.toy.samples import Planted, muon_pairs, photon_pairs
from analysis.seeds import generator

EXPERIMENT = 40
RUNS = range(1, 9)
# First run → what is wrong from there on.
PLANTED: Mapping[int, Planted] = {
    1: Planted(energy_offset=-0.006, photon_scale=1.013),
    4: Planted(energy_offset=0.004, photon_scale=0.991),
}
LOCAL_TAG = "local_svd_2026a"
SAMPLES = {"mumu": ("mumu_tight_or_highm_calib", muon_pairs), "gamma_gamma": ("gamma_gamma_calib", photon_pairs)}


def planted_in(run: int) -> Planted:
    """Return what is wrong in a run."""
    return PLANTED[max(first for first in PLANTED if first <= run)]


def make(folder: Path, seed: int, events: int, luminosity: float) -> None:
    """Write the inputs of the example.

    Parameters
    ----------
    folder
        Gets ``run_database.csv``, ``files.csv``, ``data/`` and ``tags/``.
    seed
        Of the random numbers.
    events
        Pairs per run and sample.
    luminosity
        Of the bucket, fb⁻¹.
    """
    lines = ["path,experiment,run,format,data_tag"]
    for run in RUNS:
        for name, (tag, simulate) in SAMPLES.items():
            place = folder / "data" / name / f"e{EXPERIMENT:04d}" / "4S" / f"r{run:05d}"
            rng = generator(seed, "campaign", name, run)
            io.write_table(place / "cdst.parquet", simulate(rng, events, planted_in(run)), {"sample": name, "run": run})
            lines.append(f"{place},{EXPERIMENT},{run},cdst,{tag}")
    write_text(folder / "files.csv", "\n".join(lines) + "\n")
    write_text(folder / "run_database.csv", "\n".join(_run_database(luminosity)) + "\n")
    _local_tag(folder / "tags" / LOCAL_TAG)


def _run_database(luminosity: float) -> Iterator[str]:
    """Lines as exports have them: semicolons, comments over several lines, event counts that are missing."""
    yield "experiment;run;run_type;beam_energy;magnet;quality;n_events;luminosity [pb^-1];comment"
    for run in RUNS:
        counted = "" if run % 2 else str(100_000 + run)
        yield (
            f"{EXPERIMENT};{run};physics;4S;On;Good;{counted};{1000 * luminosity / len(RUNS)};"
            '"beams steady;\nbackground as expected"'
        )
    # A run that no calibration may use: the magnet was off.
    yield f'{EXPERIMENT};{RUNS.stop};cosmic;No Beam;Off;"Bad For Alignment";;0;""'


def _local_tag(folder: Path) -> None:
    text = json.dumps({"payload": "SVDCoGTimeShift", "value": -0.4, "unit": "ns"}, indent=1) + "\n"
    draft = folder / "payload.json"
    write_text(draft, text)
    revision = checksum_of(draft)[:8]
    draft.replace(folder / f"dbstore_SVDCoGTimeShift_rev_{revision}.json")
    write_text(folder / "database.txt", f"dbstore/SVDCoGTimeShift {revision} {EXPERIMENT},0,-1,-1\n")
