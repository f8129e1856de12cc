"""From the tables of all samples to the content of ``templates.json``."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from analysis.basf2 import BeamEnergy, SampleType
from analysis.config.models import Channel, Templates
from analysis.errors import ConfigurationError
from analysis.sharing import DECAYS
from analysis.systematics import Family, Source
from analysis.templates import document
from analysis.templates.binning import Binning, refuse_overlap
from analysis.templates.document import DOWN, NOMINAL, UP, Document
from analysis.templates.fill import Filled, SampleTable, Template, count, fill
from analysis.templates.floors import with_floors
from analysis.templates.report import report
from analysis.templates.resolve import resolve

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Needed:
    """Columns that the templates read from a sample's table: those they cannot do without, and those they can use."""

    required: frozenset[str]
    optional: frozenset[str] = frozenset()


def needed_columns(
    kind: SampleType,
    settings: Templates,
    declared: Sequence[Source | Family],
    *,
    blinded: bool,
    beams: BeamEnergy = BeamEnergy.ON_RESONANCE,
) -> Needed:
    """Return the columns that the templates read from a sample; none if they do not read it at all."""
    channels = [channel for channel in settings.channels if channel.beam_energy is beams]
    if not any(_open(channel, kind, blinded) for channel in channels):
        return Needed(frozenset())
    # Of all channels, those of blinded data too: whether the open ones keep clear of them has to be known.
    names = frozenset[str]().union(*(Binning.of(channel).names for channel in channels))
    if kind.is_data:
        return Needed(names)
    acting = [each for each in declared if each.acts_on(kind, beams)]
    return Needed(
        names.union({"weight"}, *(each.columns for each in acting)),
        frozenset(DECAYS).union(*(each.optional for each in acting)),
    )


def build(
    tables: Callable[[], Iterable[SampleTable]],
    settings: Templates,
    declared: Sequence[Source | Family],
    *,
    blinded: bool,
    provenance: JsonValue = None,
) -> Document:
    """Histogram every sample.

    Parameters
    ----------
    tables
        Returns one table per sample; they are taken one at a time, so that an iterator holds one in memory. Called
        twice if there are families: their components depend on all templates.
    settings
        Channels and bins.
    declared
        Systematic sources and families; each acts on the sample types it names.
    blinded
        Leave the data out of all signal regions. Nothing that could give their number away is written or logged:
        neither counts, nor the number of rows outside the channels.
    provenance
        Written into the document.

    Raises
    ------
    ConfigurationError
        There is no signal sample; no simulated row reaches a channel.
    InputError
        Two channels share a row; a bin has a negative content; a weight is not finite; an axis column is NaN inside a
        region.
    """
    binnings = [Binning.of(channel) for channel in settings.channels]
    sources = resolve(declared, tables, binnings)
    found = _gather(tables(), settings, binnings, sources, blinded)
    filled, floors = with_floors(found.filled, binnings, settings.empty_bin_floor)
    variations = _variations(filled, sources)
    result = Document(
        blinded=blinded,
        processes=tuple(each.process for each in filled),
        channels=tuple(
            _channel(channel, binning, _within(filled, binning))
            for channel, binning in zip(settings.channels, binnings, strict=True)
        ),
        variations=variations,
        floors=tuple(floors),
        data_samples=tuple(found.data_samples),
        ignored=tuple(found.ignored),
        left_out=_left_out(filled, sources),
        histograms={each.channel: _histogram(each, _within(filled, each), variations) for each in binnings},
        data={
            each.channel: _data_histogram(each, found.data[each.channel])
            for each in binnings
            if each.channel in found.data
        },
        provenance=provenance,
    )
    report(result)
    return result


@dataclass
class _Gathered:
    """What the tables gave, while they go by."""

    filled: list[Filled] = field(default_factory=list)
    data: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    data_samples: list[str] = field(default_factory=list)
    ignored: list[document.Ignored] = field(default_factory=list)


