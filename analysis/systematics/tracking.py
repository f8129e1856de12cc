"""Tracking efficiency: every charged track of the candidate may have been found more or less often than simulated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.config.models import Systematics
from analysis.systematics.source import SIMULATED, Columns, Shift, Source, Variation

# Charged tracks of the FEI's decay modes, in the order of basf2's fei/default_channels.py; a K_S counts as two.
D0_TRACKS = (2, 2, 2, 4, 4, 2, 4, 2, 2, 2, 4, 4, 2, 2, 4)
DPLUS_TRACKS = (3, 3, 3, 3, 1, 3, 3, 3, 3, 5, 5)
UNKNOWN_D_TRACKS = 3
OPTIONAL = ("Btag_D_decayModeID", "Btag_Dst_decayModeID")
_NEUTRAL_D, _NEUTRAL_DSTAR, _CHARGED_D_PI, _CHARGED_DSTAR_PI = (0, 1), (2, 3), (4, 5), (6, 7)


def candidate_tracks(
    tag_mode: NDArray[Any], d_mode: NDArray[Any] | None = None, star_mode: NDArray[Any] | None = None
) -> NDArray[np.int64]:
    """Return the number of charged tracks of each candidate: signal kaon, tag lepton, tag hadrons.

    Parameters
    ----------
    tag_mode : (n,)
        ``Btag_decayModeID``: 0/1 D̄⁰ℓ, 2/3 D̄*⁰ℓ, 4/5 D⁻π⁺ℓ, 6/7 D*⁻π⁺ℓ.
    d_mode : (n,) or None
        ``Btag_D_decayModeID``: FEI decay mode of the D, be it a D*'s or not. None: not in the ntuple.
    star_mode : (n,) or None
        ``Btag_Dst_decayModeID``: FEI decay mode of the D*. None: not in the ntuple.

    Returns
    -------
    (n,) int64. A D whose mode is not known (NaN, beyond the FEI's list, or in a D*⁺ of unknown mode) counts as three
    tracks, between the usual two and four: an approximation, worth at most one track's 0.3 %.
    """
    tag = np.nan_to_num(tag_mode, nan=-1).astype(np.int64)
    mode = np.full(len(tag), -1) if d_mode is None else np.nan_to_num(d_mode, nan=-1).astype(np.int64)
    star = np.full(len(tag), -1) if star_mode is None else np.nan_to_num(star_mode, nan=-1).astype(np.int64)
    in_star = np.isin(tag, _CHARGED_DSTAR_PI)
    slow_pion = in_star & (star == 0)  # D*⁻ → D̄⁰π⁻, else D⁻π⁰, D⁻γ
    neutral_d = np.isin(tag, _NEUTRAL_D + _NEUTRAL_DSTAR) | slow_pion
    charged_d = np.isin(tag, _CHARGED_D_PI) | (in_star & (star > 0))
    hadrons = np.full(len(tag), UNKNOWN_D_TRACKS, dtype=np.int64)
    for is_d, table in ((neutral_d, D0_TRACKS), (charged_d, DPLUS_TRACKS)):
        known = is_d & (mode >= 0) & (mode < len(table))
        hadrons[known] = np.asarray(table)[mode[known]]
    bachelor = np.isin(tag, _CHARGED_D_PI + _CHARGED_DSTAR_PI)
    total: NDArray[np.int64] = 2 + hadrons + bachelor + slow_pion
    return total


def sources(settings: Systematics) -> Iterator[Source]:
    """Yield ``corr_trackingEff_c1``: weights times (1 ± size) per track, all tracks together."""
    size = settings.tracking
    if size == 0:
        return

    def vary(columns: Columns) -> Variation:
        n = candidate_tracks(columns["Btag_decayModeID"], *(columns.get(name) for name in OPTIONAL))
        return Variation(Shift((1 + size) ** n), Shift((1 - size) ** n))

    yield Source(
        "corr_trackingEff_c1",
        "tracking",
        SIMULATED,
        frozenset({"Btag_decayModeID"}),
        vary,
        f"±{size:.3%} per charged track of the candidate (kaon, lepton, tag hadrons), from `systematics.tracking`; "
        "a D of unknown decay (without Btag_D_decayModeID, or in a D*⁺ without Btag_Dst_decayModeID) counts three "
        "tracks; "
        "tracks of the rest of the event, and the veto on them, are not varied",
        frozenset(OPTIONAL),
    )
