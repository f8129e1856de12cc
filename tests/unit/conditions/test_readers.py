"""Everything but JSON sidecars: ROOT files, YAML by hand, logical names, databases, run information."""

import hashlib
import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import uproot
import yaml

from analysis.basf2 import BeamEnergy, SampleType
from analysis.conditions.databases import overlaps, read_database, read_databases, read_text_database
from analysis.conditions.handwritten import read_yaml
from analysis.conditions.iov import IoV
from analysis.conditions.lfn import parse_lfn
from analysis.conditions.metadata import GlobalTagState
from analysis.conditions.recording import known_tags, record, source_of, told_of_tags
from analysis.conditions.rootfile import metadata_text, root_identifier
from analysis.conditions.runinfo import parse_runs, read_runs
from analysis.config import Sample
from analysis.config.models import ConditionsSettings
from analysis.errors import ConditionsError


def sample(*metadata, kind=SampleType.CHARGED):
    return Sample(name="charged", type=kind, files=("none.root",), metadata=tuple(map(str, metadata)))


@pytest.fixture
def dataset_yaml(tmp_path, simulation):
    path = tmp_path / "dataset.yaml"
    path.write_text(yaml.safe_dump({"dataset": simulation["dataset"]}))
    return path


ROOT = Path(__file__).parents[3]
# Written by ROOT itself, see make.py there: the object as basf2 splits it, without containers' content, and whole.
ROOT_FILES = Path(__file__).with_name("filemetadata")
DESCRIPTION = {"dataLevel": "udst", "skimDecayMode": "feiSLCharged"}
PARENTS = ["/belle/MC/parent_1.root", "/belle/MC/parent_2.root"]


@pytest.mark.parametrize(
    ("name", "parents", "description"),
    [("full", PARENTS, DESCRIPTION), ("unsplit", PARENTS, DESCRIPTION), ("bare", [], {})],
)
def test_file_metadata_as_root_streams_it(name, parents, description, simulation, dataset_yaml, write):
    text, findings = metadata_text(ROOT_FILES / f"{name}.root")
    assert findings == []
    of_basf2 = {key: value for key, value in simulation.items() if key != "dataset"}
    of_basf2 |= {"steering": 'import basf2\nprint("µDST")\n', "parents": parents, "dataDescription": description}
    assert json.loads(text) == of_basf2
    conditions = record(source_of(sample(ROOT_FILES / f"{name}.root", dataset_yaml)))
    expected = record(source_of(sample(write({**simulation, **of_basf2}))))
    assert conditions == expected
    assert conditions.digest == expected.digest


def test_the_example_by_hand_is_a_whole_record(tmp_path):
    """For whoever has ntuples and nothing that basf2 told of them; data as the example's head says."""
    example = ROOT / "config/metadata.example.yaml"
    conditions = record(source_of(sample(example)))
    assert (conditions.mc_events, conditions.luminosity) == (1_440_000_000, 1443.0)
    assert {tag.state for tag in conditions.global_tags} == {GlobalTagState.PUBLISHED}
    content = yaml.safe_load(example.read_text())
    content |= {"isMC": False, "mcEvents": 0, "LFN": "data", "globalTag": "data_prompt_rel08"}
    del content["dataset"]["runDependence"]
    content["dataset"] |= {
        "campaign": "prompt",
        "eventType": "data",
        "globalTagStates": {"data_prompt_rel08": "PUBLISHED"},
    }
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(content))
    assert record(source_of(sample(tmp_path / "data.yaml", kind=SampleType.DATA))).mc_events == 0


def test_identity_of_a_root_file():
    full, bare = (ROOT_FILES / f"{name}.root" for name in ("full", "bare"))
    assert root_identifier(full) == root_identifier(full) != root_identifier(bare)


@pytest.mark.parametrize("content", ["truncated", "foreign", "tree", "two", "missing"])
def test_root_file_without_metadata(tmp_path, content):
    path = tmp_path / "x.root"
    trees = {"foreign": {"variables": 3}, "tree": {"persistent": 1}, "two": {"persistent": 2}}
    if content == "truncated":
        path.write_bytes((ROOT_FILES / "full.root").read_bytes()[:200])
    elif content in trees:
        with uproot.recreate(path) as file:
            for name, entries in trees[content].items():
                file[name] = {"x": np.arange(entries)}
    text, (finding,) = metadata_text(path)
    assert text is None
    assert finding.code == "no-metadata"
    assert ("2 entries" in finding.found) == (content == "two")
    with pytest.raises(ConditionsError, match=r"holds (no metadata that can be read|the metadata of several files)"):
        record(source_of(sample(path)))


