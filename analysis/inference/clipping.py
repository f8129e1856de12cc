"""Bins whose total expectation would be negative, and is taken as 0 (pyhf's ``clip_bin_data=0.0``).

Without data they do not see the parameters there. Where nothing else sees a parameter either the likelihood has a
plateau: a strength so far below 0 that no bin expects anything any more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from analysis.inference.constraints import Measurements
from analysis.inference.engine import Engine, Minimum, at_bounds
from analysis.inference.likelihood import Likelihood
from analysis.inference.problem import Problem

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Eigenvalue of the normalised Hessian below which a direction is flat.
FLAT = 1e-10
# Steps of the bisection to the edge of a plateau.
HALVINGS = 60
# Rise of −ln L, absolute and relative, that is none.
LEVEL = 1e-12
# An expectation nearer to 0 than this, in events, is the kink itself.
KINK = 1e-7


def nearest_of_plateau(
    problem: Problem, likelihood: Likelihood, found: Minimum, held: Bools, data: Measurements
) -> Minimum:
    """Return the point of a plateau that is nearest to the initial values; ``found`` itself if there is none.

    All points of a plateau are minima, and where a descent ends upon it is an accident of its start. Parameters that
    only clipped bins depend on do not count as free: their variance is not defined.

    Parameters
    ----------
    problem, likelihood
        The model.
    found
        A minimum.
    held : (P,) bool
        Parameters that were not fitted.
    data
        One data set.
    """
    if not likelihood.clips:
        return found
    clipped = (likelihood.rates(found.x[None]).total[0] < 0) & (data.counts[0] == 0)
    where = np.flatnonzero(found.free)
    if not clipped.any() or not len(where):
        return found
    hessian = likelihood.derivatives(found.x[None], data)[1][0][np.ix_(where, where)]
    scale = np.sqrt(np.abs(np.diag(hessian)))
    unseen = scale == 0
    scale[unseen] = 1.0
    normalised = hessian / np.outer(scale, scale)
    if _is_curved(normalised):
        return found
    values, vectors = np.linalg.eigh(normalised)
    flat = vectors[:, values < FLAT]
    if not flat.shape[1]:
        return found
    goal = np.clip(problem.init, problem.lower, problem.upper)
    step = np.zeros_like(found.x)
    step[where] = (flat @ (flat.T @ (scale * (goal - found.x)[where]))) / scale
    x = _last_level(problem, likelihood, found.x, step, data)
    depends = np.any(likelihood.jacobian(found.x)[clipped] != 0, axis=0)
    free = found.free.copy()
    free[where[unseen]] &= ~depends[where[unseen]]
    return replace(found, x=x, twice_nll=2.0 * float(likelihood.value(x[None], data)[0]), free=free & ~held)


def _is_curved(normalised: Floats) -> bool:
    """Tell whether all eigenvalues are above FLAT: Cholesky's factor takes a tenth of the time of eigenvectors."""
    try:
        np.linalg.cholesky(normalised - FLAT * np.eye(len(normalised)))
    except np.linalg.LinAlgError:
        return False
    return True


def _last_level(problem: Problem, likelihood: Likelihood, x: Floats, step: Floats, data: Measurements) -> Floats:
    """Return the furthest point from ``x`` along ``step`` that is no higher, by bisection."""

    def at(share: float) -> Floats:
        point: Floats = np.where(step == 0.0, x, np.clip(x + share * step, problem.lower, problem.upper))
        return point

    def value(share: float) -> float:
        return float(likelihood.value(at(share)[None], data)[0])

    highest = value(0.0)
    highest += LEVEL * max(abs(highest), 1.0)
    low, high = 0.0, 1.0
    if value(high) <= highest:
        return at(high)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if value(middle) <= highest:
            low = middle
        else:
            high = middle
    return at(low)


def clipping_notes(engine: Engine, best: Minimum) -> list[str]:
    """Return a note for each bin whose fitted expectation is not above 0, and for each parameter of a plateau."""
    problem = engine.problem
    total = engine.expected(best.x).sum(axis=0)
    low = np.flatnonzero(total <= KINK).tolist()
    notes = []
    for index in low:
        place = problem.bin_label(index)
        if total[index] < -KINK:
            notes.append(
                f"{place}: the fitted samples add up to {total[index]:.4g} events, below 0; the model takes 0 "
                f"({problem.data[index]:g} observed)"
            )
        else:
            notes.append(
                f"{place}: the fitted total expectation is 0; below it the model takes 0, a kink of which errors from "
                f"the Hessian do not know, those of MINOS do ({problem.data[index]:g} observed)"
            )
    depends = np.any(engine.expected_jacobian(best.x)[total < KINK] != 0, axis=0)
    inside = ~at_bounds(problem, best.x, 1e-6) & ~problem.fixed & ~best.free
    return notes + [
        f"the likelihood is flat in '{problem.names[i]}' at {best.x[i]:.4g} and beyond: only bins depend on it whose "
        "expectation is not above 0 there; the value is the one nearest to its initial value"
        for i in np.flatnonzero(depends & inside).tolist()
    ]
