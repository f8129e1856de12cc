"""Importance: which decays, pairs and tracks are likely to end as candidates of the signal region.

Few events come near the selection. So that the others do not take all the time, unlikely ones are used less often, or
kept with a probability below one, and get the inverse as weight: sums of weights stay what they are, and rows of the
signal region weigh little. The numbers below are about the square roots of measured chances, which makes the errors of
weighted sums smallest for a given time; they decide how large errors are, not where a mean lies. The exception is zero:
continuum events with more charged particles than the tables go to would have to lose several, and are never looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.simulation.generator import Pool
from analysis.simulation.jagged import Array, Bools, Floats, Ints, count, total
from analysis.simulation.kinematics import norm

LEPTON_P_MIN = 0.9  # of a lepton that may reach 1 GeV in the centre of mass; in the B's rest frame, GeV
KAON_P_MIN = 0.2
CHARGED_P_MIN = 0.05
MAX_CHARGED = 11  # true charged particles of an event worth looking at: nine tracks and two lost ones


@dataclass(frozen=True)
class Contents:
    """What a decay or event offers, per parent.

    Attributes
    ----------
    charged : (n,) int64
        True charged particles, at most ``MAX_CHARGED + 1``.
    lepton, plus, minus : (n,) bool
        There is a fast lepton, a K⁺, a K⁻.
    energy : (n,) float64
        Of all photons, GeV, in the frame of the pool.
    """

    charged: Ints
    lepton: Bools
    plus: Bools
    minus: Bools
    energy: Floats

    @classmethod
    def of(cls, pool: Pool, lepton_p_min: float = LEPTON_P_MIN) -> Contents:
        """Return the contents of all parents of a pool; leptons below ``lepton_p_min`` (GeV) do not count."""
        q, n = pool.particles, len(pool)
        kind, p = np.abs(q.pdg), norm(q.p)
        lepton = ((kind == 11) | (kind == 13)) & (p > lepton_p_min)
        plus, minus = (count(q.event, n, (p > KAON_P_MIN) & (q.pdg == sign * 321)) > 0 for sign in (1, -1))
        charged = np.isin(kind, (11, 13, 211, 321, 2212)) & (p > CHARGED_P_MIN)
        return cls(
            np.minimum(count(q.event, n, charged), MAX_CHARGED + 1), count(q.event, n, lepton) > 0, plus, minus,
            total(q.event, np.where(kind == 22, q.p[3], 0.0), n),
        )  # fmt: skip


def of_number(number: Array, table: dict[int, float]) -> Floats:
    """Return the table's values for numbers, zero where it has none."""
    values = np.zeros(int(np.max(number, initial=0)) + 1)
    for key, value in table.items():
        if key < len(values):
            values[key] = value
    return values[number]


# Beside a true tag: chance by the number of charged particles, and by the energy of photons (above the edges, GeV)
_SIDE_CHARGED = {
    0: 0.06, 1: 6.0, 2: 2.3, 3: 1.0, 4: 0.8, 5: 0.35, 6: 0.28, 7: 0.12, 8: 0.06, 9: 0.06, 10: 0.06, 11: 0.06, 12: 0.06,
}  # fmt: skip
_SIDE_MIN = 0.06
_SIDE_ENERGY = ((0.0, 1.0), (0.3, 0.6), (1.0, 0.4), (1.5, 0.25), (2.5, 0.12))
_SIDE_NO_KAON = 0.15  # a pion passes as kaon


def side_prospects(contents: Contents) -> Floats:
    """Return the relative chance of decays to be a lone K⁺ beside a tag."""
    result = of_number(contents.charged, _SIDE_CHARGED) * steps(contents.energy, _SIDE_ENERGY)
    result *= np.where(contents.plus | contents.minus, 1.0, _SIDE_NO_KAON)
    return np.where(result > 0, np.maximum(result, _SIDE_MIN), 0.0)


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
    result = np.select(contents, [of_number(charged, table) for table in _CONTINUUM.values()])
    result = result * steps(energy, _CONTINUUM_ENERGY)
    return np.where(result > 0, np.maximum(result, CONTINUUM_MIN), 0.0)


# Track level: by R2 of the clean tracks alone
_SHAPE = ((0.0, 1.0), (0.45, 0.5), (0.6, 0.2), (0.75, 0.1))


def shape_prospects(r2: Floats) -> Floats:
    """Return the relative chance of events to be selected, by R2 of their clean tracks."""
    return steps(r2, _SHAPE)


def steps(values: Floats, table: tuple[tuple[float, float], ...]) -> Floats:
    """Return the table's values for numbers, each valid from its edge on."""
    edges = np.array([edge for edge, _ in table[1:]])
    return np.array([value for _, value in table])[np.searchsorted(edges, values)]


_THRIFT = 0.7  # 0: as many uses whatever the weight; 1: uses of equal weight


def uses(wanted: Floats, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Return how often each parent is used, ``wanted`` times on average, and the weight of one use.

    The weight is one over ``wanted``: its sum over the uses of a parent is one on average.
    """
    whole = np.floor(wanted)
    number = (whole + (rng.random(len(wanted)) < wanted - whole)).astype(np.int64)
    return number, np.divide(1.0, wanted, out=np.zeros(len(wanted)), where=wanted > 0)


def thrift(weight: Floats) -> Floats:
    """Return the factor on the uses of decays of small weight, which need few: there are many of them."""
    return np.asarray(np.minimum(weight, 1.0) ** _THRIFT)


def shares(expected: Floats, n: int, rng: np.random.Generator) -> Ints:
    """Return n items in random order, each as often as its share of ``expected`` tells, up to rounding at random."""
    edges = np.append(0.0, np.cumsum(expected)) * (n / expected.sum())
    number = np.diff(np.floor(edges + rng.random())).astype(np.int64)
    return rng.permutation(np.repeat(np.arange(len(expected)), number))[:n]


def thinned(probability: Floats, weight: Floats, largest: float, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Keep items with the given probabilities, or higher ones where that would make a weight greater than ``largest``.

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
    probability = np.where(probability > 0, np.minimum(np.maximum(probability, weight / largest), 1.0), 0.0)
    kept = np.flatnonzero(rng.random(len(probability)) < probability)
    return kept, weight[kept] / probability[kept]
