"""Where a tree's baskets lie in its file: made from uproot's metadata, kept beside the results.

Opening a tree with uproot costs as much as inflating a good part of it, because the metadata of every branch are read
object by object. The index holds what reading needs. A stored index is used only if the file's header, the list of its
objects and the bytes of the tree's metadata are those it was made from: whatever the time or size of a file say, other
metadata have another index, and the data themselves are always read anew.
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
import xxhash
from numpy.typing import NDArray

from analysis.errors import OutputError
from analysis.ntuples.storage import Storage, is_remote

log = logging.getLogger(__name__)

_MAGIC = b"KNUINDEX4"
# The file's header with its end, its free segments and its UUID lies in these first bytes.
_HEADER = 128
BIG_FILE, BIG_KEY = 1_000_000, 1000  # versions of files and keys with positions of eight bytes


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

    def _path(self, storage: Storage, tree: str, identity: bytes) -> Path:
        name = storage.path if is_remote(storage.path) else str(Path(storage.path).resolve())
        key = json.dumps([name, tree, storage.size]).encode() + identity
        return self.folder / f"{hashlib.sha256(key).hexdigest()[:32]}.index"

    def load(self, storage: Storage, tree: str) -> TreeIndex | None:
        """Return the stored index of a tree if there is one and the file is unchanged."""
        try:
            identifying = identity(storage)
            path = self._path(storage, tree, identifying)
            if not path.exists():
                return None
            about, index = _unpack(path.read_bytes())
            if _checksum(identifying, storage.at(about["seek"], about["bytes"])) != about["checksum"]:
                return None
            return index
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.debug("the stored index of %s is not used: %s", storage.path, error)
            return None

    def save(self, storage: Storage, tree: str, index: TreeIndex, seek: int, size: int) -> None:
        """Store the index of a tree, whose metadata lie at ``seek`` in the file and have ``size`` bytes."""
        from analysis.io import atomic  # brings pyarrow

        try:
            identifying = identity(storage)
            about = {"seek": seek, "bytes": size, "checksum": _checksum(identifying, storage.at(seek, size))}
            with atomic(self._path(storage, tree, identifying)) as temporary:
                temporary.write_bytes(_pack(about, index))
        except (OSError, OutputError) as error:
            log.debug("the index of %s is not stored: %s", storage.path, error)


def identity(storage: Storage) -> bytes:
    """Return the bytes that tell one state of a file from another: its header, and the list of its top objects.

    The list tells a newer cycle of the tree that was written into a gap, with header and old cycle as they were.
    """
    header = bytes(storage.at(0, _HEADER))
    try:
        seek, size = keys_list(storage)
    except (struct.error, ValueError):
        return header  # uproot will say what is wrong with the file
    return header + bytes(storage.at(seek, size))


def keys_list(storage: Storage) -> tuple[int, int]:
    """Return where the list of keys of the top directory lies, and its bytes (ROOT, io/io/src/TDirectoryFile.cxx).

    Raises
    ------
    struct.error, ValueError
        The file is not laid out like a ROOT file.
    """
    header = storage.at(0, 64)
    version, begin = struct.unpack_from(">ii", header, 4)
    (name_bytes,) = struct.unpack_from(">i", header, 36 if version >= BIG_FILE else 28)
    record = storage.at(begin + name_bytes, 64)
    (version,) = struct.unpack_from(">h", record)
    # behind version, two dates and two sizes: fSeekDir, fSeekParent, fSeekKeys
    form = ">qqq" if version > BIG_KEY else ">iii"
    seek = struct.unpack_from(form, record, 18)[2]
    (size,) = struct.unpack_from(">i", storage.at(seek, 4))
    return seek, size


def _checksum(identity: bytes, metadata: memoryview) -> str:
    digest = xxhash.xxh3_128(identity)
    digest.update(metadata)
    return str(digest.hexdigest())


def _pack(about: dict[str, Any], index: TreeIndex) -> bytes:
    rows: list[Any] = []
    numbers: list[bytes] = []
    embedded: list[bytes] = []
    before: NDArray[np.int64] | None = None
    for branch in index.branches:
        if isinstance(branch, str):
            rows.append(branch)
            continue
        # most often the baskets of all branches begin at the same entries
        same = branch.entries is before
        rows.append([branch.dtype.str, len(branch.seeks), [len(data) for data in branch.embedded], same])
        arrays = [branch.seeks, branch.sizes] if same else [branch.seeks, branch.sizes, branch.entries]
        numbers += [array.astype("<i8").tobytes() for array in arrays]
        embedded += branch.embedded
        before = branch.entries
    about = {**about, "entries": index.entries, "names": index.names, "branches": rows}
    head = json.dumps({**about, "numbers": sum(map(len, numbers)) // 8}).encode()
    content = struct.pack("<q", len(head)) + head + b"".join(numbers) + b"".join(embedded)
    return _MAGIC + xxhash.xxh3_128(content).digest() + content


def _unpack(content: bytes) -> tuple[dict[str, Any], TreeIndex]:
    view = memoryview(content)
    start = len(_MAGIC) + 16
    if view[: len(_MAGIC)] != _MAGIC or xxhash.xxh3_128(view[start:]).digest() != view[start - 16 : start]:
        raise ValueError("damaged, or of another version")
    length = struct.unpack_from("<q", content, start)[0]
    body = start + 8 + length
    head = json.loads(content[start + 8 : body])
    numbers = np.frombuffer(view[body : body + 8 * head["numbers"]], "<i8").astype(np.int64)
    branches = tuple(_branches(head["branches"], numbers, view[body + numbers.nbytes :]))
    return head, TreeIndex(head["entries"], tuple(head["names"]), branches)


def _branches(rows: Sequence[Any], numbers: NDArray[np.int64], embedded: memoryview) -> Iterator[Baskets | str]:
    position = data_position = 0
    entries = numbers[:0]
    for row in rows:
        if isinstance(row, str):
            yield row
            continue
        dtype, count, lengths, same = row
        first, second = position + count, position + 2 * count
        data = []
        for length in lengths:
            data.append(bytes(embedded[data_position : data_position + length]))
            data_position += length
        seeks, sizes = numbers[position:first], numbers[first:second]
        position = second
        if not same:
            position += count + len(lengths) + 1
            entries = numbers[second:position]
        yield Baskets(np.dtype(dtype), seeks, sizes, entries, tuple(data))
