"""Misidentified particles, made to order: continuum gives semileptonic tags and lone kaons by misidentification.

Where an event could only pass with a fake, one of its hadrons is made to pass and the event weighs what chance would
give: nothing is added or left out. A hadron is chosen with probability f_t / Σf, f_t being its probability to pass, and
its likelihood ratio is drawn from the part of its distribution that passes. An outcome with m passing hadrons can be
made in m ways, so that the weight is Σf / m: sums of weights are what accepting and rejecting would give.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import ndtr, ndtri

from analysis.simulation.detector import DETECTOR, M_PI
from analysis.simulation.jagged import Bools, Floats, Ints, count, total
from analysis.simulation.kinematics import boost, norm, with_mass
from analysis.simulation.response.tracks import Tracks, inside, kaon_separation, lepton_separations, polar_angle


def _chosen(event: Ints, probability: Floats, wanted: Bools, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Choose a track of every wanted event that has one with a probability above zero.

    Returns
    -------
    track : (k,) int64
        One per event.
    sums : (n_events,) float64
        Of the probabilities of its tracks.
    """
    n_events = len(wanted)
    sums = total(event, probability, n_events)
    # the chosen track is where the running sum passes a random fraction of the event's sum
    running = np.cumsum(probability)
    before = np.cumsum(sums) - sums
    target = before + rng.random(n_events) * sums
    able = np.flatnonzero((sums > 0) & wanted)
    return np.minimum(np.searchsorted(running, target[able], side="right"), len(running) - 1), sums


def _above_zero(mean: Floats, d: Floats, rng: np.random.Generator) -> Floats:
    """Draw from normal distributions above zero."""
    return np.asarray(mean + d * ndtri(1 - rng.random(len(mean)) * ndtr(mean / d)))


def with_fake_lepton(
    tracks: Tracks, n_events: int, p_star_min: float, rng: np.random.Generator
) -> tuple[Tracks, Floats]:
    """Make one fast hadron of every event without a fast true lepton pass as a lepton; returns the weights, too.

    Parameters
    ----------
    tracks
        Of events whose fast leptons may all be fakes.
    n_events
        Number of events.
    p_star_min
        Hadrons above this momentum in the centre of mass, taken as pions, may pass, GeV. Those that fly forward have up
        to 4 MeV more as leptons: what gets beyond it only so is not made to pass, and is missing (estimate: below 1 %).
    rng
        Source of randomness.

    Returns
    -------
    tracks
        With the drawn likelihood ratios.
    weight : (n_events,) float64
        One where there is a fast true lepton, zero where no hadron can pass.
    """
    kind, momentum = np.abs(tracks.pdg), norm(tracks.p)
    lepton = (kind == 11) | (kind == 13)
    p_star = norm(boost(with_mass(tracks.p, M_PI), -DETECTOR.beams.beta))
    fast = tracks.clean & (p_star > p_star_min)
    natural = count(tracks.event, n_events, fast & lepton) > 0
    d_e, d_mu = lepton_separations(momentum)
    punch = DETECTOR.identification.punch_through
    pass_e = ndtr(-0.5 * d_e)
    from_punch = punch * ndtr(0.5 * d_mu)
    pass_mu = from_punch + (1 - punch) * ndtr(-0.5 * d_mu)
    eligible = fast & ~lepton
    probability = np.where(eligible, 1 - (1 - pass_e) * (1 - pass_mu), 0.0)
    t, sums = _chosen(tracks.event, probability, ~natural, rng)
    as_electron = rng.random(len(t)) * probability[t] < pass_e[t]
    punched = rng.random(len(t)) * pass_mu[t] < from_punch[t]
    electron_if = _above_zero(-0.5 * d_e[t] ** 2, d_e[t], rng)
    muon_if = _above_zero(np.where(punched, 0.5, -0.5) * d_mu[t] ** 2, d_mu[t], rng)
    # what the other ratio is, given that it fails or does not matter, is far below zero: keep what was drawn, capped
    log_electron, log_muon = tracks.log_electron.copy(), tracks.log_muon.copy()
    log_electron[t] = np.where(as_electron, electron_if, np.minimum(log_electron[t], 0.0))
    log_muon[t] = np.where(as_electron, log_muon[t], muon_if)
    passing = eligible & (np.maximum(log_electron, log_muon) > 0)
    m = count(tracks.event, n_events, passing)
    weight = np.where(natural, 1.0, np.where(sums > 0, sums / np.maximum(m, 1), 0.0))
    return replace(tracks, log_electron=log_electron, log_muon=log_muon), weight


def with_fake_kaon(tracks: Tracks, leptons: Bools, n_events: int, rng: np.random.Generator) -> tuple[Tracks, Floats]:
    """Make a pion (or proton, or lepton) pass as the signal's kaon where no true one can; returns the weights, too.

    The signal's kaon has the charge opposite to the tag's lepton. Events whose leptons have both charges are left as
    they are; so are those without a lepton, which hold no candidate.

    Parameters
    ----------
    tracks
        Of the events.
    leptons : (n_tracks,) bool
        Which of them pass as a tag's lepton; what does must not depend on their ``log_kaon``.
    n_events
        Number of events.
    rng
        Source of randomness.

    Returns
    -------
    tracks
        With the drawn likelihood ratios of kaons.
    weight : (n_events,) float64
        One where a true kaon has the right charge, zero where there is a lepton but no track of that charge.
    """
    signs = [count(tracks.event, n_events, leptons & (tracks.charge == sign)) > 0 for sign in (1, -1)]
    wanted_charge = np.where(signs[0] == signs[1], 0, np.where(signs[0], -1, 1))
    right = tracks.clean & (wanted_charge[tracks.event] == tracks.charge)
    kaon = np.abs(tracks.pdg) == 321
    natural = (wanted_charge == 0) | (count(tracks.event, n_events, right & kaon) > 0)
    full = inside(polar_angle(tracks.p), DETECTOR.identification.top_arich)
    d = kaon_separation(norm(tracks.p), full)
    eligible = right & ~kaon
    probability = np.where(eligible, ndtr(-0.5 * d), 0.0)
    t, sums = _chosen(tracks.event, probability, ~natural, rng)
    log_kaon = tracks.log_kaon.copy()
    log_kaon[t] = _above_zero(-0.5 * d[t] ** 2, d[t], rng)
    m = count(tracks.event, n_events, eligible & (log_kaon > 0))
    weight = np.where(natural, 1.0, sums / np.maximum(m, 1))
    return replace(tracks, log_kaon=log_kaon), weight
