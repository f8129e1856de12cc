"""Reading the metadata of a plain TTree without building an object for everything in it.

uproot reads any tree ever written; for the 129 branches of a usual ntuple that takes longer than inflating a third of
the file. Here only what the index needs is read, and only in the layout that ROOT has written since 2018 (TTree 20,
TBranch 13): every byte count must come out exactly, and whatever is unusual returns None, so that uproot reads it.

Layouts: ROOT, io/doc/TFile, and the streamer information of TTree, TBranch and TLeaf in any ROOT file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

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

    def __init__(self, data: memoryview, position: int = 0, origin: int = 0) -> None:
        self.data = data
        self.position = position
        self.origin = origin
        self.classes: dict[int, str] = {}

    def take(self, form: struct.Struct) -> tuple[Any, ...]:
        values = form.unpack_from(self.data, self.position)
        self.position += form.size
        return values

    def string(self) -> str:
        (length,) = self.take(_U1)
        if length == 255:
            (length,) = self.take(_I4)
        text = bytes(self.data[self.position : self.position + length])
        if len(text) != length:
            raise _Unusual("a string is cut off")
        self.position += length
        return text.decode(errors="surrogateescape")

    def array(self, count: int, dtype: str) -> NDArray[np.int64]:
        """Read an array with ROOT's byte before it that tells whether it is there."""
        (there,) = self.take(_U1)
        if there != 1 or count < 0:
            raise _Unusual("an array is missing")
        values = np.frombuffer(self.data, dtype, count, self.position)
        self.position += values.nbytes
        return values.astype(np.int64)

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

    def root_object(self) -> None:
        """Read a TObject."""
        version, _, bits = self.take(_OBJECT)
        if version != 1 or bits & _IS_REFERENCED:
            raise _Unusual("a referenced object")

    def named(self) -> tuple[str, str]:
        """Read a TNamed; return name and title."""
        end = self.open(1)
        self.root_object()
        name, title = self.string(), self.string()
        self.close(end)
        return name, title

    def object_class(self) -> tuple[str, int] | None:
        """Read the class of the object that follows and return it with its end; None for a null pointer."""
        start = self.position
        (count,) = self.take(_U4)
        if count == 0:
            return None
        if not count & _BYTE_COUNT or count == _NEW_CLASS:
            raise _Unusual("an object without byte count")
        end = start + 4 + (count & ~_BYTE_COUNT)
        here = self.position + self.origin + _MAP_OFFSET
        (tag,) = self.take(_U4)
        if tag == _NEW_CLASS:
            stop = bytes(self.data[self.position : self.position + 80]).index(b"\0") + self.position
            self.classes[here] = bytes(self.data[self.position : stop]).decode()
            self.position = stop + 1
            return self.classes[here], end
        if not tag & _CLASS_MASK:
            raise _Unusual("a reference")
        return self.classes[tag & ~_CLASS_MASK], end

    def object_array(self) -> int:
        """Read the beginning of a TObjArray; return the number of its objects."""
        self.open(3)
        self.root_object()
        self.string()
        count, _ = self.take(_ARRAY)
        return int(count)


_U1, _U4, _I4 = struct.Struct(">B"), struct.Struct(">I"), struct.Struct(">i")
_COUNT_VERSION, _OBJECT, _ARRAY = struct.Struct(">IH"), struct.Struct(">HII"), struct.Struct(">ii")
_KEY = struct.Struct(">ihiIhh")  # fNbytes, fVersion, fObjlen, fDatime, fKeylen, fCycle
_SEEKS = struct.Struct(">ii"), struct.Struct(">qq")
_TREE = struct.Struct(">qqqqqdiiiiIqqqqqq")
_BRANCH_1, _BRANCH_2 = struct.Struct(">iiiiq"), struct.Struct(">iIiqqqq")
_LEAF = struct.Struct(">iii??")


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
        kind, name, _ = cursor.string(), cursor.string(), cursor.string()
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
    if (cursor.string(), cursor.string()) != ("TTree", tree) or not key_size == size == len(cursor.data):
        raise _Unusual("another key")
    packed = cursor.data[key_bytes:]
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
    branches: list[Baskets | str] = []
    for _ in range(cursor.object_array()):
        kind_end = cursor.object_class()
        if kind_end is None or kind_end[0] != "TBranch":
            raise _Unusual("a branch of another class")
        name, baskets = _branch(cursor)
        cursor.close(kind_end[1])
        if isinstance(baskets, Baskets) and baskets.entries[-1] != entries:
            raise _Unusual("a branch with fewer entries, or embedded baskets")
        names.append(name)
        branches.append(baskets)
    return TreeIndex(entries, tuple(names), tuple(branches))


def _branch(cursor: _Cursor) -> tuple[str, Baskets | str]:
    end = cursor.open(13)
    name, _ = cursor.named()
    cursor.skip()  # TAttFill
    write_basket = cursor.take(_BRANCH_1)[3]
    cursor.skip()  # fIOFeatures
    _, most, _, entries, first, _, _ = cursor.take(_BRANCH_2)
    if cursor.object_array() or first != 0:
        raise _Unusual("a branch with branches")
    leaves = [_leaf(cursor) for _ in range(cursor.object_array())]
    cursor.skip()  # fBaskets
    sizes, starts, seeks = cursor.array(most, ">i4"), cursor.array(most, ">i8"), cursor.array(most, ">i8")
    file_name = cursor.string()
    cursor.close(end)
    if len(leaves) != 1 or leaves[0] not in _DTYPES:
        return name, " and ".join(leaves) if leaves else "no leaf"
    if file_name:
        return name, "baskets in another file"
    count = min(write_basket, len(seeks))
    if count < 0 or not seeks[:count].all():
        count = int(np.flatnonzero(seeks == 0)[0]) if count >= 0 else -1
    edges = starts[: count + 1]
    if count < 0 or len(edges) != count + 1 or edges[0] != 0 or edges[-1] != entries:
        raise _Unusual("an unusual basket table")
    if (edges[1:] < edges[:-1]).any() or (sizes[:count] <= 0).any():
        raise _Unusual("an unusual basket table")
    return name, Baskets(np.dtype(leaves[0]), seeks[:count], sizes[:count], edges)


def _leaf(cursor: _Cursor) -> str:
    """Return the dtype of a leaf with one number per entry, or what else it is."""
    kind_end = cursor.object_class()
    if kind_end is None:
        raise _Unusual("no leaf")
    kind, end = kind_end
    if kind not in _LEAVES:
        cursor.position = end
        return "strings" if kind == "TLeafC" else f"leaves of type {kind}"
    cursor.open(1)
    end_of_base = cursor.open(2)
    _, title = cursor.named()
    length, width, _, _, unsigned = cursor.take(_LEAF)
    (counter,) = cursor.take(_U4)
    cursor.position = end
    if length != 1 or counter != 0 or "[" in title:
        return "several numbers per entry"
    dtype = _LEAVES[kind][unsigned]
    # behind the base: smallest and largest value
    if width != np.dtype(dtype).itemsize or end != end_of_base + 2 * width:
        raise _Unusual("a leaf of another size")
    return dtype
