"""Check the toy samples against what is known of them: composition, independence, ranges of values.

What `validate-generator` found in events of its own comes along, so that one account tells everything.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from analysis import config, io, provenance
from analysis.basf2 import SampleType
from analysis.log import logger

if TYPE_CHECKING:
    from analysis.validation.samples import Table

HELP = "toy samples -> checks with pass and fail, and the histograms behind them"
SETTINGS = ("samples", "templates")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", metavar="YAML", required=True, help="configuration file")
    parser.add_argument("--generator", metavar="JSON", required=True, help="what validate-generator found")
    parser.add_argument("--output", metavar="JSON", required=True, help="account to write")
    parser.add_argument("--strict", action="store_true", help="exit with status 1 if a check fails")
    parser.add_argument("tables", metavar="PARQUET", nargs="*", help="skims and scored tables of the simulated samples")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from analysis.simulation.detector import SOURCES
    from analysis.validation import samples
    from analysis.validation.document import Generated, Validation
    from analysis.validation.generator import detector

    settings = config.load(args.config)
    made = io.read_model(args.generator, Generated, "validate-generator")
    scored = list(_tables(args.tables, "bdt", settings))
    channels = settings.templates.channels if settings.templates else ()
    composition = samples.composition(scored, channels)
    checks = [
        *made.checks,
        *samples.unphysical(_tables(args.tables, "skim", settings)),
        *map(samples.of_composition, composition),
        *samples.independence(scored, channels),
    ]
    result = Validation(
        checks=tuple(checks), q2=made.q2, pools=made.pools, identification=made.identification, peaks=made.peaks,
        calibration=made.calibration,
        composition=tuple(composition), detector=detector(), sources=dict(SOURCES),
        provenance=provenance.Provenance(
            **provenance.collect(
                "validate_simulation", config.settings(settings, *SETTINGS), inputs=[args.generator, *args.tables],
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


def _tables(paths: Sequence[str], stage: str, settings: config.Config) -> Iterator[Table]:
    """Yield the simulated samples' tables of a stage."""
    from analysis.validation.samples import Table

    simulated = {sample.name: sample.beam_energy for sample in settings.samples if not sample.type.is_data}
    for path in paths:
        head = io.read_table(path, columns=[]).metadata
        if head["stage"] == stage and head["sample"] in simulated:
            table = io.read_table(path)
            yield Table(head["sample"], SampleType(head["type"]), table.columns, simulated[head["sample"]])
