"""The likelihood of a compiled model: value, gradient and exact Hessian, for many data sets at once.

With w = 1 − n/λ in each bin, the gradient of −ln L is Σ w ∂λ and its Hessian Σ (n/λ²) ∂λ ∂λᵀ + Σ w ∂²λ;
the second term has a closed form because expectations are products of one-parameter functions. All arrays
carry a leading axis T of parameter points (toys, grid points); one fit is T = 1.

Where the model says so (pyhf's ``clip_bin_data=0.0``, as every workspace is read here) a bin never expects less than
0. A bin without data then contributes max(λ, 0), which has a kink at λ = 0; the minimiser may ask for a smooth form of
it, (λ + √(λ² + 4ε²)) / 2, which is above it by ε at most.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy

from analysis.inference.compiled import (
    Compiled,
    UnsupportedModelError,
    compile_model,
    couples,
)
from analysis.inference.constraints import Measurements, constraints_of, measurements
from analysis.inference.interpolation import histosys_coefficients
from analysis.inference.problem import Problem

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Stands for a factor of exactly 0 where a derivative divides by it: λ does not notice.
TINY = 1e-100
# Agreement with pyhf demanded when a model is compiled (relative).
COMPILE_TOLERANCE = 1e-10
# Smallest expectation in the denominator of Fisher's information.
FLOOR = 1e-12


@dataclass(frozen=True)
class _Rates:
    """Expectations at T points with what their derivatives need."""

    total: Floats  # (T, B)
    cells: Floats  # (T, S, B)
    factors: Floats  # (T, S, B), global × local
    u1: Floats  # (T, 2, M), first derivatives of the shape coefficients
    u2: Floats  # (T, 2, M), second
    log_slope: Floats  # (T, G, S·C), f′/f
    curvature: Floats  # (T, G, S·C), f″/f
    local: Floats  # (T, K), values of the local factors


class Likelihood:
    """−ln L of a problem, normalised as pyhf does.

    Parameters
    ----------
    problem
        The model is compiled from its ``pyhf.Model``, and compared with it at one point.

    Raises
    ------
    UnsupportedModelError
        The model has something that is not known here.
    """

    def __init__(self, problem: Problem) -> None:
        self.n_bins = problem.n_bins
        self.model: Compiled = compile_model(problem.model)
        # Whether a negative expectation counts as 0; else it is rewarded in bins without data, as pyhf does by default.
        self.clips = problem.model.main_model.clip_bin_data is not None
        self.constraints = constraints_of(problem)
        model = self.model
        self._shapes = model.shapes.reshape(2 * model.n_shapes, model.nominal.size)
        # Which slots act on which parameter: a permutation unless modifiers share or lack parameters.
        params = model.slot_param
        self._incidence = np.zeros((len(params), model.n_params))
        self._incidence[np.arange(len(params)), params] = 1.0
        one_each = len(params) == model.n_params == len(np.unique(params))
        self._order: Ints | None = np.argsort(params) if one_each else None
        self._pair_starts = np.flatnonzero(np.diff(model.pair_slot, prepend=-1))
        self._pair_bin = model.pair_cell % self.n_bins
        self._couples = couples(model)
        self._lay_out_shapes()
        self._pooled = self._is_pooled()
        self._check(problem)

    def rates(self, x: Floats, *, guard: bool = False) -> _Rates:
        """Return expectations at ``x`` (T, P); ``guard`` replaces factors of 0 by TINY."""
        model = self.model
        n_points = len(x)
        n_samples, n_bins = model.nominal.shape
        slots = x[:, model.slot_param]
        n_shapes, n_global = model.n_shapes, model.n_global
        u, u1, u2 = histosys_coefficients(model.shape_code, slots[:, :n_shapes])
        shifted = (u.reshape(n_points, -1) @ self._shapes).reshape(n_points, n_samples, n_bins)
        shifted += model.nominal
        factors, slope, curvature = self._global_factors(slots[:, n_shapes : n_shapes + n_global], guard)
        local = slots[:, n_shapes + n_global :]
        if guard:
            local = np.where(local == 0.0, TINY, local)
        full = factors.reshape(n_points, n_samples, -1)[:, :, model.channel_of_bin]
        padded = np.concatenate([local, np.ones((n_points, 1))], axis=1)
        for layer in model.local_map:
            full = full * padded[:, layer].reshape(n_points, n_samples, n_bins)
        cells = full * shifted
        return _Rates(cells.sum(axis=1), cells, full, u1, u2, slope, curvature, local)

    def _global_factors(self, values: Floats, guard: bool) -> tuple[Floats, Floats, Floats]:
        """Return the product of the global factors (T, S·C), and f′/f and f″/f (T, G, S·C)."""
        model = self.model
        n_blocks = model.nominal.shape[0] * len(model.channel_starts)
        shape = (len(values), model.n_global, n_blocks)
        f, slope, curvature = np.ones(shape), np.zeros(shape), np.zeros(shape)
        if len(model.norm_slot):
            f0, f1, f2 = model.norm.evaluate(values[:, model.norm_slot])
            f[:, model.norm_slot, model.norm_block] = f0
            slope[:, model.norm_slot, model.norm_block] = f1 / f0
            curvature[:, model.norm_slot, model.norm_block] = f2 / f0
        if len(model.linear_slot):
            linear = values[:, model.linear_slot]
            if guard:
                linear = np.where(linear == 0.0, TINY, linear)
                slope[:, model.linear_slot, model.linear_block] = 1.0 / linear
            f[:, model.linear_slot, model.linear_block] = linear
        return f.prod(axis=1), slope, curvature

    def measure(self, data: Floats) -> Measurements:
        """Prepare data (T, n_bins + n_aux) for the other methods."""
        return measurements(self.n_bins, self.constraints, data)

    def value(self, x: Floats, data: Measurements, *, smooth: float = 0.0) -> Floats:
        """Return −ln L at ``x`` (T, P) for T or one data sets; (T,).

        Infinite where a bin with data expects nothing, or less. ``smooth`` is the ε of the smooth form of max(λ, 0)
        in bins without data; 0 for the kink itself. Summed as differences from the saturated
        model, so that rounding does not grow with the number of events.
        """
        c = self.constraints
        pull = (x[:, c.normal] - data.normal) / c.sigma
        total = self._clipped(self.rates(x).total, data, smooth)
        main = _deviance(total, data.counts) + (0.5 * pull * pull).sum(axis=1)
        if len(c.poisson):
            main = main + _deviance(c.scale * x[:, c.poisson], data.poisson)
        result: Floats = main + data.offset
        return result

    def derivatives(
        self, x: Floats, data: Measurements, *, exact: bool = True, smooth: float = 0.0
    ) -> tuple[Floats, Floats]:
        """Return gradient (T, P) and Hessian (T, P, P) of −ln L.

        Not ``exact``: Fisher's information Σ ∂λ ∂λᵀ / λ in place of the Hessian. It is never negative and
        takes half the time; far from the minimum it makes better steps.
        """
        rates = self.rates(x, guard=True)
        weight, spread = self._weights(rates.total, data, smooth)
        dense, local = self._jacobian(rates)
        slopes = [(dense @ weight[:, :, None])[:, :, 0], local * weight[:, self.model.local_bin]]
        gradient = self._gather(np.concatenate(slopes, axis=1))
        if exact:
            hessian = self._curvature(rates, weight, spread, dense, local)
        else:
            expected = 1.0 / np.maximum(rates.total, FLOOR)
            if self.clips:
                expected = np.where(rates.total > 0, expected, spread)
            hessian = self._information(expected, dense, local)
        self._add_constraints(x, data, gradient, hessian)
        return gradient, hessian

    def gradient(self, x: Floats, data: Measurements, *, smooth: float = 0.0) -> Floats:
        """Return the gradient (T, P) of −ln L, without forming the Jacobian."""
        model = self.model
        rates = self.rates(x, guard=True)
        weight, _ = self._weights(rates.total, data, smooth)
        n_points = len(x)
        weighted = rates.factors * weight[:, None, :]
        projected = (weighted.reshape(n_points, -1) @ self._shapes.T).reshape(n_points, 2, -1)
        shapes = (rates.u1 * projected).sum(axis=1)
        flow = rates.cells * weight[:, None, :]
        blocks = self._by_channel(flow).reshape(n_points, -1)
        norms = (rates.log_slope @ blocks[:, :, None])[:, :, 0]
        local = self._by_slot(flow.reshape(n_points, -1)[:, model.pair_cell]) / rates.local
        gradient = self._gather(np.concatenate([shapes, norms, local], axis=1))
        self._add_constraints(x, data, gradient, None)
        return gradient

    def jacobian(self, x: Floats) -> Floats:
        """Return ∂λ/∂θ (B, P) at one point ``x`` (P,)."""
        dense, local = self._jacobian(self.rates(x[None], guard=True))
        slots = np.zeros((len(self.model.slot_param), self.n_bins))
        slots[: dense.shape[1]] = dense[0]
        slots[dense.shape[1] + np.arange(self.model.n_local), self.model.local_bin] = local[0]
        return slots.T @ self._incidence

    def _clipped(self, total: Floats, data: Measurements, smooth: float) -> Floats:
        """Return what the bins expect, never below 0 where the model clips."""
        if not self.clips:
            return total
        clipped = np.maximum(total, 0.0)
        if smooth:
            # (λ + √(λ² + 4ε²)) / 2 without cancellation
            root = np.hypot(total, 2 * smooth)
            excess = 2 * smooth**2 / (np.abs(total) + root)
            clipped = np.where(data.counts > 0, clipped, clipped + excess)
        result: Floats = clipped
        return result

    def _weights(self, total: Floats, data: Measurements, smooth: float) -> tuple[Floats, Floats]:
        """Return first and second derivative by λ: 1 − n/λ and n/λ²; without data 1 and 0, clipped 0 and 0."""
        counts = data.counts
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = np.where(counts > 0, counts / total, 0.0)
            spread = np.where(counts > 0, ratio / total, 0.0)
        weight = 1.0 - ratio
        if self.clips:
            empty = counts == 0
            weight = np.where(empty & (total <= 0), 0.0, weight)
            if smooth:
                root = np.hypot(total, 2 * smooth)
                weight = np.where(empty, 0.5 * (1.0 + total / root), weight)
                spread = np.where(empty, 2 * smooth**2 / root**3, spread)
        return weight, spread

    def _jacobian(self, rates: _Rates) -> tuple[Floats, Floats]:
        """Return ∂λ by histosys and global slots (T, M + G, B) and by local slots (T, K)."""
        model = self.model
        n_points = len(rates.total)
        # For each bin a product over the samples: (B, T, S) @ (B, S, 2M).
        by_bin = rates.factors.transpose(2, 0, 1) @ self._bin_shapes
        both = by_bin.reshape(self.n_bins, n_points, 2, model.n_shapes)
        shapes = (both * rates.u1).sum(axis=2).transpose(1, 2, 0)
        n_samples, n_channels = model.nominal.shape[0], len(model.channel_starts)
        slope = rates.log_slope.reshape(n_points, model.n_global, n_samples, n_channels)
        norms = np.concatenate(
            [
                np.matmul(slope[:, :, :, c], rates.cells[:, :, where])
                for c, (where, _) in enumerate(self._channel_shapes)
            ],
            axis=2,
        )
        flat = rates.cells.reshape(n_points, -1)[:, model.pair_cell]
        local = self._by_slot(flat) / rates.local
        return np.concatenate([shapes, norms], axis=1), local

    def _information(self, spread: Floats, dense: Floats, local: Floats) -> Floats:
        """Return Σ spread ∂λ ∂λᵀ by parameters; (T, P, P)."""
        bins = self.model.local_bin
        first, other, _ = self._couples
        scaled = spread[:, bins] * local
        return self._assemble(
            (dense * spread[:, None, :]) @ dense.transpose(0, 2, 1),
            dense[:, :, bins] * scaled[:, None, :],
            local[:, first] * scaled[:, other],
        )

    def _curvature(self, rates: _Rates, weight: Floats, spread: Floats, dense: Floats, local: Floats) -> Floats:
        """Return the Hessian of the main term by parameters; (T, P, P)."""
        model = self.model
        n_points, m = len(rates.total), model.n_shapes
        weighted = rates.factors * weight[:, None, :]
        # Dense by dense: Gauss–Newton, then the second derivatives of products.
        block = (dense * spread[:, None, :]) @ dense.transpose(0, 2, 1)
        mixed = self._shape_blocks(rates, weighted) @ rates.log_slope.transpose(0, 2, 1)
        block[:, :m, m:] += mixed
        block[:, m:, :m] += mixed.transpose(0, 2, 1)
        flow = rates.cells * weight[:, None, :]
        blocks = self._by_channel(flow).reshape(n_points, 1, -1)
        products = (rates.log_slope * blocks) @ rates.log_slope.transpose(0, 2, 1)
        index = np.arange(model.n_global)
        products[:, index, index] = (rates.curvature * blocks).sum(axis=2)
        block[:, m:, m:] += products
        second = (weighted.reshape(n_points, -1) @ self._shapes.T).reshape(n_points, 2, -1)
        index = np.arange(m)
        block[:, index, index] += (rates.u2 * second).sum(axis=1)
        # Dense by local.
        scaled = spread[:, model.local_bin] * local
        cross = dense[:, :, model.local_bin] * scaled[:, None, :]
        cross += self._local_cross(rates, weight, dense)
        # Local by local, within a bin.
        first, other, shared = self._couples
        couple = local[:, first] * scaled[:, other]
        if len(shared[0]):
            which, cell = shared
            both = rates.local[:, first[which]] * rates.local[:, other[which]]
            flat = flow.reshape(n_points, -1)[:, cell] / both
            # The shared cells of a couple follow each other.
            starts = np.flatnonzero(np.diff(which, prepend=-1))
            couple[:, which[starts]] += np.add.reduceat(flat, starts, axis=1)
        return self._assemble(block, cross, couple)

    def _assemble(self, block: Floats, cross: Floats, couple: Floats) -> Floats:
        """Put the slots' blocks into a matrix by parameters; (T, P, P)."""
        first, other, _ = self._couples
        n_points, n_dense, n_local = cross.shape
        size = n_dense + n_local
        slots = np.zeros((n_points, size, size))
        slots[:, :n_dense, :n_dense] = block
        slots[:, :n_dense, n_dense:] = cross
        slots[:, n_dense:, :n_dense] = cross.transpose(0, 2, 1)
        slots[:, n_dense + first, n_dense + other] = couple
        if self._order is not None:
            return slots[:, self._order[:, None], self._order]
        return self._incidence.T @ slots @ self._incidence

    def _shape_blocks(self, rates: _Rates, weighted: Floats) -> Floats:
        """Return Σ_b w ∂R/∂α of each histosys slot and (sample, channel); (T, M, S·C)."""
        model = self.model
        n_points, m = len(weighted), model.n_shapes
        n_samples, n_channels = model.nominal.shape[0], len(model.channel_starts)
        by_channel = np.empty((n_points, m, n_samples, n_channels))
        for c, (where, shapes) in enumerate(self._channel_shapes):
            # (S, T, b) @ (S, b, 2M)
            product = weighted[:, :, where].transpose(1, 0, 2) @ shapes
            both = product.reshape(n_samples, n_points, 2, m)
            by_channel[..., c] = (both * rates.u1).sum(axis=2).transpose(1, 2, 0)
        return by_channel.reshape(n_points, m, n_samples * n_channels)

    def _local_cross(self, rates: _Rates, weight: Floats, dense: Floats) -> Floats:
        """Return Σ w ∂²R/∂(dense)∂(local), which is Σ w ∂R/∂(dense) / γ over the cells of γ."""
        model = self.model
        if self._pooled:
            # Each γ multiplies its whole bin: the sum over its cells is ∂λ/∂(dense).
            bins = model.local_bin
            pooled: Floats = dense[:, :, bins] * (weight[:, bins] / rates.local)[:, None, :]
            return pooled
        n_points = len(weight)
        cell, pair = model.pair_cell, model.pair_slot
        shapes = self._pair_shapes
        slope = rates.u1[:, 0, :, None] * shapes[0] + rates.u1[:, 1, :, None] * shapes[1]
        scale = weight[:, self._pair_bin] / rates.local[:, pair]
        slope *= (rates.factors.reshape(n_points, -1)[:, cell] * scale)[:, None, :]
        n_channels = len(model.channel_starts)
        block = (cell // self.n_bins) * n_channels + model.channel_of_bin[self._pair_bin]
        norms = rates.log_slope[:, :, block]
        norms = norms * (rates.cells.reshape(n_points, -1)[:, cell] * scale)[:, None, :]
        return self._by_slot(np.concatenate([slope, norms], axis=1))

    def _add_constraints(self, x: Floats, data: Measurements, gradient: Floats, hessian: Floats | None) -> None:
        c = self.constraints
        gradient[:, c.normal] += (x[:, c.normal] - data.normal) / c.sigma**2
        value = x[:, c.poisson]
        value = np.where(value == 0.0, TINY, value)
        ratio = data.poisson / value
        gradient[:, c.poisson] += c.scale - ratio
        if hessian is not None:
            hessian[:, c.normal, c.normal] += 1.0 / c.sigma**2
            hessian[:, c.poisson, c.poisson] += ratio / value

    def _gather(self, slots: Floats) -> Floats:
        """Add up slots (T, Q) by parameter (T, P)."""
        return slots[:, self._order] if self._order is not None else slots @ self._incidence

    def _by_slot(self, pairs: Floats) -> Floats:
        """Add up the last axis, (sample, bin) pairs, by local slot."""
        if not self.model.n_local:
            return np.zeros((*pairs.shape[:-1], 0))
        summed: Floats = np.add.reduceat(pairs, self._pair_starts, axis=-1)
        return summed

    def _by_channel(self, cells: Floats) -> Floats:
        """Add up the last axis, bins, by channel."""
        summed: Floats = np.add.reduceat(cells, self.model.channel_starts, axis=-1)
        return summed

    def _lay_out_shapes(self) -> None:
        """Copy the shape histograms into the orders that the matrix products want."""
        model = self.model
        m, (n_samples, n_bins) = model.n_shapes, model.nominal.shape
        view = model.shapes.reshape(2 * m, n_samples, n_bins)
        self._bin_shapes = np.ascontiguousarray(view.transpose(2, 1, 0))  # (B, S, 2M)
        edges = [*model.channel_starts.tolist(), n_bins]
        self._channel_shapes = [
            (slice(a, b), np.ascontiguousarray(view[:, :, a:b].transpose(1, 2, 0)))
            for a, b in itertools.pairwise(edges)
        ]  # (S, b, 2M) each
        self._pair_shapes = model.shapes.reshape(2, m, model.nominal.size)[:, :, model.pair_cell]

    def _is_pooled(self) -> bool:
        """Tell whether every local slot multiplies all cells of its bin that can expect anything."""
        model = self.model
        alive = (model.nominal != 0) | (model.shapes != 0).any(axis=(0, 1))
        covered = np.zeros((model.n_local, model.nominal.size), dtype=bool)
        covered[model.pair_slot, model.pair_cell] = True
        of_bin = alive & (np.arange(self.n_bins) == model.local_bin[:, None, None])
        return bool(np.all(covered | ~of_bin.reshape(model.n_local, model.nominal.size)))

    def _check(self, problem: Problem) -> None:
        """Compare the compiled model with pyhf's expectation, away from the symmetric point."""
        step = np.where(np.isnan(problem.width), 0.1, problem.width)
        x = problem.init + 0.3 * step * np.cos(1.0 + np.arange(len(problem.init)))
        mine = self.rates(x[None]).total[0]
        mine = np.maximum(mine, 0.0) if self.clips else mine
        with np.errstate(all="ignore"):
            theirs = np.asarray(problem.model.main_model.expected_data(x))
        scale = np.abs(self.model.nominal).sum(axis=0) + 1.0
        if not np.all(np.abs(mine - theirs) <= COMPILE_TOLERANCE * scale):
            worst = int(np.argmax(np.abs(mine - theirs) / scale))
            raise UnsupportedModelError(f"the compiled expectation differs from pyhf's in {problem.bin_label(worst)}")


def _deviance(rate: Floats, seen: Floats) -> Floats:
    """Return Σ rate − seen − seen ln(rate / seen) over the last axis; infinite outside the model."""
    with np.errstate(invalid="ignore", divide="ignore"):
        terms = rate - seen - xlogy(seen, rate / np.where(seen > 0, seen, 1.0))
    total: Floats = np.where(np.isnan(terms), np.inf, terms).sum(axis=1)
    return total
