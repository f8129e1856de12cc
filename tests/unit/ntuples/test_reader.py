"""Streaming ntuples: the right rows, and errors that tell the place."""

import os
from pathlib import Path
from types import SimpleNamespace

import fsspec
import numpy as np
import pytest
import uproot

from analysis.errors import InputError
from analysis.ntuples.opening import Options
from analysis.ntuples.reader import Constant, iterate
from analysis.ntuples.source import DamagedFileError, UprootSource

from .conftest import make_columns, write

ALL = {name: name for name in make_columns(1)}


def gather(chunks):
    chunks = list(chunks)
    return {name: np.concatenate([chunk.columns[name] for chunk in chunks]) for name in chunks[0].columns}


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("step", [1, 199, 200, 450, 10_000])
def test_all_rows_in_order_whatever_the_step(file, columns, step):
    if step == 1:
        columns = {name: array[:37] for name, array in columns.items()}
        file = write(file.with_name("short.root"), columns, basket=10)
    chunks = list(iterate([file], "variables", ALL, step=step))
    assert_same(gather(chunks), columns)
    assert [chunk.start for chunk in chunks] == list(range(0, len(columns["x"]), step))
    assert chunks[-1].stop == len(columns["x"])


def test_cut_keeps_the_rows_that_pass(file, columns):
    chunks = list(
        iterate(
            [file, file],
            "variables",
            {"mass": "x", "n": "n", "flag": "flag", "weight": "y"},
            cut="mass > 0.5 and flag and n in [1, 2]",
            keep=["n", "mass"],
            sums=["weight"],
            step=300,
        )
    )
    passed = (columns["x"] > 0.5) & columns["flag"] & np.isin(columns["n"], [1, 2])
    assert 0 < passed.sum() < 100
    expected = {name: np.tile(columns[old][passed], 2) for name, old in (("n", "n"), ("mass", "x"))}
    assert_same(gather(chunks), expected)
    assert sum(chunk.rows for chunk in chunks) == 2 * passed.sum()
    total = sum(chunk.sums["weight"] for chunk in chunks)
    assert total == pytest.approx(2 * columns["y"].sum(dtype="f8"), rel=1e-14)


@pytest.mark.parametrize("cut", ["x > 99", "True", "False", "x < 99", "x == x"])
def test_all_or_nothing_passes(file, columns, cut):
    found = gather(iterate([file], "variables", ALL, cut=cut, step=300))
    everything = cut in ("True", "x < 99", "x == x")
    assert_same(found, columns if everything else {n: a[:0] for n, a in columns.items()})


def test_columns_seen_tells_what_is_all_nan(file):
    (chunk,) = iterate([file], "variables", ALL)
    assert set(ALL) - chunk.seen == {"hole"}
    (chunk,) = iterate([file], "variables", ALL, cut="hole > 1 and x > 0")
    # y may hold numbers: no row passed, so none was looked at
    assert set(ALL) - chunk.seen == {"hole", "y"}


def test_constants_and_columns_by_file(file, columns, tmp_path):
    other = write(tmp_path / "b.root", {"mom": columns["x"], "__candidate__": columns["n"]})

    def resolve(branches, path):
        assert path in (str(file), str(other))
        return {
            "p": "x" if "x" in branches else "mom",
            "candidate": "__candidate__" if "__candidate__" in branches else Constant(0, "int32"),
        }

    found = gather(iterate([file, other], "variables", resolve, cut="p > 0 or candidate > 3"))
    first = columns["x"][columns["x"] > 0]
    rows = (columns["x"] > 0) | (columns["n"] > 3)
    np.testing.assert_array_equal(found["p"], np.concatenate([first, columns["x"][rows]]))
    np.testing.assert_array_equal(found["candidate"], np.concatenate([np.zeros(len(first), "i4"), columns["n"][rows]]))
    assert found["candidate"].dtype == np.int32


@pytest.mark.parametrize("rows", [0, 1])
def test_empty_and_one_row_trees(tmp_path, rows):
    columns = make_columns(rows)
    file = write(tmp_path / "small.root", columns)
    chunks = list(iterate([file], "variables", ALL, cut="x == x", sums=["x"]))
    assert len(chunks) == 1
    assert_same(gather(chunks), columns)
    assert chunks[0].sums["x"] == columns["x"].sum()


def test_strings_and_lists_are_kept_but_not_cut_on(tmp_path):
    path = tmp_path / "s.root"
    with uproot.recreate(path) as file:
        file.mktree("variables", {"s": "string", "j": "var * float64", "x": "f8"})
        file["variables"].extend({"s": ["a", "bb", ""], "j": [[1.0], [], [2, 3]], "x": [1.0, 2, 3]})
    found = gather(iterate([path], "variables", {n: n for n in "sjx"}, cut="x != 2"))
    assert found["s"].tolist() == ["a", ""]
    assert [list(row) for row in found["j"]] == [[1.0], [2.0, 3.0]]
    with pytest.raises(InputError, match="'s' cannot be used"):
        list(iterate([path], "variables", {"s": "s"}, cut="s == 1"))


def test_rntuple(tmp_path, columns):
    path = tmp_path / "r.root"
    with uproot.recreate(path) as file:
        file.mkrntuple("variables", columns)
    found = gather(iterate([path], "variables", ALL, cut="x > 0", step=300))
    assert_same(found, {name: array[columns["x"] > 0] for name, array in columns.items()})


def test_colon_in_the_path(tmp_path, columns):
    path = write(tmp_path / "a:b.root", columns)
    assert_same(gather(iterate([str(path)], "variables", ALL)), columns)


# --- errors ---


def fails(*args, **kwargs):
    with pytest.raises(InputError) as caught:
        list(iterate(*args, **kwargs))
    return caught.value


