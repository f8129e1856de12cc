"""Published searches for B⁺ → K⁺νν̄, to stand beside our result.

Limits and the Belle II values are those of the abstracts; central values marked ``approximate`` were not checked
against the papers, and every table and figure calls them so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One published result; branching fractions in units of 10⁻⁵.

    Attributes
    ----------
    experiment, year, tag, data, reference
        Who, when, how, with what, and where it stands.
    value
        Central value.
    statistical, systematic
        Distances (down, up), ≥ 0; ``systematic`` is None where only the total is known.
    limit
        90 % CL upper limit, None if none is given.
    approximate
        Central value and errors are not checked against the paper.
    note
        What else a reader should know.
    """

    experiment: str
    year: int
    tag: str
    data: str
    reference: str
    value: float
    statistical: tuple[float, float]
    systematic: tuple[float, float] | None
    limit: float | None
    approximate: bool
    note: str = ""

    @property
    def total(self) -> tuple[float, float]:
        """Statistical and systematic errors added in quadrature: down, up."""
        other = self.systematic or (0.0, 0.0)
        return math.hypot(self.statistical[0], other[0]), math.hypot(self.statistical[1], other[1])


PUBLISHED = (
    Published(
        "BaBar", 2010, "semileptonic", "459×10⁶ BB̄", "arXiv:1009.1529",
        0.2, (0.8, 0.8), None, 1.3, True,
    ),
    Published(
        "BaBar", 2013, "hadronic", "429 fb⁻¹", "arXiv:1303.7465",
        1.5, (1.3, 1.3), None, 3.7, True,
    ),
    Published(
        "Belle", 2013, "hadronic", "711 fb⁻¹", "arXiv:1303.3719",
        2.9, (1.6, 1.6), None, 5.5, True,
    ),
    Published(
        "Belle", 2017, "semileptonic", "711 fb⁻¹", "arXiv:1702.03224",
        1.0, (0.6, 0.6), None, 1.9, True,
    ),
    Published(
        "Belle II", 2023, "hadronic", "362 fb⁻¹", "arXiv:2311.14647",
        1.1, (0.8, 0.9), (0.5, 0.8), None, False, "μ = 2.2",
    ),
    Published(
        "Belle II", 2023, "inclusive", "362 fb⁻¹", "arXiv:2311.14647",
        2.7, (0.5, 0.5), (0.5, 0.5), None, False, "μ = 5.4",
    ),
    Published(
        "Belle II", 2023, "combined", "362 fb⁻¹", "arXiv:2311.14647",
        2.3, (0.5, 0.5), (0.4, 0.5), None, False, "3.5σ over zero, 2.7σ over the SM",
    ),
)  # fmt: skip
