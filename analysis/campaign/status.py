"""Where a campaign stands: a table for the terminal, and what comes next."""

from __future__ import annotations

import os
from collections.abc import Mapping

from rich.table import Table

from analysis.campaign.dependencies import Dependencies
from analysis.campaign.layout import Layout
from analysis.campaign.loop import Progress
from analysis.campaign.primary import Campaign
from analysis.campaign.review import Review
from analysis.campaign.tasks import settings_digest
from analysis.conditions.buckets import read_bucket
from analysis.conditions.show import new_table


def status_table(
    campaign: Campaign, graph: Dependencies, reviews: Mapping[str, Review], progress: Mapping[str, Progress]
) -> Table:
    """Return one row per task, in the order of the layers."""
    title = f"{campaign.name}: {campaign.iov}, {campaign.release}, into {campaign.staging_gt}"
    table = new_table(title, "layer", "task", "kind", "review", "settings", "progress")
    for number, layer in enumerate(graph.layers):
        for name in layer:
            item = reviews[name]
            table.add_row(str(number), name, item.task.kind, _review(item), item.digest[:12], progress[name])
    return table


def _review(item: Review) -> str:
    if item.state == "approved" and item.approval is not None:
        return f"approved by {item.approval.by}, {item.approval.when:%Y-%m-%d %H:%M}"
    void = ", approval void" if item.void else ""
    return f"{item.state}{void}: @{item.task.expert_username}"


def next_step(
    layout: Layout, campaign: Campaign, reviews: Mapping[str, Review], progress: Mapping[str, Progress]
) -> str:
    """Return what is to be done next, as a command."""
    command, folder = "python -m analysis campaign", os.path.relpath(layout.folder)
    pending = [name for name, item in reviews.items() if item.state != "approved"]
    if pending:
        return f"next: {command} approve {folder} {' '.join(pending)}"
    if any(state != "done" for state in progress.values()):
        return f"next: {command} run {folder}"
    record = layout.record
    today = {name: settings_digest(campaign, item.task) for name, item in reviews.items()}
    if not record.exists() or read_bucket(record).settings != today:
        return f"next: {command} close {folder}"
    return f"closed: samples of the bucket refer to {folder}/{record.name}"
