"""Prompt-calibration campaigns: set up, review, run and close the calibration of a bucket.

Paths in the primary configuration start at the working directory: work from the same one throughout.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from analysis import io
from analysis.campaign import closing, dependencies, documents, execution, issues, repository, review
from analysis.campaign.dependencies import Dependencies
from analysis.campaign.execution import Status, Validation
from analysis.campaign.inputs import bucket_runs, run_info_csv
from analysis.campaign.issues import TRACKER
from analysis.campaign.layout import Layout, examine_tasks, files_of, open_campaign, read_tasks
from analysis.campaign.loop import Progress, alone, progress_of, run_loop, update_tracker
from analysis.campaign.payloads import read_entries
from analysis.campaign.primary import Campaign
from analysis.campaign.review import Forced, Review
from analysis.campaign.setup import refresh_dependencies, setup
from analysis.campaign.status import next_step, status_table
from analysis.campaign.tasks import AnyTask, settings_digest
from analysis.conditions.buckets import read_bucket
from analysis.conditions.findings import Finding, conditions_error, raise_for
from analysis.conditions.gate import calibration
from analysis.conditions.records import read_record
from analysis.conditions.runinfo import read_runs
from analysis.conditions.show import show
from analysis.errors import AnalysisError, ConditionsError, choice
from analysis.log import logger

HELP = "set up, review, run and close a prompt-calibration campaign"

STEPS = ("calibrate", "validate")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, (run_action, arguments) in ACTIONS.items():
        action = actions.add_parser(name, help=run_action.__doc__, description=run_action.__doc__)
        for flags, options in arguments:
            action.add_argument(*flags, **options)  # type: ignore[arg-type]
        action.set_defaults(run_action=run_action)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    action: Callable[[argparse.Namespace], int] = args.run_action
    return action(args)


def _setup(args: argparse.Namespace) -> int:
    """Set a campaign up, or bring it in line with the release again; reviewers' edits are never overwritten."""
    done = setup(Path(args.primary))
    logger.info(
        "%s: %d tasks in %d layers", done.layout.folder, len(done.layout.task_names()), len(done.dependencies.layers)
    )
    for what, names in (("written", done.written), ("kept as reviewed", done.kept), ("removed", done.removed)):
        if names:
            logger.info("%s: %s", what, ", ".join(names))
    return 0


def _status(args: argparse.Namespace) -> int:
    """Show every task: review, progress, and how it differs from setup."""
    layout, campaign = open_campaign(args.folder)
    tasks = read_tasks(layout, campaign)
    graph, findings = dependencies.examine(tasks)
    if graph is None:
        raise conditions_error("The dependencies have mistakes", findings)
    reviews = review.states(layout, campaign, tasks)
    for difference in (
        review.difference_to_setup(layout, layout.primary),
        *(item.difference for item in reviews.values()),
    ):
        if difference:
            show(difference)
    _show_status(layout, campaign, graph, reviews, progress_of(campaign, tasks))
    return 0


def _review(args: argparse.Namespace) -> int:
    """Check edited settings, show how they differ from setup, commit them, and tell their issues."""
    layout, campaign = open_campaign(args.folder)
    tasks, findings = examine_tasks(layout, campaign)
    if findings:
        raise conditions_error("The reviewed settings have mistakes", findings)
    refresh_dependencies(layout, tasks)
    reviews = {name: review.state_of(layout, campaign, tasks[name]) for name in _chosen(args.tasks, tasks)}
    with issues.board(layout, campaign) as board:
        for name, item in reviews.items():
            show(item.difference or f"{name}: as set up")
            if item.state == "changed":
                board.tell(name, item.state, f"settings {item.digest[:12]}\n```diff\n{item.difference}```")
    for name in [name for name, item in reviews.items() if item.void]:
        logger.warning("%s was edited after its approval: it must be approved again", name)
    repository.commit(layout.repository, [layout.folder], f"{campaign.name}: review of {', '.join(reviews)}")
    return 0


