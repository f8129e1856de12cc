"""What a generated B decay is to a semileptonic tag: roles of its particles, and a word that tells the decay.

The word is an integer with, from the lowest bit on: the D's channel plus one (3 bits; 0: not exactly one D, or in no
channel of `tag_modes`), the D* (3 bits), a charged pion beside the D(*) (1 bit), a neutral B (1 bit), whether it is a
decay that forced tags are made of (1 bit), whether the lepton is a muon (1 bit), and what the decay leaves: photons
(6 bits), massive particles (6 bits, a K_S counts as one), a K_L, a neutrino (1 bit each).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.simulation.jagged import Array, Bools, Ints, count
from analysis.simulation.tag_modes import (
    D0_GAMMA,
    D0_PI,
    D0_PI0,
    DPLUS_GAMMA,
    DPLUS_PI0,
    K2PI,
    K3PI,
    KPI,
    KPIPI0,
    KSPI,
    KSPIPI,
)

_STAR, _BACHELOR, _NEUTRAL, _TAG, _MUON, _PHOTONS, _MASSIVE, _KLONG, _NEUTRINO = 3, 6, 7, 8, 9, 10, 16, 22, 23
_MAX = 63
_D_STAR_STAR = (10411, 10421, 10413, 10423, 20413, 20423, 415, 425)
_DEPTH = 8  # of a D's decay: D⁰ → K* → K⁰ → K_S → π and the like


class Role:
    """What a particle is in B → D(*)(π)ℓν: of a D* ``SLOW``, of the D ``D_DAUGHTER``, and a pion beside the D(*)."""

    NONE, LEPTON, D_DAUGHTER, SLOW, BACHELOR = 0, 1, 2, 3, 4


def _bits(word: Ints, first: int, mask: int = 1) -> Ints:
    return np.asarray((word >> first) & mask)


def is_tag(word: Ints) -> Bools:
    """Whether decays are such as forced tags are made of."""
    return _bits(word, _TAG) > 0


def channel(word: Ints) -> Ints:
    """Return the place of the D's mode in `D_MODES`; -1 if there is none."""
    return _bits(word, 0, 7) - 1


def star(word: Ints) -> Ints:
    """Return the place of the D*'s mode in `STAR_MODES`, or ``DPLUS_GAMMA``."""
    return _bits(word, _STAR, 7)


def bachelor(word: Ints) -> Bools:
    """Whether a charged pion stands beside the D(*)."""
    return _bits(word, _BACHELOR) > 0


def neutral(word: Ints) -> Bools:
    """Whether the B is neutral."""
    return _bits(word, _NEUTRAL) > 0


def decay_mode(word: Ints) -> Ints:
    """Return the FEI's ``decayModeID`` of B⁻ decays that tags are made of, (n,)."""
    return np.asarray(4 * bachelor(word) + 2 * (star(word) > 0) + _bits(word, _MUON))


def photons(word: Ints) -> Ints:
    """Return the number of photons that the decay leaves."""
    return _bits(word, _PHOTONS, _MAX)


def massive(word: Ints) -> Ints:
    """Return the number of massive particles that the decay leaves, K_S and Λ as one."""
    return _bits(word, _MASSIVE, _MAX)


def klong(word: Ints) -> Bools:
    """Whether the decay leaves a K_L."""
    return _bits(word, _KLONG) > 0


def neutrino(word: Ints) -> Bools:
    """Whether the decay leaves a neutrino."""
    return _bits(word, _NEUTRINO) > 0


def contents(event: Ints, n: int, code: Array, final: Bools, mother: Ints) -> Ints:
    """Return the part of the word that tells what decays or events leave, (n,) int64.

    Parameters
    ----------
    event, code, final, mother : (k,)
        Event, PDG code, whether stable, and flat index of the mother of every entry of the record.
    n
        Number of events.
    """
    kind = np.abs(code)
    of_vee = np.isin(kind[mother], (310, 3122))
    invisible = np.isin(kind, (12, 14, 16))
    left = final & ~of_vee
    n_photons = count(event, n, left & (kind == 22))
    heavy = (left & (kind != 22) & ~invisible) | np.isin(kind, (310, 3122))
    result = np.minimum(n_photons, _MAX) << _PHOTONS
    result |= np.minimum(count(event, n, heavy), _MAX) << _MASSIVE
    result |= (count(event, n, final & (kind == 130)) > 0).astype(np.int64) << _KLONG
    result |= (count(event, n, final & invisible) > 0).astype(np.int64) << _NEUTRINO
    return np.asarray(result)


