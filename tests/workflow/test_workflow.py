"""From ntuples to μ, as a user does it: run, run again, edit, kill, break."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pytest
import uproot
import yaml

from analysis import config, io, provenance
from analysis.columns import COLUMNS, branch_of
from analysis.errors import InputError
from tests.workflow.conftest import Project, copy_project

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
# Two groups of about equal length, one for each process: tests that share the finished project, and tests that run in
# fresh copies.
shared = pytest.mark.xdist_group("finished project")
alone = pytest.mark.xdist_group("fresh copies")

CI = ("--configfile", "config/ci.yaml")
TINY = ("--configfile", "config/tiny.yaml")
RESULT = "results/tiny/fit/result.json"


def planned(project: Project, *arguments: str) -> set[str]:
    """Return the rules that a dry run would execute."""
    output = project.snakemake("--dry-run", *arguments).stdout
    if "Nothing to be done" in output:
        return set()
    return set(re.findall(r"^(?:local)?rule (\w+):", output, re.MULTILINE))


@shared
def test_results_keep_the_contract(toy_results: Path) -> None:
    workspace = io.read_json(toy_results / "fit/workspace.json")
    model = pyhf.Workspace(workspace).model(clip_bin_data=0.0)
    assert model.config.poi_name == "mu"
    result = io.read_json(toy_results / "fit/result.json")
    mu = result["mu"]
    assert mu["error_lo"] <= 0 <= mu["error_hi"]
    assert mu["error"] > 0
    assert {"observed", "sm"} <= result["significance"].keys()
    limit = result["upper_limit"]
    assert limit["level"] == 0.90
    assert limit["observed"] > mu["value"]
    assert limit["expected"] == sorted(limit["expected"])
    assert len(limit["expected"]) == 5
    assert result["branching_fraction"]["value"] == pytest.approx(mu["value"] * 4.97e-6)
    assert len(result["parameters"]) == result["n_parameters"] == model.config.npars
    assert result["blinded"] is False
    assert result["nll"] == pytest.approx(
        -model.logpdf([p["value"] for p in result["parameters"]], pyhf.Workspace(workspace).data(model)).item()
    )
    for folder in ("skim", "preselection", "bdt", "templates", "report", "conditions"):
        assert any((toy_results / folder).iterdir())


@shared
def test_every_output_tells_where_it_comes_from(toy_results: Path) -> None:
    ledger = io.read_json(toy_results / "conditions/ledger.json")
    digests = ledger["provenance"]["conditions"]
    assert set(digests) == {sample.name for sample in config.load("config/ci.yaml").samples}
    for path in ("fit/result.json", "templates/templates.json"):
        block = provenance.read_provenance(toy_results / path)
        assert block["conditions"] == digests
        assert len(block["code"]) == len(block["settings"]) == 64
        assert "numpy" in block["libraries"]
    for sample, digest in digests.items():
        for stage in ("skim", "preselection", "bdt"):
            block = provenance.read_provenance(toy_results / stage / f"{sample}.parquet")
            assert block["conditions"][sample] == digest
            for name, sha in block["inputs"].items():
                assert io.sha256_file(toy_results.parents[1] / name) == sha


@shared
def test_second_run_has_nothing_to_do(project: Project, toy_results: Path) -> None:
    assert "Nothing to be done" in project.snakemake(*CI).stdout


@shared
def test_a_comment_reruns_nothing_and_code_what_depends_on_it(project: Project, toy_results: Path) -> None:
    source = "analysis/cli/templates.py"
    before = (project.root / source).read_text()
    project.edit(source, "HELP", "# A comment.\nHELP")
    assert planned(project, *CI) == set()
    project.edit(source, "# A comment.", "NEW = 1")
    rules = planned(project, *CI)
    assert {"templates", "workspace", "fit"} <= rules
    before_it = {"configuration", "simulate", "record", "ledger", "skim", "preselection", "train_bdt", "apply_bdt"}
    assert rules.isdisjoint(before_it)
    (project.root / source).write_text(before)
    assert planned(project, *CI) == set()


@shared
@pytest.mark.parametrize(
    ("old", "new", "first", "untouched"),
    [
        ("toys: 200", "toys: 200\n  level: 0.95", "fit", "workspace"),
        ("name: ci", "name: ci\nsystematics: {tracking: 0.01}", "templates", "apply_bdt"),
        ("trees: 50", "trees: 40", "train_bdt", "preselection"),
        ("scale: 0.1", "scale: 0.2", "simulate", None),
        ("{name: ssbar, ", "{name: ssbar, tree: other, ", "simulate", None),
    ],
)
def test_a_setting_reruns_what_uses_it(
    project: Project, toy_results: Path, old: str, new: str, first: str, untouched: str | None
) -> None:
    before = (project.root / "config/ci.yaml").read_text()
    project.edit("config/ci.yaml", old, new)
    rules = planned(project, *CI)
    (project.root / "config/ci.yaml").write_text(before)
    assert first in rules
    assert untouched not in rules
    assert {"fit"} <= rules


@shared
def test_another_name_of_the_configuration_file_reruns_nothing_else(project: Project, toy_results: Path) -> None:
    original, other = project.root / "config/ci.yaml", project.root / "config/other.yaml"
    shutil.copy(original, other)
    done = project.snakemake("--dry-run", "--configfile", "config/other.yaml")
    assert "WARNING: results/ci holds the results of config/ci.yaml, which has `name: ci`, too" in done.stdout
    original.rename(other)
    renamed = project.snakemake("--dry-run", "--configfile", "config/other.yaml").stdout
    other.rename(original)
    assert "WARNING" not in renamed
    assert set(re.findall(r"^(?:local)?rule (\w+):", renamed, re.MULTILINE)) == {"configuration", "all"}


def tree_digests(folder: Path) -> dict[str, str]:
    # Logs tell times; the reader's basket indices are a cache keyed by the identity of the file.
    return {
        str(path.relative_to(folder)): io.sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {"logs", ".index"} & set(path.parts)
    }


@pytest.fixture(scope="module")
def tiny_digests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of all results of the tiny toy, made on two cores without a break."""
    project = copy_project(tmp_path_factory.mktemp("tiny"))
    project.snakemake(*TINY)
    return tree_digests(project.root / "results/tiny")


