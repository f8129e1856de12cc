"""Opening a tree of a ROOT file by uproot and reading it, with errors that tell the place.

Every failure becomes an `InputError` that names the file and, as far as known, tree, branch and
entry range. uproot judges what a branch is; RNTuples are read like trees.
Damage inside a basket is noticed by the checksums of zlib and lz4; a basket that ROOT stored plain,
because compression gained nothing, has no checksum, and that of zstd is not switched on by ROOT.
"""

from __future__ import annotations

import contextlib
import struct
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analysis.errors import InputError, nearest
from analysis.ntuples.storage import is_remote

Array = NDArray[Any]
Duplicates = Literal["error", "first", "last"]

# A corrupted file can raise anything inside uproot and the codecs: this is the boundary where
# whatever it was becomes an InputError, with the original behind it as its cause.
_ANYTHING = Exception


class DamagedFileError(InputError):
    """A file, rather than what was asked of it, is at fault: it may be left out if the user chose so."""


class Source(ABC):
    """One open tree (or RNTuple): the flat columns of one file.

    Use `open_source` of `analysis.ntuples.opening` to make one.

    Attributes
    ----------
    path, tree
        File and name of the tree.
    entries
        Number of rows.
    branches
        Names of the branches, in the file's order; a name that occurs twice is listed twice.
    reasons
        Branch -> why it is read by uproot rather than by the fast path.
    """

    def __init__(self, path: str, tree: str, entries: int, branches: Sequence[str], duplicates: Duplicates) -> None:
        self.path = path
        self.tree = tree
        self.entries = entries
        self.branches = tuple(branches)
        self.reasons: dict[str, str] = {}
        numbered = list(enumerate(self.branches))
        self._position = {name: n for n, name in (reversed(numbered) if duplicates == "first" else numbered)}
        counts = Counter(self.branches) if duplicates == "error" else Counter[str]()
        self._twice = {name for name, n in counts.items() if n > 1}

    def locate(self, name: str) -> int:
        """Return the position of a branch in `branches`.

        Raises
        ------
        InputError
            There is none of that name, or there are several and no choice was configured.
        """
        if name in self._twice:
            raise InputError(
                f"The tree has several branches named '{name}'.",
                file=self.path,
                where=f"tree '{self.tree}'",
                expected="one branch of that name",
                remedy="list the variable once in the steering file, or choose `duplicates: first` or `last`",
            )
        if name not in self._position:
            raise InputError(
                f"The tree lacks the branch '{name}'.",
                file=self.path,
                where=f"tree '{self.tree}'",
                found=f"nearest branches: {nearest(name, self.branches)}",
                remedy="correct the name, or give the branch under `aliases:` of the sample",
            )
        return self._position[name]

    @abstractmethod
    def read(self, names: Collection[str], start: int, stop: int, rows: Array | None = None) -> dict[str, Array]:
        """Return entries ``start`` to ``stop`` of some branches, or some of their rows.

        Parameters
        ----------
        names
            Names of branches.
        start, stop
            Range of entries, half open.
        rows : (k,) int, optional
            Positions within the range, rising; default: all.

        Returns
        -------
        Name -> (k,) or (stop − start,) array: the branch's own type in native byte order; objects for strings and
        lists.

        Raises
        ------
        InputError
            A branch is missing or its data are damaged.
        """

    def release(self) -> None:  # noqa: B027 - uproot has nothing to do
        """Give back memory that is not needed before the next call of `read`."""

    def finish(self) -> None:  # noqa: B027 - uproot has nothing to do
        """Check, when all was read, that the file is still the one that was opened."""

    def damaged(self, name: str, start: int, stop: int, found: object) -> DamagedFileError:
        """Return the error that says that these entries cannot be read."""
        return DamagedFileError(
            f"The data of branch '{name}' cannot be read.",
            file=self.path,
            where=f"tree '{self.tree}', branch '{name}', entries {start} to {stop}",
            found=describe(found),
            remedy="the file is damaged, or of a kind unknown to uproot: copy or make it again, or leave it out",
        )


