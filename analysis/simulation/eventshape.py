"""Event shape about a B candidate, as basf2's module ContinuumSuppressionBuilder defines it.

Checked against basf2's source (``analysis/ContinuumSuppression/src``: ``ContinuumSuppression.cc``, ``KsfwMoments.cc``,
``CleoCones.cc``, ``SphericityEigenvalues.cc``). Everything is in the centre of mass. "B" are the particles of the
candidate, "rest" those of its rest of the event. A B of one track, as B⁺ → K⁺νν̄ is, has the track's direction as
thrust axis and a thrust of 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.simulation.jagged import Floats, Ints, Table, count, gather, offsets, total
from analysis.simulation.kinematics import cosine, norm

N_CONES = 9
CONE = 10.0  # degrees
# In the order of basf2's KSFWVariables. The first digit of hso tells the objects of the rest: 0 charged, 1 neutral,
# 2 missing; the last one the order of the Legendre polynomial. Odd orders weigh with charges: neutral ones vanish.
KSFW = (
    "mm2", "et", "hso00", "hso01", "hso02", "hso03", "hso04", "hso10", "hso12", "hso14", "hso20", "hso22", "hso24",
    "hoo0", "hoo1", "hoo2", "hoo3", "hoo4",
)  # fmt: skip


@dataclass(frozen=True)
class Objects(Table):
    """Particles of many candidates, flat, sorted by ``owner``.

    Attributes
    ----------
    owner : (n,) int64
        Candidate.
    p : (4, n) float64
        Four-momentum in the centre of mass, GeV.
    charge : (n,) float64
    """

    owner: Ints
    p: Floats
    charge: Floats


def together(first: Objects, second: Objects) -> Objects:
    """Return the objects of both, sorted by candidate."""
    owner = np.concatenate([first.owner, second.owner])
    order = np.argsort(owner, kind="stable")
    return Objects(
        owner[order],
        np.concatenate([first.p, second.p], axis=1)[:, order],
        np.concatenate([first.charge, second.charge])[order],
    )


def legendre(c: Floats) -> list[Floats]:
    """Return the Legendre polynomials of order 0 to 4."""
    return [
        np.ones_like(c), c, 1.5 * c**2 - 0.5, c * (2.5 * c**2 - 1.5), 4.375 * c**4 - 3.75 * c**2 + 0.375,
    ]  # fmt: skip


def ksfw_moments(b: Objects, rest: Objects, sqrt_s: float, n: int) -> dict[str, Floats]:
    """Return the modified Fox-Wolfram moments of Belle (Phys. Rev. Lett. 91, 261801), as basf2's ``KSFWVariables``.

    Missing is what ``b`` and ``rest`` lack to the beams. With R_ij = q_i q_j for odd l, 1 for even l:
    hso_xl = Σ_i∈B Σ_j∈x R_ij |p_j| P_l(cos θ_ij) / H (no odd l with neutral or missing objects), and
    hoo_l = Σ_j<k R_jk |p_j| |p_k| P_l(cos θ_jk) / H² over the rest with the missing momentum (of charge 0) in it, where
    H = 2 (√s − E_B). mm2 is the missing mass squared (−E² − p² where E < 0), et the sum of transverse momenta.

    Parameters
    ----------
    b, rest
        The candidates' particles and the rest of their events. basf2 offers primary daughters (FS0) or, with the
        argument FS1, final-state particles: the same for a B of one track.
    sqrt_s
        GeV.
    n
        Number of candidates.

    Returns
    -------
    dict
        `KSFW` name -> (n,).
    """
    visible = together(b, rest)
    missing = -np.array([total(visible.owner, visible.p[i], n) for i in range(4)])
    missing[3] += sqrt_s
    p_missing = norm(missing)
    invariant, definite = missing[3] ** 2 - p_missing**2, -(missing[3] ** 2) - p_missing**2
    scale = 2 * (sqrt_s - total(b.owner, b.p[3], n))
    result = {
        "mm2": np.where(missing[3] > 0, invariant, definite),
        "et": total(visible.owner, np.hypot(visible.p[0], visible.p[1]), n),
    }

    j, i = gather(offsets(count(rest.owner, n)), b.owner)
    polynomials = legendre(cosine(b.p[:, i], rest.p[:, j]))
    charged = rest.charge[j] != 0
    size, product = norm(rest.p)[j], b.charge[i] * rest.charge[j]
    with_missing = legendre(np.nan_to_num(cosine(b.p, missing[:, b.owner])))
    for order in range(5):
        term = size * polynomials[order] * (product if order % 2 else 1.0)
        result[f"hso0{order}"] = total(b.owner[i], np.where(charged, term, 0.0), n) / scale
        if order % 2 == 0:
            result[f"hso1{order}"] = total(b.owner[i], np.where(charged, 0.0, term), n) / scale
            result[f"hso2{order}"] = total(b.owner, p_missing[b.owner] * with_missing[order], n) / scale

    others = together(rest, Objects(np.arange(n), missing, np.zeros(n)))
    k, j = gather(offsets(count(others.owner, n)), others.owner)
    pair = k < j
    j, k = j[pair], k[pair]
    polynomials = legendre(np.nan_to_num(cosine(others.p[:, j], others.p[:, k])))
    size = norm(others.p)
    size, product = size[j] * size[k], others.charge[j] * others.charge[k]
    for order in range(5):
        term = size * polynomials[order] * (product if order % 2 else 1.0)
        result[f"hoo{order}"] = total(others.owner[j], term, n) / scale**2
    return {name: result[name] for name in KSFW}


def cleo_cones(objects: Objects, axis: Floats, n: int) -> Floats:
    """Return the momentum flow into nine double cones of 10° about an axis, (9, n), GeV.

    CLEO, Phys. Rev. D 53, 1039; basf2's ``CleoConeCS(1…9)``: the scalar sum of the momenta of all particles of the
    event, those of the B included, whose angle to the B's thrust axis, folded to 0–90°, lies in the cone.

    Parameters
    ----------
    objects
        B and rest together.
    axis : (3, n)
        Thrust axis of the B.
    n
        Number of candidates.
    """
    angle = np.degrees(np.arccos(np.abs(np.nan_to_num(cosine(axis[:, objects.owner], objects.p)))))
    cone = np.minimum((angle / CONE).astype(np.int64), N_CONES - 1)
    flow = total(objects.owner * N_CONES + cone, norm(objects.p), n * N_CONES)
    return flow.reshape(n, N_CONES).T


def sphericity(p3: Floats, event: Ints, n_events: int) -> tuple[Floats, Floats]:
    """Return sphericity 3/2 (λ₂ + λ₃) and aplanarity 3/2 λ₃ per event; NaN for events without particles.

    λ₁ ≥ λ₂ ≥ λ₃ are the eigenvalues of Σ p_a p_b / Σ p² (basf2's ``sphericity`` and ``aplanarity``).

    Parameters
    ----------
    p3 : (3, n)
        Momenta in the centre of mass, GeV.
    event : (n,) int64
    n_events
        Number of events.
    """
    tensor = np.empty((n_events, 3, 3))
    for a in range(3):
        for b in range(a, 3):
            tensor[:, a, b] = tensor[:, b, a] = total(event, p3[a] * p3[b], n_events)
    trace = np.trace(tensor, axis1=1, axis2=2)
    filled = trace > 0
    values = np.full((n_events, 3), np.nan)
    values[filled] = np.linalg.eigvalsh(tensor[filled] / trace[filled, None, None])
    values = np.clip(values, 0.0, 1.0)
    return 1.5 * (values[:, 0] + values[:, 1]), 1.5 * values[:, 0]
