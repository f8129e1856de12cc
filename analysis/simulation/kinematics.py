"""Four-vectors, rotations, boosts and event shapes on flat arrays.

Four-vectors are arrays of shape (4, n), ordered (x, y, z, energy or time).
"""

from __future__ import annotations

import numpy as np

from analysis.simulation.jagged import Floats, Ints, count, gather, offsets, total

CLIMB = 4  # steps towards the thrust axis: more change nothing in events of B mesons


def mass(p: Floats) -> Floats:
    """Return the invariant mass, (n,), zero where rounding makes its square negative."""
    return np.asarray(np.sqrt(np.maximum(p[3] ** 2 - (p[0] ** 2 + p[1] ** 2 + p[2] ** 2), 0.0)))


def norm(p: Floats) -> Floats:
    """Return the length of the spatial part, (n,)."""
    return np.asarray(np.sqrt(p[0] ** 2 + p[1] ** 2 + p[2] ** 2))


def with_mass(p3: Floats, m: Floats | float) -> Floats:
    """Return four-vectors (4, n) of momenta (3, n) under a mass hypothesis."""
    energy = np.sqrt(p3[0] ** 2 + p3[1] ** 2 + p3[2] ** 2 + np.square(m))
    return np.concatenate([p3[:3], energy[None]])


def boost(p: Floats, beta: Floats) -> Floats:
    """Return four-vectors seen from a frame in which their rest system moves with velocity ``beta``.

    Parameters
    ----------
    p : (4, n)
    beta : (3, n) or (3, 1), in units of c
    """
    beta2 = beta[0] ** 2 + beta[1] ** 2 + beta[2] ** 2
    gamma = 1.0 / np.sqrt(1.0 - beta2)
    along = p[0] * beta[0] + p[1] * beta[1] + p[2] * beta[2]
    # (gamma - 1) / beta^2 without the division by zero of a frame at rest
    factor = (gamma**2 / (1.0 + gamma)) * along + gamma * p[3]
    return np.concatenate([p[:3] + factor * beta, (gamma * (p[3] + along))[None]])


def random_rotations(rng: np.random.Generator, n: int) -> Floats:
    """Return n rotations uniform on SO(3), shape (3, 3, n), from uniform unit quaternions (Shoemake 1992)."""
    u, a, b = rng.random(n), 2 * np.pi * rng.random(n), 2 * np.pi * rng.random(n)
    r, s = np.sqrt(1 - u), np.sqrt(u)
    x, y, z, w = r * np.sin(a), r * np.cos(a), s * np.sin(b), s * np.cos(b)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def about_z(rng: np.random.Generator, n: int) -> Floats:
    """Return rotations about the beam axis, (3, 3, n)."""
    phi = rng.uniform(-np.pi, np.pi, n)
    zero, one = np.zeros(n), np.ones(n)
    return np.array([[np.cos(phi), -np.sin(phi), zero], [np.sin(phi), np.cos(phi), zero], [zero, zero, one]])


def rotate(p: Floats, rotation: Floats) -> Floats:
    """Return four-vectors (4, n) rotated by matrices (3, 3, n)."""
    q = np.empty_like(p)
    for i in range(3):
        q[i] = rotation[i, 0] * p[0] + rotation[i, 1] * p[1] + rotation[i, 2] * p[2]
    q[3] = p[3]
    return q


def direction(cos_theta: Floats, phi: Floats) -> Floats:
    """Return unit vectors (3, n)."""
    sin_theta = np.sqrt(1 - cos_theta**2)
    return np.array([sin_theta * np.cos(phi), sin_theta * np.sin(phi), cos_theta])


def cosine(a: Floats, b: Floats) -> Floats:
    """Return the cosine of the angle between the spatial parts; NaN where one vanishes."""
    with np.errstate(invalid="ignore", divide="ignore"):
        value = (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) / (norm(a) * norm(b))
    return np.asarray(np.clip(value, -1.0, 1.0))


def fox_wolfram_r2(p3: Floats, event: Ints, n_events: int) -> Floats:
    """Return R2 = H2 / H0 per event (Fox and Wolfram, Phys. Rev. Lett. 41 (1978) 1581).

    The sum over pairs of |p_i||p_j| cos² is the trace of T T with T_ab = sum p_a p_b / |p|: no loop over pairs.
    """
    p = norm(p3)
    inverse = np.divide(1.0, p, out=np.zeros_like(p), where=p > 0)
    squares = np.zeros(n_events)
    for a in range(3):
        for b in range(a, 3):
            t = total(event, p3[a] * p3[b] * inverse, n_events)
            squares += (1 if a == b else 2) * t**2
    h0 = total(event, p, n_events) ** 2
    return np.divide(1.5 * squares - 0.5 * h0, h0, out=np.zeros(n_events), where=h0 > 0)


def thrust(p3: Floats, event: Ints, n_events: int) -> tuple[Floats, Floats]:
    """Return the thrust axis (3, n_events) and value (n_events,); zero for events without particles.

    The axis n <- sum sign(p.n) p climbs from every particle of the event and the best of the ends is kept, as in
    basf2's ``Thrust.cc``; the maximum found may in rare events be a local one.

    Parameters
    ----------
    p3 : (3, n)
        Momenta in the centre-of-mass frame.
    event : (n,) int64, sorted
    """
    scale = total(event, norm(p3), n_events)
    number = count(event, n_events)
    first = offsets(number)
    best_axis, best = np.zeros((3, n_events)), np.zeros(n_events)
    for rank in range(int(number.max(initial=0))):
        has = np.flatnonzero(number > rank)
        inside, owner = gather(first, has)
        p = p3[:, inside]
        axis = p3[:, first[has] + rank]
        for _ in range(CLIMB):
            along = p[0] * axis[0][owner] + p[1] * axis[1][owner] + p[2] * axis[2][owner]
            sign = np.where(along < 0, -1.0, 1.0)
            axis = np.array([total(owner, sign * p[i], len(has)) for i in range(3)])
        value = norm(axis)
        better = value > best[has]
        best_axis[:, has[better]], best[has[better]] = axis[:, better], value[better]
    with np.errstate(invalid="ignore", divide="ignore"):
        axis = np.where(best > 0, best_axis / best, 0.0)
        return axis, np.where(scale > 0, best / scale, 0.0)