@dataclass(frozen=True)
class _Record:
    """Entries of n decays, (k,) each: event, PDG code without sign, whether stable, flat index of the mother.

    ``b`` are the flat indices of the B mesons, (n,).
    """

    n: int
    event: Ints
    kind: Array
    final: Bools
    mother: Ints
    b: Ints

    def number(self, mask: Bools) -> Ints:
        """Return how many of the chosen entries decays have."""
        return count(self.event, self.n, mask)

    def daughters(self, parent: Ints, *kinds: int) -> Ints:
        """Return the number of a parent's daughters (-1: no parent), of some kinds or of all, in every decay."""
        mine = (self.mother == parent[self.event]) & (parent[self.event] >= 0)
        return self.number(mine & np.isin(self.kind, kinds) if kinds else mine)

    def inside(self, ancestor: Ints) -> Bools:
        """Whether entries descend from the chosen entry of their decay (-1: none)."""
        target = ancestor[self.event]
        above, result = np.arange(len(self.event)), np.zeros(len(self.event), dtype=bool)
        for _ in range(_DEPTH + 2):
            above = self.mother[above]
            result |= (above == target) & (target >= 0)
        return result


@dataclass(frozen=True)
class _Line:
    """The line B → D** → D* → D, not all of which need be there: flat indices, (n,); -1 without one, or with two D.

    ``top`` is where the line comes from, the B or not; ``plus`` whether the D is charged.
    """

    d: Ints
    star: Ints
    star_star: Ints
    top: Ints
    plus: Bools

    @classmethod
    def of(cls, r: _Record) -> _Line:
        """Find the lines of all decays."""
        is_d = (r.kind == 421) | (r.kind == 411)
        d = np.full(r.n, -1)
        d[r.event[is_d]] = np.flatnonzero(is_d)
        d = np.where(r.number(is_d) == 1, d, -1)
        there = d >= 0
        top = np.where(there, r.mother[d], 0)
        has_star = there & np.isin(r.kind[top], (413, 423))
        star, top = np.where(has_star, top, -1), np.where(has_star, r.mother[top], top)
        has_star_star = there & np.isin(r.kind[top], _D_STAR_STAR)
        star_star, top = np.where(has_star_star, top, -1), np.where(has_star_star, r.mother[top], top)
        return cls(d, star, star_star, top, there & (r.kind[d] == 411))

    def star_mode(self, r: _Record) -> Ints:
        """Return the place of the D*'s mode in `STAR_MODES` or ``DPLUS_GAMMA``; 0 without a D*, or for other decays."""
        slow = [r.daughters(self.star, code) == 1 for code in (111, 22, 211)]
        mode = np.select(slow, [D0_PI0, D0_GAMMA, D0_PI], 0)
        of_plus = np.where(mode == D0_PI0, DPLUS_PI0, np.where(mode > 0, DPLUS_GAMMA, mode))
        return np.where(r.daughters(self.star) == 2, np.where(self.plus, of_plus, mode), 0)


