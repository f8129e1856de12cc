"""The signal probability of tags: an additive logistic model, trained on truth-matched tags.

As the FEI's, it is the probability that a candidate is correct but for the neutrino, in generic BB̄ events
(``isSignalAcceptMissingNeutrino``). The log odds are a sum of one term per feature, a constant within each of the
feature's bins: so the model is a table, `probability.json`, and evaluating it is looking up. There is one model for
each way in which a D, a D* and a pion stand together (`CLASSES`), for the channels of the D share what a mass or a
momentum tells, and differ by a constant. Features are not independent, so the sum is bent at last, in two straight
pieces, until it is a probability (`bent`). `training` makes the table: ``python -m analysis train-tags``.

The FEI's own classifiers know more (vertices, angles, every daughter's probability), and are trained on the full
simulation: purities and efficiencies resemble the FEI's, shapes of the probability need not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from analysis.errors import InputError
from analysis.simulation.detector import DETECTOR, M_PI
from analysis.simulation.jagged import Bools, Floats, Ints
from analysis.simulation.kinematics import boost, cosine, norm, with_mass
from analysis.simulation.response import Clusters, Tracks
from analysis.simulation.tag_modes import D0_GAMMA, D0_PI, D0_PI0, D_MODES, DPLUS_PI0, NO_STAR, WITH_KAON
from analysis.simulation.tags.combine import BACHELOR_ROW, NONE, SLOW_ROW, Combinations

TABLE = Path(__file__).with_suffix(".json")
BEND = -1.5
# (D*, a pion beside it) of every class
CLASSES: dict[str, tuple[int, bool]] = {
    "D": (NO_STAR, False), "D*0 -> D0 pi0": (D0_PI0, False), "D*0 -> D0 gamma": (D0_GAMMA, False),
    "D+ pi-": (NO_STAR, True), "D*+ -> D0 pi+, pi-": (D0_PI, True), "D*+ -> D+ pi0, pi-": (DPLUS_PI0, True),
}  # fmt: skip


@dataclass(frozen=True)
class Feature:
    """One feature: inner edges of its bins, and the classes that use it (all if empty)."""

    name: str
    edges: tuple[float, ...]
    classes: tuple[str, ...] = ()


_GAMMA, _PI0S, _D0PI = ("D*0 -> D0 gamma",), ("D*0 -> D0 pi0", "D*+ -> D+ pi0, pi-"), ("D*+ -> D0 pi+, pi-",)
_BACHELOR = ("D+ pi-", "D*+ -> D0 pi+, pi-", "D*+ -> D+ pi0, pi-")
FEATURES: tuple[Feature, ...] = (
    # the channel of the D: the classes' constants
    Feature("channel", tuple(np.arange(len(D_MODES) - 1) + 0.5)),
    # distance to the D's mass in units of its resolution
    Feature("mass", (-4.5, -3.0, -2.0, -1.3, -0.7, 0.7, 1.3, 2.0, 3.0, 4.5)),
    # χ² probability of the vertex, logarithm to the base of ten
    Feature("vertex", (-5.0, -3.5, -2.5, -1.7, -1.0, -0.5, -0.2)),
    # GeV/c, centre of mass
    Feature("lepton_p", (1.1, 1.2, 1.35, 1.5, 1.7, 1.9, 2.1)),
    Feature("d_p", (0.5, 0.8, 1.1, 1.4, 1.7, 2.0, 2.3)),
    # of D(*)(π) and lepton, centre of mass
    Feature("cosine", (-0.95, -0.85, -0.7, -0.5, -0.2, 0.2, 0.6)),
    # log likelihood ratios: lepton, kaon of the D (0 without one), the D's least pion-like pion
    Feature("lepton_id", (1.0, 2.0, 3.5, 5.5, 8.0)),
    Feature("kaon_id", (-1.0, 0.0, 1.0, 2.0, 3.5, 5.5)),
    Feature("pion_id", (-5.5, -3.5, -2.0, -1.0, 0.0, 1.0)),
    # ΔM, MeV/c^2
    Feature("delta_m_gamma", (130.0, 134.0, 137.5, 140.0, 144.0, 146.5, 150.0, 154.0), _GAMMA),
    Feature("delta_m_pi0", (138.5, 139.5, 140.3, 141.0, 141.6, 142.4, 143.0, 144.0, 145.5), _PI0S),
    Feature("delta_m_pi", (143.5, 144.4, 145.0, 145.8, 146.4, 147.3), _D0PI),
    # laboratory energy of the D*'s γ or π⁰, GeV
    Feature("slow_energy", (0.12, 0.15, 0.18, 0.22, 0.27, 0.34), _GAMMA + _PI0S),
    # of the pion beside the D(*): momentum in the centre of mass, likelihood ratio
    Feature("bachelor_p", (0.15, 0.3, 0.5, 0.8), _BACHELOR),
    Feature("bachelor_id", (-3.5, -1.5, 0.0), _BACHELOR),
)


def features_of(name: str) -> tuple[Feature, ...]:
    """Return the features of a class."""
    return tuple(feature for feature in FEATURES if not feature.classes or name in feature.classes)


def classes(c: Combinations) -> dict[str, Bools]:
    """Return which candidates belong to each class."""
    bachelor = c.bachelor
    return {name: (c.star == star) & (bachelor == pion) for name, (star, pion) in CLASSES.items()}


@dataclass(frozen=True)
class Model:
    """The trained table.

    Attributes
    ----------
    terms
        Class, feature -> terms of the log odds, one per bin (the edges lie in between); the class's constant is added
        to the terms of the channel.
    bends
        Class -> coefficients of `bent`.
    provenance
        How it was made.
    """

    terms: Mapping[str, Mapping[str, Floats]]
    bends: Mapping[str, Floats]
    provenance: Mapping[str, Any]

    def log_odds(self, c: Combinations, values: Mapping[str, Floats]) -> Floats:
        """Return the log odds of candidates, given their features (see `evaluate`), (n,)."""
        result = np.zeros(len(c.event))
        for name, mine in classes(c).items():
            index = np.flatnonzero(mine)
            for feature in features_of(name):
                bins = binned(feature, values[feature.name][index])
                result[index] += self.terms[name][feature.name][bins]
            result[index] = bent(result[index]) @ self.bends[name]
        return result


def bent(log_odds: Floats) -> Floats:
    """Return what the calibrated log odds are linear in, (n, 3): one, the sum of terms, and what it is above `BEND`."""
    return np.stack([np.ones_like(log_odds), log_odds, np.maximum(log_odds - BEND, 0.0)], axis=1)


def binned(feature: Feature, values: Floats) -> Ints:
    """Return the bin of every value, (n,), from 0 to the number of edges."""
    return np.searchsorted(np.asarray(feature.edges), values, side="right")


def load(path: Path = TABLE) -> Model:
    """Read a table, and check that it has the features of this code.

    Raises
    ------
    InputError
        It has others.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    terms = {name: {k: np.asarray(v) for k, v in of.items()} for name, of in content.get("terms", {}).items()}
    expected = {name: {f.name: (len(f.edges) + 1,) for f in features_of(name)} for name in CLASSES}
    found = {name: {k: v.shape for k, v in of.items()} for name, of in terms.items()}
    edges = {feature.name: list(feature.edges) for feature in FEATURES}
    if found != expected or content.get("edges") != edges or set(content.get("bends", ())) != set(CLASSES):
        raise InputError(
            "The table of tags' signal probability has other features than the code.", file=str(path),
            remedy="make it anew: python -m analysis train-tags",
        )  # fmt: skip
    bends = {name: np.asarray(content["bends"][name]) for name in CLASSES}
    return Model(terms, bends, content["provenance"])