def test_no_files():
    assert "no input files" in str(fails([], "variables", ALL))


def test_missing_file_folder_and_no_root_file(tmp_path):
    assert "does not exist" in str(fails([tmp_path / "no.root"], "variables", ALL))
    assert "not a file" in str(fails([tmp_path], "variables", ALL))
    text = tmp_path / "text.root"
    text.write_text("text")
    error = fails([text], "variables", ALL)
    assert "not a ROOT file" in str(error)
    assert error.file == str(text)


@pytest.mark.parametrize("keep", [0, 3, 10, 60, 0.5, -1])
def test_truncated_file(file, keep):
    content = file.read_bytes()
    size = keep if isinstance(keep, int) else int(len(content) * keep)
    file.write_bytes(content[:size])
    error = fails([file], "variables", ALL)
    assert error.file == str(file)
    assert any(word in str(error) for word in ("empty", "not a ROOT", "truncated"))


@pytest.mark.parametrize("compression", [uproot.ZLIB(1), uproot.LZ4(1)])
def test_flipped_bit_in_a_basket(tmp_path, columns, compression):
    file = write(tmp_path / "a.root", columns, compression=compression)
    with uproot.open(file) as root:
        branch = root["variables"]["x"]
        middle = int(branch.member("fBasketSeek")[2] + branch.member("fBasketBytes")[2] - 40)
    content = bytearray(file.read_bytes())
    content[middle] ^= 0x10
    file.write_bytes(content)
    error = fails([file], "variables", ALL, step=200)
    assert error.file == str(file)
    assert "tree 'variables', branch 'x', entries 400 to 600" in error.where
    assert error.remedy


def test_flipped_metadata_is_an_input_error(file):
    content = file.read_bytes()
    with uproot.open(file) as root:
        start = root.file.root_directory.key("variables").fSeekKey
    outcomes = set()
    for offset in range(start, start + 1500, 11):
        broken = bytearray(content)
        broken[offset] ^= 0xFF
        file.write_bytes(broken)
        try:
            list(iterate([file], "variables", ALL))
        except InputError:  # any other exception fails the test
            outcomes.add("refused")
        else:
            outcomes.add("read")
    assert outcomes == {"refused", "read"}


def test_missing_tree_lists_the_trees(file):
    error = fails([file], "ntuple", ALL)
    assert "no tree 'ntuple'" in str(error)
    assert "'variables'" in error.found


def test_missing_branch_names_the_nearest(file):
    error = fails([file], "variables", {"x": "evnt"})
    assert "'event'" in error.found
    assert "lacks the branch 'evnt'" in str(error)


def test_cut_on_unknown_column(file):
    assert "'z'" in str(fails([file], "variables", ALL, cut="z > 1"))


def duplicated(path):
    """Rename branch 'b' to 'a' in the file's bytes: uproot itself refuses to write that."""
    write(path, {"aa1": np.arange(5.0), "aa2": np.arange(5.0) + 10})
    path.write_bytes(path.read_bytes().replace(b"aa2", b"aa1"))
    return path


def test_duplicate_branches(tmp_path):
    file = duplicated(tmp_path / "d.root")
    error = fails([file], "variables", {"a": "aa1"})
    assert "several branches named 'aa1'" in str(error)
    first = gather(iterate([file], "variables", {"a": "aa1"}, options=Options(duplicates="first")))
    last = gather(iterate([file], "variables", {"a": "aa1"}, options=Options(duplicates="last")))
    assert first["a"].tolist() == [0, 1, 2, 3, 4]
    assert last["a"].tolist() == [10, 11, 12, 13, 14]


def test_missing_library_is_no_damage(monkeypatch):
    def needs_library(*args, **kwargs):
        raise ModuleNotFoundError("No module named 'aiohttp'")

    monkeypatch.setattr(fsspec.core, "url_to_fs", needs_library)
    error = fails(["https://example.org/a.root"], "variables", ALL)
    assert "library" in str(error)
    assert "aiohttp" in error.found
    assert not isinstance(error, DamagedFileError)


def test_remote_file_out_of_reach(monkeypatch):
    def refused(*args, **kwargs):
        raise ConnectionRefusedError("port 1094")

    monkeypatch.setattr(fsspec.core, "url_to_fs", refused)
    error = fails(["root://example.org//a.root"], "variables", ALL)
    assert isinstance(error, DamagedFileError)
    assert "out of reach" in error.remedy


def rewritten(path):
    path.write_bytes(path.read_bytes()[::-1])


def replaced(path):
    other = write(path.with_suffix(".other"), make_columns(1050, seed=7))
    other.rename(path)


def cut_short(path):
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("change", [rewritten, replaced, cut_short, Path.unlink])
def test_file_that_changes_while_it_is_read(file, change):
    """Cut short, it would be a bus error; otherwise rows of two files in one table."""
    chunks = iterate([file], "variables", ALL, step=100)
    next(chunks)
    change(file)
    with pytest.raises(InputError, match="changed while it was read") as caught:
        next(chunks)
    assert caught.value.file == str(file)
    assert "entries 100 to 200" in caught.value.where
    assert not isinstance(caught.value, DamagedFileError)  # never left out in silence


def test_branch_of_several_columns_is_no_column():
    branch = SimpleNamespace(name="p", branches=[], array=lambda **_: {"x": np.zeros(3), "y": np.zeros(3)})
    source = UprootSource("a.root", "t", SimpleNamespace(branches=[branch], num_entries=3), "error")
    with pytest.raises(InputError, match="is not a column") as caught:
        source.read(["p"], 0, 3)
    assert not isinstance(caught.value, DamagedFileError)
