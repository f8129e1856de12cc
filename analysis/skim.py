"""The skim: from many ntuples of a sample to one table with the rows and columns that later stages need.

Rows that cannot pass the selection are dropped by a loose cut. The sum of weights of all rows, before the cut, is kept
beside the table, so that efficiencies stay right.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.basf2 import WEIGHT_BRANCH, SampleType
from analysis.columns import COLUMNS, FORM_FACTOR, KAON_ID, PRE, TRACKING, branch_of, branches_of, required
from analysis.config import Config, Sample, used_columns
from analysis.errors import InputError
from analysis.ntuples.baskets import Counters
from analysis.ntuples.batches import Batches, Held
from analysis.ntuples.expression import Expression
from analysis.ntuples.grammar import UNITS
from analysis.ntuples.opening import Options
from analysis.ntuples.reader import Chunk, Constant, iterate
from analysis.ntuples.source import DamagedFileError

Array = NDArray[Any]
log = logging.getLogger(__name__)

# Rows put together before they are written: one row group of the table. Small enough to hold (60 columns of 8 bytes:
# 8 MB), large enough to read well (benchmarks/skim.py: smaller groups take twice the time, larger ones gain a quarter).
ROWS_PER_GROUP = 16_384


@dataclass(frozen=True)
class Wanted:
    """What a skim keeps and needs.

    Attributes
    ----------
    keep
        Columns that must be there; the sample's ntuples are refused if one is missing.
    optional
        Columns kept if the first ntuple has them.
    everything
        Keep all branches of the ntuple too, under their own names.
    cut
        The loose cut; None keeps all rows.
    """

    keep: tuple[str, ...]
    optional: tuple[str, ...] = ()
    everything: bool = False
    cut: Expression | None = None


@dataclass(frozen=True)
class FileSummary:
    """What became of one ntuple; ``sum_of_weights`` is over all its rows, before the cut."""

    file: str
    rows_in: int
    rows_out: int
    sum_of_weights: float


@dataclass(frozen=True)
class SkippedFile:
    """A damaged ntuple that was left out, and what is wrong with it."""

    file: str
    error: str


@dataclass(frozen=True)
class Summary:
    """What became of a sample.

    Attributes
    ----------
    files
        In the order given, without those left out.
    skipped
        Damaged files that were left out: none of their rows is in the table.
    rows_in, rows_out
        Before and after the cut.
    sum_of_weights
        Over all rows, before the cut.
    columns
        Column -> branch of the first file; None where its default was taken.
    all_nan
        Columns that hold nothing but NaN: in every row for columns of the cut, in every row kept
        for the others.
    nan_in_cut
        Columns of the cut -> rows in which they are NaN, and which therefore cannot pass; those where
        NaN has a meaning (see the data model) are left out.
    """

    files: tuple[FileSummary, ...]
    skipped: tuple[SkippedFile, ...]
    rows_in: int
    rows_out: int
    sum_of_weights: float
    columns: dict[str, str | None]
    all_nan: tuple[str, ...]
    nan_in_cut: dict[str, int]


def wanted(config: Config, sample: Sample) -> Wanted:
    """Return what a sample's skim keeps, from the configuration.

    With ``skim: columns:`` exactly those. Otherwise what the configured later stages need, and whatever else of the
    data model the ntuple has; without later stages in the configuration, everything in the ntuple.
    """
    cut = Expression.parse(config.skim.cut) if config.skim.cut.strip() else None
    if config.skim.columns is not None:
        return Wanted(keep=tuple(dict.fromkeys(config.skim.columns)), cut=cut)
    simulated = not sample.type.is_data
    names = [column.name for column in required(_uses(config, sample), simulated=simulated)]
    names += [name for name in used_columns(config) if name not in COLUMNS or COLUMNS[name].provided_by == "ntuple"]
    optional = [
        column.name
        for column in COLUMNS.values()
        if column.provided_by == "ntuple" and (simulated or not column.truth) and column.name not in names
    ]
    return Wanted(
        keep=tuple(dict.fromkeys(names)),
        optional=tuple(optional),
        everything=not (config.preselection or config.bdt or config.templates),
        cut=cut,
    )


def _uses(config: Config, sample: Sample) -> list[str]:
    """Return what needs columns of a sample whatever its cuts: its selection, and what corrects and varies it."""
    if not config.preselection:
        return []
    uses = [PRE]
    if sample.type.is_data:
        return uses
    varied = config.templates is not None
    if config.weights.kaon_id is not None:
        uses.append(KAON_ID)
    if varied and config.systematics.tracking:
        uses.append(TRACKING)
    reweighted = config.weights.form_factor == "sm" or (varied and config.systematics.form_factor)
    if sample.type is SampleType.SIGNAL and reweighted:
        uses.append(FORM_FACTOR)
    return uses


@dataclass
class _State:
    """What is known so far while the files go by."""

    columns: dict[str, str | Constant] = field(default_factory=dict)
    only_cut: frozenset[str] = frozenset()  # other names of columns, in the cut alone
    dtypes: dict[str, np.dtype[Any]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    nan: Counter[str] = field(default_factory=Counter)
    files: list[FileSummary] = field(default_factory=list)
    skipped: list[SkippedFile] = field(default_factory=list)

    def kept(self, want: Wanted) -> list[str]:
        """Return the columns of the table, in its order."""
        kept = {*want.keep, *want.optional}
        return [name for name in self.columns if name in kept or (want.everything and name not in self.only_cut)]


def skim(
    files: Sequence[str | Path],
    sample: Sample,
    want: Wanted,
    append: Callable[[Mapping[str, Array]], None],
    *,
    step: int,
    skip_damaged: bool = False,
    options: Options | None = None,
    counters: Counters | None = None,
    on_chunk: Callable[[Chunk], None] | None = None,
) -> Summary:
    """Read a sample's ntuples and hand on the rows that pass, in batches of a sensible size, in bounded memory.

    Parameters
    ----------
    files
        Ntuples of the sample: local paths or URLs.
    sample
        Its tree and aliases.
    want
        Columns and cut.
    append
        Takes the batches: name -> (n,) array, the same columns and types every time. Called at least once, with empty
        arrays where no row passes.
    step
        Rows read at a time.
    skip_damaged
        Leave damaged files out, each as a whole, and list them; otherwise the first one is an error. What the sample
        loses by that is for the caller to correct.
    options, counters
        How files are read, and what that cost.
    on_chunk
        Told about every chunk read.

    Raises
    ------
    InputError
        A file cannot be read, or lacks a column, or has it in another type than the files before; or none is left.
    """
    twice = [file for file, count in Counter(map(str, files)).items() if count > 1]
    if twice:
        raise InputError(
            "An input file is given twice.", file=twice[0], remedy="its rows would count twice: give it once"
        )
    state = _State()
    counters = counters if counters is not None else Counters()
    batches = Batches(append, ROWS_PER_GROUP)

    def chunks_of(file: str) -> Iterator[Chunk]:
        def resolve(branches: Sequence[str], path: str) -> Mapping[str, str | Constant]:
            columns = _resolve(want, sample, branches, path, state.columns)
            if not state.columns:
                state.columns = dict(columns)
                state.only_cut = (want.cut.names if want.cut else frozenset()) - {*branches, *sample.aliases}
            return columns

        for chunk in iterate(
            [file], sample.tree, resolve, cut=want.cut, sums=[WEIGHT_BRANCH], step=step, options=options,
            counters=counters,
        ):  # fmt: skip
            yield chunk
            if on_chunk is not None:
                on_chunk(chunk)

    for file in map(str, files):
        if not skip_damaged:
            _one_file(file, chunks_of(file), state, want, batches.add)
            continue
        with contextlib.closing(Held(ROWS_PER_GROUP)) as held:
            try:
                _one_file(file, chunks_of(file), state, want, held.add)
            except DamagedFileError as error:
                log.warning("left out: %s", error)
                state.skipped.append(SkippedFile(file, str(error)))
                continue
            for part in held.parts():
                batches.add(part)
    if not state.files:
        raise InputError(
            "There are no input files." if not files else "All input files are damaged.",
            file=files[0] if files else None,
            found=state.skipped[0].error if state.skipped else None,
            remedy="correct the pattern under `files:` of the sample",
        )
    batches.finish()
    return _summary(state, want)


def _one_file(
    file: str, chunks: Iterable[Chunk], state: _State, want: Wanted, add: Callable[[Mapping[str, Array]], None]
) -> None:
    """Hand on the rows of one file; add it to what is known once all of it was read."""
    rows_in = rows_out = 0
    weights: list[float] = []
    seen: set[str] = set()
    nan: Counter[str] = Counter()
    for chunk in chunks:
        columns = {name: _declared(name, chunk.columns[name], chunk) for name in state.kept(want)}
        _check(chunk, columns, state.dtypes)
        add(columns)
        rows_in += chunk.stop - chunk.start
        rows_out += chunk.rows
        weights.append(chunk.sums[WEIGHT_BRANCH])
        seen |= chunk.seen
        nan.update(chunk.nan)
    state.seen |= seen
    state.nan.update(nan)
    state.files.append(FileSummary(file, rows_in, rows_out, math.fsum(weights)))


def _resolve(
    want: Wanted, sample: Sample, branches: Sequence[str], file: str, before: Mapping[str, str | Constant]
) -> dict[str, str | Constant]:
    """Return the branch of every column, in the order in which they are kept; first what is kept."""
    if want.cut and want.cut.names & UNITS - {*branches, *sample.aliases}:
        want.cut.bind({*branches, *sample.aliases, *COLUMNS})  # explains units
    names = list(want.keep)
    if before:
        names = list(before)
    else:
        names += [name for name in want.optional if _has(name, sample, branches)]
        if want.everything:
            taken = set(branches_of(names, branches, sample.aliases, file=file).values())
            names += [*sample.aliases, *(name for name in dict.fromkeys(branches) if name not in taken)]
        names += sorted(want.cut.names) if want.cut else []
        names.append(WEIGHT_BRANCH)
    found = branches_of(dict.fromkeys(names), branches, sample.aliases, file=file)
    return {name: branch if branch is not None else _default(name) for name, branch in found.items()}


def _has(name: str, sample: Sample, branches: Iterable[str]) -> bool:
    try:
        branch_of(name, branches, sample.aliases)
    except InputError:
        return name in sample.aliases  # asked for by name: not optional, and told with all others that are missing
    return True


def _default(name: str) -> Constant:
    column = COLUMNS[name]
    assert column.default is not None
    return Constant(column.default, column.dtype)


def _declared(name: str, array: Array, chunk: Chunk) -> Array:
    """Return a column in the type that the data model declares; refuse to change its values."""
    column = COLUMNS.get(name)
    if column is None or array.dtype == column.dtype:
        return array
    target = np.dtype(column.dtype)
    if array.dtype.kind in "iu" and target.kind in "iu" and array.dtype.itemsize == target.itemsize:
        return array.view(target)  # older basf2 wrote event numbers as signed: the same 32 bits
    with np.errstate(invalid="ignore"):
        converted = array.astype(target) if array.dtype.kind in "biuf" else None
    # Whole numbers beyond these were rounded when they were written: different events would have one number.
    whole = target.kind in "iu"
    rounded = whole and array.dtype.kind == "f" and np.any(np.abs(array) >= 2.0 ** (np.finfo(array.dtype).nmant + 1))
    if converted is None or rounded or (whole and not np.array_equal(converted, array)):
        why = "too coarse for its values" if rounded else f"with values that {target} does not have"
        raise InputError(
            f"Column '{name}' does not have its declared type.",
            file=chunk.file,
            where=f"entries {chunk.start} to {chunk.stop}",
            found=f"{array.dtype}, {why}",
            expected=str(target),
            remedy="give the right branch under `aliases:` of the sample",
        )
    return converted


def _check(chunk: Chunk, columns: Mapping[str, Array], dtypes: dict[str, np.dtype[Any]]) -> None:
    """Check that types are those of the files before, and that weights are numbers."""
    for name, array in columns.items():
        before = dtypes.setdefault(name, array.dtype)
        if array.dtype != before:
            raise InputError(
                f"Column '{name}' changes its type from file to file.",
                file=chunk.file,
                where=f"branch of column '{name}'",
                found=str(array.dtype),
                expected=f"{before}, as in the files before",
                remedy="skim the files of one production at a time, or alias the column to one of the data model",
            )
    weight = chunk.sums[WEIGHT_BRANCH]
    if not math.isfinite(weight):
        raise InputError(
            "A weight is not a number.",
            file=chunk.file,
            where=f"column '{WEIGHT_BRANCH}', entries {chunk.start} to {chunk.stop}",
            found=f"sum of weights {weight}",
            remedy="make the ntuple again, or alias the column to the branch of the weight",
        )


def _summary(state: _State, want: Wanted) -> Summary:
    kept = state.kept(want)
    rows_in, rows_out = sum(file.rows_in for file in state.files), sum(file.rows_out for file in state.files)
    of_cut = want.cut.names if want.cut else frozenset[str]()
    all_nan = [
        name
        for name in state.columns
        if (name in kept or name in of_cut)
        and name not in state.seen
        and (rows_in if name in of_cut else rows_out)
        and state.dtypes.get(name, np.dtype("f8")).kind == "f"
    ]
    return Summary(
        files=tuple(state.files),
        skipped=tuple(state.skipped),
        rows_in=rows_in,
        rows_out=rows_out,
        sum_of_weights=math.fsum(file.sum_of_weights for file in state.files),
        columns={
            name: branch if isinstance(branch, str) else None for name, branch in state.columns.items() if name in kept
        },
        all_nan=tuple(all_nan),
        nan_in_cut={
            name: count for name, count in sorted(state.nan.items()) if name not in COLUMNS or not COLUMNS[name].nan
        },
    )
