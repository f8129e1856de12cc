"""The contestants: files -> chunks of the rows that pass, the kept columns of each."""

from __future__ import annotations

import contextlib
import json
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skimming.samples import CUT, CUT_COLUMNS, KEPT, NEEDED, THRESHOLD, TREE

Columns = Mapping[str, Any]
Contestant = Callable[[Sequence[str]], Iterator[Columns]]


# What a contestant may say with its columns: CPU seconds that do not count, and its peak memory before them, MB.
ASIDE, MEMORY = "aside", "memory"


def peak_memory() -> float:
    """Return the peak resident memory of this process, MB.

    Not ``ru_maxrss`` where that can be avoided: it inherits the peak of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def select(columns: Columns) -> dict[str, Any]:
    """Apply the cut in numpy."""
    mask = np.logical_and.reduce([columns[name] < THRESHOLD for name in CUT_COLUMNS])
    return {name: columns[name][mask] for name in KEPT}


def _this(files: Sequence[str], store: Path | None) -> Iterator[Columns]:
    from analysis.ntuples.index import IndexStore
    from analysis.ntuples.opening import Options
    from analysis.ntuples.reader import iterate

    options = Options(store=IndexStore(store) if store else None)
    for chunk in iterate(files, TREE, {name: name for name in NEEDED}, cut=CUT, keep=KEPT, options=options):
        yield chunk.columns


def this_first(files: Sequence[str]) -> Iterator[Columns]:
    """Read by this package files never seen before."""
    return _this(files, None)


def this_again(files: Sequence[str]) -> Iterator[Columns]:
    """Read by this package with the index of an earlier skim."""
    return _this(files, Path(files[0]).parent / ".index")


def this_command(files: Sequence[str]) -> Iterator[Columns]:
    """Run the whole command: starting, reading, checksums of the inputs for the provenance, writing the table."""
    from analysis.cli import main
    from analysis.io import read_table

    folder = Path(files[0]).parent
    configuration = {
        "name": "benchmark",
        "samples": [{"name": "sample", "type": "data", "tree": TREE, "files": list(files)}],
        "skim": {"cut": CUT, "columns": KEPT},
    }
    (folder / "skim.yaml").write_text(json.dumps(configuration))
    output = folder / "skim.parquet"
    arguments = ["--config", str(folder / "skim.yaml"), "--sample", "sample", "--output", str(output)]
    if main(["skim", *arguments, *files]):
        raise SystemExit("the command failed")
    started, memory = time.process_time(), peak_memory()
    table = read_table(output)
    yield {**table.columns, ASIDE: time.process_time() - started, MEMORY: memory}


def uproot_all(files: Sequence[str]) -> Iterator[Columns]:
    """uproot.iterate, all branches."""
    import uproot

    return map(select, uproot.iterate([{file: TREE} for file in files], library="np"))


def uproot_needed(files: Sequence[str]) -> Iterator[Columns]:
    """uproot.iterate, needed branches."""
    import uproot

    return map(select, uproot.iterate([{file: TREE} for file in files], NEEDED, library="np"))


def uproot_cut(files: Sequence[str]) -> Iterator[Columns]:
    """uproot.iterate with ``cut=``."""
    import uproot

    cut = " & ".join(f"({name} < {THRESHOLD})" for name in CUT_COLUMNS)
    return iter(uproot.iterate([{file: TREE} for file in files], KEPT, cut=cut, library="np"))


def uproot_two_phase(files: Sequence[str]) -> Iterator[Columns]:
    """uproot: the branches of the cut, then the others."""
    import uproot

    for file in files:
        with uproot.open({file: TREE}) as tree:
            first = tree.arrays(CUT_COLUMNS, library="np")
            others = tree.arrays([name for name in KEPT if name not in CUT_COLUMNS], library="np")
            yield select({**first, **others})


def coffea(files: Sequence[str]) -> Iterator[Columns]:
    """coffea, virtual arrays."""
    from coffea.nanoevents import BaseSchema, NanoEventsFactory

    for file in files:
        events = NanoEventsFactory.from_root({file: TREE}, schemaclass=BaseSchema, mode="virtual").events()
        yield select({name: np.asarray(events[name]) for name in NEEDED})


def rdataframe(files: Sequence[str]) -> Iterator[Columns]:
    """ROOT's RDataFrame, one thread; compiled by a first run over one file that does not count."""
    import ROOT

    def run(some: Sequence[str]) -> dict[str, Any]:
        frame = ROOT.RDataFrame(TREE, list(some)).Filter(CUT.replace("and", "&&"))
        return {name: np.asarray(array) for name, array in frame.AsNumpy(KEPT).items()}

    started = time.process_time()
    run(files[:1])
    compiling = time.process_time() - started
    yield {**{name: array.astype(bool) if name.startswith("flag") else array for name, array in run(files).items()},
           ASIDE: compiling}  # fmt: skip


