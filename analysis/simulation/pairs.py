"""Pairs of generic decays, drawn by what is found of either: events whose tag is put together from wrong particles.

Few pairs give a candidate: together they must leave the tracks of a tag and a kaon, no more, charges that add up to
nothing, and little energy. So decays are turned and tracked first, each for itself, and pairs are drawn by what was
found (`Offers`), more often the better they fit (`fit`), with the inverse as weight.

The two B of an event fly back to back, and decays that are to be paired must have been turned in frames that know it:
there are a few directions of flight (`directions`), drawn at random, and pairs are made of decays of the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from analysis.simulation import tags, true_tags
from analysis.simulation.generator import Pool
from analysis.simulation.jagged import Array, Bools, Floats, Ints, count, offsets, total
from analysis.simulation.kinematics import direction
from analysis.simulation.pairing import speed
from analysis.simulation.prospects import Contents, of_number, steps, thrift, uses
from analysis.simulation.response import Tracks
from analysis.simulation.triage import MAX_TRACKS, SURE_KAON_ID, logit

N_DIRECTIONS = 8
ENERGY_EDGES = (0.3, 0.7, 1.2, 2.0)  # classes of the photons' energy, GeV, in the B's frame
_ENERGY = np.array([0.05, 0.5, 0.95, 1.6, 3.0])  # typical of the classes


# How often decays are turned and tracked: by the number of charged particles, and by the photons' energy (GeV)
_CHARGED = {
    0: 0.3, 1: 1.0, 2: 1.0, 3: 1.0, 4: 1.0, 5: 0.7, 6: 0.6, 7: 0.3, 8: 0.2, 9: 0.1, 10: 0.1, 11: 0.1, 12: 0.1,
}  # fmt: skip
_PHOTONS = ((0.0, 1.0), (1.0, 0.7), (1.5, 0.4), (2.5, 0.2))


def turned(pool: Pool, times: float, rng: np.random.Generator) -> tuple[Ints, Floats, Floats]:
    """Return which decays are turned and tracked, each up to ``times`` times, and two factors of their weights.

    Returns
    -------
    decays : (n,) int64
    share : (n,) float64
        By which to draw them for pairs, rare decays more often than their weight tells.
    factor : (n,) float64
        Their weights once drawn. The products of both, of all uses of a decay, add up to its weight on average.
    """
    contents = Contents.of(pool)
    wanted = of_number(contents.charged, _CHARGED) * steps(contents.energy, _PHOTONS)
    often = thrift(pool.weight)
    number, unit = uses(times * wanted * often, rng)
    decays = np.repeat(np.arange(len(pool)), number)
    return decays, (often * unit)[decays], (pool.weight / often)[decays]


def directions(rng: np.random.Generator) -> Floats:
    """Return velocities (3, N_DIRECTIONS) of B mesons in the centre of mass, evenly spread over 1 − cos²θ.

    Nothing depends on the azimuth: it is the same for all.
    """
    share = (np.arange(N_DIRECTIONS) + rng.random(N_DIRECTIONS)) / N_DIRECTIONS
    # of 3/4 (1 − x²): the root of a cubic
    cosine = 2 * np.cos((np.arccos(1 - 2 * share) - 2 * np.pi) / 3)
    return np.asarray(speed() * direction(cosine, np.zeros(N_DIRECTIONS)))


class Flag:
    """Bits of `Offers.flags`: what there is, of either charge."""

    LEPTON, KAON, SURE_KAON = (1, 2), (4, 8), (16, 32)  # positive, negative
    KSHORT, TAG, D = 64, 128, 256
    END = 512


@dataclass(frozen=True)
class Offers:
    """What was found of turned decays, and may be put together, (n,) each.

    Attributes
    ----------
    tracks, charge
        Number of clean tracks, those of a K_S aside, and the sum of their charges.
    flags
        Leptons of a tag, what may be its kaon, sure kaons, K_S. Whether lepton and kaon or K_S are there together, with
        a D that decays to one of the toy's modes; and whether lepton and tracks at a D's mass are.
    energy
        Class of the photons' energy.
    """

    tracks: Ints
    charge: Ints
    flags: Ints
    energy: Ints

    @classmethod
    def of(cls, tracks: Tracks, pool: Pool, parents: Ints) -> Offers:
        """Return the offers of decays ``parents`` of a pool, of which ``tracks`` were found."""
        n = len(parents)
        found = tags.find_kshorts(tracks, n)
        kshort = count(found.event, n) > 0
        of_kshort = np.zeros(len(tracks.event), dtype=bool)
        of_kshort[found.tracks] = True
        lepton = tracks.clean & tags.tag_lepton(tracks)
        kaon, sure = (tracks.clean & (tracks.log_kaon > logit(least)) for least in (tags.KAON_ID, SURE_KAON_ID))
        flags = np.where(kshort, Flag.KSHORT, 0)
        tag = np.zeros(n, dtype=bool)
        for place, sign in enumerate((1, -1)):
            there = [count(tracks.event, n, mask & (tracks.charge == sign)) > 0 for mask in (lepton, kaon, sure)]
            for mask, bits in zip(there, (Flag.LEPTON, Flag.KAON, Flag.SURE_KAON), strict=True):
                flags |= np.where(mask, bits[place], 0)
            tag |= there[0] & (there[1] | kshort)
        flags |= np.where(tag & (true_tags.channel(pool.truth) >= 0)[parents], Flag.TAG, 0)
        flags |= np.where(tags.holds_d(tracks, np.flatnonzero(lepton & tag[tracks.event]), n), Flag.D, 0)
        photon = np.abs(pool.particles.pdg) == 22
        energy = total(pool.particles.event[photon], pool.particles.p[3, photon], len(pool))
        own = tracks.clean & ~of_kshort
        charge = total(tracks.event, np.where(own, tracks.charge, 0.0), n)
        return cls(
            count(tracks.event, n, own), np.rint(charge).astype(np.int64), flags,
            np.searchsorted(ENERGY_EDGES, energy)[parents],
        )  # fmt: skip

    @property
    def key(self) -> Ints:
        """One number that holds all of it."""
        return np.asarray(((self.tracks * 32 + self.charge + 16) * Flag.END + self.flags) * len(_ENERGY) + self.energy)

    def select(self, index: Array) -> Offers:
        """Return the chosen ones."""
        return Offers(**{name: values[index] for name, values in vars(self).items()})


# How well pairs fit: number of tracks, where nothing but a tag and a kaon was found; with one more, that a K_S may
# explain of which one pion does not come from the interaction point, or not; with others
_FITTING = {2: 0.1, 4: 1.0, 6: 0.5, 8: 0.05}
_EXTRA_OF_KSHORT, _EXTRA, _OTHER = 0.08, 0.025, 0.005
# kaon of the signal or of the tag that is not surely one, a K_S instead of the tag's kaon, leptons of both charges
_UNSURE, _UNSURE_OF_TAG, _WITH_KSHORT, _MANY_LEPTONS = 0.03, 0.6, 0.6, 0.5
# a D on one side alone, a tag on one side alone, neither
_WITHOUT_TAG, _WITHOUT_D, _WITHOUT_BOTH = 0.35, 0.45, 0.4
_ENERGY_FIT = ((0.0, 1.0), (0.4, 0.75), (0.8, 0.55), (1.4, 0.36), (1.9, 0.15), (2.9, 0.12))
_LEAST, _LEAST_OF_OTHERS = 0.018, 0.002  # where nothing speaks against the selection; elsewhere


@cache
def _of_flags() -> tuple[Floats, Bools]:
    """Return the factor of pairs by the flags of both, 0 without lepton and kaons for a candidate; if a kaon is sure.

    That kaon is the signal's.
    """
    flags = np.arange(Flag.END)
    result, surely = np.zeros(Flag.END), np.zeros(Flag.END, dtype=bool)
    for sign in (0, 1):
        lepton = flags & Flag.LEPTON[sign] > 0
        with_kaon = flags & Flag.KAON[sign] > 0
        of_tag = [with_kaon & (flags & Flag.SURE_KAON[sign] > 0), with_kaon, flags & Flag.KSHORT > 0]
        strange = np.select(of_tag, [1.0, _UNSURE_OF_TAG, _WITH_KSHORT], 0.0)
        sure = flags & Flag.SURE_KAON[1 - sign] > 0
        kaon = np.select([sure, flags & Flag.KAON[1 - sign] > 0], [1.0, _UNSURE], 0.0)
        result = np.maximum(result, lepton * strange * kaon)
        surely |= lepton & (strange > 0) & sure
    tag, d = flags & Flag.TAG > 0, flags & Flag.D > 0
    result *= np.select([tag & d, d, tag], [1.0, _WITHOUT_TAG, _WITHOUT_D], _WITHOUT_BOTH)
    return result * np.where(flags & sum(Flag.LEPTON) == sum(Flag.LEPTON), _MANY_LEPTONS, 1.0), surely


@cache
def _of_tracks() -> Floats:
    """Return the factor of pairs without and with a K_S, (2, n), by 64 times the number of tracks, charge, and 32."""
    number, charge = np.divmod(np.arange(64 * (2 * MAX_TRACKS + 1)), 64)
    charge = np.abs(charge - 32)
    fitting = np.maximum(of_number(number, _FITTING), _OTHER)
    both = [np.select([charge == 0, charge == 1], [fitting, extra], _OTHER) for extra in (_EXTRA, _EXTRA_OF_KSHORT)]
    return np.where(number <= MAX_TRACKS, both, 0.0)


def fit(one: Offers, other: Offers) -> Floats:
    """Return the relative chance of pairs to be selected, (n, m): 0 without lepton and kaons for a candidate."""
    flags = np.bitwise_or.outer(one.flags, other.flags)
    place = [each.tracks * 64 + each.charge for each in (one, other)]
    kshort = (flags & Flag.KSHORT > 0).astype(np.int64)
    tracks = _of_tracks()[kshort, np.add.outer(place[0] + 32, place[1])]
    energy = steps(np.add.outer(_ENERGY, _ENERGY), _ENERGY_FIT)[one.energy][:, other.energy]
    factor, sure = _of_flags()
    of_flags, surely = factor[flags], sure[flags]
    charge = np.abs(np.add.outer(one.charge, other.charge))
    least = np.where(surely & (charge <= kshort), _LEAST, _LEAST_OF_OTHERS)
    return np.where((of_flags > 0) & (tracks > 0), np.maximum(tracks * energy * of_flags, least), 0.0)


def draw(
    sides: tuple[Offers, Offers], weights: tuple[Floats, Floats], n: int, rng: np.random.Generator
) -> tuple[Ints, Ints, Floats]:
    """Draw n pairs.

    Parameters
    ----------
    sides, weights
        Of what may be paired.

    Returns
    -------
    first, second : (n,) int64
        Places on either side; none if no pair has a chance.
    weight : (n,) float64
        Such that the sum of weights of drawn pairs with some property is on average the sum of products of weights of
        all pairs that have it.
    """
    classes = [np.unique(side.key, return_index=True, return_inverse=True) for side in sides]
    of_class = [np.bincount(each[2], weights=w) for each, w in zip(classes, weights, strict=True)]
    chance = fit(*(side.select(each[1]) for side, each in zip(sides, classes, strict=True)))
    running = np.cumsum((np.outer(*of_class) * chance).ravel())
    if n == 0 or not running.size or running[-1] == 0:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, np.zeros(0)
    # evenly spread over the classes
    cell = np.searchsorted(running, (np.arange(n) + rng.random()) / n * running[-1], side="right")
    width = chance.shape[1]
    chosen = [
        _members(each[2], w, wanted, rng)
        for each, w, wanted in zip(classes, weights, (cell // width, cell % width), strict=True)
    ]
    return chosen[0], chosen[1], running[-1] / n / chance.ravel()[cell]


def apart(pool: Pool, first: Ints, second: Ints, weight: Floats) -> tuple[Ints, Floats]:
    """Leave out pairs of a decay with itself; others of the same stratum make up for them.

    Parameters
    ----------
    pool
        Of both sides. Strata are told by their weights.
    first, second : (n,) int64
        Decays.
    weight : (n,) float64
        As if all pairs were different.

    Returns
    -------
    kept : (m,) int64
    weight : (m,) float64
        Such that sums of those of the kept stand for pairs of independent decays; but for the pairs of strata of which
        there is one decay.
    """
    _, stratum, number = np.unique(pool.weight, return_inverse=True, return_counts=True)
    kept = np.flatnonzero(first != second)
    of_first, of_second = stratum[first[kept]], stratum[second[kept]]
    more = number / np.maximum(number - 1, 1)
    return kept, weight[kept] * np.where(of_first == of_second, more[of_first], 1.0)


def _members(of_class: Ints, weight: Floats, wanted: Ints, rng: np.random.Generator) -> Ints:
    """Return a random member of each of the wanted classes, drawn by weight."""
    order = np.argsort(of_class, kind="stable")
    running = np.append(0.0, np.cumsum(weight[order]))
    edges = offsets(np.bincount(of_class))
    low, high = edges[wanted], edges[wanted + 1]
    at = np.searchsorted(running, running[low] + rng.random(len(wanted)) * (running[high] - running[low]), side="right")
    # rounding may lead one beyond the class
    return np.asarray(order[np.clip(at - 1, low, high - 1)])
