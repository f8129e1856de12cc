"""The campaigns' git repository. Never the analysis's own: a campaign's commits have no place there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from analysis.errors import ConditionsError

ANALYSIS = Path(__file__).parents[2]


def _git(repository: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    # Inside a git hook, GIT_DIR and its like would lead every command to the hook's repository.
    foreign = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
    environment = {key: value for key, value in os.environ.items() if key not in foreign}
    try:
        done = subprocess.run(
            ["git", "-C", str(repository), *arguments], capture_output=True, text=True, env=environment, check=False
        )
    except FileNotFoundError:
        raise ConditionsError(
            "git is not installed.", remedy="install git; the campaign lives in a repository"
        ) from None
    if check and done.returncode:
        raise ConditionsError(
            "git refused.",
            file=repository,
            where=f"git {arguments[0]}",
            found=(done.stderr or done.stdout).strip(),
            remedy="mend it in the campaigns' repository and run the command again",
        )
    return done


def ensure(repository: Path) -> None:
    """Make the repository if there is none.

    Raises
    ------
    ConditionsError
        The folder is the analysis's repository, or part of one that is not the campaigns' own.
    """
    folder = repository.resolve()
    if folder == ANALYSIS or folder in ANALYSIS.parents or ANALYSIS / "analysis" in (folder, *folder.parents):
        raise ConditionsError(
            "Campaigns cannot be committed to the analysis's own repository.",
            where="paths.repository",
            found=str(repository),
            expected="a folder of its own",
            remedy="choose another folder, outside of the analysis",
        )
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / ".git").exists():
        if any(folder.iterdir()):
            raise ConditionsError(
                "The campaigns' repository is a folder with other things in it, and no git repository.",
                where="paths.repository",
                found=str(repository),
                expected="an empty or missing folder, or the top of a git repository",
                remedy="run `git init` there if it is meant so",
            )
        _git(folder, "init", "--quiet", "--initial-branch=main")


def commit(repository: Path, paths: Iterable[Path], message: str) -> bool:
    """Commit some paths, nothing else; return whether there was anything to commit.

    Deleted paths are committed as such; what a user has staged elsewhere stays as it is.
    """
    folder = repository.resolve()
    relative = sorted({str(path.resolve().relative_to(folder)) for path in paths})
    known = [name for name in relative if (folder / name).exists() or _git(folder, "ls-files", "--", name).stdout]
    if not known:
        return False
    _git(folder, "add", "--all", "--", *known)
    if not _git(folder, "status", "--porcelain", "--", *known).stdout.strip():
        return False
    _git(folder, "commit", "--quiet", "--message", message, "--", *known)
    return True


def user(repository: Path) -> str:
    """Return the name of the user: git's ``user.name``, or the system's."""
    import getpass

    configured = _git(repository, "config", "user.name", check=False).stdout.strip()
    return configured or getpass.getuser()
