import json
from pathlib import Path

import pytest
import uproot
import yaml

from analysis.cli import main
from analysis.conditions.buckets import Bucket, bucket_to_plain
from analysis.config.models import Config
from analysis.simulation import chunk

pytest.importorskip("pythia8mc", reason="the extra `toy` is not installed")


@pytest.fixture
def config(small: Config, tmp_path: Path) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(small.model_dump(mode="json", exclude_defaults=True)))
    return str(path)


def command(config: str, sample: str, number: int, output: Path) -> int:
    return main(["simulate", "--config", config, "--sample", sample, "--chunk", str(number), "--output", str(output)])


def test_a_sample(config: str, tmp_path: Path) -> None:
    assert command(config, "signal", 1, tmp_path / "out" / "signal_1.root") == 0
    with uproot.open(tmp_path / "out" / "signal_1.root") as file:
        rows = file["variables"].num_entries
    metadata = json.loads((tmp_path / "out" / "signal_1.root.metadata.json").read_text())
    assert metadata["nEvents"] == rows > 0
    assert metadata["mcEvents"] > 0
    assert len(list((tmp_path / "out").iterdir())) == 2, "simulation plants nothing"


def test_pseudo_data(config: str, tmp_path: Path) -> None:
    assert command(config, "data", 0, tmp_path / "data_0.root") == 0
    metadata = json.loads((tmp_path / "data_0.root.metadata.json").read_text())
    assert metadata["isMC"] is False
    assert metadata["dataset"]["luminosity"] == pytest.approx(0.1825)
    truth = json.loads((tmp_path / "data_0.root.truth.json").read_text())
    assert truth["signal_strength"] == 2.0
    assert truth["differences"]["kaon_efficiency"] == 1.0
    assert "signal_strength" not in (tmp_path / "data_0.root.metadata.json").read_text()


@pytest.mark.parametrize(
    ("sample", "number", "message"),
    [
        ("sgnal", 0, "'signal'"),
        ("mine", 0, "not simulated here"),
        ("signal", 2, "no file 2"),
        ("data", -1, "no file -1"),
    ],
)
def test_wrong_requests_are_refused(
    config: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, sample: str, number: int, message: str
) -> None:
    assert command(config, sample, number, tmp_path / "a.root") == 1
    assert message in caplog.text
    assert not (tmp_path / "a.root").exists()


def of_bucket(config: str, folder: Path, mcrd: list[dict[str, str]]) -> tuple[str, Bucket]:
    """Return a configuration of run-dependent simulation of a calibrated bucket, and the bucket's record."""
    record = Bucket.model_validate(
        {
            "bucket": "bucket36", "iov": [31, 1, 31, 9], "release": "release-08-02-07", "beam_energy": "4S",
            "global_tags": [{"name": "data_prompt_bucket36", "state": "PUBLISHED"}], "global_tags_mcrd": mcrd,
            "runs": [[31, 1, 31, 4], [31, 8, 31, 9]],
        }
    )  # fmt: skip
    (folder / "conditions.json").write_text(json.dumps(bucket_to_plain(record)))
    plain = yaml.safe_load(Path(config).read_text())
    plain["simulation"]["run_dependent"] = True
    plain["conditions"] = {"buckets": [str(folder / "conditions.json")]}
    path = folder / "rd.yaml"
    path.write_text(yaml.safe_dump(plain))
    return str(path), record


def test_run_dependent_simulation_of_a_calibrated_bucket(config: str, tmp_path: Path) -> None:
    path, record = of_bucket(config, tmp_path, [{"name": "mcrd_rel08", "state": "PUBLISHED"}])
    assert command(path, "signal", 1, tmp_path / "signal_1.root") == 0
    told = json.loads((tmp_path / "signal_1.root.metadata.json").read_text())
    dataset = told["dataset"]
    assert told["globalTag"].split(",")[1:] == ["mcrd_rel08"]
    assert (dataset["runDependence"], dataset["campaign"], dataset["bucket"]) == ("rd", "MC16rd_a", "bucket36")
    assert dataset["calibration"] == record.digest
    assert dataset["runs"] == [[31, run, 31, run] for run in (2, 4, 9)], "every second run: the other file has the rest"
    with uproot.open(tmp_path / "signal_1.root") as file:
        assert set(file["variables"]["__run__"].array(library="np")) == {2, 4, 9}


def test_run_dependent_simulation_needs_tags_of_its_own(
    config: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, _ = of_bucket(config, tmp_path, [])
    assert command(path, "signal", 1, tmp_path / "signal_1.root") == 1
    assert "bucket36 names no global tags for run-dependent simulation" in caplog.text


def test_nothing_is_left_of_a_failure(config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(chunk, "process_rows", fail)
    with pytest.raises(RuntimeError, match="killed"):
        command(config, "signal", 0, tmp_path / "out.root")
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