def floor(files: Sequence[str]) -> Iterator[Columns]:
    """Inflate alone what a skim must inflate, from memory: baskets of the cut, and of the others where rows survive."""
    from analysis.ntuples.baskets import BasketFile, _requests
    from analysis.ntuples.codec import Codecs
    from analysis.ntuples.index import Baskets
    from analysis.ntuples.opening import BasketSource, open_source
    from analysis.ntuples.storage import MappedFile

    seconds, codecs = 0.0, Codecs()
    started = time.process_time()
    for path in files:
        with open_source(path, TREE) as source:
            assert isinstance(source, BasketSource)
            cut = source.read(CUT_COLUMNS, 0, source.entries)
            rows = np.flatnonzero(np.logical_and.reduce([array < THRESHOLD for array in cut.values()]))
            table = {name: source.index.branches[source.locate(name)] for name in NEEDED}
            flat = {name: baskets for name, baskets in table.items() if isinstance(baskets, Baskets)}
            requests = _requests({name: flat[name] for name in CUT_COLUMNS}, 0, source.entries, None)
            requests += _requests(
                {name: flat[name] for name in flat if name not in CUT_COLUMNS}, 0, source.entries, rows
            )
        with contextlib.closing(MappedFile(path)) as storage:
            blocks, _ = BasketFile(storage, codecs)._locate(requests)
        view = memoryview(Path(path).read_bytes())
        fields = (blocks.codes, blocks.starts, blocks.stops, blocks.sizes)
        work = list(zip(*(field.tolist() for field in fields), strict=True))
        clock = time.process_time()
        for code, start, stop, size in work:
            codecs.functions[code](view[start:stop], size)
        seconds += time.process_time() - clock
    yield {ASIDE: time.process_time() - started - seconds}


CONTESTANTS: dict[str, Contestant] = {
    "this, first time": this_first,
    "this, index known": this_again,
    "this, whole command": this_command,
    "uproot all": uproot_all,
    "uproot needed": uproot_needed,
    "uproot cut=": uproot_cut,
    "uproot two-phase": uproot_two_phase,
    "coffea": coffea,
    "RDataFrame": rdataframe,
    "floor": floor,
}
# Imports do not count in time, but for the whole command.
IMPORTS = {
    "this, first time": ["analysis.ntuples.reader"],
    "this, index known": ["analysis.ntuples.reader"],
    "this, whole command": [],
    "coffea": ["coffea.nanoevents"],
    "RDataFrame": ["ROOT"],
    "floor": ["analysis.ntuples.reader"],
}


def opening(files: Sequence[str]) -> dict[str, float]:
    """Return the CPU seconds per file of opening alone: by uproot, by this package, and with its index."""
    import uproot

    from analysis.ntuples.index import IndexStore
    from analysis.ntuples.opening import Options, open_source

    def ours(file: str, options: Options) -> None:
        with open_source(file, TREE, options):
            pass

    def theirs(file: str) -> None:
        with uproot.open(file) as opened:
            opened[TREE].keys()

    known = Options(store=IndexStore(Path(files[0]).parent / ".index"))
    ways: dict[str, Callable[[str], None]] = {
        "uproot": theirs,
        "first time": lambda file: ours(file, Options(codecs=known.codecs)),
        "index known": lambda file: ours(file, known),
    }
    seconds = {}
    for name, way in ways.items():
        way(files[0])
        started = time.process_time()
        for file in files:
            way(file)
        seconds[name] = (time.process_time() - started) / len(files)
    return seconds
