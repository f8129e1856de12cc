"""Constants, from the command that makes them to the record that samples refer to."""

import pytest

from analysis import io
from analysis.basf2 import SampleType
from analysis.campaign import closing
from analysis.campaign.closing import Made
from analysis.campaign.layout import files_of, read_tasks
from analysis.campaign.loop import alone, progress_of
from analysis.campaign.payloads import Entry, read_entries
from analysis.cli import main
from analysis.conditions.buckets import read_bucket
from analysis.conditions.databases import read_text_database
from analysis.conditions.iov import IoV
from analysis.conditions.recording import SampleSource, record
from analysis.conditions.records import Block, Payload, SampleConditions, Validity, record_to_plain
from analysis.conditions.runinfo import Run, RunTable
from analysis.errors import ConditionsError
from tests.unit.campaign.conftest import Site, finish

BUCKET = IoV(40, 1, 40, 8)
RUNS = RunTable("runs", tuple(Run(40, number) for number in (1, 2, 6)))


def made(name: str, *iov: int, task: str = "t") -> Made:
    return Made(task, Entry(Validity(payload=Payload(name=name, revision="1"), iov=IoV(*iov)), None))  # type: ignore[arg-type]


def found(*items: Made) -> list[tuple[str, str]]:
    return [(finding.code, finding.severity.value) for finding in closing.inspect(closing.cut(items), BUCKET, RUNS)]


def test_open_ended_payloads_end_where_the_next_begins() -> None:
    items = [made("A", 40, 1, -1, -1), made("A", 40, 4, -1, -1), made("A", 41, 1, -1, -1)]
    assert found(*items) == []
    after = closing.cut(items)
    assert [str(item.entry.iov) for item in after] == ["40,1,40,3", "40,4,41,0", "41,1,-1,-1"]
    parts = [str(line.in_bucket) for line in closing.manifest(after, BUCKET)]
    assert parts == ["40,1,40,3", "40,4,40,8", "None"]


@pytest.mark.parametrize(
    ("items", "codes"),
    [
        ([made("A", 40, 0, 40, -1)], []),
        ([made("A", 40, 1, 40, 8), made("B", 39, 0, -1, -1)], []),
        ([made("A", 40, 2, -1, -1)], [("payload-gap", "error")]),
        ([made("A", 40, 1, 40, 2), made("A", 40, 4, -1, -1)], [("payload-gap", "note")]),
        ([made("A", 40, 1, 40, 4), made("A", 40, 8, -1, -1)], [("payload-gap", "error")]),
        ([made("A", 40, 1, 40, 5), made("A", 40, 5, -1, -1)], [("payload-overlap", "error")]),
        ([made("A", 40, 1, -1, -1), made("A", 40, 1, -1, -1)], [("payload-overlap", "error")]),
        ([made("A", 40, 1, -1, -1), made("A", 40, 4, -1, -1, task="u")], [("two-makers", "error")]),
    ],
)
def test_gaps_and_overlaps(items: list[Made], codes: list[tuple[str, str]]) -> None:
    assert found(*items) == codes


def test_steps_and_closing(site: Site) -> None:
    layout = site.setup()
    finish(site)
    _, campaign = site.open()
    tasks = read_tasks(layout, campaign)
    assert set(progress_of(campaign, tasks).values()) == {"done"}
    # The nearest upstream comes first, and payloads of other times are not copied.
    (scale,) = read_entries(files_of(campaign, "scale").database)
    assert scale.file.read_text() == '["scale", ["energy", "local_svd"]]'
    assert [entry.name for entry in read_entries(files_of(campaign, "local_svd").database)] == ["Shift"]
    assert "Status: done" in (layout.folder / "issues/scale.md").read_text()

    assert main(["campaign", "close", str(site.folder)]) == 0
    record = read_bucket(layout.folder / "conditions.json")
    assert (record.n_events, record.luminosity) == (None, pytest.approx(0.04))
    assert [iov.as_tuple() for iov in record.runs] == [(40, 1, 40, 2), (40, 5, 40, 6)]
    tag = read_text_database(layout.folder / "tags/data_staging/database.txt")
    assert record.global_tags[0].name == tag.name == "data_staging"
    assert record.global_tags[0].content == tag.digest
    assert {line["task"] for line in io.read_json(layout.folder / "tag.json")["payloads"]} == set(tasks)
    assert "Status: closed" in (layout.folder / "issues/tracker.md").read_text()
    report = (layout.folder / "report.md").read_text()
    assert "| Shift | 3 | 39,0,-1,-1 | 40,1,40,8 | local_svd |" in report
    assert "- energy: not validated" in report


