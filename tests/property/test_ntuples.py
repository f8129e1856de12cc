"""The fast path against uproot: bit-equal for any type, basket size, codec, cut and step."""

import contextlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
import uproot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.errors import InputError
from analysis.ntuples.baskets import BasketFile
from analysis.ntuples.codec import Codecs
from analysis.ntuples.index import TreeIndex, _pack, _unpack, build
from analysis.ntuples.metadata import read_index
from analysis.ntuples.opening import BasketSource, Options, open_source
from analysis.ntuples.reader import iterate
from analysis.ntuples.source import open_uproot
from analysis.ntuples.storage import MappedFile

DTYPES = ["f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "bool"]
CODECS = {
    "none": None,
    "zlib": uproot.ZLIB(1),
    "zlib9": uproot.ZLIB(9),
    "lz4": uproot.LZ4(1),
    "zstd": uproot.ZSTD(1),
    "lzma": uproot.LZMA(1),
}
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def values(dtype, rows, rng, kind):
    """Compressible or random bytes; every bit pattern is allowed, NaN payloads included."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(rows) < 0.5
    if kind == "random":
        return np.frombuffer(rng.bytes(rows * dtype.itemsize), dtype)
    return rng.integers(0, 3, rows).astype(dtype)


@st.composite
def trees(draw):
    rows = draw(st.sampled_from([0, 1, 2, 7, 60, 131]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    names = draw(st.lists(st.sampled_from(DTYPES), min_size=1, max_size=6))
    columns = {
        f"c{i}": values(dtype, rows, rng, draw(st.sampled_from(["random", "small"]))) for i, dtype in enumerate(names)
    }
    columns["cut"] = rng.random(rows)
    sizes = draw(st.lists(st.integers(1, 70), min_size=1, max_size=4))
    return columns, sizes, draw(st.sampled_from(list(CODECS)))


def write(path, columns, sizes, codec, tree="t"):
    """Write baskets of varying sizes."""
    rows = len(columns["cut"])
    with uproot.recreate(path, compression=CODECS[codec]) as file:
        file.mktree(tree, {name: array.dtype for name, array in columns.items()})
        start = number = 0
        while start < rows:
            stop = start + sizes[number % len(sizes)]
            file[tree].extend({name: array[start:stop] for name, array in columns.items()})
            start, number = stop, number + 1


def index_of(path, tree):
    with contextlib.closing(MappedFile(path)) as storage:
        return read_index(storage, tree, Codecs())


def assert_bit_equal(found, expected):
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        assert found[name].tobytes() == array.tobytes(), name


@SLOW
@given(trees(), st.integers(1, 150), st.sampled_from(["", "cut < 2", "cut > 2", "cut < 0.5", "cut < 0.03"]))
def test_bit_equal_to_what_was_written_and_to_uproot(tree, step, cut):
    columns, sizes, codec = tree
    mask = np.ones(len(columns["cut"]), bool)
    if cut:
        mask = columns["cut"] < 0.5 if cut == "cut < 0.5" else mask
        mask = columns["cut"] < 0.03 if cut == "cut < 0.03" else mask
        mask = mask & False if cut == "cut > 2" else mask
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.root"
        write(path, columns, sizes, codec)
        found = {}
        for fast in (True, False):
            chunks = list(
                iterate([path], "t", {n: n for n in columns}, cut=cut or None, step=step, options=Options(fast=fast))
            )
            found[fast] = {name: np.concatenate([chunk.columns[name] for chunk in chunks]) for name in columns}
    assert_bit_equal(found[True], {name: array[mask] for name, array in columns.items()})
    assert_bit_equal(found[True], found[False])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees(), st.integers(1, 150), st.sampled_from(["", "cut < 2", "cut > 2", "cut < 0.5"]))
def test_rntuples_give_what_was_written(tree, step, cut):
    columns, _, codec = tree
    mask = {"cut > 2": columns["cut"] > 2, "cut < 0.5": columns["cut"] < 0.5}.get(
        cut, np.ones(len(columns["cut"]), bool)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.root"
        with uproot.recreate(path, compression=CODECS[codec]) as file:
            file.mkrntuple("t", columns)
        chunks = list(iterate([path], "t", {n: n for n in columns}, cut=cut or None, step=step))
        found = {name: np.concatenate([chunk.columns[name] for chunk in chunks]) for name in columns}
    assert_bit_equal(found, {name: array[mask] for name, array in columns.items()})


@SLOW
@given(trees(), st.data())
def test_any_range_and_any_rows_without_uproot(tree, data):
    columns, sizes, codec = tree
    rows = len(columns["cut"])
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "f.root")
        write(path, columns, sizes, codec)
        with open_source(path, "t") as source:
            assert isinstance(source, BasketSource)
            for _ in range(4):  # one source: what is left from one range must not spoil the next
                start = data.draw(st.integers(0, rows))
                stop = data.draw(st.integers(start, rows))
                some = data.draw(st.none() | st.sets(st.integers(0, stop - start - 1))) if stop > start else None
                picked = None if some is None else np.array(sorted(some), dtype=np.int64)
                found = source.read(columns, start, stop, picked)
                expected = {name: array[start:stop] for name, array in columns.items()}
                if picked is not None:
                    expected = {name: array[picked] for name, array in expected.items()}
                assert_bit_equal(found, expected)
            assert source.reasons == {}
            assert source._uproot is None


@SLOW
@given(trees(), trees(), st.integers(1, 100))
def test_branches_with_different_baskets(one, other, step):
    """As ROOT writes them: every branch with baskets of its own size."""
    columns, sizes, codec = one
    rows = len(columns["cut"])
    second = {
        name: np.resize(array, rows) if len(array) else np.zeros(rows, array.dtype) for name, array in other[0].items()
    }
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "f.root")
        with uproot.recreate(path, compression=CODECS[codec]) as file:
            for tree, content, extent in (("a", columns, sizes), ("b", second, other[1])):
                file.mktree(tree, {name: array.dtype for name, array in content.items()})
                for start in range(0, rows, extent[0]):
                    file[tree].extend({name: array[start : start + extent[0]] for name, array in content.items()})
        indices = {tree: index_of(path, tree).index for tree in "ab"}
        branches = {
            f"{tree}.{name}": baskets
            for tree, index in indices.items()
            for name, baskets in zip(index.names, index.branches, strict=True)
        }
        # stored and loaded, with the branches of the two trees by turns
        turns = sorted(branches, key=lambda name: name[2:])
        mixed = TreeIndex(rows, tuple(turns), tuple(branches[name] for name in turns))
        loaded = _unpack(_pack({}, mixed))[1]
        assert_same_index(loaded, mixed)
        branches = dict(zip(loaded.names, loaded.branches, strict=True))
        expected = {f"a.{name}": array for name, array in columns.items()}
        expected |= {f"b.{name}": array for name, array in second.items()}
        storage = MappedFile(path)
        file = BasketFile(storage, Codecs())
        parts = [file.read(branches, start, min(start + step, rows), None) for start in range(0, rows, step)]
        file.close()
        storage.close()
    if parts:
        assert_bit_equal({name: np.concatenate([part[name] for part in parts]) for name in expected}, expected)


def assert_same_index(found, expected):
    assert found.entries == expected.entries
    assert found.names == expected.names
    for ours, theirs in zip(found.branches, expected.branches, strict=True):
        assert isinstance(ours, str) == isinstance(theirs, str)
        if not isinstance(ours, str):
            assert ours.dtype.str == theirs.dtype.str
            for field in ("seeks", "sizes", "entries"):
                np.testing.assert_array_equal(getattr(ours, field), getattr(theirs, field))
            assert ours.embedded == theirs.embedded == ()


@SLOW
@given(trees(), st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="/;:"), min_size=1))
def test_metadata_read_alone_are_those_that_uproot_reads(tree, name):
    columns, sizes, codec = tree
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "f.root")
        write(path, columns, sizes, codec, tree=name)
        located = index_of(path, name)
        with open_uproot(path, name) as source:
            assert_same_index(located.index, build(source.model))
            key = source.model.parent
            assert (located.seek, located.size) == (key.fSeekKey, key.fNbytes)


FLIPS = settings(max_examples=120, deadline=None)


@FLIPS
@given(st.integers(0, 2**16), st.integers(0, 7), st.sampled_from(["header", "metadata", "anywhere"]))
def test_a_flipped_bit_gives_what_uproot_gives(flip_file, position, bit, where):
    """Or, where uproot refuses damage that does not touch the data, the data: never anything else."""
    path, columns, content, seek = flip_file
    ranges = {"header": (0, 400), "metadata": (seek, len(content)), "anywhere": (0, len(content))}
    start, stop = ranges[where]
    broken = bytearray(content)
    broken[start + position % (stop - start)] ^= 1 << bit
    path.write_bytes(broken)
    outcome = {}
    for fast in (True, False):
        try:
            (chunk,) = iterate([path], "t", {n: n for n in columns}, options=Options(fast=fast))
        except InputError as error:  # anything else fails the test
            outcome[fast] = error.file
        else:
            outcome[fast] = [chunk.columns[name].tobytes() for name in columns]
    if outcome[False] == str(path):
        assert outcome[True] in (str(path), [array.tobytes() for array in columns.values()])
    else:
        assert outcome[True] == outcome[False]


@pytest.fixture(scope="module")
def flip_file(tmp_path_factory):
    class Content(bytes):
        """Bytes that are not printed in full."""

        __repr__ = object.__repr__

    path = tmp_path_factory.mktemp("flip") / "f.root"
    rng = np.random.default_rng(5)
    columns = {"x": rng.integers(0, 9, 120).astype("f8"), "n": rng.integers(0, 3, 120).astype("i4")}
    columns["cut"] = rng.random(120)
    write(path, columns, [50], "zlib")
    return path, columns, Content(path.read_bytes()), index_of(path, "t").seek
