"""Checks of what the generator and the detector make, before any selection of the analysis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import formfactors
from analysis.basf2 import SampleType
from analysis.selection import q2_rec
from analysis.sharing import shared_variance
from analysis.simulation.detector import DETECTOR, described
from analysis.simulation.rows import Rows
from analysis.simulation.whole import Species, Whole
from analysis.validation import tags
from analysis.validation.document import Check, Comparison, Efficiency, Number, Peak, Spectrum
from analysis.validation.statistics import SIGNIFICANCE, counted, goodness
from analysis.weighted import Weighted, effective_number, kolmogorov_smirnov

Array = NDArray[Any]
Floats = NDArray[np.float64]

Q2_EDGES = np.append(np.arange(0.0, 23.0, 2.0), formfactors.Q2_MAX)
# Fractions of the Standard-Model spectrum in these bins and its mean in GeV²/c⁴, from the inputs of arXiv:2311.14647.
Q2_FRACTIONS = np.array(
    [0.1183, 0.1175, 0.1159, 0.1132, 0.1091, 0.1033, 0.0953, 0.0842, 0.0692, 0.0491, 0.0233, 0.0017]
)
Q2_MEAN = 9.08
# arXiv:2311.14647, inclusive tag, kaonID > 0.9: quoted from memory, hence the allowance.
KAON_CUT, KAON_EFFICIENCY, PION_FAKE_RATE = 0.9, 0.68, 0.012
KAON_P_STAR = (0.5, 2.96)
ALLOWED = {"kaon": 0.02, "pion": 0.002}
COMPARED: dict[str, Floats] = {
    "roeEextra": np.linspace(0, 1.5, 16), "q2_rec": np.linspace(-2, 24, 14), "Btag_cosThetaBY": np.linspace(-4, 3, 15),
    "R2": np.linspace(0, 0.6, 13), "K_pStar": np.linspace(0.4, 3.0, 14), "candidates": np.arange(0.5, 9.0),
    "missP": np.linspace(0, 5, 11), "thrustOm": np.linspace(0.5, 1, 11), "KSFW_hso02": np.linspace(-0.15, 0.3, 10),
}  # fmt: skip
REQUIRED_EVENTS = 2000
KINDS = (SampleType.SIGNAL, SampleType.CHARGED, SampleType.MIXED)


@dataclass(frozen=True)
class Found:
    """What the checks found: the statements, and the histograms behind them."""

    checks: tuple[Check, ...]
    q2: Spectrum
    pools: tuple[Comparison, ...]
    identification: tuple[Efficiency, ...]
    peaks: tuple[Peak, ...]


def check(whole: dict[SampleType, Whole], pooled: dict[SampleType, Rows], sqrt_s: float) -> Found:
    """Return all checks of whole events, and of pools against them.

    Parameters
    ----------
    whole, pooled
        Whole events of `KINDS`, and the same from pools.
    sqrt_s
        Centre-of-mass energy, GeV.
    """
    signal, charged = whole[SampleType.SIGNAL], whole[SampleType.CHARGED]
    checks: list[Check] = []
    spectrum = _spectrum(signal)
    checks += _of_spectrum(spectrum, signal)
    pools = []
    for kind in KINDS:
        compared = compare(whole[kind].rows, pooled[kind], sqrt_s)
        checks += [_of_comparison(each, kind, first=each is compared[0]) for each in compared]
        checks.append(_of_yields(whole[kind], pooled[kind], kind))
        if kind is SampleType.SIGNAL:
            pools = compared
    checks += tags.efficiencies(charged)
    identification = [
        _efficiency(signal.kaons, "kaons of the signal"),
        _efficiency(charged.pions, "pions of B⁺ decays"),
    ]
    checks += _identification(signal, charged.pions)
    peaks = list(tags.peaks(signal, charged))
    checks += [tags.of_peak(peak) for peak in peaks]
    return Found(tuple(checks), spectrum, tuple(pools), tuple(identification), tuple(peaks))


def _spectrum(signal: Whole) -> Spectrum:
    weight = formfactors.sm_weight(signal.q2)
    measured = counted(Weighted(signal.q2, weight, np.arange(signal.generated)), Q2_EDGES)
    return Spectrum(edges=tuple(Q2_EDGES.tolist()), measured=measured, expected=tuple(Q2_FRACTIONS.tolist()))


def _of_spectrum(spectrum: Spectrum, signal: Whole) -> Iterator[Check]:
    weight = formfactors.sm_weight(signal.q2)
    p = goodness(spectrum.measured, Q2_FRACTIONS / Q2_FRACTIONS.sum())
    yield Check(
        group="q² of the signal", name="fractions in bins of 2 GeV²/c⁴, Standard Model",
        found=f"χ² p = {p:.3f} ({spectrum.measured.n_effective:.0f} effective decays)",
        expected=f"p > {SIGNIFICANCE:g}; spectrum of arXiv:2311.14647", passed=p > SIGNIFICANCE,
    )  # fmt: skip
    mean = float(np.average(signal.q2, weights=weight))
    error = float(np.sqrt(np.sum(weight**2 * (signal.q2 - mean) ** 2)) / weight.sum())
    yield Check(
        group="q² of the signal", name="mean after reweighting phase space to the Standard Model",
        found=f"({mean:.2f} ± {error:.2f}) GeV²/c⁴", expected=f"{Q2_MEAN} GeV²/c⁴ within 4 errors",
        passed=abs(mean - Q2_MEAN) < 4 * error,
    )  # fmt: skip


def compare(whole: Rows, pooled: Rows, sqrt_s: float) -> list[Comparison]:
    """Return the distributions of `COMPARED` in whole events and in pooled ones, with their tests.

    An event counts once: its candidates share its weight.
    """
    sides = [_columns(rows, sqrt_s) for rows in (whole, pooled)]
    found = []
    for name, edges in COMPARED.items():
        first, second = (
            Weighted(side[name], rows.weight / side["candidates"], rows.decays)
            for side, rows in zip(sides, (whole, pooled), strict=True)
        )
        _, p = kolmogorov_smirnov(first, second)
        found.append(
            Comparison(
                column=name, edges=tuple(edges.tolist()), first=counted(first, edges),
                second=counted(second, edges), p_value=p,
            )
        )  # fmt: skip
    return found


def _columns(rows: Rows, sqrt_s: float) -> dict[str, Array]:
    number = np.unique(rows.event, return_inverse=True, return_counts=True)
    return {
        **rows.columns,
        "q2_rec": q2_rec(rows.columns["K_pStar"], sqrt_s),
        "candidates": number[2][number[1]].astype(float),
    }


def _of_comparison(comparison: Comparison, kind: SampleType, *, first: bool) -> Check:
    n, m = comparison.first.n_effective, comparison.second.n_effective
    few = (
        ""
        if min(n, m) >= REQUIRED_EVENTS or not first
        else f"fewer than {REQUIRED_EVENTS} events: only gross differences would show"
    )
    return Check(
        group=f"pools against whole events, {kind.value}", name=comparison.column,
        found=f"p = {comparison.p_value:.3f} ({n:.0f} and {m:.0f} effective events)",
        expected=f"p > {SIGNIFICANCE:g} (Kolmogorov–Smirnov)", passed=comparison.p_value > SIGNIFICANCE, note=few,
    )  # fmt: skip


def _of_yields(whole: Whole, pooled: Rows, kind: SampleType) -> Check:
    """Return the check that as many events hold candidates, of those with an accepted forced tag."""
    (first, error), (second, other_error) = _share(whole.rows, whole.accepted.sum()), _share(pooled, pooled.mc_events)
    both = float(np.hypot(error, other_error))
    return Check(
        group=f"pools against whole events, {kind.value}", name="events with candidates, of those with an accepted tag",
        found=f"({100 * first:.3f} ± {100 * error:.3f}) % and ({100 * second:.3f} ± {100 * other_error:.3f}) %",
        expected="equal within 3.5 errors", passed=abs(first - second) < 3.5 * both,
    )  # fmt: skip


def _share(rows: Rows, n: float) -> tuple[float, float]:
    """Return the sum of the events' weights over n, and its error: events share decays of either B."""
    _, first = np.unique(rows.event, return_index=True)
    events = rows.select(first)
    return float(events.weight.sum()) / n, float(np.sqrt(shared_variance(events.weight, events.decays))) / n


