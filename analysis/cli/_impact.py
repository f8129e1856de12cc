"""``conditions impact``: the change of μ when a sample, or one bucket of it, is replaced."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from analysis import config, io, provenance
from analysis.conditions import impact, staleness
from analysis.conditions.dryrun import planned
from analysis.conditions.ledger import read_ledger
from analysis.conditions.recording import matches
from analysis.conditions.sidecar import read_sidecar, sidecar_of
from analysis.errors import ConditionsError
from analysis.log import logger


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the action's arguments."""
    parser.add_argument("--config", metavar="YAML", required=True, help="configuration of the original, which has run")
    parser.add_argument(
        "--replace",
        metavar="SAMPLE=FILES",
        action="append",
        required=True,
        help="ntuples (paths or patterns, joined by commas; sidecars beside them) that replace the sample's",
    )
    parser.add_argument("--bucket", metavar="NAME", help="replace this bucket of the sample only")
    parser.add_argument("--name", required=True, help="name of the variation: its results go to results/NAME")
    parser.add_argument("--cores", metavar="N", type=int, default=1, help="cores for the workflow (default 1)")
    parser.add_argument("--output", metavar="JSON", help="default: results/NAME/conditions/impact.json")


def run(args: argparse.Namespace) -> int:
    """Replace a sample or one of its buckets, remake what depends on it elsewhere, and tell the change of μ."""
    configuration = config.load(args.config)
    original, variation = Path("results") / configuration.name, Path("results") / args.name
    before = io.read_json(original / "fit/result.json")
    ledger = read_ledger(original / "conditions/ledger.json")
    told = dict(_told(args.replace))
    files = {sample: _files(configuration, original, sample, told[sample], args.bucket) for sample in told}
    varied = impact.vary(configuration, args.name, files)
    _refuse_outdated(args.config, original / "fit/result.json")
    made = staleness.outputs(original, provenance.read_provenance, ledger.sample_digests)
    stale = staleness.stale(made, files)
    impact.link_results(original, variation, stale)
    path = variation / "variation.json"
    io.write_json(path, varied.model_dump(mode="json"))
    # What `rule configuration` would write; only the result is asked of the workflow.
    io.write_json(variation / "config.json", varied.model_dump(mode="json"))
    target = variation / "fit/result.json"
    plan = planned(str(path), targets=[str(target)])
    more = sorted(plan - {str(variation / Path(name).relative_to(original)) for name in stale})
    if more:
        logger.warning("%d files are remade that do not depend on the replaced, %s first", len(more), more[0])
    _workflow(path, target, args.cores)
    remade = len(plan), len(made)
    result = impact.measure(before, io.read_json(target), told, remade)
    io.write_json(args.output or variation / "conditions/impact.json", asdict(result))
    logger.info(
        "μ = %.4g ± %.4g became %.4g ± %.4g: Δμ = %+.4g; %d of %d outputs were made again",
        *result.before,
        *result.after,
        result.shift,
        *result.remade,
    )
    return 0


def _told(replace: Sequence[str]) -> list[tuple[str, str]]:
    return [(sample, patterns) for sample, _, patterns in (item.partition("=") for item in replace)]


def _files(
    configuration: config.Config, original: Path, sample: str, patterns: str, bucket: str | None
) -> tuple[str, ...]:
    """Return the files that a sample consists of in the variation."""
    new = [str(path) for pattern in patterns.split(",") for path in matches(pattern)]
    _refuse_missing(sample, patterns, new)
    kept = _kept(configuration, original, sample, bucket) if bucket else []
    return (*kept, *new)


def _refuse_missing(sample: str, patterns: str, files: Sequence[str]) -> None:
    missing = [file for file in files if not Path(file).is_file()]
    if not files or missing:
        raise ConditionsError(
            "The files that are to replace the sample's cannot be found.",
            where=f"--replace {sample}=…",
            found=", ".join(missing) or f"nothing matches {patterns}",
            expected="SAMPLE=FILES with existing ntuples",
            remedy="correct the paths",
        )


def _refuse_outdated(configuration: str, result: Path) -> None:
    """Stop if the original would come out differently today: the change of μ would mix other changes in."""
    outdated = sorted(planned(configuration, targets=[str(result)]))
    if outdated:
        raise ConditionsError(
            "The original results are not up to date.",
            file=result,
            found=f"{len(outdated)} files that Snakemake would make, {outdated[0]} first",
            expected="nothing to be done for the original",
            remedy=f"run `snakemake --cores N --configfile {configuration}` first",
        )


def _kept(configuration: config.Config, original: Path, name: str, bucket: str) -> list[str]:
    """Return the files of a sample outside of a bucket."""
    sample = configuration.sample(name)
    patterns = sample.files or (f"{original}/ntuples/{name}/*.root",)
    files = [path for pattern in patterns for path in matches(pattern)]
    buckets = {path: getattr(read_sidecar(sidecar_of(path)).dataset, "bucket", None) for path in files}
    if bucket not in buckets.values():
        raise ConditionsError(
            "The sample has no file of the bucket.",
            where=name,
            found=", ".join(sorted({str(value) for value in buckets.values()})),
            expected=bucket,
            remedy="`conditions show` lists the buckets",
        )
    return [str(path) for path, value in buckets.items() if value != bucket]


def _workflow(configuration: Path, target: Path, cores: int) -> None:
    # The target comes first: --configfile takes all that follows.
    options = ["--cores", str(cores), "--configfile", str(configuration)]
    command = [sys.executable, "-m", "snakemake", str(target), *options]
    logger.info("%s", " ".join(command[1:]))
    if subprocess.run(command, check=False).returncode != 0:
        raise ConditionsError(
            "The workflow of the variation did not finish.",
            where=" ".join(command[1:]),
            remedy="read its messages above; the original results are untouched, and the command resumes",
        )
