"""Putting the rows of many small chunks together, and holding those of one file back until it is known to be good."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]


class Batches:
    """Joins small parts to batches of a sensible size and hands them on.

    Parameters
    ----------
    append
        Takes the batches.
    rows
        Fewest rows of a batch, the last one aside.
    """

    def __init__(self, append: Callable[[Columns], None], rows: int) -> None:
        self._append = append
        self._rows = rows
        self._parts: list[dict[str, NDArray[Any]]] = []
        self._count = 0
        self._handed_on = False

    def add(self, columns: Columns) -> None:
        """Take some rows; the same columns and types every time."""
        self._parts.append(dict(columns))
        self._count += length(columns)
        if self._count >= self._rows:
            self._flush()

    def finish(self) -> None:
        """Hand on what is left: at least one batch in all, if any part was added, though it may be empty."""
        if self._parts and (self._count or not self._handed_on):
            self._flush()

    def _flush(self) -> None:
        parts, self._parts, self._count, self._handed_on = self._parts, [], 0, True
        self._append(join(parts))


class Held:
    """The rows of one file, until it is known to be good: a part in memory, the rest in a temporary file.

    Parameters
    ----------
    rows
        Most rows in memory.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._parts: list[dict[str, NDArray[Any]]] = []
        self._count = 0
        self._stack = contextlib.ExitStack()
        self._file: IO[bytes] | None = None
        self._writer: Any = None

    def add(self, columns: Columns) -> None:
        """Take some rows."""
        self._parts.append(dict(columns))
        self._count += length(columns)
        if self._count >= self._rows:
            self._spill()

    def _spill(self) -> None:
        parts, self._parts, self._count = self._parts, [], 0
        table = pa.table({name: pa.array(array) for name, array in join(parts).items()})
        if self._writer is None:
            self._file = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
            self._writer = pa.ipc.new_stream(self._file, table.schema)
        self._writer.write_table(table)

    def parts(self) -> Iterator[Columns]:
        """Give the rows back, in the order in which they came."""
        if self._writer is not None and self._file is not None:
            self._writer.close()
            self._file.seek(0)
            for batch in pa.ipc.open_stream(self._file):
                yield {name: batch[name].to_numpy(zero_copy_only=False) for name in batch.schema.names}
        yield from self._parts

    def close(self) -> None:
        """Drop everything."""
        self._parts = []
        self._stack.close()


def length(columns: Columns) -> int:
    """Return the number of rows."""
    return len(next(iter(columns.values()))) if columns else 0


def join(parts: Sequence[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Return the rows of all parts, in their order; empties the parts on the way, to hold no column twice."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part.pop(name) for part in parts]) for name in list(parts[0])}
