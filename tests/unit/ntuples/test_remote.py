"""Remote files: ranges through fsspec, over HTTP from a server of our own, and fsspec's files in memory."""

import http.server
import itertools
import re
import threading

import fsspec
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import InputError
from analysis.ntuples.baskets import Counters
from analysis.ntuples.index import IndexStore
from analysis.ntuples.opening import BasketSource, Options, open_source
from analysis.ntuples.reader import iterate
from analysis.ntuples.source import DamagedFileError
from analysis.ntuples.storage import GAP, RemoteFile

from .conftest import make_columns, write


class Ranges(http.server.SimpleHTTPRequestHandler):
    """Serves ranges of bytes, which the standard library's handler does not."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        content = (self.server.folder / self.path.lstrip("/")).read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        self.server.requests.append(self.headers.get("Range"))
        if asked and self.server.serves_ranges:
            start, stop = int(asked[1]), int(asked[2]) + 1
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
            content = content[start:stop]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_HEAD(self):
        path = self.server.folder / self.path.lstrip("/")
        self.send_response(200 if path.exists() else 404)
        self.send_header("Content-Length", str(path.stat().st_size) if path.exists() else "0")
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    pytest.importorskip("aiohttp")  # of the extra `remote`
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    server.folder, server.requests, server.serves_ranges = tmp_path, [], True
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def read(url, columns, **options):
    names = {name: name for name in columns}
    chunks = list(iterate([url], "variables", names, options=Options(**options), step=400))
    return {name: np.concatenate([chunk.columns[name] for chunk in chunks]) for name in columns}


def assert_same(found, expected):
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_http_by_ranges(server, tmp_path):
    columns = make_columns(1050)
    write(tmp_path / "a.root", columns)
    assert_same(read(f"{server.url}/a.root", columns), columns)
    assert all(server.requests)  # never the whole file
    assert len(server.requests) < 12  # 36 baskets, headers and metadata: near ranges are asked for together


def test_http_with_a_cut_and_as_uproot_reads_it(server, tmp_path):
    columns = make_columns(1050)
    write(tmp_path / "a.root", columns)
    found = {}
    for fast in (True, False):
        (chunk,) = iterate(
            [f"{server.url}/a.root"], "variables", {n: n for n in columns}, cut="x > 1 and n in [1, 2]",
            options=Options(fast=fast),
        )  # fmt: skip
        found[fast] = chunk.columns
    mask = (columns["x"] > 1) & np.isin(columns["n"], [1, 2])
    assert_same(found[True], {name: array[mask] for name, array in columns.items()})
    assert_same(found[True], found[False])


def test_http_second_opening_reads_no_metadata_by_uproot(server, tmp_path, monkeypatch):
    columns = make_columns(1050)
    write(tmp_path / "a.root", columns)
    store = IndexStore(tmp_path / "index")
    url = f"{server.url}/a.root"
    assert_same(read(url, columns, store=store), columns)
    monkeypatch.setattr("analysis.ntuples.opening.read_index", None)
    assert_same(read(url, columns, store=store), columns)


def test_http_other_types_through_uproot(server, tmp_path):
    with uproot.recreate(tmp_path / "s.root") as file:
        file.mktree("variables", {"s": "string", "x": "f8"})
        file["variables"].extend({"s": ["a", "bb"], "x": [1.0, 2]})
    counters = Counters()
    names = {"s": "s", "x": "x"}
    (chunk,) = iterate([f"{server.url}/s.root"], "variables", names, counters=counters)
    assert chunk.columns["s"].tolist() == ["a", "bb"]
    assert chunk.columns["x"].tolist() == [1.0, 2.0]
    assert counters.by_uproot == {"s": "strings"}


def test_http_without_ranges_or_file_names_the_url(server, tmp_path):
    write(tmp_path / "a.root", make_columns(1050))
    with pytest.raises(DamagedFileError) as caught:
        read(f"{server.url}/b.root", ["x"])
    assert caught.value.file == f"{server.url}/b.root"
    server.serves_ranges = False
    with pytest.raises(DamagedFileError) as caught:
        read(f"{server.url}/a.root", ["x"])
    assert caught.value.file == f"{server.url}/a.root"


@pytest.fixture
def memory():
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()


def test_baskets_far_apart_are_read_alone(memory, tmp_path):
    """Large baskets: what lies between those wanted is not read."""
    rows = 4 * GAP // 8
    rng = np.random.default_rng(1)
    columns = {name: rng.normal(size=rows) for name in ("a", "b", "c")}
    path = write(tmp_path / "a.root", columns, basket=rows // 2)
    memory.pipe_file("/a.root", path.read_bytes())
    read_bytes = []
    original = RemoteFile._read

    def counted(self, ranges):
        read_bytes.extend(stop - start for start, stop in ranges)
        return original(self, ranges)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RemoteFile, "_read", counted)
        with open_source("memory://a.root", "variables") as source:
            assert isinstance(source, BasketSource)
            assert_same(source.read(["a"], 0, rows), {"a": columns["a"]})
            assert sum(read_bytes) < 1.3 * columns["a"].nbytes
            assert_same(source.read(["a", "c"], 0, rows), {name: columns[name] for name in "ac"})
            assert sum(read_bytes) < 2.3 * columns["a"].nbytes  # what was at hand was not read again
            source.release()
            assert source._storage._ranges == []


def test_flipped_bit_in_a_remote_basket(memory, tmp_path):
    columns = make_columns(1050)
    content = bytearray(write(tmp_path / "a.root", columns).read_bytes())
    with open_source(tmp_path / "a.root", "variables") as source:
        baskets = source.index.branches[source.locate("x")]
    content[int(baskets.seeks[2] + baskets.sizes[2] - 30)] ^= 1
    memory.pipe_file("/bad.root", bytes(content))
    with pytest.raises(DamagedFileError) as caught:
        read("memory://bad.root", columns)
    assert "branch 'x', entries 400 to 600" in caught.value.where


def test_remote_file_that_changes(memory, tmp_path):
    columns = make_columns(1050)
    path = write(tmp_path / "a.root", columns)
    memory.pipe_file("/c.root", path.read_bytes())
    with open_source("memory://c.root", "variables") as source:
        source.read(["x"], 0, 100)
        memory.pipe_file("/c.root", path.read_bytes() + b"more")
        with pytest.raises(InputError, match="changed while it was read") as caught:
            source.finish()
    assert not isinstance(caught.value, DamagedFileError)


def test_connection_lost_while_reading(memory, tmp_path):
    memory.pipe_file("/d.root", write(tmp_path / "a.root", make_columns(1050)).read_bytes())
    with open_source("memory://d.root", "variables") as source:
        memory.store.clear()
        with pytest.raises(DamagedFileError) as caught:
            source.read(["x"], 0, 100)
    assert "entries 0 to 100" in caught.value.where


ranges = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 6)), max_size=12)


@settings(deadline=None)
@given(st.lists(ranges, min_size=1, max_size=4))
def test_any_ranges_are_what_the_file_holds(calls):
    content = np.random.default_rng(0).bytes(50 * GAP // 10)
    fsspec.filesystem("memory").pipe_file("/e.bin", content)
    file = RemoteFile("memory://e.bin")
    scale = GAP // 10
    for call in calls:
        starts = np.array([start * scale for start, _ in call], np.int64)
        sizes = np.array([size * scale for _, size in call], np.int64)
        buffer, places = file.fetch(starts, sizes)
        for start, size, place in zip(starts, sizes, places, strict=True):
            assert buffer[place : place + size].tobytes() == content[start : start + size]
    held = [(start, start + len(part)) for start, part in file._ranges]
    assert held == sorted(held)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(held))
