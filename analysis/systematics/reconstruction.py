"""What re-reconstruction would change: photon energy, other clusters, K_L, beam background, lost tracks, beam energy.

Nothing is scaled here. The ntuple carries, beside each column concerned, the value that it would have (see
`analysis.columns.VARIATIONS`); the preselection is run again with these in place of the nominal ones, then the BDT, and
the rows that come out are the varied template: events enter and leave the selection and move between bins. Where an
ntuple lacks the columns the uncertainty is left out, and the log and ``templates.json`` say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.columns import CHANGED
from analysis.config.models import Systematics
from analysis.systematics.source import SIMULATED, Columns, Shift, Source, Variation

LOST_TRACK = "lostTrack"


@dataclass(frozen=True)
class _TwoSided:
    name: str
    group: str
    variation: str
    note: str


# Names as in the published likelihood, arXiv:2507.12393, where it has them. The sizes are those with which the columns
# were made.
TWO_SIDED = (
    _TwoSided("corr_neutralGamma_c1", "photon energy", "gamma", "energy of photons, ±0.5 % in the toy"),
    _TwoSided(
        "corr_neutralUnmatched_c1", "unmatched clusters", "unmatched", "energy of other clusters, ±10 % in the toy"
    ),
    _TwoSided("corr_KLeff_c1", "K_L efficiency", "KLeff", "K_L efficiency in the calorimeter, ±8.5 % in the toy"),
    _TwoSided(
        "corr_beamBackground_c1", "beam background", "beamBackground", "number of its clusters, ±20 % in the toy"
    ),
    _TwoSided("corr_beamEnergy_c1", "collision energy", "beamEnergy", "through cosθ_BY, ±1 MeV in the toy"),
)


def sources(settings: Systematics) -> Iterator[Source]:
    """Yield ``corr_neutralGamma_c1``, ``corr_neutralUnmatched_c1``, ``corr_KLeff_c1`` … and ``corr_trackVeto_c1``."""
    if not settings.reconstruction:
        return
    for each in TWO_SIDED:
        yield _two_sided(each)
    if settings.tracking > 0:
        yield _lost_track(settings.tracking)


def _two_sided(each: _TwoSided) -> Source:
    up, down = f"{each.variation}Up", f"{each.variation}Down"

    def vary(columns: Columns) -> Variation:  # noqa: ARG001 - rows of their own
        return Variation(Shift(table=up), Shift(table=down))

    note = f"{each.note}; selection and BDT run again with the ntuple's alternative columns"
    return Source(each.name, each.group, SIMULATED, frozenset(), vary, note, tables=frozenset({up, down}))


def _lost_track(size: float) -> Source:
    """Return the source that loses tracks of the rest: a share ``size`` of the events that have one pass without it."""

    def share(varied: Columns) -> Columns:
        return {**varied, "weight": np.where(varied[CHANGED], size, 1.0) * varied["weight"]}

    def vary(columns: Columns) -> Variation:  # noqa: ARG001 - rows of their own
        return Variation(Shift(table=LOST_TRACK, prepare=share), None)

    note = (
        f"a track of the rest lost in {size:.3%} of the events, `systematics.tracking`; one-sided, mirrored; taken as "
        "independent of corr_trackingEff_c1, which scales the candidate's own tracks"
    )
    return Source("corr_trackVeto_c1", "tracking", SIMULATED, frozenset(), vary, note, tables=frozenset({LOST_TRACK}))
