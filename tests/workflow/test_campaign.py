"""From a calibration campaign, killed in the middle, to μ: and what happens when the bucket is calibrated again."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from analysis import config, io
from analysis.campaign.payloads import read_entries
from analysis.campaign.toy.calibrations import ENERGY, NOMINAL, SCALE
from analysis.campaign.toy.make import PLANTED
from analysis.conditions.databases import read_text_database
from tests.workflow.conftest import ROOT, Project, copy_project

pytestmark = [pytest.mark.workflow, pytest.mark.slow, pytest.mark.xdist_group("fresh copies")]
TASKS = ("local_svd", "collision_energy", "photon_scale")
BUCKET = "results/campaign/campaigns/bucket40"
RESULT = "results/small/fit/result.json"
SMALL = ("--configfile", "config/small.yaml")
SIDECAR = "results/small/ntuples/charged/charged_0000.root.metadata.json"


@dataclass(frozen=True)
class Site(Project):
    """A copy of the project with a campaign in it."""

    def campaign(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("analysis", "campaign", *arguments, check=check)

    def conditions(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("analysis", "conditions", *arguments, check=check)

    def work(self, name: str) -> Path:
        return self.root / "results/campaign/work/bucket40" / name

    def killed_in(self, task: str) -> None:
        """Start the loop and kill it with all its children, hard, once the job of a task has begun."""
        command = self.command("analysis", "campaign", "run", BUCKET)
        process = subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        while not self.work(f"{task}/job/output.log").exists():
            assert process.poll() is None, "the loop ended before it could be killed"
            assert time.monotonic() < deadline, "the loop did not get far enough"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # Its children die a moment later; the system takes their lock back then.
        with self.work(".lock").open() as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A campaign that was killed in the middle, and not yet run again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("COLUMNS", "120")
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "tester")
            patch.setenv(f"GIT_{role}_EMAIL", "tester@example.org")
        site = Site(copy_project(tmp_path_factory.mktemp("site")).root)
        site.campaign("example", "results/campaign", "--events", "600", "--luminosity", "12")
        site.campaign("setup", "config/campaign/bucket40.yaml")
        site.campaign("approve", BUCKET, *TASKS, "--by", "calibration_manager")
        site.killed_in("collision_energy")
        yield site


@pytest.fixture(scope="module")
def closed(site: Site) -> Site:
    """The campaign run again to its end, and closed."""
    copied = site.work("local_svd/status.json")
    before = copied.stat().st_mtime_ns
    assert not site.work("collision_energy/constants.json").exists()
    site.campaign("run", BUCKET, "--cores", "2")
    assert copied.stat().st_mtime_ns == before, "what was done before the kill is done again"
    site.campaign("close", BUCKET)
    return site


@pytest.fixture(scope="module")
def calibrated(closed: Site) -> Site:
    """A toy of three samples, as small as can be, whose pseudo-data are of the campaign's bucket."""
    plain = config.load(ROOT / "config/calibrated.yaml").model_dump(mode="json")
    plain["name"] = "small"
    # So much signal that few events make a likelihood that all of the fit's toys can live with.
    plain["dataset"] |= {"luminosity": 12.0, "n_bb": 12.7e6, "branching_fraction_sm": 5e-3}
    plain["fit"] |= {"toys": 20}
    plain["samples"] = [sample for sample in plain["samples"] if sample["name"] in ("signal", "charged", "data")]
    plain["simulation"] |= {"scale": 0.02, "decays": {"signal": 40000, "charged": 300000}}
    plain["bdt"] |= {"trees": 10, "folds": 2}
    (closed.root / "config/small.yaml").write_text(yaml.safe_dump(plain))
    closed.snakemake(RESULT, *SMALL)
    return closed


@pytest.fixture
def copied(calibrated: Site, tmp_path: Path) -> Site:
    """A copy of it all, time stamps kept. A campaign may not be moved: this one is for the analysis only."""
    root = tmp_path / "copied"
    shutil.copytree(calibrated.root, root, symlinks=True, ignore=shutil.ignore_patterns(".cache", ".pycache"))
    return replace(calibrated, root=root)


def closing_record(site: Site) -> dict:
    return io.read_json(site.root / BUCKET / "conditions.json")


def test_a_killed_campaign_goes_on_and_finds_what_was_planted(closed: Site) -> None:
    for name in TASKS:
        assert "Status: closed" in (closed.root / BUCKET / f"issues/{name}.md").read_text()
    assert (closed.root / BUCKET / "validation/photon_scale/validation.svg").exists()
    database = closed.root / BUCKET / "tags/data_prompt_rel08_staging/database.txt"
    found = {(entry.name, entry.iov.first_run): io.read_json(entry.file) for entry in read_entries(database)}
    for run, planted in PLANTED.items():
        truth = {ENERGY: NOMINAL[ENERGY] + planted.energy_offset, SCALE: planted.photon_scale}
        for name, value in truth.items():
            payload = found[name, run]
            assert abs(payload["value"] - value) < 4 * payload["error"], payload
    (staging, *_) = closing_record(closed)["conditions"]["global_tags"]
    assert staging["content"] == read_text_database(database).digest


