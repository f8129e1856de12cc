"""Inflating ROOT's compressed blocks with the fastest library that is installed.

A block is a header of nine bytes (two letters for the algorithm, one for its method, three bytes each for the
compressed and the uncompressed size, little-endian) and its data (ROOT, core/zip/src/RZip.cxx). zlib blocks carry an
Adler-32, lz4 blocks an xxHash64 of the compressed data; both are verified.
"""

from __future__ import annotations

import functools
import importlib
import lzma
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER = 9
Inflate = Callable[[memoryview, int], Any]  # (compressed data without header, uncompressed size) -> bytes-like

PLAIN, ZLIB, LZ4, ZSTD, LZMA, SEVERAL, UNKNOWN = range(7)
NAMES = ("plain", "zlib", "lz4", "zstd", "lzma", "several blocks", "unknown")
# The two letters of the header, read as a little-endian number.
_LETTERS = {b"ZL": ZLIB, b"L4": LZ4, b"ZS": ZSTD, b"XZ": LZMA}
_CODES = {int.from_bytes(letters, "little"): code for letters, code in _LETTERS.items()}


def _deflate() -> Inflate:
    return importlib.import_module("deflate").zlib_decompress  # type: ignore[no-any-return]


def _isal() -> Inflate:
    decompress = importlib.import_module("isal.isal_zlib").decompress
    return lambda data, size: decompress(data, 15, size)


def _stdlib() -> Inflate:
    return lambda data, size: zlib.decompress(data, 15, size)


# In the order of preference: libdeflate, Intel's ISA-L, the standard library.
ZLIB_LIBRARIES: dict[str, Callable[[], Inflate]] = {"deflate": _deflate, "isal": _isal, "zlib": _stdlib}


def zlib_library(preferred: str | None = None) -> tuple[str, Inflate]:
    """Return the name and the function of the fastest zlib that is installed, or of a preferred one.

    Raises
    ------
    ImportError
        The preferred library is not installed.
    """
    names = [preferred] if preferred else list(ZLIB_LIBRARIES)
    for name in names:
        try:
            return name, ZLIB_LIBRARIES[name]()
        except ImportError:
            if preferred:
                raise
    raise AssertionError("the standard library has zlib")  # pragma: no cover


def _at_first_use(make: Callable[[], Inflate]) -> Inflate:
    """Return a codec whose library is imported when a file needs it."""
    made = functools.cache(make)
    return lambda data, size: made()(data, size)


def _lz4() -> Inflate:
    # uproot requires both.
    decompress = importlib.import_module("cramjam").lz4.decompress_block
    digest = importlib.import_module("xxhash").xxh64_intdigest

    def inflate(data: memoryview, size: int) -> Any:
        if digest(data[8:]) != int.from_bytes(data[:8], "big"):
            raise ValueError("the checksum of an lz4 block is wrong")
        return decompress(data[8:], output_len=size)

    return inflate


def _zstd() -> Inflate:
    decompress = importlib.import_module("cramjam").zstd.decompress
    return lambda data, size: decompress(data, output_len=size)


class Codecs:
    """The functions that inflate, by code; made once per process or test."""

    def __init__(self, zlib_preferred: str | None = None) -> None:
        self.zlib, inflate = zlib_library(zlib_preferred)
        self.functions: dict[int, Inflate] = {
            PLAIN: lambda data, size: data,  # noqa: ARG005 - the common signature
            ZLIB: inflate,
            LZ4: _at_first_use(_lz4),
            ZSTD: _at_first_use(_zstd),
            LZMA: lambda data, size: lzma.decompress(data),  # noqa: ARG005
            SEVERAL: self.several,
        }

    def several(self, data: memoryview, size: int) -> bytes:  # noqa: ARG002 - the common signature
        """Inflate consecutive blocks, headers included: ROOT splits what exceeds 16 MB."""
        parts = []
        position = 0
        while position < len(data):
            header = np.frombuffer(data[position : position + HEADER], np.uint8)
            if len(header) < HEADER:
                raise ValueError("a block's header is cut off")
            code, packed, unpacked = (int(field[0]) for field in parse_headers(header[None]))
            position += HEADER
            if code not in self.functions or position + packed > len(data):
                raise ValueError(f"a block has a wrong header: {header.tobytes()!r}")
            part = self.functions[code](data[position : position + packed], unpacked)
            if len(part) != unpacked:
                raise ValueError(f"a block inflates to {len(part)} bytes instead of {unpacked}")
            parts.append(part)
            position += packed
        return b"".join(parts)


def parse_headers(headers: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Parse block headers.

    Parameters
    ----------
    headers : (n, 9) uint8

    Returns
    -------
    codes, compressed, uncompressed : (n,) int64
        `UNKNOWN` where the letters are none of ours; sizes in bytes, without the header.
    """
    bytes_ = headers.astype(np.int64)
    letters = bytes_[:, 0] | bytes_[:, 1] << 8
    codes = np.full(len(headers), UNKNOWN, np.int64)
    for value, code in _CODES.items():
        codes[letters == value] = code
    compressed = bytes_[:, 3] | bytes_[:, 4] << 8 | bytes_[:, 5] << 16
    uncompressed = bytes_[:, 6] | bytes_[:, 7] << 8 | bytes_[:, 8] << 16
    return codes, compressed, uncompressed
