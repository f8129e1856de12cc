"""Where a tree's baskets lie in its file: made from uproot's metadata, kept beside the results.

Opening a tree with uproot costs as much as inflating a good part of it, because the metadata of every branch are read
object by object. The index holds what reading needs. A stored index is used only if the file's header and the bytes of
the tree's metadata are those it was made from: a changed file has another index.
"""

from __future__ import annotations

import hashlib
import json
import logging
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

_MAGIC = b"KNUINDEX1"
# The file's header with its end, its free segments and its UUID lies in these first bytes.
_HEADER = 128


@dataclass(frozen=True, eq=False)
class Baskets:
    """The baskets of one flat branch.

    Attributes
    ----------
    dtype
        On disk: big-endian numbers or booleans, one per entry.
    seeks : (n,) int64
        Positions in the file of the baskets that lie there.
    sizes : (n,) int64
        Their bytes in the file, key included.
    entries : (n + m + 1,) int64
        First entry of every basket and the end of the last, with the m embedded baskets behind.
    embedded
        Data of the baskets that lie inside of the metadata, which ROOT does not compress.
    """

    dtype: np.dtype[Any]
    seeks: NDArray[np.int64]
    sizes: NDArray[np.int64]
    entries: NDArray[np.int64]
    embedded: tuple[bytes, ...] = ()


@dataclass(frozen=True, eq=False)
class TreeIndex:
    """All branches of a tree.

    Attributes
    ----------
    entries
        Number of rows.
    names
        The branches in the file's order, a name that occurs twice listed twice.
    branches
        For each, its baskets, or the reason why it is left to uproot.
    """

    entries: int
    names: tuple[str, ...]
    branches: tuple[Baskets | str, ...]


