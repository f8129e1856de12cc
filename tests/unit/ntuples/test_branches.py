"""The branches of a tree read at once: with classes by name, as uproot writes them, and by reference, as ROOT does."""

import contextlib
import itertools

import numpy as np
import pytest

from analysis.ntuples import branches
from analysis.ntuples.branches import BasketTable, read_branches, read_tables
from analysis.ntuples.codec import Codecs
from analysis.ntuples.metadata import _find, _payload
from analysis.ntuples.storage import MappedFile
from analysis.ntuples.streams import Cursor, Unusual

from .conftest import make_columns, write

NEW_CLASS = b"\xff\xff\xff\xff"
NAMES = tuple(make_columns(1))


def metadata(path):
    """The tree's metadata, the bytes before them that references count, and the edges of the branches."""
    with contextlib.closing(MappedFile(path)) as storage:
        cursor = _payload(storage, *_find(storage, "variables"), "variables", Codecs())
        content = bytes(cursor.data)
    edges = [content.index(NEW_CLASS + b"TBranch\0") - 4]
    for _ in range(content.count(NEW_CLASS + b"TBranch\0")):
        edges.append(edges[-1] + 4 + int.from_bytes(content[edges[-1] : edges[-1] + 4], "big") - 0x40000000)
    return content, cursor.origin, edges


def with_references(content, origin, edges):
    """Write the name of a class only where it first occurs, and later a reference to that place."""
    result, places = content[: edges[0]], {}

    def refer(branch, tag, byte_counts):
        """Replace the name behind a tag, and correct the byte counts of all around it."""
        end = branch.index(b"\0", tag + 4) + 1
        name = bytes(branch[tag + 4 : end])
        if name not in places:
            places[name] = len(result) + tag
            return 0
        branch[tag:end] = (0x80000000 | places[name] + origin + 2).to_bytes(4, "big")
        for position in byte_counts:
            number = int.from_bytes(branch[position : position + 4], "big") - len(name)
            branch[position : position + 4] = number.to_bytes(4, "big")
        return len(name)

    for start, stop in itertools.pairwise(edges):
        branch = bytearray(content[start:stop])
        inner = 16 - refer(branch, 4, [0])
        leaf = branch.index(NEW_CLASS + b"TLeaf") - 4
        refer(branch, leaf + 4, [leaf, leaf - 25, inner, 0])
        result += bytes(branch)
    return result


def read(content, origin, start, entries):
    cursor = Cursor(memoryview(content), origin)
    cursor.position = start
    names, tables = read_branches(cursor, len(NAMES))
    return names, read_tables(cursor.data, tables, entries)


@pytest.fixture
def one_by_one(monkeypatch):
    """Positions of the branches that are read one by one."""
    positions = []
    read_branch = branches._branch

    def noted(cursor):
        positions.append(cursor.position)
        return read_branch(cursor)

    monkeypatch.setattr(branches, "_branch", noted)
    return positions


def assert_same(found, expected):
    assert found[0] == expected[0] == NAMES
    for ours, theirs in zip(found[1], expected[1], strict=True):
        assert ours.dtype == theirs.dtype
        for field in ("seeks", "sizes", "entries"):
            np.testing.assert_array_equal(getattr(ours, field), getattr(theirs, field))


@pytest.mark.parametrize("rows", [0, 1, 1050])
def test_names_and_references_give_the_same(tmp_path, one_by_one, rows):
    content, origin, edges = metadata(write(tmp_path / "a.root", make_columns(rows)))
    content = content[: edges[-1]]
    expected = read(content, origin, edges[0], rows)
    referring = with_references(content, origin, edges)
    assert len(referring) < len(content) - 8 * (len(NAMES) - 1)
    assert_same(read(referring, origin, edges[0], rows), expected)
    assert one_by_one == []
    wrong = referring.replace((0x80000000 | edges[0] + 4 + origin + 2).to_bytes(4, "big"), b"\x80\0\0\1")
    with pytest.raises(Unusual, match="reference"):
        read(wrong, origin, edges[0], rows)


