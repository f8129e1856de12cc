"""Check the toy's generator with events of their own: spectrum, pools against whole events, efficiencies, masses."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from analysis import config, io, provenance
from analysis.basf2 import SampleType
from analysis.errors import ConfigurationError

if TYPE_CHECKING:
    from analysis.validation.document import Calibration
    from analysis.validation.generator import Found

HELP = "toy generator -> checks with pass and fail, and the histograms behind them"
SETTINGS = ("seed", "dataset", "simulation")
# Of which some 2100 hold candidates: 75 CPU s in all, with the pools.
EVENTS = {SampleType.SIGNAL: 17_000, SampleType.CHARGED: 400_000, SampleType.MIXED: 490_000}
ROTATIONS = 2
TAG_EVENTS = 60_000
MAX_POOL = 100_000  # decays: the pools are held in memory, whole events are not


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", metavar="YAML", required=True, help="configuration file")
    parser.add_argument("--output", metavar="JSON", required=True, help="account to write")
    for kind, n in EVENTS.items():
        parser.add_argument(
            f"--{kind.value}-events", metavar="N", type=int,
            help=f"whole {kind.value} events to compare the pools with (default {n}, times the toy's scale below 1)",
        )  # fmt: skip
    parser.add_argument(
        "--tag-events", metavar="N", type=int, default=TAG_EVENTS,
        help=f"generic BB̄ events to judge the tags' signal probability with (default {TAG_EVENTS})",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from analysis.validation.document import Generated
    from analysis.validation.tags import of_calibration

    settings = config.load(args.config)
    scale = min(settings.simulation.scale, 1.0) if settings.simulation else 1.0
    events = {
        kind: round(n * scale) if (wanted := getattr(args, f"{kind.value}_events")) is None else wanted
        for kind, n in EVENTS.items()
    }
    for name, n in [*((kind.value, n) for kind, n in events.items()), ("tag", args.tag_events)]:
        if n < 1:
            raise ConfigurationError(
                "A number of events is not positive.", where=f"--{name}-events", found=n, remedy="give more"
            )
    made = _generated(settings, events)
    calibration = _calibration(settings, args.tag_events)
    result = Generated(
        checks=(*made.checks, *of_calibration(calibration)),
        q2=made.q2, pools=made.pools, identification=made.identification, peaks=made.peaks, calibration=calibration,
        provenance=provenance.Provenance(
            **provenance.collect("validate_generator", config.settings(settings, *SETTINGS), inputs=[])
        ),
    )  # fmt: skip
    io.write_json(args.output, result.model_dump(mode="json"))
    return 0


def _generated(settings: config.Config, events: dict[SampleType, int]) -> Found:
    """Simulate whole events and pools, each from seeds of its own, and check them."""
    from analysis.seeds import generator, seed_sequence
    from analysis.simulation import whole
    from analysis.validation.generator import check

    made, pooled = {}, {}
    for kind, n in events.items():
        seeds = 1 + seed_sequence(settings.seed, "validate", kind.value).generate_state(4).astype("int64") % 900_000_000
        rngs = [generator(settings.seed, "validate", kind.value, what) for what in ("whole", "pools")]
        made[kind] = whole.make(kind, n, seeds[:2], rngs[0])
        pooled[kind] = whole.pooled(kind, min(n, MAX_POOL), ROTATIONS, seeds[2:], rngs[1])
    return check(made, pooled, settings.dataset.sqrt_s)


def _calibration(settings: config.Config, events: int) -> Calibration:
    """Judge the signal probability on generic events from seeds of their own."""
    from analysis.seeds import generator, seed_sequence
    from analysis.simulation.tags import probability, training
    from analysis.validation.tags import calibration

    seeds = 1 + seed_sequence(settings.seed, "validate", "tags").generate_state(1).astype("int64") % 900_000_000
    rng = generator(settings.seed, "validate", "tags", "sample")
    return calibration(training.sample(events, seeds, rng, probability.default()))