def test_a_sample_of_two_buckets(site: Site) -> None:
    """Data of two campaigns have a block per bucket, with the tags and runs that the campaigns' records tell."""
    metadata = {"LFN": "data.root", "nEvents": 10, "isMC": False, "mcEvents": 0, "eventLow": 1, "eventHigh": 9}
    paths = []
    for number, runs in enumerate(([40, 1, 40, 4], [40, 5, 40, 8])):
        name = f"bucket4{number}"
        if number:
            site.edit("primary.yaml", "name: bucket40", f"name: {name}")
            site.edit("primary.yaml", "[40, 1, 40, 4]", str(runs))
            site.edit("calibrations/raw/energy.yaml", "[[40, 4]]", "[]")
            site.edit("files.csv", "r00001,40,1,cdst", "r00006,40,6,cdst")
        else:
            site.edit("primary.yaml", "[40, 1, 40, 8]", str(runs))
        site.setup()
        folder = site.root / "campaigns" / name
        finish(site, name)
        assert main(["campaign", "close", str(folder)]) == 0
        plain = io.read_json(folder / "conditions.json")
        low, high = runs[:2], runs[2:]
        sidecar = {**metadata, "LFN": f"{name}.root", **plain["sidecar"]}
        sidecar |= dict(zip(("experimentLow", "runLow", "experimentHigh", "runHigh"), (*low, *high), strict=True))
        sidecar["dataset"]["luminosity"] = plain["conditions"]["luminosity"]
        paths.append(site.root / f"{name}.root.metadata.json")
        io.write_json(paths[-1], sidecar)
    conditions = record(SampleSource("data", SampleType.DATA, tuple(paths)))
    assert [block.bucket for block in conditions.blocks] == ["bucket40", "bucket41"]
    assert [str(block.run_set) for block in conditions.blocks] == ["40,1,40,2", "40,5,40,6"]
    assert [block.luminosity for block in conditions.blocks] == [pytest.approx(0.02)] * 2
    assert conditions.blocks[0].tag_names == ("data_staging", "data_prompt", "online_proc")
    path = site.root / "record.json"
    io.write_json(path, record_to_plain(conditions))
    for name in ("bucket40", "bucket41"):
        assert main(["campaign", "check", str(site.root / "campaigns" / name), str(path)]) == 0


def test_records_that_hold_nothing_of_the_bucket(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """One among several is told; none at all is an error, for nothing would have been checked."""
    site.setup()
    finish(site)
    folder = site.root / "campaigns" / "bucket40"
    assert main(["campaign", "check", str(folder), "any.json"]) == 1
    assert "campaign is not closed" in capfd.readouterr().err
    assert main(["campaign", "close", str(folder)]) == 0
    ours = io.read_json(folder / "conditions.json")["conditions"]
    block = Block.model_validate(
        {key: ours[key] for key in ("bucket", "release", "global_tags", "runs", "luminosity")}
        | {
            "campaign": "prompt",
            "background": None,
            "runs_exact": True,
            "n_events": 1,
            "n_full_events": None,
            "mc_events": 0,
        }
        | {"productions": [], "parents": [], "steering": [], "n_files": 1},
        strict=False,
    )
    paths = []
    for name, bucket in (("data", "bucket40"), ("other", "bucket99"), ("none", None)):
        sample = SampleConditions(
            sample=name, type=SampleType.DATA, is_mc=False, run_dependence=None, event_type=None, decay_file=None,
            beam_energy="4S", beam_energy_gev=None, fei_training=None, data_level=None, skim=None,
            blocks=(block.model_copy(update={"bucket": bucket}),),
        )  # fmt: skip
        paths.append(str(site.root / f"{name}.json"))
        io.write_json(paths[-1], record_to_plain(sample))
    assert main(["campaign", "check", str(folder), *paths]) == 0
    assert "other holds nothing of bucket40" in " ".join(capfd.readouterr().err.split())
    assert main(["campaign", "check", str(folder), *paths[1:]]) == 1
    message = " ".join(capfd.readouterr().err.split())
    for part in ("nothing to check", "other.json", "none.json", "found: bucket99", "expected: bucket40", "remedy:"):
        assert part in message


def test_constants_of_other_settings_do_not_count(site: Site) -> None:
    layout = site.setup()
    finish(site)
    site.edit("campaigns/bucket40/tasks/scale.yaml", "The scale.", "Another scale.")
    _, campaign = site.open()
    assert progress_of(campaign, read_tasks(layout, campaign))["scale"] == "waiting"
    assert main(["campaign", "close", str(site.folder)]) == 1


def test_a_gap_stops_closing_unless_forced(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    site.edit("calibration.py", "-1,-1", "40,1")
    layout = site.setup()
    finish(site)
    assert main(["campaign", "close", str(site.folder)]) == 1
    assert "nothing for 40,2,40,8, in which there are 3 runs" in capfd.readouterr().err.replace("\n" + " " * 29, " ")
    assert not (layout.folder / "conditions.json").exists()
    assert main(["campaign", "close", str(site.folder), "--force", "beam lost after run 1"]) == 0
    assert "beam lost after run 1" in (layout.folder / "report.md").read_text()


def test_a_failed_step_is_told(site: Site) -> None:
    layout = site.setup()
    assert main(["campaign", "step", str(site.folder), "energy", "calibrate"]) == 1
    _, campaign = site.open()
    assert progress_of(campaign, read_tasks(layout, campaign))["energy"] == "failed"
    text = (layout.folder / "issues/energy.md").read_text()
    assert "Status: failed" in text
    assert "caf_config.json" in text
    finish(site)
    assert progress_of(campaign, read_tasks(layout, campaign))["energy"] == "done"


def test_only_one_loop_at_a_time(site: Site) -> None:
    site.setup()
    _, campaign = site.open()
    with alone(campaign), pytest.raises(ConditionsError, match="running already"), alone(campaign):
        pass
    with alone(campaign):
        assert main(["campaign", "run", str(site.folder), "--force", "two at once"]) == 1
    # Nothing was done before the lock was held.
    assert not (site.folder / "forced.json").exists()
