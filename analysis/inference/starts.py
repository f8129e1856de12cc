"""Starts that are possible: where the data have a likelihood above zero."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.inference.engine import ImpossibleError
from analysis.inference.newton import Task
from analysis.inference.problem import Problem

Floats = npt.NDArray[np.float64]

# A start outside the model is lifted until bins expect this share of their data, in so many steps at most.
LIFT = 0.05
LIFTS = 30


def possible_start(problem: Problem, task: Task, x: Floats) -> Floats:
    """Leave a start ``x`` (P,) where 2NLL is infinite: towards the initial values, then inside the bounds.

    Raises
    ------
    ImpossibleError
        The likelihood is zero there, too.
    """
    if np.isfinite(task.value(x)):
        return x
    middle = np.where(task.held, x, np.clip(problem.init, task.lower, task.upper))
    inner = np.where(task.held, x, np.clip(1.0, task.lower, task.upper))
    constrained = ~np.isnan(problem.central)
    inner = np.where(constrained & ~task.held, np.clip(problem.central, task.lower, task.upper), inner)
    for goal in (middle, inner):
        for share in (0.1, 0.5, 1.0):
            trial: Floats = x + share * (goal - x)
            if np.isfinite(task.value(trial)):
                return trial
    lifted = _lift(task, x)
    if lifted is not None:
        return lifted
    raise ImpossibleError(
        "The likelihood is zero where the fit must start.",
        where=_impossible(problem, task, x),
        remedy="bins with data need a positive expectation at the initial parameters",
    )


def _lift(task: Task, x: Floats) -> Floats | None:
    """Raise the expectation of bins with data above 0 by the smallest pulls that do it; None if none do.

    A strength far below 0 is possible only with more background than nominal: linear steps lead there.
    """
    counts = task.data.counts[0]
    spread = np.where(task.held, 0.0, task.scale) ** 2
    for _ in range(LIFTS):
        total = task.likelihood.rates(x[None]).total[0]
        low = np.flatnonzero((counts > 0) & (total < LIFT * counts))
        if np.isfinite(task.value(x)):
            return x
        slopes = task.likelihood.jacobian(x)[low]
        matrix = (slopes * spread) @ slopes.T
        matrix[np.diag_indices_from(matrix)] += 1e-12 * np.trace(matrix) + 1e-300
        need = np.linalg.solve(matrix, 2 * LIFT * counts[low] - total[low])
        x = np.clip(x + spread * (slopes.T @ need), task.lower, task.upper)
    return None


def _impossible(problem: Problem, task: Task, x: Floats) -> str:
    """Say which bins make the data impossible."""
    total = task.likelihood.rates(x[None]).total[0]
    bad = np.flatnonzero((total <= 0) & (task.data.counts[0] > 0)).tolist()
    places = [f"{problem.bin_label(i)} expects {total[i]:.3g} and has {task.data.counts[0, i]:g}" for i in bad]
    held = [] if problem.poi is None else [f"{problem.names[problem.poi]} = {x[problem.poi]:g}"]
    return "; ".join([*places[:3], *held])
