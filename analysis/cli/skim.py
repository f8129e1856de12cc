"""Read ntuples, keep the rows that pass the loose cut and the columns that later stages need."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from analysis import config, provenance
from analysis.conditions.records import SampleConditions, read_record
from analysis.errors import ConfigurationError, InputError, nearest
from analysis.io import TableWriter
from analysis.log import logger
from analysis.ntuples.reader import Chunk
from analysis.skim import Summary, skim, wanted

HELP = "ntuples of one sample -> one table of the rows and columns that later stages need"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", metavar="YAML", required=True, help="configuration file")
    parser.add_argument("--sample", required=True, help="name of the sample in the configuration")
    parser.add_argument("--record", metavar="JSON", help="conditions record of the sample")
    parser.add_argument("--output", metavar="PARQUET", required=True, help="table to write")
    parser.add_argument("files", metavar="FILE", nargs="+", help="ntuples: paths or URLs")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    configuration = config.load(args.config)
    sample = _sample(configuration, args.sample)
    record = _record(args.record, sample.name) if args.record else None
    want = wanted(configuration, sample)
    with TableWriter(args.output) as writer:
        with _progress(args.files) as on_chunk:
            summary = skim(args.files, sample, want, writer.append, step=configuration.skim.step, on_chunk=on_chunk)
        settings = config.settings(configuration, "skim") | {"sample": sample.model_dump(mode="json")}
        writer.metadata = {
            "stage": "skim",
            "sample": sample.name,
            "type": sample.type.value,
            "tree": sample.tree,
            "cut": configuration.skim.cut,
            **dataclasses.asdict(summary),
            "generated_events": sample.generated_events or (record.mc_events if record else None) or None,
            "luminosity": sample.luminosity or (record.luminosity if record else None),
            "provenance": provenance.collect(
                "skim",
                settings,
                inputs=[file for file in args.files if "://" not in file],
                conditions={sample.name: record.digest} if record else None,
            ),
        }
    _report(sample.name, summary)
    return 0


def _sample(configuration: config.Config, name: str) -> config.Sample:
    try:
        return configuration.sample(name)
    except KeyError:
        names = [sample.name for sample in configuration.samples]
        raise ConfigurationError(
            f"The configuration has no sample '{name}'.",
            found=f"samples: {', '.join(names)}",
            remedy=f"nearest: {nearest(name, names)}",
        ) from None


def _record(path: str, sample: str) -> SampleConditions:
    record = read_record(path)
    if record.sample != sample:
        raise InputError(
            "The conditions record is of another sample.",
            file=path,
            found=record.sample,
            expected=sample,
            remedy="give the record of this sample",
        )
    return record


@contextlib.contextmanager
def _progress(files: Sequence[str]) -> Iterator[Callable[[Chunk], None] | None]:
    """Show progress on standard error, if that is a terminal: by bytes, as files differ in size."""
    if not sys.stderr.isatty():
        yield None
        return
    sizes = {file: Path(file).stat().st_size if Path(file).is_file() else 1 for file in files}
    rows = 0
    with Progress(
        TextColumn("skim"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%  {task.fields[rows]:,} rows"),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task("skim", total=sum(sizes.values()), rows=0)

        def on_chunk(chunk: Chunk) -> None:
            nonlocal rows
            rows += chunk.stop - chunk.start
            fraction = (chunk.stop - chunk.start) / chunk.entries if chunk.entries else 1
            progress.update(task, advance=sizes[chunk.file] * fraction, rows=rows)

        yield on_chunk


def _report(sample: str, summary: Summary) -> None:
    fraction = summary.rows_out / summary.rows_in if summary.rows_in else 0.0
    logger.info(
        "%s: %d files, %d rows in, %d rows out (%.2f%%), sum of weights %.10g before the cut",
        sample,
        len(summary.files),
        summary.rows_in,
        summary.rows_out,
        100 * fraction,
        summary.sum_of_weights,
    )
    defaults = [name for name, branch in summary.columns.items() if branch is None]
    if defaults:
        logger.info("%s: not in the ntuples, default taken: %s", sample, ", ".join(defaults))
    if summary.all_nan:
        logger.warning("%s: nothing but NaN in %s", sample, ", ".join(summary.all_nan))
