"""When the fast path reads, when it leaves a branch to uproot, and what it remembers."""

import contextlib
import logging
import os
from types import SimpleNamespace

import numpy as np
import pytest
import uproot

from analysis.errors import InputError
from analysis.ntuples import opening
from analysis.ntuples.baskets import BasketFile, Counters
from analysis.ntuples.codec import ZLIB, Codecs
from analysis.ntuples.index import Baskets, IndexStore, TreeIndex, _pack, _unpack, baskets_of, build
from analysis.ntuples.opening import BasketSource, Options, open_source
from analysis.ntuples.reader import iterate
from analysis.ntuples.source import UprootSource, open_uproot
from analysis.ntuples.storage import MappedFile

from .conftest import make_columns, write

ALL = {name: name for name in make_columns(1)}


def read_all(source, names=None, rows=None):
    return source.read(source.branches if names is None else names, 0, source.entries, rows)


def assert_same(found, expected):
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].tobytes() == array.tobytes()


def test_flat_branches_need_no_uproot(file, columns):
    counters = Counters()
    with open_source(file, "variables", counters=counters) as source:
        assert isinstance(source, BasketSource)
        assert_same(read_all(source), columns)
        assert source.reasons == {}
        assert source._uproot is None
    assert counters.unpacked == sum(array.nbytes for array in columns.values())
    assert 0 < counters.packed < counters.unpacked
    assert counters.inflate > 0


def test_baskets_without_survivors_are_not_inflated(file, columns):
    counters = Counters()
    rows = np.array([3, 4, 1049])  # in the first and the last of six baskets
    with open_source(file, "variables", counters=counters) as source:
        assert_same(read_all(source, rows=rows), {name: array[rows] for name, array in columns.items()})
    per_row = sum(array.itemsize for array in columns.values())
    assert counters.unpacked == 250 * per_row


def test_a_basket_on_the_border_of_two_chunks_is_inflated_once(file, columns):
    counters = Counters()
    list(iterate([file], "variables", ALL, step=300, counters=counters))
    assert counters.unpacked == sum(array.nbytes for array in columns.values())


def test_several_blocks_in_a_basket(tmp_path):
    columns = {"x": np.arange(2_200_000) // 1000 * 1.0}  # 17.6 MB: more than a block can hold
    path = write(tmp_path / "b.root", columns, basket=2_200_000)
    with open_source(path, "variables") as source:
        assert_same(read_all(source, ["x"]), columns)
        assert source.reasons == {}


def test_other_types_go_through_uproot_and_the_log_says_so(tmp_path, caplog):
    path = tmp_path / "s.root"
    with uproot.recreate(path) as file:
        file.mktree("variables", {"s": "string", "j": "var * float64", "v": ("f8", (3,)), "x": "f8"})
        for _ in range(2):
            file["variables"].extend(
                {"s": ["a", "bb"], "j": [[1.0], [2, 3]], "v": np.arange(6.0).reshape(2, 3), "x": [1.0, 2]}
            )
    with caplog.at_level(logging.INFO, logger="analysis"):
        chunks = list(iterate([path, path], "variables", {n: n for n in "jsvx"}, step=2))
    assert chunks[0].columns["s"].tolist() == ["a", "bb"]
    assert chunks[1].columns["v"].shape == (2, 3)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2  # once, not for each chunk and file
    assert any("read by uproot: s (strings)" in line for line in said)
    assert any("read by uproot: j, v (several numbers per entry)" in line for line in said)
    with open_source(path, "variables") as source:
        source.read(["x"], 0, 4)
        assert source._uproot is None


def test_what_does_not_inflate_is_left_to_uproot(file, columns):
    codecs = Codecs()

    def broken(data, size):
        raise ValueError("cannot")

    codecs.functions[ZLIB] = broken
    with open_source(file, "variables", Options(codecs=codecs)) as source:
        assert_same(read_all(source), columns)
        assert "does not inflate by zlib: ValueError: cannot" in source.reasons["x"]


def test_a_short_result_is_noticed(file, columns):
    codecs = Codecs()
    inflate = codecs.functions[ZLIB]
    codecs.functions[ZLIB] = lambda data, size: inflate(data, size)[:-1]
    with open_source(file, "variables", Options(codecs=codecs)) as source:
        assert_same(read_all(source), columns)
        assert "bytes instead of" in source.reasons["x"]


@pytest.fixture
def second_basket(file):
    with open_uproot(str(file), "variables") as source:
        return int(build(source.model).branches[0].seeks[1])


def change(file, position, what):
    content = bytearray(file.read_bytes())
    content[position : position + len(what)] = what
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("where", "said"), [(0, "unusual basket key"), (8, "basket with offsets or of unusual size")]
)  # fNbytes and fObjlen: uproot does not need them, and zlib's checksum guards the content
def test_unusual_header_that_uproot_can_read(file, columns, second_basket, where, said):
    change(file, second_basket + where, b"\x7f")
    with open_source(file, "variables") as source:
        assert_same(read_all(source), columns)
        assert source.reasons == {"x": said}


