"""What a generated B decay is to a semileptonic tag: roles of its particles, and a word that tells the decay.

The word is an integer with, from the lowest bit on: the D's channel plus one (3 bits; 0: not exactly one D, or in no
channel of `tag_modes`), the D* (3 bits), a charged pion beside the D(*) (1 bit), a neutral B (1 bit), whether it is a
decay that forced tags are made of (1 bit), whether the lepton is a muon (1 bit), and what the decay leaves: photons
(6 bits), massive particles (6 bits, a K_S counts as one), a K_L, a neutrino (1 bit each).
"""

from __future__ import annotations

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
    kind, entry = np.abs(code), np.arange(len(code))
    b_meson = first[event] + 1
    of_b = (mother == b_meson) & (entry != b_meson) & (mother != first[event])
    lepton = of_b & final & ((kind == 11) | (kind == 13))
    is_d = (kind == 421) | (kind == 411)
    one = count(event, n, is_d) == 1
    d = np.full(n, -1)
    d[event[is_d]] = entry[is_d]
    d = np.where(one, d, -1)
    has = np.flatnonzero(d >= 0)
    # D ← D* ← D** ← B: some of them
    above = np.zeros(n, dtype=np.int64)
    above[has] = mother[d[has]]
    has_star = np.zeros(n, dtype=bool)
    has_star[has] = np.isin(kind[above[has]], (413, 423))
    star_at = np.where(has_star, above, -1)
    top = np.where(has_star, mother[above], above)
    has_star_star = np.zeros(n, dtype=bool)
    has_star_star[has] = np.isin(kind[top[has]], _D_STAR_STAR)
    star_star_at = np.where(has_star_star, top, -1)
    top = np.where(has_star_star, mother[top], top)
    inside = _inside(event, mother, d)
    d_channel = _channels(event, n, kind, final, mother, inside, np.where(d >= 0, kind[d], 0))

    def of(parent: Ints, *codes: int) -> Ints:
        """Return the number of a parent's daughters of some kinds, or of all, in every event."""
        daughters = (mother == parent[event]) & (parent[event] >= 0)
        return count(event, n, daughters & np.isin(kind, codes) if codes else daughters)

    two_body = of(star_at) == 2
    star_of = np.select(
        [of(star_at, 111) == 1, of(star_at, 22) == 1, of(star_at, 211) == 1], [D0_PI0, D0_GAMMA, D0_PI], 0
    )
    plus = np.where(d >= 0, kind[d], 0) == 411
    star_of = np.where(plus & (star_of == D0_PI0), DPLUS_PI0, np.where(plus & (star_of > 0), DPLUS_GAMMA, star_of))
    star_of = np.where(has_star & two_body, star_of, 0)
    source = np.where(has_star_star, star_star_at, first[:-1] + 1)
    pion = (kind == 211) & (mother == source[event]) & (entry != b_meson) & one[event]
    beside = count(event, n, pion)
    products = count(event, n, of_b)
    whole = np.where(has_star_star, (of(star_star_at) == 2) & (products == 3), products == 3 + beside)
    whole &= (count(event, n, lepton) == 1) & (of(first[:-1] + 1, 12, 14) == 1) & (top == first[:-1] + 1) & (d >= 0)
    is_neutral = kind[first[:-1] + 1] == 511
    lone = ~plus & np.isin(star_of, (0, D0_PI0, D0_GAMMA)) & (beside == 0) & (~has_star | (star_of > 0))
    pair = (beside == 1) & np.where(has_star, star_of >= D0_PI, plus)
    of_b0 = (star_of == D0_PI) & (beside == 0) & ~has_star_star
    tag = whole & (d_channel >= 0) & np.where(is_neutral, of_b0, lone | pair)

    role = np.zeros(len(code), dtype=np.int8)
    role[lepton] = Role.LEPTON
    role[pion & final & (beside == 1)[event] & (d_channel >= 0)[event]] = Role.BACHELOR
    known = (d_channel >= 0)[event]
    role[known & final & _inside(event, mother, star_at)] = Role.SLOW
    role[known & final & inside] = Role.D_DAUGHTER
    word = (d_channel + 1) | (star_of << _STAR) | ((beside == 1).astype(np.int64) << _BACHELOR)
    word |= (count(event, n, lepton & (kind == 13)) > 0).astype(np.int64) << _MUON
    return role, word | (is_neutral.astype(np.int64) << _NEUTRAL) | (tag.astype(np.int64) << _TAG)


def _inside(event: Ints, mother: Ints, ancestor: Ints) -> Bools:
    """Whether entries descend from the chosen entry of their event (-1: none)."""
    target = ancestor[event]
    above, inside = np.arange(len(event)), np.zeros(len(event), dtype=bool)
    for _ in range(_DEPTH + 2):
        above = mother[above]
        inside |= (above == target) & (target >= 0)
    return inside


def _channels(
    event: Ints, n: int, kind: Array, final: Bools, mother: Ints, inside: Bools, d_kind: Array
) -> Ints:  # fmt: skip
    """Return the channel of each event's D by what it decays to in the end; -1 for others."""
    of_kshort = kind[mother] == 310

    def number(mask: Bools) -> Ints:
        return count(event, n, inside & mask)

    kaons, pions = number(final & (kind == 321)), number(final & (kind == 211) & ~of_kshort)
    kshorts, of_pions = number(kind == 310), number(final & (kind == 211) & of_kshort)
    pi0s, gammas = number(kind == 111), number(final & (kind == 22))
    others = number(final & ~np.isin(kind, (321, 211, 22)))
    clean = (others == 0) & (gammas == 2 * pi0s)
    with_k = clean & (kaons == 1) & (kshorts == 0)
    with_ks = clean & (kaons == 0) & (kshorts == 1) & (of_pions == 2) & (pi0s == 0)
    neutral_d, charged_d = d_kind == 421, d_kind == 411
    return np.select(
        [
            neutral_d & with_k & (pions == 1) & (pi0s == 0), neutral_d & with_k & (pions == 1) & (pi0s == 1),
            neutral_d & with_k & (pions == 3) & (pi0s == 0), neutral_d & with_ks & (pions == 2),
            charged_d & with_k & (pions == 2) & (pi0s == 0), charged_d & with_ks & (pions == 1),
        ],
        [KPI, KPIPI0, K3PI, KSPIPI, K2PI, KSPI], -1,
    )  # fmt: skip
