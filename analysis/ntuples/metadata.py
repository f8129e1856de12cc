"""Reading the metadata of a plain TTree without building an object for everything in it.

uproot reads any tree ever written; for the 129 branches of a usual ntuple that takes longer than inflating a third of
the file. Here only what the index needs is read, and only in the layout that ROOT has written since 2018 (TTree 20,
TBranch 13): every byte count must come out exactly, and whatever is unusual returns None, so that uproot reads it.

Layouts: ROOT, io/doc/TFile, and the streamer information of TTree, TBranch and TLeaf in any ROOT file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.ntuples.codec import Codecs
from analysis.ntuples.index import BIG_KEY, Baskets, TreeIndex, keys_list
from analysis.ntuples.storage import Storage

_BYTE_COUNT = 0x40000000
_NEW_CLASS = 0xFFFFFFFF
_CLASS_MASK = 0x80000000
_IS_REFERENCED = 1 << 4
_MAP_OFFSET = 2

# Leaf class -> dtype if signed, if unsigned; (ROOT, tree/tree/inc/TLeaf*.h)
_LEAVES = {
    "TLeafO": ("?", "?"),
    "TLeafB": ("i1", "u1"),
    "TLeafS": (">i2", ">u2"),
    "TLeafI": (">i4", ">u4"),
    "TLeafL": (">i8", ">u8"),
    "TLeafG": (">i8", ">u8"),
    "TLeafF": (">f4", ">f4"),
    "TLeafD": (">f8", ">f8"),
}

_DTYPES = frozenset(dtype for pair in _LEAVES.values() for dtype in pair)


class _Unusual(Exception):
    """Something that only uproot understands."""


@dataclass(frozen=True)
class Located:
    """The index of a tree, and where its metadata lie in the file."""

    index: TreeIndex
    seek: int
    size: int


class _Cursor:
    """A position in a buffer.

    Parameters
    ----------
    data
        The buffer.
    origin
        Bytes before it that references count: the key's length.
    """

    def __init__(self, data: memoryview, origin: int = 0) -> None:
        self.data = data
        self.position = 0
        self.origin = origin
        self.classes: dict[int, str] = {}

    def take(self, form: struct.Struct) -> tuple[Any, ...]:
        values = form.unpack_from(self.data, self.position)
        self.position += form.size
        return values

    def string(self) -> bytes:
        length, start = self.data[self.position], self.position + 1
        if length == 255:
            (length,), start = _I4.unpack_from(self.data, start), start + 4
        self.position = start + length
        if length < 0 or self.position > len(self.data):
            raise _Unusual("a string is cut off")
        return bytes(self.data[start : self.position])

    def open(self, version: int | None = None) -> int:
        """Read the byte count and version of an object; return its end."""
        count, found = self.take(_COUNT_VERSION)
        if not count & _BYTE_COUNT or (version is not None and found != version):
            raise _Unusual("an object of another version")
        return int(self.position - 2 + (count & ~_BYTE_COUNT))

    def close(self, end: int) -> None:
        """Check that an object ended where its byte count says."""
        if self.position != end:
            raise _Unusual("an object is longer or shorter than its byte count")

    def skip(self) -> None:
        """Skip an object."""
        self.position = self.open()

    def named(self) -> tuple[bytes, bytes]:
        """Read a TNamed; return name and title."""
        start = self.position
        count, version, *top = self.take(_NAMED)
        if not count & _BYTE_COUNT or version != 1:
            raise _Unusual("an object of another version")
        _plain_object(*top)
        name, title = self.string(), self.string()
        self.close(start + 4 + (count & ~_BYTE_COUNT))
        return name, title

    def object_class(self) -> tuple[str, int] | None:
        """Read the class of the object that follows and return it with its end; None for a null pointer."""
        start = self.position
        count, tag = self.take(_CLASS)
        if count == 0:
            self.position = start + 4
            return None
        if not count & _BYTE_COUNT or count == _NEW_CLASS:
            raise _Unusual("an object without byte count")
        end = start + 4 + (count & ~_BYTE_COUNT)
        here = start + 4 + self.origin + _MAP_OFFSET
        if tag == _NEW_CLASS:
            name = bytes(self.data[self.position : self.position + 80])
            name = name[: name.index(b"\0")]
            self.classes[here] = name.decode()
            self.position += len(name) + 1
            return self.classes[here], end
        if not tag & _CLASS_MASK:
            raise _Unusual("a reference")
        return self.classes[tag & ~_CLASS_MASK], end

    def object_array(self) -> int:
        """Read the beginning of a TObjArray without a name; return the number of its objects."""
        count, version, *top, letters, objects, _ = self.take(_ARRAY)
        if not count & _BYTE_COUNT or version != 3 or letters:
            raise _Unusual("an object of another version, or a list with a name")
        _plain_object(*top)
        return int(objects)


def _text(string: bytes) -> str:
    return string.decode(errors="surrogateescape")


def _plain_object(version: int, _: int, bits: int) -> None:
    """Check the version, number and bits of a TObject."""
    if version != 1 or bits & _IS_REFERENCED:
        raise _Unusual("a referenced object")


# Fields that follow each other are unpacked at once, a fifth of a microsecond each: 129 branches have thousands.
_I4, _COUNT_VERSION = struct.Struct(">i"), struct.Struct(">IH")
_NAMED = struct.Struct(">IHHII")  # byte count and version, then those, number and bits of a TObject
_ARRAY = struct.Struct(">IHHIIBii")  # the same, length of the name, size, lower bound
_CLASS = struct.Struct(">II")  # byte count, tag
_KEY = struct.Struct(">ihiIhh")  # fNbytes, fVersion, fObjlen, fDatime, fKeylen, fCycle
_SEEKS = struct.Struct(">ii"), struct.Struct(">qq")
_TREE = struct.Struct(">qqqqqdiiiiIqqqqqq")
_BRANCH_1, _BRANCH_2 = struct.Struct(">iiiiq"), struct.Struct(">iIiqqqq")
_LEAF_BEGIN, _LEAF = struct.Struct(">IHIH"), struct.Struct(">iii??I")


def read_index(storage: Storage, tree: str, codecs: Codecs) -> Located | None:
    """Return the index of a TTree at the top of a file, or None if only uproot can make it.

    Parameters
    ----------
    storage
        The file's bytes.
    tree
        Name of the tree.
    codecs
        To inflate the metadata.
    """
    try:
        seek, size = _find(storage, tree)
        return Located(_tree(_payload(storage, seek, size, tree, codecs)), seek, size)
    except Exception:  # damaged or unusual: either way uproot says what it is
        return None


def _find(storage: Storage, tree: str) -> tuple[int, int]:
    """Return position and size of the newest object of that name in the top directory."""
    seek_keys, size = keys_list(storage)
    cursor = _Cursor(storage.at(seek_keys, size))
    cursor.position = cursor.take(_KEY)[4]
    (count,) = cursor.take(_I4)
    found: list[tuple[int, int, int, str]] = []
    for _ in range(count):
        start = cursor.position
        size, version, _, _, key_bytes, cycle = cursor.take(_KEY)
        seek, _ = cursor.take(_SEEKS[version > BIG_KEY])
        kind, name, _ = (_text(cursor.string()) for _ in range(3))
        if cursor.position != start + key_bytes:
            raise _Unusual("a key of another length")
        if name == tree:
            found.append((cycle, seek, size, kind))
    _, seek, size, _ = max(found)
    if {entry[3] for entry in found} != {"TTree"}:
        raise _Unusual("no TTree")
    return seek, size


def _payload(storage: Storage, seek: int, size: int, tree: str, codecs: Codecs) -> _Cursor:
    """Return the inflated content of the key at ``seek``."""
    cursor = _Cursor(storage.at(seek, size))
    key_size, version, content, _, key_bytes, _ = cursor.take(_KEY)
    cursor.take(_SEEKS[version > BIG_KEY])
    if (_text(cursor.string()), _text(cursor.string())) != ("TTree", tree) or not key_size == size == len(cursor.data):
        raise _Unusual("another key")
    packed = storage.at(seek, size)[key_bytes:]
    data = packed if len(packed) == content else memoryview(codecs.several(packed, content))
    if len(data) != content:
        raise _Unusual("content of another size")
    return _Cursor(data, origin=key_bytes)


def _tree(cursor: _Cursor) -> TreeIndex:
    cursor.open(20)
    cursor.named()
    for _ in range(3):  # TAttLine, TAttFill, TAttMarker
        cursor.skip()
    fields = cursor.take(_TREE)
    entries, clusters = fields[0], fields[10]
    for _ in range(2):  # fClusterRangeEnd, fClusterSize
        cursor.position += 1 + 8 * clusters
    cursor.skip()  # fIOFeatures
    names: list[str] = []
    tables: list[_Table | str] = []
    for _ in range(cursor.object_array()):
        kind_end = cursor.object_class()
        if kind_end is None or kind_end[0] != "TBranch":
            raise _Unusual("a branch of another class")
        name, table = _branch(cursor)
        cursor.close(kind_end[1])
        names.append(name)
        tables.append(table)
    branches = _baskets(cursor.data, tables, entries)
    return TreeIndex(entries, tuple(names), branches)


class _Table(NamedTuple):
    """Where the table of a branch's baskets lies, the number of its lines, and how many of them may be in use."""

    dtype: str
    position: int
    lines: int
    used: int