def _gather(
    tables: Iterable[SampleTable],
    settings: Templates,
    binnings: Sequence[Binning],
    sources: Sequence[Source],
    blinded: bool,
) -> _Gathered:
    found = _Gathered()
    for table in tables:
        own = [each for each in binnings if each.beam_energy is table.beam_energy]
        if not own:
            reason = f"no channel has `beam_energy: {table.beam_energy}`"
            found.ignored.append(document.Ignored(name=table.name, reason=reason))
            logger.warning("Sample %s is left out: %s.", table.name, reason)
        elif table.type.is_data:
            found.data_samples.append(table.name)
            if table.columns:
                refuse_overlap(table.columns, own, table.name, hide=blinded)
            for channel, counts in _count_data(table, settings.channels, blinded).items():
                found.data[channel] = found.data.get(channel, 0) + counts
        else:
            refuse_overlap(table.columns, own, table.name, hide=False)
            found.filled.append(_fill(table, own, sources))
    _refuse_empty(found.filled, binnings)
    if not any(each.process.type is SampleType.SIGNAL for each in found.filled):
        raise ConfigurationError(
            "There is no signal sample.",
            where="samples",
            found=", ".join(each.process.name for each in found.filled) or "no simulated sample",
            remedy="add a sample with `type: signal`",
        )
    return found


def _within(filled: Sequence[Filled], binning: Binning) -> list[Filled]:
    """Return the samples of a channel: those of its energy."""
    return [each for each in filled if binning.channel in each.templates]


def _refuse_empty(filled: Sequence[Filled], binnings: Sequence[Binning]) -> None:
    """Refuse a channel that no simulated row reaches: nothing is known of what to expect there.

    Either its cut or its edges are wrong, or nothing of the simulation at its energy is selected.
    """
    for binning in binnings:
        own = _within(filled, binning)
        if not filled or any(each.templates[binning.channel].counts.any() for each in own):
            continue
        rows = sum(each.process.rows for each in own)
        raise ConfigurationError(
            "No simulated event reaches a channel.",
            where=f"templates.channels: {binning.channel}",
            found=f"0 of {rows} rows"
            if rows
            else f"no row in {', '.join(each.process.name for each in own) or 'none'}",
            expected="one at least: without any, nothing is known of what to expect beside the data",
            remedy="look at its cut, and at the edges of its axes"
            if rows
            else "simulate more of these samples, or leave the channel (and its data) out of the likelihood",
        )


def _open(channel: Channel, kind: SampleType, blinded: bool) -> bool:
    """Return whether a sample may be looked at in a channel."""
    return not (blinded and kind.is_data and channel.signal_region)


def _count_data(table: SampleTable, channels: Sequence[Channel], blinded: bool) -> dict[str, NDArray[np.int64]]:
    counts = {}
    for channel in channels:
        if channel.beam_energy is not table.beam_energy:
            continue
        if not _open(channel, table.type, blinded):
            logger.info("Channel %s is blinded: sample %s is not histogrammed in it.", channel.name, table.name)
            continue
        counts[channel.name] = count(table.columns, Binning.of(channel))
        logger.info("Channel %s, sample %s: %d events.", channel.name, table.name, counts[channel.name].sum())
    return counts


def _fill(table: SampleTable, binnings: Sequence[Binning], sources: Sequence[Source]) -> Filled:
    declared = [source for source in sources if source.acts_on(table.type, table.beam_energy)]
    acting = [source for source in declared if source.tables <= table.varied.keys()]
    templates = fill(table.columns, binnings, acting, sample=table.name, tables=table.varied)
    parents = table.columns.get("parentId")
    distinct = table.rows
    if parents is None:
        logger.warning("Sample %s has no column parentId: its rows are taken as independent.", table.name)
    else:
        known = parents[parents >= 0]
        distinct = table.rows - len(known) + len(np.unique(known))
    process = document.Process(
        name=table.name,
        type=table.type,
        rows=table.rows,
        weight=float(np.sum(table.columns["weight"], dtype=np.float64)),
        parents=distinct,
        beam_energy=table.beam_energy,
    )
    return Filled(process, templates, tuple(source.name for source in acting))


