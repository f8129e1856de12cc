"""Υ(4S) candidates: a tag and a kaon, and everything the ntuple tells of them, their rest and their event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.simulation.detector import DETECTOR, M_D0, M_K, M_PI
from analysis.simulation.jagged import Array, Floats, Ints, count, gather, join, offsets, total
from analysis.simulation.kinematics import boost, cosine, fox_wolfram_r2, mass, norm, thrust, with_mass
from analysis.simulation.response import Clusters, Tracks
from analysis.simulation.tags import NONE, Pi0s, Tags

KAON_ID = 0.5
KAON_P_STAR = 0.4
MAX_EXTRA_TRACKS = 1
MAX_R2 = 0.6
MAX_E_EXTRA = 1.5
MIN_VISIBLE_ENERGY = 4.0  # skim
CLUSTER_ENERGY = (2.0, 7.0)  # skim: sum over the calorimeter, centre of mass


@dataclass(frozen=True)
class Events:
    """Reconstructed events: tracks, clusters, photon pairs, tags, all sorted by event."""

    n: int
    tracks: Tracks
    clusters: Clusters
    pi0s: Pi0s
    tags: Tags


def _pairs(events: Events) -> tuple[Ints, Ints, Ints]:
    """Return (tag, kaon track, extra clean tracks) of every candidate."""
    t, tags = events.tracks, events.tags
    clean = t.clean
    p_star = norm(boost(with_mass(t.p, M_K), -DETECTOR.beams.beta))
    kaons = np.flatnonzero(clean & (t.kaon_id > KAON_ID) & (p_star > KAON_P_STAR))
    tag, j = join(tags.event, t.event[kaons], events.n)
    kaon = kaons[j]
    keep = (t.charge[kaon] == -t.charge[tags.lepton[tag]]) & np.all(tags.daughters[:, tag] != kaon, axis=0)
    tag, kaon = tag[keep], kaon[keep]
    n_clean = count(t.event, events.n, clean)
    extra = n_clean[tags.event[tag]] - 2 - np.sum(tags.daughters[:, tag] != NONE, axis=0)
    few = extra <= MAX_EXTRA_TRACKS
    return tag[few], kaon[few], extra[few]


@dataclass(frozen=True)
class _Rest:
    """Tracks and clusters of the rest of the Υ(4S) candidate, flat over candidates."""

    tracks: Ints
    track_owner: Ints
    clusters: Ints
    cluster_owner: Ints


def _rest(events: Events, tag: Ints, kaon: Ints) -> _Rest:
    event = events.tags.event[tag]
    i, owner = gather(offsets(count(events.tracks.event, events.n)), event)
    used = (i == kaon[owner]) | (i == events.tags.lepton[tag[owner]])
    used |= np.any(events.tags.daughters[:, tag[owner]] == i, axis=0)
    j, c_owner = gather(offsets(count(events.clusters.event, events.n)), event)
    c_used = np.any(events.tags.photons[:, tag[c_owner]] == j, axis=0)
    return _Rest(i[~used], owner[~used], j[~c_used], c_owner[~c_used])


def build(events: Events) -> tuple[Ints, dict[str, Array]]:
    """Return the candidates that pass the loose selection.

    Returns
    -------
    event : (n,) int64
        Event of every candidate, sorted.
    columns
        Canonical column name to array (n,); the keys and the truth that only the maker of the events knows are missing.
        Also ``tag_matched``, ``tag_side`` and ``kaon_side`` (see `Tags`).
    """
    tag, kaon, extra = _pairs(events)
    tags, tracks, clusters = events.tags, events.tracks, events.clusters
    event = tags.event[tag]
    beta = -DETECTOR.beams.beta
    shape = _event_columns(events, beta)
    near = (
        (shape["R2"] < MAX_R2)
        & (shape["visibleEnergyOfEventCMS"] > MIN_VISIBLE_ENERGY)
        & (shape["ecl"] > CLUSTER_ENERGY[0]) & (shape["ecl"] < CLUSTER_ENERGY[1])
    )[event]  # fmt: skip
    tag, kaon, extra, event = tag[near], kaon[near], extra[near], event[near]
    rest = _rest(events, tag, kaon)
    e_neutral = total(rest.cluster_owner, norm(clusters.p[:, rest.clusters]), len(tag))
    e_extra = e_neutral + total(rest.track_owner, tracks.ecl[rest.tracks], len(tag))
    keep = e_extra < MAX_E_EXTRA
    tag, kaon, extra, event = tag[keep], kaon[keep], extra[keep], event[keep]
    e_neutral, e_extra = e_neutral[keep], e_extra[keep]
    rest = _rest(events, tag, kaon)
    n = len(tag)

    columns = _tag_columns(tags.select(tag), tracks) | _kaon_columns(tracks.select(kaon), beta)
    columns |= {k: v[event] for k, v in shape.items() if k != "ecl"}
    columns |= {
        "roeEextra": e_extra,
        "roeNeextra": e_neutral,
        "roeNTracks": extra.astype(float),
        "roeNPhotons": count(rest.cluster_owner, n).astype(float),
        "roeNKS": _k_shorts(tracks, rest, n).astype(float),
        "roeNPi0": _free_pi0s(events, tag, event).astype(float),
        "kaon_side": tracks.side[kaon].astype(float),
        "K_D0vetoM": _d0_veto(tracks, events.n, event, kaon),
    }
    p_tag = tags.p_d[:, tag] + tags.p_lepton[:, tag]
    p_kaon = with_mass(tracks.p[:, kaon], M_K)
    columns |= _missing(events, rest, p_tag + p_kaon, n)
    columns |= _thrusts(events, rest, tag, p_kaon, beta)
    columns["cosTagK"] = cosine(boost(p_tag, beta), boost(p_kaon, beta))
    return event, columns


def _event_columns(events: Events, beta: Floats) -> dict[str, Floats]:
    """Return what belongs to the whole event: R2, visible energy, track count, calorimeter energy."""
    t, c, n = events.tracks, events.clusters, events.n
    clean = t.clean
    p_t, p_c = boost(with_mass(t.p, M_PI), beta), boost(with_mass(c.p, 0.0), beta)
    event = np.concatenate([t.event, c.event])
    return {
        "R2": fox_wolfram_r2(np.concatenate([p_t[:3], p_c[:3]], axis=1), event, n),
        "visibleEnergyOfEventCMS": total(event, np.concatenate([p_t[3], p_c[3]]), n),
        "nTracks": count(t.event, n, clean).astype(float),
        # a track's cluster points where the track does
        "ecl": total(event, np.concatenate([t.ecl * p_t[3] / np.maximum(norm(t.p), 0.01), p_c[3]]), n),
    }


def _tag_columns(tags: Tags, tracks: Tracks) -> dict[str, Floats]:
    p = tags.p_lepton
    lepton_id = np.where(tags.is_muon, tracks.muon_id[tags.lepton], tracks.electron_id[tags.lepton])
    return {
        "Btag_SignalProbability": tags.probability,
        "Btag_decayModeID": tags.is_muon.astype(float),
        "Btag_charge": tracks.charge[tags.lepton],
        "Btag_cosThetaBY": tags.cos_by,
        "Btag_l_pStar": tags.p_star,
        "Btag_l_p": norm(p),
        "Btag_l_theta": np.arctan2(np.hypot(p[0], p[1]), p[2]),
        "Btag_l_leptonID": lepton_id,
        "Btag_D_M": tags.mass,
        "Btag_D_decayModeID": tags.mode.astype(float),
        "tag_matched": tags.matched.astype(float),
        "tag_side": tags.side.astype(float),
    }


def _kaon_columns(kaons: Tracks, beta: Floats) -> dict[str, Floats]:
    p = kaons.p
    return {
        "K_charge": kaons.charge,
        "K_p": norm(p),
        "K_theta": np.arctan2(np.hypot(p[0], p[1]), p[2]),
        "K_pStar": norm(boost(with_mass(p, M_K), beta)),
        "K_kaonID": kaons.kaon_id,
        "K_electronID": kaons.electron_id,
        "K_muonID": kaons.muon_id,
        "K_dr": np.abs(kaons.d0),
        "K_dz": kaons.z0,
        "K_nCDCHits": kaons.hits,
        "K_mcPDG": kaons.pdg.astype(float),
        "K_genMotherPDG": kaons.mother.astype(float),
    }


def _k_shorts(tracks: Tracks, rest: _Rest, n: int) -> Ints:
    """Count K_S → π⁺π⁻ in the rest with both pions found; pairs are taken from truth, fakes are not simulated."""
    vee = tracks.vee[rest.tracks]
    pion = vee >= 0
    key = rest.track_owner[pion] * (vee.max(initial=0) + 1) + vee[pion]
    unique, number = np.unique(key, return_counts=True)
    owner = unique[number == 2] // (vee.max(initial=0) + 1)
    return np.bincount(owner, minlength=n)


def _free_pi0s(events: Events, tag: Ints, event: Ints) -> Ints:
    """Count the photon pairs at the π⁰ mass that share no photon with the tag."""
    i, owner = gather(offsets(count(events.pi0s.event, events.n)), event)
    photons, of_tag = events.pi0s.photons[:, i], events.tags.photons[:, tag[owner]]
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


def _missing(events: Events, rest: _Rest, p_candidate: Floats, n: int) -> dict[str, Floats]:
    """Return missing mass squared, energy, momentum and polar angle, laboratory; pions are assumed in the rest."""
    clean = events.tracks.clean[rest.tracks]
    p_t = with_mass(events.tracks.p[:, rest.tracks[clean]], M_PI)
    p_c = with_mass(events.clusters.p[:, rest.clusters], 0.0)
    owner_t = rest.track_owner[clean]
    visible = p_candidate + np.array(
        [total(owner_t, p_t[i], n) + total(rest.cluster_owner, p_c[i], n) for i in range(4)]
    )
    missing = DETECTOR.beams.four_momentum[:, None] - visible
    return {
        "missM2": missing[3] ** 2 - np.sum(missing[:3] ** 2, axis=0),
        "missE": missing[3],
        "missP": norm(missing),
        "missTheta": np.arctan2(np.hypot(missing[0], missing[1]), missing[2]),
    }


def _thrusts(events: Events, rest: _Rest, tag: Ints, p_kaon: Floats, beta: Floats) -> dict[str, Floats]:
    """Return thrust values and the angles of the thrust axes; the signal B is one track, its thrust is one."""
    n = len(tag)
    t, c, tags = events.tracks, events.clusters, events.tags
    p_t, p_c = boost(with_mass(t.p, M_PI), beta)[:3], boost(with_mass(c.p, 0.0), beta)[:3]
    rows = np.arange(n)
    daughters, photons = tags.daughters[:, tag], tags.photons[:, tag]
    owner_d, track_d = _present(daughters)
    owner_g, cluster_g = _present(photons)
    p_lepton = boost(tags.p_lepton[:, tag], beta)[:3]
    tag_p = np.concatenate([p_lepton, p_t[:, track_d], p_c[:, cluster_g]], axis=1)
    tag_owner = np.concatenate([rows, owner_d, owner_g])
    clean = t.clean[rest.tracks]
    rest_p = np.concatenate([p_t[:, rest.tracks[clean]], p_c[:, rest.clusters]], axis=1)
    rest_owner = np.concatenate([rest.track_owner[clean], rest.cluster_owner])

    def of(p: Floats, owner: Ints) -> tuple[Floats, Floats]:
        order = np.argsort(owner, kind="stable")
        return thrust(p[:, order], owner[order], n)

    axis_tag, _ = of(tag_p, tag_owner)
    axis_other, _ = of(np.concatenate([boost(p_kaon, beta)[:3], rest_p], axis=1), np.concatenate([rows, rest_owner]))
    _, thrust_rest = of(np.concatenate([tag_p, rest_p], axis=1), np.concatenate([tag_owner, rest_owner]))
    return {
        "thrustBm": np.ones(n),
        "thrustOm": thrust_rest,
        "cosTBTO": np.abs(cosine(axis_tag, axis_other)),
        "cosTBz": np.abs(axis_tag[2]),
    }


def _present(table: Ints) -> tuple[Ints, Ints]:
    """Return (column, value) of the entries of a (k, n) table that are not NONE."""
    row, column = np.nonzero(table != NONE)
    return column, table[row, column]
