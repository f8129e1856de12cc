"""Both kinds of issues, by the same tests: Markdown files, and GitLab (a stand-in that speaks its REST calls)."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from analysis.campaign import issues
from analysis.campaign.issues.markdown import MarkdownBoard
from analysis.campaign.setup import setup
from analysis.cli import main
from analysis.errors import ConditionsError
from tests.unit.campaign.conftest import Site, finish

PROJECT = "/api/v4/projects/belle2%2Fcalibration"


class GitLab:
    """The state of a GitLab project, and the few calls that the board makes."""

    def __init__(self) -> None:
        self.issues: list[dict[str, Any]] = []
        self.notes: dict[int, list[dict[str, Any]]] = {}
        self.calls: list[str] = []
        self.fail_after: int | None = None

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> tuple[int, Any]:
        self.calls.append(f"{method} {path}")
        creates = sum(call.startswith("POST") for call in self.calls)
        if self.fail_after is not None and method == "POST" and creates > self.fail_after:
            return 503, {"message": "out of order"}
        if path == PROJECT:
            return 200, {"id": 7}
        if path == "/api/v4/users":
            return 200, [{"id": 11}] if query["username"] == ["anna"] else []
        if path == "/api/v4/projects/7/milestones":
            return 200, [{"id": 5, "title": "spring"}] if query["title"] == ["spring"] else []
        if path == "/api/v4/projects/7/issues":
            return self._list(query) if method == "GET" else self._create(body)
        match = re.fullmatch(r"/api/v4/projects/7/issues/(\d+)(/notes)?", path)
        if not match:
            return 404, {"message": "404 Not Found"}
        number = int(match[1])
        if match[2]:
            return self._notes(number, method, body)
        return self._update(number, body)

    def _list(self, query: dict[str, list[str]]) -> tuple[int, Any]:
        wanted = set(query["labels"][0].split(","))
        return 200, [issue for issue in self.issues if wanted <= set(issue["labels"])]

    def _create(self, body: dict[str, Any]) -> tuple[int, Any]:
        number = len(self.issues) + 1
        labels = body["labels"].split(",") if isinstance(body["labels"], str) else body["labels"]
        issue = {**body, "iid": number, "id": 100 + number, "state": "opened", "labels": labels}
        issue["web_url"] = f"http://gitlab/belle2/calibration/-/issues/{number}"
        self.issues.append(issue)
        self.notes[number] = []
        return 201, issue

    def _update(self, number: int, body: dict[str, Any]) -> tuple[int, Any]:
        issue = self.issues[number - 1]
        if body.pop("state_event", None) == "close":
            issue["state"] = "closed"
        if isinstance(body.get("labels"), str):
            body["labels"] = body["labels"].split(",")
        issue.update(body)
        return 200, issue

    def _notes(self, number: int, method: str, body: dict[str, Any]) -> tuple[int, Any]:
        if method == "POST":
            self.notes[number].append({"id": len(self.notes[number]), "body": body["body"]})
            return 201, self.notes[number][-1]
        return 200, self.notes[number][::-1][:1]


@pytest.fixture
def gitlab(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[GitLab, str]]:
    pytest.importorskip("gitlab", reason="python-gitlab (the extra `gitlab`) is not installed")
    state = GitLab()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            url = urlsplit(self.path)
            if self.headers.get("PRIVATE-TOKEN") != "secret":
                status, answer = 401, {"message": "401 Unauthorized"}
            else:
                status, answer = state.answer(self.command, url.path, parse_qs(url.query), body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _serve

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("GITLAB_TOKEN", "secret")
    yield state, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def on_gitlab(site: Site, address: str, more: str = "") -> None:
    text = f"issues: {{backend: gitlab, url: '{address}', project: belle2/calibration{more}}}\nmanagers:"
    site.edit("primary.yaml", "managers:", text)


def board_of(site: Site) -> AbstractContextManager[issues.Board]:
    return issues.board(*site.open())


def test_markdown_issues_can_be_told_twice(site: Site) -> None:
    layout = site.setup()
    path = layout.folder / "issues/energy.md"
    with board_of(site) as board:
        board.tell("energy", "failed", "no beam\n## Log\nand more")
        once = path.read_text()
        board.tell("energy", "failed", "no beam\n## Log\nand more")
        assert path.read_text() == once
        board.rewrite("energy", "New text.")
        board.tell("energy", "done", "validated")
        board.close("energy")
        assert board.open("energy", "again", "other text", None) == "issues/energy.md"
    text = path.read_text()
    assert text.startswith(
        "# bucket40: energy\nStatus: closed\nAssignee: @anna\n\nNew text.\n## Log\n- failed: no beam"
    )
    assert text.endswith("- done: validated\n")


def test_markdown_issues_that_lost_their_form(site: Site) -> None:
    layout = site.setup()
    board = MarkdownBoard(layout.folder / "issues")
    (layout.folder / "issues/energy.md").write_text("gone")
    with pytest.raises(ConditionsError, match="lost its form"):
        board.tell("energy", "done", "x")
    with pytest.raises(ConditionsError, match="An issue is missing"):
        board.close("power")


def test_gitlab_from_setup_to_close(site: Site, gitlab: tuple[GitLab, str]) -> None:
    state, address = gitlab
    on_gitlab(site, address, ", milestone: spring")
    layout = site.setup()
    assert [issue["title"] for issue in state.issues] == [
        f"bucket40: {name}" for name in ("local_svd", "energy", "scale", "tracker")
    ]
    energy = state.issues[1]
    assert (energy["milestone_id"], energy["assignee_ids"]) == (5, [11])
    assert set(energy["labels"]) == {"bucket40", "status::draft"}
    assert energy["description"].endswith("<!-- campaign: bucket40/energy -->\n")
    assert "assignee_ids" not in state.issues[2]
    assert issues.read_map(layout)["energy"] == energy["web_url"]
    assert energy["web_url"] in state.issues[3]["description"]
    # The texts are in the repository, too.
    assert "Settings at setup" in (layout.folder / "issues/energy.md").read_text()
    with board_of(site) as board:
        for _ in range(2):
            board.tell("energy", "done", "validated")
        board.rewrite("energy", "New text.")
        board.close("energy")
        board.close("energy")
    assert set(energy["labels"]) == {"bucket40", "status::done"}
    assert [note["body"] for note in state.notes[2]] == ["**done**: validated"]
    assert energy["description"] == "New text.\n<!-- campaign: bucket40/energy -->\n"
    assert energy["state"] == "closed"


def test_a_campaign_whose_issues_are_in_gitlab(site: Site, gitlab: tuple[GitLab, str]) -> None:
    """The commands themselves, up to the closing: people read all of it in the project's issues."""
    state, address = gitlab
    on_gitlab(site, address)
    site.setup()
    tasks = ("local_svd", "energy", "scale")
    assert main(["campaign", "approve", str(site.folder), *tasks, "--by", "boss"]) == 0
    finish(site)
    assert main(["campaign", "close", str(site.folder)]) == 0
    assert [issue["state"] for issue in state.issues] == ["closed"] * 4
    for number in (1, 2, 3):
        approved, done = (note["body"] for note in state.notes[number])
        assert re.match(r"\*\*approved\*\*: settings \w{12} by boss", approved)
        assert done.startswith("**done**: ")
    assert "| 1 | energy | closed |" in state.issues[3]["description"]


