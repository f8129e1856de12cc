"""Where everything of a campaign lies: its folder in the campaigns' repository, and the loop's folder.

::

    <repository>/<bucket>/            in git
        campaign.yaml                 the primary configuration, as reviewed
        tasks/<task>.yaml             settings, as reviewed
        setup/                        both as the last setup wrote them: what reviews are compared with
        reviews/<task>.json           approvals: who, when, digest
        issues/<task>.md, tracker.md  texts of the issues (they are the issues where there is no GitLab)
        issues.json                   task → issue
        dependencies.json             layers, for parallel execution
        manifest.json                 digests of all that setup wrote
        forced.json                   what was run or closed in spite of something, with the reason
        run_info.csv                  the bucket's runs
    and after closing
        tags/<staging_gt>/            the bucket's payloads, as a text database
        tag.json                      their manifest: revision, checksum, interval, task
        validation/<task>/            verdicts and figures
        conditions.json               the record that samples refer to
        report.md                     payloads, gaps and overlaps, validation, what was forced
    <work>/<bucket>/<task>/           not in git: what the loop writes
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analysis.campaign import documents
from analysis.campaign.dependencies import Dependencies
from analysis.campaign.discovery import boundaries_outside
from analysis.campaign.primary import Campaign, load
from analysis.campaign.tasks import AnyTask, examine_task
from analysis.conditions.findings import Finding, conditions_error
from analysis.errors import ConditionsError


@dataclass(frozen=True)
class Layout:
    """The places of one campaign.

    Parameters
    ----------
    folder
        The bucket's folder in the repository.
    """

    folder: Path

    @property
    def repository(self) -> Path:
        """The git repository."""
        return self.folder.parent

    @property
    def bucket(self) -> str:
        """The campaign's name."""
        return self.folder.name

    @property
    def primary(self) -> Path:
        """The primary configuration, as reviewed."""
        return self.folder / "campaign.yaml"

    @property
    def record(self) -> Path:
        """The record that samples of the bucket refer to; there once the campaign is closed."""
        return self.folder / "conditions.json"

    def task(self, name: str) -> Path:
        """Return where the settings of a task are, as reviewed."""
        return self.folder / "tasks" / f"{name}.yaml"

    def pristine(self, path: Path) -> Path:
        """Return where the last setup wrote a reviewed document."""
        return self.folder / "setup" / path.relative_to(self.folder)

    def review(self, name: str) -> Path:
        """Return where the approvals of a task are."""
        return self.folder / "reviews" / f"{name}.json"

    @property
    def issue_map(self) -> Path:
        """Task → issue."""
        return self.folder / "issues.json"

    @property
    def dependencies(self) -> Path:
        """The layers."""
        return self.folder / "dependencies.json"

    @property
    def manifest(self) -> Path:
        """Digests of what setup wrote."""
        return self.folder / "manifest.json"

    @property
    def forced(self) -> Path:
        """What was done in spite of something, with the reason."""
        return self.folder / "forced.json"

    @property
    def run_info(self) -> Path:
        """The bucket's runs."""
        return self.folder / "run_info.csv"

    def task_names(self) -> list[str]:
        """All tasks, by the settings there are."""
        return sorted(path.stem for path in (self.folder / "tasks").glob("*.yaml"))


@dataclass(frozen=True)
class TaskFiles:
    """What the loop writes for one task.

    Parameters
    ----------
    folder
        ``<work>/<bucket>/<task>``.
    """

    folder: Path

    @property
    def caf_config(self) -> Path:
        """For b2caf-prompt-run."""
        return self.folder / "caf_config.json"

    @property
    def input_data(self) -> Path:
        """For b2caf-prompt-run."""
        return self.folder / "input_data.json"

    @property
    def selection(self) -> Path:
        """Which runs were taken, and why others were not."""
        return self.folder / "selection.json"

    @property
    def job(self) -> Path:
        """Where the calibration runs."""
        return self.folder / "job"

    @property
    def constants(self) -> Path:
        """The payloads it made; written last."""
        return self.folder / "constants.json"

    @property
    def database(self) -> Path:
        """Text database of the payloads."""
        return self.folder / "database" / "database.txt"

    @property
    def validation(self) -> Path:
        """Where the validation writes."""
        return self.folder / "validation"

    @property
    def failure(self) -> Path:
        """Why the last attempt failed; gone after a success."""
        return self.folder / "failure.json"

    @property
    def status(self) -> Path:
        """Written last, when the constants passed and the issue knows: the task is done."""
        return self.folder / "status.json"


def files_of(campaign: Campaign, task: str) -> TaskFiles:
    """Return where the loop writes for a task; absolute, because calibrations run in folders of their own."""
    return TaskFiles(campaign.paths.work.resolve() / campaign.name / task)


def open_campaign(folder: str | Path) -> tuple[Layout, Campaign]:
    """Return the places and the configuration of a campaign that was set up.

    Raises
    ------
    ConditionsError
        There is none, it has mistakes, or the working directory is another than at its setup.
    """
    layout = Layout(Path(folder).resolve())
    if not layout.primary.is_file():
        raise ConditionsError(
            "Here is no campaign.",
            file=folder,
            found="no campaign.yaml",
            expected="the folder that `campaign setup` made: <repository>/<bucket>",
            remedy="run `python -m analysis campaign setup PRIMARY.yaml` first",
        )
    campaign = load(layout.primary)
    expected = campaign.paths.repository.resolve() / campaign.name
    if layout.folder != expected:
        raise ConditionsError(
            "The campaign's own paths lead elsewhere.",
            file=layout.primary,
            where="name, paths.repository",
            found=str(expected),
            expected=str(layout.folder),
            remedy="work from the directory where setup ran; neither rename nor move the campaign",
        )
    return layout, campaign


def examine_tasks(layout: Layout, campaign: Campaign) -> tuple[dict[str, AnyTask], list[Finding]]:
    """Read the reviewed settings of all tasks; return those that are right, and what is wrong."""
    tasks: dict[str, AnyTask] = {}
    findings: list[Finding] = []
    for name in layout.task_names():
        path = layout.task(name)
        task, found = examine_task(path)
        findings += found
        if task is not None:
            tasks[name] = task
            if task.kind != "local":
                findings += boundaries_outside(task, campaign.iov, str(path))
    return tasks, findings


def read_tasks(layout: Layout, campaign: Campaign) -> dict[str, AnyTask]:
    """Read the reviewed settings of all tasks, or raise with everything wrong."""
    tasks, findings = examine_tasks(layout, campaign)
    if findings:
        raise conditions_error("The reviewed settings have mistakes", findings)
    return tasks


def read_dependencies(layout: Layout) -> Dependencies:
    """Read the layers."""
    return documents.read(layout.dependencies, Dependencies, "The dependencies cannot be used")
