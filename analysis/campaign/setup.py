"""Setup: from the primary configuration to a folder that people can review."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis import io
from analysis.campaign import dependencies, documents, issues, repository
from analysis.campaign.dependencies import Dependencies
from analysis.campaign.discovery import discover
from analysis.campaign.issues import TRACKER
from analysis.campaign.issues.texts import task_text, tracker_text
from analysis.campaign.layout import Layout, read_tasks
from analysis.campaign.primary import Campaign, load
from analysis.campaign.review import approvals_of
from analysis.campaign.tasks import AnyTask
from analysis.conditions.findings import Finding, raise_for

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setup:
    """What a setup did.

    Parameters
    ----------
    layout
        Where the campaign lies.
    dependencies
        Its layers.
    written, kept, removed
        Reviewed documents that were (re)written; left alone although the release's differ, because somebody edited or
        approved them; taken away because the release no longer has them.
    """

    layout: Layout
    dependencies: Dependencies
    written: tuple[str, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]


def setup(primary: Path) -> Setup:
    """Set a campaign up, or bring it in line with the release again; edits of reviewers are never overwritten.

    Parameters
    ----------
    primary
        The primary configuration.

    Raises
    ------
    ConditionsError
        With every mistake in the configuration, or in the release's settings, at once. Nothing is written then.
    """
    campaign = load(primary)
    tasks, findings = discover(campaign)
    if not findings:
        # Otherwise a task whose settings have mistakes would be reported once more, as missing.
        _, findings = dependencies.examine(tasks)
    raise_for("The release's settings have mistakes", findings)
    layout = Layout(campaign.paths.repository.resolve() / campaign.name)
    texts = {layout.primary: primary.read_text(encoding="utf-8")}
    texts |= {layout.task(name): _task_document(campaign, task) for name, task in tasks.items()}
    gone = [layout.task(name) for name in layout.task_names() if name not in tasks]
    _refuse_to_lose(layout, gone)

    repository.ensure(layout.repository)
    kept = []
    written = []
    for path, text in texts.items():
        if _reviewed(layout, path) and path.read_text(encoding="utf-8") != text:
            if layout.pristine(path).read_text(encoding="utf-8") != text:
                kept.append(str(path.relative_to(layout.folder)))
        elif documents.write_text(path, text):
            written.append(str(path.relative_to(layout.folder)))
    # Only now, because what counts as edited is told by the pristine copies.
    for path, text in texts.items():
        documents.write_text(layout.pristine(path), text)
    for path in gone:
        for file in (path, layout.pristine(path)):
            file.unlink(missing_ok=True)

    # What holds from here on is what the reviewers have, not what the release has.
    reviewed = load(layout.primary)
    graph = refresh_dependencies(layout, read_tasks(layout, reviewed))
    references = _open_issues(layout, reviewed, read_tasks(layout, reviewed), graph)
    issues.write_map(layout, references)
    _write_manifest(layout, texts)
    repository.commit(layout.repository, [layout.folder], f"{campaign.name}: setup of {len(tasks)} tasks")
    for name in kept:
        logger.warning("%s was edited or approved: kept, although the release now says something else", name)
    return Setup(layout, graph, tuple(written), tuple(kept), tuple(path.stem for path in gone))


def refresh_dependencies(layout: Layout, tasks: Mapping[str, AnyTask]) -> Dependencies:
    """Work the layers out again and write them.

    Raises
    ------
    ConditionsError
        A task depends on an unknown one, or on itself in the end; the circle is named.
    """
    graph, findings = dependencies.examine(tasks)
    raise_for("The dependencies have mistakes", findings)
    assert graph is not None
    documents.write_json(layout.dependencies, graph.model_dump(mode="json"))
    return graph


def _task_document(campaign: Campaign, task: AnyTask) -> str:
    return (
        f"# {campaign.name}, task {task.name}. Responsible: {task.expert_username}.\n"
        "# Review and edit; then `campaign review` and `campaign approve`.\n" + documents.to_yaml(task)
    )


def _reviewed(layout: Layout, path: Path) -> bool:
    """Whether somebody edited or approved a document since the last setup."""
    pristine = layout.pristine(path)
    if not (path.exists() and pristine.exists()):
        return False
    edited = path.read_text(encoding="utf-8") != pristine.read_text(encoding="utf-8")
    return edited or (path.parent.name == "tasks" and bool(approvals_of(layout, path.stem)))


def _refuse_to_lose(layout: Layout, gone: list[Path]) -> None:
    raise_for(
        "The release lacks tasks that somebody worked on",
        [
            Finding(
                "task-gone",
                "A task was edited or approved, and the release no longer has it.",
                file=str(path),
                remedy="put its settings back into the release, or delete the file (git keeps it) and run setup again",
            )
            for path in gone
            if _reviewed(layout, path)
        ],
    )


def _open_issues(
    layout: Layout, campaign: Campaign, tasks: Mapping[str, AnyTask], graph: Dependencies
) -> dict[str, str]:
    with issues.board(layout, campaign) as board:
        references = {}
        for layer in graph.layers:
            for name in layer:
                task = tasks[name]
                text = task_text(campaign, task, graph.depends_on[name])
                # The text is kept in the repository, wherever the issue itself is.
                if campaign.issues.backend != "markdown":
                    documents.write_text(layout.folder / "issues" / f"{name}.md", text)
                references[name] = board.open(name, f"{campaign.name}: {name}", text, task.expert_username)
        text = tracker_text(campaign, graph.layers, references, {})
        references[TRACKER] = board.open(TRACKER, f"{campaign.name}: tracker", text, campaign.managers[0])
        board.rewrite(TRACKER, text)
    return references


def _write_manifest(layout: Layout, texts: Mapping[Path, str]) -> None:
    files = sorted(layout.pristine(path).relative_to(layout.folder) for path in texts)
    digests = {str(file): io.sha256_file(layout.folder / file) for file in files}
    documents.write_json(layout.manifest, {"bucket": layout.bucket, "digest": io.digest(digests), "files": digests})
