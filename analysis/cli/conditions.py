"""Conditions bookkeeping: with which release, global tags, runs, buckets the samples were made."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import asdict

from analysis import config, io, provenance
from analysis.cli import _impact, _questions
from analysis.conditions.buckets import read_buckets
from analysis.conditions.findings import Finding, raise_for
from analysis.conditions.gate import check, outputs
from analysis.conditions.ledger import Ledger, build, read_ledger
from analysis.conditions.recording import known_tags, record, record_all, source_of
from analysis.conditions.records import read_record, record_to_plain
from analysis.conditions.rootfile import root_identifier
from analysis.conditions.runinfo import read_runs
from analysis.conditions.show import summary
from analysis.config.models import ConditionsSettings
from analysis.errors import ConditionsError
from analysis.log import logger

HELP = "record, check, show and trace the conditions of all samples"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, (add, run_action) in ACTIONS.items():
        action = actions.add_parser(name, help=run_action.__doc__, description=run_action.__doc__)
        add(action)
        action.set_defaults(run_action=run_action)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    action: Callable[[argparse.Namespace], int] = args.run_action
    return action(args)


def _record_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="YAML", required=True, help="configuration file")
    parser.add_argument("--sample", required=True, help="name of the sample")
    parser.add_argument("--output", metavar="JSON", required=True, help="record to write")
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="metadata sidecars or ntuples; default: those of the configuration",
    )


def _record(args: argparse.Namespace) -> int:
    """Read a sample's metadata into its conditions record."""
    configuration = config.load(args.config)
    sample = configuration.sample(args.sample)
    source = source_of(sample, args.files)
    settings = configuration.conditions
    conditions = record(source, known_tags(settings))
    plain = record_to_plain(conditions)
    plain["provenance"] = provenance.collect(
        "conditions",
        config.settings(settings, "global_tag_states", "databases")
        | config.settings(sample, "name", "type", "simulated"),
        inputs=[*(path for path in source.sidecars if path.suffix != ".root"), *settings.databases],
        # The bytes of a large ROOT file are not read for its metadata: its own identifier stands for them.
        input_digests={str(path): root_identifier(path) for path in source.sidecars if path.suffix == ".root"},
        conditions={sample.name: conditions.digest},
    )
    io.write_json(args.output, plain)
    logger.info("%s", summary(conditions))
    return 0


def _ledger_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="YAML", required=True, help="configuration file")
    parser.add_argument("--output", metavar="JSON", required=True, help="ledger to write")
    parser.add_argument(
        "records",
        metavar="RECORD",
        nargs="*",
        help="records of all samples; default: read their metadata now",
    )


def _ledger(args: argparse.Namespace) -> int:
    """Put the records of all samples into one ledger; stop if they do not belong together."""
    configuration = config.load(args.config)
    ledger = _gather(configuration, args.records)
    findings = _examine(ledger, configuration)
    raise_for("The samples of this analysis do not belong together", findings)
    plain = ledger.to_plain()
    plain["findings"] = [asdict(finding) for finding in findings]
    plain["provenance"] = provenance.collect(
        "conditions",
        config.settings(configuration, "conditions", "dataset", "samples"),
        inputs=args.records,
        conditions=ledger.sample_digests,
    )
    io.write_json(args.output, plain)
    logger.info("ledger %s: %d samples belong together", ledger.digest[:12], len(ledger.samples))
    return 0


def _examine(ledger: Ledger, configuration: config.Config | None, more: Iterable[Finding] = ()) -> list[Finding]:
    """Ask the gate, and log what does not stop the workflow."""
    if configuration is None:
        findings = check(ledger, ConditionsSettings(), more=more)
    else:
        settings = configuration.conditions
        runs = read_runs(settings.run_information) if settings.run_information else None
        findings = check(ledger, settings, configuration.dataset, runs, more)
    for finding in findings:
        if not finding.stops:
            # The log has a level of its own.
            logger.warning("%s", str(finding).removeprefix("warning: "))
    return findings


def _gather(configuration: config.Config, records: list[str]) -> Ledger:
    known, buckets = known_tags(configuration.conditions), read_buckets(configuration.conditions.buckets)
    gathered = (read_record(path) for path in records) if records else record_all(configuration, known)
    return build(gathered, known, buckets)


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="YAML", help="configuration: its samples, waivers, luminosity")
    parser.add_argument("--ledger", metavar="JSON", help="ledger to check; default: read the metadata now")
    parser.add_argument("--trained-under", metavar="JSON", help="ledger of the classifier's training")
    parser.add_argument("outputs", metavar="OUTPUT", nargs="*", help="files that must be of these conditions")


def _check(args: argparse.Namespace) -> int:
    """Check that samples belong together; exit with status 1 and explain if they do not."""
    if not (args.config or args.ledger):
        raise ConditionsError(
            "There is nothing to check.", where="--config, --ledger", found="neither", remedy="give one of them"
        )
    configuration = config.load(args.config) if args.config else None
    ledger = read_ledger(args.ledger) if args.ledger or not configuration else _gather(configuration, [])
    if args.ledger and configuration:
        # The configuration may name newer records than those that the ledger was made with.
        ledger = ledger.model_copy(update={"buckets": read_buckets(configuration.conditions.buckets)})
    made = {path: provenance.read_provenance(path)["conditions"] for path in args.outputs}
    of_outputs = list(outputs.stale(ledger, made))
    if args.trained_under:
        of_outputs += outputs.training(read_ledger(args.trained_under), ledger)
    raise_for("The samples of this analysis do not belong together", _examine(ledger, configuration, of_outputs))
    logger.info("%d samples checked, ledger %s", len(ledger.samples), ledger.digest[:12])
    return 0


ACTIONS = {
    "record": (_record_arguments, _record),
    "ledger": (_ledger_arguments, _ledger),
    "check": (_check_arguments, _check),
    **_questions.ACTIONS,
    "impact": (_impact.add_arguments, _impact.run),
}