def test_a_setup_that_broke_off_makes_no_issue_twice(site: Site, gitlab: tuple[GitLab, str]) -> None:
    state, address = gitlab
    on_gitlab(site, address)
    state.fail_after = 2
    with pytest.raises(ConditionsError, match="out of order"):
        site.setup()
    assert len(state.issues) == 2
    state.fail_after = None
    assert len(setup(site.primary).layout.task_names()) == 3
    assert len({issue["title"] for issue in state.issues}) == len(state.issues) == 4


@pytest.mark.parametrize(
    ("more", "token", "message"),
    [
        (", milestone: autumn", "secret", "milestone does not exist"),
        ("", "wrong", "GitLab refused.*401 Unauthorized"),
        ("", "", "no GITLAB_TOKEN"),
        ("_other", "secret", "GitLab refused.*404"),
    ],
)
def test_gitlab_that_refuses(
    site: Site, gitlab: tuple[GitLab, str], monkeypatch: pytest.MonkeyPatch, more: str, token: str, message: str
) -> None:
    monkeypatch.setenv("GITLAB_TOKEN", token)
    on_gitlab(site, gitlab[1], more)
    with pytest.raises(ConditionsError) as caught:
        site.setup()
    assert re.search(message, str(caught.value), re.DOTALL), caught.value


def test_gitlab_that_is_not_there(site: Site, gitlab: tuple[GitLab, str]) -> None:
    on_gitlab(site, "http://127.0.0.1:9")
    with pytest.raises(ConditionsError, match="cannot be reached"):
        site.setup()


def test_gitlab_without_its_library(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gitlab", None)
    on_gitlab(site, "http://127.0.0.1:9")
    with pytest.raises(ConditionsError, match="install the extra `gitlab`"):
        site.setup()
