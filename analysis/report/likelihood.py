"""What the figures show of the likelihood: workspace and fit result, put together with the meaning of the bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.inference.results import ChannelYields, FitResult, Scan
from analysis.plots.histograms import Component, Floats
from analysis.plots.labels import Bins
from analysis.plots.parameters import Pull
from analysis.plots.scans import LikelihoodScan
from analysis.plots.templates import ChannelPlot, Variation
from analysis.templates.document import Channel, Document

Workspace = Mapping[str, Any]


def bins_of(channel: Channel) -> Bins:
    """Return the bins of a channel as the figures label them."""
    return Bins(tuple(axis.column for axis in channel.axes), tuple(axis.edges for axis in channel.axes))


def expected_before(workspace: Workspace) -> dict[str, dict[str, Floats]]:
    """Return the expectation at the initial parameters: channel → sample → (bins,).

    It comes from the model itself, so that factors whose initial value is not 1 are right.
    """
    import pyhf

    model = pyhf.Workspace(workspace).model()
    start = model.config.suggested_init()
    by_sample = np.asarray(model.main_model.expected_data(start, return_by_sample=True), dtype=float)
    return {
        channel: {sample: by_sample[row, where] for row, sample in enumerate(model.config.samples)}
        for channel, where in model.config.channel_slices.items()
    }


def channels_before(
    document: Document, result: FitResult, before: Mapping[str, Mapping[str, Floats]]
) -> list[ChannelPlot]:
    """Return every channel before the fit, with its real data where they may be looked at."""
    return [
        ChannelPlot(
            name=channel.name,
            bins=bins_of(channel),
            components=_components(document, channel, before[channel.name]),
            total=np.asarray(yields.prefit, dtype=float),
            error=np.asarray(yields.prefit_error, dtype=float),
            observed=document.observed(channel.name),
            asimov=False,
        )
        for channel, yields in _paired(document, result)
    ]


def channels_after(document: Document, result: FitResult) -> list[ChannelPlot]:
    """Return every channel after the fit, with what was fitted."""
    return [
        ChannelPlot(
            name=channel.name,
            bins=bins_of(channel),
            components=_components(document, channel, yields.samples),
            total=np.asarray(yields.total, dtype=float),
            error=np.asarray(yields.total_error, dtype=float),
            observed=np.asarray(yields.observed, dtype=float),
            asimov=result.asimov is not None,
        )
        for channel, yields in _paired(document, result)
    ]


def _paired(document: Document, result: FitResult) -> list[tuple[Channel, ChannelYields]]:
    by_name = {channel.channel: channel for channel in result.yields.channels}
    return [(channel, by_name[channel.name]) for channel in document.channels]


def _components(
    document: Document, channel: Channel, values: Mapping[str, Floats | Sequence[float]]
) -> tuple[Component, ...]:
    return tuple(
        Component(process.type, np.asarray(values[process.name], dtype=float), np.zeros(len(values[process.name])))
        for process in document.processes
        if process.name in channel.processes and process.name in values
    )


def variations(workspace: Workspace, document: Document, sample: str) -> list[Variation]:
    """Return what every shape systematic of the fit does to a sample: over all its channels, in their order.

    Where a variation was pruned from a channel it changes nothing there.
    """
    names: dict[str, None] = {}
    found: dict[tuple[str, str], tuple[Floats, Floats]] = {}
    sizes = {channel.name: len(channel.bins) for channel in _holding(document, sample)}
    for channel in workspace["channels"]:
        for entry in channel["samples"]:
            if entry["name"] != sample:
                continue
            nominal = np.asarray(entry["data"], dtype=float)
            for modifier in entry["modifiers"]:
                if modifier["type"] == "histosys":
                    names.setdefault(modifier["name"])
                    sides = (np.asarray(modifier["data"][key], dtype=float) for key in ("hi_data", "lo_data"))
                    up, down = (_ratio(side, nominal) for side in sides)
                    found[modifier["name"], channel["name"]] = up, down
    unchanged = {name: (np.ones(size), np.ones(size)) for name, size in sizes.items()}
    return [
        Variation(
            name,
            *(
                np.concatenate([found.get((name, channel), unchanged[channel])[side] for channel in sizes])
                for side in (0, 1)
            ),
        )
        for name in names
    ]


def _ratio(varied: Floats, nominal: Floats) -> Floats:
    return np.divide(varied, nominal, out=np.full_like(nominal, np.nan), where=nominal > 0)


def statistical(document: Document, sample: str) -> Floats:
    """Return the relative statistical error of a sample's template over all its channels; 1 in floored bins."""
    parts = [channel.processes[sample] for channel in _holding(document, sample)]
    expected = np.concatenate([part.expected for part in parts])
    error = np.concatenate([part.error for part in parts])
    return np.asarray(error / expected, dtype=float)


