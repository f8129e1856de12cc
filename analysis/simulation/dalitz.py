"""π⁰ → γe⁺e⁻ made more often in continuum events that are generated whole, and weights that make up for it.

The true leptons of light quarks are of such decays, 1.2 % of those of π⁰: else few events with one would weigh as much
as all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from analysis.simulation.jagged import Array, Floats, Ints, count, offsets

SHARE = 0.1  # of the decays of π⁰
_PI0 = 111


@dataclass(frozen=True)
class Dalitz:
    """Weights of π⁰ that decay to γe⁺e⁻, and of all others: true over generated probability."""

    chosen: float
    other: float

    @classmethod
    def opened(cls, pythia: Any) -> Self:
        """Change PYTHIA's table so that `SHARE` of all π⁰ decay to γe⁺e⁻."""
        entry = pythia.particleData.particleDataEntryPtr(_PI0)
        channels = [entry.channel(i) for i in range(entry.sizeChannels())]
        products = [[channel.product(j) for j in range(channel.multiplicity())] for channel in channels]
        channel, total = channels[products.index([22, 11, -11])], sum(channel.bRatio() for channel in channels)
        was = channel.bRatio() / total
        channel.bRatio((total - channel.bRatio()) * SHARE / (1 - SHARE))
        return cls(was / SHARE, (1 - was) / (1 - SHARE))

    def weights(self, counts: Ints, pdg: Array, mother: Array) -> Floats:
        """Return the weight of every event, (n_events,), from PYTHIA's records; see `histories.History.of`."""
        event = np.repeat(np.arange(len(counts)), counts)
        above = offsets(counts)[event] + mother
        # a second electron would be that of e⁺e⁻e⁺e⁻
        electrons = np.bincount(above[(pdg == 11) & (pdg[above] == _PI0)], minlength=len(pdg))
        pi0 = pdg == _PI0
        chosen, other = (count(event, len(counts), pi0 & decay) for decay in (electrons == 1, electrons != 1))
        return np.asarray(self.chosen**chosen * self.other**other)