def test_defaults_do_not_override_the_file(tmp_path, simulation, write, dataset_yaml):
    own = write(simulation, dataset={"beamEnergy": "4S", "luminosity": 3.0})
    conditions = record(source_of(sample(own, dataset_yaml)))
    assert conditions.luminosity == 3.0
    assert conditions.campaigns == ("MC16ri_a",)


def test_metadata_of_a_file_by_hand(tmp_path, simulation):
    path = tmp_path / "one.yaml"
    path.write_text(yaml.safe_dump(simulation))
    assert record(source_of(sample(path))).mc_events == 50000


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "dataset: [1", "cannot be used"),
        ("a.yaml", "- a", "found:    list"),
        ("a.yaml", "dataset: {}\nname: x", "the keys dataset, name"),
        ("a.yaml", "dataset: {campaign: x}", "only of the dataset"),
        ("a.txt", "", "no name"),
        ("a.txt", "/belle/user/me/x", "no logical name"),
        ("a.txt", "/belle/MC/a/MC15ri_b/prod00000001/x\n/belle/MC/a/MC16ri_a/prod00000002/x", "MC15ri_b, MC16ri_a"),
    ],
)
def test_malformed_by_hand(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConditionsError, match=message) as caught:
        record(source_of(sample(tmp_path / name)))
    assert str(tmp_path / name) in str(caught.value)


def test_simulation_of_another_energy_is_no_part_of_a_sample(simulation, write):
    """Off-resonance continuum that passes for on-resonance would be scaled to the wrong luminosity."""
    changes = {"beamEnergy": "4S_offres", "beamEnergyGeV": 10.52, "eventType": "ccbar"}
    path = write(simulation | {"LFN": "/local/a"}, dataset=simulation["dataset"] | changes)
    right = Sample(name="a", type="ccbar", beam_energy="4S_offres", files=("a.root",), metadata=(str(path),))
    assert record(source_of(right)).beam_energy == "4S_offres"
    with pytest.raises(ConditionsError, match="simulated at another energy than the configuration says"):
        record(source_of(right.model_copy(update={"beam_energy": BeamEnergy.ON_RESONANCE})))


def test_logical_names_fill_the_dataset(tmp_path, simulation, write):
    names = tmp_path / "datasets.txt"
    names.write_text(f"# gbasf2 search\n{simulation['LFN'].rpartition('/')[0]}\n")
    states = simulation["dataset"]["globalTagStates"]
    own = write(simulation, dataset={"globalTagStates": states})
    conditions = record(source_of(sample(own, names)))
    assert conditions.blocks[0].productions == (35000,)
    assert (conditions.run_dependence, conditions.event_type, conditions.beam_energy) == ("ri", "charged", "4S")


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        (
            "/belle/MC/release-06-00-08/DB00002100/MC15ri_b/prod00024821/s00/e1003/4S/r00000/charged/mdst",
            (True, "release-06-00-08", "DB00002100", "MC15ri_b", 24821, 1003, 0, "4S", "charged", "mdst"),
        ),
        (
            "/belle/Data/release-06-00-08/DB00002100/bucket30/prod00029022/e0024/4S/r00312/hadron/mdst/sub00/x.root",
            (False, "release-06-00-08", "DB00002100", "bucket30", 29022, 24, 312, "4S", "hadron", "mdst"),
        ),
        (
            "/belle/Data/release-05-02-14/DB00001820/proc12/prod00022760/e0012/4S_offres/r02001/all/udst",
            (False, "release-05-02-14", "DB00001820", "proc12", 22760, 12, 2001, "4S_offres", "all", "udst"),
        ),
        ("/belle/user/someone/MC/charged", (None,) * 10),
        ("ntuples/charged_0.root", (None,) * 10),
    ],
)
def test_logical_names(name, fields):
    lfn = parse_lfn(name)
    assert (
        lfn.is_mc, lfn.release, lfn.database, lfn.campaign, lfn.production, lfn.experiment, lfn.run, lfn.beam_energy,
        lfn.event_type, lfn.data_level,
    ) == fields  # fmt: skip


