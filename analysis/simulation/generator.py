"""PYTHIA: B decays at rest and e⁺e⁻ → qq̄ or τ⁺τ⁻ events, as flat arrays of visible stable particles.

B mesons enter PYTHIA through its Les Houches interface, one at rest per event, because ``nextBatch`` hands such events
over as arrays (50 us per decay, against 130 us for a loop over particles in Python). Υ(4S), its angular distribution,
its boost and the mixing of B⁰ are not PYTHIA's: `analysis.simulation.pairing` does them.

Tags are forced through alias particles (9900521 …), so that PYTHIA's own decay tables stay as they are. Branching
fractions are PDG 2022. PYTHIA radiates no photons in hadron decays: the tail that final-state radiation would add below
the D mass is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.basf2 import SampleType
from analysis.errors import InputError
from analysis.simulation.detector import DETECTOR, M_B0, M_BPLUS
from analysis.simulation.jagged import Array, Bools, Floats, Ints, Table, count, offsets

# FEI decay modes of the D⁰: K⁻π⁺, K⁻π⁺π⁰, K⁻π⁺π⁺π⁻, and their branching fractions (PDG 2022).
D0_MODES: dict[int, float] = {0: 0.0395, 1: 0.144, 3: 0.0822}
# B⁻ → D⁰ ℓ ν, D*⁰ ℓ ν and B̄⁰ → D*⁺ ℓ ν, per lepton flavour (PDG 2022), D*⁺ → D⁰ π⁺
BF_D0, BF_DSTAR0, BF_DSTARPLUS, BF_DSTAR_D0PI = 0.0230, 0.0558, 0.0497, 0.677
NO_TAG = -1
PDG_KS, PDG_LAMBDA = 310, 3122

_NEUTRINOS = (12, 14, 16)
_ALIASES = {9900421: 421, 9900423: 423, 9900413: 413, 9900521: 521, 9900511: 511, 9900522: 521}

# (fraction of the mode, products): the leading resonance (PDG 2022), the rest as phase space. Resonances that also
# decay to other final states (K*, a1) would make other modes, so they stay out.
_D0_CHANNELS: dict[int, tuple[tuple[float, str], ...]] = {
    0: ((1.0, "-321 211"),),
    1: ((0.78, "-321 213"), (0.22, "-321 211 111")),
    3: ((0.60, "-321 211 113"), (0.40, "-321 211 211 -211")),
}


class Role:
    """What a particle is to the true semileptonic tag D(*)ℓν in its B decay."""

    NONE, LEPTON, D_DAUGHTER = 0, 1, 2


@dataclass(frozen=True)
class Particles(Table):
    """Visible stable particles, flat, sorted by ``event``.

    Attributes
    ----------
    event : (n,) int64
    pdg, mother : (n,) int32
        PDG codes of the particle and of what it comes from.
    vee : (n,) int64
        Index within the event of the K_S or Λ that it comes from, else -1.
    role : (n,) int8
        See `Role`.
    p : (4, n) float64
        Four-momentum, GeV.
    x : (4, n) float64
        Place and time of production, cm.
    """

    event: Ints
    pdg: NDArray[np.int32]
    mother: NDArray[np.int32]
    vee: Ints
    role: NDArray[np.int8]
    p: Floats
    x: Floats


@dataclass(frozen=True)
class Pool:
    """Decays or events kept for repeated use.

    Attributes
    ----------
    particles
        Sorted by parent.
    first : (n_parents + 1,) int64
        Offsets of the parents' particles.
    tag_mode : (n_parents,) int64
        FEI mode of the D⁰ in a true semileptonic tag, else ``NO_TAG``.
    tag_direct : (n_parents,) bool
        The D⁰ of the tag comes from the B itself, not from a D*.
    q2 : (n_parents,) float64
        Mass squared of all neutrinos together, GeV^2/c^4.
    generated
        Number of decays generated for these parents, the ones dropped included.
    """

    particles: Particles
    first: Ints
    tag_mode: Ints
    tag_direct: Bools
    q2: Floats
    generated: int

    def __len__(self) -> int:
        return len(self.tag_mode)


def charge_of(pdg: Array) -> Floats:
    """Return the charge of stable particles, in units of e."""
    kind = np.abs(pdg)
    sign = np.where((kind == 11) | (kind == 13), -1.0, 1.0)
    return np.where(is_charged_stable(pdg), np.sign(pdg) * sign, 0.0)


def conjugate(pdg: Array) -> Array:
    """Return the codes of the antiparticles; neutral mesons of one flavour, γ, K_S and K_L are their own."""
    kind = np.abs(pdg)
    flavourless = (kind // 1000 % 10 == 0) & (kind // 100 % 10 == kind // 10 % 10)
    return np.where(flavourless | np.isin(kind, (22, 130, 310)), pdg, -pdg)


def is_charged_stable(pdg: Array) -> Bools:
    """Whether a stable particle leaves a track."""
    kind = np.abs(pdg)
    return np.asarray((kind == 211) | (kind == 321) | (kind == 11) | (kind == 13) | (kind == 2212))


class _Source:
    """Maker of the Les Houches source of mesons at rest (a class inside a function: PYTHIA is imported late)."""

    @staticmethod
    def make(pdg: int, mass: float) -> Any:
        import pythia8mc

        class Source(pythia8mc.LHAup):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__(3)

            def setInit(self) -> bool:
                self.setBeamA(11, mass)
                self.setBeamB(-11, mass)
                self.addProcess(1, 1.0, 0.0, 1.0)
                return True

            def setEvent(self, _process: int = 0) -> bool:
                self.setProcess(1, 1.0, 10.0, 1 / 137.0, 0.1)
                self.addParticle(pdg, 1, 0, 0, 0, 0, 0.0, 0.0, 0.0, mass, mass, 0.0, 9.0)
                return True

        return Source()


def _alias(pid: int, name: str, charge: int, spin: int, mass: float) -> str:
    conjugate_name = f"{name}bar"
    return f"{pid}:new = {name} {conjugate_name} {spin} {3 * charge} 0 {mass} 0 0 0 0"


def _tag_settings() -> list[str]:
    """Return the alias particles of the forced tags and of the signal."""
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


def _pythia(settings: list[str], seed: int, source: Any = None) -> Any:
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    if source is not None:
        pythia.setLHAupPtr(source)
    for line in ["Print:quiet = on", "Check:event = off", "Random:setSeed = on", f"Random:seed = {seed}", *settings]:
        if not pythia.readString(line):
            raise InputError("PYTHIA refuses a setting.", where=line)
    if not pythia.init():
        raise InputError("PYTHIA does not start.", found=settings)
    return pythia


_CONTINUUM = {
    SampleType.UUBAR: 2, SampleType.DDBAR: 1, SampleType.SSBAR: 3, SampleType.CCBAR: 4, SampleType.TAUPAIR: 15,
}  # fmt: skip


# Weakly decaying charmed hadrons that are decayed apart from their events.
CHARM: dict[str, int] = {"D0": 421, "D+": 411, "Ds+": 431, "Lc+": 4122}


class Generator:
    """One running PYTHIA; call `batch` for as many decays or events as wanted.

    Parameters
    ----------
    kind
        "charged" or "mixed" (generic B⁺ or B⁰ at rest), "tag charged" or "tag mixed" (B⁻ or B̄⁰ forced to D(*)ℓν),
        "signal" (B⁺ → K⁺νν̄, phase space), a key of `CHARM` (at rest), a continuum sample (whole events, centre-of-mass
        frame), or "ccbar stable" (the same with the hadrons of `CHARM` undecayed).
    seed
        PYTHIA's seed, 1 to 900 000 000.
    """

    def __init__(self, kind: str, seed: int) -> None:
        decay = {
            "charged": (521, M_BPLUS), "mixed": (511, M_B0), "signal": (9900522, M_BPLUS),
            "tag charged": (-9900521, M_BPLUS), "tag mixed": (-9900511, M_B0),
            "D0": (421, 1.86484), "D+": (411, 1.86966), "Ds+": (431, 1.96835), "Lc+": (4122, 2.28646),
        }.get(kind)  # fmt: skip
        self._meson = decay is not None
        if decay is not None:
            # PYTHIA keeps only a raw pointer to the source.
            self._source = _Source.make(*decay)
            settings = ["Beams:frameType = 5", "ProcessLevel:all = off", "ParticleDecays:mixB = off"]
            self._pythia = _pythia(settings + _tag_settings(), seed, self._source)
        else:
            stable = kind.endswith(" stable")
            process = SampleType(kind.removesuffix(" stable"))
            self._pythia = _pythia(
                [
                    *(f"{pdg}:mayDecay = off" for pdg in CHARM.values() if stable),
                    "Beams:idA = 11", "Beams:idB = -11", f"Beams:eCM = {DETECTOR.beams.sqrt_s}", "PDF:lepton = off",
                    "WeakSingleBoson:ffbar2gmZ = on", "23:mMin = 2.", "PhaseSpace:mHatMin = 2.",
                    "23:onMode = off", f"23:onIfAny = {_CONTINUUM[process]}", "TauDecays:mode = 0",
                ],
                seed,
            )  # fmt: skip

    def batch(self, n: int) -> Pool:
        """Generate n decays or events."""
        import awkward as ak

        particles = self._pythia.nextBatch(n).prt
        if len(particles) != n:
            raise InputError("PYTHIA skipped events.", found=len(particles), expected=n)
        counts = ak.to_numpy(ak.num(particles)).astype(np.int64)
        flat = ak.flatten(particles)
        column = {k: ak.to_numpy(flat[k]) for k in ("id", "status", "mother1")}
        p = np.array([ak.to_numpy(flat["p"][k]) for k in ("px", "py", "pz", "e")])
        vertex = ak.fill_none(flat["vProd"], {"px": 0.0, "py": 0.0, "pz": 0.0, "e": 0.0})
        x = 0.1 * np.array([ak.to_numpy(vertex[k]) for k in ("px", "py", "pz", "e")])  # mm to cm
        return _extract(counts, column["id"], column["status"], column["mother1"], p, x, meson=self._meson)


def _plain_codes(pdg: Array) -> NDArray[np.int32]:
    """Return codes with the aliases replaced by the particles they stand for."""
    result = np.asarray(pdg, dtype=np.int32).copy()
    for alias, code in _ALIASES.items():
        result[pdg == alias] = code
        result[pdg == -alias] = -code
    return result


def _extract(counts: Ints, pdg: Array, status: Array, mother1: Array, p: Floats, x: Floats, *, meson: bool) -> Pool:
    """Turn PYTHIA's records into a pool: visible stable particles, with their roles in a true tag."""
    n = len(counts)
    first = offsets(counts)
    event = np.repeat(np.arange(n), counts)
    code = _plain_codes(pdg)
    mother = first[event] + mother1  # flat index; entry 0 of each event is the system
    final = status > 0
    role = np.zeros(len(code), dtype=np.int8)
    tag_mode, direct = np.full(n, NO_TAG), np.zeros(n, dtype=bool)
    if meson:
        role, tag_mode, direct = _true_tags(event, n, code, final, mother, first)
    neutrino = final & np.isin(np.abs(code), _NEUTRINOS)
    missing = np.array([np.bincount(event[neutrino], weights=p[i, neutrino], minlength=n) for i in range(4)])
    visible = np.flatnonzero(final & ~neutrino)
    of_vee = np.isin(np.abs(code[mother[visible]]), (PDG_KS, PDG_LAMBDA))
    particles = Particles(
        event=event[visible],
        pdg=code[visible],
        mother=code[mother[visible]],
        vee=np.where(of_vee, mother1[visible], -1).astype(np.int64),
        role=role[visible],
        p=p[:, visible],
        x=x[:, visible],
    )
    return Pool(
        particles,
        offsets(count(particles.event, n)),
        tag_mode,
        direct,
        np.maximum(missing[3] ** 2 - np.sum(missing[:3] ** 2, axis=0), 0.0),
        n,
    )