def test_all_at_once_and_one_by_one_give_the_same(file, columns, one_by_one, monkeypatch):
    content, origin, edges = metadata(file)
    content = content[: edges[-1]]
    expected = read(content, origin, edges[0], len(columns["x"]))
    monkeypatch.setattr(branches, "_usual", lambda _, edges: [None] * (len(edges) - 1))
    assert_same(read(content, origin, edges[0], len(columns["x"])), expected)
    assert one_by_one == edges[:-1]


def test_an_unusual_branch_among_usual_ones(tmp_path, one_by_one):
    """A name of more than 254 letters has its length in five bytes."""
    content, origin, edges = metadata(write(tmp_path / "a.root", {**make_columns(3), "x" * 300: np.arange(3.0)}))
    cursor = Cursor(memoryview(content), origin)
    cursor.position = edges[0]
    names, tables = read_branches(cursor, len(NAMES) + 1)
    assert names == (*NAMES, "x" * 300)
    assert one_by_one == [edges[-2]]
    assert read_tables(cursor.data, tables, 3)[-1].dtype == np.dtype(">f8")


def table(sizes, entries, seeks, lines):
    """A branch's table of baskets as it lies in the file, longer than it is filled."""
    parts = []
    for values, dtype in ((sizes, ">i4"), (entries, ">i8"), (seeks, ">i8")):
        parts += [b"\1", np.resize([*values, *[0] * lines], lines).astype(dtype).tobytes()]
    return b"".join(parts)


def test_tables_of_different_lengths():
    """Baskets of 1600 bytes hold 200 doubles or 400 floats: the doubles' table is longer."""
    doubles = table([50, 60, 70], [0, 200, 400, 500], [100, 200, 300], 10)
    floats = table([55, 65], [0, 400, 500], [400, 500], 5)
    unused = table([55, 65], [0, 400, 500], [400, 500], 5)
    data = doubles + floats + doubles + unused
    starts = np.cumsum([0, len(doubles), len(floats), len(doubles)]).tolist()
    tables = [
        BasketTable(">f8", starts[0], 10, 3),
        BasketTable(">f4", starts[1], 5, 2),
        "strings",
        BasketTable(">f8", starts[2], 10, 10 - 1),  # more than the table has: a line without a place ends it
        BasketTable(">f4", starts[3], 5, 2),
    ]
    first, second, third, fourth, fifth = read_tables(data, tables, 500)
    assert third == "strings"
    for baskets in (first, fourth):
        assert baskets.dtype == np.dtype(">f8")
        assert baskets.seeks.tolist() == [100, 200, 300]
        assert baskets.sizes.tolist() == [50, 60, 70]
        assert baskets.entries.tolist() == [0, 200, 400, 500]
    for baskets in (second, fifth):
        assert baskets.seeks.tolist() == [400, 500]
        assert baskets.entries.tolist() == [0, 400, 500]
    assert second.entries is fifth.entries


@pytest.mark.parametrize(
    "wrong",
    [
        table([50, 60], [0, 200, 499], [100, 200], 5),  # fewer entries than the tree
        table([50, 60], [1, 200, 500], [100, 200], 5),
        table([50, 60], [0, 501, 500], [100, 200], 5),
        table([50, 0], [0, 200, 500], [100, 200], 5),
        b"\0" + table([50, 60], [0, 200, 500], [100, 200], 5)[1:],
        table([50, 60], [0, 200, 500], [100, 200], 2),  # no room for the end of the last
    ],
)
def test_unusual_tables_are_left_to_uproot(wrong):
    lines = (len(wrong) - 3) // 20
    with pytest.raises(Unusual):
        read_tables(wrong, [BasketTable(">f8", 0, lines, 2)], 500)
