"""What the log tells about a set of templates: yields, empty bins, and where there is too little simulation."""

from __future__ import annotations

import logging
from itertools import groupby

import numpy as np

from analysis.basf2 import SampleType
from analysis.templates.document import NOMINAL, Channel, Document, Floor

logger = logging.getLogger(__name__)


def report(document: Document) -> None:
    """Log the yields of every template, and warn of empty bins and of too little simulation."""
    for channel in document.channels:
        for name, yields in channel.processes.items():
            logger.info(
                "Channel %s, %s: %.4g expected events from %d rows; smallest n_eff %.1f; "
                "%d rows (%.4g events) outside.",
                channel.name,
                name,
                sum(yields.expected),
                sum(yields.counts),
                min(yields.n_effective),
                yields.outside_rows,
                yields.outside_weight,
            )
    for each in document.left_out:
        logger.warning("%s is left out of %s: %s.", each.name, ", ".join(each.samples), each.reason)
    for _, floors in groupby(document.floors, key=lambda each: (each.channel, each.process, each.variation)):
        _report_floors(list(floors), document)
    backgrounds = [each.name for each in document.processes if each.type is not SampleType.SIGNAL]
    for channel in document.channels:
        _report_backgrounds(channel, [name for name in backgrounds if name in channel.processes], document)
        _report_statistics(channel)


def _report_floors(floors: list[Floor], document: Document) -> None:
    first = floors[0]
    size = next(len(each.bins) for each in document.channels if each.name == first.channel)
    which = "all bins" if len(floors) == size else f"bins {', '.join(str(each.bin) for each in floors)}"
    logger.warning(
        "Channel %s, %s, %s: %s of %d empty, filled with %s; %s.",
        first.channel,
        first.process,
        first.variation,
        which,
        size,
        ", ".join(f"{level:.3g} ± {level:.3g}" for level in sorted({each.floor for each in floors})),
        "the sample has no rows" if first.one_row is None else f"one simulated row counts {first.one_row:.3g}",
    )


def _report_backgrounds(channel: Channel, backgrounds: list[str], document: Document) -> None:
    counts = np.sum([channel.processes[name].counts for name in backgrounds], axis=0)
    for number in np.flatnonzero(counts == 0).tolist() if backgrounds else ():
        assumed = max(
            (each.floor, each.process)
            for each in document.floors
            if (each.channel, each.variation, each.bin) == (channel.name, NOMINAL, number)
        )
        logger.warning(
            "Channel %s, bin %d (%s): no row of any simulated background. %.3g ± %.3g events of %s are assumed: "
            "data in it must not pass for certain signal. Merge bins, or simulate more.",
            channel.name,
            number,
            channel.bins[number].label,
            assumed[0],
            assumed[0],
            assumed[1],
        )


def _report_statistics(channel: Channel) -> None:
    expected = np.sum([each.expected for each in channel.processes.values()], axis=0)
    variance = np.sum([np.square(each.error) for each in channel.processes.values()], axis=0)
    for number in np.flatnonzero(variance > expected).tolist():
        logger.warning(
            "Channel %s, bin %d (%s): the simulation's error, %.3g of %.3g events, exceeds the data's, %.3g: "
            "merge bins, or simulate more.",
            channel.name,
            number,
            channel.bins[number].label,
            np.sqrt(variance[number]),
            expected[number],
            np.sqrt(expected[number]),
        )
