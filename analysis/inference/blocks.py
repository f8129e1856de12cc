"""Solving with the information matrices of many data sets at once.

Local parameters (staterror, shapesys …) meet each other only within their bin. Eliminating them bin by bin
leaves a matrix of the other parameters alone (a Schur complement), which makes a solution several times
cheaper in models where most parameters are local.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.inference.compiled import Compiled

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# Numbers in the matrices that are made at once: of a model with many parameters all toys' would not fit in memory.
AT_ONCE = 2**22
# Added to the diagonal, relative to it: keeps directions without information finite.
RIDGE = 1e-9


@dataclass(frozen=True)
class Factors:
    """Inverse matrices (T of them) in block form; see :meth:`BlockSolver.factor`."""

    dense: Floats  # (T, D, D), inverse of the Schur complement
    local: Floats  # (T, N, k, k), inverses of the bins' blocks
    mixed: Floats  # (T, D, N·k), dense rows times inverse blocks

    def rows(self, index: Ints) -> Factors:
        """Return some rows."""
        return Factors(self.dense[index], self.local[index], self.mixed[index])

    @classmethod
    def joined(cls, parts: Sequence[Factors]) -> Factors:
        """Put the rows of several together."""
        return cls(
            np.concatenate([part.dense for part in parts]),
            np.concatenate([part.local for part in parts]),
            np.concatenate([part.mixed for part in parts]),
        )


class BlockSolver:
    """Knows which parameters of a model are local to one bin."""

    def __init__(self, model: Compiled) -> None:
        bins: dict[int, set[int]] = {}
        first = model.n_shapes + model.n_global
        for slot, bin_index in enumerate(model.local_bin.tolist()):
            bins.setdefault(int(model.slot_param[first + slot]), set()).add(bin_index)
        others = set(model.slot_param[:first].tolist())
        local = {p: b.copy().pop() for p, b in bins.items() if len(b) == 1 and p not in others}
        self.size = model.n_params
        self.dense = np.array([p for p in range(self.size) if p not in local], dtype=np.int64)
        groups: dict[int, list[int]] = {}
        for param, bin_index in sorted(local.items()):
            groups.setdefault(bin_index, []).append(param)
        widest = max((len(group) for group in groups.values()), default=1)
        # One dummy parameter, number `size`, fills the blocks up.
        padded = [group + [self.size] * (widest - len(group)) for group in groups.values()]
        self.blocks = np.array(padded, dtype=np.int64).reshape(-1, widest)

    def portions(self, n_points: int) -> list[Ints]:
        """Split numbers 0 … ``n_points`` − 1 so that the matrices of each portion fit in memory."""
        size = max(AT_ONCE // self.size**2, 1)
        return [np.arange(first, min(first + size, n_points)) for first in range(0, n_points, size)]

    def factor(self, matrices: Floats, free: Bools) -> Factors:
        """Invert positive matrices (T, P, P) among the ``free`` (T, P) parameters."""
        n_points, size = len(matrices), self.size
        padded = np.zeros((n_points, size + 1, size + 1))
        padded[:, :size, :size] = matrices * (free[:, :, None] & free[:, None, :])
        index = np.arange(size)
        diagonal = padded[:, index, index] * (1 + RIDGE)
        padded[:, index, index] = np.where(free & (diagonal > 0), diagonal, 1.0)
        blocks, dense = self.blocks, self.dense
        own = padded[:, blocks[:, :, None], blocks[:, None, :]]
        own[:, :, np.arange(blocks.shape[1]), np.arange(blocks.shape[1])] = np.where(
            blocks == size, 1.0, padded[:, blocks, blocks]
        )
        local = 1.0 / own if blocks.shape[1] == 1 else _inverse(own)
        cross = padded[:, dense[:, None], blocks.reshape(1, -1)]
        shape = (n_points, len(dense), *blocks.shape)
        spread = cross.reshape(shape).transpose(0, 2, 1, 3) @ local
        mixed = spread.transpose(0, 2, 1, 3).reshape(cross.shape)
        schur = padded[:, dense[:, None], dense] - mixed @ cross.transpose(0, 2, 1)
        return Factors(_inverse(schur), local, mixed)

    def solve(self, factors: Factors, vectors: Floats) -> Floats:
        """Apply the inverses to vectors (T, P)."""
        n_points = len(vectors)
        padded = np.concatenate([vectors, np.zeros((n_points, 1))], axis=1)
        flat = self.blocks.ravel()
        right = vectors[:, self.dense] - (factors.mixed @ padded[:, flat, None])[:, :, 0]
        dense = (factors.dense @ right[:, :, None])[:, :, 0]
        own = (factors.local @ padded[:, self.blocks][..., None])[..., 0].reshape(n_points, -1)
        result = np.zeros((n_points, self.size + 1))
        result[:, self.dense] = dense
        result[:, flat] = own - (factors.mixed.transpose(0, 2, 1) @ dense[:, :, None])[:, :, 0]
        return result[:, : self.size]


def _inverse(matrices: Floats) -> Floats:
    inverse: Floats = np.asarray(np.linalg.inv(matrices), dtype=np.float64)
    return inverse
