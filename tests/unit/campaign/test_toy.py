"""The calibrations that ship with the project, without the campaign around them."""

from pathlib import Path

import numpy as np
import pytest

from analysis import config, io
from analysis.campaign.execution import OUTPUT
from analysis.campaign.inputs import read_catalogue
from analysis.campaign.payloads import read_entries
from analysis.campaign.toy.__main__ import main
from analysis.campaign.toy.calibrations import KINDS, NOMINAL, calibrate
from analysis.campaign.toy.make import LOCAL_TAG, PLANTED, make
from analysis.campaign.toy.peak import fit_peak
from analysis.campaign.toy.samples import Planted, muon_pairs, photon_pairs
from analysis.cli import build_parser
from analysis.conditions.databases import read_text_database
from analysis.conditions.runinfo import read_runs
from analysis.errors import FitError

ENERGY, SCALE = KINDS["collision_energy"], KINDS["photon_scale"]


def test_the_photon_scale_needs_the_collision_energy() -> None:
    """With the nominal energy the scale is off by the energy's offset; with the calibrated one it is right."""
    planted = Planted(energy_offset=0.1, photon_scale=1.02)
    rng = np.random.default_rng(1)
    energy, error, _ = calibrate(ENERGY, muon_pairs(rng, 4000, planted), NOMINAL)
    assert abs(energy - NOMINAL[ENERGY.payload] - 0.1) < 4 * error < 0.01
    photons = photon_pairs(rng, 4000, planted)
    wrong, error, _ = calibrate(SCALE, photons, NOMINAL)
    right, _, peak = calibrate(SCALE, photons, {**NOMINAL, ENERGY.payload: energy})
    assert abs(right - 1.02) < 4 * error < 0.002
    assert abs(wrong - 1.02) > 10 * error
    assert 0.5 < peak.goodness < 1.5


def test_a_peak_with_too_few_entries() -> None:
    with pytest.raises(FitError, match="at least 200"):
        fit_peak(np.ones(199), tail=False)


def test_the_example_gives_what_a_site_gives(tmp_path: Path) -> None:
    make(tmp_path, seed=1, events=10, luminosity=0.1)
    runs = read_runs(tmp_path / "run_database.csv")
    assert len(runs.runs) == 9
    assert {run.n_events is None for run in runs.runs} == {True, False}
    files = read_catalogue(tmp_path / "files.csv")
    assert {(file.run, file.data_tag) for file in files} == {
        (run, tag) for run in range(1, 9) for tag in ("mumu_tight_or_highm_calib", "gamma_gamma_calib")
    }
    assert read_text_database(tmp_path / "tags" / LOCAL_TAG / "database.txt").name == LOCAL_TAG
    first = (tmp_path / "data/mumu/e0040/4S/r00001/cdst.parquet").read_bytes()
    make(tmp_path, seed=1, events=10, luminosity=0.1)
    assert (tmp_path / "data/mumu/e0040/4S/r00001/cdst.parquet").read_bytes() == first


def test_the_example_is_as_large_as_the_toy_of_its_bucket() -> None:
    """README's walk from the example's campaign to μ: the gate compares the luminosity with that of the runs."""
    args = build_parser("campaign").parse_args(["campaign", "example", "folder"])
    calibrated = config.load(Path(__file__).parents[3] / "config/calibrated.yaml")
    assert args.luminosity == calibrated.dataset.luminosity


def test_a_job_as_the_loop_starts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folders = []
    for run, planted in PLANTED.items():
        folder = tmp_path / f"r{run}"
        io.write_table(folder / "cdst.parquet", muon_pairs(np.random.default_rng(run), 2000, planted), {})
        folders.append([str(folder), [40, run]])
    io.write_json("input_data.json", {"mumu": folders})
    config = {"caf_script": "collision_energy.py", "database_chain": ["gt"], "requested_iov": [40, 1, 40, 8]}
    io.write_json("caf_config.json", {**config, "expert_config": {"payload_boundaries": [[40, 4]]}})
    monkeypatch.setattr("sys.argv", ["toy", "calibrate", "caf_config.json", "input_data.json"])
    assert main() == 0
    database = tmp_path / OUTPUT / "collision_energy/database.txt"
    entries = read_entries(database)
    assert [entry.iov.as_tuple() for entry in entries] == [(40, 1, -1, -1), (40, 4, -1, -1)]
    for entry, planted in zip(entries, PLANTED.values(), strict=True):
        payload = io.read_json(entry.file)
        assert abs(payload["value"] - NOMINAL[ENERGY.payload] - planted.energy_offset) < 4 * payload["error"]
    before = {path.name: path.read_bytes() for path in database.parent.iterdir()}
    assert main() == 0
    assert {path.name: path.read_bytes() for path in database.parent.iterdir()} == before

    validate = ["toy", "validate", "caf_config.json", "input_data.json", "--database", str(database)]
    monkeypatch.setattr("sys.argv", validate)
    assert main() == 0
    verdict = io.read_json("validation.json")
    assert verdict["passed"]
    assert len(verdict["checks"]) == 2
    assert Path("validation.svg").stat().st_size > 1000


def test_the_validation_sees_a_wrong_constant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    good, other = Planted(0.0, 1.0), Planted(0.02, 1.0)
    for run, planted in ((1, good), (2, other)):
        io.write_table(f"r{run}/cdst.parquet", muon_pairs(np.random.default_rng(run), 3000, planted), {})
    io.write_json("caf_config.json", {"caf_script": "collision_energy.py", "requested_iov": [40, 1, 40, 2]})
    io.write_json("input_data.json", {"mumu": [[str(tmp_path / "r1"), [40, 1]]]})
    monkeypatch.setattr("sys.argv", ["toy", "calibrate", "caf_config.json", "input_data.json"])
    assert main() == 0
    # The same constants for a run of another energy.
    io.write_json("input_data.json", {"mumu": [[str(tmp_path / "r2"), [40, 2]]]})
    database = f"{OUTPUT}/collision_energy/database.txt"
    monkeypatch.setattr("sys.argv", ["toy", "validate", "caf_config.json", "input_data.json", "--database", database])
    assert main() == 0
    assert not io.read_json("validation.json")["passed"]


def test_a_job_without_events_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    io.write_json("caf_config.json", {"caf_script": "collision_energy.py", "requested_iov": [40, 1, 40, 2]})
    io.write_json("input_data.json", {"mumu": []})
    monkeypatch.setattr("sys.argv", ["toy", "calibrate", "caf_config.json", "input_data.json"])
    assert main() == 1
    assert "no events" in capsys.readouterr().err
    io.write_json("caf_config.json", {"caf_script": "photon_scales.py", "requested_iov": [40, 1, 40, 2]})
    assert main() == 1
    assert "'photon_scale'" in capsys.readouterr().err
