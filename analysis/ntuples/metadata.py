"""Reading the metadata of a plain TTree without building an object for everything in it.

uproot reads any tree ever written; for the 129 branches of a usual ntuple that takes longer than inflating a third of
the file. Here only what the index needs is read, and only in the layout that ROOT has written since 2018 (TTree 20,
TBranch 13): every byte count must come out exactly, and whatever is unusual returns None, so that uproot reads it.

Layouts: ROOT, io/doc/TFile, and the streamer information of TTree, TBranch and TLeaf in any ROOT file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from analysis.ntuples.branches import read_branches, read_tables
from analysis.ntuples.codec import Codecs
from analysis.ntuples.index import BIG_KEY, TreeIndex, keys_list
from analysis.ntuples.storage import Storage
from analysis.ntuples.streams import I4, Cursor, Unusual

_KEY = struct.Struct(">ihiIhh")  # fNbytes, fVersion, fObjlen, fDatime, fKeylen, fCycle
_SEEKS = struct.Struct(">ii"), struct.Struct(">qq")
_TREE = struct.Struct(">qqqqqdiiiiIqqqqqq")


@dataclass(frozen=True)
class Located:
    """The index of a tree, and where its metadata lie in the file."""

    index: TreeIndex
    seek: int
    size: int


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
    cursor = Cursor(storage.at(seek_keys, size))
    cursor.position = cursor.take(_KEY)[4]
    (count,) = cursor.take(I4)
    found: list[tuple[int, int, int, str]] = []
    for _ in range(count):
        start = cursor.position
        size, version, _, _, key_bytes, cycle = cursor.take(_KEY)
        seek, _ = cursor.take(_SEEKS[version > BIG_KEY])
        kind, name, _ = (cursor.text() for _ in range(3))
        if cursor.position != start + key_bytes:
            raise Unusual("a key of another length")
        if name == tree:
            found.append((cycle, seek, size, kind))
    _, seek, size, _ = max(found)
    if {entry[3] for entry in found} != {"TTree"}:
        raise Unusual("no TTree")
    return seek, size


def _payload(storage: Storage, seek: int, size: int, tree: str, codecs: Codecs) -> Cursor:
    """Return the inflated content of the key at ``seek``."""
    cursor = Cursor(storage.at(seek, size))
    key_size, version, content, _, key_bytes, _ = cursor.take(_KEY)
    cursor.take(_SEEKS[version > BIG_KEY])
    if (cursor.text(), cursor.text()) != ("TTree", tree) or not key_size == size == len(cursor.data):
        raise Unusual("another key")
    packed = storage.at(seek, size)[key_bytes:]
    data = packed if len(packed) == content else memoryview(codecs.several(packed, content))
    if len(data) != content:
        raise Unusual("content of another size")
    return Cursor(data, origin=key_bytes)


def _tree(cursor: Cursor) -> TreeIndex:
    cursor.open(20)
    cursor.named()
    for _ in range(3):  # TAttLine, TAttFill, TAttMarker
        cursor.skip()
    fields = cursor.take(_TREE)
    entries, clusters = fields[0], fields[10]
    for _ in range(2):  # fClusterRangeEnd, fClusterSize
        cursor.position += 1 + 8 * clusters
    cursor.skip()  # fIOFeatures
    names, tables = read_branches(cursor, cursor.object_array())
    return TreeIndex(entries, names, read_tables(cursor.data, tables, entries))