class UprootSource(Source):
    """A tree read by uproot alone: any type of branch, local or remote; the specification of the fast path."""

    def __init__(self, path: str, tree: str, model: Any, duplicates: Duplicates) -> None:
        self.model = model
        self.is_tree = hasattr(model, "branches")  # rather than an RNTuple
        top = list(model.branches) if self.is_tree else []
        names = [str(branch.name) for branch in top]
        if any(len(branch.branches) for branch in top):
            names += [name for name in model.keys(recursive=True) if "/" in name]
        super().__init__(path, tree, int(model.num_entries), names if self.is_tree else list(model.keys()), duplicates)
        self._top = top

    def read(self, names: Collection[str], start: int, stop: int, rows: Array | None = None) -> dict[str, Array]:
        """See `Source.read`."""
        return {name: self._read(name, start, stop, rows) for name in names}

    def _read(self, name: str, start: int, stop: int, rows: Array | None) -> Array:
        position = self.locate(name)
        branch = self._top[position] if position < len(self._top) else self.model[name]
        if rows is not None and len(rows) == 0:
            stop = start  # nothing to inflate, but the type is needed
        options = {"array_cache": None} if self.is_tree else {}
        try:
            array = branch.array(entry_start=start, entry_stop=stop, library="np", **options)
        except _ANYTHING as error:
            raise self.damaged(name, start, stop, error) from error
        if not isinstance(array, np.ndarray):
            raise InputError(
                f"Branch '{name}' is not a column: it has branches of its own.",
                file=self.path,
                where=f"tree '{self.tree}'",
                found=f"as {type(array).__name__} of {len(array)}",
                remedy="give one of its branches, written with a slash: 'branch/leaf'",
            )
        if len(array) != stop - start:
            raise self.damaged(name, start, stop, f"{len(array)} entries")
        array = np.asarray(array)
        if array.dtype.kind in "biuf":
            array = array.astype(array.dtype.newbyteorder("="), copy=False)
        return array if rows is None else array[rows]


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
        raise DamagedFileError("The file is empty (0 bytes).", file=path, remedy=remedy)
    with file.open("rb") as handle:
        head = handle.read(24)
    if head[:4] != b"root":
        raise DamagedFileError(
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
        raise DamagedFileError(
            "The file is truncated.",
            file=path,
            found=f"{size} bytes",
            expected=f"{end} bytes, says its header" if end else "a complete header",
            remedy=remedy,
        )


@contextlib.contextmanager
def reported(path: str, where: str | None = None) -> Iterator[None]:
    """Turn whatever is raised while a file is opened into an `InputError`."""
    try:
        yield
    except ImportError as error:
        raise InputError(
            "A library that is needed to open the file is not installed.",
            file=path,
            found=describe(error),
            remedy="install it (for http: aiohttp; for root: fsspec-xrootd), or copy the file to a local disk",
        ) from error
    except _ANYTHING as error:
        raise DamagedFileError(
            "The file cannot be opened.",
            file=path,
            where=where,
            found=describe(error),
            remedy="the file is damaged or out of reach: copy it again, or leave it out",
        ) from error


@contextlib.contextmanager
def open_uproot(path: str, tree: str, duplicates: Duplicates = "error") -> Iterator[UprootSource]:
    """Open a tree by uproot.

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
    if not is_remote(path):
        check_file(path)
    import uproot  # half a second and 60 MB that files with a stored index do not need

    with contextlib.ExitStack() as stack:
        with reported(path, f"tree '{tree}'"):
            # As a dictionary, so that a colon in the path is not taken for the name of an object.
            file = stack.enter_context(uproot.open({path: None}, object_cache=None))
            classes = {
                name.split(";")[0]: kind
                for name, kind in file.classnames().items()
                if kind in ("TTree", "TNtuple", "TNtupleD") or "RNTuple" in kind
            }
            source = UprootSource(path, tree, file[tree], duplicates) if tree in classes else None
        if source is None:
            raise InputError(
                f"The file has no tree '{tree}'.",
                file=path,
                found=f"trees: {', '.join(map(repr, sorted(classes))) or 'none'}",
                remedy="set `tree:` of the sample to one of them",
            )
        yield source
