"""diff and trace, on a chain of files such as the workflow writes."""

import json

import pytest

from analysis import io
from analysis.cli import main
from analysis.conditions.buckets import Bucket
from analysis.conditions.difference import Change, compare
from analysis.conditions.iov import IoV
from analysis.conditions.ledger import Ledger
from analysis.conditions.metadata import GlobalTagState
from analysis.conditions.recording import record, source_of
from analysis.conditions.records import GlobalTag, Payload, TagUse, Validity
from analysis.config import Sample


@pytest.fixture
def ledger(write, simulation, data):
    samples = [
        Sample(name="charged", type="charged", files=(str(write(simulation, "charged.root.metadata.json")),)),
        Sample(name="data", type="data", files=(str(write(data, "data.root.metadata.json")),)),
    ]
    return Ledger(samples={sample.name: record(source_of(sample, sample.files)) for sample in samples})


def altered(ledger, sample, **changes):
    """Return a ledger in which the only block of a sample is another."""
    old = ledger.samples[sample]
    fields = {name: changes.pop(name) for name in list(changes) if name in type(old).model_fields}
    block = old.blocks[0].model_copy(update=changes)
    new = old.model_copy(update={"blocks": (block,), **fields})
    return Ledger(samples={**ledger.samples, sample: new}, global_tags=ledger.global_tags)


def test_equal_ledgers_do_not_differ(ledger):
    assert compare(ledger, ledger) == []


@pytest.mark.parametrize(
    ("sample", "changes", "expected"),
    [
        ("charged", {"release": "release-09"}, [("release", "release-08-02-07", "release-09")]),
        ("charged", {"fei_training": "FEIv5"}, [("fei_training", "FEIv4_2024", "FEIv5")]),
        ("charged", {"luminosity": None}, [("luminosity", "10.0", None)]),
        ("charged", {"productions": (35000, 35001)}, [("productions", None, "35001")]),
        (
            "data",
            {"runs": (IoV(31, 1, 31, 5), IoV(31, 20, 31, 30))},
            [("bucket36: runs", "31,6,31,10", None), ("bucket36: runs", None, "31,23,31,30")],
        ),
        ("data", {"bucket": "bucket40"}, [("bucket", "bucket36", "bucket40")]),
        (
            "data",
            {
                "global_tags": (
                    TagUse(name="data_proc_main", state=GlobalTagState.INVALID),
                    TagUse(name="data_prompt_bucket36", state=GlobalTagState.PUBLISHED, content="1" * 64),
                    TagUse(name="patch", state=GlobalTagState.OPEN),
                )
            },
            [
                ("bucket36: content of data_prompt_bucket36", None, "1" * 12),
                ("bucket36: state of data_proc_main", "PUBLISHED", "INVALID"),
                ("bucket36: global tag patch", None, "OPEN"),
                (
                    "bucket36: order of global tags",
                    "data_prompt_bucket36,data_proc_main",
                    "data_proc_main,data_prompt_bucket36",
                ),
            ],
        ),
    ],
)
def test_differences_of_a_sample(ledger, sample, changes, expected):
    new = altered(ledger, sample, **changes)
    assert compare(ledger, new) == [Change(sample, *change) for change in expected]
    # Backwards the same, with the values exchanged.
    assert {(c.place, c.after, c.before) for c in compare(new, ledger)} >= {
        change for change in expected if "order" not in change[0]
    }


def test_samples_and_buckets_that_come_and_go(ledger):
    only = Ledger(samples={"data": ledger.samples["data"]})
    (gone,) = compare(ledger, only)
    assert (gone.sample, gone.place, gone.after) == ("charged", "sample", None)
    (block,) = ledger.samples["data"].blocks
    more = (block, block.model_copy(update={"bucket": "bucket37"}))
    record = ledger.samples["data"].model_copy(update={"blocks": more})
    (new,) = compare(only, Ledger(samples={"data": record}))
    assert new == Change("data", "bucket37: bucket", None, "1000 events, 2.5 fb⁻¹")


def test_payload_by_payload(ledger):
    def tag(*validities):
        content = tuple(
            Validity(payload=Payload(name=name, revision=revision), iov=iov) for name, revision, iov in validities
        )
        return {"main": GlobalTag(name="main", state=GlobalTagState.PUBLISHED, content=content)}

    same, first, second = ("A", "1", IoV(0, 0, -1, -1)), ("B", "1", IoV(31, 1, -1, -1)), ("B", "2", IoV(31, 1, -1, -1))
    added = ("C", "1", IoV(0, 0, -1, -1))
    before = ledger.model_copy(update={"global_tags": tag(same, first)})
    after = ledger.model_copy(update={"global_tags": tag(added, second, same)})
    assert compare(before, after) == [
        Change(None, "main, B", "revision 1 31,1,-1,-1", "revision 2 31,1,-1,-1"),
        Change(None, "main, C", None, "revision 1 0,0,-1,-1"),
    ]


