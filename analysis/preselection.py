"""The stage between skim and BDT: weights, cuts, best candidates, and the account of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import selection
from analysis.basf2 import SampleType
from analysis.columns import CHANGED, VARIATIONS, alternative
from analysis.config.models import Cut
from analysis.cutflow import LEVEL, METHOD, BestCandidateSummary, Count, CutFlow, with_efficiencies
from analysis.sharing import Sharing, decays_or_event
from analysis.weights import KaonIdTable, Normalisation, count_outside, weigh

Array = NDArray[Any]
Columns = Mapping[str, Array]
# Numbers of events, where they stand for decays: no decay has one.
BEYOND_DECAYS = 2**62


@dataclass(frozen=True)
class Rows:
    """To which event, and to which simulated decay of the signal side, each row belongs: (n,) numbers from 0.

    ``parent`` is None if any row does not tell its own; ``sharing`` knows the rows of an event and of any decay.
    """

    event: NDArray[np.int64]
    parent: NDArray[np.int64] | None
    sharing: Sharing


@dataclass(frozen=True)
class Result:
    """What the stage makes of one sample.

    Attributes
    ----------
    columns
        The skim's columns, ``q2_rec``, the weight factors and ``weight``; one row per event, in the
        order of (experiment, run, event, production).
    cutflow
        Without provenance.
    normalisation
        How the sample was scaled to the data.
    kaon_id_outside
        Selected rows for which the kaon ID table has no bin, by species; see `analysis.weights.kaon_id`.
    """

    columns: dict[str, Array]
    cutflow: CutFlow
    normalisation: Normalisation
    kaon_id_outside: dict[str, int]


def preselect(
    columns: Columns,
    kind: SampleType,
    cuts: Sequence[Cut],
    scale: Normalisation,
    *,
    sample: str,
    sqrt_s: float,
    form_factor: bool,
    kaon_id: KaonIdTable | None,
    rows_in: int,
    sum_weights_in: float,
    withhold: bool = False,
) -> Result:
    """Weigh the rows of a skim, cut, and choose one candidate per event.

    Parameters
    ----------
    columns
        The skim: name -> (n,) array.
    kind
        What the sample holds.
    cuts
        In the order of the cut flow; they may use ``q2_rec``.
    scale, form_factor, kaon_id
        See `analysis.weights.weigh`.
    sample
        Its name.
    sqrt_s
        Centre-of-mass energy, GeV.
    rows_in, sum_weights_in
        Rows of the ntuples before the skim, and the sum of their generator weights.
    withhold
        Leave the counts after the skim out of the cut flow: those of blinded data.

    Raises
    ------
    InputError
        A column is missing, a weight is not finite, momenta are in another unit.
    """
    momenta = selection.kaon_momenta(columns, sqrt_s, sample)
    weights = weigh(columns, kind, scale, form_factor=form_factor, kaon_id=kaon_id, sample=sample)
    table = {
        **columns,
        "q2_rec": selection.q2_rec(momenta, sqrt_s),
        **weights.columns,
    }
    masks = selection.cumulative_masks([cut.cut for cut in cuts], table)
    everything = np.ones(selection.row_count(table), dtype=bool)
    passed = np.flatnonzero(masks[-1] if masks else everything)
    best = selection.best_candidates(selection.take(table, passed))
    chosen = passed[best.rows]

    weight = table["weight"]
    final = np.zeros_like(everything)
    final[chosen] = True
    steps = [
        ("skim", "", table["w_generator"] * table["w_normalisation"], everything),
        # The rows of the skim, with all their weights: what the corrections do stands apart from what cuts do.
        ("corrections", "", weight, everything),
        *((cut.name, cut.cut, weight, mask) for cut, mask in zip(cuts, masks, strict=True)),
        ("best candidate", "", weight, final),
    ]
    counts = [
        Count(
            name="generated",
            events=None if scale.generated_events is None else round(scale.generated_events),
            sum_w=scale.expected_events,
        ),
        Count(name="ntuple", rows=rows_in, sum_w=sum_weights_in * scale.factor),
        *_counts(steps, _rows(table)),
    ]
    if withhold:
        counts = [count if i < 3 else Count(name=count.name, cut=count.cut) for i, count in enumerate(counts)]
    flow = CutFlow(
        sample=sample,
        type=kind.value,
        withheld=withhold,
        level=LEVEL,
        method=METHOD,
        generated_events=scale.generated_events,
        expected_events=scale.expected_events,
        steps=with_efficiencies(counts, scale.generated_events, scale.expected_events),
        best_candidate=_summary(best, selection.duplicate_rows(table)),
    )
    found = weights.kaon_id_bin
    outside = count_outside(kaon_id, found[chosen]) if kaon_id is not None and found is not None else {}
    return Result(selection.take(table, chosen), flow, scale, outside)


def variations_of(columns: Columns) -> list[str]:
    """Return the variations (`analysis.columns.VARIATIONS`) of which a table has all alternative columns."""
    return [
        variation
        for variation, names in VARIATIONS.items()
        if all(alternative(name, variation) in columns and name in columns for name in names)
    ]


def varied(columns: Columns, variation: str) -> dict[str, Array]:
    """Return a table with a variation's columns in place of the nominal ones, and `CHANGED`: whether a row differs."""
    replaced = {name: columns[alternative(name, variation)] for name in VARIATIONS[variation]}
    changed = np.zeros(selection.row_count(columns), dtype=bool)
    for name, values in replaced.items():
        nominal = columns[name]
        changed |= (values != nominal) & ~(np.isnan(values) & np.isnan(nominal))
    return {**columns, **replaced, CHANGED: changed}


def _summary(best: selection.BestCandidates, duplicates: int) -> BestCandidateSummary:
    return BestCandidateSummary(
        rule=selection.BEST_CANDIDATE_RULE,
        multiplicity=best.multiplicity,
        ties_signal_probability=best.ties_rank,
        ties_kaon_id=best.ties_kaon_id,
        ties_candidate=best.ties_candidate,
        events_without_signal_probability=best.without_rank,
        duplicate_keys=duplicates,
    )


def _counts(steps: Sequence[tuple[str, str, Array, NDArray[np.bool_]]], rows: Rows) -> list[Count]:
    """Return what is left after each step: a step has a name, a cut, weights of all rows (n,) and those that pass."""
    counts: list[Count] = []
    before, total_before = np.zeros(0), 0.0
    for name, cut, weight, mask in steps:
        now = np.where(mask, weight, 0.0)
        total = float(now.sum())
        counts.append(
            Count(
                name=name,
                cut=cut,
                rows=int(mask.sum()),
                events=_distinct(rows.event[mask]),
                parents=None if rows.parent is None else _distinct(rows.parent[mask]),
                sum_w=total,
                variance=_variance(now, rows),
                variance_step=_variance(now - total / total_before * before, rows) if total_before else None,
            )
        )
        before, total_before = now, total
    return counts


def _variance(weights: Array, rows: Rows) -> float:
    return float(rows.sharing.variances(weights)[0])


def _distinct(index: NDArray[np.int64]) -> int:
    """Return how many different numbers there are among small ones, from 0."""
    return int(np.count_nonzero(np.bincount(index)))


def _rows(columns: Columns) -> Rows:
    event = selection.event_index(columns)
    parents = columns.get("parentId")
    if parents is not None and (not len(parents) or parents.min() < 0):
        parents = None
    return Rows(
        event=event,
        parent=None if parents is None else np.unique(parents, return_inverse=True)[1],
        sharing=Sharing.of(decays_or_event(columns, event + BEYOND_DECAYS), np.zeros_like(event), 1),
    )