@cache
def default() -> Model:
    """Return the table that comes with the package."""
    return load()


def signal_probability(model: Model, c: Combinations, values: Mapping[str, Floats]) -> Floats:
    """Return the probability of candidates, (n,)."""
    return np.asarray(expit(model.log_odds(c, values)))


def evaluate(
    c: Combinations, tracks: Tracks, clusters: Clusters, p_lepton: Floats, log_lepton: Floats, vertex: Floats
) -> dict[str, Floats]:  # fmt: skip
    """Return the features of candidates, name to array (n,).

    Parameters
    ----------
    c, tracks, clusters
        Candidates and what they are made of.
    p_lepton : (4, n) float64
        Of the lepton, laboratory.
    log_lepton : (n,) float64
        Log likelihood ratio of the lepton against hadrons.
    vertex : (n,) float64
        χ² probability.
    """
    beta = -DETECTOR.beams.beta
    lepton, hadrons = boost(p_lepton, beta), boost(c.p, beta)
    used, there = np.maximum(c.tracks, 0), c.tracks != NONE
    has_kaon = np.array(WITH_KAON)[c.channel]
    log_kaon = tracks.log_kaon[used]
    pions = there.copy()
    pions[0] &= ~has_kaon
    pions[SLOW_ROW:] = False
    masses = np.array([[mode.mass, mode.resolution] for mode in D_MODES])[c.channel]
    energy = np.append(norm(clusters.p), 0.0)
    bachelor = used[BACHELOR_ROW]
    return {
        "channel": c.channel.astype(float),
        "mass": (c.mass - masses[:, 0]) / masses[:, 1],
        "vertex": np.log10(np.maximum(vertex, 1e-9)),
        "lepton_p": norm(lepton),
        "d_p": norm(boost(c.p_d, beta)),
        "cosine": cosine(hadrons, lepton),
        "lepton_id": log_lepton,
        "kaon_id": np.where(has_kaon, log_kaon[0], 0.0),
        "pion_id": np.max(np.where(pions, log_kaon, -50.0), axis=0, initial=-50.0),
        "delta_m_gamma": 1e3 * c.delta_m,
        "delta_m_pi0": 1e3 * c.delta_m,
        "delta_m_pi": 1e3 * c.delta_m,
        "slow_energy": np.sum(energy[c.photons[2:]], axis=0),
        "bachelor_p": norm(boost(with_mass(tracks.p[:, bachelor], M_PI), beta)),
        "bachelor_id": log_kaon[BACHELOR_ROW],
    }
