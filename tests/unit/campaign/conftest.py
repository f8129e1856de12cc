"""A site in a folder: what a campaign is given, and a calibration that is over at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from analysis.campaign import execution
from analysis.campaign.inputs import bucket_runs, run_info_csv
from analysis.campaign.layout import Layout, open_campaign, read_tasks
from analysis.campaign.primary import Campaign
from analysis.campaign.setup import setup
from analysis.cli import main
from analysis.conditions.runinfo import read_runs

PRIMARY = """\
name: bucket40
iov: [40, 1, 40, 8]
release: release-09-00-00
staging_gt: &staging data_staging
online: &online online_proc
data: [*staging, data_prompt, *online]
mcrd: [*staging, mcrd]
managers: [boss]
command: "{python} CALIBRATION {caf_config} {upstream}"
paths:
  repository: campaigns
  calibrations: calibrations
  run_database: runs.csv
  files: files.csv
  tags: tags
  work: work
"""
ENERGY = """\
name: energy
expert_username: anna
description: The energy.
input_data_formats: [RAW]
input_data_names: [mumu]
input_data_filters: {mumu: [mumu_tight_or_highm_calib, Good, "On"]}
expert_config: {payload_boundaries: [[40, 4]]}
payloads: [Energy]
"""
SCALE = """\
{"name": "scale", "expert_username": "bert", "description": "The scale.", "input_data_formats": ["cdst"],
 "input_data_names": ["gg"], "input_data_filters": {}, "depends_on": ["energy"], "expert_config": {}}
"""
LOCAL = "svd: {local_svd: [Shift]}\n"
RUNS = """\
experiment;run;magnet;quality;n_events;luminosity [pb^-1];comment
40;1;On;Good;100;10;"steady;
over two lines"
40;2;On;Good;;10;""
40;5;Off;Good;;10;""
40;6;On;"Good Shifter;Good";7;10;""
41;1;On;Good;7;10;""
"""
FILES = """\
path,experiment,run,format,data_tag
/d/mumu/e0040/4S/r00001,40,1,raw,mumu_tight_or_highm_calib
/d/mumu/e0040/4S/r00005,40,5,raw,mumu_tight_or_highm_calib
/d/mumu/e0040/4S/r00006/physics.0040.00006.HLT1.root,40,6,raw,mumu_tight_or_highm_calib
/d/gg/e0040/4S/r00001,40,1,cdst,gamma_gamma_calib
/d/gg/e0041/4S/r00001,41,1,cdst,gamma_gamma_calib
"""
# Writes what b2caf-prompt-run leaves; the payload's content is the list of databases it was given.
CALIBRATION = """\
import hashlib, json, pathlib, sys
config = json.loads(pathlib.Path(sys.argv[1]).read_text())
name = pathlib.Path(config["caf_script"]).stem
folder = pathlib.Path("caf_outputdb_results") / name
folder.mkdir(parents=True)
text = json.dumps([name, [pathlib.Path(path).parts[-3] for path in sys.argv[2:]]])
revision = hashlib.md5(text.encode()).hexdigest()[:8]
(folder / f"dbstore_{name.title()}_rev_{revision}.root").write_text(text)
first = ",".join(map(str, config["requested_iov"][:2]))
(folder / "database.txt").write_text(f"dbstore/{name.title()} {revision} {first},-1,-1\\n")
"""


@dataclass(frozen=True)
class Site:
    """The working directory of a campaign."""

    root: Path

    @property
    def primary(self) -> Path:
        return self.root / "primary.yaml"

    @property
    def folder(self) -> Path:
        return self.root / "campaigns" / "bucket40"

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new, 1))

    def setup(self) -> Layout:
        return setup(self.primary).layout

    def open(self) -> tuple[Layout, Campaign]:
        return open_campaign(self.folder)


def finish(site: Site, bucket: str = "bucket40") -> None:
    """What the loop does, without Snakemake."""
    folder = site.root / "campaigns" / bucket
    layout, campaign = open_campaign(folder)
    runs = bucket_runs(read_runs(campaign.paths.run_database), campaign.iov)
    layout.run_info.write_text(run_info_csv(runs))
    execution.prepare(campaign, read_tasks(layout, campaign), runs)
    for name in ("local_svd", "energy", "scale"):
        assert main(["campaign", "step", str(folder), name, "calibrate", "validate"]) == 0


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for variable in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(variable, "tester@example.org")
    site = Site(tmp_path)
    site.write("calibration.py", CALIBRATION)
    site.write("primary.yaml", PRIMARY.replace("CALIBRATION", str(tmp_path / "calibration.py")))
    site.write("calibrations/raw/energy.yaml", ENERGY)
    site.write("calibrations/cdst/scale.json", SCALE)
    site.write("calibrations/local/svd.yaml", LOCAL)
    site.write("runs.csv", RUNS)
    site.write("files.csv", FILES)
    site.write("tags/local_svd/dbstore_Shift_rev_3.root", "shift")
    site.write("tags/local_svd/dbstore_Old_rev_1.root", "old")
    site.write("tags/local_svd/database.txt", "dbstore/Shift 3 39,0,-1,-1\ndbstore/Old 1 3,0,4,-1\n")
    return site