def _approve(args: argparse.Namespace) -> int:
    """Approve tasks as they are now."""
    layout, campaign = open_campaign(args.folder)
    tasks = read_tasks(layout, campaign)
    chosen = _chosen(args.tasks, tasks)
    by = args.by or repository.user(layout.repository)
    with issues.board(layout, campaign) as board:
        for name in chosen:
            if review.approve(layout, campaign, tasks[name], by, datetime.now(UTC), args.comment):
                digest = settings_digest(campaign, tasks[name])
                board.tell(name, "approved", f"settings {digest[:12]} by {by}. {args.comment}")
    repository.commit(layout.repository, [layout.folder], f"{campaign.name}: {by} approves {', '.join(chosen)}")
    return 0


def _chosen(names: Sequence[str], tasks: Mapping[str, AnyTask]) -> list[str]:
    if not names:
        return list(tasks)
    unknown = [name for name in names if name not in tasks]
    if unknown:
        raise ConditionsError(
            "There is no such task." if len(unknown) == 1 else f"There are no such {len(unknown)} tasks.",
            where="TASK",
            found=", ".join(unknown),
            expected="; ".join(f"{name}: {choice(name, tasks)}" for name in unknown),
            remedy="correct the names; `campaign status` lists them",
        )
    return list(names)


def _run(args: argparse.Namespace) -> int:
    """Run the loop, or resume it: only if all tasks are approved, or with --force and a reason."""
    layout, campaign = open_campaign(args.folder)
    with alone(campaign) as lock:
        tasks = read_tasks(layout, campaign)
        reviews = review.states(layout, campaign, tasks)
        pending = {name: item for name, item in reviews.items() if item.state != "approved"}
        findings = [_not_approved(layout, name, item) for name, item in pending.items()]
        _refuse_or_force(layout, "run", "Not everything is approved", findings, args.force)
        graph = refresh_dependencies(layout, tasks)
        runs = bucket_runs(read_runs(campaign.paths.run_database), campaign.iov)
        documents.write_text(layout.run_info, run_info_csv(runs))
        execution.prepare(campaign, tasks, runs)
        repository.commit(layout.repository, [layout.folder], f"{campaign.name}: run")
        status = run_loop(layout, lock, args.cores, args.snakemake)
        progress = progress_of(campaign, tasks)
        update_tracker(layout, campaign, progress)
        repository.commit(layout.repository, [layout.folder], f"{campaign.name}: {_count(progress)}")
    _show_status(layout, campaign, graph, reviews, progress)
    return 1 if status else 0


def _count(progress: Mapping[str, Progress]) -> str:
    return f"{sum(value == 'done' for value in progress.values())} of {len(progress)} tasks done"


def _not_approved(layout: Layout, name: str, item: Review) -> Finding:
    return Finding(
        "not-approved",
        "A task is not approved.",
        file=str(layout.task(name)),
        found=f"{item.state}, edited after its approval" if item.void else item.state,
        expected="approved",
        remedy=f"ask @{item.task.expert_username}, or run with --force REASON",
    )


def _refuse_or_force(layout: Layout, action: str, title: str, findings: Sequence[Finding], reason: str | None) -> None:
    stopping = [finding for finding in findings if finding.stops]
    if not stopping:
        return
    if reason is None:
        raise conditions_error(title, stopping)
    in_spite_of = tuple(f"{item.code}: {item.key or item.file or ''} {item.found or ''}" for item in stopping)
    by = repository.user(layout.repository)
    forced = Forced(action=action, by=by, when=datetime.now(UTC), reason=reason, in_spite_of=in_spite_of)
    review.record_force(layout, forced)
    logger.warning("forced: %d findings are recorded with your reason", len(stopping))