def _branch(cursor: _Cursor) -> tuple[str, _Table | str]:
    end = cursor.open(13)
    name = _text(cursor.named()[0])
    cursor.skip()  # TAttFill
    write_basket = cursor.take(_BRANCH_1)[3]
    cursor.skip()  # fIOFeatures
    _, lines, _, _, first, _, _ = cursor.take(_BRANCH_2)
    if cursor.object_array() or first != 0:
        raise _Unusual("a branch with branches")
    leaves = [_leaf(cursor) for _ in range(cursor.object_array())]
    cursor.skip()  # fBaskets
    position = cursor.position
    if lines < 1 or write_basket < 0:
        raise _Unusual("an unusual basket table")
    cursor.position += _table_bytes(lines)
    file_name = cursor.string()
    cursor.close(end)
    if len(leaves) != 1 or leaves[0] not in _DTYPES:
        return name, " and ".join(leaves) if leaves else "no leaf"
    if file_name:
        return name, "baskets in another file"
    return name, _Table(leaves[0], position, lines, min(write_basket, lines))


def _table_bytes(lines: int) -> int:
    """Return the bytes of fBasketBytes, fBasketEntry and fBasketSeek, each behind a byte that tells it is there."""
    return 3 + (4 + 8 + 8) * lines


def _baskets(data: memoryview | bytes, tables: Sequence[_Table | str], entries: int) -> tuple[Baskets | str, ...]:
    """Return the baskets of all branches; the tables of those with as many lines are read at once."""
    branches: list[Any] = list(tables)
    groups: dict[int, list[int]] = {}
    for number, table in enumerate(tables):
        if isinstance(table, _Table):
            groups.setdefault(table.lines, []).append(number)
    for lines, numbers in groups.items():
        group = [tables[number] for number in numbers]
        for number, baskets in zip(numbers, _read_tables(data, group, lines, entries), strict=True):
            branches[number] = baskets
    return tuple(branches)


