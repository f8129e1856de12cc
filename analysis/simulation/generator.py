"""PYTHIA: B decays at rest and e⁺e⁻ → qq̄ or τ⁺τ⁻ events, as flat arrays of visible stable particles.

B mesons enter PYTHIA through its Les Houches interface, one at rest per event, because ``nextBatch`` hands such events
over as arrays (50 us per decay, against 130 us for a loop over particles in Python). Υ(4S), its angular distribution,
its boost and the mixing of B⁰ are not PYTHIA's: `analysis.simulation.pairing` does them.

B and D decay by PYTHIA's own table, not by Belle II's DECAY_BELLE2.DEC. Both go back to one compilation and agree in
what matters here: of B⁺ (B⁰) decays 22.6 % (20.9 %) have a prompt e or μ in PYTHIA's table, 22.1 % (20.6 %) in the DEC
file of decaylanguage 1.1; 43.5 % (50.2 %) and 43.7 % (48.3 %) are left to quarks that fragment. So nothing is lost in a
conversion; what differs is that form factors of semileptonic decays are PYTHIA's V − A without q² dependence, and that
the table is older. Rare decays that it lacks are added (`analysis.simulation.channels`).

The τ⁺ of B⁺ → τ⁺ν has the neutrino's helicity, so that q² of B⁺ → τ⁺(→ K⁺ν̄)ν falls, as (m_B² − m_τ²)(m_τ² − m_K²) −
q² m_τ². PYTHIA's own choice makes it rise, to a mean of 0.63 of the largest q² instead of a third. In the strata the
helicity is set; `Generator.batch` of "charged" (the other B of signal events, validation) has PYTHIA's.

Tags are forced through alias particles (9900521 …), so that PYTHIA's own decay tables stay as they are. Branching
fractions are PDG 2022. PYTHIA radiates no photons in hadron decays: the tail that final-state radiation would add below
the D mass is missing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.basf2 import SampleType
from analysis.errors import InputError
from analysis.simulation.channels import (
    ALIASES,
    SOUGHT,
    STRATA,
    TAUONIC,
    TAUONIC_B,
    added_channels,
    forced_fraction,
    stratum_of,
    tau_stratum_of,
)
from analysis.simulation.dalitz import Dalitz
from analysis.simulation.detector import DETECTOR, M_B0, M_BPLUS
from analysis.simulation.histories import History, conjugate
from analysis.simulation.histories import joined as joined_histories
from analysis.simulation.jagged import Array, Bools, Floats, Ints, Listed, count, offsets, renumbered
from analysis.simulation.true_tags import Role, contents, true_tags
from analysis.simulation.truth import RARE, labels

_NEUTRINOS = (12, 14, 16)
PDG_KS, PDG_LAMBDA = 310, 3122


@dataclass(frozen=True)
class Particles(Listed):
    """Visible stable particles, flat, sorted by ``event``.

    Attributes
    ----------
    event : (n,) int64
    pdg, mother : (n,) int32
        PDG codes of the particle and of what it comes from.
    vee : (n,) int64
        Index within the event of the K_S or Λ that it comes from, else -1.
    role : (n,) int8
        See `true_tags.Role`.
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
    truth : (n_parents,) int64
        What it is to a semileptonic tag: see `analysis.simulation.true_tags`.
    q2 : (n_parents,) float64
        Mass squared of all neutrinos together, GeV^2/c^4.
    label : (n_parents,) int64
        What kind of decay it is: see `analysis.simulation.truth`.
    weight : (n_parents,) float64
        Probability of the decay or event over the probability with which it was generated; the mean is one, in strata
        on average. See `STRATA` and `analysis.simulation.dalitz`.
    history
        Who decayed to whom, neutrinos and all.
    """

    particles: Particles
    first: Ints
    truth: Ints
    q2: Floats
    label: Ints
    weight: Floats
    history: History

    def __len__(self) -> int:
        return len(self.truth)

    def select(self, decays: Ints) -> Pool:
        """Return the chosen decays (rising), with their weights."""
        particles = renumbered(self.particles, decays, len(self))
        own = {k: getattr(self, k)[decays] for k in ("truth", "q2", "label", "weight")}
        first = offsets(np.diff(self.first)[decays])
        return Pool(particles, first, **own, history=self.history.select(decays))

    @cached_property
    def charged(self) -> tuple[Particles, Ints]:
        """The charged particles alone, and the offsets of the parents among them."""
        chosen = self.particles.select(is_charged_stable(self.particles.pdg))
        return chosen, offsets(count(chosen.event, len(self)))


def joined(pools: Sequence[Pool]) -> Pool:
    """Return one pool of several, one after the other."""
    starts = offsets(np.array([len(pool) for pool in pools]))
    parts = [pool.particles for pool in pools]
    fields = {k: np.concatenate([getattr(part, k) for part in parts], axis=-1) for k in vars(parts[0])}
    fields["event"] = np.concatenate([part.event + start for part, start in zip(parts, starts[:-1], strict=True)])
    own = {k: np.concatenate([getattr(pool, k) for pool in pools]) for k in ("truth", "q2", "label", "weight")}
    history = joined_histories([pool.history for pool in pools])
    return Pool(Particles(**fields), offsets(count(fields["event"], int(starts[-1]))), **own, history=history)


def charge_of(pdg: Array) -> Floats:
    """Return the charge of stable particles, in units of e."""
    kind = np.abs(pdg)
    sign = np.where((kind == 11) | (kind == 13), -1.0, 1.0)
    return np.where(is_charged_stable(pdg), np.sign(pdg) * sign, 0.0)


def is_charged_stable(pdg: Array) -> Bools:
    """Whether a stable particle leaves a track."""
    kind = np.abs(pdg)
    return np.asarray((kind == 211) | (kind == 321) | (kind == 11) | (kind == 13) | (kind == 2212))


class _Source:
    """Maker of the Les Houches source of mesons at rest (a class inside a function: PYTHIA is imported late)."""

    @staticmethod
    def make() -> Any:
        import pythia8mc

        class Source(pythia8mc.LHAup):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__(3)
                self.meson = (521, M_BPLUS)

            def setInit(self) -> bool:
                self.setBeamA(11, M_BPLUS)
                self.setBeamB(-11, M_BPLUS)
                self.addProcess(1, 1.0, 0.0, 1.0)
                return True

            def setEvent(self, _process: int = 0) -> bool:
                pdg, mass = self.meson
                self.setProcess(1, 1.0, 10.0, 1 / 137.0, 0.1)
                self.addParticle(pdg, 1, 0, 0, 0, 0, 0.0, 0.0, 0.0, mass, mass, 0.0, 9.0)
                return True

        return Source()


def _pythia(settings: list[str], seed: int, source: Any = None) -> Any:
    import pythia8mc

    pythia = pythia8mc.Pythia("", False)
    if source is not None:
        pythia.setLHAupPtr(source)
    for line in ["Print:quiet = on", "Check:event = off", "Random:setSeed = on", f"Random:seed = {seed}", *settings]:
        if not pythia.readString(line):
            raise InputError(
                "PYTHIA refuses a setting.", where=line, remedy="install the locked pythia8mc: `make setup`"
            )
    if not pythia.init():
        raise InputError("PYTHIA does not start.", found=settings, remedy="install the locked pythia8mc: `make setup`")
    return pythia


_CONTINUUM = {
    SampleType.UUBAR: 2, SampleType.DDBAR: 1, SampleType.SSBAR: 3, SampleType.CCBAR: 4, SampleType.TAUPAIR: 15,
}  # fmt: skip


# Weakly decaying charmed hadrons that are decayed apart from their events.
CHARM: dict[str, int] = {"D0": 421, "D+": 411, "Ds+": 431, "Lc+": 4122}


_MESONS: dict[str, tuple[int, float]] = {
    "charged": (521, M_BPLUS), "mixed": (511, M_B0), "signal": (9900522, M_BPLUS), "tauonic": (TAUONIC_B, M_BPLUS),
    "tag charged": (-9900521, M_BPLUS), "tag mixed": (-9900511, M_B0),
    "D0": (421, 1.86484), "D+": (411, 1.86966), "Ds+": (431, 1.96835), "Lc+": (4122, 2.28646),
}  # fmt: skip


@dataclass(frozen=True)
class _Table:
    """Decay channels of a particle: PYTHIA's channel, the mode in which it was found, what kind it is."""

    channels: list[tuple[Any, int, str]]

    @classmethod
    def of(cls, entry: Any, kind_of: Callable[[list[int]], str]) -> _Table:
        """Read them from PYTHIA's entry of the particle."""
        channels = [entry.channel(i) for i in range(entry.sizeChannels())]
        return cls([(c, c.onMode(), kind_of([c.product(j) for j in range(c.multiplicity())])) for c in channels])

    def fraction(self, kind: str) -> float:
        """Return the branching fraction of one kind."""
        # modes 1 and 2 are open to the particle, 1 and 3 to the antiparticle
        shares = [(channel.bRatio(), own) for channel, mode, own in self.channels if mode in (1, 2)]
        return float(sum(share for share, own in shares if own == kind) / sum(share for share, _ in shares))

    def open(self, kind: str | None) -> None:
        """Open the channels of one kind (or all that were open) and close the others."""
        for channel, mode, own in self.channels:
            channel.onMode(mode if kind in (None, own) else 0)