@dataclass(frozen=True)
class NormFactor:
    """A normalisation systematic of a sample: ``up`` and ``down`` multiply its expectation."""

    name: str
    up: float
    down: float


def normalisations(workspace: Workspace, sample: str) -> list[NormFactor]:
    """Return the normsys modifiers of a sample, in the order of the workspace."""
    found: dict[str, NormFactor] = {}
    for channel in workspace["channels"]:
        for entry in channel["samples"]:
            for modifier in entry["modifiers"]:
                if entry["name"] == sample and modifier["type"] == "normsys":
                    data = modifier["data"]
                    found.setdefault(modifier["name"], NormFactor(modifier["name"], data["hi"], data["lo"]))
    return list(found.values())


def pulls(workspace: Workspace, result: FitResult) -> list[Pull]:
    """Return the pulls of the systematic parameters, simulation statistics left out."""
    statistics = _staterrors(workspace)
    return [
        Pull(each.name, each.pull, each.constraint, each.at_bound)
        for each in result.parameters
        if each.pull is not None and each.constraint is not None and each.name.partition("[")[0] not in statistics
    ]


def simulation_pulls(workspace: Workspace, result: FitResult) -> list[tuple[str, list[Pull]]]:
    """Return the pulls of the parameters of simulation statistics, by channel and sample."""
    groups: dict[str, list[Pull]] = {label: [] for label in _staterrors(workspace).values()}
    for each in result.parameters:
        label = _staterrors(workspace).get(each.name.partition("[")[0])
        if label is not None and each.pull is not None and each.constraint is not None:
            groups[label].append(Pull(each.name, each.pull, each.constraint, each.at_bound))
    return [(label, group) for label, group in groups.items() if group]


def _staterrors(workspace: Workspace) -> dict[str, str]:
    """Return the names of the staterror modifiers with channel and samples that share them."""
    found: dict[str, list[str]] = {}
    for channel in workspace["channels"]:
        for entry in channel["samples"]:
            for modifier in entry["modifiers"]:
                if modifier["type"] == "staterror":
                    found.setdefault(modifier["name"], [channel["name"]]).append(entry["name"])
    return {name: " ".join(words) for name, words in found.items()}


def likelihood_scan(scan: Scan, result: FitResult) -> LikelihoodScan:
    """Put the scan together with the interval and the limit of the fit."""
    mu, limit = result.mu, result.upper_limit
    return LikelihoodScan(
        values=np.array([point.values[0] for point in scan.points]),
        heights=np.array([point.twice_delta_nll for point in scan.points]),
        best=scan.minimum[0],
        errors=(mu.error_lo, mu.error_hi) if mu else None,
        limit=limit.observed if limit else None,
        level=limit.level if limit else 0.90,
        asimov=scan.asimov,
    )


def channel_bins(document: Document, sample: str) -> Sequence[tuple[str, Bins]]:
    """Return name and bins of every channel that holds a sample."""
    return [(channel.name, bins_of(channel)) for channel in _holding(document, sample)]


def _holding(document: Document, sample: str) -> list[Channel]:
    return [channel for channel in document.channels if sample in channel.processes]
