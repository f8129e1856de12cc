"""stale and impact: what depends on a change, without the workflow itself (tests/workflow has that)."""

import json

import pytest

from analysis import io, provenance
from analysis.cli import _impact, main
from analysis.conditions.impact import link_results, measure, vary
from analysis.conditions.ledger import Ledger
from analysis.conditions.recording import record, source_of
from analysis.conditions.staleness import affected, changed, outputs, stale
from analysis.config import Config, Sample
from analysis.errors import ConditionsError


@pytest.fixture
def config(tmp_path, write, simulation, data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(simulation, "charged.root.metadata.json")
    write(data, "data.root.metadata.json")
    samples = [
        {"name": "charged", "type": "charged", "files": ["charged.root"]},
        {"name": "data", "type": "data", "files": ["data.root"]},
    ]
    plain = {"name": "x", "dataset": {"luminosity": 2.5}, "samples": samples}
    (tmp_path / "config.yaml").write_text(json.dumps(plain))
    return Config.model_validate(plain)


@pytest.fixture
def ledger(config):
    return Ledger(samples={sample.name: record(source_of(sample)) for sample in config.samples})


@pytest.fixture
def results(tmp_path, ledger):
    """Outputs of each kind: of one sample, of the other, of both, and of none."""
    folder = tmp_path / "results/x"
    digests = ledger.sample_digests

    def make(path, **conditions):
        io.write_json(folder / path, {"provenance": {"conditions": conditions}})

    io.write_json(folder / "conditions/ledger.json", {**ledger.to_plain(), "provenance": {"conditions": digests}})
    make("skim/charged.json", charged=digests["charged"])
    make("skim/data.json", data=digests["data"])
    make("fit/result.json", **digests)
    make("fit/workspace.provenance.json", **digests)
    io.write_json(folder / "fit/workspace.json", {"channels": []})
    io.write_json(folder / "config.json", {"name": "x"})
    (folder / "report").mkdir()
    (folder / "report/roc.svg").write_text(f"<svg>&quot;charged&quot;:&quot;{digests['charged']}&quot;</svg>")
    (folder / "report/all.html").write_text(json.dumps(digests))
    (folder / "logs").mkdir()
    (folder / "logs/skim.log").write_text("text")
    return folder


def stems(paths):
    return {path.rpartition("/")[2] for path in paths}


BOTH = {"ledger.json", "result.json", "workspace.json", "workspace.provenance.json", "all.html"}


def test_outputs_that_depend_on_a_sample(results, ledger):
    made = outputs(results, provenance.read_provenance, ledger.sample_digests)
    assert stems(stale(made, ["charged"])) == BOTH | {"charged.json", "roc.svg"}
    assert stems(stale(made, ["data"])) == BOTH | {"data.json"}
    assert stale(made, []) == []


def test_what_a_change_reaches(ledger):
    assert affected(ledger, tags=["mc_production_MC16_a"]) == {"charged": "global tag mc_production_MC16_a"}
    assert affected(ledger, buckets=["bucket36"]) == {"data": "bucket bucket36"}
    assert set(affected(ledger, buckets=["bucket36"], samples=["charged"])) == {"charged", "data"}
    with pytest.raises(ConditionsError, match="nearest: 'bucket36'") as caught:
        affected(ledger, buckets=["bucket63"], tags=["nothing like it"])
    assert "2 problems" in str(caught.value)


def test_changed_since():
    assert set(changed({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "9", "d": "4"})) == {"b", "c", "d"}


def test_command(config, results, write, simulation, capsys):
    arguments = ["conditions", "stale", "--config", "config.yaml"]
    assert main(arguments) == 0
    assert capsys.readouterr().out == ""
    assert main([*arguments, "--bucket", "bucket36"]) == 0
    assert stems(capsys.readouterr().out.splitlines()) == BOTH | {"data.json"}
    # The metadata of a sample change: what was made from it is stale.
    write(simulation, "charged.root.metadata.json", mcEvents=60000)
    assert main(arguments) == 0
    assert stems(capsys.readouterr().out.splitlines()) == BOTH | {"charged.json", "roc.svg"}


def test_variation_of_a_configuration(config):
    varied = vary(config, "y", {"data": ("new.root",)})
    assert (varied.name, varied.sample("data").files) == ("y", ("new.root",))
    assert varied.sample("charged") == config.sample("charged")
    with pytest.raises(ConditionsError, match="no sample dat"):
        vary(config, "y", {"dat": ("new.root",)})
    with pytest.raises(ConditionsError, match="name of the original"):
        vary(config, "x", {"data": ("new.root",)})


def test_simulated_samples_can_be_replaced():
    simulated = Config.model_validate(
        {
            "name": "x",
            "samples": [{"name": "charged", "type": "charged", "simulated": True}],
            "simulation": {"decays": {"charged": 10}},
        }
    )
    assert vary(simulated, "y", {"charged": ("new.root",)}).samples == (
        Sample(name="charged", type="charged", files=("new.root",)),
    )


def test_only_what_does_not_depend_is_linked(results, ledger, tmp_path):
    made = outputs(results, provenance.read_provenance, ledger.sample_digests)
    gone = stale(made, ["data"])
    linked, left_out = link_results(results, tmp_path / "results/y", gone)
    assert left_out == len(gone) - 1 == len(BOTH)
    there = {path.name for path in (tmp_path / "results/y").rglob("*") if path.is_file()}
    # The ledger must be there for Snakemake to take it for old; it is made again all the same.
    assert there == {"charged.json", "roc.svg", "ledger.json"}
    assert linked == 3
    old, new = results / "skim/charged.json", tmp_path / "results/y/skim/charged.json"
    assert old.stat().st_mtime_ns == new.stat().st_mtime_ns
    # Writing is replacing: the original stays.
    io.write_json(new, {})
    assert json.loads(old.read_text()) != {}
    assert link_results(results, tmp_path / "results/y", gone) == (linked, left_out)


def test_measure():
    impact = measure({"mu": {"value": 1.0, "error": 3.0}}, {"mu": {"value": 1.5, "error": 4.0}}, {"data": "x"}, (1, 2))
    assert impact.shift == 0.5
    assert impact.independent_error == 5.0
    with pytest.raises(ConditionsError, match="no μ"):
        measure({"mu": {"value": None}}, {}, {}, (0, 0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--replace", "data=none.root"], "cannot be found"),
        (["--replace", "data=*.nothing"], "cannot be found"),
        (["--replace", "data=data.root", "--bucket", "bucket99"], "no file of the bucket"),
        (["--replace", "dat=data.root"], "cannot be configured"),
    ],
)
def test_impact_refuses_before_anything_runs(config, results, tmp_path, caplog, arguments, message):
    (tmp_path / "data.root").touch()
    command = ["conditions", "impact", "--config", "config.yaml", "--name", "y", *arguments]
    assert main(command) == 1
    assert message in caplog.text
    assert not (tmp_path / "results/y").exists()


def test_impact_of_one_bucket(config, results, write, data, tmp_path, monkeypatch, caplog):
    """The command without the workflow, which tests/workflow runs: a stand-in writes the new result."""
    for name, bucket in (("data", "bucket36"), ("more", "bucket37"), ("new", "bucket36")):
        write(data, f"{name}.root.metadata.json", LFN=f"/{name}", dataset__bucket=bucket)
        (tmp_path / f"{name}.root").touch()
    plain = json.loads((tmp_path / "config.yaml").read_text())
    plain["samples"][1]["files"] = ["data.root", "more.root"]
    (tmp_path / "config.yaml").write_text(json.dumps(plain))
    mu = {"value": 1.0, "error": 0.5}
    io.write_json(results / "fit/result.json", {"mu": mu, "provenance": {"conditions": {"data": "x"}}})

    def workflow(configuration, target, cores):
        files = Config.model_validate(io.read_json(configuration)).sample("data").files
        assert files == ("more.root", "new.root")
        assert not target.exists()
        io.write_json(target, {"mu": mu | {"value": 1.25}})

    monkeypatch.setattr(_impact, "_workflow", workflow)
    monkeypatch.setattr(_impact, "planned", lambda *_, **__: outdated)
    outdated = {"results/x/skim/charged.json"}
    command = ["conditions", "impact", "--config", "config.yaml", "--name", "y", "--bucket", "bucket36"]
    assert main([*command, "--replace", "data=new.root"]) == 1
    assert "not up to date" in caplog.text
    assert not (tmp_path / "results/y").exists()
    outdated = set()
    assert main([*command, "--replace", "data=new.root"]) == 0
    impact = json.loads((tmp_path / "results/y/conditions/impact.json").read_text())
    assert impact["shift"] == 0.25
    assert impact["replaced"] == {"data": "new.root"}
