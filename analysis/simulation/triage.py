"""Which events are worth going on with, from what is known of them so far.

First with chances: what is kept gets the inverse as weight. They go by the particles that are found beside a tag
(`response.Detected`), or by the measured tracks of continuum events. Then by the measured tracks and clusters, exactly:
what is dropped there could not become a candidate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.simulation import tags
from analysis.simulation.candidates import KAON_ID, MAX_E_EXTRA, MAX_EXTRA_TRACKS
from analysis.simulation.jagged import Array, Bools, Floats, Ints, count, offsets, total
from analysis.simulation.kinematics import norm
from analysis.simulation.response import Clusters, Detected, Tracks
from analysis.simulation.tags.combine import SLOW_PHOTON_E

MAX_OTHER_TRACKS = 5  # clean tracks of the other B beside a tag: the kaon, an extra one, some lent to a wrong tag
MAX_TRACKS = 9  # lepton, K3π, slow pion and another one; kaon and an extra one
MIN_TRACKS = 4
# Chances of events that have a track too many or more, or no kaon that is surely one
EXTRA_TRACK, CROWDED, UNSURE_KAON, SURE_KAON_ID = 0.15, 0.03, 0.3, 0.9
LEPTON_P_MIN = 0.7  # of a lepton that has 1 GeV in the centre of mass


def logit(probability: float) -> float:
    """Return the log likelihood ratio behind an identification probability."""
    return float(np.log(probability / (1 - probability)))


@dataclass(frozen=True)
class _Charged:
    """What decides: clean tracks by event, with sign and log likelihood ratios; events of possible K_S."""

    event: Ints
    charge: Floats
    log_kaon: Floats
    lepton: Bools
    kshort: Ints

    @classmethod
    def of(cls, tracks: Tracks, n: int) -> _Charged:
        """Of clean tracks."""
        clean: Tracks = tracks.select(tracks.clean)
        lepton = (np.maximum(clean.log_electron, clean.log_muon) > 0) & (norm(clean.p) > LEPTON_P_MIN)
        return cls(clean.event, clean.charge, clean.log_kaon, lepton, tags.find_kshorts(tracks, n).event)

    def number(self, n: int, mask: Bools | None = None) -> Ints:
        """Return how many (of the chosen ones) events have, (n,)."""
        return count(self.event, n, mask)


def _by_number(number: Ints, alone: Array) -> Floats:
    """Return the chances for numbers of tracks: ``alone`` tells where there is none too many."""
    return np.where(alone, 1.0, np.where(number > 2, CROWDED, EXTRA_TRACK))


def beside_a_tag(found: Detected, spare: Bools, tag_tracks: Ints, n: int) -> Floats:
    """Return with which chance what is found beside a true tag is looked at further.

    True tags are B⁻ or B̄⁰ with an ℓ⁻: the kaon is a K⁺. (Beside one may be a wrong one with an ℓ⁺, whose kaon is a K⁻:
    kept only where there is a K⁺, too, or a kaon to spare.)

    Parameters
    ----------
    found
        Of the other B.
    spare : (n,) bool
        The tag's side has a kaon to spare.
    tag_tracks : (n,) int64
        Clean tracks of the tag's side; an even number wants another one, a pion beside a D⁺ or D*⁺.
    n
        Number of events.
    """
    right = found.charge > 0
    kaons = count(found.event, n, right & (found.log_kaon > logit(KAON_ID))) > 0
    surely = count(found.event, n, right & (found.log_kaon > logit(SURE_KAON_ID))) > 0
    # those of a K_S may come from too far away to count
    number = count(found.event, n, ~found.displaced)
    alone = (number == 1) | ((number == 2) & (tag_tracks % 2 == 0))
    beside = _by_number(number, alone) * np.where(surely, 1.0, UNSURE_KAON)
    without = np.where(spare, _by_number(number, number == 0) * UNSURE_KAON, 0.0)
    return np.where(kaons, beside, without)


def possible_beside_a_tag(tracks: Tracks, spare: Bools, tag_tracks: Ints, n: int) -> Bools:
    """Whether the tracks beside a tag leave the possibility of a candidate.

    Parameters
    ----------
    tracks, spare, tag_tracks, n
        As in `beside_a_tag`.
    """
    kaon = tracks.clean & (tracks.log_kaon > logit(KAON_ID)) & (tracks.charge > 0)
    number = count(tracks.event, n, tracks.clean)
    few = (number <= MAX_OTHER_TRACKS) & (number + tag_tracks <= MAX_TRACKS)
    return np.asarray(few & (spare | (count(tracks.event, n, kaon) > 0)))


def may_hold_candidate(tracks: Tracks, n: int) -> Floats:
    """Return with which chance events are looked at further.

    It is zero unless an event has few enough tracks, a fast ℓ∓ with a K∓ or K_S for the tag and a K± for the signal
    side.
    """
    c = _Charged.of(tracks, n)
    number = c.number(n)
    able, surely = _tag_and_kaon(c, n)
    able &= (number >= MIN_TRACKS) & (number <= MAX_TRACKS)
    alone = (number == 4) | (number == 6)
    return np.where(able, np.where(alone, 1.0, EXTRA_TRACK) * np.where(surely, 1.0, UNSURE_KAON), 0.0)


def _tag_and_kaon(c: _Charged, n: int) -> tuple[Bools, Bools]:
    """Whether there are a lepton with a kaon of its charge or a K_S, and a kaon of the other; if that is surely one."""
    kshort = count(c.kshort, n) > 0
    found, surely = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    for sign in (1, -1):
        same, other = c.charge == sign, c.charge == -sign
        strange = kshort | (c.number(n, same & (c.log_kaon > logit(tags.KAON_ID))) > 0)
        tag = (c.number(n, c.lepton & same) > 0) & strange
        found |= tag & (c.number(n, other & (c.log_kaon > logit(KAON_ID))) > 0)
        surely |= tag & (c.number(n, other & (c.log_kaon > logit(SURE_KAON_ID))) > 0)
    return found, surely


def may_hold_tag(tracks: Tracks, n: int) -> Bools:
    """Whether the tracks of events leave the possibility of a tag and a kaon, whatever clusters there are.

    All but the kaon and few others must belong to the tag: see `tags.charged_parts`, and what it leaves out.
    """
    clean = tracks.clean
    event, used = tags.charged_parts(tracks, np.flatnonzero(clean & tags.tag_lepton(tracks)), n)
    left = count(tracks.event, n, clean)[event] - used - 1
    return count(event, n, left <= MAX_EXTRA_TRACKS) > 0


def too_much_energy(clusters: Clusters, n: int) -> Bools:
    """Whether more energy than allowed stays in the rest of the event, even if a tag takes the best clusters.

    They are the best two for the D, and two more for the D*, of limited energy.
    """
    energy = np.where(clusters.present, norm(clusters.p), 0.0)
    first = offsets(count(clusters.event, n))
    filled = np.flatnonzero(np.diff(first))
    largest = np.zeros(n)
    if len(filled):
        largest[filled] = np.maximum.reduceat(energy, first[filled])
    taken = 2 * largest + 2 * np.minimum(largest, SLOW_PHOTON_E[1])
    return np.asarray(total(clusters.event, energy, n) - taken > MAX_E_EXTRA)
