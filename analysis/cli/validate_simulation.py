"""Check the toy samples against what is known of them: spectra, pools, efficiencies, composition, ranges of values."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from analysis import config, io, provenance
from analysis.basf2 import SampleType
from analysis.errors import ConfigurationError
from analysis.log import logger

if TYPE_CHECKING:
    from analysis.validation.document import Calibration
    from analysis.validation.generator import Found
    from analysis.validation.samples import Table

HELP = "toy samples -> checks with pass and fail, and the histograms behind them"
SETTINGS = ("seed", "dataset", "samples", "simulation", "templates")
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
    parser.add_argument("--strict", action="store_true", help="exit with status 1 if a check fails")
    parser.add_argument("tables", metavar="PARQUET", nargs="*", help="skims and scored tables of the simulated samples")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from analysis.simulation.detector import SOURCES
    from analysis.validation import samples
    from analysis.validation.document import Validation
    from analysis.validation.generator import detector
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
    scored = list(_tables(args.tables, "bdt", settings))
    channels = settings.templates.channels if settings.templates else ()
    composition = samples.composition(scored, channels)
    checks = [
        *made.checks,
        *of_calibration(calibration),
        *samples.unphysical(_tables(args.tables, "skim", settings)),
        *map(samples.of_composition, composition),
        *samples.independence(scored, channels),
    ]
    result = Validation(
        checks=tuple(checks), q2=made.q2, pools=made.pools, identification=made.identification, peaks=made.peaks,
        calibration=calibration,
        composition=tuple(composition), detector=detector(), sources=dict(SOURCES),
        provenance=provenance.Provenance(
            **provenance.collect(
                "validate_simulation", config.settings(settings, *SETTINGS), inputs=args.tables,
                conditions=provenance.conditions_of(args.tables),
            )
        ),
    )  # fmt: skip
    io.write_json(args.output, result.model_dump(mode="json"))
    for check in result.checks:
        if check.passed is False:
            logger.warning("%s: %s: found %s, expected %s", check.group, check.name, check.found, check.expected)
    n_failed = len(result.failures)
    logger.info("%d of %d checks failed", n_failed, sum(check.passed is not None for check in result.checks))
    return 1 if args.strict and n_failed else 0


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


def _tables(paths: Sequence[str], stage: str, settings: config.Config) -> Iterator[Table]:
    """Yield the simulated samples' tables of a stage."""
    from analysis.validation.samples import Table

    simulated = {sample.name: sample.beam_energy for sample in settings.samples if not sample.type.is_data}
    for path in paths:
        head = io.read_table(path, columns=[]).metadata
        if head["stage"] == stage and head["sample"] in simulated:
            table = io.read_table(path)
            yield Table(head["sample"], SampleType(head["type"]), table.columns, simulated[head["sample"]])
