"""Event shape of the event (basf2's ``buildEventShape``) and about tag and kaon (``buildContinuumSuppression``)."""

from __future__ import annotations

import numpy as np

from analysis.simulation.candidates.events import Events
from analysis.simulation.candidates.rest import Rest
from analysis.simulation.detector import DETECTOR, M_E, M_K, M_MU, M_PI
from analysis.simulation.eventshape import Objects, cleo_cones, ksfw_moments, sphericity, together
from analysis.simulation.jagged import Floats, Ints, count, total
from analysis.simulation.kinematics import boost, cosine, fox_wolfram_r2, norm, thrust, with_mass
from analysis.simulation.response import Clusters, Kind, Tracks
from analysis.simulation.tags import NONE


def event_columns(t: Tracks, clusters: Clusters, n: int) -> dict[str, Floats]:
    """Return what belongs to whole events, (n,) each, and ``ecl``, the skim's calorimeter energy.

    As basf2's default clean-up has it, tracks away from the interaction point do not count.
    """
    c = clusters.select(clusters.present)
    beta = -DETECTOR.beams.beta
    clean = t.clean
    p_t, p_c = boost(with_mass(t.p, M_PI), beta), boost(with_mass(c.p, 0.0), beta)
    event = np.concatenate([t.event[clean], c.event])
    p = np.concatenate([p_t[:, clean], p_c], axis=1)
    round_, flat = sphericity(p[:3], event, n)
    return {
        "R2": fox_wolfram_r2(p[:3], event, n),
        "sphericity": round_,
        "aplanarity": flat,
        "visibleEnergyOfEventCMS": total(event, p[3], n),
        "nTracks": count(t.event, n, clean).astype(float),
        "nBeamClusters": count(c.event, n, (c.kind == Kind.BEAM) | (c.kind == Kind.BEAM_WEAK)).astype(float),
        # a track's cluster points where the track does
        "ecl": total(t.event, t.ecl * p_t[3] / np.maximum(norm(t.p), 0.01), n) + total(c.event, p_c[3], n),
    }


def candidate_columns(events: Events, rest: Rest, tag: Ints, kaon: Ints) -> dict[str, Floats]:
    """Return event shape about the two B mesons of every candidate.

    Each B's rest of the event holds all other clean tracks and clusters, those of the other B included. Tracks of a
    rest have the mass that their identification favours, as in basf2.
    """
    n = len(tag)
    signal, of_tag, others = _objects(events, rest, tag, kaon)
    rest_of_signal, rest_of_tag = together(of_tag, others), together(signal, others)
    axis_k = signal.p[:3] / norm(signal.p)
    axis_tag, thrust_tag = thrust(of_tag.p[:3], of_tag.owner, n)
    axis_of_signal_rest, thrust_rest = thrust(rest_of_signal.p[:3], rest_of_signal.owner, n)
    axis_of_tag_rest, _ = thrust(rest_of_tag.p[:3], rest_of_tag.owner, n)
    cones = cleo_cones(together(signal, rest_of_signal), axis_k, n)
    moments = ksfw_moments(signal, rest_of_signal, events.beams.sqrt_s, n)
    return {
        "thrustBm": np.ones(n),  # of a single track
        "thrustOm": thrust_rest,
        "K_cosTBTO": np.abs(cosine(axis_k, axis_of_signal_rest)),
        "Btag_thrustBm": thrust_tag,
        "cosTBTO": np.abs(cosine(axis_tag, axis_of_tag_rest)),
        "cosTBz": np.abs(axis_tag[2]),
        **{f"KSFW_{name}": values for name, values in moments.items()},
        **{f"CleoConeCS_{number}": values for number, values in enumerate(cones, start=1)},
    }


def _objects(events: Events, rest: Rest, tag: Ints, kaon: Ints) -> tuple[Objects, Objects, Objects]:
    """Return the kaon, the tag's particles and all others, in the centre of mass."""
    t, tags = events.tracks, events.tags
    beta = -DETECTOR.beams.beta
    rows = np.arange(len(tag))
    p_t, p_c = boost(with_mass(t.p, likeliest_mass(t)), beta), boost(with_mass(events.clusters.p, 0.0), beta)

    def objects(tracks: Ints, track_owner: Ints, clusters: Ints, cluster_owner: Ints) -> Objects:
        charged = Objects(track_owner, p_t[:, tracks], t.charge[tracks])
        return together(charged, Objects(cluster_owner, p_c[:, clusters], np.zeros(len(clusters))))

    signal = Objects(rows, boost(with_mass(t.p[:, kaon], M_K), beta), t.charge[kaon])
    owner_d, track_d = _present(tags.daughters[:, tag])
    owner_g, cluster_g = _present(tags.photons[:, tag])
    of_tag = objects(
        np.concatenate([tags.lepton[tag], track_d]), np.concatenate([rows, owner_d]), cluster_g, owner_g
    )  # fmt: skip
    clean = t.clean[rest.tracks]
    others = objects(rest.tracks[clean], rest.track_owner[clean], rest.clusters, rest.cluster_owner)
    return signal, of_tag, others


def likeliest_mass(tracks: Tracks) -> Floats:
    """Return the mass of the likeliest of electron, muon, pion, kaon, (n,) GeV/c^2; protons are not told apart."""
    logs = np.array([np.zeros_like(tracks.log_kaon), tracks.log_kaon, tracks.log_electron, tracks.log_muon])
    return np.asarray(np.array([M_PI, M_K, M_E, M_MU])[np.argmax(logs, axis=0)])


def _present(table: Ints) -> tuple[Ints, Ints]:
    """Return (column, value) of the entries of a (k, n) table that are not NONE."""
    row, column = np.nonzero(table != NONE)
    return column, table[row, column]
