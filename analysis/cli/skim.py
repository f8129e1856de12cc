"""Read ntuples, keep the rows that pass the loose cut and the columns that later stages need."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from analysis import config, provenance
from analysis.columns import COLUMNS
from analysis.conditions.records import SampleConditions, read_record
from analysis.conditions.sidecar import read_sidecar, sidecar_of
from analysis.errors import InputError
from analysis.io import TableWriter, sha256_file
from analysis.log import logger
from analysis.ntuples.baskets import Counters
from analysis.ntuples.index import IndexStore
from analysis.ntuples.opening import Options, remote_digest
from analysis.ntuples.reader import Chunk
from analysis.ntuples.source import DamagedFileError
from analysis.ntuples.storage import is_remote
from analysis.sample_size import SampleSize, corrected_size
from analysis.skim import Summary, skim, wanted

HELP = "ntuples of one sample -> one table of the rows and columns that later stages need"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", metavar="YAML", required=True, help="configuration file")
    parser.add_argument("--sample", required=True, help="name of the sample in the configuration")
    parser.add_argument("--record", metavar="JSON", help="conditions record of the sample")
    parser.add_argument("--output", metavar="PARQUET", required=True, help="table to write")
    parser.add_argument(
        "--index",
        metavar="FOLDER",
        help="where to remember how the files are laid out, which makes the next skim faster; default: .index beside "
        "the output",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="ntuples: paths or URLs")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    args.files = [file.removeprefix("file://") for file in args.files]
    configuration = config.load(args.config)
    sample = configuration.sample(args.sample)
    record = _record(args.record, sample.name) if args.record else None
    store = IndexStore(args.index or Path(args.output).parent / ".index")
    options = Options(duplicates=configuration.skim.duplicates, store=store)
    counters = Counters()
    digests: dict[str, str] = {}
    clock = time.perf_counter()
    with TableWriter(args.output) as writer:
        with _progress(args.files) as show:

            def on_chunk(chunk: Chunk) -> None:
                if chunk.stop == chunk.entries:  # while the system still holds the file in memory
                    digests[chunk.file] = _digest(chunk.file)
                if show is not None:
                    show(chunk)

            summary = skim(
                args.files,
                sample,
                wanted(configuration, sample),
                writer.append,
                step=configuration.skim.step,
                skip_damaged=configuration.skim.on_bad_file == "skip",
                options=options,
                counters=counters,
                on_chunk=on_chunk,
            )
        seconds = time.perf_counter() - clock
        digests |= {file: _digest(file) for file in args.files if file not in digests}
        _refuse_copies({each.file: digests[each.file] for each in summary.files})
        writer.metadata = {
            "stage": "skim",
            "sample": sample.name,
            "type": sample.type.value,
            "tree": sample.tree,
            "cut": configuration.skim.cut,
            **dataclasses.asdict(summary),
            **dataclasses.asdict(_size(sample, record, summary)),
            "provenance": provenance.collect(
                "skim",
                config.settings(configuration, "skim") | {"sample": sample.model_dump(mode="json")},
                conditions={sample.name: record.digest} if record else None,
                input_digests={file: digests[file] for file in args.files},
            ),
        }
    _report(sample.name, summary, counters, seconds)
    return 0


def _size(sample: config.Sample, record: SampleConditions | None, summary: Summary) -> SampleSize:
    """Return how much the sample stands for: the configuration's word, else the metadata's, less the files left out."""
    total = (record.mc_events or None) if record else None
    size = SampleSize(
        generated_events=sample.generated_events or total,
        luminosity=sample.luminosity or (record.luminosity if record else None),
    )
    lost = {skipped.file: _generated(skipped.file) for skipped in summary.skipped}
    return corrected_size(size, sample.type, total, lost)


def _generated(file: str) -> int | None:
    """Return the generated events behind a file, from its sidecar; None if there is none."""
    sidecar = sidecar_of(file)
    return read_sidecar(sidecar).mc_events if sidecar.is_file() else None


def _digest(file: str) -> str:
    """Return what identifies an input in the provenance; a file that is out of reach was left out, and is listed."""
    if not is_remote(file):
        return sha256_file(file)
    try:
        return f"size, header and objects: {remote_digest(file)}"
    except DamagedFileError:
        return "out of reach"


def _refuse_copies(digests: Mapping[str, str]) -> None:
    """Refuse one file under two names: its rows would count twice, in simulation as in data."""
    names: dict[str, str] = {}
    for file, digest in digests.items():
        other = names.setdefault(digest, file)
        if other != file and not is_remote(file):
            raise InputError(
                "Two input files are the same, byte by byte.",
                file=f"{other} and {file}",
                found=f"SHA-256 {digest[:12]} of both",
                remedy="take one of them away, or narrow the pattern under `files:` of the sample",
            )


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


def _report(sample: str, summary: Summary, counters: Counters, seconds: float) -> None:
    fraction = summary.rows_out / summary.rows_in if summary.rows_in else 0.0
    logger.info(
        "%s: %s, %d rows in, %d rows out (%.2f%%), sum of weights %.10g before the cut",
        sample,
        "1 file" if len(summary.files) == 1 else f"{len(summary.files)} files",
        summary.rows_in,
        summary.rows_out,
        100 * fraction,
        summary.sum_of_weights,
    )
    if counters.unpacked:
        logger.info(
            "%s: %.1f MB read, %.1f MB inflated in %.1f s: %.0f MB/s, %.0f%% of the time in inflating",
            sample,
            counters.packed / 1e6,
            counters.unpacked / 1e6,
            seconds,
            counters.unpacked / 1e6 / seconds,
            100 * counters.inflate / seconds,
        )
    if summary.skipped:
        logger.warning(
            "%s: %s left out: %s",
            sample,
            "1 damaged file" if len(summary.skipped) == 1 else f"{len(summary.skipped)} damaged files",
            ", ".join(f.file for f in summary.skipped),
        )
    defaults = [name for name, branch in summary.columns.items() if branch is None]
    if defaults:
        logger.info("%s: not in the ntuples, default taken: %s", sample, ", ".join(defaults))
    legal = [name for name in summary.all_nan if name in COLUMNS and COLUMNS[name].nan]
    if legal:
        logger.info("%s: nothing but NaN, which has a meaning there, in %s", sample, ", ".join(legal))
    strange = [name for name in summary.all_nan if name not in legal]
    if strange:
        logger.warning("%s: nothing but NaN in %s", sample, ", ".join(strange))
    for name, count in summary.nan_in_cut.items():
        logger.warning("%s: %s is NaN in %d of %d rows: they cannot pass the cut", sample, name, count, summary.rows_in)
