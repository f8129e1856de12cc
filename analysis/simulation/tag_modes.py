"""The decay modes of semileptonic tags, numbered as the FEI's default channels number them.

B⁻ → D⁰ℓ⁻ (``decayModeID`` 0 e, 1 μ), D*⁰ℓ⁻ (2, 3), D⁺π⁻ℓ⁻ (4, 5), D*⁺π⁻ℓ⁻ (6, 7): basf2's
``fei/default_channels.py``. Of the FEI's D modes the toy has the six below, of its D* modes all but D*⁺ → D⁺γ. Windows
are the toy's own, some five resolutions to either side: the FEI asks for 1.7 < M(D) < 1.95 GeV/c² and Q(D*) < 0.3 GeV,
and leaves the rest to its classifiers, so that sidebands of M(D) end earlier here.
"""

from __future__ import annotations

from dataclasses import dataclass

from analysis.simulation.detector import M_D0, M_DPLUS


@dataclass(frozen=True)
class DMode:
    """One decay of a D.

    Attributes
    ----------
    name
        For a reader.
    charged
        D⁺ (or D⁰).
    number
        The FEI's ``decayModeID``.
    window
        Half of the mass window, GeV/c^2.
    resolution
        Of the mass, GeV/c^2: the unit in which the probability takes the distance to the D's mass.
    """

    name: str
    charged: bool
    number: int
    window: float
    resolution: float

    @property
    def mass(self) -> float:
        """Mass of the D, GeV/c^2."""
        return M_DPLUS if self.charged else M_D0


# The order is that of `Tags.channel`.
D_MODES: tuple[DMode, ...] = (
    DMode("D⁰ → K⁻π⁺", False, 0, 0.040, 0.0055),
    DMode("D⁰ → K⁻π⁺π⁰", False, 1, 0.060, 0.0130),
    DMode("D⁰ → K⁻π⁺π⁺π⁻", False, 3, 0.030, 0.0050),
    DMode("D⁰ → K_Sπ⁺π⁻", False, 10, 0.030, 0.0050),
    DMode("D⁺ → K⁻π⁺π⁺", True, 0, 0.030, 0.0050),
    DMode("D⁺ → K_Sπ⁺", True, 7, 0.030, 0.0060),
)
KPI, KPIPI0, K3PI, KSPIPI, K2PI, KSPI = range(6)
WITH_KAON = (True, True, True, False, True, False)


@dataclass(frozen=True)
class StarMode:
    """One decay of a D*: name, the FEI's ``decayModeID``, and limits of ΔM = M(D*) − M(D), GeV/c^2."""

    name: str
    number: int
    delta_m: tuple[float, float]


# The order is that of `Tags.star`; 0 is no D*. ΔM is 142.0, 142.0, 145.4, 140.6 MeV/c^2.
STAR_MODES: tuple[StarMode | None, ...] = (
    None,
    StarMode("D*⁰ → D⁰π⁰", 0, (0.1370, 0.1470)),
    StarMode("D*⁰ → D⁰γ", 1, (0.1250, 0.1590)),
    StarMode("D*⁺ → D⁰π⁺", 0, (0.1425, 0.1485)),
    StarMode("D*⁺ → D⁺π⁰", 1, (0.1360, 0.1460)),
)
NO_STAR, D0_PI0, D0_GAMMA, D0_PI, DPLUS_PI0 = range(5)
DPLUS_GAMMA = 5  # true decays only: not reconstructed

B_MODES: tuple[str, ...] = (
    "D⁰e", "D⁰μ", "D*⁰e", "D*⁰μ", "D⁺π⁻e", "D⁺π⁻μ", "D*⁺π⁻e", "D*⁺π⁻μ",
)  # fmt: skip
