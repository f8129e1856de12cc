"""Hashes of decay strings, as basf2's module ParticleMCDecayString writes them.

``DecayHash`` is the hash of the event's decay string (see `analysis.simulation.histories`), ``DecayHashExtended`` that
of ``reconstructed | string``, where basf2 goes on with the strings of all daughters: they differ in the place of the
caret alone. Hashes have 32 bits, kept as the bits of a float, as basf2 does: one in 128 is a NaN.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analysis.simulation.histories import Tellers, conjugate
from analysis.simulation.jagged import Array, Floats

TREE = "hashtable"  # basf2's default
_CODE = re.compile(r"-?\d+")
# PDG codes of the tag's D, by half of its FEI mode, and daughters of D* and D by theirs; for a B⁻.
_TAG_D = {0: "421", 1: "423", 2: "411", 3: "413"}
_OF_STAR = {(1, 0): ("421", "111"), (1, 1): ("421", "22"), (3, 0): ("421", "211"), (3, 1): ("411", "111")}
_OF_D = {
    ("421", 0): "-321 211", ("421", 1): "-321 211 111", ("421", 3): "-321 211 211 -211", ("421", 10): "310 211 -211",
    ("411", 0): "-321 211 211", ("411", 7): "310 211",
}  # fmt: skip


@lru_cache(maxsize=256)
def reconstructed(mode: int, star_mode: int, d_mode: int, charge: int) -> str:
    """Return the string of a candidate's particles as they were reconstructed.

    Parameters
    ----------
    mode, star_mode, d_mode
        FEI modes of the tag, its D* (-1 without one) and its D.
    charge
        Of the tag.
    """
    half, lepton = mode // 2, (11, 13)[mode % 2]
    slow = ""
    if star_mode >= 0:
        d, slow = _OF_STAR[half, star_mode]
    else:
        d = _TAG_D[half]
    text = f" {d} (--> {_OF_D[d, d_mode].replace('111', '111 (--> 22 22)')})"
    if slow:
        text = f" {_TAG_D[half]} (-->{text} {slow.replace('111', '111 (--> 22 22)')})"
    pion = " -211" if half > 1 else ""
    whole = f" 300553 (--> -521 (-->{text}{pion} {lepton}) 521 (--> 321))"
    return whole if charge < 0 else _CODE.sub(lambda found: str(int(conjugate(np.array(int(found[0]))))), whole)


_MULTIPLIER, _SEED = np.uint64(0xC6A4A7935BD1E995), np.uint64(0xC70F6907)


def hash_bits(texts: Sequence[str]) -> NDArray[np.uint32]:
    """Return the lower 32 bits of GNU's ``std::hash<std::string>``, which basf2 uses, of ASCII texts.

    It is MurmurHash64A (Austin Appleby, public domain) with the seed 0xc70f6907.
    """
    if not len(texts):
        return np.zeros(0, dtype=np.uint32)
    raw = [text.encode("ascii") for text in texts]
    size = np.array([len(each) for each in raw], dtype=np.uint64)
    width = -(-max((len(each) for each in raw), default=0) // 8) * 8
    words = np.frombuffer(b"".join(each.ljust(width, b"\0") for each in raw), dtype="<u8").reshape(len(raw), -1)
    whole = size // np.uint64(8)
    with np.errstate(over="ignore"):
        result = _SEED ^ (size * _MULTIPLIER)
        for i in range(words.shape[1]):
            mixed = _shift_mix(words[:, i] * _MULTIPLIER) * _MULTIPLIER
            result = np.where(i < whole, (result ^ mixed) * _MULTIPLIER, result)
        # the bytes that fill no word are not mixed
        rest = np.flatnonzero(size % np.uint64(8))
        last = words[rest, whole[rest].astype(np.int64)]
        result[rest] = (result[rest] ^ last) * _MULTIPLIER
        result = _shift_mix(_shift_mix(result) * _MULTIPLIER)
    return (result & np.uint64(0xFFFFFFFF)).astype(np.uint32)


def _shift_mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return np.asarray(value ^ (value >> np.uint64(47)), dtype=np.uint64)


def as_floats(bits: NDArray[np.uint32]) -> Floats:
    """Return the numbers that basf2 writes for 32 bits: a float with these bits, as a double."""
    with np.errstate(invalid="ignore"):
        return bits.view(np.float32).astype(np.float64)


@dataclass(frozen=True)
class Hashtable:
    """Hashes of every row, and what they stand for.

    Attributes
    ----------
    columns
        ``DecayHash`` and ``DecayHashExtended``, (n,) float64 each.
    branches
        The tree that basf2 writes beside: ``decayHash``, ``decayHashExtended``, ``decayString``; one entry per pair.
    """

    columns: dict[str, Floats]
    branches: dict[str, Array | list[str]]


def told(decay: Tellers) -> list[str]:
    """Return the strings of rows; those of one event share what tells it."""
    known = {id(teller): teller for teller in decay.tolist()}
    text = {key: teller() for key, teller in known.items()}
    return [text[id(teller)] for teller in decay.tolist()]


def hashtable(decay: Tellers, columns: Mapping[str, Array]) -> Hashtable:
    """Hash the decays of rows.

    Parameters
    ----------
    decay : (n,) object
        Tell the decay strings of their events.
    columns
        Canonical columns of the rows: modes and charge of the tag.
    """
    n = len(decay)
    star = np.nan_to_num(columns["Btag_Dst_decayModeID"], nan=-1) if "Btag_Dst_decayModeID" in columns else -np.ones(n)
    kinds = zip(
        *(np.asarray(each).astype(int).tolist()
          for each in (columns["Btag_decayModeID"], star, columns["Btag_D_decayModeID"], columns["Btag_charge"])),
        strict=True,
    )  # fmt: skip
    full = [f"{reconstructed(*kind)} | {text}" for kind, text in zip(kinds, told(decay), strict=True)]
    place = {text: number for number, text in enumerate(dict.fromkeys(full))}
    distinct = list(place)
    index = np.array([place[text] for text in full], dtype=np.int64)
    short = as_floats(hash_bits([text.partition(" | ")[2] for text in distinct]))
    extended = as_floats(hash_bits(distinct))
    return Hashtable(
        {"DecayHash": short[index], "DecayHashExtended": extended[index]},
        {"decayHash": short.astype(np.float32), "decayHashExtended": extended.astype(np.float32),
         "decayString": distinct},
    )  # fmt: skip
