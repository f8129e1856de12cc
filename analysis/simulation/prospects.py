"""Importance: which decays, pairs and tracks are likely to end as candidates of the signal region.

Few events come near the selection. So that the others do not take all the time, unlikely ones are used less often, or
kept with a probability below one, and get the inverse as weight: sums of weights stay what they are, and rows of the
signal region weigh little. The numbers below are about the square roots of measured chances, which makes the errors of
weighted sums smallest for a given time; they decide how large errors are, not where a mean lies. The exception is zero:
decays and events with more charged particles than the tables go to would have to lose several, and are never looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from analysis.simulation.generator import Pool
from analysis.simulation.jagged import Array, Bools, Floats, Ints, count, offsets, total
from analysis.simulation.kinematics import norm

LEPTON_P_MIN = 0.9  # of a lepton that may reach 1 GeV in the centre of mass; in the B's rest frame, GeV
KAON_P_MIN = 0.2
CHARGED_P_MIN = 0.05
MAX_CHARGED = 11  # true charged particles of an event worth looking at: nine tracks and two lost ones
ENERGY_EDGES = (0.4, 1.0, 2.0)  # classes of the photons' energy in a decay, GeV
MAX_WEIGHT = 8.0  # above which nothing is thinned; rows of the signal region weigh about one or less
_ENERGY = np.array([0.15, 0.7, 1.5, 3.0])  # typical of the classes


@dataclass(frozen=True)
class Contents:
    """What a decay or event offers, per parent.

    Attributes
    ----------
    charged : (n,) int64
        True charged particles, at most ``MAX_CHARGED + 1``.
    lepton, plus, minus : (n,) bool
        There is a fast lepton, a K⁺, a K⁻.
    tag : (n,) bool
        There are a fast lepton and a kaon of the same charge.
    energy : (n,) float64
        Of all photons, GeV, in the frame of the pool.
    """

    charged: Ints
    lepton: Bools
    plus: Bools
    minus: Bools
    tag: Bools
    energy: Floats

    @classmethod
    def of(cls, pool: Pool, lepton_p_min: float = LEPTON_P_MIN) -> Contents:
        """Return the contents of all parents of a pool; leptons below ``lepton_p_min`` (GeV) do not count."""
        q, n = pool.particles, len(pool)
        kind, p = np.abs(q.pdg), norm(q.p)
        lepton = ((kind == 11) | (kind == 13)) & (p > lepton_p_min)
        plus, minus = (count(q.event, n, (p > KAON_P_MIN) & (q.pdg == sign * 321)) > 0 for sign in (1, -1))
        positive, negative = (count(q.event, n, lepton & (q.pdg * sign < 0)) > 0 for sign in (1, -1))
        charged = np.isin(kind, (11, 13, 211, 321, 2212)) & (p > CHARGED_P_MIN)
        return cls(
            np.minimum(count(q.event, n, charged), MAX_CHARGED + 1),
            positive | negative, plus, minus, (positive & plus) | (negative & minus),
            total(q.event, np.where(kind == 22, q.p[3], 0.0), n),
        )  # fmt: skip

    def key(self, turn: int) -> Ints:
        """Return one number per parent that holds all of it, for the decay or (turn = -1) its CP conjugate."""
        plus, minus = (self.plus, self.minus) if turn > 0 else (self.minus, self.plus)
        energy = np.searchsorted(ENERGY_EDGES, self.energy)
        return (((self.charged * 4 + energy) * 2 + self.lepton) * 2 + plus) * 2 + minus


N_KEYS = (MAX_CHARGED + 2) * 4 * 8


def _of_number(number: Array, table: dict[int, float]) -> Floats:
    values = np.zeros(int(np.max(number, initial=0)) + 1)
    for key, value in table.items():
        if key < len(values):
            values[key] = value
    return values[number]


# Beside a true tag: chance by the number of charged particles, and by the energy of photons (above the edges, GeV)
_SIDE_CHARGED = {0: 0.05, 1: 7.0, 2: 3.0, 3: 1.0, 4: 0.7, 5: 0.35, 6: 0.15}
_SIDE_MIN = {True: 0.03, False: 0.12}  # beside a true and a wrong tag
_SIDE_ENERGY = ((0.0, 1.0), (0.3, 0.6), (1.0, 0.4), (1.5, 0.25), (2.5, 0.12))
_SIDE_NO_KAON = 0.2  # a pion passes as kaon


def side_prospects(contents: Contents, true: bool) -> Floats:
    """Return the relative chance of decays to be a lone K⁺ beside a tag; 0 for those that are never looked at."""
    result = _of_number(contents.charged, _SIDE_CHARGED) * _steps(contents.energy, _SIDE_ENERGY)
    result *= np.where(contents.plus | contents.minus, 1.0, _SIDE_NO_KAON)
    return np.where(result > 0, np.maximum(result, _SIDE_MIN[true]), 0.0)


# Wrong tags: by (lepton and kaon of one charge, a fast lepton), by the number of charged particles
_TAG = {(True, True): 1.0, (False, True): 0.3, (False, False): 0.05}
_TAG_CHARGED = {2: 0.3, 3: 1.0, 4: 0.9, 5: 0.8, 6: 0.5, 7: 0.3, 8: 0.2, 9: 0.2, 10: 0.1, 11: 0.1, 12: 0.1}
_TAG_MIN = 0.04


def tag_prospects(contents: Contents) -> Floats:
    """Return the relative chance of decays to be taken for a tag; 0 for those that are never looked at."""
    content = np.select([contents.tag, contents.lepton], [_TAG[True, True], _TAG[False, True]], _TAG[False, False])
    result = content * _of_number(contents.charged, _TAG_CHARGED)
    return np.where(result > 0, np.maximum(result, _TAG_MIN), 0.0)


# Whole events: by (a fast lepton, kaons of both charges), by the number of charged particles, by the photons' energy
_EVENT = {(True, True): 1.0, (True, False): 0.4, (False, True): 0.08, (False, False): 0.03}
_EVENT_MIN = 0.03
_EVENT_CHARGED = {4: 2.0, 5: 1.3, 6: 1.0, 7: 0.8, 8: 0.6, 9: 0.2, 10: 0.1, 11: 0.05}
_EVENT_ENERGY = ((0.0, 1.0), (1.0, 0.8), (1.6, 0.6), (2.2, 0.4), (3.2, 0.15))


def event_prospects(charged: Ints, lepton: Bools, both_kaons: Bools, energy: Floats) -> Floats:
    """Return the relative chance of events to give a tag and a lone kaon; 0 for those that are never looked at.

    Give ``lepton`` as true for events in which a hadron will be made to pass as one.
    """
    content = np.select(
        [lepton & both_kaons, lepton, both_kaons],
        [_EVENT[True, True], _EVENT[True, False], _EVENT[False, True]],
        _EVENT[False, False],
    )
    result = content * _of_number(charged, _EVENT_CHARGED) * _steps(energy, _EVENT_ENERGY)
    return np.where(result > 0, np.maximum(result, _EVENT_MIN), 0.0)


# Continuum: by (a fast lepton, number of charges of kaons), by the number of charged particles
_CONTINUUM = {
    (True, 2): {4: 11.0, 5: 5.0, 6: 4.0, 7: 2.5, 8: 2.0, 9: 1.0, 10: 0.7, 11: 0.4},
    (True, 1): {4: 2.0, 5: 1.8, 6: 1.7, 7: 1.5, 8: 1.2, 9: 0.7, 10: 0.5, 11: 0.3},
    (True, 0): {4: 0.3, 5: 0.3, 6: 0.25, 7: 0.2, 8: 0.15, 9: 0.1, 10: 0.1, 11: 0.1},
    (False, 2): {4: 1.5, 5: 1.0, 6: 0.7, 7: 0.5, 8: 0.4, 9: 0.3, 10: 0.2, 11: 0.1},
    (False, 1): {4: 0.2, 5: 0.2, 6: 0.15, 7: 0.1, 8: 0.1, 9: 0.1, 10: 0.1, 11: 0.1},
    (False, 0): {4: 0.1, 5: 0.1, 6: 0.08, 7: 0.08, 8: 0.05, 9: 0.05, 10: 0.05, 11: 0.05},
}  # fmt: skip
_CONTINUUM_ENERGY = ((0.0, 1.5), (0.3, 1.0), (1.2, 0.5), (1.8, 0.25), (2.5, 0.1), (4.0, 0.05))
CONTINUUM_MIN = 0.02


def continuum_prospects(charged: Ints, lepton: Bools, kaon_charges: Ints, energy: Floats) -> Floats:
    """Return the relative chance of continuum events to be selected; 0 for those that are never looked at.

    Parameters
    ----------
    charged
        True charged particles.
    lepton
        There is a fast lepton.
    kaon_charges
        0, 1 or 2: charges of which there are kaons.
    energy
        Of all photons, GeV.
    """
    charged, energy = np.asarray(charged), np.asarray(energy)
    contents = [(np.asarray(lepton) == has) & (np.asarray(kaon_charges) == number) for has, number in _CONTINUUM]
    result = np.select(contents, [_of_number(charged, table) for table in _CONTINUUM.values()])
    result = result * _steps(energy, _CONTINUUM_ENERGY)
    return np.where(result > 0, np.maximum(result, CONTINUUM_MIN), 0.0)


# Track level: by R2 of the clean tracks alone
_SHAPE = ((0.0, 1.0), (0.45, 0.5), (0.6, 0.2), (0.75, 0.1))


def shape_prospects(r2: Floats) -> Floats:
    """Return the relative chance of events to be selected, by R2 of their clean tracks."""
    return _steps(r2, _SHAPE)


def _steps(values: Floats, steps: tuple[tuple[float, float], ...]) -> Floats:
    edges = np.array([edge for edge, _ in steps[1:]])
    return np.array([value for _, value in steps])[np.searchsorted(edges, values)]


@cache
def _pair_prospects() -> Floats:
    """Return the chances of pairs of decays, by their keys: (N_KEYS, N_KEYS)."""
    index = np.arange(N_KEYS)
    charged, energy = index // 32, _ENERGY[index // 8 % 4]
    lepton, plus, minus = index // 4 % 2 > 0, index // 2 % 2 > 0, index % 2 > 0
    return event_prospects(
        charged[:, None] + charged[None, :],
        lepton[:, None] | lepton[None, :],
        (plus[:, None] | plus[None, :]) & (minus[:, None] | minus[None, :]),
        energy[:, None] + energy[None, :],
    )


def draw_pairs(
    keys: tuple[Ints, Ints], weights: tuple[Floats, Floats], n_draws: int, rng: np.random.Generator
) -> tuple[Ints, Ints, Floats]:
    """Draw pairs of decays, more often the better their prospects.

    Parameters
    ----------
    keys
        `Contents.key` of the decays of either side.
    weights
        Of the decays: a pair taken at random is decays i, j with probability proportional to their product.
    n_draws
        Number of pairs.

    Returns
    -------
    first, second : (n_draws,) int64
        Decays.
    weight : (n_draws,) float64
        Probability of a random pair to be such a pair, over the probability of the draw: the mean of ``weight`` times
        a yes-or-no is the probability of "yes" for a random pair.
    """
    sums = [np.bincount(key, weights=w, minlength=N_KEYS) for key, w in zip(keys, weights, strict=True)]
    drawn = np.outer(sums[0] / weights[0].sum(), sums[1] / weights[1].sum()) * _pair_prospects()
    running = np.cumsum(drawn.ravel())
    if n_draws == 0 or running[-1] == 0:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, np.zeros(0)
    cell = np.searchsorted(running, rng.random(n_draws) * running[-1], side="right")
    chosen = [
        _random_member(keys[side], weights[side], wanted, rng)
        for side, wanted in ((0, cell // N_KEYS), (1, cell % N_KEYS))
    ]
    return chosen[0], chosen[1], running[-1] / _pair_prospects().ravel()[cell]


def _random_member(key: Ints, weight: Floats, wanted: Ints, rng: np.random.Generator) -> Ints:
    """Return a random member of each of the wanted cells, drawn by weight."""
    order = np.argsort(key, kind="stable")
    running = np.append(0.0, np.cumsum(weight[order]))
    edges = offsets(np.bincount(key, minlength=N_KEYS))
    low, high = edges[wanted], edges[wanted + 1]
    at = np.searchsorted(running, running[low] + rng.random(len(wanted)) * (running[high] - running[low]), side="right")
    # rounding may lead one beyond the cell
    return np.asarray(order[np.clip(at - 1, low, high - 1)])


def uses(wanted: Floats, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Return how often each parent is used, ``wanted`` times on average, and the weight of one use.

    The weight is one over ``wanted``: its sum over the uses of a parent is one on average.
    """
    whole = np.floor(wanted)
    number = (whole + (rng.random(len(wanted)) < wanted - whole)).astype(np.int64)
    return number, np.divide(1.0, wanted, out=np.zeros(len(wanted)), where=wanted > 0)


def shares(expected: Floats, n: int, rng: np.random.Generator) -> Ints:
    """Return n items in random order, each as often as its share of ``expected`` tells, up to rounding at random."""
    edges = np.append(0.0, np.cumsum(expected)) * (n / expected.sum())
    number = np.diff(np.floor(edges + rng.random())).astype(np.int64)
    return rng.permutation(np.repeat(np.arange(len(expected)), number))[:n]


def thinned(probability: Floats, weight: Floats, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Keep items with the given probabilities, or higher ones where that would make a weight greater than `MAX_WEIGHT`.

    Parameters
    ----------
    probability, weight : (n,) float64
        Where the probability is zero nothing is kept.

    Returns
    -------
    kept : (m,) int64
    weight : (m,) float64
        Over the probability.
    """
    probability = np.where(probability > 0, np.minimum(np.maximum(probability, weight / MAX_WEIGHT), 1.0), 0.0)
    kept = np.flatnonzero(rng.random(len(probability)) < probability)
    return kept, weight[kept] / probability[kept]
