"""Bytes of files: local ones memory-mapped, remote ones in ranges through fsspec.

A memory map shows the file as it is at the moment of looking. What is read lies between two looks at size, time and
identity of the file, and a change is an error. Only a file that is cut short in the milliseconds between them ends the
process: the system answers by SIGBUS, which Python cannot catch; the command then prints where it was (`faulthandler`).
Write ntuples to another name and rename them, as basf2's grid tools do, and this never happens.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.errors import InputError

Positions = NDArray[np.int64]
Bytes = NDArray[np.uint8]

# A gap between two ranges that is cheaper to read than to ask anew for what is behind it: a round trip of
# 10 ms at 100 MB/s would be 1 MB; less where many ranges are asked for at once.
GAP = 128 * 1024


def is_remote(path: str) -> bool:
    """Whether ``path`` is a URL (``root://``, ``https://`` …) rather than a local file."""
    return "://" in path and not path.startswith("file://")


def gather(data: Bytes, positions: Positions, width: int) -> Bytes:
    """Return the bytes at each position, one row each."""
    if len(positions) == 0:
        return np.empty((0, width), np.uint8)
    windows: Bytes = np.ndarray((len(data) - width + 1, width), np.uint8, data, strides=(1, 1))
    return windows[positions]


class Storage(Protocol):
    """The bytes of one file."""

    path: str
    size: int

    def at(self, position: int, size: int) -> memoryview:
        """Return bytes at a position, fewer at the end of the file."""

    def fetch(self, starts: Positions, sizes: Positions) -> tuple[Bytes, Positions]:
        """Return a buffer that holds these ranges of the file, and where in it each begins."""

    def check(self, where: str, *, last: bool = False) -> None:
        """Check that the file is still the one that was opened; a remote one only at the end, the ``last`` time.

        Raises
        ------
        InputError
            It changed.
        """

    def release(self) -> None:
        """Give memory back that is not needed before the next range of entries."""

    def close(self) -> None:
        """Close the file."""


class MappedFile:
    """A local file, memory-mapped."""

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        # closed by the stack that the opener keeps; kept open so that the file behind the map can be looked at
        self._handle = Path(path).open("rb")  # noqa: SIM115
        self._stamp = _stamp(os.fstat(self._handle.fileno()))
        self._map = mmap.mmap(self._handle.fileno(), 0, access=mmap.ACCESS_READ)
        self._view = memoryview(self._map)
        self._bytes = np.frombuffer(self._map, np.uint8)
        self.size = len(self._map)

    def at(self, position: int, size: int) -> memoryview:
        """See `Storage.at`."""
        return self._view[position : position + size]

    def fetch(self, starts: Positions, sizes: Positions) -> tuple[Bytes, Positions]:  # noqa: ARG002 - all is there
        """See `Storage.fetch`."""
        return self._bytes, starts

    def check(self, where: str, *, last: bool = False) -> None:  # noqa: ARG002 - the common signature
        """See `Storage.check`; also by name, as uproot and the provenance open the file again."""
        try:
            same = _stamp(os.fstat(self._handle.fileno())) == self._stamp == _stamp(os.stat(self.path))  # noqa: PTH116
        except OSError:
            same = False
        if not same:
            raise _changed(self.path, where)

    def release(self) -> None:
        """See `Storage.release`: without it, memory would grow with the file."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """See `Storage.close`."""
        self._handle.close()
        del self._bytes
        # The traceback of an error on its way up may still hold a piece of the map; it is then unmapped with that.
        with contextlib.suppress(BufferError):
            self._view.release()
            self._map.close()


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class RemoteFile:
    """A file behind a URL, read in ranges through fsspec: near ones together, all of a call at once.

    Parameters
    ----------
    url
        Of any protocol that fsspec knows and that serves ranges of bytes.

    Raises
    ------
    ImportError
        fsspec lacks the library of the protocol.
    OSError
        The file is out of reach, or its size is not told.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        self.path = url
        self._files, self._name = fsspec.core.url_to_fs(url)
        self._stamp = self._look()
        self.size = int(self._stamp[0])
        # ranges at hand, in order and apart from each other
        self._ranges: list[tuple[int, bytes]] = []

    def _look(self) -> tuple[Any, ...]:
        about = self._files.info(self._name)
        if not isinstance(about.get("size"), int):
            raise OSError("the server does not tell the size of the file")
        return about["size"], *(about.get(key) for key in ("ETag", "mtime", "LastModified"))

    def at(self, position: int, size: int) -> memoryview:
        """See `Storage.at`."""
        size = min(size, self.size - position)
        return memoryview(self._read([(position, position + size)])[0]) if size > 0 else memoryview(b"")

    def fetch(self, starts: Positions, sizes: Positions) -> tuple[Bytes, Positions]:
        """See `Storage.fetch`."""
        stops = starts + sizes
        ranges = _joined([(start, start + len(content)) for start, content in self._ranges], starts, stops)
        if any(one[1] > other[0] for one, other in itertools.pairwise(ranges)):
            self._ranges = []  # in a damaged file: baskets that overlap
            ranges = _joined([], starts, stops)
        number = np.searchsorted([start for start, _ in ranges], starts, "right") - 1
        held = dict(self._ranges)
        missing = [range_ for range_ in ranges if range_[0] not in held]
        held |= {start: content for (start, _), content in zip(missing, self._read(missing), strict=True)}
        self._ranges = [(start, held[start]) for start, _ in ranges]
        begins, ends = np.array(ranges, np.int64).reshape(-1, 2).T
        shifts = np.cumsum(ends - begins) - ends
        return np.frombuffer(b"".join(content for _, content in self._ranges), np.uint8), starts + shifts[number]

    def _read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        if not ranges:
            return []
        begins, ends = zip(*ranges, strict=True)
        contents: list[bytes] = self._files.cat_ranges([self._name] * len(ranges), list(begins), list(ends))
        for (start, stop), content in zip(ranges, contents, strict=True):
            if len(content) != stop - start:
                raise OSError(f"{len(content)} bytes instead of {stop - start}: the server does not serve ranges")
        return contents

    def check(self, where: str, *, last: bool = False) -> None:
        """See `Storage.check`."""
        if last and self._look() != self._stamp:
            raise _changed(self.path, where)

    def release(self) -> None:
        """See `Storage.release`."""
        self._ranges = []

    def close(self) -> None:
        """See `Storage.close`."""
        self._ranges = []


def _changed(path: str, where: str) -> InputError:
    return InputError(
        "The file was changed while it was read.",
        file=path,
        where=where,
        remedy="wait until the file is complete, then start again",
    )


def _joined(held: Sequence[tuple[int, int]], starts: Positions, stops: Positions) -> list[tuple[int, int]]:
    """Return the ranges at hand and those to be read, apart from each other, that cover all that is wanted."""
    inside = np.zeros(len(starts), bool)
    for start, stop in held:
        inside |= (starts >= start) & (stops <= stop)
    begins = sorted(start for start, _ in held)
    new: list[tuple[int, int]] = []
    for start, stop in sorted(zip(starts[~inside].tolist(), stops[~inside].tolist(), strict=True)):
        # never across what is at hand
        near = new and start <= new[-1][1] + GAP and bisect.bisect(begins, start) == bisect.bisect(begins, new[-1][0])
        if near:
            new[-1] = new[-1][0], max(new[-1][1], stop)
        else:
            new.append((start, stop))
    return sorted([*held, *new])