def _step(args: argparse.Namespace) -> int:
    """Do steps of one task: what the loop's rules call."""
    layout, campaign = open_campaign(args.folder)
    tasks = read_tasks(layout, campaign)
    (name,) = _chosen([args.task], tasks)
    task, files = tasks[name], files_of(campaign, name)
    files.folder.mkdir(parents=True, exist_ok=True)
    files.failure.unlink(missing_ok=True)
    try:
        if "calibrate" in args.steps:
            execution.calibrate(layout, campaign, task)
        if "validate" in args.steps:
            validation = execution.validate(layout, campaign, task)
            _tell_done(layout, campaign, name, validation)
            io.write_json(files.status, Status(task=name, validation=validation).model_dump(mode="json"))
    except AnalysisError as error:
        io.write_json(files.failure, {"task": name, "steps": args.steps, "error": str(error)})
        _tell_failed(layout, campaign, name, error)
        raise
    return 0


def _tell_done(layout: Layout, campaign: Campaign, name: str, validation: Validation | None) -> None:
    lines = ["not validated" if validation is None else "validated"]
    for entry in read_entries(files_of(campaign, name).database):
        lines.append(f"- {entry.name} {entry.validity.payload.revision} {entry.iov}")
    for check in validation.checks if validation else ():
        lines.append(f"- {check.name}: {check.value:.6g}, expected {check.expected:g} ± {check.tolerance:.2g}")
    with issues.board(layout, campaign) as board:
        board.tell(name, "done", "\n".join(lines))


def _tell_failed(layout: Layout, campaign: Campaign, name: str, error: AnalysisError) -> None:
    try:
        with issues.board(layout, campaign) as board:
            board.tell(name, "failed", f"\n```\n{error}\n```")
    except AnalysisError as second:
        # The step's own error is the one to show; that nobody was told is worth a warning.
        logger.warning("the issue of %s was not told: %s", name, second)


def _close(args: argparse.Namespace) -> int:
    """Close a campaign: the tag's manifest, gaps and overlaps, and the record that samples refer to."""
    layout, campaign = open_campaign(args.folder)
    with alone(campaign):
        tasks = read_tasks(layout, campaign)
        not_done = [
            Finding("not-done", "A task is not done.", key=name, found=state, expected="done", remedy="campaign run")
            for name, state in progress_of(campaign, tasks).items()
            if state != "done"
        ]
        raise_for("The campaign cannot be closed", not_done)
        runs = read_runs(layout.run_info)
        made = closing.gather(campaign, tasks)
        findings = closing.inspect(made, campaign.iov, runs)
        _refuse_or_force(layout, "close", "The tag has gaps or overlaps", findings, args.force)
        verdicts = {name: _verdict(files_of(campaign, name).status) for name in tasks}
        digests = {name: settings_digest(campaign, task) for name, task in tasks.items()}
        record = closing.close(layout, campaign, made, runs, digests, verdicts, review.forced_of(layout), findings)
        for task in tasks.values():
            execution.keep_validation(layout, campaign, task)
        update_tracker(layout, campaign, dict.fromkeys(tasks, "closed"))
        with issues.board(layout, campaign) as board:
            for key in (*tasks, TRACKER):
                board.close(key)
        repository.commit(layout.repository, [layout.folder], f"{campaign.name}: closed")
    logger.info("%s closed: %d payloads, conditions %s", campaign.name, len(made), record.digest[:12])
    return 0


def _check(args: argparse.Namespace) -> int:
    """Check that the records of samples agree with the closed campaign whose bucket they are of."""
    layout, _ = open_campaign(args.folder)
    if not layout.record.is_file():
        raise ConditionsError(
            "The campaign is not closed: there is nothing to compare samples with.",
            file=layout.record,
            found="no such file",
            remedy=f"run `python -m analysis campaign close {args.folder}` first",
        )
    bucket = read_bucket(layout.record)
    records = [read_record(path) for path in args.records]
    samples = []
    for sample in records:
        blocks = tuple(block for block in sample.blocks if block.bucket == bucket.bucket)
        if blocks:
            samples.append(sample.model_copy(update={"blocks": blocks}))
        else:
            logger.warning("%s holds nothing of %s", sample.sample, bucket.bucket)
    if not samples:
        others = sorted({block.bucket for sample in records for block in sample.blocks if block.bucket})
        raise ConditionsError(
            "None of the samples holds data of the campaign's bucket: there is nothing to check.",
            file=", ".join(args.records),
            where="dataset.bucket",
            found=", ".join(others) or "no bucket",
            expected=bucket.bucket,
            remedy="give the records of this bucket's samples; their metadata must say `dataset: bucket:`",
        )
    found = list(calibration.check(samples, {bucket.bucket: bucket}))
    raise_for("Samples do not belong to the bucket", found)
    for finding in found:
        logger.warning("%s", str(finding).removeprefix("warning: "))
    logger.info("%d samples agree with %s", len(samples), bucket.bucket)
    return 0


