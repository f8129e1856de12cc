"""The rest of the event of an Υ(4S) candidate: what neither the tag nor the signal kaon uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.simulation.candidates.events import Events
from analysis.simulation.detector import M_D0, M_K, M_PI
from analysis.simulation.generator import PDG_KS, PDG_LAMBDA
from analysis.simulation.jagged import Floats, Ints, count, gather, offsets, total
from analysis.simulation.kinematics import mass, norm, with_mass
from analysis.simulation.response import Tracks


@dataclass(frozen=True)
class Rest:
    """Tracks and clusters of the rest of the Υ(4S) candidate, flat over candidates; owners never decrease.

    ``all_clusters`` has those, too, that the detector missed: for `variations` only.
    """

    tracks: Ints
    track_owner: Ints
    clusters: Ints
    cluster_owner: Ints
    all_clusters: Ints
    all_owner: Ints

    @classmethod
    def of(cls, events: Events, tag: Ints, kaon: Ints) -> Rest:
        """Return the rest of every candidate, given by its tag and its kaon's track, (n,) each."""
        event = events.tags.event[tag]
        i, owner = gather(offsets(count(events.tracks.event, events.n)), event)
        used = (i == kaon[owner]) | (i == events.tags.lepton[tag[owner]])
        used |= np.any(events.tags.daughters[:, tag[owner]] == i, axis=0)
        j, c_owner = gather(offsets(count(events.clusters.event, events.n)), event)
        c_used = np.any(events.tags.photons[:, tag[c_owner]] == j, axis=0)
        j, c_owner = j[~c_used], c_owner[~c_used]
        present = events.clusters.present[j]
        return cls(i[~used], owner[~used], j[present], c_owner[present], j, c_owner)


def columns(events: Events, rest: Rest, tag: Ints, kaon: Ints, extra: Ints) -> dict[str, Floats]:
    """Return the columns of the rest of the event.

    Parameters
    ----------
    events, rest
        As they are.
    tag, kaon, extra : (n,) int64
        Tag, kaon's track and number of further clean tracks of every candidate.
    """
    n, event = len(tag), events.tags.event[tag]
    energy = norm(events.clusters.p[:, rest.clusters])
    e_neutral = total(rest.cluster_owner, energy, n)
    tags = events.tags
    p_candidate = tags.p_hadrons[:, tag] + tags.p_lepton[:, tag] + with_mass(events.tracks.p[:, kaon], M_K)
    return {
        "roeEextra": e_neutral + total(rest.track_owner, events.tracks.ecl[rest.tracks], n),
        "roeNeextra": e_neutral,
        "roeNTracks": extra.astype(float),
        "roeNPhotons": count(rest.cluster_owner, n).astype(float),
        "roeNKS": _vees(events.tracks, rest, n, PDG_KS).astype(float),
        "roeNLambda": _vees(events.tracks, rest, n, PDG_LAMBDA).astype(float),
        "roeNPi0": _free_pi0s(events, tag, event).astype(float),
        "K_D0vetoM": _d0_veto(events.tracks, events.n, event, kaon),
        **_missing(events, rest, p_candidate, n),
    }


def _vees(tracks: Tracks, rest: Rest, n: int, pdg: int) -> Ints:
    """Count K_S → π⁺π⁻ or Λ → pπ⁻ in the rest with both tracks found.

    Pairs are taken from truth: random pairs at the mass, and vees that a vertex fit would lose, are not simulated.
    """
    vee = tracks.vee[rest.tracks]
    member = (vee >= 0) & (np.abs(tracks.mother[rest.tracks]) == pdg)
    span = vee.max(initial=0) + 1
    unique, number = np.unique(rest.track_owner[member] * span + vee[member], return_counts=True)
    return np.bincount(unique[number == 2] // span, minlength=n)


def _free_pi0s(events: Events, tag: Ints, event: Ints) -> Ints:
    """Count the photon pairs at the π⁰ mass that share no photon with the tag."""
    pi0s = events.pi0s.select(events.pi0s.fast)
    i, owner = gather(offsets(count(pi0s.event, events.n)), event)
    photons, of_tag = pi0s.photons[:, i], events.tags.photons[:, tag[owner]]
    shared = np.any(photons[:, None, :] == of_tag[None, :, :], axis=(0, 1))
    return count(owner, len(tag), ~shared)


def _d0_veto(tracks: Tracks, n_events: int, event: Ints, kaon: Ints) -> Floats:
    """Return the K π mass nearest to the D⁰'s, over all tracks of the other charge; NaN if there is none."""
    i, owner = gather(offsets(count(tracks.event, n_events)), event)
    keep = (tracks.charge[i] == -tracks.charge[kaon[owner]]) & tracks.clean[i]
    i, owner = i[keep], owner[keep]
    m = mass(with_mass(tracks.p[:, kaon[owner]], M_K) + with_mass(tracks.p[:, i], M_PI))
    order = np.lexsort((np.abs(m - M_D0), owner))
    result = np.full(len(kaon), np.nan)
    first, position = np.unique(owner[order], return_index=True)
    result[first] = m[order][position]
    return result


def _missing(events: Events, rest: Rest, p_candidate: Floats, n: int) -> dict[str, Floats]:
    """Return missing mass squared, energy, momentum and polar angle, laboratory; pions are assumed in the rest."""
    clean = events.tracks.clean[rest.tracks]
    p_t = with_mass(events.tracks.p[:, rest.tracks[clean]], M_PI)
    p_c = with_mass(events.clusters.p[:, rest.clusters], 0.0)
    owner_t = rest.track_owner[clean]
    visible = p_candidate + np.array(
        [total(owner_t, p_t[i], n) + total(rest.cluster_owner, p_c[i], n) for i in range(4)]
    )
    missing = events.beams.four_momentum[:, None] - visible
    return {
        "missM2": missing[3] ** 2 - np.sum(missing[:3] ** 2, axis=0),
        "missE": missing[3],
        "missP": norm(missing),
        "missTheta": np.arctan2(np.hypot(missing[0], missing[1]), missing[2]),
    }
