"""Checks of experiments and runs: gaps, overlaps, and luminosity per bucket."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from analysis.basf2 import SampleType
from analysis.conditions.findings import Finding, Severity
from analysis.conditions.gate.common import Part, brief, names, parts
from analysis.conditions.iov import IoV, RunSet
from analysis.conditions.records import SampleConditions, total
from analysis.conditions.runinfo import RunTable

# Belle II's run-independent simulation has experiment numbers of its own, 1000 and above.
FIRST_SIMULATED_EXPERIMENT = 1000


def check(records: Sequence[SampleConditions], tolerance: float, run_table: RunTable | None) -> Iterator[Finding]:
    """Check runs; ``tolerance`` is the relative one on luminosity from bucket to bucket."""
    members = parts(records)
    yield from _experiments(members)
    data = [part for part in members if part.plays_data and not part.record.is_mc]
    dependent = [part for part in members if part.record.run_dependence == "rd"]
    yield from _overlaps(data)
    # Off-resonance runs are simulated by continuum samples of their own energy.
    for energy in sorted({part.record.beam_energy for part in data}):
        recorded = [part for part in data if part.record.beam_energy == energy]
        simulated = [part for part in dependent if part.record.beam_energy == energy and not part.plays_data]
        yield from _coverage(recorded, simulated)
        yield from _bucket_luminosity(recorded, simulated, tolerance)
    if run_table is not None:
        yield from _run_information(data, run_table)


def _experiments(members: Sequence[Part]) -> Iterator[Finding]:
    """Expect real experiments in data and run-dependent simulation, artificial ones elsewhere."""
    for part in members:
        artificial = part.record.run_dependence == "ri"
        wrong = [
            experiment
            for experiment in part.block.run_set.experiments()
            if (experiment >= FIRST_SIMULATED_EXPERIMENT) != artificial
        ]
        if wrong:
            kind = "data" if not part.record.is_mc else f"{part.record.run_dependence} simulation"
            yield Finding(
                "experiment",
                f"The experiments do not suit {kind}.",
                samples=(part.sample,),
                key="experimentLow … experimentHigh",
                found=brief([str(experiment) for experiment in wrong]),
                expected=f"{'at least' if artificial else 'below'} {FIRST_SIMULATED_EXPERIMENT}",
                remedy="correct runDependence, or take the files out of the sample",
            )


def _overlaps(data: Sequence[Part]) -> Iterator[Finding]:
    """Find data runs that count twice, in one sweep over all intervals in order."""
    spans = sorted((iov.start, iov.end, number) for number, part in enumerate(data) for iov in part.block.runs)
    common: dict[tuple[int, int], list[IoV]] = defaultdict(list)
    reach, holder = -1, -1
    for start, end, number in spans:
        # Within a block intervals are disjoint, so whoever still reaches here is another block.
        if start <= reach and holder != number:
            common[min(holder, number), max(holder, number)].append(IoV.from_keys(start, min(end, reach)))
        if end > reach:
            reach, holder = end, number
    for (one, two), intervals in sorted(common.items()):
        first, second = data[one], data[two]
        exact = first.block.runs_exact and second.block.runs_exact
        yield Finding(
            "run-overlap",
            "The same data runs are in two places."
            if exact
            else "Data files' ranges of runs overlap; the runs themselves are not listed.",
            Severity.ERROR if exact else Severity.WARNING,
            samples=names([first, second]),
            key="dataset.runs",
            found=f"{_shown(RunSet(intervals))} in {_place(first)} and in {_place(second)}",
            expected="every run once",
            remedy="take the runs out of one of them" if exact else "list `dataset.runs` in the metadata",
        )


def _place(part: Part) -> str:
    return f"{part.sample}/{part.block.bucket}" if part.block.bucket else part.sample


def _shown(runs: RunSet, most: int = 5) -> str:
    first = ", ".join(str(iov) for iov in itertools.islice(runs, most))
    return first + (f" and {len(runs) - most} more" if len(runs) > most else "")


def _runs(members: Sequence[Part]) -> RunSet:
    return RunSet.unite(part.block.run_set for part in members)


def _by_type(members: Iterable[Part]) -> list[tuple[SampleType, list[Part]]]:
    """Group blocks by what was generated: a process may be split into samples, by bucket say."""
    groups: dict[SampleType, list[Part]] = defaultdict(list)
    for part in members:
        groups[part.record.type].append(part)
    return sorted(groups.items())


def _coverage(data: Sequence[Part], simulated: Sequence[Part]) -> Iterator[Finding]:
    """Compare the runs of every simulated process with those of the data."""
    recorded = _runs(data)
    # Where simulation only tells a range, runs inside it may be missing unseen, none outside.
    for kind, members in _by_type(simulated):
        runs = _runs(members)
        for code, severity, missing, problem, remedy in (
            (
                "run-gap",
                Severity.ERROR,
                recorded.difference(runs),
                f"Data runs are not simulated for {kind}.",
                "produce or add the missing runs, or leave these runs of the data out",
            ),
            (
                "run-excess",
                Severity.WARNING,
                runs.difference(recorded),
                f"Runs are simulated for {kind} that the data do not have.",
                "leave these runs of the simulation out",
            ),
        ):
            if missing:
                yield Finding(
                    code,
                    problem,
                    severity,
                    samples=names(members),
                    key="dataset.runs",
                    found=_shown(missing),
                    expected=f"the runs of {brief(names(data))}",
                    remedy=remedy,
                )


def _bucket_luminosity(data: Sequence[Part], simulated: Sequence[Part], tolerance: float) -> Iterator[Finding]:
    """Compare, bucket by bucket, the share of a simulated process with the share of the data."""
    recorded = _amounts(data, use_events=False)
    if recorded is None or len(recorded) < 2:
        return
    for kind, members in _by_type(simulated):
        # Generated events stand in for luminosity: within a process they are proportional.
        made = _amounts(members, use_events=False) or _amounts(members, use_events=True)
        if made is None or None in made:
            continue
        everything, sum_made = math.fsum(recorded.values()), math.fsum(made.values())
        for bucket, amount in sorted(recorded.items(), key=lambda item: str(item[0])):
            share, expected = made.get(bucket, 0.0) / (sum_made or 1.0), amount / (everything or 1.0)
            if abs(share - expected) > tolerance * expected:
                yield Finding(
                    "bucket-luminosity",
                    f"A bucket's share of the simulated {kind} is not its share of the data.",
                    samples=names(members),
                    key=f"dataset.luminosity of {bucket}",
                    found=f"{share:.2%} of the simulation",
                    expected=f"{expected:.2%} ± {tolerance * expected:.2%}, as in {brief(names(data))}",
                    remedy="produce what is missing, or weight the simulation by bucket and waive this",
                )


def _amounts(members: Sequence[Part], *, use_events: bool) -> dict[str | None, float] | None:
    """Return luminosity (or generated events) per bucket; None if a block does not tell."""
    groups: dict[str | None, list[float | None]] = defaultdict(list)
    for part in members:
        amount = float(part.block.mc_events) if use_events else part.block.luminosity
        groups[part.block.bucket].append(amount)
    result = {}
    for bucket, amounts in groups.items():
        summed = total(amounts)
        if summed is None:
            return None
        result[bucket] = summed
    return result


def _run_information(data: Sequence[Part], run_table: RunTable) -> Iterator[Finding]:
    """Compare runs and luminosity of the data with the run database."""
    for part in data:
        unknown = part.block.run_set.difference(run_table.run_set)
        if unknown and part.block.runs_exact:
            yield Finding(
                "run-gap",
                "Data runs are not in the run database's export.",
                samples=(part.sample,),
                file=run_table.source,
                key="dataset.runs",
                found=_shown(unknown),
                expected="every run of the data",
                remedy="export the run information again, or correct `dataset.runs`",
            )
            continue
        known = run_table.luminosity_of(part.block.run_set)
        told = part.block.luminosity
        if part.block.runs_exact and known and told and abs(known / told - 1) > 0.01:
            yield Finding(
                "luminosity",
                "The luminosity of a sample is not that of its runs.",
                samples=(part.sample,),
                file=run_table.source,
                key=f"dataset.luminosity of {_place(part)}",
                found=f"{told:.6g} fb⁻¹",
                expected=f"{known:.6g} fb⁻¹ (within 1 %), the sum over its runs",
                remedy="correct the luminosity or the list of runs in the metadata",
            )
