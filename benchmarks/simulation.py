"""How fast toy samples are made, in how much memory, and how much they are worth.

    python benchmarks/simulation.py --kinds charged signal --decays 60000 --config config/config.yaml

Each kind of event runs in a process of its own. Measured are CPU time (user and system, PYTHIA's start included) and
the peak of the resident memory. Candidates are counted where they stand in the ntuple (``loose``), after the
configuration's skim and preselection (``selected``), and there also by their effective number, which counts what they
share (`analysis.weighted`). From the rates follows what 100 000 candidates cost.
Events written one by one by PYTHIA without pools cost some 300 CPU hours for 100 000 candidates; no public tool makes
such samples, so that there is no peer beside it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from analysis import config, selection  # noqa: E402
from analysis.basf2 import SampleType  # noqa: E402
from analysis.simulation import chunk  # noqa: E402
from analysis.weighted import effective_number  # noqa: E402

MEGABYTE = 1024  # of ru_maxrss, kilobytes on Linux


def measure(kind: SampleType, decays: int, path: str) -> dict[str, Any]:
    """Simulate one file in this process and count what it is worth."""
    settings = config.load(path)
    if settings.simulation is None or settings.preselection is None:
        raise SystemExit(f"{path} has no section `simulation` or no `preselection`")
    simulation = settings.simulation.model_copy(update={"decays": {kind: decays}, "files": 1, "scale": 1.0})
    rows = chunk.process_rows(kind, chunk.Request(kind.value, 0, kind, 0), simulation, settings.seed)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    columns = {
        **rows.columns,
        "q2_rec": selection.q2_rec(rows.columns["K_pStar"], settings.dataset.sqrt_s),
    }
    cuts = [settings.skim.cut, *(cut.cut for cut in settings.preselection.cuts)]
    passed = selection.cumulative_masks(cuts, columns)[-1]
    return {
        "kind": kind.value, "decays": decays, "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / MEGABYTE, "loose": len(rows), "selected": int(passed.sum()),
        "effective": effective_number(rows.weight[passed], rows.decays[passed]),
    }  # fmt: skip


def main() -> None:
    """Measure each kind in a fresh process and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=["charged", "mixed", "signal"], metavar="KIND")
    parser.add_argument("--decays", type=int, default=20_000, help="generator decays of each kind (default 20000)")
    parser.add_argument("--config", default=str(ROOT / "config/config.yaml"), metavar="YAML")
    parser.add_argument("--inside", metavar="KIND", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        print(json.dumps(measure(SampleType(args.inside), args.decays, args.config)))
        return
    print(
        f"{'kind':8} {'decays':>8} {'CPU s':>7} {'peak MB':>8} {'loose':>8} {'selected':>8} {'effective':>9} "
        f"{'100k loose':>11} {'100k selected':>14}"
    )
    for kind in args.kinds:
        command = [sys.executable, __file__, "--inside", kind, "--decays", str(args.decays), "--config", args.config]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        costs = [f"{found['cpu_s'] * 1e5 / max(found[what], 1):.0f} s" for what in ("loose", "selected")]
        print(
            f"{kind:8} {found['decays']:8} {found['cpu_s']:7.1f} {found['peak_mb']:8.0f} {found['loose']:8} "
            f"{found['selected']:8} {found['effective']:9.0f} {costs[0]:>11} {costs[1]:>14}"
        )


if __name__ == "__main__":
    main()
