"""How long the gate takes: a thousand samples with a hundred thousand runs between them.

    python benchmarks/conditions.py --samples 1000 --runs 100000 --repeat 3

No two runs are neighbours, so that no interval can be merged away: the worst case. Data lie in ten buckets, one file
each; every simulated sample has its share of the runs. The *clean* case has nothing to find. In the *mixed* case one
simulated sample in ten has something wrong: an OPEN tag, another release, another list of tags, a missing run, a run
too many, no events, another training, another background, another process inside, or a parent of its neighbour's.

Measured are wall and CPU time of three things: the gate alone, in memory; ``conditions check --ledger``, a process
that reads a ledger; and ``conditions check --config``, a process that reads a thousand sidecars and the CSV of the run
database. No public tool does the same, so there is no peer beside it.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from analysis import config, io  # noqa: E402
from analysis.conditions.findings import Finding  # noqa: E402
from analysis.conditions.gate import check  # noqa: E402
from analysis.conditions.ledger import build  # noqa: E402
from analysis.conditions.recording import record_all  # noqa: E402
from analysis.conditions.runinfo import read_runs  # noqa: E402

BUCKETS = 10
EXPERIMENT = 31
Plain = dict[str, Any]

SIMULATION: Plain = {
    "nEvents": 1000,
    "eventLow": 1,
    "eventHigh": 50000,
    "release": "release-08-02-07",
    "isMC": True,
    "mcEvents": 50000,
    "globalTag": "analysis_tools_light-2406-ragdoll,mc_production_MC16_a",
    "dataset": {
        "campaign": "MC16rd_a",
        "runDependence": "rd",
        "background": "BGx1",
        "eventType": "charged",
        "beamEnergy": "4S",
        "beamEnergyGeV": 10.58,
        "feiTraining": "FEIv4_2024",
        "globalTagStates": {"analysis_tools_light-2406-ragdoll": "PUBLISHED", "mc_production_MC16_a": "PUBLISHED"},
    },
}
DATA: Plain = {
    **SIMULATION,
    "isMC": False,
    "mcEvents": 0,
    "globalTag": "analysis_tools_light-2406-ragdoll,data_prompt",
    "dataset": {
        "campaign": "prompt",
        "beamEnergy": "4S",
        "beamEnergyGeV": 10.58,
        "feiTraining": "FEIv4_2024",
        "globalTagStates": {"analysis_tools_light-2406-ragdoll": "PUBLISHED", "data_prompt": "PUBLISHED"},
    },
}
# What goes wrong in the mixed case, in turn.
MISTAKES: tuple[Callable[[Plain], object], ...] = (
    lambda plain: plain["dataset"]["globalTagStates"].update(mc_production_MC16_a="OPEN"),
    lambda plain: plain.update(release="release-08-01-10"),
    lambda plain: plain.update(globalTag="mc_production_MC16_a,analysis_tools_light-2406-ragdoll"),
    lambda plain: plain["dataset"]["runs"].pop(),
    lambda plain: plain["dataset"]["runs"].append([EXPERIMENT + 1, 1, EXPERIMENT + 1, 1]),
    lambda plain: plain.update(nEvents=0),
    lambda plain: plain["dataset"].update(feiTraining="FEIv5"),
    lambda plain: plain["dataset"].update(background="BGx0"),
    lambda plain: plain["dataset"].update(eventType="mixed"),
    lambda plain: plain.update(parents=["/belle/MC/shared.root"]),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    print(f"{args.samples} samples, {args.runs} runs; the fastest of {args.repeat}")
    print(f"{'case':6} {'what':18} {'wall/s':>7} {'CPU/s':>7} {'findings':>9}")
    for case in ("clean", "mixed"):
        with tempfile.TemporaryDirectory() as folder:
            measure(case, Path(folder), args.samples, args.runs, args.repeat)


def measure(case: str, folder: Path, n_samples: int, n_runs: int, repeat: int) -> None:
    """Write one case, check it in three ways, and print a line for each."""
    path = write(folder, n_samples, n_runs, mistakes=case == "mixed")
    configuration = config.load(path)
    ledger = build(record_all(configuration))
    io.write_json(folder / "ledger.json", ledger.to_plain())
    runs = read_runs(folder / "runs.csv")
    found: list[Finding] = []

    def gate() -> str:
        found[:] = check(ledger, configuration.conditions, configuration.dataset, runs)
        return str(len(found))

    command = [sys.executable, "-m", "analysis", "conditions", "check"]
    ways = {
        "gate": gate,
        "check --ledger": lambda: run([*command, "--ledger", str(folder / "ledger.json")]),
        "check --config": lambda: run([*command, "--config", str(path)]),
    }
    for name, way in ways.items():
        wall, cpu, number = min(timed(way) for _ in range(repeat))
        print(f"{case:6} {name:18} {wall:7.2f} {cpu:7.2f} {number:>9}")
    print(
        "      ", ", ".join(f"{code} {n}" for code, n in Counter(finding.code for finding in found).items()) or "none"
    )


def timed(way: Callable[[], str]) -> tuple[float, float, str]:
    """Return wall time, CPU time (children included) and what it found."""
    wall, before = time.perf_counter(), spent()
    number = way()
    return time.perf_counter() - wall, spent() - before, number


def spent() -> float:
    """Return the CPU time of this process and of its children, s."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def run(command: list[str]) -> str:
    """Run a command in the project and return how many problems stop it, by its own words."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = re.search(r": (one|\d+) problems?\.", done.stderr)
    if done.returncode not in (0, 1) or (done.returncode == 1 and told is None):
        raise SystemExit(done.stderr)
    return "stops: " + ("0" if told is None else told[1].replace("one", "1"))


def write(folder: Path, n_samples: int, n_runs: int, *, mistakes: bool) -> Path:
    """Write sidecars, the run database and the configuration; return the configuration's path."""
    runs = [[EXPERIMENT, 2 * number, EXPERIMENT, 2 * number] for number in range(n_runs)]
    lines = "".join(f"{EXPERIMENT},{run[1]},1\n" for run in runs)
    (folder / "runs.csv").write_text("experiment,run,luminosity_pb\n" + lines)
    per_bucket = -(-n_runs // BUCKETS)
    for number in range(BUCKETS):
        share = runs[number * per_bucket : (number + 1) * per_bucket]
        more = {"bucket": f"bucket{number}", "luminosity": len(share) * 1e-3}
        sidecar(folder / f"data_{number}.root.metadata.json", DATA, share, more)
    per_sample = -(-n_runs // (n_samples - 1))
    names = [f"s{number:04d}" for number in range(n_samples - 1)]
    for number, name in enumerate(names):
        share = runs[number * per_sample : (number + 1) * per_sample] or runs[-1:]
        wrong = MISTAKES[number // 10 % len(MISTAKES)] if mistakes and number % 10 == 0 else None
        sidecar(folder / f"{name}.root.metadata.json", SIMULATION, share, {}, wrong)
    samples = [{"name": name, "type": "charged", "files": [f"{folder}/{name}.root"]} for name in names]
    samples.append({"name": "data", "type": "data", "files": [f"{folder}/data_*.root"]})
    for number in range(BUCKETS):
        (folder / f"data_{number}.root").touch()
    plain = {
        "name": "benchmark",
        "dataset": {"luminosity": n_runs * 1e-3},
        "samples": samples,
        "conditions": {"run_information": f"{folder}/runs.csv"},
    }
    io.write_json(folder / "config.yaml", plain)
    return folder / "config.yaml"


def sidecar(
    path: Path, base: Plain, runs: list[list[int]], dataset: Plain, wrong: Callable[[Plain], object] | None = None
) -> None:
    """Write one sidecar with these runs."""
    plain = copy.deepcopy(base)
    plain["LFN"] = path.name
    plain["dataset"] |= {"runs": list(runs), **dataset}
    if wrong:
        wrong(plain)
    listed = plain["dataset"]["runs"]
    ends = {"experimentLow": listed[0][0], "runLow": listed[0][1]}
    ends |= {"experimentHigh": listed[-1][2], "runHigh": listed[-1][3]}
    path.write_text(json.dumps(plain | ends))


if __name__ == "__main__":
    main()
