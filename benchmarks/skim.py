"""Reading ntuples side by side: this package, uproot in its usual ways, coffea, ROOT, and the floor of inflating alone.

    python benchmarks/skim.py                                  # everything, ten minutes
    python benchmarks/skim.py --size S --rounds 5              # in parts: one sample
    python benchmarks/skim.py --size --formats                 # the formats of the result alone
    python benchmarks/skim.py --size S --coffea PYTHON --root PYTHON

coffea and ROOT are not among the project's libraries: give a Python of an environment of their own that has the package
(``python -m venv V && V/bin/pip install coffea``, or ``root``).

A first round checks that all contestants return the same rows, bit by bit, with the same types, in the same order;
without that no number counts. Then every measurement is a process of its own, and the contestants alternate, so that a
slow spell of the machine hits all of them. Measured is the CPU time of reading and selecting, without imports (but for
the whole command), and the peak memory of the process; rows are taken as a skim takes them, chunk by chunk, and
compared in every round. Ratios are medians over the rounds.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # idle threads of numpy cost CPU time
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import numpy as np  # noqa: E402
from skimming.contestants import ASIDE, CONTESTANTS, IMPORTS, MEMORY, opening, peak_memory  # noqa: E402
from skimming.samples import KEPT, SIZES, make_sample  # noqa: E402

OURS = ("this, first time", "this, index known")
OPTIONAL = ("coffea", "RDataFrame")
# Peer -> fewest times our CPU time; the floor: most times its CPU time that ours may be.
BARS = {
    "S": {"uproot all": 12.0, "uproot needed": 5.0, "floor": 2.0},
    "M": {"uproot all": 6.0, "uproot needed": 2.5, "floor": 1.5},
    "L": {"uproot all": 4.0, "uproot needed": 1.8, "floor": 1.6},
}
LIGHTER, FLAT = 0.7, 0.10  # most of uproot's needed-columns path; most growth from 1 file to 20


def work(name: str, files: Sequence[str]) -> dict[str, Any]:
    """Run one contestant in this process."""
    for module in IMPORTS.get(name, ["uproot"]):
        importlib.import_module(module)
    hashes: dict[str, Any] = {}
    rows, memory = 0, 0.0
    started = time.process_time() if IMPORTS.get(name, ["uproot"]) else 0.0
    chunks = CONTESTANTS[name](files)
    aside = 0.0  # checking the rows, and what a contestant says does not count
    for chunk in chunks:
        clock = time.process_time()
        aside += chunk.get(ASIDE, 0.0)
        memory = chunk.get(MEMORY, 0.0)
        for column in KEPT if KEPT[0] in chunk else ():
            array = np.ascontiguousarray(chunk[column])
            hashes.setdefault(column, hashlib.sha256(array.dtype.str.encode())).update(array)
        rows += len(chunk.get(KEPT[0], ()))
        aside += time.process_time() - clock
    seconds = time.process_time() - started - aside
    digest = hashlib.sha256("".join(part.hexdigest() for part in hashes.values()).encode()).hexdigest()
    return {"cpu": seconds, "memory": memory or peak_memory(), "digest": digest, "rows": rows}


def measure(name: str, files: Sequence[str], python: str = "") -> dict[str, Any]:
    """Run one contestant in a process of its own."""
    command = [python or sys.executable, __file__, "--work", name, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare(label: str, files: Sequence[str], rounds: int, pythons: Mapping[str, str]) -> dict[str, Any]:
    """Check that all contestants agree, run them in turn, and print the table of one sample."""
    names = [name for name in CONTESTANTS if name not in OPTIONAL or pythons.get(name)]
    digests = {}
    for name in names:
        gate = measure(name, files, pythons.get(name, ""))
        if name != "floor":
            digests[name], rows = (gate["digest"], gate["rows"]), gate["rows"]
    if len(set(digests.values())) != 1:
        sys.exit(f"{label}: the contestants disagree: {digests}")
    print(f"\n{label}: {len(files)} files; {rows} rows pass; all contestants bit-equal", flush=True)
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else list(reversed(names)):
            result = measure(name, files, pythons.get(name, ""))
            results[name].append(result)
            if name != "floor" and (result["digest"], result["rows"]) != digests[name]:
                sys.exit(f"{label}: {name} returned other rows in round {number}")
    return table(label, results)


def ratio(results: Mapping[str, list[dict[str, Any]]], one: str, other: str, field: str = "cpu") -> float:
    """Return the median over the rounds of one contestant over another."""
    return statistics.median(a[field] / b[field] for a, b in zip(results[one], results[other], strict=True))


def table(label: str, results: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Print the contestants of one sample, and what must hold; return the medians."""
    rounds = len(results["floor"])
    print(
        f"{'median of ' + str(rounds) + ' rounds':22}{'CPU s':>8}{'spread':>14}{'memory MB':>11}{'/ floor':>9}", end=""
    )
    print("   × our first, × index known")
    summary: dict[str, Any] = {}
    for name, runs in results.items():
        cpu = [run["cpu"] for run in runs]
        memory = statistics.median(run["memory"] for run in runs)
        ratios = [ratio(results, name, ours) for ours in OURS]
        row = {"cpu": statistics.median(cpu), "memory": memory, "floor": ratio(results, name, "floor"), "over": ratios}
        shown = (
            f"{min(cpu):7.2f}-{max(cpu):<6.2f}{memory if name != 'floor' else float('nan'):11.0f}{row['floor']:9.2f}"
        )
        print(f"{name:22}{row['cpu']:8.3f}{shown}   {ratios[0]:6.2f}  {ratios[1]:6.2f}")
        summary[name] = row
    held = {peer: (ratio(results, peer, OURS[0]), f"≥ {bar}", bar) for peer, bar in BARS[label].items()}
    found = ratio(results, OURS[0], "floor")
    print("must hold, first time:", end="")
    for peer, (value, text, bar) in held.items():
        if peer != "floor":
            print(f"  {peer} {value:.2f} ({text}: {'held' if value >= bar else 'MISSED'})", end="")
    bar = BARS[label]["floor"]
    print(f"  / floor {found:.2f} (≤ {bar}: {'held' if found <= bar else 'MISSED'})", end="")
    memory = ratio(results, OURS[0], "uproot needed", "memory")
    print(f"  memory {memory:.2f} (≤ {LIGHTER}: {'held' if memory <= LIGHTER else 'MISSED'})", flush=True)
    return summary


