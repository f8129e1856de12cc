"""Who decayed to whom: decay strings, as basf2's module ParticleMCDecayString makes them.

A string holds PDG codes in nested brackets, `` ^300553 (--> 521 (--> 321 12 -12) -521 (--> …))``: a blank before every
particle, no daughters of what counts as final (K_S, n …), a caret at the particle that the candidate is matched to.
Here that is always the Υ(4S), or the virtual photon of continuum: the strings are those of the event. Quarks, gluons
and copies of particles in PYTHIA's record are passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.simulation.jagged import Array, Bools, Ints, gather, offsets

UPSILON_4S, VIRTUAL_PHOTON = 300553, 10022
# basf2's isFSP: what counts as final (15 and 3122 do not, 310 does)
FINAL = frozenset((211, 321, 11, 12, 13, 14, 16, 22, 310, 130, 2112, 2212))
Tellers = NDArray[np.object_]  # functions without arguments that return strings


def conjugate(pdg: Array) -> Array:
    """Return the codes of the antiparticles; neutral mesons of one flavour, γ, K_S and K_L are their own."""
    kind = np.abs(pdg)
    flavourless = (kind // 1000 % 10 == 0) & (kind // 100 % 10 == kind // 10 % 10)
    return np.where(flavourless | np.isin(kind, (22, 130, 310)), pdg, -pdg)


@dataclass(frozen=True)
class History:
    """Who decayed to whom, in many decays or events.

    Attributes
    ----------
    first : (n + 1,) int64
        Offsets of the decays' entries.
    pdg : (k,) int32
        Codes of all particles.
    parent : (k,) int16
        Place within the decay of the particle above, which comes earlier; -1 where none is.
    """

    first: Ints
    pdg: NDArray[np.int32]
    parent: NDArray[np.int16]

    @classmethod
    def of(cls, counts: Ints, pdg: Array, mother: Array) -> History:
        """Make it from PYTHIA's records.

        Parameters
        ----------
        counts : (n,) int64
            Entries of every record; the first is the system.
        pdg : (k,) int32
        mother : (k,) int
            Place of the mother within the record.
        """
        start = offsets(counts)
        begin, entry = np.repeat(start[:-1], counts), np.arange(len(pdg))
        above = begin + mother
        real = _real(pdg)
        parent = np.where(real[above] & (above < entry), above, -1)
        # a copy takes the place of its mother
        dropped = np.zeros(len(pdg), dtype=bool)
        dropped[parent[(parent >= 0) & (pdg[parent] == pdg)]] = True
        # it and its siblings go to what was above
        orphan = np.flatnonzero((parent >= 0) & dropped[parent])
        while len(orphan):
            parent[orphan] = parent[parent[orphan]]
            orphan = orphan[(parent[orphan] >= 0) & dropped[parent[orphan]]]
        beams = (mother <= 2) & (np.abs(pdg) == 11) & np.repeat(np.abs(pdg[start[:-1] + 1]) == 11, counts)
        kept = real & ~dropped & ~beams
        new = np.cumsum(kept) - 1
        first = np.append(0, np.cumsum(kept))[start]
        local = np.where(parent >= 0, new[parent], -1)[kept]
        local = np.where(local >= 0, local - np.repeat(first[:-1], np.diff(first)), -1)
        return cls(first, pdg[kept].astype(np.int32), local.astype(np.int16))

    def select(self, decays: Ints) -> History:
        """Return the history of chosen decays."""
        items, _ = gather(self.first, decays)
        return History(offsets(np.diff(self.first)[decays]), self.pdg[items], self.parent[items])

    @cached_property
    def conjugated(self) -> NDArray[np.int32]:
        """Codes of the antiparticles."""
        return np.asarray(conjugate(self.pdg), dtype=np.int32)

    @cached_property
    def _told(self) -> dict[tuple[int, int], str]:
        """Strings that were asked for: decays are used many times."""
        return {}

    def text(self, number: int, turn: int, inside: Sequence[str] = ()) -> str:
        """Return the string of one decay, or of its CP conjugate (turn = -1).

        ``inside`` are the strings of charmed hadrons that have no daughters here, in their order.
        """
        if inside:
            return self._written(number, turn, inside)
        if (number, turn) not in self._told:
            self._told[number, turn] = self._written(number, turn, inside)
        return self._told[number, turn]

    def _written(self, number: int, turn: int, inside: Sequence[str]) -> str:
        part = slice(self.first[number], self.first[number + 1])
        codes = (self.pdg if turn > 0 else self.conjugated)[part].tolist()
        parents = self.parent[part].tolist()
        below: list[list[str]] = [[] for _ in codes]
        top: list[str] = []
        waiting = list(inside)
        for j in range(len(codes) - 1, -1, -1):
            code = codes[j]
            if abs(code) in FINAL:
                text = f" {code}"
            elif waiting and not below[j] and abs(code) in _CHARMED:
                text = waiting.pop()
            else:
                text = f" {code} (-->{''.join(reversed(below[j]))})"
            (below[parents[j]] if parents[j] >= 0 else top).append(text)
        return "".join(reversed(top))


_CHARMED = frozenset((421, 411, 431, 4122))


def _real(pdg: Array) -> Bools:
    """Whether codes are of particles, not of quarks, gluons, diquarks, Z⁰ or PYTHIA's own entries."""
    kind = np.abs(pdg)
    diquark = (kind > 1000) & (kind < 10000) & (kind // 10 % 10 == 0)
    return np.asarray(((kind > 10) & (kind < 17)) | (kind == 22) | ((kind > 100) & ~diquark))


def joined(parts: Sequence[History]) -> History:
    """Return the histories of several pools, one after the other."""
    counts = np.concatenate([np.diff(part.first) for part in parts])
    return History(
        offsets(counts), np.concatenate([p.pdg for p in parts]), np.concatenate([p.parent for p in parts])
    )  # fmt: skip


@dataclass(frozen=True)
class Chain:
    """One decay per event: number in the history, and -1 where it is conjugated."""

    history: History
    number: Ints
    turn: Ints

    def text(self, event: int, sign: int, inside: Sequence[str] = ()) -> str:
        """Return the string of the decay in an event that is conjugated once more where sign is -1."""
        return self.history.text(int(self.number[event]), int(self.turn[event]) * sign, inside)


def event_string(chains: Sequence[Chain], top: int, event: int, sign: int) -> str:
    """Return the decay string of an event.

    Parameters
    ----------
    chains
        Of the two B mesons; or of a continuum event and, if it was made without them, its charmed hadrons.
    top
        ``UPSILON_4S`` or ``VIRTUAL_PHOTON``.
    event, sign
        See `Chain.text`.
    """
    if top == UPSILON_4S:
        parts = [chain.text(event, sign) for chain in chains]
    else:
        parts = [chains[0].text(event, sign, [chain.text(event, sign) for chain in chains[1:]])]
    return f" ^{top} (-->{''.join(parts)})"