def _left_out(filled: Sequence[Filled], sources: Sequence[Source]) -> tuple[document.LeftOut, ...]:
    """Return the sources that should act on samples, and do not for want of a varied table."""
    found = []
    for source in sources:
        samples = [
            each.process.name
            for each in filled
            if source.acts_on(each.process.type, each.process.beam_energy) and source.name not in each.sources
        ]  # fmt: skip
        if samples:
            reason = "the ntuples have no alternative columns"
            found.append(document.LeftOut(name=source.name, samples=tuple(samples), reason=reason))
    return tuple(found)


def _variations(filled: Sequence[Filled], sources: Sequence[Source]) -> tuple[document.Variation, ...]:
    found = []
    for source in sources:
        touched = [each for each in filled if source.name in each.sources]
        if touched:
            found.append(
                document.Variation(
                    name=source.name,
                    group=source.group,
                    note=source.note,
                    processes=tuple(each.process.name for each in touched),
                    one_sided=any(
                        template.variations[source.name].one_sided
                        for each in touched
                        for template in each.templates.values()
                    ),
                )
            )
    return tuple(found)


def _channel(channel: Channel, binning: Binning, filled: Sequence[Filled]) -> document.Channel:
    return document.Channel(
        name=channel.name,
        cut=channel.cut,
        signal_region=channel.signal_region,
        beam_energy=channel.beam_energy,
        axes=tuple(document.Axis(column=axis.column, edges=axis.edges) for axis in channel.axes),
        bins=tuple(
            document.Bin(number=number, label=binning.label(number), ranges=binning.ranges(number))
            for number in range(binning.size)
        ),
        processes={each.process.name: _yields(each.templates[channel.name]) for each in filled},
    )


def _yields(template: Template) -> document.Yields:
    return document.Yields(
        expected=tuple(template.nominal.values.tolist()),
        error=tuple(np.sqrt(template.nominal.variances).tolist()),
        counts=tuple(template.counts.tolist()),
        n_effective=tuple(template.n_effective.tolist()),
        outside_rows=template.outside_rows,
        outside_weight=template.outside_weight,
    )


def _histogram(binning: Binning, filled: Sequence[Filled], variations: Sequence[document.Variation]) -> JsonValue:
    """Return the serialised histogram of a channel; a process keeps its nominal contents where nothing varies it."""
    import hist
    import uhi.io.json

    names = [NOMINAL, *(each.name + side for each in variations for side in (UP, DOWN))]
    histogram = hist.Hist(
        hist.axis.StrCategory([each.process.name for each in filled], name="process", flow=False),
        hist.axis.StrCategory(names, name="variation", flow=False),
        *_axes(binning),
        storage=hist.storage.Weight(),
    )
    view = histogram.view()
    for i, each in enumerate(filled):
        template = each.templates[binning.channel]
        rows = [template.nominal]
        for variation in variations:
            varied = template.variations.get(variation.name)
            rows += [varied.up, varied.down] if varied else [template.nominal, template.nominal]
        for j, contents in enumerate(rows):
            view.value[i, j] = contents.values.reshape(binning.shape)
            view.variance[i, j] = contents.variances.reshape(binning.shape)
    stored: JsonValue = json.loads(json.dumps(histogram, default=uhi.io.json.default))
    return stored


def _data_histogram(binning: Binning, counts: NDArray[np.int64]) -> JsonValue:
    import hist
    import uhi.io.json

    histogram = hist.Hist(*_axes(binning), storage=hist.storage.Int64())
    histogram.view()[...] = counts.reshape(binning.shape)
    stored: JsonValue = json.loads(json.dumps(histogram, default=uhi.io.json.default))
    return stored


def _axes(binning: Binning) -> list[Any]:
    import hist

    return [
        hist.axis.Variable(edges, name=column, flow=False)
        for column, edges in zip(binning.columns, binning.edges, strict=True)
    ]
