"""Cut flows: raw and weighted counts after every step, with intervals on the efficiencies.

Conventions
-----------
- Steps are *generated* → *ntuple* (rows of the files) → *skim* → *corrections* → every cut → *best candidate*. The
  first three carry generator weights and normalisation only; at *corrections* the same rows have all their weights
  (form factor, kaon identification …), so that its "efficiency" is the mean correction.
- ``rows`` counts candidates, ``events`` different events. Efficiencies are ratios of events, because
  candidates of one event are not independent; the step ntuple → skim, where events were not
  counted, is a ratio of candidates, and says so in ``basis``.
- Raw efficiencies have Clopper–Pearson intervals: exact binomial, hence too wide rather than too
  narrow. They presuppose independent events: where simulated decays are used more than once
  (``parents`` below ``events``), the interval is too narrow, and ``parents`` tells by how much.
- Sums of weights run over candidates. The weighted efficiency ε of a step to the one before it has
  the error of a ratio, σ² = Var[Σ (w_after − ε w_before)] / (Σ w_before)², a weighted binomial's
  where the weights are the same. Relative to the generated events, of which only the number is
  known, the denominator is taken as exact: σ = √Var[Σ w] / (expected events), which neglects the
  factor (1−ε). Candidates of an event, and rows that share simulated decays, are not independent: their
  weights add before they are squared (`analysis.sharing`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import special

from analysis.provenance import Provenance

LEVEL = 0.682689492137086
METHOD = (
    "efficiency: events over events, Clopper-Pearson interval at the level given (independent events assumed; parents "
    "is the number of distinct simulated decays behind the events); weighted_step: sum of candidate weights over that "
    "of the step before; weighted: over the expected events; their errors count what candidates of an event, and "
    "events of the same simulated decays, have in common"
)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(_Frozen):
    """A raw efficiency with its Clopper–Pearson interval."""

    value: float
    low: float
    high: float
    basis: str
    """``events`` or ``candidates``."""


class Measured(_Frozen):
    """A weighted efficiency with its standard error."""

    value: float
    error: float


class Count(_Frozen):
    """What is left after a step."""

    name: str
    """As in the configuration; or ``generated``, ``ntuple``, ``skim``, ``corrections``, ``best candidate``."""
    cut: str = ""
    """The expression; "" where there is none."""
    rows: int | None = None
    """Candidates; None where they are not defined."""
    events: int | None = None
    """Different events; None where they were not counted."""
    parents: int | None = None
    """Distinct simulated decays behind the rows; None where rows do not tell."""
    sum_w: float | None = None
    """Sum of weights, expected candidates in the data."""
    variance: float | None = None
    """Its variance from the simulation's statistics."""
    variance_step: float | None = None
    """Variance of the sum of w − ε w', where w' are the weights of the step before and ε is the ratio of the sums."""


class Step(Count):
    """A step of the cut flow with its efficiencies; None where undefined."""

    efficiency: Interval | None = None
    """Events over generated events."""
    efficiency_step: Interval | None = None
    """Over the step before."""
    weighted: Measured | None = None
    """Sum of weights over the expected events of the sample."""
    weighted_step: Measured | None = None
    """Sum of weights over that of the step before."""


class BestCandidateSummary(_Frozen):
    """How the best candidates were chosen; see `analysis.selection.BestCandidates`."""

    rule: str
    multiplicity: float
    ties_signal_probability: int
    ties_kaon_id: int
    ties_candidate: int
    events_without_signal_probability: int
    duplicate_keys: int
    """Rows in the skim that repeat another row's full key."""


class CutFlow(_Frozen):
    """The cut flow of one sample."""

    sample: str
    type: str
    withheld: bool = False
    """The counts after the skim are left out: data of a blinded analysis."""
    level: float
    """Confidence level of the intervals."""
    method: str
    """How the uncertainties are made."""
    generated_events: float | None
    """Generated events; None for data."""
    expected_events: float | None
    """Events expected in the data before any cut; None for data."""
    steps: tuple[Step, ...]
    best_candidate: BestCandidateSummary
    provenance: Provenance | None = None


def clopper_pearson(passed: int, total: float, level: float = LEVEL) -> tuple[float, float]:
    """Return the exact binomial interval on an efficiency.

    Parameters
    ----------
    passed, total
        0 ≤ passed ≤ total, total > 0.
    level
        Confidence level of the central interval.

    References
    ----------
    C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404.

    Examples
    --------
    >>> low, high = clopper_pearson(0, 10, level=0.95)
    >>> low, round(high, 4)
    (0.0, 0.3085)
    """
    if not 0 <= passed <= total or total <= 0:
        raise ValueError(f"not an efficiency: {passed} of {total}")
    tail = (1 - level) / 2
    # Quantiles of the beta distribution; scipy.stats would say the same, and costs seconds to import.
    low = 0.0 if passed == 0 else float(special.betaincinv(passed, total - passed + 1, tail))
    high = 1.0 if passed == total else float(special.betaincinv(passed + 1, total - passed, 1 - tail))
    return low, high


def _interval(passed: int | None, total: float | None, basis: str) -> Interval | None:
    """Return an efficiency; None where it is not one (counts unknown, or more passed than there were)."""
    if passed is None or not total or passed > total:
        return None
    low, high = clopper_pearson(passed, total)
    return Interval(value=passed / total, low=low, high=high, basis=basis)


def _weighted_step(now: Count, before: Count) -> Measured | None:
    if now.sum_w is None or now.variance_step is None or not before.sum_w:
        return None
    return Measured(value=now.sum_w / before.sum_w, error=float(np.sqrt(now.variance_step)) / before.sum_w)


def with_efficiencies(
    counts: Sequence[Count], generated_events: float | None, expected_events: float | None
) -> tuple[Step, ...]:
    """Return the steps with their efficiencies; the module's docstring tells how they are made."""
    steps: list[Step] = []
    before: Count | None = None
    for count in counts:
        first = count.name == "generated"
        step = Step(
            **count.model_dump(),
            efficiency=None if first else _interval(count.events, generated_events, "events"),
            efficiency_step=None if before is None else _step_efficiency(count, before),
            weighted=(
                Measured(
                    value=count.sum_w / expected_events,
                    error=float(np.sqrt(count.variance)) / expected_events,
                )
                if expected_events and count.sum_w is not None and count.variance is not None
                else None
            ),
            weighted_step=None if before is None else _weighted_step(count, before),
        )
        steps.append(step)
        before = count
    return tuple(steps)


def _step_efficiency(now: Count, before: Count) -> Interval | None:
    if before.events is not None and now.events is not None:
        return _interval(now.events, before.events, "events")
    return _interval(now.rows, before.rows, "candidates")


def _number(value: float | None, digits: int = 5) -> str:
    return "–" if value is None else f"{value:.{digits}g}"


def text_table(flow: CutFlow) -> str:
    """Return one sample's cut flow as text, for the log."""
    header = ("step", "rows", "events", "weighted", "ε step [%]", "68 % interval", "ε total [%]")
    rows = [header]
    for step in flow.steps:
        one, total = step.efficiency_step, step.efficiency
        rows.append(
            (
                step.name,
                "–" if step.rows is None else str(step.rows),
                "–" if step.events is None else str(step.events),
                _number(step.sum_w),
                "–" if one is None else f"{100 * one.value:.2f}",
                "–" if one is None else f"[{100 * one.low:.2f}, {100 * one.high:.2f}]",
                "–" if total is None else f"{100 * total.value:.4g}",
            )
        )
    return _aligned(rows)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
