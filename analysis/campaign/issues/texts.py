"""The texts of the issues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.campaign.documents import to_yaml
from analysis.campaign.primary import Campaign
from analysis.campaign.tasks import AnyTask


def task_text(campaign: Campaign, task: AnyTask, before: Sequence[str]) -> str:
    """Return the text of a task's issue: what it is, and what its expert is asked to do."""
    folder = f"{campaign.paths.repository}/{campaign.name}"
    return f"""{task.description.strip()}

| | |
|---|---|
| bucket | {campaign.name}: {campaign.iov} |
| kind | {task.kind} |
| release | {campaign.release} |
| staging tag | {campaign.staging_gt} |
| global tags | {", ".join(campaign.data)} |
| runs after | {", ".join(before) or "nothing"} |

@{task.expert_username}: please review `{campaign.name}/tasks/{task.name}.yaml`, edit it where needed, then

    python -m analysis campaign review {folder} {task.name}
    python -m analysis campaign approve {folder} {task.name}

Settings at setup:

```yaml
{to_yaml(task)}```
"""


def tracker_text(
    campaign: Campaign,
    layers: Sequence[Sequence[str]],
    references: Mapping[str, str],
    statuses: Mapping[str, str],
) -> str:
    """Return the tracker's text: one line per task, in the order of the layers."""
    lines = [
        f"Calibration of {campaign.name} ({campaign.iov}) with {campaign.release} into {campaign.staging_gt}.",
        "",
        "| layer | task | status | issue |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {number} | {name} | {statuses.get(name, 'draft')} | {references[name]} |"
        for number, layer in enumerate(layers)
        for name in layer
    ]
    return "\n".join(lines) + "\n"