def true_tags(
    event: Ints, n: int, code: Array, final: Bools, mother: Ints, first: Ints
) -> tuple[NDArray[np.int8], Ints]:
    """Return the role of every entry and the word of every decay, without its `contents`; entry 1 is the B.

    Parameters
    ----------
    event, code, final, mother : (k,)
        See `contents`.
    n
        Number of decays.
    first : (n + 1,) int64
        Offsets of the decays.

    Notes
    -----
    Forced tags are made of B⁻ → D⁰ℓν, D*⁰ℓν, D⁺π⁻ℓν, D*⁺π⁻ℓν (by way of a D** or not) and B̄⁰ → D*⁺(→ D⁰π⁺)ℓν, with
    an electron or muon and nothing else, and the D in a channel of `tag_modes`.
    """
    r = _Record(n, event, np.abs(code), final, mother, first[:-1] + 1)
    line = _Line.of(r)
    not_b = np.arange(len(code)) != r.b[event]
    of_b = (mother == r.b[event]) & not_b & (mother != first[event])
    lepton = of_b & final & ((r.kind == 11) | (r.kind == 13))
    source = np.where(line.star_star >= 0, line.star_star, r.b)
    pion = (r.kind == 211) & (mother == source[event]) & not_b & (line.d >= 0)[event]
    beside, star_mode = r.number(pion), line.star_mode(r)
    in_d = r.inside(line.d)
    d_channel = _channels(r, in_d, line)
    tag = _forced(r, line, (star_mode, d_channel, beside), r.number(of_b), r.number(lepton))

    role = np.zeros(len(code), dtype=np.int8)
    known = (d_channel >= 0)[event]
    role[lepton] = Role.LEPTON
    role[pion & final & (beside == 1)[event] & known] = Role.BACHELOR
    role[known & final & r.inside(line.star)] = Role.SLOW
    role[known & final & in_d] = Role.D_DAUGHTER
    word = (d_channel + 1) | (star_mode << _STAR) | ((beside == 1).astype(np.int64) << _BACHELOR)
    word |= (r.number(lepton & (r.kind == 13)) > 0).astype(np.int64) << _MUON
    return role, word | ((r.kind[r.b] == 511).astype(np.int64) << _NEUTRAL) | (tag.astype(np.int64) << _TAG)


def _forced(r: _Record, line: _Line, decay: tuple[Ints, Ints, Ints], products: Ints, leptons: Ints) -> Bools:
    """Whether decays are such as forced tags are made of.

    ``decay`` are the modes of D* and D and the number of pions beside the D(*); ``products`` and ``leptons`` those of
    the B, all (n,).
    """
    star_mode, d_channel, beside = decay
    by_way = line.star_star >= 0
    whole = np.where(by_way, (r.daughters(line.star_star) == 2) & (products == 3), products == 3 + beside)
    whole &= (leptons == 1) & (r.daughters(r.b, 12, 14) == 1) & (line.top == r.b) & (line.d >= 0)
    no_star = line.star < 0
    lone = ~line.plus & np.isin(star_mode, (0, D0_PI0, D0_GAMMA)) & (beside == 0) & (no_star | (star_mode > 0))
    pair = (beside == 1) & np.where(no_star, line.plus, star_mode >= D0_PI)
    of_b0 = (star_mode == D0_PI) & (beside == 0) & ~by_way
    return np.asarray(whole & (d_channel >= 0) & np.where(r.kind[r.b] == 511, of_b0, lone | pair))


def _channels(r: _Record, in_d: Bools, line: _Line) -> Ints:
    """Return the channel of each decay's D by what it decays to in the end; -1 for others."""
    of_kshort = r.kind[r.mother] == 310

    def number(mask: Bools) -> Ints:
        return r.number(in_d & mask)

    kaons, pions = number(r.final & (r.kind == 321)), number(r.final & (r.kind == 211) & ~of_kshort)
    kshorts, of_pions = number(r.kind == 310), number(r.final & (r.kind == 211) & of_kshort)
    pi0s, gammas = number(r.kind == 111), number(r.final & (r.kind == 22))
    others = number(r.final & ~np.isin(r.kind, (321, 211, 22)))
    clean = (others == 0) & (gammas == 2 * pi0s)
    with_k = clean & (kaons == 1) & (kshorts == 0)
    with_ks = clean & (kaons == 0) & (kshorts == 1) & (of_pions == 2) & (pi0s == 0)
    neutral_d, charged_d = (line.d >= 0) & ~line.plus, line.plus
    return np.select(
        [
            neutral_d & with_k & (pions == 1) & (pi0s == 0), neutral_d & with_k & (pions == 1) & (pi0s == 1),
            neutral_d & with_k & (pions == 3) & (pi0s == 0), neutral_d & with_ks & (pions == 2),
            charged_d & with_k & (pions == 2) & (pi0s == 0), charged_d & with_ks & (pions == 1),
        ],
        [KPI, KPIPI0, K3PI, KSPIPI, K2PI, KSPI], -1,
    )  # fmt: skip
