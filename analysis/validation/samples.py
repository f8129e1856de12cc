"""Checks of what the samples of the workflow hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.basf2 import BeamEnergy, SampleType
from analysis.config.models import Channel
from analysis.ntuples.expression import Expression
from analysis.sharing import decays_of, shared_variance
from analysis.validation.document import Check, Composition
from analysis.validation.ranges import RANGES, outside

Columns = Mapping[str, NDArray[Any]]
BACKGROUNDS = tuple(kind for kind in SampleType if not kind.is_data and kind is not SampleType.SIGNAL)
# Background of region A before the fit: arXiv:2311.14647, inclusive tag.
PUBLISHED: Mapping[SampleType, float] = {
    SampleType.CHARGED: 0.477, SampleType.MIXED: 0.254, SampleType.CCBAR: 0.143, SampleType.SSBAR: 0.071,
    SampleType.UUBAR: 0.036, SampleType.DDBAR: 0.010, SampleType.TAUPAIR: 0.008,
}  # fmt: skip
REASON = (
    "A semileptonic tag must differ: it asks for a fast lepton beside a D, which light quarks give by "
    "misidentification alone, so that BB̄ dominates more strongly; and its B⁻ tag with no further track "
    "favours B⁺B⁻ over B⁰B̄⁰, which enters through a lost slow pion or a wrong tag. Tau pairs have too few tracks. "
    "Of light quarks and tau pairs a file holds one selected event or none: samples of 0.6 to 2 million generated "
    "events each gave 0.2 ± 0.2 (uū), 0.2 ± 0.2 (dd̄), 0.5 ± 0.3 (ss̄) and less than 0.1 (ττ) of some 500 expected in "
    "100 fb⁻¹ by the default selection."
)


@dataclass(frozen=True)
class Table:
    """The rows of one sample, taken at one energy of the beams."""

    name: str
    type: SampleType
    columns: Columns
    beam_energy: BeamEnergy = BeamEnergy.ON_RESONANCE


def unphysical(tables: Iterable[Table]) -> Iterator[Check]:
    """Yield one check per sample: how many values of its ntuples lie outside `RANGES`."""
    for table in tables:
        known = [name for name in table.columns if name in RANGES]
        bad = {name: n for name in known if (n := outside(name, np.asarray(table.columns[name])))}
        rows = len(next(iter(table.columns.values())))
        worst = ", ".join(f"{name} ({n})" for name, n in sorted(bad.items(), key=lambda item: -item[1])[:5])
        yield Check(
            group="unphysical values", name=table.name,
            found=f"{len(bad)} of {len(known)} columns, {rows} rows" + (f": {worst}" if bad else ""),
            expected="none", passed=not bad,
        )  # fmt: skip


def composition(tables: Sequence[Table], channels: Sequence[Channel]) -> list[Composition]:
    """Return the share of each background in every channel on the Υ(4S): below it there is continuum alone.

    Tables hold ``weight`` and what the cuts name.
    """
    found = []
    for channel in channels:
        if channel.off_resonance:
            continue
        events, squares = dict.fromkeys(BACKGROUNDS, 0.0), dict.fromkeys(BACKGROUNDS, 0.0)
        for table in tables:
            if table.type not in BACKGROUNDS:
                continue
            inside = _inside(table, channel)
            events[table.type] += float(table.columns["weight"][inside].sum())
            squares[table.type] += _variance(table.columns, inside)
        total = sum(events.values())
        if total > 0:
            found.append(
                Composition(
                    region=channel.name, events=total,
                    share={kind: value / total for kind, value in events.items()},
                    error={kind: np.sqrt(value) / total for kind, value in squares.items()},
                )
            )  # fmt: skip
    return found


def independence(tables: Sequence[Table], channels: Sequence[Channel]) -> Iterator[Check]:
    """Yield how much more than Poisson the numbers of pseudo-data fluctuate, in all channels together and in each.

    A simulated decay is used several times over. Where the uses of decay i expect m_i events in the data, their number
    has the variance Σ (m_i + m_i²), Poisson and that of the decay's own presence; see `analysis.sharing` for events of
    several decays. It is told of the simulation, whose numbers of decays the pseudo-data share.

    Parameters
    ----------
    tables
        Scored events of simulated samples: ``weight``, the decays behind them and what the channels name.
    channels
        Of the likelihood.
    """
    regions = {"all channels": channels, **{channel.name: [channel] for channel in channels}}
    for name, region in regions.items():
        expected, beyond, sizes = 0.0, 0.0, []
        for table in tables:
            inside = np.any([_inside(table, channel) for channel in region], axis=0)
            events, square = float(table.columns["weight"][inside].sum()), _variance(table.columns, inside)
            if events > 0:
                sizes.append(f"{table.name} {events / square:.3g}")
                expected, beyond = expected + events, beyond + square
        if expected > 0:
            yield Check(
                group="independence of the pseudo-data", name=f"variance over mean of the number of events, {name}",
                found=f"{1 + beyond / expected:.2f}, {expected:.1f} events expected",
                expected="1, if each stood on decays of its own", passed=None,
                note=f"independent simulated events behind an expected one: {', '.join(sizes)}",
            )  # fmt: skip


def _inside(table: Table, channel: Channel) -> NDArray[np.bool_]:
    """Return (n,) bool: the row is of the channel's energy, in its region and inside its axes."""
    columns = table.columns
    inside = np.full(len(columns["weight"]), table.beam_energy is channel.beam_energy)
    if channel.cut:
        inside &= Expression.parse(channel.cut).mask(columns)
    for axis in channel.axes:
        values = columns[axis.column]
        inside &= (values >= axis.edges[0]) & (values <= axis.edges[-1])
    return inside


def _variance(columns: Columns, inside: NDArray[np.bool_]) -> float:
    """Return the variance of a sum of weights of rows that may share simulated decays."""
    decays = decays_of(columns)
    return shared_variance(columns["weight"][inside], None if decays is None else decays[inside])


def of_composition(found: Composition) -> Check:
    """Return the check that BB̄ dominates more strongly than in the inclusive analysis."""
    ours = found.share[SampleType.CHARGED] + found.share[SampleType.MIXED]
    theirs = PUBLISHED[SampleType.CHARGED] + PUBLISHED[SampleType.MIXED]
    error = float(np.hypot(found.error[SampleType.CHARGED], found.error[SampleType.MIXED]))
    return Check(
        group="composition", name=f"share of BB̄ in the background of {found.region}",
        found=f"({100 * ours:.1f} ± {100 * error:.1f}) %",
        expected=f"above {100 * theirs:.1f} %, the inclusive tag's, within 2 errors", passed=ours > theirs - 2 * error,
        note=REASON,
    )  # fmt: skip
