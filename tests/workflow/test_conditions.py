"""Conditions in the workflow: they stop it, rerun it, and can be followed through it."""

import dataclasses
import json
import shutil

import pytest

pytestmark = [pytest.mark.workflow, pytest.mark.slow, pytest.mark.xdist_group("finished project")]
CONFIG = ("--configfile", "config/ci.yaml")
SIDECAR = "results/ci/ntuples/charged/charged_0000.root.metadata.json"


@pytest.fixture
def copied(project, tmp_path):
    """A copy of the project with its results, time stamps kept."""
    root = tmp_path / "copied"
    shutil.copytree(project.root, root, symlinks=True)
    return dataclasses.replace(project, root=root)


def edit_metadata(project, edit):
    path = project.root / SIDECAR
    plain = json.loads(path.read_text())
    edit(plain)
    path.write_text(json.dumps(plain))


def test_trace_from_mu_to_every_global_tag(project):
    ledger = json.loads((project.root / "results/ci/conditions/ledger.json").read_text())
    out = project.run("analysis", "conditions", "trace", "results/ci/fit/result.json", "--output", "trace.json").stdout
    chain = json.loads((project.root / "trace.json").read_text())
    assert {sample: told["digest"] for sample, told in chain["samples"].items()} == ledger["digests"]
    for record in ledger["samples"].values():
        for tag in record["blocks"][0]["global_tags"]:
            assert f"{tag['name']} {tag['state']}" in out
    stages = {file["command"] for file in chain["files"]}
    assert {"fit", "workspace", "templates", "apply_bdt", "train_bdt", "preselection", "skim"} <= stages
    assert {file["state"] for file in chain["files"]} <= {"as recorded", "not compared"}


def test_prediction_of_what_is_stale_is_snakemakes(project):
    arguments = ("--config", "config/ci.yaml", "--sample", "charged", "--dry-run")
    done = project.run("analysis", "conditions", "stale", *arguments, check=False)
    assert done.returncode == 0, done.stdout
    assert "results/ci/skim/charged.parquet" in done.stdout
    assert "results/ci/skim/mixed.parquet" not in done.stdout


def test_an_open_tag_stops_the_workflow_before_the_first_skim(copied):
    before = (copied.root / "results/ci/skim/charged.parquet").stat().st_mtime_ns

    def open_tag(plain):
        states = plain["dataset"]["globalTagStates"]
        states[next(iter(states))] = "OPEN"

    edit_metadata(copied, open_tag)
    done = copied.snakemake(*CONFIG, check=False)
    assert done.returncode != 0
    log = (copied.root / "results/ci/logs/conditions/ledger.log").read_text()
    assert "[tag-state]" in log
    assert (copied.root / "results/ci/skim/charged.parquet").stat().st_mtime_ns == before


def test_a_changed_record_reruns_its_dependents_only(copied):
    def more_generated(plain):
        plain["mcEvents"] += 1000

    edit_metadata(copied, more_generated)
    plan = copied.snakemake("--dry-run", *CONFIG).stdout
    assert "output: results/ci/skim/charged.parquet" in plan
    assert "output: results/ci/fit/result.json" in plan
    assert "output: results/ci/skim/mixed.parquet" not in plan
    assert "output: results/ci/preselection/mixed.parquet" not in plan
    assert "output: results/ci/ntuples" not in plan


def test_replacing_a_sample_by_itself_changes_nothing(copied):
    arguments = ("--config", "config/ci.yaml", "--replace", "data=results/ci/ntuples/data/*.root", "--name", "varied")
    copied.run("analysis", "conditions", "impact", *arguments, "--cores", "2")
    results = copied.root / "results"
    impact = json.loads((results / "varied/conditions/impact.json").read_text())
    assert impact["shift"] == 0
    assert 0 < impact["remade"][0] < impact["remade"][1]
    # What does not depend on the data was not made again: it is the same file.
    for name in ("skim/charged.parquet", "bdt/model.json", "bdt/charged.parquet"):
        assert (results / "varied" / name).samefile(results / "ci" / name)
    assert not (results / "varied/skim/data.parquet").samefile(results / "ci/skim/data.parquet")
    same = [json.loads((results / name / "fit/result.json").read_text())["mu"] for name in ("ci", "varied")]
    assert same[0] == same[1]
