"""Objects as ROOT streams them: one after the other at a cursor, or many of the same layout at once.

An object begins with its byte count and the version of its class, and one that is held by a pointer with its class: by
name where the class first occurs, later by a reference to that place (ROOT, io/io/src/TBufferFile.cxx).
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.ntuples.storage import gather

BYTE_COUNT = 0x40000000
IS_REFERENCED = 1 << 4  # bit of a TObject that others point to: its process follows
NEW_CLASS = 0xFFFFFFFF
_CLASS_MASK = 0x80000000
_MAP_OFFSET = 2

I4, COUNT = struct.Struct(">i"), struct.Struct(">I")
_COUNT_VERSION = struct.Struct(">IH")
_NAMED = struct.Struct(">IHH4xI")  # byte count and version, then version and bits of a TObject
_ARRAY = struct.Struct(">IHH4xIBi4x")  # the same, length of the name, size, and the lower bound


class Unusual(Exception):
    """Something that only uproot understands."""


class Cursor:
    """A position in a buffer.

    Parameters
    ----------
    data
        The buffer.
    origin
        Bytes before it that references count: the key's length.

    Attributes
    ----------
    classes
        Reference -> name, of the classes met so far.
    """

    def __init__(self, data: memoryview, origin: int = 0) -> None:
        self.data = data
        self.position = 0
        self.origin = origin
        self.classes: dict[int, str] = {}

    def take(self, form: struct.Struct) -> tuple[Any, ...]:
        """Unpack what follows."""
        values = form.unpack_from(self.data, self.position)
        self.position += form.size
        return values

    def string(self) -> bytes:
        """Read a string."""
        length, start = self.data[self.position], self.position + 1
        if length == 255:
            (length,), start = I4.unpack_from(self.data, start), start + 4
        self.position = start + length
        if length < 0 or self.position > len(self.data):
            raise Unusual("a string is cut off")
        return bytes(self.data[start : self.position])

    def text(self) -> str:
        """Read a string as text."""
        return text(self.string())

    def open(self, version: int | None = None) -> int:
        """Read the byte count and version of an object; return its end."""
        count, found = self.take(_COUNT_VERSION)
        if not count & BYTE_COUNT or (version is not None and found != version):
            raise Unusual("an object of another version")
        return int(self.position - 2 + (count & ~BYTE_COUNT))

    def close(self, end: int) -> None:
        """Check that an object ended where its byte count says."""
        if self.position != end:
            raise Unusual("an object is longer or shorter than its byte count")

    def skip(self) -> None:
        """Skip an object."""
        self.position = self.open()

    def named(self) -> tuple[bytes, bytes]:
        """Read a TNamed; return name and title."""
        start = self.position
        count, *versions_and_bits = self.take(_NAMED)
        _check_object(1, count, *versions_and_bits)
        name, title = self.string(), self.string()
        self.close(start + 4 + (count & ~BYTE_COUNT))
        return name, title

    def class_at(self, position: int) -> str | None:
        """Return the class of the object whose byte count lies there; None for a reference to another object."""
        (tag,) = COUNT.unpack_from(self.data, position + 4)
        if tag != NEW_CLASS:
            return self.classes.get(tag)
        name = bytes(self.data[position + 8 : position + 88])
        name = name[: name.index(b"\0")]
        self.classes[_CLASS_MASK | position + 4 + self.origin + _MAP_OFFSET] = name.decode()
        return name.decode()

    def object_class(self) -> tuple[str, int] | None:
        """Read the class of the object that follows and return it with its end; None for a null pointer."""
        start = self.position
        (count,) = self.take(COUNT)
        if count == 0:
            return None
        if not count & BYTE_COUNT or count == NEW_CLASS:
            raise Unusual("an object without byte count")
        name = self.class_at(start)
        if name is None:
            raise Unusual("a reference to another object")
        (tag,) = self.take(COUNT)
        if tag == NEW_CLASS:
            self.position += len(name) + 1
        return name, start + 4 + (count & ~BYTE_COUNT)

    def object_array(self) -> int:
        """Read the beginning of a TObjArray without a name; return the number of its objects."""
        *beginning, letters, objects = self.take(_ARRAY)
        _check_object(3, *beginning)
        if letters:
            raise Unusual("a list with a name")
        return int(objects)


def text(string: bytes) -> str:
    """Decode a string; bytes that are no UTF-8 come back when it is encoded."""
    return string.decode(errors="surrogateescape")


def _check_object(expected: int, count: int, version: int, object_version: int, bits: int) -> None:
    """Check the beginning of an object that is a TObject first."""
    if not count & BYTE_COUNT or version != expected or object_version != 1 or bits & IS_REFERENCED:
        raise Unusual("an object of another version, or one that others point to")


Field = tuple[str, str] | tuple[str, str, int] | tuple[str, str, int, int]


def byte_count(name: str = "") -> Field:
    """Return the field of a byte count: one bit tells that it is one."""
    return name, ">u4", BYTE_COUNT, BYTE_COUNT


class Layout:
    """Fields that follow each other, some with a value that they always have.

    Parameters
    ----------
    fields
        Name (none where nobody asks), type, and for some the value, and which of its bits matter if not all do.

    Attributes
    ----------
    size
        Bytes.
    """

    def __init__(self, *fields: Field) -> None:
        self._dtype = np.dtype([(name, kind) for name, kind, *_ in fields])
        self.size = self._dtype.itemsize
        self._values, self._bits = np.zeros((2, self.size), np.uint8)
        self._offsets: dict[str, int] = {}
        position = 0
        for name, kind, *expected in fields:
            width = np.dtype(kind).itemsize
            value, bits = (*expected, (1 << 8 * width) - 1)[:2] if expected else (0, 0)
            for target, number in (self._values, value), (self._bits, bits):
                target[position : position + width] = list(number.to_bytes(width, "big"))
            self._offsets[name] = position
            position += width

    def read(self, data: memoryview, positions: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Read the fields at many positions.

        Parameters
        ----------
        data
            At least as long as the fields.
        positions : (n,) int

        Returns
        -------
        fields : (n,) structured
        usual : (n,) bool
            Where the fields lie within the data and have the values that they always have.
        """
        inside = positions.view(np.uint64) <= len(data) - self.size  # negative ones become very large
        raw = gather(np.frombuffer(data, np.uint8), np.where(inside, positions, 0), self.size)
        different = ((raw ^ self._values) & self._bits).any(axis=1)
        return raw.view(self._dtype)[:, 0], inside & ~different

    def end(self, name: str, fields: NDArray[Any], positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where the objects end whose byte count is the field of that name."""
        counts: NDArray[np.int64] = fields[name].astype(np.int64) & ~BYTE_COUNT
        return positions + self._offsets[name] + 4 + counts