def memory_growth(files: Sequence[str], rounds: int) -> None:
    """Print how peak memory grows from one file to twenty.

    The command holds a group of rows and the writer besides the reader, once its first group is written: a constant
    that one file may not reach, so nothing must hold of it.
    """
    copies = [files[0]]
    for number in range(1, 20):
        copy = Path(files[0]).with_name(f"{Path(files[0]).stem}_copy{number}.root")
        if not copy.exists():
            # Bytes behind the end of a ROOT file mean nothing, but the command refuses one file under two names.
            copy.write_bytes(Path(files[0]).read_bytes() + bytes(number))
        copies.append(str(copy))
    measure("this, index known", copies)  # makes the index of all
    for name in ("this, first time", "this, index known", "this, whole command", "uproot needed"):
        peaks = [statistics.median(measure(name, copies[:count])["memory"] for _ in range(rounds)) for count in (1, 20)]
        growth = peaks[1] / peaks[0] - 1
        held = f" (≤ {FLAT:.0%}: {'held' if growth <= FLAT else 'MISSED'})" if name in OURS else ""
        print(f"peak memory, {name}: 1 file {peaks[0]:.0f} MB, 20 files {peaks[1]:.0f} MB ({growth:+.1%}){held}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs="*", default=list(SIZES), choices=SIZES, help="samples; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--formats", action="store_true", help="compare formats of the result too")
    parser.add_argument("--coffea", metavar="PYTHON", default="", help="a Python that has coffea")
    parser.add_argument("--root", metavar="PYTHON", default="", help="a Python that has ROOT")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "knunu-benchmark")
    parser.add_argument("--json", type=Path, help="write the medians here too")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        print(json.dumps(work(args.work[0], args.work[1:])))
        return
    args.folder.mkdir(parents=True, exist_ok=True)
    summaries = {}
    for label in args.size:
        files = make_sample(args.folder, label, SIZES[label])
        measure("this, index known", files)  # makes the index, and warms the page cache
        summaries[label] = compare(label, files, args.rounds, {"coffea": args.coffea, "RDataFrame": args.root})
        rows = SIZES[label].files * SIZES[label].rows
        minutes = summaries[label]["this, whole command"]["cpu"] / rows * 1e8 / 2 / 60
        print(
            f"10⁸ candidates by the whole command on two cores: {minutes:.1f} min, started anew for every {rows:,} rows"
        )
        shown = ", ".join(f"{name} {1e3 * seconds:.1f} ms" for name, seconds in opening(files).items())
        print(f"opening one file: {shown}")
        memory_growth(files, min(args.rounds, 3))
    if args.formats or args.size == list(SIZES):
        from skimming.formats import compare as compare_formats

        print("\n300k rows × 60 columns     write s      MB   read 30 columns, ms (CPU)")
        for row in compare_formats(args.folder, args.rounds):
            print(f"{row['format']:26}{row['write']:8.2f}{row['MB']:8.0f}{1e3 * row['read']:8.0f}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(summaries, indent=1) + "\n")


if __name__ == "__main__":
    main()
