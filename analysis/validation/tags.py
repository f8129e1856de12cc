"""Checks of the toy's tags: efficiency per mode, mass peaks, and whether the signal probability is one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.basf2 import SampleType
from analysis.cutflow import clopper_pearson
from analysis.simulation import true_tags
from analysis.simulation.channels import forced_fraction
from analysis.simulation.tag_modes import B_MODES, D_MODES, KPI, KPIPI0, KSPI, NO_STAR, STAR_MODES
from analysis.simulation.tags.training import Candidates
from analysis.simulation.whole import Whole
from analysis.validation.document import Calibration, Check, Peak

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# FEI, semileptonic B⁺ (arXiv:1807.08680), all its modes: ours are part of them. Quoted from memory.
FEI_EFFICIENCY = 0.0145
# Widths of the mass peaks that are believable, GeV/c² (assumed): two tracks, more of them (the less energy is released,
# the narrower), with a π⁰. The toy's tracks have the resolution of the TDR and no material, hence are rather too good.
PEAK_WIDTH = {KPI: (0.003, 0.008), KPIPI0: (0.008, 0.020), KSPI: (0.003, 0.009)}
OTHER_WIDTH = (0.0015, 0.008)
PEAK_SHIFT = 0.0015
# ΔM: nominal value and believable widths, GeV/c² (assumed), in the order of `STAR_MODES`. Without material the slow
# pion of D*⁺ → D⁰π⁺ does not scatter: the toy's peak is a few times narrower than real ones.
DELTA_M = (None, (0.1420, 0.0004, 0.003), (0.1420, 0.002, 0.009), (0.1454, 0.0001, 0.001), (0.1406, 0.0004, 0.003))
DELTA_SHIFT = 0.0010
PROBABILITY_EDGES = np.array([0.004, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0])
CALIBRATION_ALLOWANCE = 0.10  # relative, beside the statistical error: an additive model is not the truth (assumed)
SEPARATION = 0.90  # area under the ROC (assumed); 0.5 separates nothing
FEWEST_PEAK = 20  # candidates that make a peak


def efficiencies(charged: Whole) -> Iterator[Check]:
    """Yield the efficiencies of forced tags: information per mode, and the sum beside the FEI's."""
    tag = true_tags.is_tag(charged.truth)
    mode, channel = true_tags.decay_mode(charged.truth), true_tags.channel(charged.truth)
    for number, name in enumerate(B_MODES):
        yield _efficiency(f"B⁻ → {name} (mode {number})", charged.correct, tag & (mode == number))
    for place, d_mode in enumerate(D_MODES):
        yield _efficiency(d_mode.name, charged.correct, tag & (channel == place))
    for what, passed in (("correct tags", charged.correct), ("tags, correct or with a D*'s or D**'s particle left over",
                                                             charged.accepted)):  # fmt: skip
        efficiency = forced_fraction(SampleType.CHARGED) * float(np.mean(passed))
        yield Check(
            group="tag efficiency", name=f"{what}, per B⁺, all modes and branching fractions",
            found=f"{efficiency:.2%}",
            expected=f"below the FEI's {FEI_EFFICIENCY:.2%} (arXiv:1807.08680, quoted from memory)",
            passed=0 < efficiency < FEI_EFFICIENCY,
            note="the FEI has more D modes; the toy's tracks and leptons are found more often than real ones",
        )  # fmt: skip


def _efficiency(name: str, found: Bools, of_mode: Bools) -> Check:
    passed, total = int(np.sum(found & of_mode)), int(of_mode.sum())
    low, high = clopper_pearson(passed, total)
    return Check(
        group="tag efficiency", name=name,
        found=f"{passed / max(total, 1):.1%} (68 % interval {low:.1%} to {high:.1%}) of {total}",
        expected="not published", passed=None,
        note="correct tags found and inside the skim's cuts, of those generated in this mode",
    )  # fmt: skip


def peaks(*samples: Whole) -> Iterator[Peak]:
    """Yield the mass peaks of true tags: of every D, and M(D*) − M(D) of every D*."""
    names = ("channel", "star", "mass", "delta_m")
    channel, star, mass, delta = (np.concatenate([getattr(each.found, name) for each in samples]) for name in names)
    for place, mode in enumerate(D_MODES):
        # a D inside a D* was found alone, too
        values = mass[(channel == place) & ((star == NO_STAR) | mode.charged)]
        if len(values) >= FEWEST_PEAK:
            yield _peak(mode.name, "Btag_D_M", values, mode.mass, mode.mass + np.linspace(-0.06, 0.06, 61))
    for place, star_mode in enumerate(STAR_MODES):
        expected, values = DELTA_M[place], delta[star == place]
        if star_mode is not None and expected is not None and len(values) >= FEWEST_PEAK:
            yield _peak(star_mode.name, "Btag_Dst_dM", values, expected[0], np.linspace(*star_mode.delta_m, 41))


