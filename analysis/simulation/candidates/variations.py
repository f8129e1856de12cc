"""What re-reconstruction would change: the columns that a candidate would have, one thing about the detector varied.

Varied are the columns of the rest of the event that the selection and the BDT live on (`analysis.columns.VARIATIONS`
names them). Kept at their nominal values, because they hardly move: event shape, missing momentum, and the tag, whose
π⁰ is constrained to its mass. Clusters that a higher energy would lift over the threshold are not simulated.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from analysis.columns import VARIATIONS
from analysis.simulation.candidates.events import Events
from analysis.simulation.candidates.rest import Rest
from analysis.simulation.detector import DETECTOR, M_BPLUS
from analysis.simulation.jagged import Floats, Ints, count, total
from analysis.simulation.kinematics import boost, mass, norm
from analysis.simulation.response import Clusters, Kind
from analysis.simulation.tags import find_pi0s

_SIGN = {"Up": 1, "Down": -1}


def columns(events: Events, rest: Rest, tag: Ints, nominal: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return all alternative columns.

    Parameters
    ----------
    events, rest
        As they are.
    tag : (n,) int64
        Tag of every candidate.
    nominal
        Its columns of the rest of the event.
    """
    found: dict[str, Floats] = {}
    for side, sign in _SIGN.items():
        for name in ("gamma", "unmatched", "KLeff", "beamBackground"):
            varied = _clusters(events.clusters.select(rest.all_clusters), rest.all_owner, len(tag), name, sign)
            varied["roeEextra"] = nominal["roeEextra"] - nominal["roeNeextra"] + varied["roeNeextra"]
            found |= {f"{column}_{name}{side}": varied[column] for column in VARIATIONS[f"{name}{side}"]}
        found[f"Btag_cosThetaBY_beamEnergy{side}"] = _cos_by(events, tag, sign)
    found |= _lost_track(events, rest, nominal)
    return found


def _clusters(clusters: Clusters, owner: Ints, n: int, name: str, sign: int) -> dict[str, Floats]:
    """Return energy and numbers of the rest's clusters and π⁰; clusters are those of all candidates, by owner."""
    size, kind = DETECTOR.systematics, clusters.kind
    scale, kept = np.ones(len(kind)), clusters.present
    if name == "gamma":
        scale[kind == Kind.PHOTON] += sign * size.gamma
    elif name == "unmatched":
        scale[kind != Kind.PHOTON] += sign * size.unmatched
    else:
        weak, missed = (
            (Kind.KLONG_WEAK, Kind.KLONG_MISSED) if name == "KLeff" else (Kind.BEAM_WEAK, Kind.BEAM_MISSED)
        )  # fmt: skip
        kept = kept | (kind == missed) if sign > 0 else kept & (kind != weak)
    p = clusters.p * scale
    index = np.flatnonzero(kept & (norm(p) > DETECTOR.calorimeter.threshold))
    # what is kept counts as found, whatever the nominal detector says
    as_found = np.full(len(index), Kind.PHOTON, dtype=np.int8)
    varied = Clusters(owner[index], p[:, index], as_found, clusters.role[index], clusters.side[index])
    pi0s = find_pi0s(varied, n)
    return {
        "roeNeextra": total(varied.event, norm(varied.p), n),
        "roeNPhotons": count(varied.event, n).astype(float),
        "roeNPi0": count(pi0s.event[pi0s.fast], n).astype(float),
    }


def _lost_track(events: Events, rest: Rest, nominal: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return the columns as they were if the first clean track of the rest had not been found.

    Its cluster stays, and counts as neutral. Without such a track nothing changes.
    """
    n = len(nominal["roeNTracks"])
    clean = events.tracks.clean[rest.tracks]
    owner, first = np.unique(rest.track_owner[clean], return_index=True)
    energy = np.zeros(n)
    energy[owner] = events.tracks.ecl[rest.tracks[clean][first]]
    seen = energy > DETECTOR.calorimeter.threshold
    energy = np.where(seen, energy, 0.0)
    lost = np.zeros(n)
    lost[owner] = 1
    varied = {
        "roeNTracks": nominal["roeNTracks"] - lost,
        "roeNeextra": nominal["roeNeextra"] + energy,
        "roeNPhotons": nominal["roeNPhotons"] + seen,
    }
    return {f"{column}_lostTrack": varied[column] for column in VARIATIONS["lostTrack"]}


def _cos_by(events: Events, tag: Ints, sign: int) -> Floats:
    """Return cosθ_BY for a collision energy that is assumed too high or too low; the boost stays."""
    y = boost(events.tags.p_hadrons[:, tag] + events.tags.p_lepton[:, tag], -DETECTOR.beams.beta)
    e_b = (DETECTOR.beams.sqrt_s + sign * DETECTOR.systematics.energy) / 2
    p_b = np.sqrt(e_b**2 - M_BPLUS**2)
    return np.asarray((2 * e_b * y[3] - M_BPLUS**2 - mass(y) ** 2) / (2 * p_b * norm(y)))