def test_campaign_by_campaign(ledger):
    def campaign(**changes):
        (block,) = ledger.samples["data"].blocks
        fields = {"bucket": "bucket36", "iov": IoV(31, 1, 31, 22), "release": block.release, "beam_energy": "4S"}
        fields |= {"global_tags": block.global_tags, "runs": block.runs, "settings": {"a": "1" * 64, "b": "2" * 64}}
        return ledger.model_copy(update={"buckets": {"bucket36": Bucket(**{**fields, **changes})}})

    settings = {"a": "1" * 64, "b": "3" * 64}
    assert compare(campaign(), campaign(settings=settings, forced=("run by boss: late",))) == [
        Change(None, "campaign bucket36: settings of b", "2" * 12, "3" * 12),
        Change(None, "campaign bucket36: forced", None, "run by boss: late"),
    ]


def test_payloads_of_a_run(ledger, tmp_path, capsys, caplog):
    def tag(name, revision, *iov):
        payload = Payload(name="BeamParameters", revision=revision)
        return GlobalTag(name=name, state=GlobalTagState.PUBLISHED, content=(Validity(payload=payload, iov=IoV(*iov)),))

    # The data's list: data_prompt_bucket36, then data_proc_main.
    tags = (tag("data_prompt_bucket36", "8", 31, 20, -1, -1), tag("data_proc_main", "3", 0, 0, -1, -1))
    full = ledger.model_copy(update={"global_tags": {tag.name: tag for tag in tags}})
    path = str(tmp_path / "ledger.json")
    io.write_json(path, full.to_plain())
    for run, revision in (("31,5", "3"), ("31,21", "8")):
        assert main(["conditions", "show", path, "--at", run]) == 0
        assert capsys.readouterr().out.splitlines()[-2].split()[:3] == ["data", "BeamParameters", revision]
    assert main(["conditions", "show", path, "--at", "31,15"]) == 1
    assert "No payload is known" in caplog.text
    assert main(["conditions", "show", path, "--at", "31"]) == 1
    assert "no run" in caplog.text


@pytest.fixture
def results(tmp_path, ledger, monkeypatch):
    """A results folder: ledger, two skims, templates, workspace with its account, result."""
    monkeypatch.chdir(tmp_path)
    for sample in ("charged", "data"):
        (tmp_path / f"{sample}.root").write_bytes(b"ntuple")
    return make_results(tmp_path / "results/x", ledger)


def make_results(folder, ledger, mu=1.2):
    name = str(folder.relative_to(folder.parents[1]))
    io.write_json(folder / "conditions/ledger.json", ledger.to_plain())
    digests = ledger.sample_digests

    def make(path, command, inputs, conditions, **content):
        origin = {
            "software": "x 1",
            "command": command,
            "code": "c" * 64,
            "settings": "d" * 64,
            "libraries": {"numpy": "2.0"},
            "inputs": {file: io.sha256_file(file) for file in inputs},
            "conditions": conditions,
        }
        io.write_json(f"{name}/{path}", {**content, "provenance": origin})
        return f"{name}/{path}"

    skims = [
        make(f"skim/{sample}.json", "skim", [f"{sample}.root"], {sample: digests[sample]})
        for sample in ("charged", "data")
    ]
    templates = make("templates/templates.json", "templates", skims, digests)
    account = make("fit/workspace.provenance.json", "workspace", [templates], digests)
    io.write_json(f"{name}/fit/workspace.json", {"channels": []})
    inputs = [account, f"{name}/fit/workspace.json"]
    make("fit/result.json", "fit", inputs, digests, mu={"value": mu, "error": 0.5})
    return folder


def test_trace_reaches_every_tag(results, capsys):
    assert main(["conditions", "trace", "results/x/fit/result.json", "--output", "trace.json"]) == 0
    out = capsys.readouterr().out
    assert "μ = 1.2 ± 0.5" in out
    for name in (
        "mc_production_MC16_a PUBLISHED",
        "data_prompt_bucket36 PUBLISHED",
        f"templates/templates.json {io.sha256_file('results/x/templates/templates.json')[:12]} by templates",
        "charged.root",
        "      2.5 fb⁻¹",
        "MC16ri_a, ri, BGx1, 4S, release-08-02-07",
    ):
        assert name in out
    plain = io.read_json("trace.json")
    assert {file["path"].rpartition("/")[2] for file in plain["files"]} == {
        "result.json",
        "workspace.json",
        "workspace.provenance.json",
        "templates.json",
        "charged.json",
        "data.json",
        "charged.root",
        "data.root",
    }
    tags = [tag["name"] for block in plain["samples"]["data"]["blocks"] for tag in block["global_tags"]]
    assert tags == ["data_prompt_bucket36", "data_proc_main"]


