"""Which events are worth going on with, from what is known of them so far.

First by the particles that are found (`response.Detected`), with chances: what is kept gets the inverse as weight. Then
by the measured tracks and clusters, exactly: what is dropped there could not become a candidate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.simulation import tags
from analysis.simulation.candidates import KAON_ID, MAX_E_EXTRA
from analysis.simulation.jagged import Array, Bools, Floats, Ints, count, offsets, total
from analysis.simulation.kinematics import norm
from analysis.simulation.response import Clusters, Detected, Tracks
from analysis.simulation.tags.combine import SLOW_PHOTON_E

MAX_OTHER_TRACKS = 5  # clean tracks of the other B beside a tag: the kaon, an extra one, some lent to a wrong tag
MAX_TRACKS = 9  # lepton, K3π, slow pion and another one; kaon and an extra one
MIN_TRACKS = 4
# Chances of events that have a track too many or more, or no kaon that is surely one
EXTRA_TRACK, CROWDED, UNSURE_KAON, SURE_KAON_ID = 0.2, 0.04, 0.5, 0.9
LEPTON_P_MIN = 0.7  # of a lepton that has 1 GeV in the centre of mass


def logit(probability: float) -> float:
    """Return the log likelihood ratio behind an identification probability."""
    return float(np.log(probability / (1 - probability)))


@dataclass(frozen=True)
class _Charged:
    """What decides: charged particles by event, with sign and log likelihood ratios; events of possible K_S."""

    event: Ints
    charge: Floats
    log_kaon: Floats
    lepton: Bools
    kshort: Ints

    @classmethod
    def of(cls, items: Detected | Tracks, n: int) -> _Charged:
        """Of clean tracks, or of found particles: what is measured is not known yet, hence a margin."""
        if isinstance(items, Tracks):
            kshort = tags.find_kshorts(items, n).event
            clean: Tracks = items.select(items.clean)
            fast, items = norm(clean.p) > LEPTON_P_MIN, clean
        else:
            kshort = np.flatnonzero(count(items.event, n, items.of_kshort) > 1)
            fast = items.momentum > 0.9 * LEPTON_P_MIN
        lepton = (np.maximum(items.log_electron, items.log_muon) > 0) & fast
        return cls(items.event, items.charge, items.log_kaon, lepton, kshort)

    def number(self, n: int, mask: Bools | None = None) -> Ints:
        """Return how many (of the chosen ones) events have, (n,)."""
        return count(self.event, n, mask)


def _by_number(number: Ints, alone: Array) -> Floats:
    """Return the chances for numbers of tracks: ``alone`` tells where there is none too many."""
    return np.where(alone, 1.0, np.where(number > 2, CROWDED, EXTRA_TRACK))


def beside_a_tag(found: Detected, spare: Bools, tag_tracks: Ints, n: int, *, kaon_charge: int) -> Floats:
    """Return with which chance what is found beside a tag is looked at further.

    Parameters
    ----------
    found
        Of the other B.
    spare : (n,) bool
        The tag's side has a kaon to spare.
    tag_tracks : (n,) int64
        Clean tracks of the tag's side; four want a fifth, a pion beside a D⁺ or D*⁺.
    kaon_charge
        Of the signal kaon, 0 for either. True tags are B⁻ or B̄⁰ with an ℓ⁻: the kaon is a K⁺. (Beside a true tag may be
        a wrong one with an ℓ⁺, whose kaon is a K⁻: kept only where there is a K⁺, too, or a kaon to spare.)
    """
    right = found.charge == kaon_charge if kaon_charge else np.ones(len(found.event), dtype=bool)
    kaons = count(found.event, n, right & (found.log_kaon > logit(KAON_ID))) > 0
    surely = count(found.event, n, right & (found.log_kaon > logit(SURE_KAON_ID))) > 0
    number = count(found.event, n)
    alone = (number == 1) | ((number == 2) & (tag_tracks == 4))
    beside = _by_number(number, alone) * np.where(surely, 1.0, UNSURE_KAON)
    without = np.where(spare, _by_number(number, number == 0) * UNSURE_KAON, 0.0)
    return np.where(kaons, beside, without)


def possible_beside_a_tag(tracks: Tracks, spare: Bools, tag_tracks: Ints, n: int, *, kaon_charge: int) -> Bools:
    """Whether the tracks beside a tag leave the possibility of a candidate.

    Parameters
    ----------
    tracks, spare, tag_tracks, n, kaon_charge
        As in `beside_a_tag`.
    """
    kaon = tracks.clean & (tracks.log_kaon > logit(KAON_ID))
    if kaon_charge:
        kaon &= tracks.charge == kaon_charge
    number = count(tracks.event, n, tracks.clean)
    few = (number <= MAX_OTHER_TRACKS) & (number + tag_tracks <= MAX_TRACKS)
    return np.asarray(few & (spare | (count(tracks.event, n, kaon) > 0)))


def may_hold_candidate(items: Detected | Tracks, n: int) -> Floats:
    """Return with which chance events are looked at further.

    It is zero unless an event has few enough tracks, a fast ℓ∓ with a K∓ or K_S for the tag and a K± for the signal
    side. Found particles may still turn out not to be clean: `holds_candidate` asks again.
    """
    c = _Charged.of(items, n)
    number = c.number(n)
    able, surely = _tag_and_kaon(c, n)
    able &= number >= MIN_TRACKS
    if isinstance(items, Tracks):
        able &= number <= MAX_TRACKS
    alone = (number == 4) | (number == 6)
    return np.where(able, np.where(alone, 1.0, EXTRA_TRACK) * np.where(surely, 1.0, UNSURE_KAON), 0.0)


def holds_candidate(tracks: Tracks, n: int) -> Bools:
    """Whether events have what `may_hold_candidate` asks for."""
    return np.asarray(may_hold_candidate(tracks, n) > 0)


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


def may_be_tag(found: Detected, n: int) -> Bools:
    """Whether what is found of a B has a fast lepton, and a kaon of the same charge or a K_S."""
    c = _Charged.of(found, n)
    kshort, kaon = count(c.kshort, n) > 0, c.log_kaon > logit(tags.KAON_ID)
    able = np.zeros(n, dtype=bool)
    for sign in (1, -1):
        same = c.charge == sign
        able |= (c.number(n, c.lepton & same) > 0) & (kshort | (c.number(n, same & kaon) > 0))
    return able


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
