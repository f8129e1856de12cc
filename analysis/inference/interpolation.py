"""How HistFactory interpolates between variations, with first and second derivatives.

The definitions are pyhf's (``pyhf.interpolators``, codes 0, 2 and 4p for histosys, 1 and 4 for normsys),
rewritten so that a model costs a few matrix products. A shape variation is always a sum of two fixed
histograms with coefficients that depend on α alone,

    δ(α) = u(α) X₁ + v(α) X₂,

and a normalisation factor f(α) is evaluated with f′ and f″.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

HISTOSYS_CODES = ("code0", "code2", "code4p")
NORMSYS_CODES = ("code1", "code4")

# α, …, α⁶ and their derivatives at ±1: the conditions that fix code 4's polynomial.
_CONDITIONS = np.array(
    [
        [1, 1, 1, 1, 1, 1],
        [-1, 1, -1, 1, -1, 1],
        [1, 2, 3, 4, 5, 6],
        [1, -2, 3, -4, 5, -6],
        [0, 2, 6, 12, 20, 30],
        [0, 2, -6, 12, -20, 30],
    ],
    dtype=float,
)
# The inverse consists of sixteenths: rounding makes it exact.
_SOLUTION = np.round(np.linalg.inv(_CONDITIONS) * 16) / 16


def histosys_basis(code: str, low: Floats, nominal: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return X₁ and X₂ of a shape variation; all arrays have the shape of the histogram."""
    up, down = high - nominal, nominal - low
    if code == "code4p":
        return 0.5 * (up + down), 0.0625 * (up - down)
    if code == "code0":
        return 0.5 * (up + down), 0.5 * (up - down)
    return 0.5 * (high - low), 0.5 * (high + low) - nominal


def histosys_coefficients(code: str, alpha: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the coefficients of X₁ and X₂ with their derivatives.

    Parameters
    ----------
    code
        One of ``HISTOSYS_CODES``.
    alpha : (T, M) float64
        Parameters.

    Returns
    -------
    tuple of (T, 2, M) float64
        (u, v), (u′, v′), (u″, v″).
    """
    zero, one = np.zeros_like(alpha), np.ones_like(alpha)
    if code == "code4p":
        a2 = alpha * alpha
        inside = np.abs(alpha) <= 1
        sign = np.sign(alpha)
        v = np.where(inside, a2 * (15 + a2 * (3 * a2 - 10)), 8 * np.abs(alpha))
        v1 = np.where(inside, alpha * (30 + a2 * (18 * a2 - 40)), 8 * sign)
        v2 = np.where(inside, 30 + a2 * (90 * a2 - 120), 0.0)
        u, u1 = alpha, one
    elif code == "code0":
        u, u1 = alpha, one
        v, v1, v2 = np.abs(alpha), np.where(alpha > 0, 1.0, -1.0), zero
    else:
        # pyhf 0.7.6 extrapolates code 2 without the value at ±1; it is the specification.
        above, below = alpha > 1, alpha < -1
        u, u1 = np.where(above, alpha - 1, alpha), one
        v = np.where(above, 2 * (alpha - 1), np.where(below, -2 * alpha, alpha * alpha))
        v1 = np.where(above, 2.0, np.where(below, -2.0, 2 * alpha))
        v2 = np.where(above | below, 0.0, 2.0)
    stack = np.stack
    return stack([u, v], axis=1), stack([u1, v1], axis=1), stack([zero, v2], axis=1)


class NormsysFactors:
    """Normalisation factors of many (parameter, sample, channel) entries.

    Parameters
    ----------
    code
        One of ``NORMSYS_CODES``.
    low, high : (E,) float64
        Factors at α = −1 and +1, positive.
    """

    def __init__(self, code: str, low: Floats, high: Floats) -> None:
        self.code = code
        self.low, self.high = low, high
        self.log_low, self.log_high = np.log(low), np.log(high)
        conditions = np.stack(
            [
                high - 1,
                low - 1,
                self.log_high * high,
                -self.log_low * low,
                self.log_high**2 * high,
                self.log_low**2 * low,
            ]
        )
        # (7, E): the polynomial 1 + Σ aᵢ αⁱ.
        self.polynomial = np.concatenate([np.ones((1, len(low))), _SOLUTION @ conditions])

    def taken(self, which: npt.NDArray[np.int64]) -> NormsysFactors:
        """Return some of the entries, in the order of ``which``."""
        return NormsysFactors(self.code, self.low[which], self.high[which])

    def evaluate(self, alpha: Floats, order: int) -> list[Floats]:
        """Return f and its derivatives up to ``order`` ≤ 2 at ``alpha`` (T, E), the parameter of each entry; (T, E)."""
        if self.code == "code1":
            return self._exponential(alpha, slice(None), order)
        found = [np.broadcast_to(self.polynomial[6], alpha.shape).copy(), *(np.zeros_like(alpha) for _ in range(order))]
        for k in range(5, -1, -1):  # Horner's rule for the value and the derivatives
            for m in range(order, 0, -1):
                found[m] *= alpha
                found[m] += m * found[m - 1] if m > 1 else found[0]
            found[0] *= alpha
            found[0] += self.polynomial[k]
        # An exponential is dear, and most parameters are less than a standard deviation away.
        point, entry = np.nonzero(np.abs(alpha) >= 1)
        for value, far in zip(found, self._exponential(alpha[point, entry], entry, order), strict=True):
            value[point, entry] = far
        return found

    def _exponential(self, alpha: Floats, entry: npt.NDArray[np.int64] | slice, order: int) -> list[Floats]:
        """Return highᵅ or low⁻ᵅ of some entries, and its derivatives; α = 1 and −1 belong to it."""
        slope = np.where(alpha >= 0, self.log_high[entry], -self.log_low[entry])
        f = np.exp(slope * alpha)
        return [f, slope * f, slope * slope * f][: order + 1]
