"""Semileptonic tags as the FEI makes them: B⁻ → D⁰ℓ⁻, D*⁰ℓ⁻, D⁺π⁻ℓ⁻, D*⁺π⁻ℓ⁻, from reconstructed tracks and clusters.

`tag_modes` lists the modes, `combine` puts particles together, `matching` tells their truth, `probability` and
`training` the signal probability. A decay gives several candidates: B⁻ → D*⁰ℓ⁻ is found as D⁰ℓ⁻, too, its slow γ or π⁰
left in the rest of the event and cosθ_BY pulled down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.simulation.detector import DETECTOR, M_BPLUS, M_E, M_MU
from analysis.simulation.jagged import Bools, Floats, Ints, Listed
from analysis.simulation.kinematics import boost, mass, norm, with_mass
from analysis.simulation.response import Clusters, Tracks
from analysis.simulation.tag_modes import D_MODES, NO_STAR
from analysis.simulation.tags import matching, probability
from analysis.simulation.tags.combine import (
    KAON_ID,
    NONE,
    Combinations,
    Pi0s,
    charged_parts,
    combine,
    find_kshorts,
    find_pi0s,
    holds_d,
)

__all__ = [
    "COS_BY", "KAON_ID", "LEPTON_P_STAR", "LOG10_PROBABILITY", "NONE", "Pi0s", "Tags", "candidates", "charged_parts",
    "cos_theta_by", "find_kshorts", "find_pi0s", "holds_d", "reconstruct_tags", "tag_lepton",
]  # fmt: skip

LEPTON_P_STAR = 1.0  # skim feiSLBplus
LEPTON_ID = 0.5
COS_BY = (-4.0, 3.0)  # skim feiSLBplus
LOG10_PROBABILITY = -2.4  # skim feiSLBplus
# χ² probability of a vertex of tracks from different B mesons: density a v^(a-1), assumed
WRONG_VERTEX = 0.3


@dataclass(frozen=True)
class Tags(Listed):
    """Tag candidates, sorted by ``event``.

    Attributes
    ----------
    event : (n,) int64
    mode : (n,) int64
        The FEI's ``decayModeID`` of the B, 0 to 7.
    channel, star : (n,) int64
        Places of the D's and the D*'s mode in `tag_modes`.
    lepton : (n,) int64
        Index of its track.
    is_muon : (n,) bool
    daughters : (6, n) int64
        Tracks of D, D* and B beside the lepton, see `combine.Combinations`; -1 where there is none.
    photons : (4, n) int64
        Clusters of the D's and the D*'s π⁰ or γ; -1 where there is none.
    p_hadrons, p_lepton : (4, n) float64
        Four-momenta of the lepton and of all the rest, laboratory.
    mass : (n,) float64
        Of the D, GeV/c^2.
    delta_m : (n,) float64
        M(D*) − M(D), GeV/c^2; NaN without a D*.
    p_star : (n,) float64
        Lepton momentum in the centre of mass.
    cos_by : (n,) float64
    vertex : (n,) float64
        χ² probability of the vertex.
    probability : (n,) float64
        Signal probability.
    errors : (n,) int64
        ``mcErrors``, see `matching.Errors`.
    matched : (n,) bool
        All of it belongs to one decay such as forced tags are made of; more may belong to it.
    side : (n,) int8
        B that the lepton comes from.
    """

    event: Ints
    mode: Ints
    channel: Ints
    star: Ints
    lepton: Ints
    is_muon: Bools
    daughters: Ints
    photons: Ints
    p_hadrons: Floats
    p_lepton: Floats
    mass: Floats
    delta_m: Floats
    p_star: Floats
    cos_by: Floats
    vertex: Floats
    probability: Floats
    errors: Ints
    matched: Bools
    side: NDArray[np.int8]

    def clean_daughters(self, clean: Bools) -> Ints:
        """Return how many tracks beside the lepton are clean, given which tracks are: a K_S's need not be, (n,)."""
        return np.asarray(np.sum((self.daughters != NONE) & clean[np.maximum(self.daughters, 0)], axis=0))

    @property
    def mass_shift(self) -> Floats:
        """M(D) less its nominal value, GeV/c^2."""
        return np.asarray(self.mass - np.array([mode.mass for mode in D_MODES])[self.channel])


def reconstruct_tags(tracks: Tracks, pi0s: Pi0s, clusters: Clusters, truth: Ints, n_events: int) -> Tags:
    """Return all tag candidates that pass the skim's cuts.

    Parameters
    ----------
    tracks, pi0s, clusters
        Reconstructed objects.
    truth : (n_sides, n_events) int64
        Words of the decays on each side; see `analysis.simulation.true_tags`.
    n_events
        Number of events.

    Notes
    -----
    A candidate depends on nothing but its own tracks and clusters (the vertex quality comes from the tracks'
    ``luck``), so a true tag that was accepted alone is found again whatever it is paired with. The FEI keeps the 20
    best candidates of an event: here all are kept.
    """
    return candidates(tracks, pi0s, clusters, truth, n_events, probability.default(), 10**LOG10_PROBABILITY)[0]


