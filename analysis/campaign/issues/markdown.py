"""Issues as Markdown files: offline, and with git as their history.

::

    # Title
    Status: draft

    the text

    ## Log
    - draft: set up
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from analysis.campaign.documents import write_text
from analysis.errors import ConditionsError

_LOG = "\n## Log\n"
_STATUS = re.compile(r"^Status: (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class MarkdownBoard:
    """Issues in a folder.

    Parameters
    ----------
    folder
        ``<bucket>/issues``.
    """

    folder: Path

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.md"

    def _read(self, key: str) -> tuple[str, str, str]:
        """Return the head (title and status), the text and the log."""
        path = self._path(key)
        try:
            content = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise ConditionsError("An issue is missing.", file=path, remedy="run `campaign setup` again") from None
        before, mark, log = content.rpartition(_LOG)
        head, gap, text = before.partition("\n\n")
        if not (mark and gap and _STATUS.search(head)):
            raise ConditionsError(
                "An issue's file lost its form.",
                file=path,
                expected="a title, a line `Status: …`, the text, and `## Log` at the end",
                remedy="restore it from git",
            )
        return head, text, log

    def _write(self, key: str, head: str, text: str, log: str) -> None:
        write_text(self._path(key), f"{head}\n\n{text}{_LOG}{log}")

    def open(self, key: str, title: str, text: str, assignee: str | None) -> str:
        """Make an issue unless its file exists; return the path within the bucket's folder."""
        if not self._path(key).exists():
            person = f"\nAssignee: @{assignee}" if assignee else ""
            self._write(key, f"# {title}\nStatus: draft{person}", text, "")
        return f"{self.folder.name}/{key}.md"

    def rewrite(self, key: str, text: str) -> None:
        """Replace an issue's text; its log stays."""
        head, _, log = self._read(key)
        self._write(key, head, text, log)

    def tell(self, key: str, status: str, note: str) -> None:
        """Set the status; add a line to the log unless it is the last one already."""
        head, text, log = self._read(key)
        line = f"- {status}: " + note.strip().replace("\n", "\n  ") + "\n"
        self._write(
            key, _STATUS.sub(f"Status: {status}", head, count=1), text, log if log.endswith(line) else log + line
        )

    def close(self, key: str) -> None:
        """Set the status to closed."""
        head, text, log = self._read(key)
        self._write(key, _STATUS.sub("Status: closed", head, count=1), text, log)
