"""Issues in a GitLab project, through python-gitlab (an optional dependency).

An issue of ours carries a mark in its text, by which it is found again: a setup that was killed makes none twice.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from analysis.campaign.primary import Campaign
from analysis.errors import ConditionsError

if TYPE_CHECKING:
    from gitlab.v4.objects import Project, ProjectIssue

_STATUS = "status::"


class GitLabBoard:
    """Issues of one project.

    Parameters
    ----------
    project
        python-gitlab's project.
    bucket
        Label of all issues of the campaign, and part of their marks.
    milestone
        Number of the milestone, or None.
    people
        Finds a user's number by the user name; None where there is no such user.
    """

    def __init__(self, project: Project, bucket: str, milestone: int | None, people: Any) -> None:
        self._project = project
        self._bucket = bucket
        self._milestone = milestone
        self._people = people

    def _mark(self, key: str) -> str:
        return f"<!-- campaign: {self._bucket}/{key} -->"

    def _find(self, key: str) -> ProjectIssue | None:
        for issue in self._project.issues.list(labels=[self._bucket], iterator=True):
            if self._mark(key) in (issue.description or ""):
                return issue
        return None

    def _get(self, key: str) -> ProjectIssue:
        issue = self._find(key)
        if issue is None:
            raise ConditionsError(
                "An issue is missing in the GitLab project.",
                where=self._bucket,
                found=f"no issue with the label {self._bucket} and the mark {self._mark(key)}",
                remedy="run `campaign setup` again: it makes what is missing",
            )
        return issue

    def open(self, key: str, title: str, text: str, assignee: str | None) -> str:
        """Make an issue unless one carries its mark; return its address."""
        issue = self._find(key)
        if issue is None:
            values: dict[str, Any] = {
                "title": title,
                "description": f"{text}\n{self._mark(key)}\n",
                "labels": [self._bucket, f"{_STATUS}draft"],
            }
            if self._milestone is not None:
                values["milestone_id"] = self._milestone
            person = self._people(assignee) if assignee else None
            if person is not None:
                values["assignee_ids"] = [person]
            issue = self._project.issues.create(values)
        return str(issue.web_url)

    def rewrite(self, key: str, text: str) -> None:
        """Replace an issue's text; its mark stays."""
        issue = self._get(key)
        issue.description = f"{text}\n{self._mark(key)}\n"
        issue.save()

    def tell(self, key: str, status: str, note: str) -> None:
        """Set the scoped label ``status::…``; add a note unless it is the last one already."""
        issue = self._get(key)
        labels = [label for label in issue.labels if not label.startswith(_STATUS)] + [f"{_STATUS}{status}"]
        if sorted(labels) != sorted(issue.labels):
            issue.labels = labels
            issue.save()
        body = f"**{status}**: {note.strip()}"
        last = issue.notes.list(order_by="created_at", sort="desc", per_page=1, get_all=False)
        if not last or last[0].body != body:
            issue.notes.create({"body": body})

    def close(self, key: str) -> None:
        """Close the issue."""
        issue = self._get(key)
        if issue.state != "closed":
            issue.state_event = "close"
            issue.save()


@contextlib.contextmanager
def connect(campaign: Campaign) -> Iterator[GitLabBoard]:
    """Yield the board of the campaign's GitLab project.

    Raises
    ------
    ConditionsError
        python-gitlab or the token is missing, or GitLab refuses anything inside the ``with``.
    """
    settings = campaign.issues
    try:
        import gitlab
    except ImportError:
        raise ConditionsError(
            "Issues in GitLab need python-gitlab.",
            where="issues.backend",
            found="python-gitlab is not installed",
            remedy="install the extra `gitlab`, or set `backend: markdown`",
        ) from None
    token = os.environ.get(settings.token_variable)
    if not token:
        raise ConditionsError(
            "There is no access token for GitLab.",
            where="issues.token_variable",
            found=f"the environment has no {settings.token_variable}",
            expected="a token with the scope `api`",
            remedy=f"export {settings.token_variable}=…; it is never written down",
        )
    try:
        with gitlab.Gitlab(settings.url, private_token=token, timeout=30) as server:
            project = server.projects.get(str(settings.project))

            def person(name: str) -> int | None:
                return next((int(user.id) for user in server.users.list(username=name, get_all=False)), None)

            yield GitLabBoard(project, campaign.name, _milestone(project, settings.milestone), person)
    except (gitlab.GitlabError, OSError) as error:
        raise ConditionsError(
            "GitLab refused or cannot be reached.",
            where=f"{settings.url}, {settings.project}",
            found=error,
            remedy="check the address, the project and the token's rights; then run the command again",
        ) from None


def _milestone(project: Project, title: str | None) -> int | None:
    if title is None:
        return None
    for milestone in project.milestones.list(title=title, get_all=False):
        return int(milestone.id)
    raise ConditionsError(
        "The milestone does not exist in the GitLab project.",
        where="issues.milestone",
        found=title,
        remedy="make it in the project, or correct the title",
    )
