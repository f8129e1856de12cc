"""Goodness of fit against the saturated model."""

from __future__ import annotations

import numpy as np
from scipy.stats import chi2

from analysis.inference.constraints import saturated
from analysis.inference.engine import Floats, Minimum
from analysis.inference.minimiser import NewtonEngine
from analysis.inference.problem import Problem
from analysis.inference.results import GoodnessOfFit
from analysis.inference.toys import goodness_toys


def saturated_twice_nll(problem: Problem, data: Floats) -> float:
    """Return the lowest 2NLL of any model: all bins and auxiliary measurements met exactly.

    Parameters
    ----------
    problem
        The fit problem.
    data : (n_bins + n_aux,) float64
        Main and auxiliary data.
    """
    counts = data[: problem.n_bins]
    total = 2.0 * float(saturated(counts[None])[0])
    position = problem.n_bins
    config = problem.model.config
    for name in config.auxdata_order:
        params = config.param_set(name)
        measured = data[position : position + params.n_parameters]
        position += params.n_parameters
        if params.pdf_type == "poisson":
            total += 2.0 * float(saturated(measured[None])[0])
        else:
            widths = np.asarray(params.width(), dtype=float)
            total += 2.0 * float(np.sum(np.log(widths * np.sqrt(2 * np.pi))))
    return total


def goodness_of_fit(problem: Problem, best: Minimum) -> GoodnessOfFit:
    """Compare the fit with the saturated model.

    Constraint terms count as measurements when their parameter is not constant, so that a
    constrained parameter costs no degree of freedom.
    """
    statistic = max(best.twice_nll - saturated_twice_nll(problem, problem.data), 0.0)
    n_terms = sum(kind != "none" and not fixed for kind, fixed in zip(problem.constraint, problem.fixed, strict=True))
    ndof = problem.n_bins + n_terms - int(np.sum(~problem.fixed))
    p_value = float(chi2.sf(statistic, ndof)) if ndof > 0 else None
    return GoodnessOfFit(statistic=statistic, ndof=ndof, p_value=p_value)


def with_toys(asymptotic: GoodnessOfFit, engine: NewtonEngine, best: Minimum, n: int, seed: int) -> GoodnessOfFit:
    """Add the p value among ``n`` toys at the best fit, the data counted as one of them."""
    toys = goodness_toys(engine, best.x, n, seed=seed)
    above = int(np.sum(toys >= asymptotic.statistic))
    return asymptotic.model_copy(update={"p_value_toys": (above + 1) / (len(toys) + 1), "n_toys": len(toys)})