def _used(species: Species) -> NDArray[np.bool_]:
    return np.asarray((species.p_star > KAON_P_STAR[0]) & (species.p_star < KAON_P_STAR[1]))


def _efficiency(species: Species, label: str) -> Efficiency:
    edges = np.linspace(*KAON_P_STAR, 11)
    passes = species.kaon_id > KAON_CUT
    return Efficiency(
        column="K_pStar", edges=tuple(edges.tolist()), label=label,
        passed=tuple(np.histogram(species.p_star[passes], edges)[0].tolist()),
        total=tuple(np.histogram(species.p_star, edges)[0].tolist()),
    )  # fmt: skip


def _identification(signal: Whole, pions: Species) -> Iterator[Check]:
    kaons = signal.kaons
    of_signal = formfactors.sm_weight(signal.q2)[kaons.event]
    for name, species, weight, published in (
        ("kaon", kaons, of_signal, KAON_EFFICIENCY),
        ("pion", pions, np.ones(len(pions.p_star)), PION_FAKE_RATE),
    ):
        used = _used(species)
        value = float(np.average(species.kaon_id[used] > KAON_CUT, weights=weight[used]))
        error = float(np.sqrt(value * (1 - value) / effective_number(weight[used])))
        what = "efficiency, kaons of the signal" if name == "kaon" else "fake rate, pions of B⁺ decays"
        yield Check(
            group="kaon identification", name=f"kaonID > {KAON_CUT}: {what}",
            found=f"({100 * value:.2f} ± {100 * error:.2f}) %",
            expected=f"({100 * published:g} ± {100 * ALLOWED[name]:g}) % (arXiv:2311.14647, quoted from memory)",
            passed=abs(value - published) < ALLOWED[name], note="Standard-Model spectrum" if name == "kaon" else "",
        )  # fmt: skip


def detector() -> tuple[Number, ...]:
    """Return the detector's numbers, for a reader."""

    def text(value: Any) -> str:
        values = value if isinstance(value, tuple) else (value,)
        return ", ".join(f"{each:.4g}" for each in values)

    return tuple(
        Number(part=each.part, name=each.name, value=text(each.value), meaning=each.meaning, source=each.source)
        for each in described(DETECTOR)
    )
