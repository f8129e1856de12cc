"""The way off points without slope that are no minima."""

from __future__ import annotations

import numpy as np

from analysis.inference.newton import FLOOR, Descended, Floats, Task

# Steps off a saddle, in units of the scale of the Hessian, and the relative fall of −ln L that is one.
SADDLE = (1.0, 0.1, 0.01)
ESCAPE = 1e-10


def off_saddle(task: Task, found: Descended) -> Floats | None:
    """Return a lower point beside a point without slope whose Hessian is not positive; None where there is none.

    Two factors of one product that are both 0 are such a point: neither sees the other.
    """
    weak = found.weak(task)
    if found.positive and not weak.any():
        return None
    where = np.flatnonzero(found.free | weak)
    hessian = task.derivatives(found.x)[1][np.ix_(where, where)]
    scale = np.maximum(np.sqrt(np.abs(np.diag(hessian))), 1.0 / task.scale[where])
    values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
    if not len(values) or values[0] > -FLOOR:
        return None
    direction = np.zeros_like(found.x)
    direction[where] = vectors[:, 0] / scale
    for size in SADDLE:
        for sign in (size, -size):
            trial: Floats = np.clip(found.x + sign * direction, task.lower, task.upper)
            if task.value(trial) < found.value - ESCAPE * max(abs(found.value), 1.0):
                return trial
    return None
