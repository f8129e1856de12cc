"""basf2's conventions: names in ROOT files, index branches, sample types.

Sources: basf2's ``MakeROOTCompatible`` and ``VariablesToNtuple``, as documented on software.belle2.org.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum

# Character -> the sequence basf2 writes for it, double underscore first.
ROOT_SEQUENCES: dict[str, str] = {
    " ": "__sp", ",": "__cm", ":": "__cl", "=": "__eq", "<": "__st", ">": "__gt", ".": "__pt",
    "+": "__pl", "-": "__mi", "(": "__bo", ")": "__bc", "{": "__co", "}": "__cc", "[": "__so",
    "]": "__sc", "^": "__ha", "!": "__em", "?": "__qm", ";": "__sm", "#": "__hs", "*": "__mu",
    "/": "__sl", "\\": "__bl", "'": "__sq", '"': "__dq", "~": "__ti", "|": "__pi", "&": "__am",
    "@": "__at", "$": "__do", "%": "__pr", "`": "__to",
}  # fmt: skip
_CHARACTERS = {sequence: character for character, sequence in ROOT_SEQUENCES.items()}
_SEQUENCE = re.compile("|".join(_CHARACTERS))
_PLAIN = re.compile(r"[A-Za-z0-9_]")

# Index branches of VariablesToNtuple and the dtypes in which they are written today.
INDEX_BRANCHES: dict[str, str] = {
    "__experiment__": "int32",
    "__run__": "int32",
    "__event__": "uint32",
    "__production__": "int32",
    "__candidate__": "int32",
    "__ncandidates__": "int32",
}
# An event is named by these; event numbers repeat between productions.
EVENT_KEY = ("__experiment__", "__run__", "__event__", "__production__")
ROW_KEY = (*EVENT_KEY, "__candidate__")
WEIGHT_BRANCH = "__weight__"
DEFAULT_TREE = "variables"


def make_root_compatible(name: str) -> str:
    """Return the branch name that basf2 writes for a variable.

    Characters outside [A-Za-z0-9_] become sequences; those without a sequence are dropped.

    Examples
    --------
    >>> make_root_compatible("extraInfo(SignalProbability)")
    'extraInfo__boSignalProbability__bc'
    """
    return "".join(character if _PLAIN.match(character) else ROOT_SEQUENCES.get(character, "") for character in name)


def find_branch(name: str, available: Collection[str]) -> str | None:
    """Return what a variable is called among ``available``: as written, or ROOT-safe, or with other spaces.

    None if it is not there, or if only the spaces tell several apart.

    Examples
    --------
    >>> find_branch("daughter(0,p)", ["p", "daughter__bo0__cm__spp__bc"])
    'daughter__bo0__cm__spp__bc'
    """
    if name in available:
        return name
    safe = make_root_compatible(name)
    if safe in available:
        return safe
    if ROOT_SEQUENCES["("] not in safe:
        return None

    def squeezed(text: str) -> str:
        return make_root_compatible(text).replace(ROOT_SEQUENCES[" "], "")

    hits = [candidate for candidate in available if squeezed(candidate) == squeezed(name)]
    return hits[0] if len(hits) == 1 else None


def invert_root_compatible(name: str) -> str:
    """Return the variable name behind a branch name.

    The inverse is ambiguous where a variable's own name holds a double underscore followed by one of the sequences'
    letters: such a name comes back changed. Index branches (``__event__`` …) come back as they are.

    Examples
    --------
    >>> invert_root_compatible("useCMSFrame__bop__bc")
    'useCMSFrame(p)'
    >>> invert_root_compatible("__production__")
    '__production__'
    """
    if re.fullmatch(r"__[A-Za-z0-9]+__", name):
        return name
    return _SEQUENCE.sub(lambda match: _CHARACTERS[match[0]], name)


class BeamEnergy(StrEnum):
    """Where the beams stand, in the words of basf2's logical file names."""

    ON_RESONANCE = "4S"
    OFF_RESONANCE = "4S_offres"


def is_off_resonance(beam_energy: str) -> bool:
    """Tell whether the name of an energy is of collisions below a resonance.

    Examples
    --------
    >>> is_off_resonance("4S_offres"), is_off_resonance("4S")
    (True, False)
    """
    return "offres" in beam_energy


class SampleType(StrEnum):
    """What a sample holds, in Belle II's words."""

    SIGNAL = "signal"
    CHARGED = "charged"
    MIXED = "mixed"
    UUBAR = "uubar"
    DDBAR = "ddbar"
    SSBAR = "ssbar"
    CCBAR = "ccbar"
    TAUPAIR = "taupair"
    DATA = "data"
    OFFRES = "offres"

    @property
    def is_data(self) -> bool:
        """Whether the sample is collision data (or pseudo-data), on or off resonance."""
        return self in (SampleType.DATA, SampleType.OFFRES)

    @property
    def is_bbbar(self) -> bool:
        """Whether the sample is generic BB̄."""
        return self in (SampleType.CHARGED, SampleType.MIXED)

    @property
    def is_continuum(self) -> bool:
        """Whether the sample is simulated e⁺e⁻ → qq̄ or τ⁺τ⁻."""
        return self in (
            SampleType.UUBAR,
            SampleType.DDBAR,
            SampleType.SSBAR,
            SampleType.CCBAR,
            SampleType.TAUPAIR,
        )