def _read_tables(data: memoryview | bytes, tables: Sequence[Any], lines: int, entries: int) -> Iterator[Baskets]:
    width = _table_bytes(lines)
    raw = np.array([np.frombuffer(data, np.uint8, width, table.position) for table in tables])
    used = np.array([table.used for table in tables])
    top = int(used.max()) + 1  # ROOT makes the tables longer than it fills them
    if top > lines:
        raise _Unusual("an unusual basket table")
    middle, last = 1 + 4 * lines, 2 + 12 * lines
    if not (raw[:, [0, middle, last]] == 1).all():
        raise _Unusual("an array is missing")

    def numbers(start: int, dtype: str) -> NDArray[np.int64]:
        part = raw[:, start : start + top * int(dtype[-1])]
        return np.ascontiguousarray(part).view(dtype).astype(np.int64)

    sizes, edges, seeks = numbers(1, ">i4"), numbers(middle + 1, ">i8"), numbers(last + 1, ">i8")
    # the first line without a place in the file ends the table, as for uproot
    line = np.arange(top)
    empty = (seeks == 0) & (line < used[:, None])
    used = np.where(empty.any(axis=1), empty.argmax(axis=1), used)
    inside = line < used[:, None]
    good = (sizes > 0)[:, :-1] & (edges[:, 1:] >= edges[:, :-1]) | ~inside[:, :-1]
    ends = edges[np.arange(len(tables)), used]
    if not (good.all() and (edges[:, 0] == 0).all() and (ends == entries).all()):
        raise _Unusual("an unusual basket table, a branch with fewer entries, or embedded baskets")
    # one array for all where the baskets begin at the same entries: what is computed from it is the same, too
    shared = edges[0, : used[0] + 1] if (used == used[0]).all() and (edges == edges[0]).all() else None
    dtypes = {table.dtype: np.dtype(table.dtype) for table in tables}
    for number, (table, count) in enumerate(zip(tables, used.tolist(), strict=True)):
        starts = edges[number, : count + 1] if shared is None else shared
        yield Baskets(dtypes[table.dtype], seeks[number, :count], sizes[number, :count], starts)


def _leaf(cursor: _Cursor) -> str:
    """Return the dtype of a leaf with one number per entry, or what else it is."""
    kind_end = cursor.object_class()
    if kind_end is None:
        raise _Unusual("no leaf")
    kind, end = kind_end
    if kind not in _LEAVES:
        cursor.position = end
        return "strings" if kind == "TLeafC" else f"leaves of type {kind}"
    start = cursor.position
    count, version, base_count, base_version = cursor.take(_LEAF_BEGIN)
    if not count & base_count & _BYTE_COUNT or (version, base_version) != (1, 2):
        raise _Unusual("a leaf of another version")
    end_of_base = start + 10 + (base_count & ~_BYTE_COUNT)
    _, title = cursor.named()
    length, width, _, _, unsigned, counter = cursor.take(_LEAF)
    cursor.position = end
    if length != 1 or counter != 0 or b"[" in title:
        return "several numbers per entry"
    dtype = _LEAVES[kind][unsigned]
    # behind the base: smallest and largest value
    if width != np.dtype(dtype).itemsize or end != end_of_base + 2 * width:
        raise _Unusual("a leaf of another size")
    return dtype