def test_from_mu_back_to_the_campaign(calibrated: Site) -> None:
    bucket = closing_record(calibrated)
    ledger = io.read_json(calibrated.root / "results/small/conditions/ledger.json")
    (block,) = ledger["samples"]["data"]["blocks"]
    assert (block["bucket"], block["calibration"]) == ("bucket40", bucket["digest"])
    assert block["runs"] == bucket["conditions"]["runs"]
    # The analysis tools' tag comes on top of the campaign's chain.
    names = [tag["name"] for tag in bucket["conditions"]["global_tags"]]
    assert [tag["name"] for tag in block["global_tags"]][1:] == names
    assert not any(finding["code"] == "calibration" for finding in ledger["findings"])

    out = calibrated.conditions("trace", RESULT, "--output", "trace.json").stdout
    assert f"calibration campaign bucket40 (40,1,40,8): closing record {bucket['digest'][:12]}" in out
    for task, digest in bucket["conditions"]["settings"].items():
        assert f"{task}: settings {digest[:12]}" in out
    for sample in ledger["samples"].values():
        for tag in sample["blocks"][0]["global_tags"]:
            assert f"{tag['name']} {tag['state']}" in out
    chain = io.read_json(calibrated.root / "trace.json")
    assert {sample: told["digest"] for sample, told in chain["samples"].items()} == ledger["digests"]
    stages = {file["command"] for file in chain["files"]}
    assert {"fit", "workspace", "templates", "apply_bdt", "train_bdt", "preselection", "skim"} <= stages
    assert {file["state"] for file in chain["files"]} <= {"as recorded", "not compared"}


@pytest.mark.parametrize(
    ("what", "sample", "other"),
    [(("--bucket", "bucket40"), "data", "charged"), (("--tag", "mc_production_MC16_a"), "charged", "data")],
)
def test_prediction_of_what_is_stale_is_snakemakes(
    calibrated: Site, what: tuple[str, str], sample: str, other: str
) -> None:
    done = calibrated.conditions("stale", "--config", "config/small.yaml", *what, "--dry-run", check=False)
    assert done.returncode == 0, done.stdout
    assert f"results/small/skim/{sample}.parquet" in done.stdout
    assert f"results/small/skim/{other}.parquet" not in done.stdout


def test_a_changed_record_reruns_its_dependents_and_an_open_tag_stops_them(copied: Site) -> None:
    path = copied.root / SIDECAR
    plain = json.loads(path.read_text())
    plain["dataset"]["globalTagStates"]["mc_production_MC16_a"] = "OPEN"
    path.write_text(json.dumps(plain))
    plan = copied.snakemake("--dry-run", RESULT, *SMALL).stdout
    assert "output: results/small/skim/charged.parquet" in plan
    assert f"output: {RESULT}" in plan
    for untouched in ("skim/data", "skim/signal", "preselection/signal", "ntuples"):
        assert f"output: results/small/{untouched}" not in plan
    skim = copied.root / "results/small/skim/charged.parquet"
    before = skim.stat().st_mtime_ns
    assert copied.snakemake(RESULT, *SMALL, check=False).returncode != 0
    log = (copied.root / "results/small/logs/conditions/ledger.log").read_text()
    assert "[tag-state]" in log
    assert "mc_production_MC16_a is OPEN" in log
    assert skim.stat().st_mtime_ns == before


def test_replacing_a_sample_by_itself_changes_nothing(copied: Site) -> None:
    files = "data=results/small/ntuples/data/*.root"
    copied.conditions("impact", "--config", "config/small.yaml", "--replace", files, "--name", "varied", "--cores", "2")
    results = copied.root / "results"
    impact = io.read_json(results / "varied/conditions/impact.json")
    assert impact["shift"] == 0
    assert 0 < impact["remade"][0] < impact["remade"][1]
    # What does not depend on the data was not made again: it is the same file.
    for name in ("skim/charged.parquet", "bdt/model.json", "bdt/charged.parquet"):
        assert (results / "varied" / name).samefile(results / "small" / name)
    assert not (results / "varied/skim/data.parquet").samefile(results / "small/skim/data.parquet")
    same = [io.read_json(results / name / "fit/result.json")["mu"] for name in ("small", "varied")]
    assert same[0] == same[1]


def test_a_bucket_that_is_calibrated_again(calibrated: Site) -> None:
    """Last, because it edits the campaign: only what depends is calibrated, refused, and remade."""
    site, before = calibrated, closing_record(calibrated)["digest"]
    site.edit(f"{BUCKET}/tasks/photon_scale.yaml", "  - Good\n", "  - Good Or Recoverable\n")
    refused = site.campaign("run", BUCKET, check=False)
    assert refused.returncode == 1
    assert "edited after its approval" in refused.stdout
    site.campaign("approve", BUCKET, "photon_scale", "--by", "calorimeter_expert")
    ran = site.campaign("run", BUCKET).stdout
    assert set(re.findall(r"rule (\w+):(?:\n .*)*wildcards: task=(\w+)", ran)) == {
        ("calibrate", "photon_scale"),
        ("validate", "photon_scale"),
    }
    site.campaign("close", BUCKET)
    after = closing_record(site)["digest"]
    assert after != before

    # The samples still refer to the record of before.
    checked = site.conditions("check", "--config", "config/small.yaml", check=False)
    assert checked.returncode == 1
    assert re.search(rf"\[calibration\].*found: +{before[:12]}.*expected: {after[:12]}", checked.stdout, re.DOTALL)
    stale = site.conditions("stale", "--config", "config/small.yaml", "--dry-run", check=False)
    assert stale.returncode == 0, stale.stdout
    assert "bucket40 was calibrated again" in stale.stdout
    assert "results/small/skim/data.parquet" in stale.stdout
    assert "results/small/skim/charged.parquet" not in stale.stdout
    plan = site.snakemake("--dry-run", RESULT, *SMALL).stdout
    assert re.findall(r"output: results/small/ntuples/(\w+)/", plan) == ["data"]
    assert re.findall(r"output: results/small/skim/(\w+)", plan) == ["data"]
