"""Opening a tree of a ROOT file by uproot and reading it, with errors that tell the place.

Every failure becomes an `InputError` that names the file and, as far as known, tree, branch and
entry range. uproot judges what a branch is; RNTuples are read like trees.
Damage inside a basket is noticed by the checksums of zlib and lz4; a basket that ROOT stored plain,
because compression gained nothing, has no checksum, and that of zstd is not switched on by ROOT.
"""

from __future__ import annotations

import contextlib
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import uproot
from numpy.typing import NDArray

from analysis.errors import InputError, nearest

Array = NDArray[Any]
Duplicates = Literal["error", "first", "last"]

# A corrupted file can raise anything inside uproot and the codecs: this is the boundary where
# whatever it was becomes an InputError, with the original behind it as its cause.
_ANYTHING = Exception


def is_remote(path: str) -> bool:
    """Whether ``path`` is a URL (``root://``, ``https://`` …) rather than a local file."""
    return "://" in path and not path.startswith("file://")


class Source:
    """One open tree (or RNTuple): the flat columns of one file.

    Use `open_source` to make one.

    Attributes
    ----------
    path, tree
        File and name of the tree.
    entries
        Number of rows.
    branches
        Names of the branches, in the file's order; a name that occurs twice is listed twice.
    """

    def __init__(self, path: str, tree: str, model: Any, duplicates: Duplicates) -> None:
        self.path = path
        self.tree = tree
        self.model = model
        self.entries = int(model.num_entries)
        if hasattr(model, "branches"):  # a TTree
            top = [(str(branch.name), branch) for branch in model.branches]
            nested = [name for name in model.keys(recursive=True) if "/" in name]
            self.branches = (*(name for name, _ in top), *nested)
            ordered = reversed(top) if duplicates == "first" else iter(top)
            self._top = dict(ordered)
        else:
            self.branches = tuple(model.keys())
            self._top = {}
        counts = Counter(self.branches)
        self._twice = {name for name, n in counts.items() if n > 1} if duplicates == "error" else {}

    def branch(self, name: str) -> Any:
        """Return uproot's branch (or field) of that name.

        Raises
        ------
        InputError
            There is none, or there are several and no choice was configured.
        """
        if name in self._twice:
            raise InputError(
                f"The tree has several branches named '{name}'.",
                file=self.path,
                where=f"tree '{self.tree}'",
                expected="one branch of that name",
                remedy="list the variable once in the steering file, or choose `duplicates: first` or `last`",
            )
        if name in self._top:
            return self._top[name]
        if name in self.branches:
            return self.model[name]
        raise InputError(
            f"The tree lacks the branch '{name}'.",
            file=self.path,
            where=f"tree '{self.tree}'",
            found=f"nearest branches: {nearest(name, self.branches)}",
            remedy="correct the name, or give the branch under `aliases:` of the sample",
        )

    def read(self, name: str, start: int, stop: int, rows: Array | None = None) -> Array:
        """Return the branch's entries ``start`` to ``stop``, or some of their rows.

        Parameters
        ----------
        name
            Name of the branch.
        start, stop
            Range of entries, half open.
        rows
            Positions within the range, rising; None: all.

        Returns
        -------
        (n,) array: the branch's own type in native byte order; objects for strings and lists.

        Raises
        ------
        InputError
            The branch is missing or its data are damaged.
        """
        branch = self.branch(name)
        if rows is not None and len(rows) == 0:
            stop = start  # nothing to inflate, but the type is needed
        options = {} if not hasattr(branch, "num_baskets") else {"array_cache": None}
        try:
            array = branch.array(entry_start=start, entry_stop=stop, library="np", **options)
        except _ANYTHING as error:
            raise self.damaged(name, start, stop, error) from error
        if len(array) != stop - start:
            raise self.damaged(name, start, stop, f"{len(array)} entries")
        array = np.asarray(array)
        if array.dtype.kind in "biuf":
            array = array.astype(array.dtype.newbyteorder("="), copy=False)
        return array if rows is None else array[rows]

    def damaged(self, name: str, start: int, stop: int, found: object) -> InputError:
        """Return the error that says that these entries cannot be read."""
        return InputError(
            f"The data of branch '{name}' cannot be read.",
            file=self.path,
            where=f"tree '{self.tree}', branch '{name}', entries {start} to {stop}",
            found=describe(found),
            remedy="the file is damaged, or of a kind that uproot does not know: copy or make it "
            "again, or leave it out",
        )


