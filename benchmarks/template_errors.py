"""Whether the statistical errors of toy samples are the scatter of repeated simulations.

    python benchmarks/template_errors.py --kinds mixed charged --decays 2000 --repeats 150

Simulates one file again and again from other seeds, and compares the scatter of the sum of weights with the errors that
a file tells of itself: of independent rows, with rows of one signal-side decay taken together, and with rows that share
any decay (`analysis.sharing`, what templates use). Three sums: all candidates, those without a further track, and those
near the signal region. Ratios above 1 are errors too small. The errors are cautious where a shared decay does not
decide whether a row is counted.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from analysis import config  # noqa: E402
from analysis.basf2 import SampleType  # noqa: E402
from analysis.sharing import shared_variance  # noqa: E402
from analysis.simulation import chunk  # noqa: E402
from analysis.simulation.rows import Rows  # noqa: E402

SUMS = ("all", "no tracks", "near SR")
ERRORS = ("independent", "signal side", "any decay")


def sums(rows: Rows) -> list[list[float]]:
    """Return for each of `SUMS` the sum of weights and its variances, one for each of `ERRORS`."""
    found = []
    for mask in (np.ones(len(rows), dtype=bool), rows.columns["roeNTracks"] == 0, chunk.selected(rows)):
        part = rows.select(np.flatnonzero(mask))
        weight = part.weight / part.mc_events
        behind = (None, part.parent, part.decays)
        found.append([float(weight.sum()), *(shared_variance(weight, decays) for decays in behind)])
    return found


def main() -> None:
    """Simulate and print a table for each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = [kind.value for kind in SampleType if not kind.is_data]
    parser.add_argument("--config", default=str(ROOT / "config/config.yaml"), help="configuration with a toy")
    parser.add_argument("--kinds", nargs="+", default=["mixed"], choices=kinds)
    parser.add_argument("--decays", type=int, default=1000, help="generated decays or events of a file")
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    settings = config.load(args.config)
    if settings.simulation is None:
        raise SystemExit(f"{args.config} has no section `simulation`")
    for kind in map(SampleType, args.kinds):
        simulation = settings.simulation.model_copy(update={"decays": {kind: args.decays}, "files": 1, "scale": 1.0})
        request = chunk.Request(kind.value, 0, kind, 0)
        seeds = range(settings.seed, settings.seed + args.repeats)
        found = np.array([sums(chunk.process_rows(kind, request, simulation, seed)) for seed in seeds])
        print(f"{kind.value}, {args.decays} decays, {args.repeats} times: scatter over error", end="")
        print(f" (± {1 / np.sqrt(2 * args.repeats):.2f} if Gaussian)")
        print("".join(f"{name:>14}" for name in ("", *ERRORS)))
        for name, one in zip(SUMS, found.transpose(1, 2, 0), strict=True):
            ratios = np.sqrt(one[0].var(ddof=1) / one[1:].mean(axis=1))
            print(f"{name:>14}" + "".join(f"{ratio:14.2f}" for ratio in ratios))


if __name__ == "__main__":
    main()
