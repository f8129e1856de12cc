"""Expectations of a compiled model, and their first and second derivatives, at many parameter points at once.

Expectations are products of one-parameter functions, so that second derivatives have a closed form: sums of weights
times ∂λ or ∂²λ are taken over all slots by matrix products, and added up by parameter. All arrays carry a leading axis
T of parameter points.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.inference.compiled import Compiled, couples
from analysis.inference.factors import GlobalFactors
from analysis.inference.interpolation import histosys_coefficients

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Stands for a factor of exactly 0 where a derivative divides by it: λ does not notice.
TINY = 1e-100


@dataclass(frozen=True)
class Rates:
    """Expectations at T points with what their derivatives need."""

    total: Floats  # (T, B)
    cells: Floats  # (T, S, B)
    factors: Floats  # (T, S, B), global × local
    u1: Floats  # (T, 2, M), first derivatives of the shape coefficients
    u2: Floats  # (T, 2, M), second
    scales: Floats  # (T, G), values of the global slots
    local: Floats  # (T, K), values of the local factors


class Fold:
    """Adds up slots by parameter.

    Most parameters have one slot: the first of each has its place at the number of the parameter, the others behind
    all parameters, in layers of one slot for a parameter. A model with hundreds of parameters is summed in a small
    part of the time that a product with the matrix of incidence takes.

    Attributes
    ----------
    place : (Q,)
        Where each slot goes.
    size
        Number of places: parameters, then further slots.
    """

    def __init__(self, slot_param: Ints, n_params: int) -> None:
        self.n_params = n_params
        seen: Counter[int] = Counter()
        turn = np.zeros(len(slot_param), dtype=np.int64)
        for slot, param in enumerate(slot_param.tolist()):
            turn[slot] = seen[param]
            seen[param] += 1
        self.place = slot_param.copy()
        self.size = n_params
        self._layers: list[tuple[Ints, slice]] = []
        for k in range(1, max(seen.values(), default=1)):
            slots = np.flatnonzero(turn == k)
            self.place[slots] = self.size + np.arange(len(slots))
            self._layers.append((slot_param[slots], slice(self.size, self.size + len(slots))))
            self.size += len(slots)

    def last(self, places: Floats) -> Floats:
        """Add up the last axis of ``places`` (…, size), in place; return (…, P)."""
        for params, where in self._layers:
            places[..., params] += places[..., where]
        return places[..., : self.n_params]


class Expectations:
    """What the bins of a model expect.

    Parameters
    ----------
    model
        The compiled model.
    """

    def __init__(self, model: Compiled) -> None:
        self.model = model
        self.n_bins = int(model.nominal.shape[1])
        self._shapes = model.shapes.reshape(2 * model.n_shapes, model.nominal.size)
        self._fold = Fold(model.slot_param, model.n_params)
        self._pair_starts = np.flatnonzero(np.diff(model.pair_slot, prepend=-1))
        self._pair_bin = model.pair_cell % self.n_bins
        self._couples = couples(model)
        self._factors = GlobalFactors(model)
        self._lay_out_shapes()
        self._pooled = self._is_pooled()

    def rates(self, x: Floats, *, guard: bool = False) -> Rates:
        """Return expectations at ``x`` (T, P); ``guard`` replaces factors of 0 by TINY."""
        model = self.model
        n_points = len(x)
        n_samples, n_bins = model.nominal.shape
        slots = x[:, model.slot_param]
        n_shapes, n_global = model.n_shapes, model.n_global
        u, u1, u2 = histosys_coefficients(model.shape_code, slots[:, :n_shapes])
        shifted = (u.reshape(n_points, -1) @ self._shapes).reshape(n_points, n_samples, n_bins)
        shifted += model.nominal
        scales = slots[:, n_shapes : n_shapes + n_global]
        local = slots[:, n_shapes + n_global :]
        if guard:
            local = np.where(np.abs(local) < TINY, TINY, local)
            linear = scales[:, model.n_norm :]
            linear[np.abs(linear) < TINY] = TINY
        factors = self._factors.product(scales)
        full = factors.reshape(n_points, n_samples, -1)[:, :, model.channel_of_bin]
        padded = np.concatenate([local, np.ones((n_points, 1))], axis=1)
        for layer in model.local_map:
            full = full * padded[:, layer].reshape(n_points, n_samples, n_bins)
        cells = full * shifted
        return Rates(cells.sum(axis=1), cells, full, u1, u2, scales, local)

    def slopes(self, rates: Rates) -> tuple[Floats, Floats]:
        """Return ∂λ by histosys and global slots (T, M + G, B) and by local slots (T, K)."""
        model = self.model
        n_points = len(rates.total)
        # For each bin a product over the samples: (B, T, S) @ (B, S, 2M).
        by_bin = rates.factors.transpose(2, 0, 1) @ self._bin_shapes
        both = by_bin.reshape(self.n_bins, n_points, 2, model.n_shapes)
        shapes = (both * rates.u1).sum(axis=2).transpose(1, 2, 0)
        n_samples, n_channels = model.nominal.shape[0], len(model.channel_starts)
        log_slope = self._factors.dense(self._factors.slopes(rates.scales))
        slope = log_slope.reshape(n_points, model.n_global, n_samples, n_channels)
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

    def jacobian(self, x: Floats) -> Floats:
        """Return ∂λ/∂θ (B, P) at one point ``x`` (P,)."""
        dense, local = self.slopes(self.rates(x[None], guard=True))
        places = np.zeros((self.n_bins, self._fold.size))
        n_dense = dense.shape[1]
        places[:, self._fold.place[:n_dense]] = dense[0].T
        places[self.model.local_bin, self._fold.place[n_dense:]] = local[0]
        return self._fold.last(places)

    def projected(self, rates: Rates, weight: Floats) -> Floats:
        """Return Σ weight ∂λ by parameters (T, P), without forming the Jacobian."""
        model = self.model
        n_points = len(weight)
        weighted = rates.factors * weight[:, None, :]
        projected = (weighted.reshape(n_points, -1) @ self._shapes.T).reshape(n_points, 2, -1)
        shapes = (rates.u1 * projected).sum(axis=1)
        flow = rates.cells * weight[:, None, :]
        blocks = self._by_channel(flow).reshape(n_points, -1)
        norms = self._factors.gathered(self._factors.slopes(rates.scales), blocks)
        local = self._by_slot(flow.reshape(n_points, -1)[:, model.pair_cell]) / rates.local
        return self._gather(np.concatenate([shapes, norms, local], axis=1))

    def weighted(self, weight: Floats, dense: Floats, local: Floats) -> Floats:
        """Return Σ weight ∂λ by parameters (T, P) from the :meth:`slopes`."""
        slopes = [(dense @ weight[:, :, None])[:, :, 0], local * weight[:, self.model.local_bin]]
        return self._gather(np.concatenate(slopes, axis=1))

    def information(self, spread: Floats, dense: Floats, local: Floats) -> Floats:
        """Return Σ spread ∂λ ∂λᵀ by parameters; (T, P, P)."""
        bins = self.model.local_bin
        first, other, _ = self._couples
        scaled = spread[:, bins] * local
        return self._assemble(
            (dense * spread[:, None, :]) @ dense.transpose(0, 2, 1),
            dense[:, :, bins] * scaled[:, None, :],
            local[:, first] * scaled[:, other],
        )

    def curvature(self, rates: Rates, weight: Floats, spread: Floats, dense: Floats, local: Floats) -> Floats:
        """Return Σ spread ∂λ ∂λᵀ + Σ weight ∂²λ by parameters; (T, P, P)."""
        model = self.model
        n_points, m = len(rates.total), model.n_shapes
        weighted = rates.factors * weight[:, None, :]
        # Dense by dense: Gauss–Newton, then the second derivatives of products.
        block = (dense * spread[:, None, :]) @ dense.transpose(0, 2, 1)
        relative = self._factors.slopes(rates.scales, bend=True)
        log_slope = self._factors.dense(relative)
        mixed = self._shape_blocks(rates, weighted) @ log_slope.transpose(0, 2, 1)
        block[:, :m, m:] += mixed
        block[:, m:, :m] += mixed.transpose(0, 2, 1)
        flow = rates.cells * weight[:, None, :]
        blocks = self._by_channel(flow).reshape(n_points, -1)
        products = (log_slope * blocks[:, None, :]) @ log_slope.transpose(0, 2, 1)
        diagonal = np.arange(model.n_global)
        products[:, diagonal, diagonal] = self._factors.bent(relative, blocks)
        block[:, m:, m:] += products
        second = (weighted.reshape(n_points, -1) @ self._shapes.T).reshape(n_points, 2, -1)
        diagonal = np.arange(m)
        block[:, diagonal, diagonal] += (rates.u2 * second).sum(axis=1)
        # Dense by local.
        scaled = spread[:, model.local_bin] * local
        cross = dense[:, :, model.local_bin] * scaled[:, None, :]
        cross += self._local_cross(rates, weight, dense, log_slope)
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
        n_points, n_dense, _ = cross.shape
        fold = self._fold
        dense, local = fold.place[:n_dense], fold.place[n_dense:]
        places = np.zeros((n_points, fold.size, fold.size))
        places[:, dense[:, None], dense] = block
        places[:, dense[:, None], local] = cross
        places[:, local[:, None], dense] = cross.transpose(0, 2, 1)
        places[:, local[first], local[other]] = couple
        rows = fold.last(places)
        return fold.last(rows.transpose(0, 2, 1)).transpose(0, 2, 1)

    def _shape_blocks(self, rates: Rates, weighted: Floats) -> Floats:
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

    def _local_cross(self, rates: Rates, weight: Floats, dense: Floats, log_slope: Floats) -> Floats:
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
        norms = log_slope[:, :, block]
        norms = norms * (rates.cells.reshape(n_points, -1)[:, cell] * scale)[:, None, :]
        return self._by_slot(np.concatenate([slope, norms], axis=1))

    def _gather(self, slots: Floats) -> Floats:
        """Add up slots (T, Q) by parameter (T, P)."""
        places = np.zeros((len(slots), self._fold.size))
        places[:, self._fold.place] = slots
        return self._fold.last(places)

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
