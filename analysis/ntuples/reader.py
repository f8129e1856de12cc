"""Streaming flat ntuples: these columns, the rows that pass this cut, in bounded memory.

>>> for chunk in iterate(files, "variables", {"p": "K_p"}, cut="p > 0.5"):  # doctest: +SKIP
...     chunk.columns["p"]

The columns of the cut are read first, the others only where rows survive.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import InputError
from analysis.ntuples.baskets import Counters
from analysis.ntuples.expression import Expression
from analysis.ntuples.opening import Options, open_source
from analysis.ntuples.source import Source

Array = NDArray[Any]
log = logging.getLogger(__name__)

DEFAULT_STEP = 50_000


@dataclass(frozen=True)
class Constant:
    """A column that the file does not have: the same value in every row."""

    value: bool | int | float
    dtype: str = "float64"


# Name in the result -> branch of the file, or a constant.
Columns = Mapping[str, str | Constant]
# Where files differ: from the names of the branches and the file to the columns.
Resolver = Callable[[Sequence[str], str], Columns]


@dataclass(frozen=True)
class Chunk:
    """The rows of one range of entries that pass the cut.

    Attributes
    ----------
    file
        Path as given.
    start, stop
        Range of entries read, half open.
    entries
        Number of rows of the whole file.
    columns
        Name -> (n,) array of the rows that pass, in the file's order.
    rows
        Number of rows that pass.
    sums
        Name -> sum over all rows read, before the cut.
    seen
        Floating-point columns in which a number other than NaN was seen: for columns of the cut in
        any row read, for the others in any row that passed.
    nan
        Floating-point columns of the cut with NaN in them -> number of such rows, of all rows read: a
        comparison with NaN is false, so that these rows cannot pass.
    """

    file: str
    start: int
    stop: int
    entries: int
    columns: dict[str, Array]
    rows: int
    sums: dict[str, float]
    seen: frozenset[str]
    nan: dict[str, int]


def iterate(
    files: Sequence[str | Path],
    tree: str,
    columns: Columns | Resolver,
    *,
    cut: Expression | str | None = None,
    keep: Collection[str] | None = None,
    sums: Collection[str] = (),
    step: int = DEFAULT_STEP,
    options: Options | None = None,
    counters: Counters | None = None,
) -> Iterator[Chunk]:
    """Read files one after the other, chunk by chunk.

    Parameters
    ----------
    files
        Local paths or URLs; not patterns.
    tree
        Name of the TTree or RNTuple.
    columns
        What to read: name -> branch (or `Constant`), or a function that finds that out for each
        file.
    cut
        Rows that do not pass are left out; its names are names of ``columns``.
    keep
        Names that the chunks hold; default: all of ``columns``.
    sums
        Names of columns to add up over all rows, before the cut (weights).
    step
        Rows read at a time.
    options
        How files are opened and read.
    counters
        Added to while reading.

    Yields
    ------
    Chunk
        At least one per file, even where the tree is empty or no row passes. The bounds depend on
        ``step`` and the file only.

    Raises
    ------
    InputError
        No files, or one that cannot be read: names file, tree, branch and range of entries.
    """
    if not files:
        raise InputError("There are no input files.", remedy="give files, or correct the pattern under `files:`")
    if isinstance(cut, str):
        cut = Expression.parse(cut)
    options = options or Options()
    counters = counters if counters is not None else Counters()
    for file in files:
        with open_source(file, tree, options, counters) as source:
            wanted = columns(source.branches, source.path) if callable(columns) else columns
            plan = _Plan.make(source, wanted, cut, keep, sums)
            for start in range(0, max(source.entries, 1), step):
                chunk = plan.read(start, min(start + step, source.entries))
                source.release()
                _tell(source, counters.by_uproot)
                if chunk.stop == source.entries:
                    source.finish()
                yield chunk


def _tell(source: Source, told: dict[str, str]) -> None:
    """Log which branches are read by uproot, and why: once, not for every file."""
    reasons: dict[str, list[str]] = {}
    for name, reason in source.reasons.items():
        if told.get(name) != reason:
            told[name] = reason
            reasons.setdefault(reason, []).append(name)
    for reason, unordered in reasons.items():
        names = sorted(unordered)
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        log.info("read by uproot: %s (%s), from %s on", shown, reason, source.path)


@dataclass(frozen=True)
class _Plan:
    """What to read from one file, and in which order."""

    source: Source
    columns: Columns
    cut: Expression | None
    first: tuple[str, ...]  # needed for all rows: cut and sums
    keep: tuple[str, ...]
    sums: tuple[str, ...]

    @classmethod
    def make(
        cls,
        source: Source,
        columns: Columns,
        cut: Expression | None,
        keep: Collection[str] | None,
        sums: Collection[str],
    ) -> _Plan:
        names = set(cut.bind(columns).values()) if cut is not None else set()
        first = tuple(name for name in columns if name in names or name in sums)
        kept = tuple(columns if keep is None else keep)
        # Fail before hours of reading, not after: every branch must be there.
        for name in {*first, *kept}:
            branch = columns[name]
            if isinstance(branch, str):
                source.locate(branch)
        return cls(source, columns, cut, first, kept, tuple(sums))

    def read(self, start: int, stop: int) -> Chunk:
        """Read one range of entries."""
        full = self._columns(self.first, start, stop)
        rows = None
        if self.cut is not None:
            # One column that any cut can take its length from, even a cut without names.
            mask = self.cut.mask(full or {"": np.empty(stop - start)})
            if not mask.all():
                rows = np.flatnonzero(mask)
        others = self._columns([name for name in self.keep if name not in full], start, stop, rows)
        kept = {}
        for name in self.keep:
            if name in full:
                kept[name] = full[name] if rows is None else full[name][rows]
            else:
                kept[name] = others[name]
        seen = {name for name, array in {**kept, **full}.items() if _has_number(array)}
        return Chunk(
            file=self.source.path,
            start=start,
            stop=stop,
            entries=self.source.entries,
            columns=kept,
            rows=stop - start if rows is None else len(rows),
            sums={name: float(full[name].sum(dtype=np.float64)) for name in self.sums},
            seen=frozenset(seen),
            nan=_count_nan({name: full[name] for name in full if name not in self.sums}),
        )

    def _columns(self, names: Collection[str], start: int, stop: int, rows: Array | None = None) -> dict[str, Array]:
        places = {name: self.columns[name] for name in names}
        branches = dict.fromkeys(place for place in places.values() if isinstance(place, str))
        arrays = self.source.read(branches, start, stop, rows)
        length = stop - start if rows is None else len(rows)
        return {
            name: np.full(length, place.value, place.dtype) if isinstance(place, Constant) else arrays[place]
            for name, place in places.items()
        }


def _count_nan(columns: Mapping[str, Array]) -> dict[str, int]:
    counts = {
        name: int(np.count_nonzero(np.isnan(array))) for name, array in columns.items() if array.dtype.kind == "f"
    }
    return {name: count for name, count in counts.items() if count}


def _has_number(array: Array) -> bool:
    if array.dtype.kind != "f" or array.size == 0:
        return array.dtype.kind != "f"
    # most often the first number is one: no need to look at all
    return not np.isnan(array.flat[0]) or not np.isnan(array).all()
