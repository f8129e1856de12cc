import json

import pytest
import yaml

from analysis.cli import main
from analysis.provenance import conditions_of


@pytest.fixture
def project(tmp_path, write, simulation, data, monkeypatch):
    """An analysis of two samples with their metadata beside them; the working directory."""
    monkeypatch.chdir(tmp_path)
    write(simulation, "charged.root.metadata.json")
    write(data, "data.root.metadata.json")
    config = {
        "name": "mine",
        "dataset": {"luminosity": 2.5},
        "samples": [
            {"name": "charged", "type": "charged", "files": ["charged.root"]},
            {"name": "data", "type": "data", "files": ["data.root"]},
        ],
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    return tmp_path


def conditions(*arguments):
    return main(["conditions", *arguments])


def make_ledger():
    for sample in ("charged", "data"):
        output = f"results/{sample}.json"
        arguments = ("--config", "config.yaml", "--sample", sample, "--output", output)
        assert conditions("record", *arguments) == 0
    records = ("results/charged.json", "results/data.json")
    return conditions("ledger", "--config", "config.yaml", "--output", "ledger.json", *records)


def test_records_and_ledger(project, capsys):
    assert make_ledger() == 0
    ledger = json.loads((project / "ledger.json").read_text())
    digests = {name: ledger["digests"][name] for name in ("charged", "data")}
    assert conditions_of(["results/charged.json", "results/data.json"]) == digests
    assert conditions_of(["ledger.json"]) == digests
    before = (project / "ledger.json").read_bytes()
    assert make_ledger() == 0
    assert (project / "ledger.json").read_bytes() == before

    assert conditions("show", "ledger.json") == 0
    shown = capsys.readouterr().out
    assert digests["data"][:12] in shown
    assert "bucket36" in shown


def test_ledger_straight_from_the_configuration(project):
    assert make_ledger() == 0
    first = json.loads((project / "ledger.json").read_text())
    assert conditions("ledger", "--config", "config.yaml", "--output", "direct.json") == 0
    second = json.loads((project / "direct.json").read_text())
    assert second["digest"] == first["digest"]


def test_show_of_a_derived_file(project, capsys):
    assert make_ledger() == 0
    provenance = {"conditions": conditions_of(["ledger.json"])}
    (project / "result.json").write_text(json.dumps({"mu": 1, "provenance": provenance}))
    digest = json.loads((project / "ledger.json").read_text())["digest"]
    assert conditions("show", "result.json") == 0
    assert digest[:12] in capsys.readouterr().out


def test_check_passes_and_fails(project):
    assert conditions("check", "--config", "config.yaml") == 0
    assert make_ledger() == 0
    assert conditions("check", "--ledger", "ledger.json") == 0
    (project / "data.root.metadata.json").unlink()
    assert conditions("check", "--config", "config.yaml") == 1


def test_unknown_sample(project, capsys):
    arguments = ("--config", "config.yaml", "--sample", "signal", "--output", "x.json")
    assert conditions("record", *arguments) == 1
    assert not (project / "x.json").exists()


def test_all_samples_are_told_at_once(project, caplog):
    for name in ("charged", "data"):
        (project / f"{name}.root.metadata.json").write_text("{")
    assert conditions("check", "--config", "config.yaml") == 1
    assert "2 problems" in caplog.text
    assert "charged.root.metadata.json" in caplog.text
    assert "data.root.metadata.json" in caplog.text


def test_simulated_samples_are_found_in_the_results(project, simulation, write, caplog):
    config = {
        "name": "toy",
        "samples": [{"name": "charged", "type": "charged", "simulated": True}],
        "simulation": {"decays": {"charged": 10}},
    }
    (project / "toy.yaml").write_text(yaml.safe_dump(config))
    assert conditions("check", "--config", "toy.yaml") == 1
    assert "run the workflow first" in caplog.text
    write(simulation, "results/toy/ntuples/charged/charged_0000.root.metadata.json")
    assert conditions("check", "--config", "toy.yaml") == 0


def test_a_stopped_ledger_is_not_written(project, write, simulation, caplog, capsys):
    write(simulation, "charged.root.metadata.json", dataset__globalTagStates={"mc_production_MC16_a": "OPEN"})
    assert make_ledger() == 1
    assert "[tag-state]" in caplog.text
    assert not (project / "ledger.json").exists()
    plain = yaml.safe_load((project / "config.yaml").read_text())
    reason = "a study of the tag before it is published"
    plain["conditions"] = {
        "waivers": [{"finding": "tag-state", "reason": reason}],
        "global_tag_states": {"analysis_tools_light-2406-ragdoll": "PUBLISHED"},
    }
    (project / "config.yaml").write_text(yaml.safe_dump(plain))
    assert make_ledger() == 0
    ledger = json.loads((project / "ledger.json").read_text())
    assert [(found["code"], found["waived"]) for found in ledger["findings"]] == [("tag-state", reason)]
    assert conditions("show", "ledger.json") == 0
    assert reason in capsys.readouterr().out
    assert conditions("check", "--ledger", "ledger.json") == 1
    assert conditions("check", "--ledger", "ledger.json", "--config", "config.yaml") == 0


def test_check_of_outputs_and_of_a_classifier(project, write, simulation, caplog):
    assert make_ledger() == 0
    (project / "ledger.json").rename(project / "old.json")
    write(simulation, "charged.root.metadata.json", dataset__feiTraining="FEIv5", nEvents=900)
    plain = json.loads((project / "data.root.metadata.json").read_text())
    plain["dataset"]["feiTraining"] = "FEIv5"
    (project / "data.root.metadata.json").write_text(json.dumps(plain))
    assert make_ledger() == 0
    check = ("check", "--config", "config.yaml", "--ledger", "ledger.json")
    assert conditions(*check, "--trained-under", "ledger.json", "results/charged.json") == 0
    assert conditions(*check, "--trained-under", "old.json") == 1
    assert "trained on FEIv4_2024" in caplog.text
    assert conditions(*check, "old.json") == 1
    assert "[stale]" in caplog.text
