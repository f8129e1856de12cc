"""The parameters after a fit: values, errors, pulls, correlations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from analysis.inference.engine import Floats, Minimum, at_bounds
from analysis.inference.problem import Problem
from analysis.inference.results import Correlations, Parameter


def parameters(
    problem: Problem, best: Minimum, covariance: Floats, intervals: Mapping[int, tuple[float, float]]
) -> list[Parameter]:
    """List all parameters after the fit, with pulls in units of the prior width and MINOS ``intervals``."""
    errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    held = at_bounds(problem, best.x) & ~problem.fixed
    rows = []
    for i, name in enumerate(problem.names):
        constrained = problem.constraint[i] != "none" and not problem.fixed[i]
        rows.append(
            Parameter(
                name=name,
                value=float(best.x[i]),
                error=float(errors[i]),
                error_lo=intervals[i][0] if i in intervals else None,
                error_hi=intervals[i][1] if i in intervals else None,
                pull=float((best.x[i] - problem.central[i]) / problem.width[i]) if constrained else None,
                constraint=float(errors[i] / problem.width[i]) if constrained else None,
                constraint_type=problem.constraint[i],
                initial=float(problem.init[i]),
                bounds=(float(problem.lower[i]), float(problem.upper[i])),
                fixed=bool(problem.fixed[i]),
                at_bound=bool(held[i]),
            )
        )
    return rows


def correlations(problem: Problem, covariance: Floats) -> Correlations:
    """Return the correlation matrix of the parameters with a variance."""
    where = np.flatnonzero(np.diag(covariance) > 0)
    errors = np.sqrt(np.diag(covariance)[where])
    matrix = covariance[np.ix_(where, where)] / np.outer(errors, errors)
    return Correlations(names=[problem.names[i] for i in where], matrix=(np.round(matrix, 6) + 0.0).tolist())