def _peak(name: str, column: str, values: Floats, nominal: float, edges: Floats) -> Peak:
    low, median, high = np.quantile(values, [0.158655, 0.5, 0.841345])
    width, n = float(high - low) / 2, len(values)
    return Peak(
        name=name, column=column, edges=tuple(edges.tolist()), nominal=nominal,
        counts=tuple(np.histogram(values, edges)[0].tolist()), median=float(median),
        # of a Gaussian's median and quantiles
        median_error=1.2533 * width / np.sqrt(n), width=width, width_error=1.1 * width / np.sqrt(n),
    )  # fmt: skip


def of_peak(peak: Peak) -> Check:
    """Return the check of place and width of a peak."""
    if peak.column == "Btag_D_M":
        place = [mode.name for mode in D_MODES].index(peak.name)
        (low, high), allowed, what = PEAK_WIDTH.get(place, OTHER_WIDTH), PEAK_SHIFT, "M(D)"
    else:
        place = [mode.name if mode else "" for mode in STAR_MODES].index(peak.name)
        limits = DELTA_M[place]
        assert limits is not None
        (_, low, high), allowed, what = limits, DELTA_SHIFT, "M(D*) − M(D)"
    shift = peak.median - peak.nominal
    wide = 2 * peak.width_error  # a mode with few candidates must not fail by chance
    right = abs(shift) < max(allowed, 4 * peak.median_error) and low - wide < peak.width < high + wide
    return Check(
        group="D and D* mass", name=peak.name,
        found=f"median of {what} {1e3 * shift:+.2f} ± {1e3 * peak.median_error:.2f} MeV/c² from nominal, "
        f"half of central 68 % ({1e3 * peak.width:.2f} ± {1e3 * peak.width_error:.2f}) MeV/c²",
        expected=f"within {1e3 * allowed:g}, and {1e3 * low:g} to {1e3 * high:g} MeV/c² ± two errors (assumed)",
        passed=bool(right),
    )  # fmt: skip


@dataclass(frozen=True)
class _Bin:
    predicted: float
    purity: float
    error: float
    candidates: float


def calibration(found: Candidates) -> Calibration:
    """Return purity against signal probability of generic candidates, above the skim's cut, and the area of the ROC."""
    bins = []
    for low, high in itertools.pairwise(PROBABILITY_EDGES):
        inside = (found.probability >= low) & (found.probability < high)
        weight, signal = found.weight[inside], found.signal[inside]
        total = max(float(weight.sum()), 1e-12)
        purity = float(weight[signal].sum()) / total
        # of a ratio of weighted sums; the sample is told apart by a pseudo-count where it has one kind only
        spread = np.sum((weight * (signal - purity)) ** 2) + 0.25 * float(weight.max(initial=1.0)) ** 2
        bins.append(_Bin(_mean(found.probability[inside], weight), purity, float(np.sqrt(spread)) / total, total))
    return Calibration(
        edges=tuple(PROBABILITY_EDGES.tolist()), predicted=tuple(each.predicted for each in bins),
        purity=tuple(each.purity for each in bins), error=tuple(each.error for each in bins),
        candidates=tuple(each.candidates for each in bins), area=_area(found.probability, found.signal, found.weight),
        area_of_mode={
            name: _area(*(each[found.mode == mode] for each in (found.probability, found.signal, found.weight)))
            for mode, name in enumerate(B_MODES)
        },
    )  # fmt: skip


def _mean(values: Floats, weight: Floats) -> float:
    return float(np.average(values, weights=weight)) if weight.sum() > 0 else 0.0


def _area(probability: Floats, signal: Bools, weight: Floats) -> float:
    """Return the chance that a correct candidate has a higher probability than a wrong one; ½ without either."""
    order = np.argsort(probability, kind="stable")
    right, weight = signal[order], weight[order]
    below = np.cumsum(np.where(right, 0.0, weight))
    pairs = float(weight[right].sum()) * float(weight[~right].sum())
    return float(np.sum(weight[right] * below[right])) / pairs if pairs > 0 else 0.5


def of_calibration(found: Calibration) -> Iterator[Check]:
    """Yield the checks that the signal probability is a probability, and that it separates."""
    for place, (low, high) in enumerate(itertools.pairwise(found.edges)):
        predicted, purity, error = found.predicted[place], found.purity[place], found.error[place]
        allowed = 3 * error + CALIBRATION_ALLOWANCE * predicted
        yield Check(
            group="signal probability", name=f"purity at {low:g} to {high:g}",
            found=f"({100 * purity:.2f} ± {100 * error:.2f}) % of {found.candidates[place]:.0f} candidates",
            expected=f"{100 * predicted:.2f} %, the mean probability, within 3 errors and {CALIBRATION_ALLOWANCE:.0%}",
            passed=abs(purity - predicted) < allowed, note="generic BB̄ events, without the skim's cuts on the event",
        )  # fmt: skip
    yield Check(
        group="signal probability", name="separation of correct and wrong candidates",
        found=f"area under the ROC {found.area:.3f}", expected=f"above {SEPARATION:g} (assumed)",
        passed=found.area > SEPARATION,
        note="; ".join(f"{name} {area:.3f}" for name, area in found.area_of_mode.items()),
    )  # fmt: skip
