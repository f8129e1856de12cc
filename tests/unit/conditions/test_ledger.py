import json
from dataclasses import asdict

import pytest

from analysis import io
from analysis.basf2 import SampleType
from analysis.conditions.buckets import Bucket
from analysis.conditions.findings import Finding
from analysis.conditions.iov import IoV
from analysis.conditions.ledger import Ledger, build, read_findings, read_ledger
from analysis.conditions.recording import record, source_of
from analysis.conditions.records import read_record, record_to_plain
from analysis.config import Sample
from analysis.errors import ConditionsError
from analysis.report.origins import conditions_tables, findings_tables


def sample(name="charged", kind=SampleType.CHARGED, **fields):
    return Sample(name=name, type=kind, **({"files": ("none.root",)} | fields))


@pytest.fixture
def charged(write, simulation):
    """Two files of a simulated sample."""
    return [
        write(simulation, "charged_0.root.metadata.json"),
        write(
            simulation,
            "charged_1.root.metadata.json",
            LFN=simulation["LFN"].replace("000001", "000002"),
            randomSeed="43",
            nEvents=950,
            mcEvents=25000,
            dataset__luminosity=5.0,
            parents=["/belle/parent"],
        ),
    ]


@pytest.fixture
def buckets(write, data):
    """Three files of data, in two buckets with global tags of their own."""
    second = {
        "LFN": data["LFN"].replace("bucket36", "bucket37"),
        "globalTag": "data_prompt_bucket37,data_proc_main",
        "dataset__globalTagStates": {"data_prompt_bucket37": "VALIDATED"},
        "dataset__bucket": "bucket37",
        "dataset__campaign": "bucket37",
        "dataset__runs": [[31, 12, 31, 13]],
        "dataset__luminosity": 0.1,
    }
    return [
        write(data, "data_0.root.metadata.json"),
        write(data, "data_1.root.metadata.json", **second),
        write(
            data,
            "data_2.root.metadata.json",
            LFN=data["LFN"].replace("000001", "000002"),
            dataset__luminosity=0.2,
            dataset__runs=[[31, 11, 31, 11]],
        ),
    ]


def paths(files):
    return [str(file) for file in files]


def test_sums_and_unions(charged):
    conditions = record(source_of(sample(), paths(charged)))
    assert conditions.n_events == 1950
    assert conditions.mc_events == 75000
    assert conditions.luminosity == 15.0
    assert conditions.runs.intervals() == (IoV(1003, 0, 1003, 0),)
    assert conditions.blocks[0].n_full_events == 1800
    assert conditions.blocks[0].parents == ("/belle/parent",)
    assert conditions.experiments == (1003,)


def test_one_file_that_does_not_tell_its_full_events_leaves_the_sum_unknown(write, simulation, delete):
    other = {"LFN": simulation["LFN"].replace("000001", "000002"), "randomSeed": "other", "nFullEvents": delete}
    files = [write(simulation, "a.root.metadata.json"), write(simulation, "b.root.metadata.json", **other)]
    (block,) = record(source_of(sample(), paths(files))).blocks
    assert block.n_files == 2
    assert block.n_full_events is None


def test_one_block_per_bucket_each_with_its_own_tags(buckets):
    conditions = record(source_of(sample("data", SampleType.DATA), paths(buckets)))
    assert [block.bucket for block in conditions.blocks] == ["bucket36", "bucket37"]
    assert conditions.luminosity == pytest.approx(2.8, rel=1e-15)
    assert [str(tag.state) for tag in conditions.blocks[1].global_tags] == ["VALIDATED", "UNKNOWN"]
    assert str(conditions.runs) == "31,1,31,13 31,20,31,22"
    assert conditions.campaigns == ("bucket36", "bucket37")


