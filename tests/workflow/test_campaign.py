"""The example's campaign from setup to the samples' conditions, killed in the middle."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from analysis import io
from analysis.basf2 import SampleType
from analysis.campaign.payloads import read_entries
from analysis.campaign.toy.calibrations import NOMINAL
from analysis.campaign.toy.make import PLANTED
from analysis.cli import main
from analysis.conditions.databases import read_databases
from analysis.conditions.recording import SampleSource, record
from analysis.conditions.records import record_to_plain
from tests.workflow.conftest import ROOT

pytestmark = [pytest.mark.workflow, pytest.mark.slow, pytest.mark.xdist_group("fresh copies")]


@dataclass(frozen=True)
class Shell:
    """A working directory with the example's configuration."""

    root: Path

    @property
    def bucket(self) -> Path:
        return self.root / "results/campaign/campaigns/bucket40"

    @property
    def work(self) -> Path:
        return self.root / "results/campaign/work/bucket40"

    def killed_when(self, reached: Callable[[], bool], *arguments: str) -> None:
        """Start a command and kill it with all its children, hard, once a point is reached."""
        process = subprocess.Popen(
            [sys.executable, "-m", "analysis", "campaign", *arguments],
            cwd=self.root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        while not reached():
            assert process.poll() is None, "the loop ended before it could be killed"
            assert time.monotonic() < deadline, "the loop did not get far enough"
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # Its children die a moment later; the system takes their lock back then.
        with (self.work / ".lock").open() as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    shutil.copytree(ROOT / "config/campaign", tmp_path / "config/campaign")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "tester")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "tester@example.org")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Many short processes: compiled modules are kept, outside of the project.
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "pyc"))
    return Shell(tmp_path)


def sidecar(shell: Shell, path: Path) -> None:
    """Write the metadata of an ntuple of the bucket's data, from the campaign's record."""
    plain = io.read_json(shell.bucket / "conditions.json")
    keys = plain["sidecar"]
    first, run_low, last, run_high = plain["conditions"]["iov"]
    metadata = {
        "LFN": "data.root",
        "nEvents": 10,
        "isMC": False,
        "mcEvents": 0,
        "experimentLow": first,
        "runLow": run_low,
        "eventLow": 1,
        "experimentHigh": last,
        "runHigh": run_high,
        "eventHigh": 9,
        **keys,
        "dataset": {**keys["dataset"], "luminosity": plain["conditions"]["luminosity"]},
    }
    path.write_text(json.dumps(metadata))


def campaign(*arguments: str) -> None:
    assert main(["campaign", *arguments]) == 0


def test_a_campaign_killed_in_the_middle_calibrates_its_bucket(shell: Shell, capfd: pytest.CaptureFixture[str]) -> None:
    campaign("example", "results/campaign", "--events", "1000")
    campaign("setup", "config/campaign/bucket40.yaml")
    bucket = str(shell.bucket)
    tasks = ("local_svd", "collision_energy", "photon_scale")
    campaign("approve", bucket, *tasks, "--by", "calibration_manager")

    job = shell.work / "collision_energy/job/output.log"
    shell.killed_when(job.exists, "run", bucket)
    copied = shell.work / "local_svd/status.json"
    before = copied.stat().st_mtime_ns
    assert not (shell.work / "photon_scale/constants.json").exists()

    campaign("run", bucket)
    assert copied.stat().st_mtime_ns == before, "what was done is done again"
    for name in tasks:
        assert (shell.work / name / "status.json").exists()
        assert "Status: done" in (shell.bucket / f"issues/{name}.md").read_text()
    assert (shell.work / "photon_scale/validation/validation.svg").exists()
    campaign("close", bucket)
    assert (shell.bucket / "validation/photon_scale/validation.svg").exists()
    database = shell.bucket / "tags/data_prompt_rel08_staging/database.txt"
    for entry in read_entries(database):
        if entry.name not in NOMINAL:
            continue
        planted = PLANTED[entry.iov.first_run]
        payload = io.read_json(entry.file)
        truth = {"CollisionEnergy": NOMINAL["CollisionEnergy"] + planted.energy_offset}
        truth["PhotonEnergyScale"] = planted.photon_scale
        assert abs(payload["value"] - truth[entry.name]) < 4 * payload["error"], payload

    # The samples of the bucket carry what the campaign made.
    path = shell.root / "data.root.metadata.json"
    sidecar(shell, path)
    conditions = record(SampleSource("data", SampleType.DATA, (path,)))
    (block,) = conditions.blocks
    calibrated = io.read_json(shell.bucket / "conditions.json")["conditions"]
    assert block.bucket == "bucket40"
    assert list(block.tag_names) == [tag["name"] for tag in calibrated["global_tags"]]
    assert [list(iov.as_tuple()) for iov in block.runs] == calibrated["runs"]
    tag = read_databases([database])["data_prompt_rel08_staging"]
    assert tag.digest == calibrated["global_tags"][0]["content"]

    io.write_json(shell.root / "record.json", record_to_plain(conditions))
    campaign("check", bucket, str(shell.root / "record.json"))

    # An edit, once approved, calibrates again what depends on it, and nothing else.
    settings = shell.bucket / "tasks/photon_scale.yaml"
    settings.write_text(settings.read_text().replace("  - Good\n", "  - Good Or Recoverable\n"))
    campaign("approve", bucket, "photon_scale", "--by", "calorimeter_expert")
    capfd.readouterr()
    campaign("run", bucket, "--snakemake", "--dry-run")
    planned = re.findall(r"rule (\w+):(?:\n .*)*wildcards: task=(\w+)", "".join(capfd.readouterr()))
    assert sorted(planned) == [("calibrate", "photon_scale"), ("validate", "photon_scale")]
