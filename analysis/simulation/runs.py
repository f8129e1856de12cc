"""Runs of the toy's data taking: which a file holds, and of which one each of its events is.

So it is in pseudo-data and in run-dependent simulation. Run-independent simulation has one artificial run.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.basf2 import BeamEnergy
from analysis.simulation import background
from analysis.simulation.buckets import Runs
from analysis.simulation.jagged import Floats, Ints
from analysis.simulation.rows import Rows

# Experiments of the pseudo-data: those of Belle II's first run period.
EXPERIMENTS = (7, 8, 10, 12, 14, 16, 17, 18, 20, 22, 24, 26)
# Those of the off-resonance pseudo-data: others, so that no run is in both.
OFF_RESONANCE_EXPERIMENTS = (9, 13, 19, 25)
RUNS_PER_EXPERIMENT = 4


def of_file(chunk: int, beams: BeamEnergy = BeamEnergy.ON_RESONANCE) -> Runs:
    """Return the (experiment, run) of a file: no two files share one, and all are as long."""
    return tuple(
        (experiment, 100 + chunk * RUNS_PER_EXPERIMENT + i)
        for experiment in (EXPERIMENTS if beams is BeamEnergy.ON_RESONANCE else OFF_RESONANCE_EXPERIMENTS)
        for i in range(RUNS_PER_EXPERIMENT)
    )


def levels(runs: Runs) -> Floats:
    """Return the mean number of beam clusters in every run, (runs,)."""
    return background.levels([experiment for experiment, _ in runs])


def as_recorded(rows: Rows, runs: Runs, rng: np.random.Generator) -> tuple[Rows, Ints]:
    """Return simulated rows as recorded in runs: with the weight of their beam clusters there; see `in_order`."""
    numbers, event = np.unique(rows.event, return_inverse=True)
    weight = rows.weight * background.weight(rows.columns["nBeamClusters"], levels(runs))
    return in_order(replace(rows, weight=weight, event=event.ravel()), len(numbers), runs, rng)


def in_order(rows: Rows, n: int, runs: Runs, rng: np.random.Generator) -> tuple[Rows, Ints]:
    """Give each of n events, numbered from 0, a run, and sort the rows by run; within a run events stand at random.

    No trace of the processes is left in the order.

    Returns
    -------
    rows
        With new event numbers.
    run : (n_rows,) int64
        Place in ``runs``.
    """
    clusters = np.zeros(n)
    clusters[rows.event] = rows.columns["nBeamClusters"]
    run = background.draw_runs(clusters, levels(runs), rng)
    place = np.empty(n, dtype=np.int64)
    place[np.lexsort((rng.permutation(n), run))] = np.arange(n)
    rows = replace(rows, event=place[rows.event])
    rows = rows.select(np.argsort(rows.event, kind="stable"))
    return rows, np.sort(run)[rows.event]
