"""Υ(4S) candidates: a tag and a kaon, and everything the ntuple tells of them, their rest and their event.

The loose selection has the cuts of basf2's skim feiSLBplus on the event, but for its three clusters above 0.1 GeV: the
four tracks or more of a candidate leave them. R2, extra tracks and extra energy are the toy's own.
"""

from __future__ import annotations

import numpy as np

from analysis.simulation.candidates import rest, shape, variations
from analysis.simulation.candidates.events import Events
from analysis.simulation.candidates.rest import Rest
from analysis.simulation.detector import DETECTOR, M_K
from analysis.simulation.jagged import Array, Floats, Ints, count, join, renumbered, total
from analysis.simulation.kinematics import boost, cosine, norm, with_mass
from analysis.simulation.response import Tracks
from analysis.simulation.tag_modes import D_MODES, STAR_MODES
from analysis.simulation.tags import Tags
from analysis.simulation.tags.matching import Errors

__all__ = ["KAON_ID", "MAX_EXTRA_TRACKS", "MAX_E_EXTRA", "Events", "build"]

KAON_ID = 0.5
KAON_P_STAR = 0.4
MAX_EXTRA_TRACKS = 1
MAX_R2 = 0.6
MAX_E_EXTRA = 1.5
MIN_VISIBLE_ENERGY = 4.0  # skim
CLUSTER_ENERGY = (2.0, 7.0)  # skim: sum over the calorimeter, centre of mass
PDG_K = 321
# The FEI's decayModeID of D and D*, by their places in `tag_modes`; NaN where there is no D*.
D_NUMBERS = np.array([float(mode.number) for mode in D_MODES])
STAR_NUMBERS = np.array([mode.number if mode else np.nan for mode in STAR_MODES])


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
    extra = n_clean[tags.event[tag]] - 2 - tags.clean_daughters(clean)[tag]
    few = extra <= MAX_EXTRA_TRACKS
    return tag[few], kaon[few], extra[few]


def build(events: Events) -> tuple[Ints, dict[str, Array]]:
    """Return the candidates that pass the loose selection.

    Returns
    -------
    event : (n,) int64
        Event of every candidate, sorted.
    columns
        Canonical column name to array (n,); the keys and the truth that only the maker of the events knows are missing.
        Also ``kaon_side``, the B that the kaon comes from.
    """
    tag, kaon, extra = _pairs(events)
    keep = _extra_energy(events, Rest.of(events, tag, kaon), len(tag)) < MAX_E_EXTRA
    tag, kaon, extra = tag[keep], kaon[keep], extra[keep]
    # most events have no candidate left: what belongs to the event is computed for the others
    left, number = np.unique(events.tags.event[tag], return_inverse=True)
    tracks, clusters = renumbered(events.tracks, left, events.n), renumbered(events.clusters, left, events.n)
    whole = {name: values[number] for name, values in shape.event_columns(tracks, clusters, len(left)).items()}
    near = (
        (whole["R2"] < MAX_R2)
        & (whole["visibleEnergyOfEventCMS"] > MIN_VISIBLE_ENERGY)
        & (whole["ecl"] > CLUSTER_ENERGY[0]) & (whole["ecl"] < CLUSTER_ENERGY[1])
    )  # fmt: skip
    tag, kaon, extra = tag[near], kaon[near], extra[near]
    event, others = events.tags.event[tag], Rest.of(events, tag, kaon)

    columns = _tag_columns(events.tags.select(tag), events.tracks) | _kaon_columns(events.tracks.select(kaon))
    columns |= {name: values[near] for name, values in whole.items() if name != "ecl"}
    columns |= rest.columns(events, others, tag, kaon, extra)
    columns |= variations.columns(events, others, tag, columns)
    columns |= shape.candidate_columns(events, others, tag, kaon)
    columns["kaon_side"] = events.tracks.side[kaon].astype(float)
    columns["cosTagK"] = _angle_to_tag(events, tag, kaon)
    return event, columns


def _extra_energy(events: Events, others: Rest, n: int) -> Floats:
    neutral = total(others.cluster_owner, norm(events.clusters.p[:, others.clusters]), n)
    return neutral + total(others.track_owner, events.tracks.ecl[others.tracks], n)


def _angle_to_tag(events: Events, tag: Ints, kaon: Ints) -> Floats:
    """Return the cosine between the tag's D ℓ system and the kaon, centre of mass."""
    beta = -DETECTOR.beams.beta
    p_tag = events.tags.p_hadrons[:, tag] + events.tags.p_lepton[:, tag]
    return cosine(boost(p_tag, beta), boost(with_mass(events.tracks.p[:, kaon], M_K), beta))


def _tag_columns(tags: Tags, tracks: Tracks) -> dict[str, Floats]:
    p, leptons = tags.p_lepton, tracks.select(tags.lepton)
    unmatched = tags.errors == Errors.INTERNAL_ERROR
    lepton_id = np.where(tags.is_muon, tracks.muon_id[tags.lepton], tracks.electron_id[tags.lepton])
    return {
        "Btag_SignalProbability": tags.probability,
        "Btag_decayModeID": tags.mode.astype(float),
        "Btag_charge": tracks.charge[tags.lepton],
        "Btag_cosThetaBY": tags.cos_by,
        "Btag_l_pStar": tags.p_star,
        "Btag_l_p": norm(p),
        "Btag_l_theta": np.arctan2(np.hypot(p[0], p[1]), p[2]),
        "Btag_l_leptonID": lepton_id,
        "Btag_l_mcPDG": np.where(leptons.matched, leptons.pdg, np.nan),
        "Btag_l_genMotherPDG": np.where(leptons.matched, leptons.mother, np.nan),
        "Btag_D_M": tags.mass,
        "Btag_D_decayModeID": D_NUMBERS[tags.channel],
        "Btag_Dst_dM": tags.delta_m,
        "Btag_Dst_decayModeID": STAR_NUMBERS[tags.star],
        "Btag_chiProb": tags.vertex,
        "Btag_isSignal": np.where(unmatched, np.nan, (tags.errors & ~int(Errors.MISS_NEUTRINO)) == 0),
        "Btag_mcErrors": tags.errors.astype(float),
    }


def _kaon_columns(kaons: Tracks) -> dict[str, Floats]:
    p = kaons.p
    return {
        "K_charge": kaons.charge,
        "K_p": norm(p),
        "K_theta": np.arctan2(np.hypot(p[0], p[1]), p[2]),
        "K_pStar": norm(boost(with_mass(p, M_K), -DETECTOR.beams.beta)),
        "K_kaonID": kaons.kaon_id,
        "K_electronID": kaons.electron_id,
        "K_muonID": kaons.muon_id,
        "K_dr": np.abs(kaons.d0),
        "K_dz": kaons.z0,
        "K_nCDCHits": kaons.hits,
        "K_isSignal": np.where(kaons.matched, np.abs(kaons.pdg) == PDG_K, np.nan),
        "K_mcErrors": np.select(
            [~kaons.matched, np.abs(kaons.pdg) != PDG_K], [float(Errors.INTERNAL_ERROR), float(Errors.MIS_ID)], 0.0
        ),
        "K_mcPDG": np.where(kaons.matched, kaons.pdg, np.nan),
        "K_genMotherPDG": np.where(kaons.matched, kaons.mother, np.nan),
    }
