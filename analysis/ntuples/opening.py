"""Opening trees: by baskets where that is possible, by uproot where not, and saying which and why."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from analysis.errors import AnalysisError
from analysis.ntuples.baskets import BasketFile, Counters, Surprise
from analysis.ntuples.codec import Codecs
from analysis.ntuples.index import Baskets, IndexStore, TreeIndex, build, identity
from analysis.ntuples.metadata import Located, read_index
from analysis.ntuples.source import Duplicates, Source, UprootSource, check_file, open_uproot, reported
from analysis.ntuples.storage import MappedFile, RemoteFile, Storage, is_remote

Array = NDArray[Any]


@dataclass(frozen=True)
class Options:
    """How files are opened and read.

    Attributes
    ----------
    duplicates
        What to do when a branch that occurs twice is read.
    fast
        Read flat branches by their baskets; otherwise everything by uproot.
    store
        Where indices are kept; None keeps none.
    codecs
        How to inflate.
    """

    duplicates: Duplicates = "error"
    fast: bool = True
    store: IndexStore | None = None
    codecs: Codecs = field(default_factory=Codecs)


class BasketSource(Source):
    """A TTree whose flat branches are read by their baskets, and the others by uproot."""

    def __init__(
        self, storage: Storage, tree: str, index: TreeIndex, options: Options, counters: Counters,
        stack: contextlib.ExitStack,
    ) -> None:  # fmt: skip
        super().__init__(storage.path, tree, index.entries, index.names, options.duplicates)
        self.index = index
        self._storage = storage
        self._options = options
        self._stack = stack
        self._uproot: UprootSource | None = None
        self._file = BasketFile(storage, options.codecs, counters)
        stack.callback(self._file.close)

    def locate(self, name: str) -> int:
        """See `Source.locate`; notes why a branch is left to uproot."""
        position = super().locate(name)
        branch = self.index.branches[position]
        if isinstance(branch, str):
            self.reasons.setdefault(name, branch)
        return position

    def read(self, names: Collection[str], start: int, stop: int, rows: Array | None = None) -> dict[str, Array]:
        """See `Source.read`; what was read lies between two looks at an unchanged file."""
        self._storage.check(self._where(start, stop))
        try:
            return self._read(names, start, stop, rows)
        except AnalysisError:
            raise
        except Exception as error:  # of a remote file, whatever the library of its protocol raises
            raise self.damaged(", ".join(names), start, stop, error) from error
        finally:
            self._storage.check(self._where(start, stop))

    def finish(self) -> None:
        """See `Source.finish`."""
        self._storage.check(self._where(0, self.entries), last=True)

    def _where(self, start: int, stop: int) -> str:
        return f"tree '{self.tree}', entries {start} to {stop}"

    def _read(self, names: Collection[str], start: int, stop: int, rows: Array | None) -> dict[str, Array]:
        branches = {name: self.index.branches[self.locate(name)] for name in names}
        while True:
            fast = {
                name: branch
                for name, branch in branches.items()
                if isinstance(branch, Baskets) and name not in self.reasons
            }
            try:
                columns = self._file.read(fast, start, stop, rows)
                break
            except Surprise as surprise:
                # uproot judges: if it cannot read these entries either, this raises.
                self.uproot().read([surprise.name], surprise.start, surprise.stop)
                self.reasons[surprise.name] = surprise.reason
        slow = [name for name in branches if name not in fast]
        if slow:
            columns |= self.uproot().read(slow, start, stop, rows)
        return columns

    def release(self) -> None:
        """See `Source.release`."""
        self._storage.release()

    def uproot(self) -> UprootSource:
        """Return the same tree opened by uproot, opened when it is first needed."""
        if self._uproot is None:
            self._uproot = self._stack.enter_context(open_uproot(self.path, self.tree, self._options.duplicates))
        return self._uproot


@contextlib.contextmanager
def open_source(
    path: str | Path, tree: str, options: Options | None = None, counters: Counters | None = None
) -> Iterator[Source]:
    """Open a tree for reading.

    Parameters
    ----------
    path
        Local path or URL.
    tree
        Name of the TTree or RNTuple; of several cycles the latest is taken.
    options
        How to read it.
    counters
        Added to while reading by baskets.

    Raises
    ------
    InputError
        The file cannot be opened or has no such tree.
    """
    path = str(path).removeprefix("file://")
    options = options or Options()
    counters = counters if counters is not None else Counters()
    with contextlib.ExitStack() as stack:
        reason = "" if options.fast else "the fast path is switched off"
        if not reason:
            storage = _open_storage(path, stack)
            index = options.store.load(storage, tree) if options.store else None
            index = index or _make_index(storage, tree, options)
            if index is not None:
                yield BasketSource(storage, tree, index, options, counters, stack)
                return
            reason = "an RNTuple"
        source = stack.enter_context(open_uproot(path, tree, options.duplicates))
        source.reasons = dict.fromkeys(source.branches, reason)
        yield source


def remote_digest(url: str) -> str:
    """Return what identifies a remote file without reading it whole: a digest of size, header and list of objects.

    The header holds the file's UUID.

    Raises
    ------
    InputError
        The file is out of reach.
    """
    with contextlib.ExitStack() as stack:
        storage = _open_storage(url, stack)
        return hashlib.sha256(str(storage.size).encode() + identity(storage)).hexdigest()


def _open_storage(path: str, stack: contextlib.ExitStack) -> Storage:
    storage: Storage
    if is_remote(path):
        with reported(path):
            storage = RemoteFile(path)
    else:
        check_file(path)
        storage = MappedFile(path)
    stack.callback(storage.close)
    return storage


def _make_index(storage: Storage, tree: str, options: Options) -> TreeIndex | None:
    """Make the index of a TTree, by uproot if it is unusual, and store it; None for an RNTuple."""
    located = read_index(storage, tree, options.codecs)
    if located is None:
        with open_uproot(storage.path, tree, options.duplicates) as source:
            if not source.is_tree:
                return None
            key = source.model.parent  # the key that uproot read the tree from
            located = Located(build(source.model), int(key.fSeekKey), int(key.fNbytes))
    if options.store:
        options.store.save(storage, tree, located.index, located.seek, located.size)
    return located.index