def test_digest_knows_conditions_and_nothing_else(charged, write, simulation):
    digest = record(source_of(sample(), paths(charged))).digest
    assert record(source_of(sample(), paths(reversed(charged)))).digest == digest
    plain = json.loads(charged[0].read_text())
    charged[0].write_text(json.dumps({**plain, "date": "2027-02-03", "user": "x", "site": "y"}))
    assert record(source_of(sample(), paths(charged))).digest == digest
    for key, value in {
        "release": "release-08-02-08",
        "globalTag": ",".join(reversed(plain["globalTag"].split(","))),
        "steering": "import modularAnalysis",
        "mcEvents": 50001,
    }.items():
        changed = {**plain, key: value, "LFN": "/local/file"}
        charged[0].write_text(json.dumps(changed))
        assert record(source_of(sample(), paths(charged[:1]))).digest != digest


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"release": "release-08-02-08", "LFN": "/local/b"}, "release"),
        ({"globalTag": "mc_production_MC16_a,analysis_tools_light-2406-ragdoll"}, "globalTag"),
        ({"dataset__globalTagStates": {"mc_production_MC16_a": "OPEN"}}, "globalTagStates"),
        ({"dataset__campaign": "MC16ri_b", "LFN": "/local/b"}, "dataset.campaign"),
        ({"dataset__background": "BGx0"}, "dataset.background"),
        ({"dataset__runDependence": "rd"}, "dataset.runDependence"),
        ({"dataset__beamEnergyGeV": 10.52}, "dataset.beamEnergyGeV"),
        ({"dataset__feiTraining": "FEIv5"}, "dataset.feiTraining"),
        ({"dataset__decayFile": "other.dec"}, "dataset.decayFile"),
        ({"dataset__eventType": "mixed"}, "dataset.eventType"),
        ({"dataDescription": {"dataLevel": "mdst"}}, "dataDescription.dataLevel"),
    ],
)
def test_files_that_disagree_are_both_named(charged, write, simulation, change, key):
    change = {"LFN": "/belle/MC/x", "randomSeed": "7"} | change
    third = write(simulation, "third.root.metadata.json", **change)
    with pytest.raises(ConditionsError, match="different conditions") as caught:
        record(source_of(sample(), paths([charged[0], third])))
    text = str(caught.value)
    assert key in text
    assert str(charged[0]) in text
    assert str(third) in text


def test_a_file_at_another_energy_than_the_configuration_says(charged, write, simulation):
    third = write(simulation, "third.root.metadata.json", LFN="/local/b", dataset__beamEnergy="4S_offres")
    with pytest.raises(ConditionsError, match="another energy than the configuration says") as caught:
        record(source_of(sample(), paths([charged[0], third])))
    assert "dataset.beamEnergy" in str(caught.value)
    assert str(third) in str(caught.value)


def test_same_events_twice(charged, write, simulation):
    again = write(simulation, "again.root.metadata.json")
    with pytest.raises(ConditionsError, match="same events") as caught:
        record(source_of(sample(), paths([*charged, again])))
    assert "LFN" in str(caught.value)
    seed = write(simulation, "again.root.metadata.json", LFN="/other")
    with pytest.raises(ConditionsError, match="randomSeed"):
        record(source_of(sample(), paths([*charged, seed])))


def test_type_of_the_sample_must_suit_the_file(charged, buckets):
    with pytest.raises(ConditionsError, match="type contradicts"):
        record(source_of(sample("data", SampleType.DATA), paths(charged)))
    with pytest.raises(ConditionsError, match="type contradicts"):
        record(source_of(sample(), paths(buckets)))
    pseudo = sample("data", SampleType.DATA, files=(), simulated=True)
    assert record(source_of(pseudo, paths(charged))).is_mc


def test_where_metadata_are_looked_for(charged, tmp_path):
    ntuples = tmp_path / "charged_*.root"
    for number in (0, 1):
        (tmp_path / f"charged_{number}.root").touch()
    assert source_of(sample(files=(str(ntuples),))).sidecars == tuple(charged)
    elsewhere = sample(files=("none.root",), metadata=(str(tmp_path / "*.metadata.json"),))
    assert source_of(elsewhere).sidecars == tuple(charged)
    with pytest.raises(ConditionsError, match="matches no file"):
        source_of(sample(files=(str(tmp_path / "signal_*.root"),)))
    with pytest.raises(ConditionsError, match="no metadata"):
        source_of(sample(files=(), simulated=True))
    with pytest.raises(ConditionsError, match="no such file"):
        record(source_of(sample(files=(str(tmp_path / "lonely.root"),))))


@pytest.fixture
def ledger(charged, buckets):
    return build(
        [
            record(source_of(sample(), paths(charged))),
            record(source_of(sample("data", SampleType.DATA), paths(buckets))),
        ]
    )


def test_ledger_is_read_back(ledger, tmp_path):
    io.write_json(tmp_path / "ledger.json", ledger.to_plain())
    again = read_ledger(tmp_path / "ledger.json")
    assert again == ledger
    assert again.digest == ledger.digest
    record = ledger.samples["data"]
    io.write_json(tmp_path / "record.json", record_to_plain(record))
    assert read_record(tmp_path / "record.json").digest == ledger.sample_digests["data"]


