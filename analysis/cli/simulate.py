"""Simulate one file of a toy sample: ntuple, metadata beside it and, for pseudo-data, what was planted."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import config
from analysis.basf2 import BeamEnergy
from analysis.conditions.buckets import read_buckets
from analysis.conditions.metadata import SIDECAR_SUFFIX
from analysis.errors import ConfigurationError
from analysis.io import atomic, write_json
from analysis.log import logger

if TYPE_CHECKING:
    from analysis.simulation.chunk import Request

HELP = "configuration -> one toy ntuple with its metadata"
TRUTH_SUFFIX = ".truth.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", metavar="YAML", required=True, help="configuration file")
    parser.add_argument("--sample", required=True, help="name of a sample with `simulated: true`")
    parser.add_argument("--chunk", metavar="I", type=int, required=True, help="number of the file, from 0")
    parser.add_argument("--output", metavar="ROOT", required=True, help="ntuple to write")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from analysis.simulation import chunk, decay_hashes, ntuple, sidecar

    configuration = config.load(args.config)
    request = _request(configuration, args.sample, args.chunk)
    result = chunk.simulate(request, configuration)
    n = len(result.columns["__event__"])
    numbers = result.columns["__event__"]
    events = (int(numbers.min()), int(numbers.max())) if n else (0, 0)
    ntuple.write_ntuple(
        args.output,
        result.columns,
        identity=f"{configuration.seed}/{request.sample}/{request.chunk}",
        tree=configuration.sample(request.sample).tree,
        beside={decay_hashes.TREE: result.decays.branches} if result.decays else None,
    )
    with atomic(args.output + SIDECAR_SUFFIX) as temporary:
        temporary.write_text(sidecar.file_metadata(result.origin, n, events).to_json(), encoding="utf-8")
    if result.truth is not None:
        write_json(args.output + TRUTH_SUFFIX, dataclasses.asdict(result.truth))
    logger.info("%s: %d rows, %d generated events", Path(args.output).name, n, result.origin.mc_events)
    return 0


def _request(configuration: config.Config, name: str, number: int) -> Request:
    """Check that the configuration wants this file of this sample."""
    from analysis.simulation.buckets import share
    from analysis.simulation.chunk import Request

    sample = configuration.sample(name)
    if not sample.simulated or configuration.simulation is None:
        raise ConfigurationError(
            f"The sample '{name}' is not simulated here.",
            where=f"samples.{name}",
            expected="simulated: true",
            remedy="its files are given under `files:`; there is nothing to simulate",
        )
    if not 0 <= number < configuration.simulation.files:
        raise ConfigurationError(
            f"The sample '{name}' has no file {number}.",
            where="simulation.files",
            found=number,
            expected=f"0 to {configuration.simulation.files - 1}",
            remedy="raise `simulation: files:` or ask for another chunk",
        )
    request = Request(name, configuration.samples.index(sample), sample.type, number, sample.beam_energy)
    # Calibrated buckets are of on-resonance runs.
    calibrated = sample.beam_energy is BeamEnergy.ON_RESONANCE and configuration.conditions.buckets
    if not (calibrated and (sample.type.is_data or configuration.simulation.run_dependent)):
        return request
    closed = list(read_buckets(configuration.conditions.buckets).values())
    bucket, runs = share(closed, number, configuration.simulation.files)
    if not (sample.type.is_data or bucket.global_tags_mcrd):
        raise ConfigurationError(
            f"The record of {bucket.bucket} names no global tags for run-dependent simulation.",
            where="conditions.buckets",
            expected="a record with `global_tags_mcrd`",
            remedy="give `mcrd:` in the campaign's primary configuration, or set `simulation: run_dependent: false`",
        )
    return dataclasses.replace(request, bucket=bucket, runs=runs)
