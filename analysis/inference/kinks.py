"""Where the likelihood has kinks: interpolation codes 0 and 1 at 0, code 2 at ±1.

Between them it is smooth. A parameter at a kink needs a side, of which the derivatives are taken: numbers next to
the kink stand for the sides.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.inference.compiled import Compiled

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Stands for the sides of a kink at 0.
TINY = 1e-100


class Kinks:
    """The kinks of a compiled model.

    Attributes
    ----------
    points : dict of int to tuple of (float, float)
        Parameter to its kinks, each as the numbers that stand for its left and right side.
    """

    def __init__(self, model: Compiled) -> None:
        at_zero, at_one = (-TINY, TINY), (1.0, float(np.nextafter(1.0, 2.0)))
        found: dict[int, set[tuple[float, float]]] = {}
        if model.shape_code != "code4p":
            # In pyhf's code 2 the ends ±1 belong to the middle.
            breaks = {at_zero} if model.shape_code == "code0" else {at_one, (-at_one[1], -at_one[0])}
            for parameter in model.slot_param[: model.n_shapes].tolist():
                found.setdefault(parameter, set()).update(breaks)
        if model.norm.code == "code1":
            for parameter in model.slot_param[model.n_shapes : model.n_shapes + model.n_norm].tolist():
                found.setdefault(parameter, set()).add(at_zero)
        self.points = {parameter: tuple(sorted(kinks)) for parameter, kinks in sorted(found.items())}

    def at(self, x: Floats) -> dict[int, tuple[float, float]]:
        """Return the parameters that lie at a kink of theirs at ``x`` (P,), and its sides."""
        return {i: (left, right) for i, kinks in self.points.items() for left, right in kinks if left <= x[i] <= right}

    def near(self, x: Floats, reach: float) -> list[tuple[int, tuple[float, float]]]:
        """Return the parameters of ``x`` (P,) with a kink within ``reach``, and its sides."""
        return [(i, sides) for i, kinks in self.points.items() for sides in kinks if abs(x[i] - sum(sides) / 2) < reach]

    def piece(self, x: Floats, held: Bools, lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
        """Return the bounds, (P,) each, of the smooth piece around ``x`` within ``lower`` and ``upper``."""
        low, high = lower.copy(), upper.copy()
        for i, kinks in self.points.items():
            for left, right in kinks:
                if held[i]:
                    continue
                # At 0 itself, without a side, the right one.
                if x[i] >= right or left < x[i]:
                    low[i] = max(low[i], right)
                else:
                    high[i] = min(high[i], left)
        return low, high