def test_damaged_header_names_the_basket(file, second_basket):
    change(file, second_basket + 15, b"\x7f")  # fKeylen
    with open_source(file, "variables") as source, pytest.raises(InputError) as caught:
        read_all(source)
    assert "branch 'x', entries 200 to 400" in caught.value.where


def test_switched_off(file, columns):
    with open_source(file, "variables", Options(fast=False)) as source:
        assert isinstance(source, UprootSource)
        assert_same(read_all(source), columns)


def test_rntuple_says_why(tmp_path, columns):
    path = tmp_path / "r.root"
    with uproot.recreate(path) as file:
        file.mkrntuple("variables", columns)
    with open_source(path, "variables") as source:
        assert set(source.reasons.values()) == {"an RNTuple"}
        assert_same(read_all(source), columns)


def embedded(path):
    """Make the last basket of every branch one inside of the metadata, as after a crash of the writer."""
    with open_uproot(str(path), "variables") as source:
        index = build(source.model)
        parts = []
        for branch, baskets in zip(source.model.branches, index.branches, strict=True):
            last = bytes(branch.basket(branch.num_baskets - 1).data)
            parts.append(Baskets(baskets.dtype, baskets.seeks[:-1], baskets.sizes[:-1], baskets.entries, (last,)))
    return TreeIndex(index.entries, index.names, tuple(parts))


@pytest.mark.parametrize("step", [30, 200, 1050])
def test_embedded_baskets(file, columns, step):
    index = embedded(file)
    index = _unpack(_pack({}, index))[1]
    branches = dict(zip(index.names, index.branches, strict=True))
    with contextlib.closing(MappedFile(file)) as storage:
        reader = BasketFile(storage, Codecs())
        parts = [reader.read(branches, start, min(start + step, 1050), None) for start in range(0, 1050, step)]
        reader.close()
    assert_same({name: np.concatenate([part[name] for part in parts]) for name in columns}, columns)


def fake_branch(**changes):
    interpretation = type("AsDtype", (), {"from_dtype": np.dtype(">f8"), "to_dtype": np.dtype("f8")})()
    members = {"fBasketSeek": np.array([100, 0]), "fBasketBytes": np.array([50, 0])}
    basket = SimpleNamespace(byte_offsets=None, data=np.zeros(16, np.uint8))
    default = {
        "interpretation": interpretation,
        "has_member": lambda name: name in members,
        "member": members.__getitem__,
        "_num_normal_baskets": 1,
        "num_baskets": 2,
        "embedded_baskets": [basket],
        "entry_offsets": [0, 4, 6],
    }
    return SimpleNamespace(**{**default, **changes})


def test_embedded_baskets_of_uproots_branch():
    baskets = baskets_of(fake_branch())
    assert baskets.seeks.tolist() == [100]
    assert baskets.embedded == (bytes(16),)
    assert baskets.entries.tolist() == [0, 4, 6]
    offsets = SimpleNamespace(byte_offsets=np.arange(3), data=np.zeros(16, np.uint8))
    assert baskets_of(fake_branch(embedded_baskets=[offsets])) == "embedded baskets with offsets"
    assert baskets_of(fake_branch(entry_offsets=[0, 4, 7])) == "unusual embedded baskets"
    assert baskets_of(fake_branch(entry_offsets=[0, 7, 6])) == "unusual basket table"


# --- the stored index ---


@pytest.fixture
def store(tmp_path):
    return IndexStore(tmp_path / "index")


def load(store, file, tree):
    with contextlib.closing(MappedFile(file)) as storage:
        return store.load(storage, tree)


def test_second_opening_needs_no_uproot(file, columns, store, monkeypatch):
    with open_source(file, "variables", Options(store=store)) as source:
        first = source.index
    monkeypatch.setattr(opening, "open_uproot", None)
    with open_source(file, "variables", Options(store=store)) as source:
        assert_same(read_all(source), columns)
        assert source.index.names == first.names
        assert len(list(store.folder.iterdir())) == 1


