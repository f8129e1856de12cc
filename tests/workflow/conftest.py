"""A copy of the project in which the reduced toy has run; one for all workflow tests."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A configuration smaller still, for what has to run more than once.
TINY = """\
extends: ci.yaml
name: tiny
dataset: {luminosity: 3, n_bb: 3.2e+6}
simulation: {scale: 0.03}
bdt: {trees: 10, folds: 2}
fit: {toys: 50}
"""
PARTS = ("Snakefile", "workflow", "analysis", "config", "notebooks", "pyproject.toml", "environment.yml")


@dataclass(frozen=True)
class Project:
    """A copy of the project that tests may edit, break and kill."""

    root: Path

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        # As `make run` does, without an activated environment: the workflow itself has to find the rules' `python`.
        here = str(Path(sys.executable).parent)
        path = os.pathsep.join(folder for folder in os.environ["PATH"].split(os.pathsep) if folder != here)
        environment = os.environ | {
            "PATH": path,
            "XDG_CACHE_HOME": str(self.root / ".cache"),
            "PYTHONPYCACHEPREFIX": str(self.root / ".pycache"),
        }
        # every job would compile the package anew
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        return environment

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout[-8000:]
        return done

    def snakemake(self, *arguments: str, cores: int = 2, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("snakemake", "--cores", str(cores), *arguments, check=check)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        (self.root / name).write_text(text.replace(old, new, 1))


def copy_project(folder: Path) -> Project:
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / part)
    (folder / "config/tiny.yaml").write_text(TINY)
    return Project(folder)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with `snakemake --cores 2 --configfile config/ci.yaml` done."""
    project = copy_project(tmp_path_factory.mktemp("project"))
    project.snakemake("--configfile", "config/ci.yaml")
    return project


@pytest.fixture(scope="session")
def toy_results(project: Project) -> Path:
    """The results of the reduced toy."""
    return project.root / "results" / "ci"


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """A fresh copy of the project, in which nothing has run."""
    return copy_project(tmp_path / "fresh")