def _verdict(path: Path) -> bool | None:
    validation = documents.read(path, Status, "The status of a task cannot be used").validation
    return None if validation is None else validation.passed


def _example(args: argparse.Namespace) -> int:
    """Make what a site would give to the example's campaign: run database, files, a tag to copy from."""
    from analysis.campaign.toy.make import make

    make(Path(args.folder), args.seed, args.events, args.luminosity)
    return 0


def _show_status(
    layout: Layout,
    campaign: Campaign,
    graph: Dependencies,
    reviews: Mapping[str, Review],
    progress: Mapping[str, Progress],
) -> None:
    show(status_table(campaign, graph, reviews, progress))
    show(next_step(layout, campaign, reviews, progress))


_FOLDER = (("folder",), {"metavar": "FOLDER", "help": "the campaign's folder, <repository>/<bucket>"})
_TASKS = (("tasks",), {"metavar": "TASK", "nargs": "*", "help": "default: all"})
_FORCE = (("--force",), {"metavar": "REASON", "help": "do it all the same; the reason is recorded"})
Arguments = Sequence[tuple[tuple[str, ...], Mapping[str, object]]]
ACTIONS: Mapping[str, tuple[Callable[[argparse.Namespace], int], Arguments]] = {
    "setup": (_setup, [(("primary",), {"metavar": "YAML", "help": "primary configuration"})]),
    "status": (_status, [_FOLDER]),
    "review": (_review, [_FOLDER, _TASKS]),
    "approve": (
        _approve,
        [
            _FOLDER,
            (("tasks",), {"metavar": "TASK", "nargs": "+", "help": "tasks to approve"}),
            (("--by",), {"metavar": "USER", "help": "your user name; default: git's user.name"}),
            (("--comment",), {"metavar": "TEXT", "default": "", "help": "kept with the approval"}),
        ],
    ),
    "run": (
        _run,
        [
            _FOLDER,
            _FORCE,
            (("--cores",), {"type": int, "default": 1, "help": "tasks side by side"}),
            (
                ("--snakemake",),
                {
                    "metavar": "ARGUMENT",
                    "nargs": argparse.REMAINDER,
                    "default": [],
                    "help": "all that follows goes to Snakemake: --profile …, --dry-run",
                },
            ),
        ],
    ),
    "close": (_close, [_FOLDER, _FORCE]),
    "check": (
        _check,
        [
            _FOLDER,
            (("records",), {"metavar": "RECORD", "nargs": "+", "help": "records of samples (`conditions record`)"}),
        ],
    ),
    "step": (
        _step,
        [
            _FOLDER,
            (("task",), {"metavar": "TASK", "help": "name of the task"}),
            (("steps",), {"metavar": "STEP", "nargs": "+", "choices": STEPS, "help": " or ".join(STEPS)}),
        ],
    ),
    "example": (
        _example,
        [
            (("folder",), {"metavar": "FOLDER", "help": "where to write it"}),
            (("--seed",), {"type": int, "default": 1, "help": "of the random numbers"}),
            (("--events",), {"type": int, "default": 2000, "help": "pairs per run and sample"}),
            (("--luminosity",), {"type": float, "default": 10.0, "help": "of the bucket, fb⁻¹ (10)"}),
        ],
    ),
}
