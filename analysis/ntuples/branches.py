"""The branches of a TTree, and the tables that tell where their baskets lie.

Branches of the usual layout, one number per entry, are read all at once; others one by one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.ntuples.index import Baskets
from analysis.ntuples.storage import gather
from analysis.ntuples.streams import (
    BYTE_COUNT,
    COUNT,
    IS_REFERENCED,
    NEW_CLASS,
    Cursor,
    Field,
    Layout,
    Unusual,
    byte_count,
    text,
)

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

_SIZES = {dtype: np.dtype(dtype).itemsize for pair in _LEAVES.values() for dtype in pair}

_BRANCH_1, _BRANCH_2 = struct.Struct(">iiiiq"), struct.Struct(">iIiqqqq")
_LEAF_BEGIN, _LEAF = struct.Struct(">IHIH"), struct.Struct(">iii??I")

# The usual branch: what stands behind its class, between its title and the leaf's class, behind that, and behind the
# leaf's title.
_OBJECT: tuple[Field, ...] = (("", ">u2", 1), ("", ">u4"), ("", ">u4", 0, IS_REFERENCED))  # version, number, bits
_NAMED: tuple[Field, ...] = (byte_count("named"), ("", ">u2", 1), *_OBJECT)
_LIST: tuple[Field, ...] = (byte_count(), ("", ">u2", 3), *_OBJECT, ("", "u1", 0))
_CLASS = Layout(byte_count("object"), ("tag", ">u4"))
_BRANCH = Layout(byte_count("branch"), ("", ">u2", 13), *_NAMED)
_MIDDLE = Layout(
    *(("", ">u4", BYTE_COUNT | 6), ("", "V6")),  # TAttFill
    *(("", "V12"), ("used", ">i4"), ("", "V8")),  # fCompress, fBasketSize, fEntryOffsetLen, fWriteBasket, fEntryNumber
    *(("", ">u4", BYTE_COUNT | 7), ("", "V7")),  # fIOFeatures
    *(("", "V4"), ("lines", ">i4"), ("", "V12")),  # fOffset, fMaxBaskets, fSplitLevel, fEntries
    *(("", ">i8", 0), ("", "V16")),  # fFirstEntry, fTotBytes, fZipBytes
    *(*_LIST, ("", ">i4", 0), ("", "V4")),  # fBranches: none
    *(*_LIST, ("", ">i4", 1), ("", "V4")),  # fLeaves: one follows
)
_LEAF_BEGINNING = Layout(byte_count("leaf"), ("", ">u2", 1), byte_count("base"), ("", ">u2", 2), *_NAMED)
# fLen, fLenType, fOffset, fIsRange, fIsUnsigned, fLeafCount; behind them, smallest and largest value
_LEAF_END = Layout(("", ">i4", 1), ("width", ">i4"), ("", "V5"), ("unsigned", "?"), ("", ">u4", 0))
_BASKETS, _LETTERS = Layout(byte_count("baskets")), Layout(("letters", "u1"))


# fBasketBytes, fBasketEntry and fBasketSeek, each behind a byte that tells it is there
_LINE = 4 + 8 + 8


class BasketTable(NamedTuple):
    """Where the table of a branch's baskets lies, the number of its lines, and how many of them may be in use."""

    dtype: str
    position: int
    lines: int
    used: int


def read_branches(cursor: Cursor, count: int) -> tuple[tuple[str, ...], list[BasketTable | str]]:
    """Read the branches of a tree, in the file's order.

    Parameters
    ----------
    cursor
        At the first.
    count
        Their number.

    Returns
    -------
    names, tables
        Of each branch; instead of a table, the reason why it is left to uproot.

    Raises
    ------
    Unusual
        The tree as a whole is left to uproot.
    """
    edges = [cursor.position]
    for _ in range(count):
        (size,) = COUNT.unpack_from(cursor.data, edges[-1])
        edges.append(edges[-1] + 4 + (size & ~BYTE_COUNT))
    names: list[str] = []
    tables: list[BasketTable | str] = []
    for start, usual in zip(edges, _usual(cursor.data, np.array(edges)), strict=False):
        table = _usual_table(cursor, start, usual) if usual else None
        if usual and table:
            names.append(text(bytes(cursor.data[usual.name : usual.name_end])))
            tables.append(table)
        else:
            cursor.position = start
            name, other = _branch(cursor)
            names.append(name)
            tables.append(other)
    cursor.position = edges[-1]
    return tuple(names), tables


