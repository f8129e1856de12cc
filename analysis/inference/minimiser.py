"""The compiled likelihood with Newton's method: starts, kinks, and what is done where the steps do not converge.

The Hessian is exact, so that convergence is quadratic and the estimated distance to the minimum (EDM,
gᵀH⁻¹g in units of 2NLL) means what it says (:mod:`analysis.inference.newton`).

Interpolation codes 0, 1 and 2 have kinks, where no quadratic model holds on both sides. There the box is that of the
smooth piece, and a kink is crossed when 2NLL falls beyond it; a minimum may lie at the kink itself.

A bin without data whose expectation is clipped at 0 has a kink as well, max(λ, 0), along a surface that no single
parameter describes. Minima upon it are found as the limit of smooth problems (C. Chen, O. L. Mangasarian, Comput.
Optim. Appl. 5 (1996) 97) of ever smaller ε, when the steps over the kink itself do not converge.

What converges in none of these ways is left to pyhf and Minuit, and the engine remembers that it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from analysis.errors import FitError
from analysis.inference.clipped import upon_kinks
from analysis.inference.clipping import nearest_of_plateau
from analysis.inference.engine import Minimum
from analysis.inference.kinks import TINY, Kinks
from analysis.inference.likelihood import Likelihood
from analysis.inference.newton import PUSH, Descended, NotConvergedError, Task, damped, regularised
from analysis.inference.problem import Problem
from analysis.inference.pyhf_engine import PyhfEngine, invert
from analysis.inference.saddles import off_saddle
from analysis.inference.starts import possible_start
from analysis.inference.threads import on_one_thread

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

log = logging.getLogger(__name__)

# How many saddles a descent may pass.
SADDLES = 10
# How often a descent may cross kinks.
CROSSINGS = 1000
# A start with a bin without data nearer to its clip than this, in events, is likely to end upon it.
BESIDE_CLIP = 0.05
# The ε of the smooth problems, in events; 2NLL at the end is above its minimum by less than the last of them.
SMOOTH = tuple(10.0**-k for k in range(10))
# EDM that is enough for a smooth problem that only leads elsewhere.
ROUGH = 1e-2
# Kinks nearer than this, in prior widths, may hide a deeper minimum: the likelihood is not convex over them.
BESIDE = 1.0
# Relative fall of 2NLL beyond a kink that is one.
FALL = 1e-12


class NewtonEngine:
    """The compiled likelihood with Newton's method.

    Raises
    ------
    UnsupportedModelError
        The model has something that the compiled likelihood does not know.
    """

    name = "compiled likelihood, Newton"

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.likelihood = Likelihood(problem)
        self._scale = np.where(np.isnan(problem.width), 1.0, problem.width)
        self.kinks = Kinks(self.likelihood.model)
        self._left_to_minuit: list[str] = []

    def twice_nll(self, x: Floats, data: Floats | None = None) -> float:
        """Return −2 ln L."""
        data = self.problem.data if data is None else data
        return 2.0 * float(self.likelihood.value(x[None], self.likelihood.measure(data[None]))[0])

    @on_one_thread
    def minimise(
        self,
        data: Floats | None = None,
        *,
        fixed: Mapping[int, float] | None = None,
        start: Floats | None = None,
    ) -> Minimum:
        """Minimise from ``start``; see :class:`~analysis.inference.engine.Engine`."""
        problem = self.problem
        data = problem.data if data is None else data
        held = problem.fixed.copy()
        x = np.clip(problem.init if start is None else start, problem.lower, problem.upper)
        x[problem.fixed] = problem.init[problem.fixed]
        for index, value in (fixed or {}).items():
            held[index], x[index] = True, value
        lower, upper = np.where(held, x, problem.lower), np.where(held, x, problem.upper)
        measured = self.likelihood.measure(data[None])
        task = Task(self.likelihood, measured, problem.names, self._scale, held, lower, upper)
        x = possible_start(problem, task, x)
        try:
            if self.kinks.points:
                found = self._descend_by_pieces(x, task)
            else:
                found = self._descend(x, task, near=start is not None)
        except NotConvergedError as error:
            found = self._by_minuit(x, task, data, fixed, error)
        return nearest_of_plateau(problem, self.likelihood, found, held, measured)

    @property
    def remarks(self) -> list[str]:
        """What a reader of the results should know of how they were found."""
        if not self._left_to_minuit:
            return []
        n, last = len(self._left_to_minuit), self._left_to_minuit[-1]
        return [f"{n} fit{'s' if n > 1 else ''} of the compiled engine did not converge ({last}): pyhf and Minuit did"]

    def _by_minuit(
        self, x: Floats, task: Task, data: Floats, fixed: Mapping[int, float] | None, error: NotConvergedError
    ) -> Minimum:
        """Leave the fit to pyhf and Minuit; raises ``error`` where these fail, too."""
        log.warning("%s\nTrying pyhf and Minuit.", error)
        try:
            found = PyhfEngine(self.problem).minimise(data, fixed=fixed, start=x)
        except FitError as failure:
            raise error from failure
        self._left_to_minuit.append(str(error.found))
        return replace(found, twice_nll=2.0 * task.value(found.x))

    @on_one_thread
    def covariance(self, x: Floats, free: Bools, data: Floats | None = None) -> Floats:
        """Invert the exact Hessian among ``free``; see :class:`~analysis.inference.engine.Engine`."""
        data = self.problem.data if data is None else data
        measured = self.likelihood.measure(data[None])
        hessian = self.likelihood.derivatives(x[None], measured)[1][0]
        where = np.flatnonzero(free)
        covariance: Floats = np.zeros_like(hessian)
        covariance[np.ix_(where, where)] = invert(hessian[np.ix_(where, where)], where, self.problem)
        return covariance

    def expected(self, x: Floats) -> Floats:
        """Return the expected events by sample and bin; (S, B)."""
        cells: Floats = self.likelihood.rates(x[None]).cells[0]
        return cells

    def expected_jacobian(self, x: Floats) -> Floats:
        """Return the derivative of the total expectation; (B, P)."""
        jacobian: Floats = self.likelihood.jacobian(x)
        return jacobian

    def _descend(self, x: Floats, task: Task, *, near: bool = False) -> Minimum:
        """Minimise within bounds, past saddles; ``near`` tells that ``x`` is thought to be near the minimum."""
        found = self._stationary(x, task, near=near)
        for _ in range(SADDLES):
            beside = off_saddle(task, found)
            if beside is None:
                break
            found = self._stationary(beside, task)
        return Minimum(found.x, 2.0 * found.value, found.free | found.weak(task), found.edm)

    def _stationary(self, x: Floats, task: Task, *, near: bool = False) -> Descended:
        """Descend to where nothing falls, through smooth problems where clipped bins have their kinks in the way."""
        empty = self.likelihood.clips & (task.data.counts[0] == 0)
        steps: Callable[[Task, Floats], Descended] = partial(damped, near=near)
        descents = [steps, regularised]
        if empty.any():
            beside = np.any(np.abs(self.likelihood.rates(x[None]).total[0, empty]) < BESIDE_CLIP)
            descents = [_upon_deepest, steps] if beside else [steps, _upon_deepest]
        for descend in descents:
            try:
                return descend(task, x)
            except NotConvergedError as error:
                failure = error
        if not empty.any():
            raise failure
        for smooth in SMOOTH:
            smoothed = replace(task, smooth=smooth)
            try:
                found = damped(smoothed, x)
            except NotConvergedError:
                found = regularised(smoothed, x)
            x = found.x
        return replace(found, value=task.value(x))

    def _descend_by_pieces(self, x: Floats, task: Task) -> Minimum:
        """Descend within smooth pieces of the likelihood, over kinks as long as 2NLL falls beyond them."""
        best = self._over_kinks(x, task)
        for _ in range(CROSSINGS):
            lower = next((found for found in self._beyond(best, task) if _falls(found, best)), None)
            if lower is None:
                return replace(best, x=np.where(np.abs(best.x) <= TINY, 0.0, best.x))
            best = self._over_kinks(lower.x, task)
        raise _restless()

    def _over_kinks(self, x: Floats, task: Task) -> Minimum:
        """Descend to a minimum whose slopes rise on both sides of the kinks that it lies at."""
        best: Minimum | None = None
        for _ in range(CROSSINGS):
            x = self._cross(x, task)[0]
            found = self._within_piece(x, task)
            # Slopes beyond a kink are those of the first order: where another kink lies there too 2NLL may not fall.
            falls = best is None or _falls(found, best)
            best = found if best is None or falls else best
            x, moved = self._cross(found.x, task)
            if not moved or not falls:
                return best
        raise _restless()

    def _within_piece(self, x: Floats, task: Task) -> Minimum:
        """Descend within the smooth piece around ``x``."""
        low, high = self.kinks.piece(x, task.held, task.lower, task.upper)
        return self._descend(np.clip(x, low, high), replace(task, lower=low, upper=high))

    def _beyond(self, best: Minimum, task: Task) -> Iterator[Minimum]:
        """Yield the minima of the pieces next to that of ``best``, over kinks nearer than BESIDE."""
        for i, (left, right) in self.kinks.near(best.x, BESIDE):
            if task.held[i]:
                continue
            start = best.x.copy()
            start[i] = right if start[i] <= left else left
            if task.lower[i] <= start[i] <= task.upper[i] and np.isfinite(task.value(start)):
                yield self._within_piece(start, task)

    def _cross(self, x: Floats, task: Task) -> tuple[Floats, bool]:
        """Move parameters that lie at a kink to the side where 2NLL falls; tell whether any was."""
        at = {i: sides for i, sides in self.kinks.at(x).items() if not task.held[i]}
        left, right = x.copy(), x.copy()
        for i, (below, above) in at.items():
            left[i], right[i] = below, above
        smooth = replace(task, smooth=SMOOTH[-1])
        slopes = [smooth.gradient(point) for point in (left, right)]
        result, moved = x.copy(), False
        for i, sides in at.items():
            falls = slopes[0][i], -slopes[1][i]  # to the left, to the right
            there = int(falls[1] >= falls[0]) if x[i] not in sides else int(x[i] == sides[0])
            trial = result.copy()
            trial[i] = sides[there]
            # Code 2, as pyhf has it, jumps at its kinks: cross downwards only.
            before, after = task.value(result), task.value(trial)
            slack = 1e-12 * max(abs(before), 1.0)
            # A slope within rounding is none.
            if after < before - slack or (after <= before + slack and falls[there] * self._scale[i] > PUSH):
                result, moved = trial, True
        return result, moved


def _upon_deepest(task: Task, x: Floats) -> Descended:
    """Descend to a minimum at the kinks of clipped bins; of several, a smooth problem leads to a deeper one."""
    found = upon_kinks(task, x)
    try:
        other = upon_kinks(task, damped(replace(task, smooth=SMOOTH[0]), found.x, enough=ROUGH).x)
    except NotConvergedError:
        return found
    return other if other.value < found.value else found


def _falls(found: Minimum, best: Minimum) -> bool:
    return found.twice_nll < best.twice_nll - FALL * max(abs(best.twice_nll), 1.0)


def _restless() -> NotConvergedError:
    return NotConvergedError(
        "The fit did not converge: it crosses the kinks of its interpolation without end.",
        found=f"{CROSSINGS} crossings",
        remedy="use the interpolation codes 4 and 4p, which have no kinks",
    )
