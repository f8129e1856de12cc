"""Global factors of a compiled model: what multiplies a sample in all bins of a channel.

A parameter acts on few (sample, channel) blocks of a large model, so that only the entries (slot, block) there are
evaluated, and multiplied up by block. Derivatives are taken when they are asked for: a value alone costs a small part.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.inference.compiled import Compiled
from analysis.inference.interpolation import NormsysFactors

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class GlobalFactors:
    """The normsys, normfactor and lumi entries of a model, in the order of their blocks.

    Parameters
    ----------
    model
        The compiled model.

    Attributes
    ----------
    slot, block : (E,)
        The global slot of each entry, and its block s·C + c.
    """

    def __init__(self, model: Compiled) -> None:
        self.n_slots = model.n_global
        self.n_blocks = model.nominal.shape[0] * len(model.channel_starts)
        slots = np.concatenate([model.norm_slot, model.linear_slot])
        blocks = np.concatenate([model.norm_block, model.linear_block])
        order = np.argsort(blocks, kind="stable")
        self.slot, self.block = slots[order], blocks[order]
        # Which entries are normsys factors, and these in the same order.
        self._is_norm = order < len(model.norm_slot)
        self._norm: NormsysFactors = model.norm.taken(order[self._is_norm])
        self._starts = np.flatnonzero(np.diff(self.block, prepend=-1))
        self._by_slot = np.argsort(self.slot, kind="stable")
        self._slot_starts = np.flatnonzero(np.diff(self.slot[self._by_slot], prepend=-1))

    def product(self, values: Floats) -> Floats:
        """Return the product of the factors in each block (T, S·C) at ``values`` (T, G) of the slots."""
        entries = values[:, self.slot]
        entries[:, self._is_norm] = self._norm.value(entries[:, self._is_norm])
        product = np.ones((len(values), self.n_blocks))
        if len(self.slot):
            product[:, self.block[self._starts]] = np.multiply.reduceat(entries, self._starts, axis=1)
        return product

    def slopes(self, values: Floats) -> tuple[Floats, Floats]:
        """Return f′/f and f″/f of the entries, (T, E) each; factors of 0 must be guarded."""
        entries = values[:, self.slot]
        first, second = np.zeros_like(entries), np.zeros_like(entries)
        f, f1, f2 = self._norm.evaluate(entries[:, self._is_norm])
        first[:, self._is_norm], second[:, self._is_norm] = f1 / f, f2 / f
        first[:, ~self._is_norm] = 1.0 / entries[:, ~self._is_norm]
        return first, second

    def dense(self, entries: Floats) -> Floats:
        """Spread entries (T, E) over slots and blocks; (T, G, S·C)."""
        spread = np.zeros((len(entries), self.n_slots, self.n_blocks))
        spread[:, self.slot, self.block] = entries
        return spread

    def by_slot(self, entries: Floats, blocks: Floats) -> Floats:
        """Add up entries (T, E) times their ``blocks`` (T, S·C) by slot; (T, G)."""
        found = np.zeros((len(entries), self.n_slots))
        if len(self.slot):
            terms = (entries * blocks[:, self.block])[:, self._by_slot]
            found[:, self.slot[self._by_slot[self._slot_starts]]] = np.add.reduceat(terms, self._slot_starts, axis=1)
        return found
