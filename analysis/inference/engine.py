"""What every minimiser offers to the intervals, limits and impacts built upon it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from analysis.errors import FitError
from analysis.inference.problem import Problem

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Minimum:
    """A minimum of the negative log likelihood.

    Attributes
    ----------
    x : (P,) float64
        Parameters.
    twice_nll
        −2 ln L there, normalised as pyhf does.
    free : (P,) bool
        Parameters that are neither constant nor held at a bound; the covariance speaks of them.
    edm
        Estimated vertical distance to the minimum, in units of 2NLL.
    """

    x: Floats
    twice_nll: float
    free: Bools
    edm: float


class ImpossibleError(FitError):
    """The likelihood is zero at all values that the free parameters can take."""


class Engine(Protocol):
    """A minimiser bound to one problem; raises FitError rather than return a wrong answer."""

    name: str
    problem: Problem

    @property
    def remarks(self) -> list[str]:
        """Return what a reader of the results should know of how they were found."""

    def minimise(
        self,
        data: Floats | None = None,
        *,
        fixed: Mapping[int, float] | None = None,
        start: Floats | None = None,
    ) -> Minimum:
        """Minimise 2NLL for ``data`` (the problem's own when None) with some parameters held."""

    def covariance(self, x: Floats, free: Bools, data: Floats | None = None) -> Floats:
        """Return the inverse Hessian of NLL among ``free``, zero elsewhere; (P, P)."""

    def expected(self, x: Floats) -> Floats:
        """Return the expected events by sample and bin; (S, B)."""

    def expected_jacobian(self, x: Floats) -> Floats:
        """Return the derivative of the total expectation; (B, P)."""


def at_bounds(problem: Problem, x: Floats, tolerance: float = 1e-9) -> Bools:
    """Return which parameters lie at a bound, within ``tolerance`` of the range, or of 1 + |bound| if less; (P,) bool.

    Public workspaces have ranges of 10⁷ and strengths near 1, which are at no bound.
    """
    span = problem.upper - problem.lower
    below = tolerance * np.minimum(span, 1 + np.abs(problem.lower))
    above = tolerance * np.minimum(span, 1 + np.abs(problem.upper))
    at: Bools = (x <= problem.lower + below) | (x >= problem.upper - above)
    return at
