"""Truth of tag candidates: basf2's ``mcErrors``, and whether a candidate is a forced decay rightly found.

The flags are those of basf2's ``MCMatching``, `Errors`. A candidate is compared with the B that all its particles come
from, or, if they come from more than one B, with the whole event. So two things differ from basf2, which goes down to
the first common ancestor: a wrong candidate made of one meson's daughters alone is told to miss the rest of its B, too,
and missing resonances are never told (the FEI's decay strings ignore them). Radiated photons and decays in flight are
not simulated.
"""

from __future__ import annotations

from enum import IntFlag

import numpy as np

from analysis.simulation import true_tags
from analysis.simulation.jagged import Bools, Ints
from analysis.simulation.response import Clusters, Kind, Tracks
from analysis.simulation.tag_modes import KSPI, KSPIPI, NO_STAR, WITH_KAON
from analysis.simulation.tags.combine import BACHELOR_ROW, NONE, SLOW_ROW, Combinations
from analysis.simulation.true_tags import Role


class Errors(IntFlag):
    """Bits of ``mcErrors``."""

    CORRECT = 0
    MISS_NEUTRINO = 8
    MISS_GAMMA = 16
    MISS_MASSIVE_PARTICLE = 32
    MISS_KLONG = 64
    MIS_ID = 128
    ADDED_WRONG_PARTICLE = 256
    INTERNAL_ERROR = 512


def kshort_rows(channel: Ints) -> Bools:
    """Whether rows of `Combinations.tracks` are a K_S's pions, (6, n)."""
    result = np.zeros((6, len(channel)), dtype=bool)
    result[1:3, channel == KSPI] = True
    result[2:4, channel == KSPIPI] = True
    return result


def match(
    c: Combinations, tracks: Tracks, clusters: Clusters, is_muon: Bools, truth: Ints
) -> tuple[Ints, Bools]:  # fmt: skip
    """Return ``mcErrors`` and whether candidates belong to a forced decay, (n,) each.

    Parameters
    ----------
    c
        Candidates.
    tracks, clusters
        What they are made of.
    is_muon : (n_tracks,) bool
        Tracks that are muons rather than electrons.
    truth : (n_sides, n_events) int64
        Words of the decays on all sides of the events; see `analysis.simulation.true_tags`.

    Notes
    -----
    The second result allows for particles left over (a D*'s slow pion, another pion): it asks that everything used is
    right. Whether it holds depends on nothing but the candidate's own particles.
    """
    used, there = np.maximum(c.tracks, 0), c.tracks != NONE
    gammas, gamma_there = np.maximum(c.photons, 0), c.photons != NONE
    # where there is none, its values do not count
    side_g, role_g, kind_g = (np.append(each, 0)[gammas] for each in (clusters.side, clusters.role, clusters.kind))
    side = tracks.side[c.lepton].astype(np.int64)
    one_side = np.all((tracks.side[used] == side) | ~there, axis=0)
    one_side &= np.all((side_g == side) | ~gamma_there, axis=0)
    word = truth[side, c.event]
    roles, channel_right = tracks.role[used], true_tags.channel(word) == c.channel
    d_right = channel_right & np.all((roles[:SLOW_ROW] == Role.D_DAUGHTER) | ~there[:SLOW_ROW], axis=0)
    d_right &= np.all((role_g[:2] == Role.D_DAUGHTER) | ~gamma_there[:2], axis=0)
    slow_right = np.where(there[SLOW_ROW], roles[SLOW_ROW] == Role.SLOW, True)
    slow_right &= np.all((role_g[2:] == Role.SLOW) | ~gamma_there[2:], axis=0)
    star_right = (c.star == NO_STAR) | ((true_tags.star(word) == c.star) & slow_right)
    bachelor_right = np.where(c.bachelor, roles[BACHELOR_ROW] == Role.BACHELOR, True)
    lepton_right = tracks.role[c.lepton] == Role.LEPTON
    forced = one_side & d_right & star_right & bachelor_right & lepton_right & true_tags.is_tag(word)

    unmatched = ~tracks.matched[c.lepton] | np.any(~tracks.matched[used] & there, axis=0)
    unmatched |= np.any((kind_g != Kind.PHOTON) & gamma_there, axis=0)
    wrong = ~one_side | ~d_right | ~star_right | true_tags.neutral(word)
    flags = np.where(_misidentified(c, tracks, is_muon), Errors.MIS_ID, 0)
    flags |= np.where(wrong, Errors.ADDED_WRONG_PARTICLE, 0)
    flags |= _missing(c, one_side, side, truth)
    return np.where(unmatched, int(Errors.INTERNAL_ERROR), flags), forced


def _misidentified(c: Combinations, tracks: Tracks, is_muon: Bools) -> Bools:
    """Whether a track is not what it is taken for."""
    used, there = np.maximum(c.tracks, 0), c.tracks != NONE
    taken_for = np.full(c.tracks.shape, 211)
    taken_for[0] = np.where(np.array(WITH_KAON)[c.channel], 321, 211)
    lepton = np.where(is_muon[c.lepton], 13, 11)
    wrong = np.any((np.abs(tracks.pdg[used]) != taken_for) & there, axis=0)
    return np.asarray(wrong | (np.abs(tracks.pdg[c.lepton]) != lepton))


def _missing(c: Combinations, one_side: Bools, side: Ints, truth: Ints) -> Ints:
    """Return the flags of what the B (or the event) leaves beside the candidate's particles."""

    def left(what: Ints) -> Ints:
        return np.where(one_side, what[side, c.event], np.sum(what, axis=0)[c.event])

    n_tracks = 1 + np.sum((c.tracks != NONE) & ~kshort_rows(c.channel), axis=0)
    n_massive = n_tracks + np.isin(c.channel, (KSPI, KSPIPI))
    missing_photon = left(true_tags.photons(truth)) > np.sum(c.photons != NONE, axis=0)
    massive = left(true_tags.massive(truth)) > n_massive
    klong = left(true_tags.klong(truth).astype(np.int64)) > 0
    neutrino = left(true_tags.neutrino(truth).astype(np.int64)) > 0
    return np.asarray(
        np.where(neutrino, int(Errors.MISS_NEUTRINO), 0) | np.where(missing_photon, int(Errors.MISS_GAMMA), 0)
        | np.where(massive, int(Errors.MISS_MASSIVE_PARTICLE), 0) | np.where(klong, int(Errors.MISS_KLONG), 0)
    )  # fmt: skip
