"""Fits of many data sets at once: quasi-Newton steps preconditioned by one information matrix.

Toys of one truth share their curvature up to fluctuations. Its inverse at the truth (the Asimov information)
is the first guess of every inverse Hessian, and limited-memory BFGS corrections (J. Nocedal, Math. Comp. 35
(1980) 773) learn the rest; an iteration costs a gradient for each toy and no matrix inversion. What has not
converged then is left to the Newton engine, one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.errors import FitError
from analysis.inference.blocks import BlockSolver, Factors
from analysis.inference.constraints import Measurements
from analysis.inference.likelihood import Likelihood
from analysis.inference.minimiser import NewtonEngine
from analysis.inference.threads import on_one_thread

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Estimated distance to the minimum that ends a fit, in 2NLL: moves an estimate by 0.0001 σ. With parameters at bounds
# the estimate is rougher: 2NLL may end up to 0.001 above its minimum.
EDM = 1e-8
MAX_ITERATIONS = 60
# Slope of −ln L per standard deviation that a minimum cannot have without a kink.
STEEP = 1e-2
MEMORY = 10
# How often a step is halved: what falls only for shorter ones creeps along a kink, and is left to the Newton engine.
HALVINGS = 12
# After so many iterations the unfinished fits get the inverse of their own information.
REFRESH = 25


@dataclass(frozen=True)
class BatchMinima:
    """Minima of T data sets.

    Attributes
    ----------
    x : (T, P) float64
        Parameters.
    twice_nll : (T,) float64
        −2 ln L.
    converged : (T,) bool
        Whether the fit succeeded; the others hold the last point.
    n_single
        How many fits were left to the Newton engine.
    """

    x: Floats
    twice_nll: Floats
    converged: Bools
    n_single: int


class BatchMinimiser:
    """Fits data sets that were drawn at one truth.

    Parameters
    ----------
    engine
        The compiled engine of the problem.
    truth : (P,) float64
        Parameters at which the data were drawn; the fits start there.
    """

    def __init__(self, engine: NewtonEngine, truth: Floats) -> None:
        self.engine = engine
        self.likelihood: Likelihood = engine.likelihood
        problem = engine.problem
        self.truth = np.clip(truth, problem.lower, problem.upper)
        self._solver = BlockSolver(self.likelihood.model)
        expected = np.asarray(problem.model.expected_data(self.truth))
        measured = self.likelihood.measure(expected[None])
        information = self.likelihood.derivatives(self.truth[None], measured, exact=False)[1]
        self._information: Floats = information[0]
        self._inverses: dict[bytes, Floats] = {}

    @on_one_thread
    def minimise(
        self, data: Floats, *, fixed: Mapping[int, float] | None = None, start: Floats | None = None
    ) -> BatchMinima:
        """Fit ``data`` (T, n_bins + n_aux), with some parameters held, from ``start`` (T, P)."""
        problem = self.engine.problem
        held = problem.fixed.copy()
        x = np.tile(self.truth, (len(data), 1)) if start is None else start.copy()
        x[:, problem.fixed] = problem.init[problem.fixed]
        for index, value in (fixed or {}).items():
            held[index] = True
            x[:, index] = value
        lower, upper = np.where(held, -np.inf, problem.lower), np.where(held, np.inf, problem.upper)
        measured = self.likelihood.measure(data)
        if start is not None:
            # Where the start is outside the model the truth is the better one.
            lost = ~np.isfinite(self.likelihood.value(x, measured))
            x[np.ix_(lost, ~held)] = self.truth[~held]
        state = _Descent(self.likelihood, measured, x, held, lower, upper, self._inverse(held))
        for iteration in range(1, MAX_ITERATIONS + 1):
            if not state.step():
                break
            if iteration % REFRESH == 0:
                state.refresh(self._solver)
        return self._finish(state, data, fixed)

    @on_one_thread
    def poi_errors(self, x: Floats, data: Floats, poi: int) -> Floats:
        """Return the error of one parameter from the exact Hessian at ``x`` (T, P); NaN if not positive."""
        measured, free = self.likelihood.measure(data), ~self.engine.problem.fixed
        errors = np.full(len(x), np.nan)
        for rows in self._solver.portions(len(x)):
            _, hessian = self.likelihood.derivatives(x[rows], measured.rows(rows))
            unit = np.zeros((len(rows), x.shape[1]))
            unit[:, poi] = 1.0
            factors = self._solver.factor(hessian, np.tile(free, (len(rows), 1)))
            variance = self._solver.solve(factors, unit)[:, poi]
            seen = (variance > 0) & (hessian[:, poi, poi] > 0)
            errors[rows[seen]] = np.sqrt(variance[seen])
        return errors

    @on_one_thread
    def moved(self, x: Floats, index: int, value: float) -> Floats:
        """Return the minima ``x`` (T, P) moved to ``value`` of one parameter, the others following linearly.

        What they do is read from the information at the truth: a start for conditional fits.
        """
        problem = self.engine.problem
        column = self._inverse(problem.fixed)[:, index]
        if not column[index] > 0:
            return x.copy()
        start = x + (value - x[:, [index]]) * (column / column[index])
        moved: Floats = np.clip(start, problem.lower, problem.upper)
        return moved

    def _inverse(self, held: Bools) -> Floats:
        """Return the inverse of the information among the free parameters, zero elsewhere; kept for each set."""
        if held.tobytes() not in self._inverses:
            self._inverses[held.tobytes()] = self._inverted(held)
        return self._inverses[held.tobytes()]

    def _inverted(self, held: Bools) -> Floats:
        where = np.flatnonzero(~held)
        block = self._information[np.ix_(where, where)]
        scale = np.sqrt(np.diag(block))
        scale = np.where(scale > 0, scale, 1.0)
        values, vectors = np.linalg.eigh(block / np.outer(scale, scale))
        values = np.maximum(values, 1e-6 * values.max(initial=1e-300))
        inverse = np.zeros_like(self._information)
        inverse[np.ix_(where, where)] = (vectors / values) @ vectors.T / np.outer(scale, scale)
        return inverse

    def _at_clipped(self, state: _Descent) -> Bools:
        """Tell which fits the Newton engine must look at: on a plateau of clipped bins, or at the kink of one; (T,).

        At a kink the gradient does not vanish, although the corrections may have learnt to take no step.
        """
        empty = state.data.counts == 0
        if not self.likelihood.clips or not empty.any():
            return np.zeros(len(state.x), dtype=bool)
        clipped = (empty & (self.likelihood.rates(state.x).total < 0)).any(axis=1)
        free = state.free(state.x, state.gradient)
        errors = np.sqrt(np.diag(self._inverse(state.held)))
        steep = (np.abs(state.gradient) * errors * free).max(axis=1, initial=0.0) > STEEP
        at: Bools = clipped | steep
        return at

    def _finish(self, state: _Descent, data: Floats, fixed: Mapping[int, float] | None) -> BatchMinima:
        converged = state.done & ~self._at_clipped(state)
        late = np.flatnonzero(~converged)
        for toy in late:
            try:
                found = self.engine.minimise(data[toy], fixed=fixed, start=state.x[toy])
            except FitError:
                continue
            state.x[toy], state.value[toy], converged[toy] = found.x, found.twice_nll / 2, True
        return BatchMinima(state.x, 2.0 * state.value, converged, len(late))


class _Descent:
    """The state of T simultaneous projected L-BFGS descents."""

    def __init__(
        self,
        likelihood: Likelihood,
        data: Measurements,
        x: Floats,
        held: Bools,
        lower: Floats,
        upper: Floats,
        inverse: Floats,
    ) -> None:
        self.likelihood, self.data, self.held = likelihood, data, held
        self.lower, self.upper, self.inverse = lower, upper, inverse
        self.x = x
        self.value = likelihood.value(x, data)
        self.gradient = likelihood.gradient(x, data)
        self.done = np.zeros(len(x), dtype=bool)
        # Outside the model there is no slope to follow.
        self.stuck = ~np.isfinite(self.value)
        shape = (MEMORY, *x.shape)
        self.moves, self.turns = np.zeros(shape), np.zeros(shape)
        self.weights = np.zeros(shape[:2])  # 1 / (move · turn), 0 for none
        self.count = 0
        self.solver: BlockSolver | None = None
        self.factors: Factors | None = None
        self.factored = np.zeros(len(x), dtype=np.int64)

    def refresh(self, solver: BlockSolver) -> None:
        """Give every unfinished fit its own information, forget its corrections, free the stuck."""
        rows = np.flatnonzero(~self.done)
        self.stuck = ~np.isfinite(self.value)
        if not len(rows):
            return
        parts = []
        for portion in solver.portions(len(rows)):
            some = rows[portion]
            _, information = self.likelihood.derivatives(self.x[some], self.data.rows(some), exact=False)
            parts.append(solver.factor(information, self.free(self.x[some], self.gradient[some])))
        self.solver, self.factors = solver, Factors.joined(parts)
        self.factored[rows] = np.arange(len(rows))
        self.weights[:] = 0.0

    def free(self, x: Floats, gradient: Floats) -> Bools:
        """Return which parameters are not held, nor pushed against a bound; (R, P)."""
        below, above = (x <= self.lower) & (gradient > 0), (x >= self.upper) & (gradient < 0)
        free: Bools = ~self.held & ~below & ~above
        return free

    def step(self) -> bool:
        """Move every unfinished fit once; return whether any is left."""
        rows = np.flatnonzero(~self.done & ~self.stuck)
        if not len(rows):
            return False
        x, gradient, value = self.x[rows], self.gradient[rows], self.value[rows]
        free = self.free(x, gradient)
        slope = np.where(free, gradient, 0.0)
        direction = -np.where(free, self._precondition(slope, rows), 0.0)
        edm = -(direction * slope).sum(axis=1)
        self.done[rows[edm < EDM]] = True
        go = edm >= EDM
        rows, x, value, direction, slope = rows[go], x[go], value[go], direction[go], slope[go]
        if not len(rows):
            return False
        x_new, value_new, gradient_new, moved = self._search(rows, x, value, direction, slope)
        self.stuck[rows[~moved]] = True
        if not moved.any():
            return True
        rows, x, x_new = rows[moved], x[moved], x_new[moved]
        value_new, gradient_new = value_new[moved], gradient_new[moved]
        self._remember(rows, x_new - x, gradient_new - self.gradient[rows])
        self.x[rows], self.value[rows], self.gradient[rows] = x_new, value_new, gradient_new
        return True

    def _search(
        self, rows: npt.NDArray[np.int64], x: Floats, value: Floats, direction: Floats, slope: Floats
    ) -> tuple[Floats, Floats, Floats, Bools]:
        """Halve the steps until each value falls (Armijo); return points, values, gradients and which did."""
        x_new, value_new, gradient_new = x.copy(), value.copy(), np.zeros_like(x)
        open_rows, share = np.arange(len(rows)), 1.0
        for _ in range(HALVINGS):
            trial = x[open_rows] + share * direction[open_rows]
            trial = np.clip(trial, self.lower, self.upper)
            # Most whole steps are good ones: the expectations serve the gradient, too.
            data, rates = self.data.rows(rows[open_rows]), self.likelihood.rates(trial, guard=True)
            found = self.likelihood.value(trial, data, rates=rates)
            fall = (slope[open_rows] * (trial - x[open_rows])).sum(axis=1)
            slack = 1e-13 * np.maximum(np.abs(value[open_rows]), 1.0)
            good = found <= value[open_rows] + 1e-4 * fall + slack
            taken = open_rows[good]
            x_new[taken], value_new[taken] = trial[good], found[good]
            if good.all():
                gradient_new[taken] = self.likelihood.gradient(trial, data, rates=rates)
            elif good.any():
                gradient_new[taken] = self.likelihood.gradient(trial[good], data.rows(np.flatnonzero(good)))
            open_rows = open_rows[~good]
            if not len(open_rows):
                break
            share *= 0.5
        moved = np.ones(len(rows), dtype=bool)
        moved[open_rows] = False
        return x_new, value_new, gradient_new, moved

    def _precondition(self, slope: Floats, rows: npt.NDArray[np.int64]) -> Floats:
        """Apply the two-loop recursion to ``slope`` (R, P)."""
        q = slope.copy()
        order = [(self.count - 1 - k) % MEMORY for k in range(min(self.count, MEMORY))]
        shares = []
        for slot in order:
            share = self.weights[slot, rows] * (self.moves[slot, rows] * q).sum(axis=1)
            q -= share[:, None] * self.turns[slot, rows]
            shares.append(share)
        result: Floats
        if self.factors is None or self.solver is None:
            result = q @ self.inverse
        else:
            result = self.solver.solve(self.factors.rows(self.factored[rows]), q)
        for slot, share in zip(reversed(order), reversed(shares), strict=True):
            back = self.weights[slot, rows] * (self.turns[slot, rows] * result).sum(axis=1)
            result += (share - back)[:, None] * self.moves[slot, rows]
        return result

    def _remember(self, rows: npt.NDArray[np.int64], move: Floats, turn: Floats) -> None:
        slot = self.count % MEMORY
        self.moves[slot], self.turns[slot], self.weights[slot] = 0.0, 0.0, 0.0
        product = (move * turn).sum(axis=1)
        size = np.sqrt((move * move).sum(axis=1) * (turn * turn).sum(axis=1))
        curved = product > 1e-10 * size
        self.moves[slot, rows], self.turns[slot, rows] = move, turn
        self.weights[slot, rows] = np.where(curved, 1.0 / np.where(curved, product, 1.0), 0.0)
        self.count += 1
