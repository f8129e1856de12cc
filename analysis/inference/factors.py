"""Global factors of a compiled model: what multiplies a sample in all bins of a channel.

A parameter acts on few (sample, channel) blocks of a large model, so that only the entries (slot, block) there are
evaluated, and multiplied up by block. Derivatives are taken when they are asked for: a value alone costs a small part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.inference.compiled import Compiled
from analysis.inference.interpolation import NormsysFactors

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class _Entries:
    """Entries (slot, block) of one kind, in the order of their blocks.

    Attributes
    ----------
    order : (E,)
        Where each was among those given.
    slot, block : (E,)
        The slot of each, and its block.
    """

    def __init__(self, slot: Ints, block: Ints) -> None:
        self.order = np.argsort(block, kind="stable")
        self.slot, self.block = slot[self.order], block[self.order]
        self._starts = np.flatnonzero(np.diff(self.block, prepend=-1))
        self._by_slot = np.argsort(self.slot, kind="stable")
        self._slot_starts = np.flatnonzero(np.diff(self.slot[self._by_slot], prepend=-1))

    def multiply(self, entries: Floats, product: Floats) -> None:
        """Multiply entries (T, E) into their blocks of ``product`` (T, S·C)."""
        if len(self.block):
            product[:, self.block[self._starts]] *= np.multiply.reduceat(entries, self._starts, axis=1)

    def add(self, entries: Floats, blocks: Floats, total: Floats) -> None:
        """Add entries (T, E) times their ``blocks`` (T, S·C) to the ``total`` of their slots (T, G)."""
        if len(self.slot):
            terms = (entries * blocks[:, self.block])[:, self._by_slot]
            total[:, self.slot[self._by_slot[self._slot_starts]]] += np.add.reduceat(terms, self._slot_starts, axis=1)


@dataclass(frozen=True)
class Slopes:
    """Relative derivatives of the entries."""

    norm: Floats  # (T, E), f′/f of normsys
    bend: Floats  # (T, E), f″/f of normsys, empty unless asked for
    linear: Floats  # (T, L), f′/f of normfactor and lumi


class GlobalFactors:
    """The normsys, normfactor and lumi entries of a model.

    Parameters
    ----------
    model
        The compiled model.
    """

    def __init__(self, model: Compiled) -> None:
        self.n_slots = model.n_global
        self.n_blocks = model.nominal.shape[0] * len(model.channel_starts)
        self._norms = _Entries(model.norm_slot, model.norm_block)
        self._linears = _Entries(model.linear_slot, model.linear_block)
        self._factors: NormsysFactors = model.norm.taken(self._norms.order)

    def product(self, values: Floats) -> Floats:
        """Return the product of the factors in each block (T, S·C) at ``values`` (T, G) of the slots."""
        product = np.ones((len(values), self.n_blocks))
        self._norms.multiply(self._factors.evaluate(values[:, self._norms.slot], 0)[0], product)
        self._linears.multiply(values[:, self._linears.slot], product)
        return product

    def slopes(self, values: Floats, *, bend: bool = False) -> Slopes:
        """Return f′/f and, for ``bend``, f″/f of the entries; values of 0 must be guarded."""
        f, f1, *f2 = self._factors.evaluate(values[:, self._norms.slot], 2 if bend else 1)
        return Slopes(f1 / f, f2[0] / f if bend else np.zeros((len(f), 0)), 1.0 / values[:, self._linears.slot])

    def dense(self, slopes: Slopes) -> Floats:
        """Spread f′/f over slots and blocks; (T, G, S·C)."""
        spread = np.zeros((len(slopes.norm), self.n_slots, self.n_blocks))
        spread[:, self._norms.slot, self._norms.block] = slopes.norm
        spread[:, self._linears.slot, self._linears.block] = slopes.linear
        return spread

    def gathered(self, slopes: Slopes, blocks: Floats) -> Floats:
        """Add up f′/f times ``blocks`` (T, S·C) by slot; (T, G)."""
        total = np.zeros((len(blocks), self.n_slots))
        self._norms.add(slopes.norm, blocks, total)
        self._linears.add(slopes.linear, blocks, total)
        return total

    def bent(self, slopes: Slopes, blocks: Floats) -> Floats:
        """Add up f″/f times ``blocks`` (T, S·C) by slot; (T, G)."""
        total = np.zeros((len(blocks), self.n_slots))
        self._norms.add(slopes.bend, blocks, total)
        return total