def test_trace_tells_the_campaigns_behind_the_buckets(ledger, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = ledger.samples["data"].blocks
    bucket = Bucket(
        bucket="bucket36",
        iov=IoV(31, 1, 31, 22),
        release=block.release,
        beam_energy="4S",
        global_tags=block.global_tags,
        runs=block.runs,
        settings={"photon_scale": "5" * 64},
        validated={"photon_scale": True},
        forced=("run by boss: late at night",),
    )
    blocks = (
        block.model_copy(update={"calibration": bucket.digest, "luminosity": 1.5}),
        block.model_copy(update={"bucket": "bucket37", "calibration": "7" * 64, "luminosity": 1.0}),
    )
    data = ledger.samples["data"].model_copy(update={"blocks": blocks})
    calibrated = Ledger(samples={"data": data}, buckets={"bucket36": bucket})
    for sample in ("charged", "data"):
        (tmp_path / f"{sample}.root").write_bytes(b"ntuple")
    make_results(
        tmp_path / "results/x", Ledger(samples={**ledger.samples, **calibrated.samples}, buckets=calibrated.buckets)
    )
    assert main(["conditions", "trace", "results/x/fit/result.json", "--output", "trace.json"]) == 0
    out = capsys.readouterr().out
    for text in (
        "1.5 fb⁻¹  60.00%",
        "1 fb⁻¹  40.00%",
        f"calibration campaign bucket36 (31,1,31,22): closing record {bucket.digest[:12]}",
        "photon_scale: settings 555555555555, validated",
        "forced: run by boss: late at night",
        "closing record 777777777777, which the ledger does not hold",
    ):
        assert text in out
    assert io.read_json("trace.json")["campaigns"]["bucket36"]["validated"] == {"photon_scale": True}


def test_trace_of_a_broken_chain(results, capsys):
    arguments = ["conditions", "trace", "results/x/fit/result.json"]
    (results / "skim/data.json").write_text("{}")
    assert main(arguments) == 1
    assert "[changed since]" in capsys.readouterr().out
    (results / "skim/data.json").unlink()
    assert main(arguments) == 1
    assert "[missing]" in capsys.readouterr().out


def test_trace_from_another_folder(results, tmp_path, monkeypatch, capsys):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert main(["conditions", "trace", "../results/x/fit/result.json"]) == 0
    assert "[missing]" not in capsys.readouterr().out
    monkeypatch.chdir(tmp_path.parent)
    (results / "skim/data.json").unlink()
    assert main(["conditions", "trace", str(results / "fit/result.json")]) == 1
    assert capsys.readouterr().out.count("[missing]") == 1


def test_trace_compares_ntuples_on_request(results, tmp_path, capsys):
    (tmp_path / "data.root").write_bytes(b"other")
    arguments = ["conditions", "trace", "results/x/fit/result.json"]
    assert main(arguments) == 0
    assert main([*arguments, "--verify"]) == 1
    assert "[changed since]" in capsys.readouterr().out


def test_trace_when_conditions_have_changed_since(results, ledger, capsys):
    changed = altered(ledger, "data", release="release-09")
    io.write_json(results / "conditions/ledger.json", changed.to_plain())
    assert main(["conditions", "trace", "results/x/fit/result.json"]) == 1
    assert "not in the ledger any more" in capsys.readouterr().out


def test_trace_of_something_else(results, tmp_path, caplog):
    assert main(["conditions", "trace", "results/x/fit/workspace.json"]) == 1
    assert "nothing can be traced" in caplog.text
    (tmp_path / "lonely.json").write_text('{"provenance": {}}')
    assert main(["conditions", "trace", "lonely.json"]) == 1
    assert "No ledger is known" in caplog.text


def test_diff_of_results(results, ledger, tmp_path, capsys):
    changed = altered(ledger, "data", release="release-08-02-08")
    make_results(tmp_path / "results/y", changed, mu=1.3)
    paths = ["results/x/fit/result.json", "results/y/fit/result.json"]
    assert main(["conditions", "diff", *paths, "--output", "changes.json"]) == 1
    out = capsys.readouterr().out
    assert "release-08-02-08" in out
    assert "1.3 ± 0.5" in out
    assert len(json.loads((tmp_path / "changes.json").read_text())) == 2
    assert main(["conditions", "diff", paths[0], paths[0]]) == 0


def test_diff_refuses_a_ledger_of_another_time(results, ledger, caplog):
    changed = altered(ledger, "data", release="release-09")
    io.write_json(results / "conditions/ledger.json", changed.to_plain())
    result = "results/x/fit/result.json"
    assert main(["conditions", "diff", result, result]) == 1
    assert "not the one that the result was made under" in caplog.text
