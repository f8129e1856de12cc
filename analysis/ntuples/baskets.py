"""Reading the baskets of flat branches.

A basket is a key (sizes, names), a few numbers about its content, and the compressed content itself:

====================  =========================================================================
at ``seek``           fNbytes i4, fVersion i2, fObjlen i4, fDatime u4, fKeylen i2 (TKey)
up to ``fKeylen``     …, fVersion i2, fBufferSize i4, fNevBufSize i4, fNevBuf i4, fLast i4, flag
behind                blocks of `analysis.ntuples.codec`, or the plain content
====================  =========================================================================

(ROOT, tree/tree/src/TBasket.cxx and io/io/src/TKey.cxx.) The headers of all baskets of a chunk are parsed at once by
numpy; what is left per basket is one call of the inflating function. Whatever is not as expected is a `Surprise`, and
the caller asks uproot.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.ntuples.codec import HEADER, NAMES, PLAIN, SEVERAL, UNKNOWN, ZLIB, Codecs, parse_headers
from analysis.ntuples.index import Baskets
from analysis.ntuples.storage import Storage, gather

Array = NDArray[Any]

_NONE = np.empty(0, np.int64)
_KEY = 16  # bytes of the key's beginning, up to fKeylen
_TAIL = 19  # bytes about the content, at the end of the key


class Surprise(Exception):
    """A branch is not as the fast path expects, in a range of entries; uproot decides what it is."""

    def __init__(self, name: str, start: int, stop: int, reason: str) -> None:
        super().__init__(reason)
        self.name, self.start, self.stop, self.reason = name, start, stop, reason


@dataclass
class Counters:
    """What reading did so far.

    Attributes
    ----------
    packed, unpacked
        Bytes of the baskets' content in the files, and inflated.
    inflate
        Seconds inside the codecs.
    by_uproot
        Branches that were read by uproot, and why.
    """

    packed: int = 0
    unpacked: int = 0
    inflate: float = 0.0
    by_uproot: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Request:
    """The baskets of one branch that a chunk needs.

    Attributes
    ----------
    name, baskets
        The branch.
    numbers, in_file : (n,), (m,) int64
        Positions in its table, of all that are needed and of those in the file.
    take
        Which entries of these baskets, one behind the other, are wanted.
    """

    name: str
    baskets: Baskets
    numbers: NDArray[np.int64]
    in_file: NDArray[np.int64]
    take: slice | NDArray[np.int64]


class _Blocks(NamedTuple):
    """Where in a buffer the content of baskets lies: for each its codec, range of bytes, and size when inflated."""

    codes: NDArray[np.int64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    sizes: NDArray[np.int64]


class _Listed(NamedTuple):
    """The same of one branch, as lists: quicker to go through one by one."""

    codes: list[int]
    starts: list[int]
    stops: list[int]
    sizes: list[int]


class BasketFile:
    """A ROOT file from which ranges of entries of flat branches are read.

    Parameters
    ----------
    storage
        Its bytes.
    codecs
        How to inflate.
    counters
        Added to while reading.
    """

    def __init__(self, storage: Storage, codecs: Codecs, counters: Counters | None = None) -> None:
        self.storage = storage
        self.codecs = codecs
        self.counters = counters if counters is not None else Counters()
        # name -> (number, content) of the last basket of a chunk, if the next chunk needs it too
        self._last: dict[str, tuple[int, Any]] = {}

    def close(self) -> None:
        """Drop what was kept for the next chunk."""
        self._last.clear()

    def read(self, branches: Mapping[str, Baskets], start: int, stop: int, rows: Array | None) -> dict[str, Array]:
        """Return entries ``start`` to ``stop`` of branches, or some of their rows.

        Parameters
        ----------
        branches
            Name -> baskets.
        start, stop
            Range of entries, half open, within the tree.
        rows : (k,) int, optional
            Positions within the range, rising. Baskets without any of them are not inflated.

        Returns
        -------
        Name -> (k,) or (stop − start,) array in native byte order.

        Raises
        ------
        Surprise
            A basket is not as expected.
        """
        requests = _requests(branches, start, stop, rows)
        blocks, view = self._locate(requests)
        codes, starts, stops, sizes = (field.tolist() for field in blocks)
        columns: dict[str, Array] = {}
        position = 0
        for request in requests:
            part = slice(position, position + len(request.in_file))
            position = part.stop
            listed = _Listed(codes[part], starts[part], stops[part], sizes[part])
            columns[request.name] = self._column(request, listed, view, stop)
        return columns

    def _locate(self, requests: Sequence[_Request]) -> tuple[_Blocks, memoryview]:
        """Parse the headers of all baskets that the requests need; return where the content lies, and the buffer."""
        tables = [(request.baskets, request.in_file) for request in requests]
        seeks = _concatenate([baskets.seeks[numbers] for baskets, numbers in tables])
        sizes = _concatenate([baskets.sizes[numbers] for baskets, numbers in tables])
        counts = _concatenate([baskets.entries[numbers + 1] - baskets.entries[numbers] for baskets, numbers in tables])
        widths = np.repeat([baskets.dtype.itemsize for baskets, _ in tables], [len(n) for _, n in tables])

        good = (seeks >= 0) & (sizes >= _KEY + _TAIL) & (seeks + sizes <= self.storage.size)
        self._check(requests, good, "not in the file")
        data, starts = self.storage.fetch(seeks, sizes)
        stops = starts + sizes
        key = gather(data, starts, _KEY)
        content, key_bytes = _big(key, 6, 4), _big(key, 14, 2)
        good = (_big(key, 0, 4) == sizes) & (key_bytes >= _KEY + _TAIL) & (key_bytes <= sizes)
        self._check(requests, good, "unusual basket key")
        starts = starts + key_bytes
        tail = gather(data, starts - _TAIL, _TAIL)
        # content without a table of offsets behind it: as many bytes as entries have
        good = (content == counts * widths) & (_big(tail, 10, 4) == counts) & (_big(tail, 14, 4) - key_bytes == content)
        self._check(requests, good, "basket with offsets or of unusual size")

        packed = stops - starts
        codes = np.full(len(seeks), PLAIN, np.int64)
        pressed = np.flatnonzero(packed != content)
        self._check(requests, (packed == content) | (packed > HEADER), "no room for a block")
        codes[pressed], inside, unpacked = parse_headers(gather(data, starts[pressed], HEADER))
        several = pressed[(inside + HEADER != packed[pressed]) | (unpacked != content[pressed])]
        self._check(requests, codes != UNKNOWN, "unknown compression")
        starts[pressed] += HEADER
        starts[several] -= HEADER
        codes[several] = SEVERAL
        return _Blocks(codes, starts, stops, content), data.data

    @staticmethod
    def _check(requests: Sequence[_Request], good: NDArray[np.bool_], reason: str) -> None:
        if good.all():
            return
        bad = int(np.argmin(good))
        for request in requests:
            numbers = request.in_file
            if bad < len(numbers):
                entries = request.baskets.entries[numbers[bad] : numbers[bad] + 2]
                raise Surprise(request.name, int(entries[0]), int(entries[1]), reason)
            bad -= len(numbers)

    def _column(self, request: _Request, blocks: _Listed, view: memoryview, stop: int) -> Array:
        baskets, numbers = request.baskets, request.numbers
        native = baskets.dtype.newbyteorder("=")
        if len(numbers) == 0:
            return np.empty(0, native)
        parts = self._inflate(request, blocks, view)
        parts += [baskets.embedded[number - len(baskets.seeks)] for number in numbers[len(parts) :]]
        last = int(numbers[-1])
        if baskets.entries[last + 1] > stop:
            self._last[request.name] = (last, parts[-1])
        else:
            self._last.pop(request.name, None)
        content = np.frombuffer(parts[0] if len(parts) == 1 else b"".join(parts), baskets.dtype)
        array: Array = content[request.take].astype(native)
        return array

    def _inflate(self, request: _Request, blocks: _Listed, view: memoryview) -> list[Any]:
        """Inflate the baskets of one branch that lie in the file, the first perhaps left from the chunk before."""
        kept: list[Any] = []
        number, content = self._last.get(request.name, (-1, b""))
        if len(request.in_file) and number == request.in_file[0]:
            kept = [content]
        codes, starts, stops, sizes = (field[1:] for field in blocks) if kept else blocks
        functions = self.codecs.functions
        clock = time.perf_counter()
        try:
            if codes and codes.count(ZLIB) == len(codes):
                inflate = functions[ZLIB]
                parts = [inflate(view[a:b], n) for a, b, n in zip(starts, stops, sizes, strict=True)]
            else:
                parts = [functions[c](view[a:b], n) for c, a, b, n in zip(codes, starts, stops, sizes, strict=True)]
            whole = list(map(len, parts)) == sizes
        except Exception:  # any of the codecs' own errors; found again below, with its basket
            whole = False
        self.counters.inflate += time.perf_counter() - clock
        if not whole:
            raise self._damaged(request, len(kept), view, _Listed(codes, starts, stops, sizes))
        self.counters.packed += sum(stops) - sum(starts)
        self.counters.unpacked += sum(sizes)
        return kept + parts

    def _damaged(self, request: _Request, skip: int, view: memoryview, blocks: _Listed) -> Surprise:
        """Find the basket that does not inflate."""
        for number, code, a, b, size in zip(request.in_file[skip:], *blocks, strict=True):
            try:
                found = f"{len(self.codecs.functions[code](view[a:b], size))} bytes instead of {size}"
                if found.startswith(f"{size} "):
                    continue
            except Exception as error:  # whatever a codec raises
                found = f"{type(error).__name__}: {error}"
            entries = request.baskets.entries[number : number + 2]
            reason = f"a basket does not inflate by {NAMES[code]}: {found}"
            return Surprise(request.name, int(entries[0]), int(entries[1]), reason)
        entries = request.baskets.entries
        return Surprise(request.name, int(entries[0]), int(entries[-1]), "a basket inflates only sometimes")


def _requests(branches: Mapping[str, Baskets], start: int, stop: int, rows: Array | None) -> list[_Request]:
    """Return for every branch which baskets hold these rows, and where in them the rows are."""
    found: dict[int, tuple[NDArray[np.int64], slice | NDArray[np.int64]]] = {}
    requests = []
    for name, baskets in branches.items():
        key = id(baskets.entries)  # most often the branches of a file share one array
        if key not in found:
            found[key] = _place(baskets.entries, start, stop, rows)
        numbers, take = found[key]
        in_file = numbers[numbers < len(baskets.seeks)] if baskets.embedded else numbers
        requests.append(_Request(name, baskets, numbers, in_file, take))
    return requests


def _place(
    edges: NDArray[np.int64], start: int, stop: int, rows: Array | None
) -> tuple[NDArray[np.int64], slice | NDArray[np.int64]]:
    """Return the positions of the baskets that hold these rows, and the rows' positions in what these hold together."""
    if start == stop or (rows is not None and len(rows) == 0):
        return _NONE, slice(0)
    # The last of several baskets that begin at the same entry is the one with content.
    first = int(edges.searchsorted(start, "right")) - 1
    last = int(edges.searchsorted(stop, "left"))
    numbers = np.arange(first, last)
    if rows is None:
        begin = start - int(edges[first])
        return numbers, slice(begin, begin + stop - start)
    inside = rows.searchsorted(edges[first : last + 1] - start, "left")
    counts = np.diff(edges[first : last + 1])
    needed = inside[1:] > inside[:-1]
    # every row moves by the entries of the baskets before its own that are left out
    left_out = np.cumsum(np.where(needed, 0, counts))
    return numbers[needed], rows + (start - edges[first]) - np.repeat(left_out, np.diff(inside))


def _concatenate(arrays: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(arrays) if arrays else np.empty(0, np.int64)


def _big(table: NDArray[np.uint8], column: int, width: int) -> NDArray[np.int64]:
    """Read a big-endian number of 2 or 4 bytes from every row."""
    field = np.ascontiguousarray(table[:, column : column + width])
    return field.view(f">i{width}")[:, 0].astype(np.int64)