def test_ledger_digest_follows_any_sample(ledger):
    samples = dict(ledger.samples)
    block = samples["data"].blocks[0].model_copy(update={"release": "release-09"})
    blocks = (block, *samples["data"].blocks[1:])
    samples["data"] = samples["data"].model_copy(update={"blocks": blocks})
    changed = Ledger(samples=samples)
    assert changed.sample_digests["charged"] == ledger.sample_digests["charged"]
    assert changed.sample_digests["data"] != ledger.sample_digests["data"]
    assert changed.digest != ledger.digest


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda plain: plain.update(schema=99), "schema 2"),
        (lambda plain: plain.pop("samples"), "'samples'"),
        (lambda plain: plain.update(digest="0" * 64), "changed by hand"),
        (lambda plain: plain["digests"].pop("data"), "digests.data"),
        (lambda plain: plain["samples"]["data"].update(fei_training="other"), "changed by hand"),
        (lambda plain: plain["samples"]["data"].update(extra=1), "unknown"),
        (lambda plain: plain["samples"]["data"]["blocks"][0].update(n_events="9"), "wrong type"),
        (lambda plain: plain["samples"]["data"].update(blocks=[]), "wrong type"),
    ],
)
def test_damaged_ledger(ledger, tmp_path, damage, message):
    plain = ledger.to_plain()
    damage(plain)
    io.write_json(tmp_path / "ledger.json", plain)
    with pytest.raises(ConditionsError, match=message):
        read_ledger(tmp_path / "ledger.json")


def test_damaged_record(ledger, tmp_path):
    plain = record_to_plain(ledger.samples["data"])
    io.write_json(tmp_path / "record.json", {**plain, "digest": None})
    with pytest.raises(ConditionsError, match="changed by hand"):
        read_record(tmp_path / "record.json")
    io.write_json(tmp_path / "record.json", [])
    with pytest.raises(ConditionsError, match="list"):
        read_record(tmp_path / "record.json")


def test_two_records_of_one_sample(ledger):
    with pytest.raises(ConditionsError, match="Two records"):
        build([ledger.samples["data"], ledger.samples["data"]])


def test_a_changed_copy_has_a_digest_of_its_own(ledger):
    record = ledger.samples["data"]
    before = record.digest
    copy = record.model_copy(update={"fei_training": "another"})
    assert copy.digest != before == record.digest
    block = record.blocks[0]
    assert block.run_set
    assert block.model_copy(update={"runs": (IoV(31, 1, 31, 1),)}).run_set.intervals() == (IoV(31, 1, 31, 1),)


def test_findings_travel_with_the_ledger_into_the_report(ledger, tmp_path):
    found = Finding("tag-state", "A tag is OPEN.", samples=("data",), waived="agreed with the coordinators <today>")
    io.write_json(tmp_path / "ledger.json", {**ledger.to_plain(), "findings": [asdict(found)]})
    assert read_findings(tmp_path / "ledger.json") == [found]
    assert read_ledger(tmp_path / "ledger.json").digest == ledger.digest
    page = "".join(map(str, findings_tables([found])))
    assert "agreed with the coordinators &lt;today&gt;" in page
    io.write_json(tmp_path / "ledger.json", {**ledger.to_plain(), "findings": [{"code": 1}]})
    with pytest.raises(ConditionsError, match="findings of the ledger"):
        read_findings(tmp_path / "ledger.json")
    bucket = {
        "bucket": "b<1>", "iov": [31, 1, 31, 22], "runs": [[31, 1, 31, 22]], "release": "r8", "beam_energy": "4S",
        "global_tags": [{"name": "data"}], "settings": {"photon_scale": "5" * 64}, "validated": {"photon_scale": True},
    }  # fmt: skip
    calibrated = ledger.model_copy(update={"buckets": {"b<1>": Bucket.model_validate(bucket)}})
    page = "".join(map(str, conditions_tables(calibrated)))
    assert "b&lt;1&gt;" in page
    assert "photon_scale" in page
    assert "555555555555" in page
    assert "Calibration campaigns" not in "".join(map(str, conditions_tables(ledger)))
    assert "nothing had to be waived" in "".join(map(str, findings_tables([])))
