"""Issues: where the people of a campaign read what is asked of them. One per task, and a tracker of all.

A board keeps issues. There are two: Markdown files in the campaign's folder (default, no network), and GitLab. All
that a board does can be done again without harm, because a killed campaign says everything twice.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from pydantic import RootModel

from analysis.campaign import documents
from analysis.campaign.layout import Layout
from analysis.campaign.primary import Campaign

TRACKER = "tracker"


class Board(Protocol):
    """What keeps the issues."""

    def open(self, key: str, title: str, text: str, assignee: str | None) -> str:
        """Make an issue unless it exists; return its reference: a path, or an address."""

    def rewrite(self, key: str, text: str) -> None:
        """Replace an issue's text."""

    def tell(self, key: str, status: str, note: str) -> None:
        """Set an issue's status; add a note unless it is the last one already."""

    def close(self, key: str) -> None:
        """Close an issue."""


class IssueMap(RootModel[dict[str, str]]):
    """Task → reference of its issue."""


def board(layout: Layout, campaign: Campaign) -> AbstractContextManager[Board]:
    """Return the board that the campaign's configuration asks for; use it in a ``with``."""
    if campaign.issues.backend == "gitlab":
        from analysis.campaign.issues.gitlab import connect

        return connect(campaign)
    from analysis.campaign.issues.markdown import MarkdownBoard

    return nullcontext(MarkdownBoard(layout.folder / "issues"))


def write_map(layout: Layout, references: dict[str, str]) -> None:
    """Write the task → issue map."""
    documents.write_json(layout.issue_map, dict(sorted(references.items())))


def read_map(layout: Layout) -> dict[str, str]:
    """Read the task → issue map."""
    return documents.read(layout.issue_map, IssueMap, "The issue map cannot be used").root