def describe(found: object) -> str:
    """Return one line about an exception or anything else."""
    if isinstance(found, BaseException):
        text = " ".join(str(found).split())
        return f"{type(found).__name__}: {text[:300]}" if text else type(found).__name__
    return str(found)


def check_file(path: str) -> None:
    """Check that a local file exists, is a ROOT file, and has all its bytes.

    Raises
    ------
    InputError
        It does not, is not, or has not.
    """
    file = Path(path.removeprefix("file://"))
    remedy = "copy the file again, or leave it out"
    if not file.exists():
        raise InputError("An input file does not exist.", file=path, remedy="correct the path")
    if not file.is_file():
        raise InputError("An input is not a file.", file=path, remedy="give the files inside, or a glob pattern")
    size = file.stat().st_size
    if size == 0:
        raise InputError("The file is empty (0 bytes).", file=path, remedy=remedy)
    with file.open("rb") as handle:
        head = handle.read(24)
    if head[:4] != b"root":
        raise InputError(
            "The file is not a ROOT file.",
            file=path,
            found=f"it begins with {head[:4]!r}",
            expected="b'root'",
            remedy="give ROOT files only",
        )
    end = 0
    if len(head) == 24:
        # TFile header: "root", fVersion, fBEGIN, fEND; fEND has 8 bytes in large files, which add
        # 1000000 to the version (ROOT, io/io/src/TFile.cxx).
        version = struct.unpack(">i", head[4:8])[0]
        end = struct.unpack(">q", head[12:20])[0] if version >= 1_000_000 else 0
        end = end or struct.unpack(">i", head[12:16])[0]
    if len(head) < 24 or end > size:
        raise InputError(
            "The file is truncated.",
            file=path,
            found=f"{size} bytes",
            expected=f"{end} bytes, says its header" if end else "a complete header",
            remedy=remedy,
        )


@contextlib.contextmanager
def open_source(path: str | Path, tree: str, duplicates: Duplicates = "error") -> Iterator[Source]:
    """Open a tree for reading.

    Parameters
    ----------
    path
        Local path or URL.
    tree
        Name of the TTree or RNTuple; of several cycles the latest is taken.
    duplicates
        What to do when a branch that occurs twice is read.

    Raises
    ------
    InputError
        The file cannot be opened or has no such tree.
    """
    path = str(path)
    if not is_remote(path):
        check_file(path)
    with contextlib.ExitStack() as stack:
        try:
            # As a dictionary, so that a colon in the path is not taken for the name of an object.
            file = stack.enter_context(uproot.open({path: None}, object_cache=None))
            classes = {
                name.split(";")[0]: kind
                for name, kind in file.classnames().items()
                if kind in ("TTree", "TNtuple", "TNtupleD", "TChain") or "RNTuple" in kind
            }
            model = file[tree] if tree in classes else None
            if model is not None:
                source = Source(path, tree, model, duplicates)
        except _ANYTHING as error:
            raise InputError(
                "The file cannot be opened.",
                file=path,
                where=f"tree '{tree}'",
                found=describe(error),
                remedy="the file is damaged or out of reach: copy it again, or leave it out",
            ) from error
        if model is None:
            raise InputError(
                f"The file has no tree '{tree}'.",
                file=path,
                found=f"trees: {', '.join(map(repr, sorted(classes))) or 'none'}",
                remedy="set `tree:` of the sample to one of them",
            )
        yield source
