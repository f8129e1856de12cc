"""How things are called in figures: samples, columns, parameters, in the field's notation with units."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.basf2 import SampleType
from analysis.columns import COLUMNS

SAMPLE_LABELS: Mapping[SampleType, str] = {
    SampleType.SIGNAL: r"$B^+\to K^+\nu\bar{\nu}$",
    SampleType.CHARGED: r"$B^+B^-$",
    SampleType.MIXED: r"$B^0\bar{B}^0$",
    SampleType.UUBAR: r"$u\bar{u}$",
    SampleType.DDBAR: r"$d\bar{d}$",
    SampleType.SSBAR: r"$s\bar{s}$",
    SampleType.CCBAR: r"$c\bar{c}$",
    SampleType.TAUPAIR: r"$\tau^+\tau^-$",
    SampleType.DATA: "Data",
    SampleType.OFFRES: "Off-resonance data",
}

UNITS: Mapping[str, str] = {
    "": "",
    "GeV": "GeV",
    "GeV/c": r"GeV/$c$",
    "GeV/c^2": r"GeV/$c^2$",
    "GeV^2/c^4": r"GeV$^2$/$c^4$",
    "cm": "cm",
    "rad": "rad",
    "e": r"$e$",
}

# The unit comes from the data model.
_SYMBOLS: Mapping[str, str] = {
    "Btag_SignalProbability": r"FEI signal probability $\mathcal{P}_\mathrm{FEI}$",
    "Btag_decayModeID": "tag decay mode ID",
    "Btag_charge": r"$Q_{B_\mathrm{tag}}$",
    "Btag_cosThetaBY": r"$\cos\theta_{BY}$",
    "Btag_l_pStar": r"tag lepton $p^*_\ell$",
    "Btag_l_p": r"tag lepton $p_\ell$",
    "Btag_l_theta": r"tag lepton $\theta_\ell$",
    "Btag_l_leptonID": "tag lepton ID",
    "Btag_D_M": r"tag $M(D)$",
    "Btag_Dst_dM": r"tag $\Delta M(D^*)$",
    "Btag_Dst_decayModeID": r"tag $D^*$ decay mode ID",
    "Btag_chiProb": r"tag vertex $\chi^2$ probability",
    "Btag_D_decayModeID": r"tag $D$ decay mode ID",
    "K_p": r"$p_K$",
    "K_theta": r"$\theta_K$",
    "K_pStar": r"$p^*_K$",
    "K_kaonID": "kaon ID",
    "K_electronID": "electron ID of the kaon",
    "K_muonID": "muon ID of the kaon",
    "K_dr": r"kaon $dr$",
    "K_dz": r"kaon $dz$",
    "K_nCDCHits": "CDC hits of the kaon",
    "K_D0vetoM": r"$M(K\pi)$ nearest $m_{D^0}$",
    "roeEextra": r"$E_\mathrm{ECL}$",
    "roeNeextra": r"neutral $E_\mathrm{ECL}$",
    "roeNTracks": r"extra tracks $N_\mathrm{trk}$",
    "roeNPhotons": r"extra photons $N_\gamma$",
    "roeNKS": r"extra $K^0_S$",
    "roeNPi0": r"extra $\pi^0$",
    "roeNLambda": r"extra $\Lambda$",
    "missM2": r"$M^2_\mathrm{miss}$",
    "missE": r"$E_\mathrm{miss}$",
    "missP": r"$p_\mathrm{miss}$",
    "missTheta": r"$\theta_\mathrm{miss}$",
    "nTracks": r"$N_\mathrm{tracks}$",
    "visibleEnergyOfEventCMS": r"$E^*_\mathrm{visible}$",
    "R2": r"$R_2$",
    "thrustBm": r"thrust of $B_\mathrm{sig}$",
    "thrustOm": "thrust of the rest",
    "cosTBTO": r"$\cos\theta_{T_B T_O}$",
    "K_cosTBTO": r"$\cos\theta(K, T_O)$",
    "Btag_thrustBm": r"thrust of $B_\mathrm{tag}$",
    "sphericity": r"sphericity $S$",
    "aplanarity": "aplanarity",
    "KSFW_mm2": r"KSFW $M^2_\mathrm{miss}$",
    "KSFW_et": r"KSFW $E_T$",
    **{f"KSFW_hso{x}{order}": rf"$H^{{so}}_{{{x}{order}}}$" for x in range(3) for order in range(5)},
    **{f"KSFW_hoo{order}": rf"$H^{{oo}}_{order}$" for order in range(5)},
    **{f"CleoConeCS_{number}": f"CLEO cone {number}" for number in range(1, 10)},
    "cosTBz": r"$\cos\theta_{T_B z}$",
    "cosTagK": r"$\cos\theta^*(D\ell, K)$",
    "q2_gen": r"$q^2_\mathrm{gen}$",
    "q2_rec": r"$q^2_\mathrm{rec}$",
    "bdt_score": "BDT output",
    "eta": r"$\eta(\mathrm{BDT})$",
    "weight": "event weight",
}


def symbol(column: str) -> str:
    """Return a column's symbol without unit; a column that the data model does not know keeps its name."""
    return _SYMBOLS.get(column, column)