@alone
def test_one_core_makes_the_same_bytes_as_two(fresh: Project, tiny_digests: dict[str, str]) -> None:
    fresh.snakemake(*TINY, cores=1)
    assert tree_digests(fresh.root / "results/tiny") == tiny_digests


@alone
def test_killed_and_started_again(fresh: Project, tiny_digests: dict[str, str]) -> None:
    """Kill the whole run without warning whenever a new stage has begun; the end is as if nothing had happened."""
    results = fresh.root / "results/tiny"
    for stage in ("ntuples", "skim", "bdt", "fit"):
        process = subprocess.Popen(
            fresh.command("snakemake", RESULT, "--cores", "2", "--rerun-incomplete", *TINY),
            cwd=fresh.root,
            env=fresh.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 240
        while not any((results / "logs" / log).exists() for log in (stage, {"ntuples": "simulate"}.get(stage, stage))):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not (results / "fit/result.json").exists()
        # What the README tells to do after a kill that left the lock behind.
        fresh.snakemake("--unlock", *TINY)
    fresh.snakemake(RESULT, "--rerun-incomplete", *TINY)
    left = {name: digest for name, digest in tree_digests(results).items() if ".partial" not in name}
    assert "fit/result.json" in left
    assert left == {name: tiny_digests[name] for name in left}


@alone
def test_mistakes_in_the_configuration_stop_before_anything_runs(fresh: Project) -> None:
    (fresh.root / "config/bad.yaml").write_text("extends: ci.yaml\nsed: 1\nfit: {level: 2}\n")
    done = fresh.snakemake("--configfile", "config/bad.yaml", check=False)
    assert done.returncode != 0
    for part in ("2 mistakes", "sed: unknown key; nearest: 'seed'", "fit.level", "bad.yaml"):
        assert part in done.stdout
    assert not (fresh.root / "results").exists()


def disguise(source: Path, target: Path) -> dict[str, str]:
    """Copy an ntuple under another tree name and other branch names; return the aliases that undo it."""
    with uproot.open(source) as file:
        arrays = file["variables"].arrays(library="np")
    names = {name: name if name.startswith("__") else f"my_{index}" for index, name in enumerate(arrays)}
    target.parent.mkdir(parents=True, exist_ok=True)
    with uproot.recreate(target) as file:
        file.mktree("candidates", {names[name]: array.dtype for name, array in arrays.items()})
        file["candidates"].extend({names[name]: array for name, array in arrays.items()})
    shutil.copy(f"{source}.metadata.json", f"{target}.metadata.json")
    aliases = {}
    for column in COLUMNS.values():
        with contextlib.suppress(InputError):
            branch = branch_of(column.name, arrays, {})
            if branch is not None and not branch.startswith("__") and column.provided_by == "ntuple":
                aliases[column.name] = names[branch]
    return aliases


def own_configuration(project: Project, folder: Path) -> dict[str, Any]:
    """Turn the toy's ntuples into a stranger's, and return the configuration that analyses them."""
    base = config.load(project.root / "config/ci.yaml").model_dump(mode="json", exclude_defaults=True)
    samples = []
    for sample in base["samples"]:
        name = sample["name"]
        for path in sorted((project.root / f"results/ci/ntuples/{name}").glob("*.root")):
            aliases = disguise(path, folder / name / path.name)
        files = [f"{folder}/{name}/*.root"]
        samples.append(sample | {"simulated": False, "files": files, "tree": "candidates", "aliases": aliases})
    del base["simulation"], base["blinded"]
    return base | {"name": "mine", "samples": samples}


@shared
def test_own_ntuples_need_only_another_configuration(project: Project, toy_results: Path, tmp_path: Path) -> None:
    """Same events under other names: the same templates; and blinded, as nobody said otherwise."""
    # Folders are called as people call them.
    tmp_path = tmp_path / "my ntüples"
    configuration = own_configuration(project, tmp_path)
    (project.root / "config/my own.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    project.snakemake("results/mine/fit/result.json", "--configfile", "config/my own.yaml")
    result = json.loads((project.root / "results/mine/fit/result.json").read_text())
    assert result["blinded"] is True
    assert result["mu"]["value"] == pytest.approx(1.0, abs=1e-3)  # Asimov
    toy, mine = (io.read_json(project.root / f"results/{name}/fit/workspace.json") for name in ("ci", "mine"))
    for one, two in zip(toy["channels"], mine["channels"], strict=True):
        for a, b in zip(one["samples"], two["samples"], strict=True):
            np.testing.assert_allclose(a["data"], b["data"])

    truncated = tmp_path / "charged" / "charged_0000.root"
    truncated.write_bytes(truncated.read_bytes()[:-5000])
    done = project.snakemake("--configfile", "config/my own.yaml", check=False)
    assert done.returncode != 0
    assert "charged_0000.root" in (project.root / "results/mine/logs/skim/charged.log").read_text()
    (tmp_path / "signal" / "signal_0000.root.metadata.json").unlink()
    done = project.snakemake("--configfile", "config/my own.yaml", check=False)
    assert done.returncode != 0
    assert "signal_0000.root.metadata.json" in done.stdout
