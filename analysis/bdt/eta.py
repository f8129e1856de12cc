"""η = 1 − signal efficiency: a monotone map from the BDT score, flat for the signal, frozen with the model.

η of a score is the weighted fraction of out-of-fold signal below it, as a piecewise linear function
through quantiles. A cut η > x keeps the fraction 1 − x of the signal, whatever the trees look like.

Every fold has trees of its own, so it has a map of its own. Data are spread evenly over the folds,
simulation is not quite where groups of rows stay together: with one map for all folds, differences
between their trees would make the signal in the data less flat than in simulation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Array = NDArray[Any]

KNOTS = 1000
"""Quantiles between which η is interpolated: 0.1 % of the signal each."""


class EtaMap(BaseModel):
    """The map: strictly rising scores and η at each of them; constant beyond the first and the last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    score: tuple[float, ...]
    eta: tuple[float, ...]

    def __call__(self, score: Array) -> NDArray[np.float64]:
        """Return η, (n,) float64 in [0, 1]."""
        x = np.asarray(score, dtype=np.float64)
        return np.clip(np.interp(x, self.score, self.eta), 0.0, 1.0)


def fit_eta(score: Array, weight: Array) -> EtaMap:
    """Return the map under which signal is flat.

    Parameters
    ----------
    score
        (n,) out-of-fold scores of signal.
    weight
        (n,) event weights, not negative, with a positive sum.

    Raises
    ------
    ValueError
        There are fewer than two different scores.
    """
    values, inverse = np.unique(np.asarray(score, dtype=np.float64), return_inverse=True)
    if len(values) < 2:
        raise ValueError("η needs at least two different signal scores")
    sums = np.bincount(inverse, weights=weight)
    # Middle of each step, so that equal scores take the mean η of the rows that share them.
    fraction = (np.cumsum(sums) - sums / 2) / sums.sum()
    levels = np.linspace(0.0, 1.0, KNOTS + 1)[1:-1]
    # Scores of weight zero make flat places in `fraction`; quantiles need rising ones.
    rising = np.concatenate([[True], np.diff(fraction) > 0])
    inner = np.interp(levels, fraction[rising], values[rising])
    knots = np.unique(np.concatenate([[values[0]], inner, [values[-1]]]))
    # Sums of rounded weights may end some 1e-16 above one; the last bin of η must not lose such rows.
    eta = np.clip(np.interp(knots, values, fraction), 0.0, 1.0)
    return EtaMap(score=tuple(knots.tolist()), eta=tuple(eta.tolist()))