def test_index_of_a_changed_file_is_not_used(file, store, tmp_path):
    with open_source(file, "variables", Options(store=store)):
        pass
    assert load(store, file, "variables") is not None
    assert load(store, file, "other") is None
    with open_uproot(str(file), "variables") as source:
        seek = int(source.model.parent.fSeekKey)
    content = file.read_bytes()
    for position in (seek + 200, 40):  # the tree's metadata, the file's header
        broken = bytearray(content)
        broken[position] ^= 1
        file.write_bytes(broken)
        assert load(store, file, "variables") is None
    file.write_bytes(content)
    assert load(store, file, "variables") is not None
    moved = tmp_path / "moved.root"
    file.rename(moved)
    write(file, make_columns(1050, seed=2))
    with open_source(file, "variables", Options(store=store)) as source:
        assert_same(read_all(source), make_columns(1050, seed=2))


def same_size_and_time(path, content):
    """Rewrite a file so that neither its size nor its time tells."""
    before = path.stat()
    assert len(content) <= before.st_size
    path.write_bytes(content.ljust(before.st_size, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_size_and_time_do_not_tell_a_file_from_another(tmp_path, store):
    columns = make_columns(1050)
    path = write(tmp_path / "a.root", columns, basket=100)
    other = make_columns(1050, seed=2)
    for basket, content in ((100, columns), (350, other), (300, columns)):
        if basket != 100:
            same_size_and_time(path, write(tmp_path / "b.root", content, basket=basket).read_bytes())
        for _ in range(2):
            with open_source(path, "variables", Options(store=store)) as source:
                assert_same(read_all(source), content)


def test_index_does_not_hide_new_data_behind_old_metadata(tmp_path, store):
    columns = {"x": np.arange(100.0)}
    path = write(tmp_path / "a.root", columns, compression=uproot.ZLIB(0))
    with open_source(path, "variables", Options(store=store)) as source:
        assert_same(read_all(source), columns)
    content = path.read_bytes()
    new = columns["x"] + 1
    same_size_and_time(path, content.replace(columns["x"].astype(">f8").tobytes(), new.astype(">f8").tobytes()))
    assert load(store, path, "variables") is not None  # the layout is as it was
    with open_source(path, "variables", Options(store=store)) as source:
        assert_same(read_all(source), {"x": new})


def test_newer_cycle_of_a_tree_is_noticed(tmp_path, store):
    path = write(tmp_path / "a.root", {"x": np.arange(10.0)})
    with open_source(path, "variables", Options(store=store)) as source:
        assert_same(read_all(source), {"x": np.arange(10.0)})
    with uproot.update(path) as file:
        file.mktree("variables", {"x": "f8"})
        file["variables"].extend({"x": np.arange(5.0)})
    with open_source(path, "variables", Options(store=store)) as source:
        assert_same(read_all(source), {"x": np.arange(5.0)})


def test_damaged_index_is_not_used(file, columns, store):
    for damage in (lambda raw: raw[:-1], lambda raw: raw[:0], lambda raw: raw[:60] + b"\0" + raw[61:]):
        with open_source(file, "variables", Options(store=store)):
            (path,) = store.folder.iterdir()
        path.write_bytes(damage(path.read_bytes()))
        assert load(store, file, "variables") is None
        with open_source(file, "variables", Options(store=store)) as source:
            assert_same(read_all(source), columns)


def test_store_that_cannot_be_written_costs_time_only(file, columns, tmp_path):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, not a folder")
    with open_source(file, "variables", Options(store=IndexStore(blocked))) as source:
        assert_same(read_all(source), columns)


def test_index_keeps_what_uproot_must_read(tmp_path, store):
    path = tmp_path / "s.root"
    with uproot.recreate(path) as file:
        file.mktree("variables", {"s": "string", "x": "f8"})
        file["variables"].extend({"s": ["a", "bb"], "x": [1.0, 2]})
    for _ in range(2):
        with open_source(path, "variables", Options(store=store)) as source:
            found = source.read(["s", "x"], 0, 2)
            assert found["s"].tolist() == ["a", "bb"]
            assert source.reasons == {"s": "strings"}


def test_damage_behind_a_plain_basket_that_two_chunks_share(tmp_path):
    rng = np.random.default_rng(1)
    columns = {"x": np.concatenate([rng.normal(size=300), np.zeros(300)])}
    path = write(tmp_path / "p.root", columns)
    with open_uproot(str(path), "variables") as source:
        baskets = build(source.model).branches[0]
        assert source.model["x"].basket(0).block_compression_info is None  # random numbers do not compress
    change(path, int(baskets.seeks[1] + baskets.sizes[1]) - 30, b"\xff\x00\xff")
    with pytest.raises(InputError) as caught:
        list(iterate([path], "variables", {"x": "x"}, step=150))
    assert "branch 'x', entries 200 to 400" in caught.value.where
