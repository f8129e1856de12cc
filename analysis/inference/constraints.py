"""The constraint terms of a model and the data of all its terms, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, xlogy

from analysis.inference.compiled import UnsupportedModelError
from analysis.inference.problem import Problem

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_Row = tuple[int, int, float]

# Above this the series of Stirling is exact: its next term is 10⁻¹⁸.
MANY = 1e3


@dataclass(frozen=True)
class Constraints:
    """Constraint terms: which parameter, which position in the data, which width or scale."""

    normal: Ints
    normal_data: Ints
    sigma: Floats
    poisson: Ints
    poisson_data: Ints
    scale: Floats


@dataclass(frozen=True)
class Measurements:
    """T data sets, split by the terms of the likelihood.

    Attributes
    ----------
    counts : (T, B) float64
        Main data.
    normal, poisson : (T, N)
        Auxiliary data of the constraints, in their order.
    offset : (T,)
        −ln L of the saturated model: what no parameter changes.
    shares : (T, B) float64, optional
        v of the bins without data, each of which then contributes v λ instead of max(λ, 0); of the others ignored.
    """

    counts: Floats
    normal: Floats
    poisson: Floats
    offset: Floats
    shares: Floats | None = None

    def rows(self, index: Ints) -> Measurements:
        """Return some of the data sets."""
        shares = None if self.shares is None else self.shares[index]
        return Measurements(self.counts[index], self.normal[index], self.poisson[index], self.offset[index], shares)


def measurements(n_bins: int, constraints: Constraints, data: Floats) -> Measurements:
    """Split full data (T, n_bins + n_aux) by the terms of the likelihood."""
    counts, poisson = data[:, :n_bins], data[:, constraints.poisson_data]
    offset = saturated(counts) + saturated(poisson)
    offset += float(np.log(constraints.sigma * np.sqrt(2 * np.pi)).sum())
    return Measurements(counts, data[:, constraints.normal_data], poisson, offset)


def saturated(seen: Floats) -> Floats:
    """Return −ln L of the saturated model, Σ n − n ln n + ln n!; (T,).

    By Stirling's series for many events, where its terms cancel.
    """
    many = np.maximum(seen, MANY)
    series = 0.5 * np.log(2 * np.pi * many) + 1 / (12 * many) - (1 / many) ** 3 / 360
    few = np.minimum(seen, MANY)
    exact = few - xlogy(few, few) + gammaln(few + 1.0)
    total: Floats = np.where(seen > MANY, series, exact).sum(axis=1)
    return total


def constraints_of(problem: Problem) -> Constraints:
    """Collect the constraint terms; raises UnsupportedModelError for an unknown kind."""
    config = problem.model.config
    normal: list[_Row] = []
    poisson: list[_Row] = []
    position = problem.n_bins
    for name in config.auxdata_order:
        params = config.param_set(name)
        first = config.par_slice(name).start
        if params.pdf_type == "normal":
            kind, scales = normal, params.width()
        elif params.pdf_type == "poisson":
            kind, scales = poisson, params.factors
        else:
            raise UnsupportedModelError(f"constraint '{params.pdf_type}' of '{name}'")
        for k in range(params.n_parameters):
            kind.append((first + k, position + k, float(scales[k])))
        position += params.n_parameters
    return Constraints(
        _indices(normal, 0),
        _indices(normal, 1),
        np.array([row[2] for row in normal]),
        _indices(poisson, 0),
        _indices(poisson, 1),
        np.array([row[2] for row in poisson]),
    )


def _indices(rows: list[_Row], column: int) -> Ints:
    return np.array([row[column] for row in rows], dtype=np.int64)
