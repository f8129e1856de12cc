"""What Snakemake itself says it would run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.errors import ConditionsError

_OUTPUT = re.compile(r"^ {4}output: (.+)$", re.MULTILINE)


def planned(
    config: str, force: Sequence[str] = (), *, targets: Sequence[str] = (), folder: str | Path = "."
) -> set[str]:
    """Return the files that Snakemake would make.

    Parameters
    ----------
    config
        The configuration file.
    force
        Files that are to be made again whatever their state.
    targets
        Files that are wanted; default: all that the workflow makes.
    folder
        The project's.

    Raises
    ------
    ConditionsError
        Snakemake cannot plan the workflow.
    """
    # Targets come first: --configfile takes all that follows.
    options = ["--dry-run", "--cores", "1", "--nolock", "--configfile", config]
    command = [sys.executable, "-m", "snakemake", *targets, *options]
    if force:
        command += ["--forcerun", *force]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    if done.returncode != 0:
        raise ConditionsError(
            "Snakemake cannot plan the workflow.",
            where=" ".join(command[1:]),
            found=text.strip()[-1500:],
            remedy="run the command by hand in the project's folder",
        )
    return {name for line in _OUTPUT.findall(text) for name in line.split(", ")}