def baskets_of(branch: Any) -> Baskets | str:
    """Return the baskets of uproot's branch, or the reason why it is left to uproot."""
    interpretation = branch.interpretation
    kind = type(interpretation).__name__
    if kind != "AsDtype":
        return f"read as {kind}"
    dtype, native = interpretation.from_dtype, interpretation.to_dtype
    if dtype.shape or dtype.names or dtype.kind not in "biuf" or dtype.newbyteorder("=") != native.newbyteorder("="):
        return f"of type {dtype}"
    if branch.has_member("fFileName") and branch.member("fFileName"):
        return "baskets in another file"
    count = int(branch._num_normal_baskets)
    embedded = () if branch.num_baskets == count else tuple(branch.embedded_baskets)
    if any(basket.byte_offsets is not None for basket in embedded):
        return "embedded baskets with offsets"
    seeks = np.asarray(branch.member("fBasketSeek")[:count], np.int64)
    sizes = np.asarray(branch.member("fBasketBytes")[:count], np.int64)
    entries = np.asarray(branch.entry_offsets, np.int64)
    data = tuple(bytes(basket.data) for basket in embedded)
    rising = bool((np.diff(entries) >= 0).all())
    if len(entries) != count + len(data) + 1 or entries[0] != 0 or not rising or int(sizes.min(initial=1)) <= 0:
        return "unusual basket table"
    if [len(part) // dtype.itemsize for part in data] != np.diff(entries)[count:].tolist():
        return "unusual embedded baskets"
    return Baskets(dtype, seeks, sizes, entries, data)


def _baskets_or_reason(branch: Any) -> Baskets | str:
    try:
        return "a branch with branches" if len(branch.branches) else baskets_of(branch)
    except Exception as error:  # damaged metadata: uproot will say so if the branch is ever read
        return f"unreadable metadata: {type(error).__name__}"


def build(model: Any) -> TreeIndex:
    """Return the index of uproot's TTree."""
    branches = list(model.branches)
    entries = int(model.num_entries)
    found: list[Baskets | str] = []
    for branch in branches:
        baskets = _baskets_or_reason(branch)
        if isinstance(baskets, Baskets) and baskets.entries[-1] != entries:
            baskets = f"{baskets.entries[-1]} entries where the tree has {entries}"
        found.append(baskets)
    names = [str(branch.name) for branch in branches]
    if any(len(branch.branches) for branch in branches):
        nested = [name for name in model.keys(recursive=True) if "/" in name]
        names += nested
        found += ["a branch of a branch"] * len(nested)
    return TreeIndex(entries, tuple(names), tuple(found))


# --- storing -------------------------------------------------------------------------------------


class IndexStore:
    """A folder of indices. Losing it costs time only."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def _path(self, file: str, tree: str, header: bytes, size: int) -> Path:
        key = json.dumps([str(Path(file).resolve()), tree, size]).encode() + header
        return self.folder / f"{hashlib.sha256(key).hexdigest()[:32]}.index"

    def load(self, file: str, tree: str) -> TreeIndex | None:
        """Return the stored index of a tree if there is one and the file is unchanged."""
        try:
            with Path(file).open("rb") as handle:
                header = handle.read(_HEADER)
                path = self._path(file, tree, header, Path(file).stat().st_size)
                if not path.exists():
                    return None
                about, index = _unpack(path.read_bytes())
                handle.seek(about["seek"])
                if _checksum(header, handle.read(about["bytes"])) != about["checksum"]:
                    return None
                return index
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.debug("the stored index of %s is not used: %s", file, error)
            return None

    def save(self, file: str, tree: str, index: TreeIndex, seek: int, size: int) -> None:
        """Store the index of a tree, whose metadata lie at ``seek`` in the file and have ``size`` bytes."""
        from analysis.io import atomic  # brings pyarrow

        try:
            with Path(file).open("rb") as handle:
                header = handle.read(_HEADER)
                handle.seek(seek)
                about = {"seek": seek, "bytes": size, "checksum": _checksum(header, handle.read(size))}
            path = self._path(file, tree, header, Path(file).stat().st_size)
            with atomic(path) as temporary:
                temporary.write_bytes(_pack(about, index))
        except OSError as error:
            log.debug("the index of %s is not stored: %s", file, error)


def _checksum(header: bytes, metadata: bytes) -> str:
    return hashlib.sha256(header + metadata).hexdigest()


def _pack(about: dict[str, Any], index: TreeIndex) -> bytes:
    rows: list[Any] = []
    body: list[bytes] = []
    for branch in index.branches:
        if isinstance(branch, str):
            rows.append(branch)
            continue
        rows.append([branch.dtype.str, len(branch.seeks), [len(data) for data in branch.embedded]])
        body += [array.astype("<i8").tobytes() for array in (branch.seeks, branch.sizes, branch.entries)]
        body += branch.embedded
    head = json.dumps({**about, "entries": index.entries, "names": index.names, "branches": rows}).encode()
    content = struct.pack("<q", len(head)) + head + b"".join(body)
    return _MAGIC + hashlib.sha256(content).digest() + content


def _unpack(content: bytes) -> tuple[dict[str, Any], TreeIndex]:
    start = len(_MAGIC) + 32
    if content[: len(_MAGIC)] != _MAGIC or hashlib.sha256(content[start:]).digest() != content[start - 32 : start]:
        raise ValueError("damaged, or of another version")
    length = struct.unpack_from("<q", content, start)[0]
    head = json.loads(content[start + 8 : start + 8 + length])
    branches = tuple(_branches(head["branches"], memoryview(content)[start + 8 + length :]))
    return head, TreeIndex(head["entries"], tuple(head["names"]), branches)


def _branches(rows: Sequence[Any], body: memoryview) -> Iterator[Baskets | str]:
    position = 0

    def array(count: int) -> NDArray[np.int64]:
        nonlocal position
        position += 8 * count
        return np.frombuffer(body[position - 8 * count : position], "<i8").astype(np.int64, copy=False)

    for row in rows:
        if isinstance(row, str):
            yield row
            continue
        dtype, count, lengths = row
        seeks, sizes, entries = array(count), array(count), array(count + len(lengths) + 1)
        embedded = []
        for length in lengths:
            embedded.append(bytes(body[position : position + length]))
            position += length
        yield Baskets(np.dtype(dtype), seeks, sizes, entries, tuple(embedded))