class Generator:
    """One running PYTHIA; call `batch` for as many decays or events as wanted.

    Parameters
    ----------
    kind
        "charged" or "mixed" (generic B⁺ or B⁰ at rest), "tag charged" or "tag mixed" (B⁻ or B̄⁰ forced to
        D(*)ℓν or D(*)πℓν),
        "signal" (B⁺ → K⁺νν̄, phase space), "tauonic" (B⁺ → τ⁺ν with the right helicity), a key of `CHARM` (at rest), a
        continuum sample (whole events, centre-of-mass frame), or "ccbar stable" (the same with the hadrons of `CHARM`
        undecayed).
    seed
        PYTHIA's seed, 1 to 900 000 000.
    sqrt_s
        Centre-of-mass energy of continuum events, GeV.
    """

    def __init__(self, kind: str, seed: int, sqrt_s: float = DETECTOR.beams.sqrt_s) -> None:
        self._kind = kind
        self._source: Any = None
        self._dalitz: Dalitz | None = None
        self._tables: dict[int, _Table] = {}
        if kind in _MESONS:
            # PYTHIA keeps only a raw pointer to the source.
            self._source = _Source.make()
            settings = ["Beams:frameType = 5", "ProcessLevel:all = off", "ParticleDecays:mixB = off"]
            self._pythia = _pythia(settings + added_channels(), seed, self._source)
        else:
            stable = kind.endswith(" stable")
            process = SampleType(kind.removesuffix(" stable"))
            self._pythia = _pythia(
                [
                    *(f"{pdg}:mayDecay = off" for pdg in CHARM.values() if stable),
                    "Beams:idA = 11", "Beams:idB = -11", f"Beams:eCM = {sqrt_s}", "PDF:lepton = off",
                    "WeakSingleBoson:ffbar2gmZ = on", "23:mMin = 2.", "PhaseSpace:mHatMin = 2.",
                    "23:onMode = off", f"23:onIfAny = {_CONTINUUM[process]}", "TauDecays:mode = 0",
                ],
                seed,
            )  # fmt: skip
            if not stable:
                self._dalitz = Dalitz.opened(self._pythia)

    def other(self, kind: str) -> Generator:
        """Return a generator of another meson that shares this one's PYTHIA: starting one takes a third of a second."""
        if self._source is None or kind not in _MESONS:
            raise ValueError(f"one PYTHIA cannot make both {self._kind!r} and {kind!r}")
        result = copy.copy(self)
        result._kind = kind
        return result

    def stratified(self, n: int) -> Pool:
        """Generate n decays in the strata of `STRATA`, at least one of each; their weights make up for it.

        Of the strata of `SOUGHT` there are a few more: rare ones among many that are generated and forgotten.
        """
        own, tau = self._table(_MESONS[self._kind][0], stratum_of), self._table(15, tau_stratum_of)
        pools = []
        for stratum, share in STRATA[self._kind].items():
            if stratum in TAUONIC:
                tau.open(stratum)
                source, fraction = self.other("tauonic"), own.fraction("tau") * tau.fraction(stratum)
            else:
                own.open(stratum)
                source, fraction = self, own.fraction(stratum)
            made, sought = max(round(n * share), 1), round(n * SOUGHT[self._kind].get(stratum, 0.0))
            pool = source.batch(made + sought)
            rare = (pool.label & RARE > 0) & (sought > 0)
            pool = replace(pool, weight=np.where(rare, fraction / (made + sought), fraction / made))
            pools.append(pool.select(np.flatnonzero(rare | (np.arange(len(pool)) < made))) if sought else pool)
            own.open(None)
            tau.open(None)
        pool = joined(pools)
        return replace(pool, weight=pool.weight * len(pool))

    def _table(self, pdg: int, kind_of: Callable[[list[int]], str]) -> _Table:
        """Return a particle's decay channels; as PYTHIA had them at first, whatever was closed since."""
        if pdg not in self._tables:
            self._tables[pdg] = _Table.of(self._pythia.particleData.particleDataEntryPtr(pdg), kind_of)
        return self._tables[pdg]

    def batch(self, n: int) -> Pool:
        """Generate n decays or events."""
        import awkward as ak

        if self._source is not None:
            self._source.meson = _MESONS[self._kind]
        particles = self._pythia.nextBatch(n).prt
        if len(particles) != n:
            raise InputError(
                "PYTHIA skipped events.",
                found=len(particles),
                expected=n,
                remedy="report it: this is an error of the program",
            )
        counts = ak.to_numpy(ak.num(particles)).astype(np.int64)
        flat = ak.flatten(particles)
        column = {k: ak.to_numpy(flat[k]) for k in ("id", "status", "mother1")}
        p = np.array([ak.to_numpy(flat["p"][k]) for k in ("px", "py", "pz", "e")])
        vertex = ak.fill_none(flat["vProd"], {"px": 0.0, "py": 0.0, "pz": 0.0, "e": 0.0})
        x = 0.1 * np.array([ak.to_numpy(vertex[k]) for k in ("px", "py", "pz", "e")])  # mm to cm
        pool = _extract(counts, column["id"], column["status"], column["mother1"], p, x, meson=self._source is not None)
        if self._dalitz is not None:
            pool = replace(pool, weight=self._dalitz.weights(counts, column["id"], column["mother1"]))
        return pool


def _plain_codes(pdg: Array) -> NDArray[np.int32]:
    """Return codes with the aliases replaced by the particles they stand for."""
    result = np.asarray(pdg, dtype=np.int32).copy()
    for alias, code in ALIASES.items():
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
    truth, label = contents(event, n, code, final, mother), np.zeros(n, dtype=np.int64)
    if meson:
        role, word = true_tags(event, n, code, final, mother, first)
        truth |= word
        label = labels(event, n, code, mother, first)
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
        truth,
        np.maximum(missing[3] ** 2 - np.sum(missing[:3] ** 2, axis=0), 0.0),
        label,
        np.ones(n),
        History.of(counts, code, mother1),
    )


__all__ = ["Generator", "Particles", "Pool", "Role", "charge_of", "conjugate", "forced_fraction"]
