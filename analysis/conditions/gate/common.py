"""What the checks share: blocks by kind, and the comparison of what must agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from analysis.conditions.findings import Finding, Severity
from analysis.conditions.records import Block, SampleConditions


@dataclass(frozen=True)
class Part:
    """One block of one sample."""

    record: SampleConditions
    block: Block

    @property
    def sample(self) -> str:
        """Name of the sample."""
        return self.record.sample

    @property
    def plays_data(self) -> bool:
        """Whether the sample is data or pseudo-data."""
        return self.record.type.is_data


def parts(records: Iterable[SampleConditions]) -> list[Part]:
    """Return every block of every sample."""
    return [Part(record, block) for record in records for block in record.blocks]


def names(members: Iterable[Part]) -> tuple[str, ...]:
    """Return the distinct sample names, in order."""
    return tuple(dict.fromkeys(part.sample for part in members))


def disagreements(
    code: str,
    problem: str,
    key: str,
    members: Sequence[Part],
    value: Callable[[Part], Hashable],
    remedy: str,
    *,
    show: Callable[[Hashable], str] = str,
    severity: Severity = Severity.ERROR,
) -> Iterator[Finding]:
    """Yield one finding for every value that is not the one most blocks share.

    Parameters
    ----------
    code, problem, key, remedy, severity
        Of the finding.
    members
        The blocks that must agree.
    value
        What they must agree in.
    show
        How to print it.
    """
    by_value: dict[Hashable, list[Part]] = defaultdict(list)
    for part in members:
        by_value[value(part)].append(part)
    if len(by_value) < 2:
        return
    # The largest group is the reference; sorting by text makes ties independent of the order.
    reference = min(by_value, key=lambda item: (-len(by_value[item]), show(item)))
    for item, odd in sorted(by_value.items(), key=lambda pair: show(pair[0])):
        if item != reference:
            yield Finding(
                code,
                problem,
                severity,
                samples=names(odd),
                key=key,
                found=show(item),
                expected=f"{show(reference)} (as in {brief(names(by_value[reference]))})",
                remedy=remedy,
            )


def brief(samples: Sequence[str], most: int = 6) -> str:
    """Return the first few names and how many more there are.

    Examples
    --------
    >>> brief(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    more = len(samples) - most
    return ", ".join(samples[:most]) + (f" and {more} more" if more > 0 else "")
