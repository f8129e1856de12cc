"""Conditions for the terminal: samples that were made alike stand together, with what they have in common below."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.tree import Tree

from analysis.conditions.buckets import Bucket
from analysis.conditions.databases import resolve
from analysis.conditions.difference import Change
from analysis.conditions.ledger import Ledger
from analysis.conditions.records import Block, SampleConditions

RUNS_SHOWN = 4


def show(what: RenderableType) -> None:
    """Print to standard output."""
    # Rich assumes 80 columns where there is no terminal, which would fold every path.
    width = None if Console().is_terminal or "COLUMNS" in os.environ else 160
    Console(width=width, markup=False, highlight=False).print(what)


def ledger_tree(ledger: Ledger) -> Tree:
    """Return all conditions of a ledger."""
    root = Tree(f"conditions {ledger.digest[:12]}")
    add_conditions(root, ledger.samples.values(), ledger)
    return root


def add_conditions(root: Tree, records: Iterable[SampleConditions], ledger: Ledger) -> None:
    """Add the conditions of some samples to a tree, one branch for all blocks that were made alike."""
    alike: dict[tuple[Block, str, str | None], list[tuple[SampleConditions, Block]]] = defaultdict(list)
    records = sorted(records, key=lambda record: record.sample)
    for record in records:
        for block in record.blocks:
            title = [_name(block), record.run_dependence, block.background, record.beam_energy, block.release]
            alike[_common(block), ", ".join(filter(None, title)), record.fei_training].append((record, block))
    width = max((len(record.sample) for record in records), default=0)
    for (block, title_text, training), members in alike.items():
        branch = root.add(title_text)
        for record, own in members:
            branch.add(f"{record.sample:<{width}}  {record.digest[:12]}  {_amount(record, own)}")
        branch.add(f"runs {runs_text(block)}")
        if training:
            branch.add(f"FEI training {training}")
        for number, tag in enumerate(block.global_tags, start=1):
            known = ledger.global_tags.get(tag.name)
            content = f", {len(known.content or ())} payload intervals" if known else ""
            branch.add(f"global tag {number}: {tag.name} {tag.state}{content}")
        if block.calibration:
            _add_campaign(branch, block.calibration, ledger.buckets.get(block.bucket or ""))


def _common(block: Block) -> Block:
    """Return a block without what differs between samples made alike: what is in it, not how it was made."""
    own = {"productions": (), "parents": (), "steering": (), "luminosity": None, "n_files": 1}
    return block.model_copy(update={**own, "n_events": 0, "n_full_events": None, "mc_events": 0})


def _name(block: Block) -> str:
    return " ".join(dict.fromkeys(filter(None, (block.bucket, block.campaign))))


def _amount(record: SampleConditions, block: Block) -> str:
    """Return events and luminosity of a block, and its share of the sample's."""
    texts = [f"{block.n_events:>9,} events"]
    share = None
    if record.mc_events:
        texts.append(f"of {block.mc_events:>11,}")
        share = block.mc_events / record.mc_events
    if block.luminosity is not None:
        texts.append(f"{block.luminosity:>9.4g} fb⁻¹")
        share = block.luminosity / record.luminosity if record.luminosity else share
    if len(record.blocks) > 1 and share is not None:
        texts.append(f"{share:7.2%}")
    return " ".join(texts)


def runs_text(block: Block) -> str:
    """Return the first few intervals of a block, and how many more there are."""
    shown = " ".join(str(iov) for iov in block.runs[:RUNS_SHOWN])
    more = len(block.runs) - RUNS_SHOWN
    return shown + (f" and {more} more" if more > 0 else "") + ("" if block.runs_exact else " (the files' ranges)")


def _add_campaign(branch: Tree, digest: str, bucket: Bucket | None) -> None:
    """Add the campaign that calibrated a bucket: its tasks with their reviewed settings, and what was forced."""
    if bucket is None or bucket.digest != digest:
        branch.add(f"calibration campaign: closing record {digest[:12]}, which the ledger does not hold")
        return
    place = branch.add(f"calibration campaign {bucket.bucket} ({bucket.iov}): closing record {digest[:12]}")
    for task, settings in bucket.settings.items():
        verdict = {None: "not validated", True: "validated", False: "validation failed"}[bucket.validated.get(task)]
        place.add(f"{task}: settings {settings[:12]}, {verdict}")
    for reason in bucket.forced:
        place.add(f"forced: {reason}")


def new_table(title: str, *columns: str) -> Table:
    """Return an empty table in the one style of these commands: few lines, long words folded."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def payloads_table(ledger: Ledger, experiment: int, run: int) -> Table:
    """Return which payloads the samples that hold a run got for it, as far as the contents of their tags are known."""
    title = f"payloads of experiment {experiment}, run {run}"
    table = new_table(title, "sample", "payload", "revision", "valid", "global tag")
    for sample, record in sorted(ledger.samples.items()):
        for block in record.blocks:
            if not any(iov.contains(experiment, run) for iov in block.runs):
                continue
            tags = [ledger.global_tags[name] for name in block.tag_names if name in ledger.global_tags]
            for name, (tag, validity) in sorted(resolve(tags, experiment, run).items()):
                table.add_row(sample, name, validity.payload.revision, str(validity.iov), tag.name)
    return table


def digests_table(digest: str, digests: Mapping[str, str]) -> Table:
    """Return the digests that a derived file carries, one row per sample."""
    table = new_table(f"conditions {digest[:12]}", "sample", "digest")
    for sample, value in sorted(digests.items()):
        table.add_row(sample, value[:12])
    return table


def changes_table(changes: Sequence[Change], before: str, after: str) -> Table:
    """Return one row per difference."""
    table = new_table(f"A: {before}\nB: {after}", "sample", "what", "A", "B")
    for change in changes:
        table.add_row(change.sample or "", change.place, change.before or "–", change.after or "–")
    return table


def summary(record: SampleConditions) -> str:
    """Return one line on a sample."""
    tags = ", ".join(tag.name for tag in record.global_tags)
    amount = "" if record.luminosity is None else f", {record.luminosity:.4g} fb⁻¹"
    return (
        f"{record.sample} {record.digest[:12]}: {'/'.join(record.campaigns)}, {record.n_events} events{amount}, {tags}"
    )