class _Usual(NamedTuple):
    """Places of a branch of the usual layout: its name, the leaf with its title and kind, and the table."""

    name: int
    name_end: int
    leaf: int
    title: int
    title_end: int
    unsigned: bool
    width: int
    position: int
    lines: int
    used: int


def _usual(data: memoryview, edges: NDArray[np.int64]) -> list[_Usual | None]:
    """Read the branches between these positions as if they had the usual layout; None for those that have not."""
    tests = []

    def read(layout: Layout, positions: NDArray[np.int64]) -> NDArray[Any]:
        fields, usual = layout.read(data, positions)
        tests.append(usual)
        return fields

    def behind_class(positions: NDArray[np.int64], name: str) -> NDArray[np.int64]:
        new: NDArray[np.bool_] = read(_CLASS, positions)["tag"] == NEW_CLASS
        return positions + (_CLASS.size + (len(name) + 1) * new)

    def behind_string(positions: NDArray[np.int64]) -> NDArray[np.int64]:
        letters: NDArray[np.int64] = read(_LETTERS, positions)["letters"].astype(np.int64)
        tests.append(letters < 255)  # longer ones have their length behind it
        return positions + 1 + letters

    starts, ends = edges[:-1], edges[1:]
    beginning = behind_class(starts, "TBranch")
    first = read(_BRANCH, beginning)
    name = beginning + _BRANCH.size
    name_end = behind_string(name)
    middle = behind_string(name_end)
    second = read(_MIDDLE, middle)
    leaf = middle + _MIDDLE.size
    leaf_beginning = behind_class(leaf, "TLeaf?")
    third = read(_LEAF_BEGINNING, leaf_beginning)
    title = behind_string(leaf_beginning + _LEAF_BEGINNING.size)
    title_end = behind_string(title)
    last = read(_LEAF_END, title_end)
    leaf_end = title_end + _LEAF_END.size + 2 * last["width"]
    position = _BASKETS.end("baskets", read(_BASKETS, leaf_end), leaf_end)
    file_name = position + 3 + _LINE * second["lines"].astype(np.int64)
    tests += [
        _BRANCH.end("branch", first, beginning) == ends,
        _BRANCH.end("named", first, beginning) == middle,
        _CLASS.end("object", read(_CLASS, leaf), leaf) == leaf_end,
        _LEAF_BEGINNING.end("leaf", third, leaf_beginning) == leaf_end,
        _LEAF_BEGINNING.end("base", third, leaf_beginning) == title_end + _LEAF_END.size,
        _LEAF_BEGINNING.end("named", third, leaf_beginning) == title_end,
        (second["lines"] >= 1) & (second["used"] >= 0),
        (read(_LETTERS, file_name)["letters"] == 0) & (file_name + 1 == ends),
    ]
    columns = [name + 1, name_end, leaf, title + 1, title_end, last["unsigned"], last["width"]]
    columns += [position, second["lines"], second["used"]]
    rows = zip(*(column.tolist() for column in columns), strict=True)
    usual = np.logical_and.reduce(tests).tolist()
    return [_Usual(*row) if good else None for row, good in zip(rows, usual, strict=True)]


def _usual_table(cursor: Cursor, start: int, usual: _Usual) -> BasketTable | None:
    """Return the table of a usual branch; None if its leaf is none of numbers, one per entry."""
    if cursor.class_at(start) != "TBranch":
        return None
    kind = cursor.class_at(usual.leaf)
    if kind not in _LEAVES:
        return None
    dtype = _LEAVES[kind][usual.unsigned]
    if _SIZES[dtype] != usual.width or b"[" in bytes(cursor.data[usual.title : usual.title_end]):
        return None
    return BasketTable(dtype, usual.position, usual.lines, min(usual.used, usual.lines))