def _true_tags(
    event: Ints, n: int, code: Array, final: Bools, mother: Ints, first: Ints
) -> tuple[NDArray[np.int8], Ints, Bools]:
    """Find B → D(*)ℓν with D⁰ in a mode of the toy; entry 1 of each event is the B.

    Returns the role of every entry, the mode of every event and whether its D⁰ comes from the B directly. Only B →
    (D⁰, D*⁰, D*⁺ → D⁰) ℓ ν with exactly three products counts.
    """
    kind = np.abs(code)
    b_meson = first[event] + 1
    of_b = (mother == b_meson) & (np.arange(len(code)) != b_meson) & (mother != first[event])
    n_products = count(event, n, of_b)
    lepton = of_b & final & ((kind == 11) | (kind == 13))
    d_star = of_b & ((kind == 413) | (kind == 423))
    d0 = (kind == 421) & (of_b | d_star[mother])
    candidate = (n_products == 3) & (count(event, n, lepton) == 1) & (count(event, n, d0) == 1)
    # the D⁰ above every entry, if any; deepest chains D⁰ -> a1 -> rho -> pi0 -> gamma have five steps
    d_index = np.full(n, -1)
    d_index[event[d0]] = np.flatnonzero(d0)
    target = d_index[event]
    above = np.arange(len(code))
    inside = np.zeros(len(code), dtype=bool)
    for _ in range(8):
        above = mother[above]
        inside |= (above == target) & (target >= 0)
    kaons = count(event, n, inside & final & (kind == 321))
    pions = count(event, n, inside & final & (kind == 211))
    pi0s = count(event, n, inside & (kind == 111))
    others = count(event, n, inside & final & ~np.isin(kind, (321, 211, 22)))
    photons = count(event, n, inside & final & (kind == 22))
    clean = candidate & (kaons == 1) & (others == 0) & (photons == 2 * pi0s)
    mode = np.full(n, NO_TAG)
    mode[clean & (pions == 1) & (pi0s == 0)] = 0
    mode[clean & (pions == 1) & (pi0s == 1)] = 1
    mode[clean & (pions == 3) & (pi0s == 0)] = 3
    is_tag = (mode != NO_TAG)[event]
    role = np.zeros(len(code), dtype=np.int8)
    role[is_tag & inside & final] = Role.D_DAUGHTER
    role[is_tag & lepton] = Role.LEPTON
    return role, mode, (mode != NO_TAG) & (count(event, n, d_star) == 0)


__all__ = ["D0_MODES", "NO_TAG", "Generator", "Particles", "Pool", "Role", "charge_of", "conjugate", "forced_fraction"]
