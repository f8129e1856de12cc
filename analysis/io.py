"""Reading and writing of everything but ROOT: JSON and tables, atomically and reproducibly.

A table is a mapping of column name to one-dimensional array; on disk it is a Parquet file (lz4) that opens in a
notebook with ``awkward.from_parquet``. What the file was made from travels inside it, as JSON under the key ``knunu``
of the Parquet metadata.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from analysis.errors import InputError, OutputError, nearest

Array = NDArray[Any]
Columns = Mapping[str, Array]

Kind = TypeVar("Kind", bound=BaseModel)

METADATA_KEY = b"knunu"


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, renamed to it when the block succeeds and removed when it fails.

    Parameters
    ----------
    path
        The file to write. Missing parent folders are made.

    Raises
    ------
    OutputError
        The file cannot be written. What the block raises otherwise goes through.
    """
    target = Path(path)
    if target.is_dir():
        raise OutputError("A file cannot be written.", file=target, found="a folder", remedy="name a file, in it say")
    # The suffix stays last: some writers choose their format by it.
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.partial{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # A place that cannot be written is told now, and with its name: pyarrow's errors have none.
        temporary.touch()
        yield temporary
        temporary.replace(target)
    except OSError as error:
        ours = {str(place) for place in (temporary, target, *target.parents)}
        # A full disk is told without the file's name; anything else may concern a file that the block reads.
        if error.errno not in _FULL and str(error.filename) not in ours:
            raise
        raise OutputError(
            "A file cannot be written.",
            file=target,
            found=error.strerror or error,
            remedy=_REMEDIES.get(error.errno or 0, "check the path, and that you may write there"),
        ) from error
    finally:
        # The error that brought us here counts, not that there is nothing to remove, or no right to.
        with contextlib.suppress(OSError):
            temporary.unlink()


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REMEDIES = {
    errno.ENOSPC: "make room on the disk and run again",
    errno.EFBIG: "the file is larger than the file system or a limit (`ulimit -f`) allows: choose another place",
    errno.EDQUOT: "make room within your quota and run again",
    errno.ENOTDIR: "a part of the path is a file: name another folder",
    errno.EEXIST: "a part of the path is a file: name another folder",
}


def sha256_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def canonical_json(value: object) -> str:
    """Return the one JSON text of a value: keys sorted, no spaces, no NaN; the basis of every digest."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: object) -> str:
    """Return the SHA-256 of the canonical JSON of ``value``, in hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _plain(value: object) -> object:
    """Turn numpy scalars and arrays into JSON's types; NaN and infinities become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: str | Path, value: object) -> None:
    """Write ``value`` as indented JSON, atomically.

    numpy values are converted; NaN and infinities, which JSON does not have, become null.
    """
    with atomic(path) as temporary:
        text = json.dumps(_plain(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    InputError
        The file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("A file is missing.", file=path, remedy="run the stage that makes it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            "A file is not valid JSON.",
            file=path,
            found=error,
            remedy="correct it; if the workflow made it, delete it and run again",
        ) from None
    except OSError as error:
        raise InputError("A file cannot be read.", file=path, found=error.strerror, remedy="check the path") from None


def read_model(path: str | Path, model: type[Kind], command: str) -> Kind:
    """Read a JSON file that a command of this package has written.

    Parameters
    ----------
    path
        The file.
    model
        What it holds.
    command
        What makes such files, for the message.

    Raises
    ------
    InputError
        The file is missing, is not JSON, or is not what the command writes today.
    """
    content = read_json(path)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"A file is not what `{command}` of this version writes.",
            file=path,
            where=".".join(map(str, first["loc"])) or None,
            found=first["msg"],
            remedy=f"give the output of `{command}`, or make it again",
        ) from None


class TableWriter:
    """Write a table chunk by chunk, in bounded memory, with its metadata inside; atomic.

    Use as a context manager; nothing is left behind when the block raises.

    Parameters
    ----------
    path
        The Parquet file to write.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with TableWriter(folder + "/t.parquet") as writer:
    ...         writer.append({"x": np.arange(3)})
    ...         writer.metadata = {"rows_in": 10}
    ...     table = read_table(folder + "/t.parquet")
    >>> int(table.columns["x"].sum()), table.metadata
    (3, {'rows_in': 10})
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.metadata: Mapping[str, object] = {}
        self.rows = 0
        self._stack = contextlib.ExitStack()
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        self._temporary = self._stack.enter_context(atomic(self.path))
        return self

    def append(self, columns: Columns) -> None:
        """Append one chunk: the same columns and dtypes every time, arrays of shape (n,)."""
        batch = pa.table({name: pa.array(array) for name, array in columns.items()})
        if self._writer is None:
            # Dictionaries would make measured numbers larger, and three times slower to write (benchmarks/skim.py).
            text = [field.name for field in batch.schema if not pa.types.is_primitive(field.type)]
            self._writer = pq.ParquetWriter(
                self._temporary, batch.schema, compression="lz4", use_dictionary=text or False
            )
        self._writer.write_table(batch)
        self.rows += batch.num_rows

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Whatever goes wrong here, too, passes through `atomic`, which cleans up.
        with self._stack:
            if error is not None:
                if self._writer is not None:
                    with contextlib.suppress(Exception):
                        self._writer.close()
                raise error.with_traceback(trace)
            if self._writer is None:
                raise RuntimeError("TableWriter.append was never called: append an empty chunk")
            text = json.dumps(_plain(self.metadata), ensure_ascii=False, allow_nan=False)
            self._writer.add_key_value_metadata({METADATA_KEY: text.encode()})
            self._writer.close()


@dataclass(frozen=True)
class Table:
    """A table read back: its columns, its metadata, and the file it came from."""

    columns: dict[str, Array]
    metadata: dict[str, Any]
    path: Path

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0


def write_table(path: str | Path, columns: Columns, metadata: Mapping[str, object]) -> None:
    """Write a whole table at once; see :class:`TableWriter`."""
    with TableWriter(path) as writer:
        writer.append(columns)
        writer.metadata = metadata


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> Table:
    """Read a table, or some of its columns.

    Raises
    ------
    InputError
        The file is missing, damaged, not made by this project, or lacks a column.
    """
    try:
        with pq.ParquetFile(path) as file:
            raw = (file.schema_arrow.metadata or {}).get(METADATA_KEY) or (file.metadata.metadata or {}).get(
                METADATA_KEY
            )
            names = file.schema_arrow.names
            missing = [name for name in columns or () if name not in names]
            if missing:
                raise InputError(
                    "A table lacks columns.",
                    file=path,
                    where=", ".join(missing),
                    found=f"nearest: {nearest(missing[0], names)}",
                    remedy="add them to `skim: columns:` or `aliases:` and rerun",
                )
            table = file.read(columns=None if columns is None else list(columns))
    except FileNotFoundError:
        raise InputError("A file is missing.", file=path, remedy="run the stage that makes it") from None
    except (pa.ArrowException, OSError) as error:
        raise InputError("A table cannot be read.", file=path, found=error, remedy="delete it and rerun") from None
    if raw is None:
        raise InputError(
            "A table carries no metadata of this project.",
            file=path,
            expected=f"the key {METADATA_KEY.decode()!r} in the Parquet metadata",
            remedy="make it with this project's own commands",
        )
    return Table(
        {name: table[name].to_numpy() for name in table.column_names},
        json.loads(raw),
        Path(path),
    )
