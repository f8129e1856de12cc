"""Hadrons that pass as leptons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import ndtr, ndtri

from analysis.simulation.detector import DETECTOR, M_PI
from analysis.simulation.jagged import Floats, count, total
from analysis.simulation.kinematics import boost, norm, with_mass
from analysis.simulation.response.tracks import Tracks, lepton_separations


def with_fake_lepton(
    tracks: Tracks, n_events: int, p_star_min: float, rng: np.random.Generator
) -> tuple[Tracks, Floats]:
    """Make one fast hadron of every event without a fast true lepton pass as a lepton; returns the weights, too.

    The hadron is chosen with probability f_t / Σf, f_t being its probability to pass, and its likelihood ratios are
    drawn from the part of their distributions that passes (a ratio above zero). An outcome with m passing hadrons can
    be made in m ways, so that the weight is Σf / m: sums of weights are what accepting and rejecting would give.

    Parameters
    ----------
    tracks
        Of events whose fast leptons may all be fakes.
    n_events
        Number of events.
    p_star_min
        Hadrons above this momentum in the centre of mass may pass, GeV.
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
    sums = total(tracks.event, probability, n_events)
    # the chosen track is where the running sum passes a random fraction of the event's sum
    running = np.cumsum(probability)
    before = np.cumsum(sums) - sums
    target = before + rng.random(n_events) * sums
    able = np.flatnonzero((sums > 0) & ~natural)
    t = np.minimum(np.searchsorted(running, target[able], side="right"), len(running) - 1)
    n = len(t)

    def above_zero(mean: Floats, d: Floats) -> Floats:
        return np.asarray(mean + d * ndtri(1 - rng.random(n) * ndtr(mean / d)))

    as_electron = rng.random(n) * probability[t] < pass_e[t]
    punched = rng.random(n) * pass_mu[t] < from_punch[t]
    electron_if = above_zero(-0.5 * d_e[t] ** 2, d_e[t])
    muon_if = above_zero(np.where(punched, 0.5, -0.5) * d_mu[t] ** 2, d_mu[t])
    # what the other ratio is, given that it fails or does not matter, is far below zero: keep what was drawn, capped
    log_electron, log_muon = tracks.log_electron.copy(), tracks.log_muon.copy()
    log_electron[t] = np.where(as_electron, electron_if, np.minimum(log_electron[t], 0.0))
    log_muon[t] = np.where(as_electron, log_muon[t], muon_if)
    passing = eligible & (np.maximum(log_electron, log_muon) > 0)
    m = count(tracks.event, n_events, passing)
    weight = np.where(natural, 1.0, np.where(sums > 0, sums / np.maximum(m, 1), 0.0))
    return replace(tracks, log_electron=log_electron, log_muon=log_muon), weight
