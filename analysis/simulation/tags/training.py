"""Train the signal probability of tags on simulated generic events.

Wrong candidates come from generic B⁺B⁻ and B⁰B̄⁰ events, in the ratio of their production. Correct ones are rare there,
so they come from events of a forced tag and a generic B⁺, with the weight that the branching fractions of `channels`
ask for. The skim's cuts on the event (tracks, clusters, energies) are not made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import expit

from analysis.basf2 import SampleType
from analysis.simulation.bbbar import CHI_D
from analysis.simulation.channels import forced_fraction
from analysis.simulation.generator import Generator, Pool
from analysis.simulation.jagged import Bools, Floats, Ints, merged, on_side
from analysis.simulation.kinematics import random_rotations
from analysis.simulation.pairing import b_velocities, frames, place
from analysis.simulation.pools import batches
from analysis.simulation.response import beam_clusters, measure_clusters, measure_tracks
from analysis.simulation.tags import candidates, find_pi0s
from analysis.simulation.tags.combine import Combinations
from analysis.simulation.tags.matching import Errors
from analysis.simulation.tags.probability import CLASSES, FEATURES, Model, bent, binned, classes, features_of

BATCH = 5000
F_CHARGED = 0.516  # of Υ(4S), PDG
RIDGE = 1.0  # of every term, against terms of bins without candidates
STEPS = 60
TOLERANCE = 1e-6  # of the log likelihood
FORCED = 0.5  # forced events per pair of generic ones


@dataclass(frozen=True)
class Candidates:
    """Candidates with their features.

    Attributes
    ----------
    members : mapping of str to (n,) bool
        Class of `probability.CLASSES`.
    features : mapping of str to (n,) float64
    signal : (n,) bool
        Correct but for the neutrino.
    weight : (n,) float64
        Number of candidates in the generic events that one stands for.
    probability : (n,) float64
        Of the table in use.
    mode : (n,) int64
        The FEI's ``decayModeID``.
    """

    members: dict[str, Bools]
    features: dict[str, Floats]
    signal: Bools
    weight: Floats
    probability: Floats
    mode: Ints


def sample(n: int, seeds: Ints, rng: np.random.Generator, model: Model | None = None) -> Candidates:
    """Return the candidates of n generic BB̄ events.

    Parameters
    ----------
    n
        Events, charged and mixed together.
    seeds : (1,) int64
        PYTHIA's.
    rng
        All other randomness.
    model
        Gives the probabilities; without one they are zero.
    """
    generator = Generator("charged", int(seeds[0]))
    n_charged = max(round(n * F_CHARGED), 1)
    n_forced = max(round(n * FORCED), 1)
    of_forced = 2 * n_charged * forced_fraction(SampleType.CHARGED) / n_forced
    parts = []
    for kinds, number, weight in (
        (("charged", "charged"), n_charged, 1.0), (("mixed", "mixed"), max(n - n_charged, 1), 1.0),
        (("tag charged", "charged"), n_forced, of_forced),
    ):  # fmt: skip
        for size in batches(number, BATCH):
            pools = tuple(generator.other(kind).batch(size) for kind in kinds)
            parts.append(_measured(pools, kinds[0], weight, rng, model))
    return _joined(parts)


def _joined(parts: list[Candidates]) -> Candidates:
    return Candidates(
        {name: np.concatenate([part.members[name] for part in parts]) for name in parts[0].members},
        {name: np.concatenate([part.features[name] for part in parts]) for name in parts[0].features},
        *(np.concatenate([getattr(part, k) for part in parts]) for k in ("signal", "weight", "probability", "mode")),
    )


def _measured(
    pools: tuple[Pool, ...], kind: str, weight: float, rng: np.random.Generator, model: Model | None
) -> Candidates:
    """Pair the decays one by one and return what is wanted of them: correct tags of forced decays, wrong ones else."""
    n = len(pools[0])
    velocity, forced = b_velocities(rng, n), kind.startswith("tag")
    mixed = (rng.random(n) < CHI_D) & (kind == "mixed")
    turns = np.where(forced, np.ones(n, np.int64), -np.ones(n, np.int64)), np.where(mixed, -1, 1)
    tracks, clusters = [], [beam_clusters(n, rng)]
    for side, (pool, turn, sign) in enumerate(zip(pools, turns, (1, -1), strict=True)):
        frame = frames(random_rotations(rng, n), sign * velocity)
        particles = place(pool.particles, pool.particles.event, frame, turn)
        of_side = on_side(len(particles.pdg), side)
        tracks.append(measure_tracks(particles, of_side, rng))
        clusters.append(measure_clusters(particles, of_side, rng))
    all_tracks, all_clusters = merged(tracks), merged(clusters)
    truth = np.array([pool.truth for pool in pools])
    pi0s = find_pi0s(all_clusters, n)
    tags, (c, values) = candidates(all_tracks, pi0s, all_clusters, truth, n, model)
    signal = (tags.errors & ~int(Errors.MISS_NEUTRINO)) == 0
    keep = signal & (tags.side == 0) if forced else ~signal
    chosen: Combinations = c.select(keep)
    return Candidates(
        classes(chosen), {name: each[keep] for name, each in values.items()}, signal[keep],
        np.full(len(chosen.event), weight), tags.probability[keep], tags.mode[keep],
    )  # fmt: skip


def train(found: Candidates) -> tuple[dict[str, dict[str, list[float]]], dict[str, list[float]]]:
    """Return the terms of the log odds, class -> feature -> bins, and the bends: the greatest penalised likelihood."""
    fitted = {name: _fitted(found, name) for name in CLASSES}
    return {name: terms for name, (terms, _) in fitted.items()}, {name: bend for name, (_, bend) in fitted.items()}


def _fitted(found: Candidates, name: str) -> tuple[dict[str, list[float]], list[float]]:
    rows = np.flatnonzero(found.members[name])
    features = features_of(name)
    sizes = [len(feature.edges) + 1 for feature in features]
    starts = np.cumsum([0, *sizes])
    columns = np.array([
        start + binned(feature, found.features[feature.name][rows])
        for feature, start in zip(features, starts[:-1], strict=True)
    ])  # fmt: skip
    n, k = len(rows), int(starts[-1])
    ones = np.ones(columns.size)
    design = sparse.csr_matrix((ones, (np.tile(np.arange(n), len(features)), columns.ravel())), shape=(n, k))
    design = sparse.hstack([design, sparse.csr_matrix(np.ones((n, 1)))]).tocsr()
    penalty = np.append(np.full(k, RIDGE), 1e-6)
    y, weight = found.signal[rows].astype(float), found.weight[rows]
    theta = _newton(design, y, weight, penalty, np.zeros(k + 1))
    straight = np.array([0.0, 1.0, 0.0])
    bend = _newton(bent(design @ theta), y, weight, np.full(3, RIDGE), straight)
    terms = {
        feature.name: theta[start : start + size]
        for feature, start, size in zip(features, starts[:-1], sizes, strict=True)
    }
    terms["channel"] = terms["channel"] + theta[-1]
    rounded = {feature: [round(float(each), 4) for each in values] for feature, values in terms.items()}
    return rounded, [round(float(each), 4) for each in bend]


def _newton(design: Any, y: Floats, weight: Floats, penalty: Floats, origin: Floats) -> Floats:
    """Return θ that maximises the weighted logistic likelihood less ½ Σ penalty (θ − origin)².

    Parameters
    ----------
    design : (n, k)
        Dense or sparse.
    y, weight : (n,) float64
    penalty, origin : (k,) float64
    """
    theta = origin.copy()
    value = _objective(design, y, weight, penalty, theta - origin, theta)
    for _ in range(STEPS):
        p = expit(design @ theta)
        gradient = design.T @ (weight * (y - p)) - penalty * (theta - origin)
        curvature = design.T @ (sparse.diags_array(weight * p * (1 - p)) @ design)
        dense = curvature.toarray() if sparse.issparse(curvature) else curvature
        step = np.linalg.solve(dense + np.diag(penalty), gradient)
        size, new = 1.0, -np.inf
        while size > 1e-6:
            new = _objective(design, y, weight, penalty, theta + size * step - origin, theta + size * step)
            if new >= value:
                break
            size /= 2
        if new < value + TOLERANCE:
            break
        theta, value = theta + size * step, new
    return theta


def _objective(design: Any, y: Floats, weight: Floats, penalty: Floats, away: Floats, theta: Floats) -> float:
    odds = design @ theta
    return float(np.sum(weight * (y * odds - np.logaddexp(0.0, odds))) - 0.5 * np.sum(penalty * away**2))


def document(found: Candidates, provenance: dict[str, object]) -> dict[str, object]:
    """Return the content of `probability.json`."""
    terms, bends = train(found)
    of = {
        name: {
            "correct": int(np.sum(found.signal & mine)), "wrong": int(np.sum(~found.signal & mine)),
            "correct_weighted": round(float(np.sum(found.weight[found.signal & mine])), 1),
        }
        for name, mine in found.members.items()
    }  # fmt: skip
    edges = {feature.name: list(feature.edges) for feature in FEATURES}
    return {"provenance": {**provenance, "candidates": of}, "edges": edges, "terms": terms, "bends": bends}
