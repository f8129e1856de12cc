"""Intervals of validity: which experiments and runs a payload, a file or a bucket covers.

An interval is basf2's: four integers (first experiment, first run, final experiment, final run)
with inclusive ends. A negative final run means "to the end of the experiment", a negative final
experiment "for ever" (basf2's `LocalMetadataProvider` selects payloads by the same rule). Every
(experiment, run) is mapped on one integer, so that unions, intersections and gaps are arithmetic
on integer intervals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

RUN_BITS = 32
LAST_RUN = (1 << RUN_BITS) - 1
LAST_EXPERIMENT = (1 << 30) - 1
FOREVER = (LAST_EXPERIMENT << RUN_BITS) | LAST_RUN


def run_key(experiment: int, run: int) -> int:
    """Position of (experiment, run) on the integer line.

    Examples
    --------
    >>> run_key(31, 1) - run_key(31, 0)
    1
    """
    return (experiment << RUN_BITS) | run


@dataclass(frozen=True, order=True, slots=True)
class IoV:
    """Interval of validity with inclusive ends; negative numbers mean open.

    Parameters
    ----------
    first_experiment, first_run
        Lower end. Negative: from the first experiment (or run) on.
    final_experiment, final_run
        Upper end, inclusive. A negative run reaches the end of the experiment; a negative
        experiment never ends.

    Raises
    ------
    ValueError
        If the interval is reversed, names a run of an undefined experiment, or consists of four
        -1, which basf2 takes for *empty* (for ever is ``0, 0, -1, -1``).
    """

    first_experiment: int
    first_run: int
    final_experiment: int
    final_run: int

    def __post_init__(self) -> None:
        a, b, c, d = self.first_experiment, self.first_run, self.final_experiment, self.final_run
        # Run lists are long and nearly always closed: those are told apart at once.
        if 0 <= a <= c <= LAST_EXPERIMENT and 0 <= b < LAST_RUN and 0 <= d < LAST_RUN and (a < c or b <= d):
            return
        if a < 0 and b < 0 and c < 0 and d < 0:
            raise ValueError(f"the interval {self} is empty by basf2's convention; for ever is 0,0,-1,-1")
        if self.first_experiment < 0 <= self.first_run:
            raise ValueError(f"the interval {self} has a first run but no first experiment")
        if self.final_experiment < 0 <= self.final_run:
            raise ValueError(f"the interval {self} has a final run but no final experiment")
        if max(self.first_experiment, self.final_experiment) > LAST_EXPERIMENT:
            raise ValueError(f"the interval {self} has an impossible experiment number")
        if max(self.first_run, self.final_run) >= LAST_RUN:
            raise ValueError(f"the interval {self} has an impossible run number")
        if self.start > self.end:
            raise ValueError(f"the interval {self} is reversed: it ends before it starts")

    def __str__(self) -> str:
        return ",".join(str(number) for number in self.as_tuple())

    @property
    def start(self) -> int:
        """Key of the first run covered."""
        experiment, run = self.first_experiment, self.first_run
        # Run lists are long: no calls where nothing is open.
        return (experiment << RUN_BITS) | run if experiment >= 0 <= run else run_key(max(experiment, 0), max(run, 0))

    @property
    def end(self) -> int:
        """Key of the last run covered."""
        if self.final_experiment < 0:
            return FOREVER
        return (self.final_experiment << RUN_BITS) | (LAST_RUN if self.final_run < 0 else self.final_run)

    def as_tuple(self) -> tuple[int, int, int, int]:
        """Return the four integers in basf2's order."""
        return (self.first_experiment, self.first_run, self.final_experiment, self.final_run)

    def contains(self, experiment: int, run: int) -> bool:
        """Whether (experiment, run) lies inside, ends included.

        Examples
        --------
        >>> IoV(31, 1, 31, -1).contains(31, 4000), IoV(31, 1, 31, 22).contains(31, 23)
        (True, False)
        """
        return self.start <= run_key(experiment, run) <= self.end

    def intersection(self, other: IoV) -> IoV | None:
        """Return the runs in both, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return None if start > end else IoV.from_keys(start, end)

    def overlaps(self, other: IoV) -> bool:
        """Whether at least one run lies in both."""
        return self.start <= other.end and other.start <= self.end

    @classmethod
    def from_keys(cls, start: int, end: int) -> IoV:
        """Build the interval from the keys of its first and last run (see `run_key`)."""
        final = (-1, -1)
        if end < FOREVER:
            last_run = end & LAST_RUN
            final = (end >> RUN_BITS, -1 if last_run == LAST_RUN else last_run)
        return cls(start >> RUN_BITS, start & LAST_RUN, *final)

    @classmethod
    def parse(cls, text: str) -> IoV:
        """Read ``firstExp,firstRun,finalExp,finalRun`` as basf2's text databases write it.

        Raises
        ------
        ValueError
            If the text does not hold four integers, or they are no interval.
        """
        parts = [part.strip() for part in text.split(",")]
        if len(parts) != 4:
            raise ValueError(f"an interval of validity has four integers, not {text!r}")
        try:
            numbers = [int(part) for part in parts]
        except ValueError:
            raise ValueError(f"an interval of validity has four integers, not {text!r}") from None
        return cls(*numbers)

    @classmethod
    def validate(cls, value: object) -> IoV:
        """Return the interval that four integers are, as JSON and YAML hold them.

        Raises
        ------
        ValueError
            It is not four integers, or they are no interval.
        """
        if isinstance(value, IoV):
            return value
        if isinstance(value, (list, tuple)) and len(value) == 4 and all(type(number) is int for number in value):
            return cls(*value)
        raise ValueError(
            "an interval of validity has four integers: first experiment, first run, final experiment, final run"
        )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.validate,
            # For the JSON Schema of the configuration.
            json_schema_input_schema=core_schema.list_schema(core_schema.int_schema(), min_length=4, max_length=4),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda iov: list(iov.as_tuple())),
        )


class RunSet:
    """A set of runs, kept as disjoint sorted intervals: the normal form of any list of IoVs.

    Parameters
    ----------
    intervals
        Any intervals, overlapping or touching ones included.
    """

    __slots__ = ("_spans",)

    def __init__(self, intervals: Iterable[IoV] = ()) -> None:
        self._spans = _merge((iov.start, iov.end) for iov in intervals)

    @classmethod
    def unite(cls, sets: Iterable[RunSet]) -> RunSet:
        """Return the runs in any of several sets."""
        return cls._from_spans(_merge(span for each in sets for span in each._spans))

    @classmethod
    def of_keys(cls, keys: Iterable[int]) -> RunSet:
        """Return the set of single runs, by their keys (see `run_key`)."""
        return cls._from_spans(_merge((key, key) for key in keys))

    @classmethod
    def _from_spans(cls, spans: list[tuple[int, int]]) -> RunSet:
        result = cls()
        result._spans = spans
        return result

    def __bool__(self) -> bool:
        return bool(self._spans)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunSet) and self._spans == other._spans

    def __hash__(self) -> int:
        return hash(tuple(self._spans))

    def __iter__(self) -> Iterator[IoV]:
        return (IoV.from_keys(*span) for span in self._spans)

    def __len__(self) -> int:
        """Return the number of disjoint intervals (not of runs)."""
        return len(self._spans)

    def __str__(self) -> str:
        return " ".join(str(iov) for iov in self)

    def intervals(self) -> tuple[IoV, ...]:
        """Return the disjoint intervals in order."""
        return tuple(self)

    def experiments(self) -> tuple[int, ...]:
        """Return the experiments that the finite intervals name."""
        found: set[int] = set()
        for start, end in self._spans:
            first, final = start >> RUN_BITS, end >> RUN_BITS
            found.update((first,) if end == FOREVER else range(first, final + 1))
        return tuple(sorted(found))

    def union(self, other: RunSet) -> RunSet:
        """Return the runs in either."""
        return RunSet.unite((self, other))

    def intersection(self, other: RunSet) -> RunSet:
        """Return the runs in both."""
        result, i, j = [], 0, 0
        while i < len(self._spans) and j < len(other._spans):
            (a, b), (c, d) = self._spans[i], other._spans[j]
            if max(a, c) <= min(b, d):
                result.append((max(a, c), min(b, d)))
            if b < d:
                i += 1
            else:
                j += 1
        return RunSet._from_spans(result)

    def difference(self, other: RunSet) -> RunSet:
        """Return the runs of this set that the other lacks: the gaps of ``other`` in ``self``."""
        result, j = [], 0
        for start, end in self._spans:
            while j < len(other._spans) and other._spans[j][1] < start:
                j += 1
            k, at = j, start
            while k < len(other._spans) and other._spans[k][0] <= end:
                if at < other._spans[k][0]:
                    result.append((at, other._spans[k][0] - 1))
                at = other._spans[k][1] + 1
                k += 1
            if at <= end:
                result.append((at, end))
        return RunSet._from_spans(result)


def _merge(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
