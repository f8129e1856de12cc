"""Decay channels that the toy adds to PYTHIA's, and the strata in which generic B decays are generated.

Tags are forced through alias particles (9900521 …), so that PYTHIA's own decay tables stay as they are. Branching
fractions are PDG 2022.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from analysis.basf2 import SampleType
from analysis.simulation.detector import M_B0, M_BPLUS, M_D0, M_DPLUS, M_KS
from analysis.simulation.tag_modes import D_MODES

KS_TO_PIPI = 0.692
# Branching fractions of the D's channels, in the order of `tag_modes.D_MODES` (PDG 2022); K_S → π⁺π⁻ included.
BF_D = (0.0395, 0.144, 0.0822, 0.0280 * KS_TO_PIPI, 0.0938, 0.0156 * KS_TO_PIPI)
# B⁻ → D⁰ℓν, D*⁰ℓν, D⁺π⁻ℓν, D*⁺π⁻ℓν and B̄⁰ → D*⁺ℓν, per lepton flavour (PDG 2022)
BF_D0, BF_DSTAR0, BF_DPI, BF_DSTARPI, BF_DSTARPLUS = 0.0230, 0.0558, 0.0044, 0.0060, 0.0497
BF_DSTAR_D0PI, BF_DSTAR_DPI0, BF_DSTAR_DGAMMA = 0.677, 0.307, 0.016

_D0, _DPLUS, _KS, _DSTAR0, _DSTARPLUS, _DSTAR_OF_B0 = 9900421, 9900411, 9900310, 9900423, 9900413, 9910413
_BPLUS, _B0, _SIGNAL, TAUONIC_B = 9900521, 9900511, 9900522, 9900524
# alias: (the D** it stands for, mass, width, its limits, D(*) it decays to with a π⁻, share of D(*)πℓν); the numbers
# are PYTHIA's, and what is left of the shares has no D**
_D_STAR_STAR = {
    9910421: (10421, 2.318, 0.27, 2.05, 2.5, _DPLUS, 0.52),
    9900425: (425, 2.4626, 0.049, 2.3, 2.65, _DPLUS, 0.18),
    9910423: (10423, 2.4213, 0.0271, 2.2183, 2.6263, _DSTARPLUS, 0.34),
    9920423: (20423, 2.427, 0.384, 2.16, 3.0, _DSTARPLUS, 0.55),
    9910425: (425, 2.4626, 0.049, 2.3, 2.65, _DSTARPLUS, 0.06),
}
ALIASES = {
    _D0: 421, _DPLUS: 411, _KS: 310, _DSTAR0: 423, _DSTARPLUS: 413, _DSTAR_OF_B0: 413, _BPLUS: 521, _B0: 511,
    _SIGNAL: 521, TAUONIC_B: 521, **{alias: values[0] for alias, values in _D_STAR_STAR.items()},
}  # fmt: skip

# (fraction of the channel, products): the leading resonance (PDG 2022), the rest as phase space. Resonances that also
# decay to other final states (K*, a1) would make other channels, so they stay out.
_D_CHANNELS: tuple[tuple[tuple[float, str], ...], ...] = (
    ((1.0, "-321 211"),),
    ((0.78, "-321 213"), (0.22, "-321 211 111")),
    ((0.60, "-321 211 113"), (0.40, "-321 211 211 -211")),
    ((0.23, f"{_KS} 113"), (0.77, f"{_KS} 211 -211")),
    ((1.0, "-321 211 211"),),
    ((1.0, f"{_KS} 211"),),
)


# PYTHIA's table has no decay to a pair of neutrinos: generic samples hold no signal. Its siblings, one neutrino flavour
# for all three. K*⁰ within the Standard Model's (9.2 ± 1.0) 10⁻⁶ (arXiv:1409.4557), K*⁺ and K⁰ by the lifetimes of the
# B from it and from the signal's 4.97 10⁻⁶:
_NEUTRINO_PAIRS = ((521, 9.8e-6, "323 12 -12"), (511, 9.1e-6, "313 12 -12"), (511, 4.6e-6, "311 12 -12"))
# Nor has it B⁺ → K⁺nn̄, which nobody has measured: DECAY_BELLE2.DEC, phase space as there (the enhancement near the
# threshold of the pair is not simulated).
_NEUTRONS = ((521, 5.7e-6, "321 2112 -2112"),)

# Generic B decays are generated in strata, by the products of the B, so that rare decays that look like signal do not
# hang on a handful of simulated ones: share of the generated decays. Whoever is in no other stratum has charm.
# B⁺ → τ⁺ν has two strata, by the decay of the τ: "tau to K" is the long-distance B⁺ → τ⁺(→ K⁺ν̄)ν, 6.5e-7.
STRATA: dict[str, dict[str, float]] = {
    "charged": {
        "tau to K": 0.005, "tau": 0.0025, "three kaons": 0.012, "kaon and neutrons": 0.002, "neutrinos": 0.004,
        "lone kaon": 0.0045, "strange quarks": 0.012, "charmless": 0.07, "charm": 0.888,
    },
    "mixed": {
        "neutrinos": 0.004, "lone kaon": 0.004, "strange quarks": 0.014, "charmless": 0.08, "charm": 0.898,
    },
}  # fmt: skip
TAUONIC = ("tau to K", "tau")
# b̄ → s̄qq̄ gives half of B⁺ → K⁺nn̄ and of K⁺K⁰K̄⁰, by fragmentation, once in some 200 decays: so many more of a
# stratum are generated, per decay of the sample, and kept where they have a label of `truth.RARE`.
SOUGHT: dict[str, dict[str, float]] = {"charged": {"strange quarks": 0.45}, "mixed": {}}
_NEUTRAL = frozenset((12, 14, 16, 22, 111, 221, 311, 331, 2112))
# by the products' codes without sign, in order
_NAMED = {
    (15, 16): "tau", (311, 311, 321): "three kaons", (321, 2112, 2112): "kaon and neutrons",
    (12, 12, 311): "neutrinos", (12, 12, 313): "neutrinos", (12, 12, 323): "neutrinos",
}  # fmt: skip


def stratum_of(products: Iterable[int]) -> str:
    """Return the stratum of a B's decay channel; "tau" for B⁺ → τ⁺ν, whatever becomes of the τ.

    Examples
    --------
    >>> stratum_of([321, 111, 111]), stratum_of([16, -15]), stratum_of([321, -211]), stratum_of([-421, 211])
    ('lone kaon', 'tau', 'charmless', 'charm')
    >>> stratum_of([321, 311, 311]), stratum_of([321, 2112, -2112]), stratum_of([313, 12, -12])
    ('three kaons', 'kaon and neutrons', 'neutrinos')
    >>> stratum_of([3, -3, -3, 2])
    'strange quarks'
    """
    kinds = sorted(abs(product) for product in products)
    if any(
        4 in (kind % 10 if kind < 10 else 0, kind // 10 % 10, kind // 100 % 10, kind // 1000 % 10) for kind in kinds
    ):
        return "charm"
    if tuple(kinds) in _NAMED:
        return _NAMED[tuple(kinds)]
    if len(kinds) == 4 and 3 in kinds and max(kinds) <= 3:
        return "strange quarks"
    kaons = [kind for kind in kinds if kind in (321, 323, 313)]
    others = [kind for kind in kinds if kind not in (321, 323, 313)]
    if len(kaons) == 1 and len(others) > 1 and _NEUTRAL.issuperset(others):
        return "lone kaon"
    return "charmless"


def tau_stratum_of(products: Iterable[int]) -> str:
    """Return which stratum of B⁺ → τ⁺ν a decay channel of the τ is in.

    Examples
    --------
    >>> tau_stratum_of([16, -321]), tau_stratum_of([16, -211]), tau_stratum_of([16, 111, -321])
    ('tau to K', 'tau', 'tau')
    """
    return "tau to K" if sorted(abs(product) for product in products) == [16, 321] else "tau"


def _alias(pid: int, name: str, charge: int, spin: int, mass: float, width: str = "0 0 0 0") -> str:
    return f"{pid}:new = {name} {name}bar {spin} {3 * charge} 0 {mass} {width}"


def added_channels() -> list[str]:
    """Return PYTHIA settings: alias particles of the forced tags and of the signal, and rare decays."""
    lines = [
        _alias(_D0, "D0tag", 0, 1, M_D0), _alias(_DPLUS, "Dtag", 1, 1, M_DPLUS),
        _alias(_DSTAR0, "Dst0tag", 0, 3, 2.00685), _alias(_DSTARPLUS, "Dsttag", 1, 3, 2.01026),
        _alias(_DSTAR_OF_B0, "DstB0tag", 1, 3, 2.01026), _alias(_BPLUS, "Btag", 1, 1, M_BPLUS),
        _alias(_B0, "B0tag", 0, 1, M_B0), _alias(_SIGNAL, "Bsig", 1, 1, M_BPLUS),
        _alias(TAUONIC_B, "Btau", 1, 1, M_BPLUS),
        f"{_KS}:new = KStag void 1 0 0 {M_KS} 0 0 0 0", f"{_KS}:addChannel = 1 1.0 0 211 -211",
        # mm
        *(f"{pid}:tau0 = {tau}" for pid, tau in (
            (_D0, 0.1229), (_DPLUS, 0.3118), (_KS, 26.842), (_BPLUS, 0.4911), (_SIGNAL, 0.4911), (TAUONIC_B, 0.4911),
            (_B0, 0.4554),
        )),
        f"{_DSTAR0}:addChannel = 1 0.647 0 {_D0} 111", f"{_DSTAR0}:addChannel = 1 0.353 0 {_D0} 22",
        f"{_DSTAR_OF_B0}:addChannel = 1 1.0 0 {_D0} 211",
        f"{_DSTARPLUS}:addChannel = 1 {BF_DSTAR_D0PI * _TO_CHANNELS[False]} 0 {_D0} 211",
        f"{_DSTARPLUS}:addChannel = 1 {BF_DSTAR_DPI0 * _TO_CHANNELS[True]} 0 {_DPLUS} 111",
        f"{_DSTARPLUS}:addChannel = 1 {BF_DSTAR_DGAMMA * _TO_CHANNELS[True]} 0 {_DPLUS} 22",
        f"{_SIGNAL}:addChannel = 1 1.0 0 321 12 -12", f"{TAUONIC_B}:addChannel = 1 1.0 0 16 -15",
        # the neutrino is left-handed, and a spinless B leaves the τ⁺ no choice: q² must fall, which this sign gives
        "TauDecays:mode = 2", f"TauDecays:tauMother = {TAUONIC_B}", "TauDecays:tauPolarization = 1.",
        *(f"{parent}:addChannel = 1 {share} 0 {products}" for parent, share, products in _NEUTRINO_PAIRS + _NEUTRONS),
    ]  # fmt: skip
    for mode, fraction, channels in zip(D_MODES, BF_D, _D_CHANNELS, strict=True):
        for share, products in channels:
            lines.append(f"{_DPLUS if mode.charged else _D0}:addChannel = 1 {fraction * share} 0 {products}")
    for alias, (_, mass, width, low, high, hadron, _) in _D_STAR_STAR.items():
        lines.append(_alias(alias, f"Dstst{alias}", 0, 3, mass, f"{width} {low} {high} 0"))
        lines.append(f"{alias}:addChannel = 1 1.0 0 {hadron} -211")
    # meMode 22: weak V - A, in the order neutrino, lepton, hadron
    for lepton in (11, 13):
        for parent, fraction, hadrons in _semileptonic():
            lines.append(f"{parent}:addChannel = 1 {fraction} 22 {lepton + 1} {-lepton} {hadrons}")
    return lines


# Of D⁰ and D⁺: branching fractions into all channels of the toy
_TO_CHANNELS = {
    charged: sum(fraction for mode, fraction in zip(D_MODES, BF_D, strict=True) if mode.charged is charged)
    for charged in (False, True)
}  # fmt: skip


def _semileptonic() -> Iterator[tuple[int, float, str]]:
    """Yield (alias of the B⁺ or B⁰, branching fraction into tags, hadrons) of the forced decays to one lepton."""
    to_d0, to_dplus = _TO_CHANNELS[False], _TO_CHANNELS[True]
    to_dstar = BF_DSTAR_D0PI * to_d0 + (BF_DSTAR_DPI0 + BF_DSTAR_DGAMMA) * to_dplus
    yield _BPLUS, BF_D0 * to_d0, f"{-_D0}"
    yield _BPLUS, BF_DSTAR0 * to_d0, f"{-_DSTAR0}"
    for hadron, fraction in ((_DPLUS, BF_DPI * to_dplus), (_DSTARPLUS, BF_DSTARPI * to_dstar)):
        left = 1.0
        for alias, values in _D_STAR_STAR.items():
            if values[5] == hadron:
                yield _BPLUS, fraction * values[6], f"{-alias}"
                left -= values[6]
        yield _BPLUS, fraction * left, f"{-hadron} 211"
    yield _B0, BF_DSTARPLUS * BF_DSTAR_D0PI * to_d0, f"{-_DSTAR_OF_B0}"


def forced_fraction(sample: SampleType) -> float:
    """Return the branching fraction of one B into a forced tag: both leptons, all D channels of the toy."""
    parent = _B0 if sample is SampleType.MIXED else _BPLUS
    return 2 * sum(fraction for alias, fraction, _ in _semileptonic() if alias == parent)
