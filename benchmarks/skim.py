"""Reading ntuples side by side: this package, uproot in its usual ways, coffea, and the floor of inflating alone.

    python benchmarks/skim.py --sizes S M L --runs 5

Every measurement is a process of its own; the contestants alternate, so that a slow spell of the machine hits all of
them. Measured is the CPU time of reading and selecting, without imports, and the peak memory of the process. Before
any number counts, all contestants must return the same rows, bit by bit.

The samples are written by uproot, with as many entries per basket as are told: ``S`` is what basf2 writes by default
(1600 bytes: 200 doubles), ``M`` and ``L`` have larger baskets. The tree has 129 branches, 924 bytes per row; a cut on
8 branches passes 2.8 % of the rows, 60 branches are kept.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

TREE = "variables"
CUT_COLUMNS = [f"cut{i}" for i in range(8)]
KEPT = [
    *CUT_COLUMNS[:4],
    *(f"v{i:03d}" for i in range(0, 96, 2)),
    *(f"n{i:02d}" for i in range(5)),
    "flag0",
    "flag1",
    "flag2",
]
NEEDED = list(dict.fromkeys([*CUT_COLUMNS, *KEPT]))
PASS = 0.028 ** (1 / 8)  # of each of the eight conditions
CUT = " and ".join(f"{name} < {PASS:.6f}" for name in CUT_COLUMNS)
NUMPY_CUT = " & ".join(f"({name} < {PASS:.6f})" for name in CUT_COLUMNS)


@dataclass(frozen=True)
class Size:
    """A sample: files, rows per file, entries per basket."""

    files: int
    rows: int
    basket: int


SIZES = {"S": Size(10, 30_000, 200), "M": Size(10, 50_000, 4_000), "L": Size(4, 250_000, 31_250)}
Columns = Mapping[str, Any]


# --- samples --------------------------------------------------------------------------------------


def make_columns(rows: int, seed: int) -> dict[str, Any]:
    """Return columns that compress like physics: full and single precision, counts, probabilities, NaN."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {name: rng.random(rows).astype("f4").astype("f8") for name in CUT_COLUMNS}
    kinds: list[Callable[[], Any]] = [
        lambda: rng.normal(size=rows),
        lambda: rng.normal(size=rows).astype("f4"),
        lambda: rng.poisson(3, rows),
        lambda: np.where(rng.random(rows) < 0.3, np.nan, rng.exponential(size=rows).astype("f4")),
        lambda: np.clip(rng.normal(0.5, 0.6, rows), 0, 1),
    ]
    columns |= {f"v{i:03d}": kinds[i % len(kinds)]().astype("f8") for i in range(100)}
    columns |= {f"n{i:02d}": rng.integers(0, 1000 if i % 2 else 5, rows).astype("i4") for i in range(13)}
    columns |= {f"flag{i}": rng.random(rows) < 0.2 for i in range(8)}
    return columns


def make_sample(folder: Path, name: str, size: Size) -> list[str]:
    """Write the files of a sample unless they are there."""
    import uproot

    paths = [folder / f"{name}_{size.rows}_{size.basket}_{number}.root" for number in range(size.files)]
    for number, path in enumerate(paths):
        if path.exists():
            continue
        columns = make_columns(size.rows, number)
        partial = path.with_suffix(".partial")
        capacity = size.rows // size.basket + 2
        with uproot.recreate(partial, compression=uproot.ZLIB(1)) as file:
            file.mktree(TREE, {key: array.dtype for key, array in columns.items()}, initial_basket_capacity=capacity)
            for start in range(0, size.rows, size.basket):
                file[TREE].extend({key: array[start : start + size.basket] for key, array in columns.items()})
        partial.rename(path)
    return [str(path) for path in paths]


# --- contestants: files -> columns of the rows that pass ------------------------------------------


def join(parts: Sequence[Columns]) -> dict[str, Any]:
    """Join the chunks' columns."""
    return {name: np.concatenate([part[name] for part in parts]) for name in KEPT}


def select(columns: Columns) -> dict[str, Any]:
    """Apply the cut in numpy."""
    mask = np.logical_and.reduce([columns[name] < float(f"{PASS:.6f}") for name in CUT_COLUMNS])
    return {name: columns[name][mask] for name in KEPT}


def _this(files: Sequence[str], store: Path | None) -> dict[str, Any]:
    from analysis.ntuples.index import IndexStore
    from analysis.ntuples.opening import Options
    from analysis.ntuples.reader import iterate

    options = Options(store=IndexStore(store) if store else None)
    chunks = iterate(files, TREE, {name: name for name in NEEDED}, cut=CUT, keep=KEPT, options=options)
    return join([chunk.columns for chunk in chunks])