def test_text_database(tmp_path):
    folder = tmp_path / "localdb"
    folder.mkdir()
    payload = folder / "dbstore_BeamParameters_rev_PLACE.root"
    checksum = hashlib.md5(b"payload").hexdigest()
    payload = folder / f"dbstore_BeamParameters_rev_{checksum[:6]}.root"
    payload.write_bytes(b"payload")
    database = folder / "database.txt"
    database.write_text(
        f"dbstore/BeamParameters 12 0,0,-1,-1  # old\n\ndbstore/BeamParameters {checksum[:6]} 31,1,-1,-1\n"
    )
    tag = read_text_database(database)
    assert tag.name == "localdb"
    assert [validity.payload.revision for validity in tag.content] == [checksum[:6], "12"]
    assert tag.content[0].payload.checksum == checksum
    assert tag.content[0].iov == IoV(31, 1, -1, -1)
    (overlap,) = overlaps(tag)
    assert not overlap.stops
    payload.write_bytes(b"tampered")
    with pytest.raises(ConditionsError, match="the file was changed"):
        read_text_database(database)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dbstore/A 1\n", "the three parts"),
        ("A 1 0,0,-1,-1\n", "the three parts"),
        ("dbstore/A 1 31,5,31,1\n", "reversed"),
        ("dbstore/A 1 0,0,-1\n", "four integers"),
        ("dbstore/A xyz 0,0,-1,-1\n", "neither a number"),
        ("dbstore/A 1 0,0,-1,-1\ndbstore/A 1 0,0,-1,-1\n", "listed twice"),
    ],
)
def test_malformed_text_database(tmp_path, text, message):
    path = tmp_path / "database.txt"
    path.write_text("# a comment\n" + text)
    with pytest.raises(ConditionsError, match=message) as caught:
        read_database(path)
    assert "line" in str(caught.value)


# The tables that LocalMetadataProvider reads, reduced to what it reads of them.
SCHEMA = """
CREATE TABLE globaltags (globalTagId INTEGER PRIMARY KEY, globalTagName TEXT UNIQUE, globalTagStatus TEXT NOT NULL);
CREATE TABLE iov_payloads (globalTagName TEXT, payloadId INTEGER, payloadName TEXT, revision INTEGER, checksum TEXT,
  firstExp INTEGER, firstRun INTEGER, finalExp INTEGER, finalRun INTEGER, payloadUrl TEXT, baseUrl TEXT);
"""
MD5 = hashlib.md5(b"x").hexdigest()


def write_dump(path, rows=(), tags=(("main", "PUBLISHED"),), application=0xB2CDB, version=1):
    with sqlite3.connect(path) as database:
        database.executescript(SCHEMA)
        database.execute(f"PRAGMA application_id = {application}")
        database.execute(f"PRAGMA user_version = {version}")
        database.executemany("INSERT INTO globaltags (globalTagName, globalTagStatus) VALUES (?, ?)", tags)
        database.executemany(
            "INSERT INTO iov_payloads VALUES ('main', 0, ?, ?, ?, ?, ?, ?, ?, '', '')",
            rows,
        )
    database.close()
    return path


def test_sqlite_dump(tmp_path):
    rows = [("A", 1, MD5, 0, 0, -1, -1), ("A", 2, MD5, 0, 0, -1, -1), ("B", 7, MD5, 31, 1, 31, 22)]
    (tag,) = read_database(write_dump(tmp_path / "dump.sqlite", rows))
    assert (tag.name, tag.state) == ("main", GlobalTagState.PUBLISHED)
    # Of two revisions for the same runs basf2 takes the higher one.
    assert [(v.payload.name, v.payload.revision) for v in tag.content] == [("A", "2"), ("A", "1"), ("B", "7")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"application": 1}, "application_id"),
        ({"version": 9}, "user_version"),
        ({"tags": [("main", "FROZEN")]}, "FROZEN"),
        ({"rows": [("A", 1, "nonsense", 0, 0, -1, -1)]}, "checksum must be a text of the form"),
        ({"rows": [("A", 1, MD5, 31, 5, 31, 1)]}, "reversed"),
        ({"rows": [("A", 1, MD5, 0, 0, -1, -1)] * 2}, "listed twice"),
    ],
)
def test_malformed_dump(tmp_path, arguments, message):
    with pytest.raises(ConditionsError, match=message):
        read_database(write_dump(tmp_path / "dump.sqlite", **arguments))


def test_truncated_dump(tmp_path):
    path = write_dump(tmp_path / "dump.sqlite", [("A", n, MD5, 0, 0, -1, -1) for n in range(1000)])
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(ConditionsError, match="cannot be"):
        read_database(path)
    with pytest.raises(ConditionsError, match="No such file"):
        read_database(tmp_path / "none.sqlite")


def test_two_dumps_that_contradict(tmp_path):
    one = write_dump(tmp_path / "one.sqlite", [("A", 1, MD5, 0, 0, -1, -1)])
    two = write_dump(tmp_path / "two.sqlite", [("A", 2, MD5, 0, 0, -1, -1)])
    assert set(read_databases([one, one])) == {"main"}
    with pytest.raises(ConditionsError, match="differently"):
        read_databases([one, two])


def test_states_and_contents_reach_the_record(tmp_path, write, simulation, delete):
    tags = [("mc_production_MC16_a", "PUBLISHED")]
    dump = write_dump(tmp_path / "dump.sqlite", tags=tags)
    settings = ConditionsSettings(
        databases=(str(dump),), global_tag_states={"analysis_tools_light-2406-ragdoll": "TESTING"}
    )
    path = write(simulation, dataset__globalTagStates={})
    conditions = record(source_of(sample(path)), known_tags(settings))
    used = {tag.name: tag for tag in conditions.global_tags}
    assert used["mc_production_MC16_a"].state is GlobalTagState.PUBLISHED
    assert used["mc_production_MC16_a"].content is not None
    assert used["analysis_tools_light-2406-ragdoll"].state is GlobalTagState.TESTING


