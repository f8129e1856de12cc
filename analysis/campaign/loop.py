"""Starting the loop, resuming it, and saying where it stands.

The loop itself is a Snakemake workflow, ``loop.smk``: so it resumes, runs tasks side by side and goes to a batch
system with Snakemake's own profiles.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Literal

from analysis import io
from analysis.campaign import issues
from analysis.campaign.issues import TRACKER
from analysis.campaign.issues.texts import tracker_text
from analysis.campaign.layout import Layout, TaskFiles, files_of, read_dependencies
from analysis.campaign.primary import Campaign
from analysis.campaign.repository import ANALYSIS
from analysis.campaign.tasks import AnyTask, settings_digest
from analysis.errors import ConditionsError

Progress = Literal["waiting", "calibrated", "failed", "done"]


def progress(files: TaskFiles, settings: str) -> Progress:
    """Return how far the loop is with a task whose settings have a digest: constants of others do not count."""
    if files.failure.exists():
        return "failed"
    if files.constants.exists():
        made_with = io.read_json(files.constants)["provenance"]["settings"]
        if made_with == settings:
            return "done" if files.status.exists() else "calibrated"
    return "waiting"


def progress_of(campaign: Campaign, tasks: Mapping[str, AnyTask]) -> dict[str, Progress]:
    """Return how far the loop is with each task."""
    return {
        name: progress(files_of(campaign, name), settings_digest(campaign, task))
        for name, task in sorted(tasks.items())
    }


@contextlib.contextmanager
def alone(campaign: Campaign) -> Iterator[int]:
    """Hold the campaign's lock, which the system takes back whenever its holders die; yield its file descriptor.

    Raises
    ------
    ConditionsError
        The campaign is running already.
    """
    path = campaign.paths.work / campaign.name / ".lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConditionsError(
                "The campaign is running already.",
                file=path,
                remedy="wait for it, or stop it: what is done stays done",
            ) from None
        yield handle.fileno()


def run_loop(layout: Layout, lock: int, cores: int, arguments: Sequence[str] = ()) -> int:
    """Run whatever is not done; return Snakemake's exit status.

    Parameters
    ----------
    layout
        The campaign's places.
    lock
        Its lock, see :func:`alone`.
    cores
        Tasks side by side on this machine.
    arguments
        Passed on to Snakemake: ``--profile`` of a batch system, ``--dry-run`` …
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(Path(__file__).with_name("loop.smk"))]
    # Our own lock is better than Snakemake's, which stays behind when the loop is killed.
    command += ["--nolock", "--rerun-incomplete", "--keep-going", "--cores", str(cores)]
    command += ["--config", f"folder={layout.folder}", *arguments]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    packages = os.pathsep.join(filter(None, [str(ANALYSIS), os.environ.get("PYTHONPATH")]))
    # Snakemake holds the lock too: if we are killed and it is not, nobody may start a second loop.
    process = subprocess.Popen(command, env={**os.environ, "PATH": path, "PYTHONPATH": packages}, pass_fds=[lock])
    with _ending(process):
        return process.wait()


@contextlib.contextmanager
def _ending(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Wait for the loop to end, also when asked to end ourselves."""

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
        # Ctrl-C reaches the loop by itself: the terminal sends it to both.
        if number != signal.SIGINT:
            process.send_signal(number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def update_tracker(layout: Layout, campaign: Campaign, statuses: Mapping[str, str]) -> None:
    """Write the tracker anew, and how far the campaign is."""
    references = issues.read_map(layout)
    text = tracker_text(campaign, read_dependencies(layout).layers, references, statuses)
    done = sum(status in ("done", "closed") for status in statuses.values())
    with issues.board(layout, campaign) as board:
        board.rewrite(TRACKER, text)
        board.tell(TRACKER, "done" if done == len(statuses) else "running", f"{done} of {len(statuses)} tasks done")