def this_first(files: Sequence[str]) -> dict[str, Any]:
    """Read by this package files never seen before."""
    return _this(files, None)


def this_again(files: Sequence[str]) -> dict[str, Any]:
    """Read by this package with the index of an earlier skim."""
    return _this(files, Path(files[0]).parent / ".index")


def _inputs(files: Sequence[str]) -> list[dict[str, str]]:
    return [{file: TREE} for file in files]


def uproot_all(files: Sequence[str]) -> dict[str, Any]:
    """uproot.iterate, all branches."""
    import uproot

    return join([select(chunk) for chunk in uproot.iterate(_inputs(files), library="np")])


def uproot_needed(files: Sequence[str]) -> dict[str, Any]:
    """uproot.iterate, needed branches."""
    import uproot

    return join([select(chunk) for chunk in uproot.iterate(_inputs(files), NEEDED, library="np")])


def uproot_cut(files: Sequence[str]) -> dict[str, Any]:
    """uproot.iterate with ``cut=``."""
    import uproot

    return join(list(uproot.iterate(_inputs(files), KEPT, cut=NUMPY_CUT, library="np")))


def uproot_two_phase(files: Sequence[str]) -> dict[str, Any]:
    """uproot: the branches of the cut, then the others."""
    import uproot

    parts = []
    for file in files:
        with uproot.open({file: TREE}) as tree:
            first = tree.arrays(CUT_COLUMNS, library="np")
            others = tree.arrays([name for name in KEPT if name not in CUT_COLUMNS], library="np")
            parts.append(select({**first, **others}))
    return join(parts)


def coffea(files: Sequence[str]) -> dict[str, Any]:
    """coffea, virtual arrays."""
    from coffea.nanoevents import BaseSchema, NanoEventsFactory

    parts = []
    for file in files:
        events = NanoEventsFactory.from_root({file: TREE}, schemaclass=BaseSchema, mode="virtual").events()
        parts.append(select({name: np.asarray(events[name]) for name in NEEDED}))
    return join(parts)


PEERS: dict[str, Callable[[Sequence[str]], dict[str, Any]]] = {
    "this, first time": this_first,
    "this, index known": this_again,
    "uproot all": uproot_all,
    "uproot needed": uproot_needed,
    "uproot cut=": uproot_cut,
    "uproot two-phase": uproot_two_phase,
    "coffea": coffea,
}
IMPORTS = {
    "this, first time": ["analysis.ntuples.reader"],
    "this, index known": ["analysis.ntuples.reader"],
    "coffea": ["coffea.nanoevents"],
}


def floor(files: Sequence[str]) -> float:
    """Return the CPU seconds of inflating alone what a skim must inflate: cut branches, and where rows survive."""
    from analysis.ntuples.baskets import BasketFile, _request
    from analysis.ntuples.codec import Codecs
    from analysis.ntuples.index import Baskets
    from analysis.ntuples.opening import BasketSource, open_source

    seconds = 0.0
    for path in files:
        with open_source(path, TREE) as source:
            assert isinstance(source, BasketSource)
            table = {name: source.index.branches[source.locate(name)] for name in NEEDED}
            cut = source.read(CUT_COLUMNS, 0, source.entries)
            rows = np.flatnonzero(np.logical_and.reduce([array < float(f"{PASS:.6f}") for array in cut.values()]))
            requests = [
                _request(name, baskets, 0, source.entries, None if name in CUT_COLUMNS else rows)
                for name, baskets in table.items()
                if isinstance(baskets, Baskets)
            ]
        reader = BasketFile(path, Codecs())
        blocks = reader._locate(requests)
        functions, view = reader.codecs.functions, memoryview(Path(path).read_bytes())
        work = list(
            zip(
                blocks.codes.tolist(), blocks.starts.tolist(), blocks.stops.tolist(), blocks.sizes.tolist(), strict=True
            )
        )
        reader.close()
        clock = time.process_time()
        for code, start, stop, size in work:
            functions[code](view[start:stop], size)
        seconds += time.process_time() - clock
    return seconds


# --- measuring ------------------------------------------------------------------------------------


