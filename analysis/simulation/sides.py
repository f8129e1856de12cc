"""Events in the making: sides whose decays are turned, carried to the laboratory and measured, step by step.

Most events are dropped. So measuring goes in steps, each for what the steps before have left: which charged particles
are found, and as what (`Side.detect`); their tracks (`Side.measure`); clusters, and all that follows, for many events
at once (`together`): arrays of a few hundred numbers would cost more for handling than for numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.simulation.generator import Pool
from analysis.simulation.histories import Chain
from analysis.simulation.jagged import Floats, Ints, gather, on_side, renumbered, stacked
from analysis.simulation.pairing import carried, place
from analysis.simulation.response import Clusters, Detected, Tracks, detect, measure_clusters, measured

AT_ONCE = 5000  # events that are finished together


@dataclass(frozen=True)
class Side:
    """One side of a batch of events: which decay, carried how to the laboratory, conjugated or not.

    Attributes
    ----------
    pool
        Decays.
    parents : (n,) int64
        Decay of every event.
    frame : (4, 4, n) float64
        See `pairing.frames`.
    turn : (n,) int64
        -1 for the CP conjugate of the decay, else 1.
    number
        Which B it is.
    """

    pool: Pool
    parents: Ints
    frame: Floats
    turn: Ints
    number: int

    def select(self, events: Ints) -> Side:
        """Return the side of the chosen events."""
        return replace(self, parents=self.parents[events], frame=self.frame[:, :, events], turn=self.turn[events])

    def detect(self, rng: np.random.Generator) -> Detected:
        """Return which charged particles of all events are found."""
        charged, first = self.pool.charged
        items, owner = gather(first, self.parents)
        p = carried(charged.p[:, items], owner, self.frame)
        found = detect(owner, charged.pdg[items], charged.mother[items], p, rng)
        return replace(found, item=items[found.item], charge=found.charge * self.turn[found.event])

    def measure(self, found: Detected, rng: np.random.Generator) -> Tracks:
        """Return the tracks of particles that `detect` found."""
        particles = place(self.pool.charged[0].select(found.item), found.event, self.frame, self.turn)
        return measured(found, particles, on_side(len(particles.pdg), self.number), rng)

    def clusters(self, rng: np.random.Generator) -> Clusters:
        """Return the clusters of all events."""
        items, owner = gather(self.pool.first, self.parents)
        chosen = self.pool.particles.select(items)
        particles = place(chosen, owner, self.frame, self.turn, vertices=False)
        return measure_clusters(particles, on_side(len(particles.pdg), self.number), rng)

    @property
    def chain(self) -> Chain:
        """Its decays, for decay strings."""
        return Chain(self.pool.history, self.parents, self.turn)

    @property
    def truth(self) -> Ints:
        """What the decays are to a tag, (n,): see `true_tags`."""
        return self.pool.truth[self.parents]


@dataclass(frozen=True)
class Begun:
    """Events whose tracks are measured, and that are worth finishing.

    Attributes
    ----------
    sides
        The decays that are measured; all Begun that are put together have the same pools.
    tracks
        Theirs, and those of a pooled tag; ``event`` is the number of the event.
    weight : (n,) float64
    tag : (n,) int64
        Place of the tag in its pool, if it comes from one.
    """

    sides: tuple[Side, ...]
    tracks: Tracks
    weight: Floats
    tag: Ints

    def __len__(self) -> int:
        return len(self.weight)

    def select(self, events: Ints) -> Begun:
        """Return the chosen events (rising)."""
        return Begun(
            tuple(side.select(events) for side in self.sides), renumbered(self.tracks, events, len(self)),
            self.weight[events], self.tag[events],
        )  # fmt: skip


def together(parts: Iterable[Begun], size: int = AT_ONCE) -> Iterator[Begun]:
    """Put events together until there are ``size`` or more; the last ones may be fewer."""
    waiting: list[Begun] = []
    for part in parts:
        waiting.append(part)
        if sum(len(each) for each in waiting) >= size:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(parts: Sequence[Begun]) -> Begun:
    start = np.cumsum([0, *(len(part) for part in parts)])
    sides = tuple(
        replace(
            several[0],
            parents=np.concatenate([side.parents for side in several]),
            frame=np.concatenate([side.frame for side in several], axis=-1),
            turn=np.concatenate([side.turn for side in several]),
        )
        for several in zip(*(part.sides for part in parts), strict=True)
    )
    tracks = [replace(part.tracks, event=part.tracks.event + s) for part, s in zip(parts, start[:-1], strict=True)]
    return Begun(
        sides, stacked(tracks), np.concatenate([part.weight for part in parts]),
        np.concatenate([part.tag for part in parts]),
    )  # fmt: skip
