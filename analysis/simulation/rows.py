"""Rows on their way from the simulated events to the ntuple."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from analysis.simulation.histories import Tellers
from analysis.simulation.jagged import Array, Floats, Ints


@dataclass(frozen=True)
class Rows:
    """Candidates of one process.

    Attributes
    ----------
    event : (n,) int64
        Number of the simulated event within the chunk, sorted; candidates of an event stand together.
    weight : (n,) float64
        The sum over rows, divided by ``mc_events``, is the probability per generated event.
    parent, block : (n,) int64
        Decay of the signal-side B (or continuum event) and block of decays that it shares with other rows; numbers
        within the chunk.
    columns
        Canonical column name to array (n,).
    mc_events
        Equivalent number of generated events.
    partner : (n, 2) int64
        Other decays behind the event: that of the other B, or those of both charmed hadrons of cc̄; -1 where there is
        none. A decay has the same number within the chunk wherever it stands, and no other decay has it.
    decay : (n,) object
        Call it for the event's decay string (see `analysis.simulation.histories`): pseudo-data need none.
    """

    event: Ints
    weight: Floats
    parent: Ints
    block: Ints
    columns: Mapping[str, Array]
    mc_events: float
    partner: Ints
    decay: Tellers

    def __len__(self) -> int:
        return len(self.event)

    @property
    def decays(self) -> Ints:
        """(n, 3) decays behind each row, -1 where there is none."""
        return np.column_stack([self.parent, self.partner])

    def shifted(self, start: int) -> Rows:
        """Return the rows with ``start`` added to their event numbers."""
        return replace(self, event=self.event + start)

    def select(self, index: Array) -> Rows:
        """Return the chosen rows."""
        return Rows(
            self.event[index], self.weight[index], self.parent[index], self.block[index],
            {name: values[index] for name, values in self.columns.items()}, self.mc_events, self.partner[index],
            self.decay[index],
        )  # fmt: skip


def numbered(parts: Iterable[Rows]) -> Iterator[Rows]:
    """Yield parts with their event numbers shifted, so that no two parts share one."""
    start = 0
    for part in parts:
        yield part.shifted(start)
        start += int(part.event.max(initial=-1)) + 1


def stack(parts: Iterable[Rows], mc_events: float) -> Rows:
    """Return the rows of several parts; their event numbers must not overlap.

    Give an iterator that nothing else holds on to: then columns of parts are let go as soon as they are put together.
    """
    names = ("event", "weight", "parent", "block", "partner", "decay")
    own: dict[str, list[Array]] = {name: [] for name in names}
    columns_of: list[dict[str, Array]] = []
    for part in parts:
        for name in names:
            own[name].append(getattr(part, name))
        columns_of.append(dict(part.columns))
    if not columns_of:
        raise ValueError("stack needs at least one part")
    del part
    columns = {name: np.concatenate([each.pop(name) for each in columns_of]) for name in list(columns_of[0])}
    joined = {name: np.concatenate(each) for name, each in own.items()}
    return Rows(columns=columns, mc_events=mc_events, **joined)
