"""Conditions as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from analysis.conditions.difference import Change
from analysis.conditions.ledger import Ledger
from analysis.conditions.records import Block, SampleConditions


def ledger_table(ledger: Ledger) -> Table:
    """Return one row per sample and bucket."""
    table = Table(title=f"conditions {ledger.digest[:12]}", title_justify="left")
    table.add_column("sample", no_wrap=True)
    for name in ("made in", "global tags", "runs"):
        table.add_column(name, overflow="fold")
    for name in ("events", "fb⁻¹"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("digest", no_wrap=True)
    for sample, record in sorted(ledger.samples.items()):
        for number, block in enumerate(record.blocks):
            first = number == 0
            table.add_row(
                sample if first else "",
                "\n".join(_origin(record, block)),
                "\n".join(f"{tag.name} {tag.state}" for tag in block.global_tags),
                runs_text(block),
                f"{block.n_events:,}",
                "" if block.luminosity is None else f"{block.luminosity:.3f}",
                record.digest[:12] if first else "",
            )
    return table


def _origin(record: SampleConditions, block: Block) -> list[str]:
    """Return what a block was made in: bucket, campaign and background, energy, release."""
    campaign = " ".join(filter(None, (block.campaign, record.run_dependence, block.background)))
    bucket = [] if block.bucket in (None, block.campaign) else [str(block.bucket)]
    return [*bucket, f"{campaign}, {record.beam_energy}", block.release]


def digests_table(digest: str, digests: Mapping[str, str]) -> Table:
    """Return the digests that a derived file carries, one row per sample."""
    table = Table(title=f"conditions {digest[:12]}", title_justify="left")
    table.add_column("sample", no_wrap=True)
    table.add_column("digest", no_wrap=True)
    for sample, value in sorted(digests.items()):
        table.add_row(sample, value)
    return table


def changes_table(changes: Sequence[Change], before: str, after: str) -> Table:
    """Return one row per difference, under the names of what was compared."""
    table = Table(title=f"{len(changes)} differences", title_justify="left")
    table.add_column("sample", no_wrap=True)
    table.add_column("what", overflow="fold")
    table.add_column(before, overflow="fold")
    table.add_column(after, overflow="fold")
    for change in changes:
        table.add_row(change.sample or "", change.place, change.before or "–", change.after or "–")
    return table


def runs_text(block: Block, most: int = 3) -> str:
    """Return the first few intervals of a block, and how many more there are."""
    shown = [str(iov) for iov in block.runs[:most]]
    more = len(block.runs) - most
    return "\n".join([*shown, f"and {more} more"] if more > 0 else shown)


def summary(record: SampleConditions) -> str:
    """Return one line on a sample."""
    tags = ", ".join(tag.name for tag in record.global_tags)
    amount = "" if record.luminosity is None else f", {record.luminosity:.3f} fb⁻¹"
    return (
        f"{record.sample}: {'/'.join(record.campaigns)}, {'/'.join(record.releases)}, [{tags}], "
        f"{record.n_events} events{amount}, {record.digest[:12]}"
    )
