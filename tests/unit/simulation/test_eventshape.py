"""Event shape against basf2's own loops, written out slowly, and against events that can be done by hand."""

import math

import numpy as np
import pytest

from analysis.simulation.eventshape import KSFW, Objects, cleo_cones, ksfw_moments, sphericity, together
from analysis.simulation.jagged import Floats
from analysis.simulation.kinematics import norm, with_mass

SQRT_S = 10.58
N = 12


def objects(seed: int, lengths: list[int]) -> Objects:
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    charge = rng.integers(-1, 2, n).astype(float)
    return Objects(np.repeat(np.arange(len(lengths)), lengths), with_mass(rng.normal(0, 0.6, (3, n)), 0.14), charge)


# one kaon or several daughters, any number of others, none included
B = objects(1, [1, 2, 3] * 4)
REST = objects(2, [0, 1, 5, 9, 3, 2, 7, 8, 4, 6, 30, 2])


def of(which: Objects, candidate: int) -> list[tuple[Floats, float]]:
    rows = np.flatnonzero(which.owner == candidate)
    return [(which.p[:, row], which.charge[row]) for row in rows]


def cosine(a: Floats, b: Floats) -> float:
    return float(np.dot(a[:3], b[:3]) / np.linalg.norm(a[:3]) / np.linalg.norm(b[:3]))


def slow_ksfw(b: list[tuple[Floats, float]], rest: list[tuple[Floats, float]]) -> dict[str, float]:
    """basf2's KsfwMoments.cc, loop by loop, with numpy's Legendre polynomials."""

    def p_l(order: int, c: float) -> float:
        return float(np.polynomial.legendre.legval(c, [0] * order + [1]))

    missing = np.array([0, 0, 0, SQRT_S]) - sum(p for p, _ in [*b, *rest])
    m = np.linalg.norm(missing[:3])
    hso = np.zeros((3, 5))
    for p_i, q_i in b:
        for p_j, q_j in rest:
            for k in range(5):
                factor = q_i * q_j if k % 2 else 1.0
                hso[int(q_j == 0), k] += factor * np.linalg.norm(p_j[:3]) * p_l(k, cosine(p_i, p_j))
        for k in (0, 2, 4):
            hso[2, k] += m * p_l(k, cosine(p_i, missing))
    hoo = np.zeros(5)
    others = [*rest, (missing, 0.0)]
    for i, (p_i, q_i) in enumerate(others):
        for p_j, q_j in others[:i]:
            for k in range(5):
                factor = q_i * q_j if k % 2 else 1.0
                hoo[k] += factor * np.linalg.norm(p_i[:3]) * np.linalg.norm(p_j[:3]) * p_l(k, cosine(p_i, p_j))
    scale = 2 * (SQRT_S - sum(p[3] for p, _ in b))
    values = {"mm2": missing[3] ** 2 - m**2 if missing[3] > 0 else -(missing[3] ** 2) - m**2}
    values["et"] = sum(math.hypot(p[0], p[1]) for p, _ in [*b, *rest])
    values |= {f"hso{j}{k}": hso[j, k] / scale for j in range(3) for k in range(5) if j == 0 or k % 2 == 0}
    return values | {f"hoo{k}": hoo[k] / scale**2 for k in range(5)}


def test_ksfw_moments_are_those_of_the_loops() -> None:
    found = ksfw_moments(B, REST, SQRT_S, N)
    assert tuple(found) == KSFW
    signs = set()
    for candidate in range(N):
        expected = slow_ksfw(of(B, candidate), of(REST, candidate))
        signs.add(expected["mm2"] > 0)
        for name in KSFW:
            assert found[name][candidate] == pytest.approx(expected[name], abs=1e-12), name
    assert signs == {True, False}, "one event has more energy than the beams"


