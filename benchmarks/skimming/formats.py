"""Formats for the table that a skim writes: seconds to write, size, seconds to read half of the columns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import uproot

from skimming.samples import KEPT, make_columns

Columns = dict[str, Any]
Write = Callable[[Path, Columns], None]
Read = Callable[[Path, list[str]], int]


def _parquet(codec: str, rows: int) -> tuple[Write, Read]:
    return (
        lambda path, columns: pq.write_table(pa.table(columns), path, compression=codec, row_group_size=rows),
        lambda path, names: len([column.to_numpy() for column in pq.read_table(path, columns=names).columns]),
    )


def _feather(codec: str) -> tuple[Write, Read]:
    return (
        lambda path, columns: feather.write_feather(pa.table(columns), path, compression=codec),
        lambda path, names: len([column.to_numpy() for column in feather.read_table(path, columns=names).columns]),
    )


def _tree(codec: Any) -> tuple[Write, Read]:
    def write(path: Path, columns: Columns) -> None:
        with uproot.recreate(path, compression=codec) as file:
            file.mktree("t", {name: array.dtype for name, array in columns.items()})
            file["t"].extend(columns)

    return write, lambda path, names: len(uproot.open({path: "t"}).arrays(names, library="np"))


def _rntuple(codec: Any) -> tuple[Write, Read]:
    def write(path: Path, columns: Columns) -> None:
        with uproot.recreate(path, compression=codec) as file:
            file.mkrntuple("t", columns)

    return write, lambda path, names: len(uproot.open({path: "t"}).arrays(names, library="np"))


FORMATS: dict[str, tuple[Write, Read]] = {
    "TTree zlib": _tree(uproot.ZLIB(1)),
    "TTree lz4": _tree(uproot.LZ4(1)),
    "RNTuple lz4": _rntuple(uproot.LZ4(1)),
    "RNTuple zstd": _rntuple(uproot.ZSTD(1)),
    "Parquet zstd": _parquet("zstd", 65_536),
    "Parquet lz4, groups of 8k": _parquet("lz4", 8_192),
    "Parquet lz4, groups of 16k": _parquet("lz4", 16_384),
    "Parquet lz4, groups of 32k": _parquet("lz4", 32_768),
    "Parquet lz4, groups of 64k": _parquet("lz4", 65_536),
    "Feather lz4": _feather("lz4"),
    "Feather uncompressed": _feather("uncompressed"),
}


def compare(folder: Path, rounds: int, rows: int = 300_000) -> Iterator[dict[str, Any]]:
    """Write and read the kept columns in every format, in turn."""
    columns = {name: array for name, array in make_columns(rows, 0).items() if name in KEPT}
    names = list(columns)[::2]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in FORMATS}
    for _ in range(rounds):
        for name, (write, read) in FORMATS.items():
            path = folder / "format.bin"
            start = time.process_time()
            write(path, columns)
            middle = time.process_time()
            if read(path, names) != len(names):
                raise SystemExit(f"{name}: columns are missing")
            times[name].append((middle - start, time.process_time() - middle))
            size = path.stat().st_size
            path.unlink()
            if len(times[name]) == rounds:
                write_time, read_time = np.median(times[name], axis=0)
                yield {"format": name, "write": write_time, "MB": size / 1e6, "read": read_time}
