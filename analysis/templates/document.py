"""The file ``templates.json``: what it holds, how it is read.

The histograms are stored in the UHI serialisation and open in one line, without this package::

    h = hist.Hist(json.loads(Path("templates.json").read_text())["histograms"]["SR"])

Then ``h["signal", "nominal", ...]`` is a template, ``h["signal", "corr_bb_c1_up", ...]`` a varied one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, JsonValue

from analysis.basf2 import BeamEnergy, SampleType

NOMINAL, UP, DOWN = "nominal", "_up", "_down"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Process(_Model):
    """One simulated sample of the likelihood."""

    name: str
    type: SampleType
    rows: int
    """Rows of its table."""
    weight: float
    """Sum of their weights: events expected in the data set after the preselection."""
    parents: int
    """Distinct signal-side decays (or events of continuum) behind the rows; equals `rows` if none is shared."""
    beam_energy: BeamEnergy = BeamEnergy.ON_RESONANCE
    """It is in the channels of this energy."""


class Axis(_Model):
    """One axis of a channel."""

    column: str
    edges: tuple[float, ...]
    """Half-open bins; the last edge is inclusive."""


class Bin(_Model):
    """One bin, numbered as in the workspace: C order, the last axis running fastest."""

    number: int
    label: str
    ranges: dict[str, tuple[float, float]]
    """Column to lower and upper edge."""


class Yields(_Model):
    """One process in one channel, before any fit; one number per bin, as in the workspace."""

    expected: tuple[float, ...]
    """Sum of weights; the floor in empty bins."""
    error: tuple[float, ...]
    """Statistical error of the simulation; as large as the floor in empty bins."""
    counts: tuple[int, ...]
    """Rows."""
    n_effective: tuple[float, ...]
    """Equivalent number of independent rows."""
    outside_rows: int
    """Rows in no bin of the channel."""
    outside_weight: float


class Channel(_Model):
    """One channel of the likelihood."""

    name: str
    cut: str
    signal_region: bool
    beam_energy: BeamEnergy = BeamEnergy.ON_RESONANCE
    axes: tuple[Axis, ...]
    bins: tuple[Bin, ...]
    processes: dict[str, Yields]
    """Those of the channel's energy."""


class Variation(_Model):
    """One systematic source; in the histograms it is the categories `<name>_up` and `<name>_down`."""

    name: str
    group: str
    note: str
    """Size, and where it comes from."""
    processes: tuple[str, ...]
    """The others keep their nominal contents under it."""
    one_sided: bool
    """The down side is mirrored: 2 × nominal − up, not below zero."""


class Floor(_Model):
    """An empty bin that was given the floor."""

    channel: str
    process: str
    variation: str
    """`nominal`, or the side of a variation that emptied a bin."""
    bin: int
    label: str
    floor: float
    one_row: float | None
    """Mean weight of a row of the process: what a single row in the bin would have counted; None without any row."""


class Ignored(_Model):
    """A configured sample that is in no template."""

    name: str
    reason: str


class LeftOut(_Model):
    """A systematic that could not be applied to some samples."""

    name: str
    samples: tuple[str, ...]
    reason: str


class Document(_Model):
    """The content of ``templates.json``."""

    blinded: bool
    """True: no data of a signal region are in this file, nor anything they could be worked out from."""
    processes: tuple[Process, ...]
    channels: tuple[Channel, ...]
    variations: tuple[Variation, ...]
    floors: tuple[Floor, ...]
    data_samples: tuple[str, ...]
    ignored: tuple[Ignored, ...]
    left_out: tuple[LeftOut, ...] = ()
    """Systematics that lack what they need: alternative columns of the ntuples."""
    histograms: dict[str, JsonValue]
    """Channel to histogram: axes process, variation, then the channel's own; sums of weights and their variances."""
    data: dict[str, JsonValue]
    """Channel to histogram of the data; while blinded, only channels that are no signal region."""
    provenance: JsonValue = None

    def channel_contents(self, channel: str) -> ChannelContents:
        """Return the numbers of a channel as arrays, bins flattened in C order."""
        return ChannelContents.of(self.histograms[channel])

    def observed(self, channel: str) -> NDArray[np.float64] | None:
        """Return the data counts of a channel, (bins,), or None if the file has none."""
        if channel not in self.data:
            return None
        return np.asarray(open_histogram(self.data[channel]).values(), dtype=np.float64).ravel()


class ChannelContents:
    """Numbers of one channel, by process and variation.

    Parameters
    ----------
    histogram
        ``hist.Hist`` with the axes process, variation, then the channel's own.
    """

    def __init__(self, histogram: Any) -> None:
        self._processes = list(histogram.axes["process"])
        self._variations = list(histogram.axes["variation"])
        bins = (len(self._processes), len(self._variations), -1)
        self._values = histogram.values().reshape(bins)
        self._variances = histogram.variances().reshape(bins)

    @classmethod
    def of(cls, stored: JsonValue) -> ChannelContents:
        """Read from the serialised form."""
        return cls(open_histogram(stored))

    def values(self, process: str, variation: str = NOMINAL) -> NDArray[np.float64]:
        """Return the sums of weights, (bins,)."""
        found: NDArray[np.float64] = self._values[self._place(process, variation)]
        return found

    def variances(self, process: str, variation: str = NOMINAL) -> NDArray[np.float64]:
        """Return the statistical variances, (bins,)."""
        found: NDArray[np.float64] = self._variances[self._place(process, variation)]
        return found

    def _place(self, process: str, variation: str) -> tuple[int, int]:
        return self._processes.index(process), self._variations.index(variation)


def open_histogram(stored: JsonValue) -> Any:
    """Return the ``hist.Hist`` of a serialised histogram."""
    import hist

    return hist.Hist(stored)
