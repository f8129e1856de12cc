"""Inflating blocks by every library, and noticing what is wrong with them."""

import lzma
import zlib

import cramjam
import numpy as np
import pytest
import xxhash

from analysis.ntuples import codec
from analysis.ntuples.codec import LZ4, LZMA, SEVERAL, UNKNOWN, ZLIB, ZSTD, Codecs, parse_headers, zlib_library

CONTENT = b"Upsilon(4S) -> B+ B- " * 100


def header(letters, packed, unpacked):
    return letters + b"\x08" + packed.to_bytes(3, "little") + unpacked.to_bytes(3, "little")


def lz4(content):
    data = bytes(cramjam.lz4.compress_block(content, store_size=False))
    return xxhash.xxh64_digest(data) + data


PACKED = {
    ZLIB: (b"ZL", zlib.compress(CONTENT)),
    LZ4: (b"L4", lz4(CONTENT)),
    ZSTD: (b"ZS", bytes(cramjam.zstd.compress(CONTENT))),
    LZMA: (b"XZ", lzma.compress(CONTENT)),
}


@pytest.mark.parametrize("code", PACKED)
def test_every_codec(code):
    inflated = Codecs().functions[code](memoryview(PACKED[code][1]), len(CONTENT))
    assert bytes(inflated) == CONTENT


@pytest.mark.parametrize("library", codec.ZLIB_LIBRARIES)
def test_every_zlib_library_and_its_checksum(library):
    if library != "zlib":
        pytest.importorskip({"isal": "isal", "deflate": "deflate"}[library])
    name, inflate = zlib_library(library)
    data = bytearray(PACKED[ZLIB][1])
    assert name == library
    assert bytes(inflate(memoryview(data), len(CONTENT))) == CONTENT
    data[-1] ^= 1  # in the Adler-32
    with pytest.raises(Exception, match=r"(?i)check|data|-3|failed|corrupt"):
        inflate(memoryview(data), len(CONTENT))


def test_the_standard_library_stands_in(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(codec.importlib, "import_module", missing)
    name, inflate = zlib_library()
    assert name == "zlib"
    assert inflate(memoryview(PACKED[ZLIB][1]), len(CONTENT)) == CONTENT
    with pytest.raises(ImportError):
        zlib_library("isal")


def test_lz4_checksum():
    data = bytearray(PACKED[LZ4][1])
    data[12] ^= 1
    with pytest.raises(ValueError, match="checksum"):
        Codecs().functions[LZ4](memoryview(data), len(CONTENT))


def test_several_blocks_of_different_codecs():
    blocks = b"".join(header(letters, len(data), len(CONTENT)) + data for letters, data in PACKED.values())
    assert Codecs().functions[SEVERAL](memoryview(blocks), 4 * len(CONTENT)) == 4 * CONTENT


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        (b"ZL\x08\x01", "cut off"),
        (header(b"??", 1, 1) + b"x", "wrong header"),
        (header(b"ZL", 99, 1) + b"x", "wrong header"),
        (header(b"ZS", len(PACKED[ZSTD][1]), 7) + PACKED[ZSTD][1], r"(?i)inflates to|error|small"),
    ],
)
def test_wrong_blocks(blocks, said):
    with pytest.raises(Exception, match=said):
        Codecs().several(memoryview(blocks), 1)


def test_headers_of_many_blocks_at_once():
    rows = [header(b"ZL", 5, 2**24 - 1), header(b"L4", 300, 70_000), header(b"CS", 1, 2)]
    table = np.frombuffer(b"".join(rows), np.uint8).reshape(3, 9)
    codes, packed, unpacked = parse_headers(table)
    assert codes.tolist() == [ZLIB, LZ4, UNKNOWN]
    assert packed.tolist() == [5, 300, 1]
    assert unpacked.tolist() == [2**24 - 1, 70_000, 2]