def unit(column: str) -> str:
    """Return a column's unit as text for a figure, "" if it has none or is unknown."""
    declared = COLUMNS[column].unit if column in COLUMNS else ""
    return UNITS.get(declared, declared)


def axis_label(column: str) -> str:
    """Return a column's symbol with its unit in brackets."""
    return f"{symbol(column)} [{unit(column)}]" if unit(column) else symbol(column)


def events_label(width: float, column: str) -> str:
    """Return the label of a y axis that counts events in bins of ``width``."""
    if width == 1.0 and not unit(column):
        return "Events"
    return f"Events / {width:.3g} {unit(column)}".rstrip()


_SUBSCRIPT = re.compile(r"_([^\W_]+)")


def typeset(text: str) -> str:
    r"""Return a name of the configuration with its subscripts set as such: ``cosθ_BY``, ``E_ECL``, ``K_S``.

    Examples
    --------
    >>> typeset("tag: cosθ_BY")
    'tag: cosθ$_\\mathrm{BY}$'
    """
    return _SUBSCRIPT.sub(r"$_\\mathrm{\1}$", text.replace("$", r"\$"))


@dataclass(frozen=True)
class Bins:
    """The bins of a channel, unrolled with the last axis running fastest.

    Attributes
    ----------
    columns
        The axes' columns.
    edges
        The axes' edges.
    """

    columns: tuple[str, ...]
    edges: tuple[tuple[float, ...], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of bins along each axis."""
        return tuple(len(edges) - 1 for edges in self.edges)

    @property
    def size(self) -> int:
        """Number of bins."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    @property
    def labels(self) -> tuple[str, ...]:
        """Range of the last axis, for every bin."""
        inner = [interval(low, high) for low, high in _pairs(self.edges[-1])]
        return tuple(inner * (self.size // len(inner)))

    @property
    def axis(self) -> str:
        """Label of the last axis."""
        return axis_label(self.columns[-1])

    @property
    def groups(self) -> tuple[str, ...]:
        """Ranges of the axes before the last, one text per run of the last axis; empty for one axis."""
        if len(self.columns) == 1:
            return ()
        texts = [""]
        for column, edges in zip(self.columns[:-1], self.edges[:-1], strict=True):
            texts = [
                ", ".join(filter(None, (text, between(low, high, column))))
                for text in texts
                for low, high in _pairs(edges)
            ]
        return tuple(texts)


def _pairs(edges: Sequence[float]) -> list[tuple[float, float]]:
    return list(itertools.pairwise(edges))


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def interval(low: float, high: float) -> str:
    """Return a bin's range as text.

    Examples
    --------
    >>> interval(-1, 4)
    '−1 – 4'
    """
    return f"{_number(low)} – {_number(high)}"


def between(low: float, high: float, column: str) -> str:
    """Return ``low < symbol < high``."""
    return f"{_number(low)} < {symbol(column)} < {_number(high)}"
