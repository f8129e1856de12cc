import json
from pathlib import Path

import pytest
import uproot
import yaml

from analysis.cli import main
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


def test_nothing_is_left_of_a_failure(config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(chunk, "process_rows", fail)
    with pytest.raises(RuntimeError, match="killed"):
        command(config, "signal", 0, tmp_path / "out.root")
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