def test_what_a_record_takes_from_the_databases(tmp_path, write, simulation, data):
    dump = write_dump(
        tmp_path / "dump.sqlite", tags=[("mc_production_MC16_a", "PUBLISHED"), ("data_proc_main", "PUBLISHED")]
    )
    known = known_tags(ConditionsSettings(databases=(str(dump),)))
    everything = {name: tag.digest for name, tag in known.items()}
    of_simulation = told_of_tags([write(simulation)], known)
    assert of_simulation == {"mc_production_MC16_a": everything["mc_production_MC16_a"]}
    assert told_of_tags([write(simulation, "b.json"), write(data, "c.json")], known) == everything
    # Not told at a glance, or not yet.
    assert told_of_tags([tmp_path / "mdst.root"], known) == told_of_tags(None, known) == everything
    other = known_tags(ConditionsSettings(databases=(str(dump),), global_tag_states={"data_proc_main": "INVALID"}))
    assert told_of_tags([write(simulation)], other) == of_simulation
    assert told_of_tags([write(data, "c.json")], other) != told_of_tags([write(data, "c.json")], known)


RUNS = '''experiment;run;start;stop;n_events;luminosity [pb^-1];Beam Energy;magnet;comment
31;1;2026-01-01 00:00;2026-01-01 01:00;1200;10.5;4S;On;"fine; nothing to report"
31;2;2026-01-01 01:00;2026-01-01 02:00;;20;4S;On;"trip of
QCS, then
""recovered"""
31;3;;;;;4S;On;
'''


def test_run_information_with_multi_line_fields_and_missing_counts(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text(RUNS)
    table = read_runs(path)
    assert [(run.experiment, run.run, run.n_events, run.luminosity) for run in table.runs] == [
        (31, 1, 1200, 10.5e-3),
        (31, 2, None, 20e-3),
        (31, 3, None, None),
    ]
    assert table.runs[0].beam_energy == "4S"
    assert str(table.run_set) == "31,1,31,3"
    assert table.luminosity_of(table.run_set) is None
    assert [run.run for run in table.within(IoV(31, 2, 31, -1))] == [2, 3]


@pytest.mark.parametrize(
    ("title", "expected"),
    [("luminosity_fb", 2.0), ("lumi (1/pb)", 2e-3), ("Luminosity [nb-1]", 2e-6), ("lumi_inv_pb", 2e-3)],
)
def test_units_of_luminosity(title, expected):
    (run,) = parse_runs(f"exp\trun\t{title}\n31\t1\t2\n", "x").runs
    assert run.luminosity == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "missing-column"),
        ("exp,run\n", "lists no run"),
        ("exp,rum\n31,1\n", "nearest: 'rum'"),
        ("exp,run,lumi\n31,1,2\n", "no unit"),
        ("exp,experiment,run\n31,31,1\n", "mean the same"),
        ("exp,run\n31,1,5\n", "line 2"),
        ("exp,run\n31,x\n", "no whole number"),
        ("exp,run\n31,-1\n", "no whole number"),
        ("exp,run\n31,1.5\n", "no whole number"),
        ("exp,run\n31,1\n31,1\n", "listed twice"),
        ("exp,run,lumi_fb\n31,1,-2\n", "negative"),
        ("exp,run,lumi_fb\n31,1,1,5\n", "number of fields"),
        ('exp,run,comment\n31,1,"open\n', "not valid CSV"),
    ],
)
def test_malformed_run_information(text, message):
    with pytest.raises(ConditionsError, match=message):
        parse_runs(text, "runs.csv")


def test_all_wrong_lines_are_told_with_their_numbers():
    text = 'exp,run,comment\n31,1,"two\nlines"\n31,x,\n31,1,\ny,2,\n'
    with pytest.raises(ConditionsError, match="3 problems") as caught:
        parse_runs(text, "runs.csv")
    message = str(caught.value)
    assert all(f"line {number}" in message for number in (4, 5, 6))


def test_unreadable_run_information(tmp_path):
    with pytest.raises(ConditionsError, match="cannot be read"):
        read_runs(tmp_path / "none.csv")


def test_a_key_given_twice_by_hand_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "dataset.yaml"
    path.write_text("dataset:\n  campaign: MC15ri\n  campaign: MC16ri\n")
    content, findings = read_yaml(path)
    assert content is None
    assert "the key 'campaign' stands twice, in lines 2 and 3" in str(findings[0].found)
