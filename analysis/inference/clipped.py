"""Minima at the kinks of bins that are clipped at 0: an active set of bins, beside that of the bounds.

A bin without data contributes max(λ, 0). At a minimum such a bin lies above the kink (its share v of λ is 1), below
(v = 0), or upon it, where λ = 0 is a constraint and 0 ≤ v ≤ 1 its multiplier. For given sides the problem is smooth:
Newton's steps of the Lagrangian solve

    (H  Aᵀ) (d)   (−g)
    (A  0 ) (v) = (−λ)

with A the slopes of the bins upon their kinks, g without what these bins add, and H with their curvature v ∂²λ
(J. Nocedal, S. Wright, Numerical Optimization, 2006, ch. 18). A bin that a step carries over its kink is put upon it;
one whose multiplier leaves 0 … 1 is let go to that side.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_solve

from analysis.inference.newton import (
    EDM,
    NEAR,
    ROUNDING,
    Curvature,
    Descended,
    Task,
    not_converged,
    settles,
    slope_and_curvature,
)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MAX_ITERATIONS = 60
# Expectations nearer to 0 than this, in events, are upon the kink at the start, and this near they must be at the end.
UPON = 1e-6
MET = 1e-10
# How often a step is halved, far from the end.
HALVINGS = 10
# Multipliers may leave 0 … 1 by rounding.
SLACK = 1e-9


def upon_kinks(task: Task, x: Floats) -> Descended:
    """Descend from ``x`` (P,) to a minimum, with bins at their kinks or not.

    Raises
    ------
    NotConvergedError
        The steps end elsewhere: the smooth problems must be asked.
    """
    state = _State(task, x)
    highest = state.value + ROUNDING * max(abs(state.value), 1.0)
    for _ in range(MAX_ITERATIONS):
        if state.step() and state.value <= highest:
            return state.end()
        if state.lost:
            break
    raise not_converged(task, state.end())


class _State:
    """Where the descent is: parameters, sides of the bins without data, bins upon their kinks."""

    def __init__(self, task: Task, x: Floats) -> None:
        self.task, self.x = task, x
        self.value = task.value(x)
        self.empty = task.data.counts[0] == 0
        total = self._total(x)
        self.upon: Bools = self.empty & (np.abs(total) <= UPON)
        self.shares = np.where(self.upon, 0.5, np.where(total > 0, 1.0, 0.0))
        self.tried: Bools = np.zeros_like(self.empty)
        self.gradient = np.zeros_like(x)
        self.free: Bools = ~task.held
        self.curvature: Curvature | None = None
        self.edm = np.inf
        self.lost = False

    def end(self) -> Descended:
        """Return where it stands; the gradient is that of the Lagrangian."""
        return Descended(self.x, self.value, self.gradient, self.free, self.edm)

    def step(self) -> bool:
        """Take one step; return whether it was the last."""
        task = self.task
        lagrangian = replace(task, data=replace(task.data, shares=self.shares[None]))
        self.gradient, curvature = slope_and_curvature(lagrangian, self.x, self.curvature)
        self.free, self.curvature, upon = curvature.free, None, self.upon.copy()
        if curvature.factor is None:
            self.lost = True
            return False
        direction = self._direction(curvature.factor)
        before, self.edm = self.edm, float(direction @ curvature.hessian @ direction)
        x = np.clip(self.x + direction, task.lower, task.upper)
        value = task.value(x)
        crossed = self._crossed(x)
        if not value <= self.value and (crossed & ~self.tried).any():
            # Up beyond a kink: the step that ends upon it is asked first.
            self.tried |= crossed
            self.upon |= crossed
            return False
        self.tried[:] = False
        x, value = self._shortened(x, value)
        met = bool(np.all(np.abs(self._total(x)[self.upon]) <= MET))
        crossed = self._crossed(x)
        self.x, self.value = x, value
        self.upon |= crossed
        if settles(self.edm, before) and np.array_equal(self.upon, upon):
            self.curvature = curvature
        return self.edm < EDM and met and not crossed.any() and self._is_level(lagrangian, curvature.hessian)

    def _crossed(self, x: Floats) -> Bools:
        """Tell which bins without data lie on the other side of their kinks at ``x``."""
        total = self._total(x)
        crossed: Bools = self.empty & ~self.upon & np.where(self.shares > 0.5, total < -MET, total > MET)
        return crossed

    def _is_level(self, lagrangian: Task, hessian: Floats) -> bool:
        now = replace(lagrangian, data=replace(lagrangian.data, shares=self.shares[None]))
        gradient = now.gradient(self.x)
        same = bool(np.all(now.free(self.x, gradient) == self.free))
        return same and now.is_level(self.x, self.free, hessian)

    def _direction(self, factor: tuple[Floats, bool]) -> Floats:
        """Solve for step and multipliers, letting go of bins whose multiplier leaves 0 … 1."""
        where = np.flatnonzero(self.free)
        direction = np.zeros_like(self.x)
        total, slopes = self._total(self.x), self.task.likelihood.jacobian(self.x)[:, where]
        while True:
            upon = np.flatnonzero(self.upon)
            # The gradient without what the shares of the bins upon their kinks add.
            bare = self.gradient[where] - self.shares[upon] @ slopes[upon]
            inverse = cho_solve(factor, np.column_stack([bare, slopes[upon].T]), check_finite=False)
            coupling = slopes[upon] @ inverse[:, 1:]
            shares = np.linalg.lstsq(coupling, total[upon] - slopes[upon] @ inverse[:, 0], rcond=1e-12)[0]
            beyond = np.maximum(-shares, shares - 1.0)
            if not len(upon) or beyond.max() <= SLACK:
                self.gradient[where] = bare + shares @ slopes[upon]
                self.shares[upon] = np.clip(shares, 0.0, 1.0)
                direction[where] = -(inverse[:, 0] + inverse[:, 1:] @ shares)
                return direction
            worst = int(np.argmax(beyond))
            released = upon[worst]
            side = 1.0 if shares[worst] > 1.0 else 0.0
            self.gradient[where] += (side - self.shares[released]) * slopes[released]
            self.shares[released], self.upon[released] = side, False

    def _shortened(self, x: Floats, value: float) -> tuple[Floats, float]:
        """Halve a step until 2NLL falls; near the end whole steps are taken, which curved kinks would forbid."""
        slack = ROUNDING * max(abs(self.value), 1.0)
        if self.edm < NEAR and np.isfinite(value):
            return x, value
        for _ in range(HALVINGS):
            if value <= self.value + slack:
                return x, value
            x = 0.5 * (x + self.x)
            value = self.task.value(x)
        self.lost = not value <= self.value + slack
        return x, value

    def _total(self, x: Floats) -> Floats:
        total: Floats = self.task.likelihood.rates(x[None]).total[0]
        return total