def _branch(cursor: Cursor) -> tuple[str, BasketTable | str]:
    """Read one branch of any layout."""
    kind_end = cursor.object_class()
    if kind_end is None or kind_end[0] != "TBranch":
        raise Unusual("a branch of another class")
    end = cursor.open(13)
    name = text(cursor.named()[0])
    cursor.skip()  # TAttFill
    write_basket = cursor.take(_BRANCH_1)[3]
    cursor.skip()  # fIOFeatures
    _, lines, _, _, first, _, _ = cursor.take(_BRANCH_2)
    if cursor.object_array() or first != 0:
        raise Unusual("a branch with branches")
    leaves = [_leaf(cursor) for _ in range(cursor.object_array())]
    cursor.skip()  # fBaskets
    position = cursor.position
    if lines < 1 or write_basket < 0:
        raise Unusual("an unusual basket table")
    cursor.position += 3 + _LINE * lines
    file_name = cursor.string()
    cursor.close(end)
    cursor.close(kind_end[1])
    if len(leaves) != 1 or leaves[0] not in _SIZES:
        return name, " and ".join(leaves) if leaves else "no leaf"
    if file_name:
        return name, "baskets in another file"
    return name, BasketTable(leaves[0], position, lines, min(write_basket, lines))


def read_tables(data: memoryview, tables: Sequence[BasketTable | str], entries: int) -> tuple[Baskets | str, ...]:
    """Return the baskets of all branches; the tables of those with as many lines are read at once."""
    branches: list[Any] = list(tables)
    groups: dict[int, list[int]] = {}
    for number, table in enumerate(tables):
        if isinstance(table, BasketTable):
            groups.setdefault(table.lines, []).append(number)
    for lines, numbers in groups.items():
        group = [tables[number] for number in numbers]
        for number, baskets in zip(numbers, _same_lines(data, group, lines, entries), strict=True):
            branches[number] = baskets
    return tuple(branches)


def _same_lines(data: memoryview, tables: Sequence[Any], lines: int, entries: int) -> Iterator[Baskets]:
    width = 3 + _LINE * lines
    raw = gather(np.frombuffer(data, np.uint8), np.array([table.position for table in tables]), width)
    used = np.array([table.used for table in tables])
    top = int(used.max()) + 1  # ROOT makes the tables longer than it fills them
    if top > lines:
        raise Unusual("an unusual basket table")
    middle, last = 1 + 4 * lines, 2 + 12 * lines
    if not (raw[:, [0, middle, last]] == 1).all():
        raise Unusual("an array is missing")

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
        raise Unusual("an unusual basket table, a branch with fewer entries, or embedded baskets")
    # one array for all where the baskets begin at the same entries: what is computed from it is the same, too
    shared = edges[0, : used[0] + 1] if (used == used[0]).all() and (edges == edges[0]).all() else None
    dtypes = {table.dtype: np.dtype(table.dtype) for table in tables}
    for number, (table, count) in enumerate(zip(tables, used.tolist(), strict=True)):
        starts = edges[number, : count + 1] if shared is None else shared
        yield Baskets(dtypes[table.dtype], seeks[number, :count], sizes[number, :count], starts)


def _leaf(cursor: Cursor) -> str:
    """Return the dtype of a leaf with one number per entry, or what else it is."""
    kind_end = cursor.object_class()
    if kind_end is None:
        raise Unusual("no leaf")
    kind, end = kind_end
    if kind not in _LEAVES:
        cursor.position = end
        return "strings" if kind == "TLeafC" else f"leaves of type {kind}"
    start = cursor.position
    count, version, base_count, base_version = cursor.take(_LEAF_BEGIN)
    if not count & base_count & BYTE_COUNT or (version, base_version) != (1, 2):
        raise Unusual("a leaf of another version")
    end_of_base = start + 10 + (base_count & ~BYTE_COUNT)
    _, title = cursor.named()
    length, width, _, _, unsigned, counter = cursor.take(_LEAF)
    cursor.position = end
    if length != 1 or counter != 0 or b"[" in title:
        return "several numbers per entry"
    dtype = _LEAVES[kind][unsigned]
    # behind the base: smallest and largest value
    if width != np.dtype(dtype).itemsize or end != end_of_base + 2 * width:
        raise Unusual("a leaf of another size")
    return dtype
