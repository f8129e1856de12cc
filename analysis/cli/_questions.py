"""The questions that ``conditions`` answers about what was made: show, diff, trace, stale."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from analysis import config, io, provenance
from analysis.conditions import difference, staleness, trace
from analysis.conditions.buckets import read_buckets
from analysis.conditions.dryrun import planned
from analysis.conditions.ledger import Ledger, ledger_digest, read_findings, read_ledger
from analysis.conditions.recording import known_tags, record_all
from analysis.conditions.show import changes_table, digests_table, ledger_tree, payloads_table, show
from analysis.errors import ConditionsError
from analysis.log import logger


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="ledger, or any output of the workflow")
    parser.add_argument("--at", metavar="EXP,RUN", help="of a ledger: which payloads the samples got for this run")


def _show(args: argparse.Namespace) -> int:
    """Show the conditions in a ledger, the digests that an output carries, or the payloads of a run."""
    if args.at:
        show(_payloads(ledger_of(args.file, None), args.at))
    elif _is_ledger(args.file):
        show(ledger_tree(read_ledger(args.file)))
        for finding in read_findings(args.file):
            show(str(finding))
    else:
        digests = provenance.read_provenance(args.file)["conditions"]
        show(digests_table(ledger_digest(digests), digests))
    return 0


def _payloads(ledger: Ledger, text: str) -> Table:
    experiment, _, run = text.partition(",")
    if not (experiment.strip().isdigit() and run.strip().isdigit()):
        raise ConditionsError(
            "This is no run.", where="--at", found=text, expected="two numbers: EXPERIMENT,RUN", remedy="say --at 31,12"
        )
    table = payloads_table(ledger, int(experiment), int(run))
    if not table.row_count:
        raise ConditionsError(
            "No payload is known for the run.",
            where="--at",
            found=f"experiment {int(experiment)}, run {int(run)}",
            expected="a run of a sample, whose global tags' contents are known",
            remedy="name databases with the tags' payloads in `conditions: databases:`",
        )
    return table


def _is_ledger(path: str) -> bool:
    return Path(path).suffix == ".json" and {"schema", "samples"} <= set(io.read_json(path))


def ledger_of(path: str, ledger: str | None) -> Ledger:
    """Return the ledger that an output was made under: the one named, or that of its results folder.

    Raises
    ------
    ConditionsError
        There is none beside the output.
    """
    if ledger:
        return read_ledger(ledger)
    if _is_ledger(path):
        return read_ledger(path)
    for folder in list(Path(path).resolve().parents)[:4]:
        if (folder / "conditions/ledger.json").is_file():
            return read_ledger(folder / "conditions/ledger.json")
    raise ConditionsError(
        "No ledger is known for the file.",
        file=path,
        expected="conditions/ledger.json in its results folder",
        remedy="name it with --ledger",
    )


def _diff_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", metavar="A", help="ledger or result")
    parser.add_argument("after", metavar="B", help="ledger or result")
    parser.add_argument("--output", metavar="JSON", help="write the changes here too")


def _diff(args: argparse.Namespace) -> int:
    """Show what changed between two ledgers or results: samples, tags, payloads, runs; exit with 1 if anything did."""
    changes = difference.compare(ledger_of(args.before, None), ledger_of(args.after, None))
    for path in (args.before, args.after):
        _refuse_older(path)
    if not (_is_ledger(args.before) or _is_ledger(args.after)):
        made = [provenance.read_provenance(path) for path in (args.before, args.after)]
        changes += difference.compare_provenance(*made)
        changes += difference.compare_numbers(*(io.read_json(path) for path in (args.before, args.after)))
    if args.output:
        io.write_json(args.output, [vars(change) for change in changes])
    if changes:
        show(changes_table(changes, args.before, args.after))
    logger.info("one difference" if len(changes) == 1 else f"{len(changes)} differences")
    return int(bool(changes))


def _refuse_older(path: str) -> None:
    """Raise if an output is older than the ledger in its folder: the difference would be of other conditions."""
    if _is_ledger(path):
        return
    today = ledger_of(path, None).sample_digests
    told = provenance.read_provenance(path)["conditions"]
    odd = sorted(sample for sample, digest in told.items() if today.get(sample) != digest)
    if odd:
        raise ConditionsError(
            "The ledger in the results folder is not the one that the result was made under.",
            file=path,
            where=", ".join(odd),
            found="other digests of these samples",
            expected="the digests that the result carries",
            remedy="run the workflow to the end, or compare the ledgers themselves",
        )


def _trace_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="RESULT", help="result.json, or any output of the workflow")
    parser.add_argument("--ledger", metavar="JSON", help="default: that of the results folder")
    parser.add_argument("--verify", action="store_true", help="compare the bytes of ntuples as well")
    parser.add_argument("--output", metavar="JSON", help="write the chain here too")


def _trace(args: argparse.Namespace) -> int:
    """Walk from a result to every file and global tag behind it; exit with 1 if the chain is broken."""
    ledger = ledger_of(args.file, args.ledger)
    node = trace.chain(args.file, provenance.read_provenance, verify=args.verify)
    show(trace.tree(node, ledger, _headline(args.file)))
    plain = trace.to_plain(node, ledger)
    if args.output:
        io.write_json(args.output, plain)
    lost = [sample for sample, told in plain["samples"].items() if not told["known"]]
    states = Counter(item.state for item in node.walk())
    logger.info("%s", ", ".join(f"{number} files {state}" for state, number in states.items()))
    for item in node.broken:
        logger.warning("%s is %s", item.path, item.state)
    for sample in lost:
        logger.warning("the conditions of %s have changed since", sample)
    return int(bool(node.broken or lost))


def _headline(path: str) -> str:
    plain: Any = io.read_json(path) if path.endswith(".json") else {}
    mu = plain.get("mu") if isinstance(plain, dict) else None
    if isinstance(mu, dict) and isinstance(mu.get("value"), float):
        return f"μ = {mu['value']:.4g} ± {mu['error']:.4g}"
    return Path(path).name


def _stale_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="YAML", required=True, help="configuration file")
    parser.add_argument("--tag", metavar="NAME", action="append", default=[], help="a global tag that changed")
    parser.add_argument("--bucket", metavar="NAME", action="append", default=[], help="a bucket that changed")
    parser.add_argument("--sample", metavar="NAME", action="append", default=[], help="a sample that changed")
    parser.add_argument("--results", metavar="FOLDER", help="default: results/<name>")
    parser.add_argument("--dry-run", action="store_true", help="compare with Snakemake's own dry run")


def _stale(args: argparse.Namespace) -> int:
    """List the outputs to be made again after a tag, bucket or sample changed (default: what changed since)."""
    configuration = config.load(args.config)
    results = Path(args.results or f"results/{configuration.name}")
    ledger = read_ledger(results / "conditions/ledger.json")
    if args.tag or args.bucket or args.sample:
        reasons = staleness.affected(ledger, tags=args.tag, buckets=args.bucket, samples=args.sample)
    else:
        reasons = staleness.recalibrated(ledger, read_buckets(configuration.conditions.buckets))
        reasons |= staleness.changed(ledger.sample_digests, _today(configuration))
    made = staleness.outputs(results, provenance.read_provenance, ledger.sample_digests)
    paths = staleness.stale(made, reasons)
    for sample, reason in sorted(reasons.items()):
        logger.info("%s: %s", sample, reason)
    for path in paths:
        Console(soft_wrap=True, markup=False, highlight=False).print(path)
    logger.info("%d of %d outputs are to be made again", len(paths), len(made))
    return _compare_with_snakemake(args.config, results, reasons, set(paths)) if args.dry_run else 0


def _today(configuration: config.Config) -> dict[str, str]:
    """Return the digests of the samples as their metadata are now."""
    return {record.sample: record.digest for record in record_all(configuration, known_tags(configuration.conditions))}


def _compare_with_snakemake(configuration: str, results: Path, samples: Iterable[str], predicted: set[str]) -> int:
    """Log what Snakemake would make beyond the prediction, and the other way round; return 1 if anything."""
    records = [str(results / f"conditions/records/{sample}.json") for sample in samples]
    told = planned(configuration, records) if records else set()
    # Files without conditions of their own (logs, pages of text) are made by the same jobs.
    known = {str(path) for path in results.rglob("*") if path.suffix in (".json", ".parquet")}
    more, less = (told & known) - predicted, predicted - told
    if more:
        # What is out of date for other reasons is not the question.
        more -= planned(configuration)
    for path in sorted(more):
        logger.warning("Snakemake would make %s, which carries no such conditions", path)
    for path in sorted(less):
        logger.warning("Snakemake would not make %s", path)
    if not (more or less):
        logger.info("Snakemake would make the same")
    return int(bool(more or less))


ACTIONS = {
    "show": (_show_arguments, _show),
    "diff": (_diff_arguments, _diff),
    "trace": (_trace_arguments, _trace),
    "stale": (_stale_arguments, _stale),
}
