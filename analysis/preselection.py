"""The stage between skim and BDT: weights, cuts, best candidates, and the account of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import selection
from analysis.basf2 import SampleType
from analysis.config.models import Cut
from analysis.cutflow import LEVEL, METHOD, BestCandidateSummary, Count, CutFlow, with_efficiencies
from analysis.weights import KaonIdTable, Normalisation, count_outside, weigh

Array = NDArray[Any]
Columns = Mapping[str, Array]


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
        A column is missing, a weight is not finite.
    """
    weights = weigh(columns, kind, scale, form_factor=form_factor, kaon_id=kaon_id, sample=sample)
    table = {
        **columns,
        "q2_rec": selection.q2_rec(columns["K_pStar"], sqrt_s),
        **weights.columns,
    }
    masks = selection.cumulative_masks([cut.cut for cut in cuts], table)
    everything = np.ones(selection.row_count(table), dtype=bool)
    passed = np.flatnonzero(masks[-1] if masks else everything)
    best = selection.best_candidates(selection.take(table, passed))
    rows = passed[best.rows]
    chosen = selection.take(table, rows)
    event = selection.event_index(table)
    counts = [
        Count(
            name="generated",
            events=None if scale.generated_events is None else round(scale.generated_events),
            sum_w=scale.expected_events,
        ),
        Count(name="ntuple", rows=rows_in, sum_w=sum_weights_in * scale.factor),
        _count("skim", "", table, event, everything),
        *(_count(cut.name, cut.cut, table, event, mask) for cut, mask in zip(cuts, masks, strict=True)),
        _count("best candidate", "", chosen, np.arange(len(best.rows)), everything[: len(best.rows)]),
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
        best_candidate=BestCandidateSummary(
            rule=selection.BEST_CANDIDATE_RULE,
            multiplicity=best.multiplicity,
            ties_signal_probability=best.ties_rank,
            ties_kaon_id=best.ties_kaon_id,
            ties_candidate=best.ties_candidate,
            events_without_signal_probability=best.without_rank,
            duplicate_keys=selection.duplicate_rows(table),
        ),
    )
    found = weights.kaon_id_bin
    outside = count_outside(kaon_id, found[rows]) if kaon_id is not None and found is not None else {}
    return Result(chosen, flow, scale, outside)


def _count(name: str, cut: str, columns: Columns, event: Array, mask: NDArray[np.bool_]) -> Count:
    weight = columns["weight"][mask]
    return Count(
        name=name,
        cut=cut,
        rows=int(mask.sum()),
        events=int(np.count_nonzero(np.bincount(event[mask]))),
        parents=_distinct_parents(columns, mask),
        sum_w=float(weight.sum()),
        sum_w2=float((weight**2).sum()),
    )


def _distinct_parents(columns: Columns, mask: NDArray[np.bool_]) -> int | None:
    """Return the number of distinct simulated decays behind the rows; None if any row does not tell its own."""
    if "parentId" not in columns:
        return None
    parents = columns["parentId"][mask]
    return len(np.unique(parents)) if len(parents) and parents.min() >= 0 else None