def candidates(
    tracks: Tracks, pi0s: Pi0s, clusters: Clusters, truth: Ints, n_events: int, model: probability.Model | None,
    above: float = -1.0,
) -> tuple[Tags, tuple[Combinations, dict[str, Floats]]]:  # fmt: skip
    """Return all candidates that pass the skim's cuts and have a signal probability above ``above``; their features.

    Without a model the probabilities are zero. For the other parameters see `reconstruct_tags`.
    """
    is_muon, p_lepton, p_star = _as_leptons(tracks)
    found = combine(tracks, pi0s, clusters, np.flatnonzero(tracks.clean & tag_lepton(tracks)), n_events)
    cos_by = cos_theta_by(found.p + p_lepton[:, found.lepton])
    keep = (cos_by > COS_BY[0]) & (cos_by < COS_BY[1])
    c, cos_by = found.select(keep), cos_by[keep]
    vertex, muon, lepton = _vertex(c, tracks), is_muon[c.lepton], p_lepton[:, c.lepton]
    log_lepton = np.where(muon, tracks.log_muon[c.lepton], tracks.log_electron[c.lepton])
    values = probability.evaluate(c, tracks, clusters, lepton, log_lepton, vertex)
    chance = probability.signal_probability(model, c, values) if model else np.zeros(len(c.event))
    if above >= 0:
        keep = chance > above
        c, cos_by, vertex, muon, chance = c.select(keep), cos_by[keep], vertex[keep], muon[keep], chance[keep]
        lepton, values = lepton[:, keep], {name: each[keep] for name, each in values.items()}
    errors, forced = matching.match(c, tracks, clusters, is_muon, truth)
    mode = 4 * c.bachelor + 2 * (c.star != NO_STAR) + muon
    tags = Tags(
        c.event, mode, c.channel, c.star, c.lepton, muon, c.tracks, c.photons, c.p, lepton, c.mass, c.delta_m,
        p_star[c.lepton], cos_by, vertex, chance, errors, forced, tracks.side[c.lepton],
    )  # fmt: skip
    return tags, (c, values)


def _as_leptons(tracks: Tracks) -> tuple[Bools, Floats, Floats]:
    """Return whether tracks are rather muons than electrons, four-momenta, and momenta in the centre of mass."""
    is_muon = tracks.log_muon > tracks.log_electron
    p = with_mass(tracks.p, np.where(is_muon, M_MU, M_E))
    return is_muon, p, norm(boost(p, -DETECTOR.beams.beta))


def tag_lepton(tracks: Tracks) -> Bools:
    """Whether tracks may be the lepton of a tag."""
    _, _, p_star = _as_leptons(tracks)
    return np.asarray((np.maximum(tracks.electron_id, tracks.muon_id) > LEPTON_ID) & (p_star > LEPTON_P_STAR))


def _vertex(c: Combinations, tracks: Tracks) -> Floats:
    """Return the χ² probability of the tracks that come from the B or the D, a K_S's aside."""
    used = np.maximum(c.tracks, 0)
    present = (c.tracks != NONE) & ~matching.kshort_rows(c.channel)
    one_b = np.all((tracks.side[used] == tracks.side[c.lepton]) | ~present, axis=0)
    from_ip = np.all((tracks.vee[used] < 0) | ~present, axis=0) & (tracks.vee[c.lepton] < 0)
    # the fractional part of a sum with one uniform term is uniform
    uniform = (np.where(present, tracks.luck[used], 0.0).sum(axis=0) + tracks.luck[c.lepton]) % 1.0
    return np.asarray(np.where(one_b & from_ip, uniform, uniform ** (1 / WRONG_VERTEX)))


def cos_theta_by(p: Floats) -> Floats:
    """Return the cosine between the B and its visible daughters Y, for a massless rest and the nominal B.

    cosθ_BY = (2 E*_B E*_Y − m_B² − m_Y²) / (2 p*_B p*_Y), the definition of basf2's
    ``cosThetaBetweenParticleAndNominalB``. Off resonance, where half of the energy makes no B, basf2 takes half of the
    Υ(4S)'s instead, and so does this.

    Parameters
    ----------
    p : (4, n)
        Four-momentum of Y in the laboratory.
    """
    beams = DETECTOR.beams
    y = boost(p, -beams.beta)
    e_b = beams.sqrt_s / 2
    p_b = np.sqrt(e_b**2 - M_BPLUS**2)
    return np.asarray((2 * e_b * y[3] - M_BPLUS**2 - mass(y) ** 2) / (2 * p_b * norm(y)))