def digest(columns: Columns) -> str:
    """Return a digest of values, types, order of rows and of columns."""
    sha = hashlib.sha256()
    for name, array in columns.items():
        sha.update(f"{name}{array.dtype.str}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def peak_memory() -> float:
    """Return the peak resident memory of this process, MB.

    Not ``ru_maxrss`` where that can be avoided: it inherits the peak of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def work(name: str, files: Sequence[str]) -> dict[str, Any]:
    """Run one contestant in this process."""
    if name == "floor":
        return {"cpu": floor(files), "memory": 0.0, "digest": "", "rows": 0}
    # Imports do not count in time, nor in memory beyond what a contestant itself needs.
    for module in IMPORTS.get(name, ["uproot"]):
        importlib.import_module(module)
    clock, wall = time.process_time(), time.perf_counter()
    columns = PEERS[name](files)
    seconds, wall = time.process_time() - clock, time.perf_counter() - wall
    memory = peak_memory()
    return {"cpu": seconds, "wall": wall, "memory": memory, "digest": digest(columns), "rows": len(columns[KEPT[0]])}


def measure(name: str, files: Sequence[str], python: str) -> dict[str, Any]:
    """Run one contestant in a process of its own."""
    command = [python, __file__, "--work", name, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(
    label: str, files: Sequence[str], names: Sequence[str], runs: int, pythons: Mapping[str, str]
) -> dict[str, Any]:
    """Run all contestants in turn and print the table of one sample."""
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number in range(runs):
        for name in names if number % 2 == 0 else list(reversed(names)):
            results[name].append(measure(name, files, pythons.get(name, sys.executable)))
            print(f"{label} run {number}: {name}: {results[name][-1]['cpu']:.3f} s", file=sys.stderr, flush=True)
    digests = {run["digest"] for name, all_runs in results.items() if name != "floor" for run in all_runs}
    if len(digests) != 1:
        sys.exit(f"{label}: the contestants disagree: " + str({n: r[0]["digest"][:12] for n, r in results.items()}))
    medians = {name: statistics.median(run["cpu"] for run in all_runs) for name, all_runs in results.items()}
    rows = next(all_runs[0]["rows"] for name, all_runs in results.items() if name != "floor")
    print(f"\n{label}: {rows} rows pass, all contestants bit-equal; median of {runs} runs")
    print(f"{'':20}{'CPU s':>8}{'spread':>14}{'memory MB':>11}{'/ floor':>9}   times our CPU (first, known)")
    table: dict[str, Any] = {}
    for name, all_runs in results.items():
        cpu = [run["cpu"] for run in all_runs]
        memory = statistics.median(run["memory"] for run in all_runs)
        over_floor = medians[name] / medians["floor"] if "floor" in medians else float("nan")
        ratios = [
            statistics.median(a["cpu"] / b["cpu"] for a, b in zip(all_runs, results[ours], strict=True))
            for ours in ("this, first time", "this, index known")
            if ours in results
        ]
        shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{name:20}{medians[name]:8.3f}{min(cpu):7.2f}-{max(cpu):<6.2f}{memory:11.0f}{over_floor:9.2f}   {shown}")
        table[name] = {"cpu": medians[name], "memory": memory, "over_floor": over_floor, "slower": ratios}
    return table


def memory_growth(files: Sequence[str], runs: int) -> None:
    """Print how the peak memory of this package grows from one file to twenty."""
    copies = [files[0]]
    for number in range(1, 20):
        link = Path(files[0]).with_name(f"{Path(files[0]).stem}_link{number}.root")
        if not link.exists():
            link.hardlink_to(files[0])
        copies.append(str(link))
    peaks = [
        statistics.median(measure("this, first time", copies[:count], sys.executable)["memory"] for _ in range(runs))
        for count in (1, 20)
    ]
    print(f"peak memory: 1 file {peaks[0]:.0f} MB, 20 files {peaks[1]:.0f} MB ({peaks[1] / peaks[0] - 1:+.1%})")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=SIZES)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peers", nargs="+", choices=[*PEERS, "floor"], help="default: all but coffea")
    parser.add_argument("--coffea", metavar="PYTHON", help="a Python with coffea, from an environment of its own")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "knunu-benchmark")
    parser.add_argument("--json", type=Path, help="write the table here too")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        print(json.dumps(work(args.work[0], args.work[1:])))
        return
    names = args.peers or [*(name for name in PEERS if name != "coffea"), "floor"]
    if args.coffea:
        names.append("coffea")
    args.folder.mkdir(parents=True, exist_ok=True)
    tables = {}
    for label in args.sizes:
        files = make_sample(args.folder, label, SIZES[label])
        measure("this, index known", files, sys.executable)  # makes the index, and warms the page cache
        tables[label] = compare(label, files, names, args.runs, {"coffea": args.coffea or ""})
        memory_growth(files, min(args.runs, 3))
    if args.json:
        args.json.write_text(json.dumps(tables, indent=1) + "\n")


if __name__ == "__main__":
    main()
