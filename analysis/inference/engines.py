"""Which engine fits a problem, and the judgement of pyhf upon what it found."""

from __future__ import annotations

import logging

import numpy as np

from analysis.errors import FitError
from analysis.inference.compiled import UnsupportedModelError
from analysis.inference.engine import Engine, Minimum
from analysis.inference.minimiser import NewtonEngine
from analysis.inference.problem import Problem
from analysis.inference.pyhf_engine import PyhfEngine

log = logging.getLogger(__name__)

# Agreement of 2NLL with pyhf that every fit must show.
CROSS_CHECK = 1e-9


def make_engine(problem: Problem) -> Engine:
    """Return the compiled engine for a problem, or pyhf with Minuit where that is needed."""
    try:
        return NewtonEngine(problem)
    except UnsupportedModelError as error:
        log.warning("the compiled likelihood does not know %s: pyhf and Minuit take over", error)
        return PyhfEngine(problem, reason=f"the compiled likelihood does not know {error}")


def compiled_engine(problem: Problem) -> NewtonEngine:
    """Return the compiled engine, for what pyhf would take days for.

    Raises
    ------
    FitError
        The compiled likelihood does not know the model.
    """
    try:
        return NewtonEngine(problem)
    except UnsupportedModelError as error:
        raise FitError(
            "The compiled likelihood does not know the model, and with pyhf this would take days.",
            found=str(error),
            remedy="fit and scan work with pyhf; toys and impacts need the compiled likelihood",
        ) from error


def cross_check(problem: Problem, best: Minimum) -> float:
    """Return 2NLL minus pyhf's own evaluation at the minimum.

    Raises
    ------
    FitError
        They differ by more than 1e-9, beyond the rounding of pyhf's sum over bins and auxiliary counts: n ln λ − ln n!
        of a bin that is known to 2·10⁻⁶, as some in public workspaces, is a difference of numbers of 10¹².
    """
    judged = PyhfEngine(problem).twice_nll(best.x)
    difference = best.twice_nll - judged
    counts = np.abs(problem.data)
    rounding = 1e-15 * float(np.sum(counts * np.log(counts + 2.0)))
    if not abs(difference) <= CROSS_CHECK + rounding:
        raise FitError(
            "The compiled likelihood disagrees with pyhf's evaluation at the minimum.",
            found=f"2NLL {best.twice_nll!r}",
            expected=f"{judged!r} (pyhf)",
            remedy="report the workspace: this is an error of the program",
        )
    return difference
