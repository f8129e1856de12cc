"""Decay channels that the toy adds to PYTHIA's, and the strata in which generic B decays are generated.

Tags are forced through alias particles (9900521 …), so that PYTHIA's own decay tables stay as they are. Branching
fractions are PDG 2022.
"""

from __future__ import annotations

from collections.abc import Iterable

from analysis.basf2 import SampleType
from analysis.simulation.detector import M_B0, M_BPLUS

# FEI decay modes of the D⁰: K⁻π⁺, K⁻π⁺π⁰, K⁻π⁺π⁺π⁻, and their branching fractions (PDG 2022).
D0_MODES: dict[int, float] = {0: 0.0395, 1: 0.144, 3: 0.0822}
# B⁻ → D⁰ ℓ ν, D*⁰ ℓ ν and B̄⁰ → D*⁺ ℓ ν, per lepton flavour (PDG 2022), D*⁺ → D⁰ π⁺
BF_D0, BF_DSTAR0, BF_DSTARPLUS, BF_DSTAR_D0PI = 0.0230, 0.0558, 0.0497, 0.677

ALIASES = {9900421: 421, 9900423: 423, 9900413: 413, 9900521: 521, 9900511: 511, 9900522: 521}

# (fraction of the mode, products): the leading resonance (PDG 2022), the rest as phase space. Resonances that also
# decay to other final states (K*, a1) would make other modes, so they stay out.
_D0_CHANNELS: dict[int, tuple[tuple[float, str], ...]] = {
    0: ((1.0, "-321 211"),),
    1: ((0.78, "-321 213"), (0.22, "-321 211 111")),
    3: ((0.60, "-321 211 113"), (0.40, "-321 211 211 -211")),
}


# PYTHIA's table has no decay to a pair of neutrinos: generic samples hold no signal. Its siblings, Standard Model
# (arXiv:1409.4557), one neutrino flavour for all three:
_NEUTRINO_PAIRS = ((521, 9.8e-6, "323 12 -12"), (511, 9.1e-6, "313 12 -12"), (511, 4.6e-6, "311 12 -12"))

# Generic B decays are generated in strata, by the products of the B, so that rare decays that look like signal do not
# hang on a handful of simulated ones: share of the generated decays. Whoever is in no other stratum has charm.
STRATA: dict[str, dict[str, float]] = {
    "charged": {"lone kaon": 0.008, "charmless": 0.08, "charm": 0.912},
    "mixed": {"lone kaon": 0.005, "charmless": 0.095, "charm": 0.90},
}
_NEUTRAL = frozenset((12, 14, 16, 22, 111, 221, 311, 331))


def stratum_of(products: Iterable[int]) -> str:
    """Return the stratum of a B's decay channel.

    Examples
    --------
    >>> stratum_of([321, 311, 311]), stratum_of([16, -15]), stratum_of([321, -211]), stratum_of([-421, 211])
    ('lone kaon', 'lone kaon', 'charmless', 'charm')
    """
    kinds = sorted(abs(product) for product in products)
    if any(
        4 in (kind % 10 if kind < 10 else 0, kind // 10 % 10, kind // 100 % 10, kind // 1000 % 10) for kind in kinds
    ):
        return "charm"
    kaons = [kind for kind in kinds if kind in (321, 323, 313)]
    others = [kind for kind in kinds if kind not in (321, 323, 313)]
    if kinds == [15, 16] or (len(kaons) == 1 and len(others) > 1 and _NEUTRAL.issuperset(others)):
        return "lone kaon"
    return "charmless"


def _alias(pid: int, name: str, charge: int, spin: int, mass: float) -> str:
    conjugate_name = f"{name}bar"
    return f"{pid}:new = {name} {conjugate_name} {spin} {3 * charge} 0 {mass} 0 0 0 0"


def added_channels() -> list[str]:
    """Return PYTHIA settings: alias particles of the forced tags and of the signal, and rare decays."""
    lines = [
        _alias(9900421, "D0tag", 0, 1, 1.86484),
        _alias(9900423, "Dst0tag", 0, 3, 2.00685),
        _alias(9900413, "Dsttag", 1, 3, 2.01026),
        _alias(9900521, "Btag", 1, 1, M_BPLUS),
        _alias(9900511, "B0tag", 0, 1, M_B0),
        _alias(9900522, "Bsig", 1, 1, M_BPLUS),
        "9900421:tau0 = 0.1229", "9900521:tau0 = 0.4911", "9900522:tau0 = 0.4911", "9900511:tau0 = 0.4554",
        "9900423:addChannel = 1 0.647 0 9900421 111", "9900423:addChannel = 1 0.353 0 9900421 22",
        "9900413:addChannel = 1 1.0 0 9900421 211",
        "9900522:addChannel = 1 1.0 0 321 12 -12",
        *(f"{parent}:addChannel = 1 {fraction} 0 {products}" for parent, fraction, products in _NEUTRINO_PAIRS),
    ]  # fmt: skip
    for mode, channels in _D0_CHANNELS.items():
        for fraction, products in channels:
            lines.append(f"9900421:addChannel = 1 {D0_MODES[mode] * fraction} 0 {products}")
    # meMode 22: weak V - A, in the order neutrino, lepton, hadron
    for lepton in (11, 13):
        for tag, hadron, fraction in (
            (9900521, -9900421, BF_D0), (9900521, -9900423, BF_DSTAR0), (9900511, -9900413, BF_DSTARPLUS),
        ):  # fmt: skip
            lines.append(f"{tag}:addChannel = 1 {fraction} 22 {lepton + 1} {-lepton} {hadron}")
    return lines


def forced_fraction(sample: SampleType) -> float:
    """Return the branching fraction of one B into a forced tag: both leptons, all D⁰ modes of the toy."""
    to_d0 = sum(D0_MODES.values())
    if sample is SampleType.MIXED:
        return 2 * BF_DSTARPLUS * BF_DSTAR_D0PI * to_d0
    return 2 * (BF_D0 + BF_DSTAR0) * to_d0
