"""Beam background that depends on the run.

Events are made with beam clusters of one average number, as in run-independent simulation. Data are not so, nor is
run-dependent simulation. An event made with k clusters of mean m is one of a run with mean m' with the weight
(m'/m)^k exp(m − m'), exactly; so these need no events of their own: events are weighted with the average over runs, and
each is given a run it may come from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.simulation.detector import DETECTOR
from analysis.simulation.jagged import Floats, Ints


def levels(experiments: Sequence[int]) -> Floats:
    """Return the mean number of beam clusters in every run, rising with the experiment; their mean is simulation's.

    Parameters
    ----------
    experiments
        Experiment of every run.
    """
    known, position = np.unique(experiments, return_inverse=True)
    first, last = DETECTOR.background.run_levels
    relative = np.linspace(first, last, len(known))[position]
    return np.asarray(DETECTOR.calorimeter.beam_clusters * relative / relative.mean())


def ratios(clusters: Floats, means: Floats) -> Floats:
    """Return the weight of events in every run, (runs, n).

    Parameters
    ----------
    clusters : (n,)
        Beam clusters of every event.
    means : (runs,)
        See `levels`.
    """
    nominal = DETECTOR.calorimeter.beam_clusters
    return np.asarray((means[:, None] / nominal) ** clusters * np.exp(nominal - means)[:, None])


def weight(clusters: Floats, means: Floats) -> Floats:
    """Return the weight of events in runs of equal luminosity together, (n,)."""
    return np.asarray(ratios(clusters, means).mean(axis=0))


def draw_runs(clusters: Floats, means: Floats, rng: np.random.Generator) -> Ints:
    """Return a run for every event, (n,), drawn with the probability that it comes from there."""
    running = np.cumsum(ratios(clusters, means), axis=0)
    target = rng.random(len(clusters)) * running[-1]
    return np.asarray((running <= target).sum(axis=0), dtype=np.int64)