def test_ksfw_moments_by_hand() -> None:
    """A kaon along z; a track and a photon back to back across: all cosines are 0 or ±1."""
    b = Objects(np.zeros(1, np.int64), np.array([[0.0], [0], [1], [1]]), np.array([1.0]))
    rest = Objects(np.zeros(2, np.int64), np.array([[2.0, -2], [0, 0], [0, 0], [2, 2]]), np.array([-1.0, 0]))
    found = {name: float(values[0]) for name, values in ksfw_moments(b, rest, 10.0, 1).items()}
    # missing: momentum 1 against the kaon, energy 10 - 1 - 4 = 5; H = 2 (10 - 1) = 18
    assert found["mm2"] == pytest.approx(24)
    assert found["et"] == pytest.approx(4)
    assert [found[f"hso0{k}"] * 18 for k in range(5)] == pytest.approx([2, 0, -1, 0, 0.75])
    assert [found[f"hso1{k}"] * 18 for k in (0, 2, 4)] == pytest.approx([2, -1, 0.75])
    assert [found[f"hso2{k}"] * 18 for k in (0, 2, 4)] == pytest.approx([1, 1, 1])
    # pairs: track-photon 4 P(-1), track-missing and photon-missing 2 P(0) each
    assert [found[f"hoo{k}"] * 18**2 for k in range(5)] == pytest.approx([8, 0, 4 - 2, 0, 4 + 1.5])


def slow_cones(b: list[tuple[Floats, float]], rest: list[tuple[Floats, float]], axis: Floats) -> list[float]:
    """basf2's CleoCones.cc."""
    flow = []
    for i in range(1, 10):
        sum_p = 0.0
        for p, _ in [*b, *rest]:
            angle = 180 * math.acos(max(-1.0, min(1.0, cosine(axis, p)))) / math.pi
            if (i - 1) * 10 <= angle < i * 10 or 180 - i * 10 < angle <= 180 - (i - 1) * 10 or (i == 9 and angle == 90):
                sum_p += float(np.linalg.norm(p[:3]))
        flow.append(sum_p)
    return flow


def test_cones_are_those_of_the_loops_and_hold_all_momentum() -> None:
    axis = np.random.default_rng(5).normal(size=(3, N))
    everything = together(B, REST)
    flow = cleo_cones(everything, axis, N)
    assert flow.shape == (9, N)
    for candidate in range(N):
        expected = slow_cones(of(B, candidate), of(REST, candidate), axis[:, candidate])
        assert flow[:, candidate].tolist() == pytest.approx(expected)
    assert flow.sum() == pytest.approx(norm(everything.p).sum())


def test_particles_on_the_axis_and_at_right_angles() -> None:
    p = np.array([[0.0, 0, 1, 0], [0, 0, 0, 1], [1, -2, 0, 1], [1, 2, 1, math.sqrt(2)]])
    flow = cleo_cones(Objects(np.zeros(4, np.int64), p, np.zeros(4)), np.array([[0.0], [0], [3]]), 1)
    assert flow[0, 0] == pytest.approx(3)  # 0° and 180°
    assert flow[8, 0] == pytest.approx(1)  # 90°
    assert flow[:, 0].sum() == pytest.approx(4 + math.sqrt(2))


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        ([[1, 0, 0], [-1, 0, 0]], (0.0, 0.0)),
        ([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]], (0.75, 0.0)),
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], (1.0, 0.5)),
    ],
    ids=["line", "plane", "sphere"],
)
def test_sphericity_by_hand(p: list[list[float]], expected: tuple[float, float]) -> None:
    values = sphericity(np.array(p, dtype=float).T, np.zeros(len(p), np.int64), 2)
    assert [float(value[0]) for value in values] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(values[0][1]), "an empty event has none"


def test_sphericity_is_the_smallest_transverse_momentum() -> None:
    """S = 3/2 min over axes of Σ p_T² / Σ p²: the original definition, by a search over axes."""
    p = np.random.default_rng(3).normal(size=(3, 8)) * np.array([[2.0], [1.0], [0.5]])
    value, _ = sphericity(p, np.zeros(8, np.int64), 1)
    axes = np.random.default_rng(4).normal(size=(3, 200_000))
    axes /= np.linalg.norm(axes, axis=0)
    along = np.sum((axes.T @ p) ** 2, axis=1)
    best = 1.5 * (1 - along.max() / np.sum(p**2))
    assert value[0] == pytest.approx(best, abs=2e-3)
    assert value[0] <= best + 1e-12
