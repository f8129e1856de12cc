"""The house itself: manifests in step, commands that explain themselves, docstrings that run."""

import ast
import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import analysis
from analysis.cli import build_parser, commands, main

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# Names that differ between the registries.
CONDA_NAMES = {"matplotlib": "matplotlib-base", "snakemake": "snakemake-minimal", "xgboost-cpu": "py-xgboost-cpu"}
CONDA_NAMES |= {"isal": "python-isal", "xxhash": "python-xxhash"}


def pip_requirements() -> set[str]:
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *(item for extra in extras for item in extra)]
    # conda-forge has one build for all systems where the wheels differ between them
    return {item.partition(";")[0].strip() for item in requirements if "== 'darwin'" not in item}


def test_environment_yml_is_in_step_with_pyproject() -> None:
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = {entry for entry in entries if isinstance(entry, str)} - {"pip"}
    (pip,) = (entry["pip"] for entry in entries if isinstance(entry, dict))
    python = {entry for entry in conda if entry.startswith("python ")}
    assert python == {f"python {PYPROJECT['project']['requires-python']}"}
    expected = set()
    for requirement in pip_requirements() - set(pip):
        name, _, version = requirement.partition(" ")
        expected.add(f"{CONDA_NAMES.get(name, name)} {version}".strip())
    assert conda - python == expected
    assert set(pip) <= pip_requirements()


def test_lock_has_hashes_for_all_and_names_no_host() -> None:
    text = (ROOT / "locks/requirements.txt").read_text()
    assert not re.search(r"https?://|index-url|find-links", text)
    pins = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in pin for pin in pins)
    locked = {pin.partition("==")[0] for pin in pins}
    assert {requirement.partition(" ")[0] for requirement in pip_requirements()} <= locked


@pytest.mark.parametrize(
    "profile", sorted((ROOT / "workflow/profiles").glob("*/profile.yaml")), ids=lambda p: p.parent.name
)
def test_profiles_name_rules_that_exist(profile: Path) -> None:
    rules = {
        name
        for path in (ROOT / "workflow/rules").glob("*.smk")
        for name in re.findall(r"^rule (\w+):", path.read_text(), re.M)
    }
    settings = yaml.safe_load(profile.read_text())
    assert settings["executor"] == profile.parent.name
    assert settings["set-resources"].keys() <= rules


@pytest.mark.parametrize("path", sorted((ROOT / "workflow/rules").glob("*.smk")), ids=lambda path: path.name)
def test_shell_lines_quote_every_path(path: Path) -> None:
    """Folders may have spaces in their names; parameters made of several words are quoted where they are made."""
    lines = re.findall(r"^ +shell:\n((?: +\"[^\n]*\n)+)", path.read_text(), re.M)
    fields = {field for line in lines for field in re.findall(r"\{([^}]+)\}", line)}
    words = {"threads", "wildcards.sample", "wildcards.chunk", "params.others", "params.compared", "params.channels"}
    assert {field for field in fields - words if not field.endswith(":q")} == set()


def test_version_is_told_once() -> None:
    assert PYPROJECT["project"]["version"] == analysis.__version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == analysis.__version__
    assert f"## {analysis.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("command", commands())
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        build_parser(command).parse_args([command.replace("_", "-"), "--help"])
    assert "usage:" in capsys.readouterr().out


def test_messages_that_no_terminal_shows_are_plain_lines(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / ("long/" * 50) / "x.yaml"
    assert main(["configuration", "--config", str(missing)]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert any(str(missing) in line for line in lines), "in one piece, to be copied"
    assert not [line for line in lines if line != line.rstrip()]


def test_mistakes_of_the_user_end_in_a_message_not_a_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["configuration", "--config", "nowhere.yaml"]) == 1
    stderr = capfd.readouterr().err
    assert "nowhere.yaml" in stderr
    assert "Traceback" not in stderr


MODULES = sorted(m.name for m in pkgutil.walk_packages(analysis.__path__, "analysis.") if m.name != "analysis.__main__")


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    if name.startswith("analysis.simulation"):
        pytest.importorskip("pythia8mc", reason="the toy extra is not installed")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_heavy_libraries_are_not_imported_at_start() -> None:
    code = (
        "import sys, analysis.cli, analysis.config, analysis.provenance\n"
        "heavy = {'pyhf', 'xgboost', 'matplotlib', 'pythia8mc', 'uproot', 'awkward', 'scipy'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", ["simulation", "validation"])
def test_the_head_of_a_package_names_its_modules(package: str) -> None:
    found = importlib.import_module(f"analysis.{package}")
    named = re.findall(r"^``(\w+)``", found.__doc__ or "", re.M)
    assert sorted(named) == sorted(module.name for module in pkgutil.iter_modules(found.__path__))


ERRORS = {"ConfigurationError", "InputError", "OutputError", "ConditionsError", "FitError"}


def raised() -> Iterator[tuple[str, str, set[str | None]]]:
    """Yield place, text and keywords of every error for users whose text stands where it is made."""
    for path in sorted((ROOT / "analysis").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS):
                continue
            text = node.args[0]
            parts = text.values if isinstance(text, ast.JoinedStr) else [text]
            if isinstance(parts[0], ast.Constant):
                written = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
                yield f"{path.relative_to(ROOT)}:{node.lineno}", written, {each.arg for each in node.keywords}


def test_errors_are_sentences_with_a_remedy() -> None:
    found = list(raised())
    assert len(found) > 100
    no_sentence = [place for place, text, _ in found if not re.match(r"[A-Z]|pyhf |git |μ̂ ", text) or text[-1] != "."]
    assert no_sentence == []
    assert [place for place, _, keywords in found if "remedy" not in keywords] == []
