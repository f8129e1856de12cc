"""Review: what people changed since setup, and what they approved.

A task is *draft* as set up, *changed* once edited, *approved* while the digest of its settings is the approved one: an
edit after the approval makes it *changed* again.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime

from analysis.campaign import documents
from analysis.campaign.documents import Model
from analysis.campaign.layout import Layout
from analysis.campaign.primary import Campaign
from analysis.campaign.tasks import AnyTask, examine_task, settings_digest
from analysis.conditions.metadata import Digest
from analysis.errors import ConditionsError

State = Literal["draft", "changed", "approved"]


class Approval(Model):
    """Who approved what, and when."""

    by: str
    when: AwareDatetime
    digest: Digest
    """Of the settings' content, the campaign's tags included; comments and layout do not count."""
    comment: str = ""


class ApprovalFile(Model):
    """A task's ``reviews/<task>.json``."""

    approvals: tuple[Approval, ...] = ()


@dataclass(frozen=True)
class Review:
    """Where the review of a task stands.

    Parameters
    ----------
    state
        draft, changed or approved.
    digest
        Of the settings as they are now.
    approval
        The last approval, whether or not it still counts.
    difference
        Unified difference to setup; "" if there is none.
    """

    task: AnyTask
    state: State
    digest: str
    approval: Approval | None
    difference: str

    @property
    def void(self) -> bool:
        """Whether an approval was made void by a later edit."""
        return self.approval is not None and self.state != "approved"


def approvals_of(layout: Layout, name: str) -> tuple[Approval, ...]:
    """Return all approvals of a task."""
    path = layout.review(name)
    if not path.exists():
        return ()
    return documents.read(path, ApprovalFile, "The approvals cannot be used").approvals


def difference_to_setup(layout: Layout, path: Path) -> str:
    """Return how a reviewed document differs from what the last setup wrote, as a unified difference."""
    pristine = layout.pristine(path)
    name = path.relative_to(layout.folder)
    old = pristine.read_text(encoding="utf-8") if pristine.exists() else ""
    new = path.read_text(encoding="utf-8")
    return "".join(
        difflib.unified_diff(
            old.splitlines(keepends=True), new.splitlines(keepends=True), f"setup/{name}", str(name), n=1
        )
    )


def state_of(layout: Layout, campaign: Campaign, task: AnyTask) -> Review:
    """Return where the review of a task stands."""
    digest = settings_digest(campaign, task)
    approvals = approvals_of(layout, task.name)
    last = approvals[-1] if approvals else None
    original, _ = examine_task(layout.pristine(layout.task(task.name)))
    before, _ = documents.examine(layout.pristine(layout.primary), Campaign)
    state: State = "changed"
    if last is not None and last.digest == digest:
        state = "approved"
    elif original is not None and before is not None and settings_digest(before, original) == digest:
        state = "draft"
    return Review(task, state, digest, last, difference_to_setup(layout, layout.task(task.name)))


def states(layout: Layout, campaign: Campaign, tasks: Mapping[str, AnyTask]) -> dict[str, Review]:
    """Return where the review of each task stands."""
    return {name: state_of(layout, campaign, task) for name, task in sorted(tasks.items())}


def approve(layout: Layout, campaign: Campaign, task: AnyTask, by: str, when: AwareDatetime, comment: str = "") -> bool:
    """Approve a task's settings as they are; return False if they are already.

    Raises
    ------
    ConditionsError
        The person is neither the task's expert nor a manager of the campaign.
    """
    entitled = (task.expert_username, *campaign.managers)
    if by not in entitled:
        raise ConditionsError(
            "This person may not approve the task.",
            file=layout.task(task.name),
            found=by,
            expected=f"its expert or a manager: {', '.join(dict.fromkeys(entitled))}",
            remedy="give your user name by `--by`, or ask one of them",
        )
    review = state_of(layout, campaign, task)
    if review.state == "approved":
        return False
    approval = Approval(by=by, when=when, digest=review.digest, comment=comment)
    approvals = ApprovalFile(approvals=(*approvals_of(layout, task.name), approval))
    documents.write_json(layout.review(task.name), approvals.model_dump(mode="json"))
    return True


class Forced(Model):
    """What was done in spite of something."""

    action: str
    by: str
    when: AwareDatetime
    reason: str
    in_spite_of: tuple[str, ...]


class ForcedFile(Model):
    """A campaign's ``forced.json``."""

    forced: tuple[Forced, ...] = ()


def forced_of(layout: Layout) -> tuple[Forced, ...]:
    """Return what was forced so far."""
    if not layout.forced.exists():
        return ()
    return documents.read(layout.forced, ForcedFile, "The record of what was forced cannot be used").forced


def record_force(layout: Layout, forced: Forced) -> None:
    """Record what was forced; once, however often the same command is started again.

    Raises
    ------
    ConditionsError
        The reason is none.
    """
    if len(forced.reason.split()) < 2:
        raise ConditionsError(
            "Forcing needs a reason.",
            where="--force",
            found=repr(forced.reason),
            expected="a sentence: it is kept in forced.json and in the report",
            remedy="say why, in two words at least",
        )
    before = forced_of(layout)
    same = {"action", "reason", "in_spite_of"}
    if any(old.model_dump(include=same) == forced.model_dump(include=same) for old in before):
        return
    documents.write_json(layout.forced, ForcedFile(forced=(*before, forced)).model_dump(mode="json"))
