"""Which runs and files a calibration is given."""

import pytest

from analysis import io
from analysis.campaign import execution
from analysis.campaign.inputs import bucket_runs, refusal, run_info_csv, runs_in_path
from analysis.campaign.layout import read_tasks
from analysis.conditions.runinfo import Run, parse_runs, read_runs
from tests.unit.campaign.conftest import Site

RUN = Run(31, 1, beam_energy="4S", magnet="On", quality="Good;Good For PXD", run_type="physics")


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ([], None),
        (["On", "4S", "physics", "Good"], None),
        (["Either"], None),
        (["Off"], "Magnet is On"),
        (["NOT On"], "Magnet is On"),
        (["NOT Off"], None),
        (["4S", "Continuum"], None),
        (["Scan", "Continuum"], "Beam Energy is 4S"),
        (["Good Or Recoverable"], None),
        (["Bad For Alignment"], "Data Quality Tag is Good and Good For PXD and Good Or Recoverable"),
        (["Good", "NOT Good For PXD"], "Data Quality Tag is Good and Good For PXD and Good Or Recoverable"),
        (["cosmic"], "Run Type is physics"),
        (["hadron_calib"], None),
    ],
)
def test_filters(filters: list[str], reason: str | None) -> None:
    assert refusal(RUN, filters) == reason


def test_an_unknown_property_is_no_pass() -> None:
    assert refusal(Run(31, 1), ["NOT Off"]) == "Magnet is unknown"


@pytest.mark.parametrize(
    ("path", "runs"),
    [
        ("/x/e0031/4S/r00012/all/cdst", ((31, 12),)),
        ("e0031/r00012", ((31, 12),)),
        ("physics.0031.00012.HLT1.f00000.root", ((31, 12),)),
        ("/x/e0031/4S/r00012/cdst.physics.0031.00013.root", ((31, 12), (31, 13))),
        ("/x/run12/all.root", ()),
    ],
)
def test_what_a_path_names(path: str, runs: tuple[tuple[int, int], ...]) -> None:
    assert runs_in_path(path) == runs


def test_input_of_a_campaign(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    layout = site.setup()
    _, campaign = site.open()
    runs = bucket_runs(read_runs(campaign.paths.run_database), campaign.iov)
    tasks = read_tasks(layout, campaign)
    execution.prepare(campaign, tasks, runs)
    work = site.root / "work/bucket40"
    assert io.read_json(work / "energy/caf_config.json") == {
        "caf_script": "energy.py",
        "database_chain": ["data_staging", "data_prompt", "online_proc"],
        "requested_iov": [40, 1, 40, 8],
        "expert_config": {"payload_boundaries": [[40, 4]]},
    }
    assert io.read_json(work / "energy/input_data.json") == {
        "mumu": [
            ["/d/mumu/e0040/4S/r00001", [40, 1]],
            ["/d/mumu/e0040/4S/r00006/physics.0040.00006.HLT1.root", [40, 6]],
        ]
    }
    assert io.read_json(work / "energy/selection.json")["excluded"] == {
        "mumu": {"Magnet is Off": ["40.5"], "no files": ["40.2"]}
    }
    assert "one run left out: Magnet is Off" in caplog.text
    # Another bucket's files are not ours, nor those of another format.
    assert io.read_json(work / "scale/input_data.json") == {"gg": [["/d/gg/e0040/4S/r00001", [40, 1]]]}
    assert not (work / "local_svd").exists()
    before = (work / "energy/input_data.json").stat().st_mtime_ns
    execution.prepare(campaign, tasks, runs)
    assert (work / "energy/input_data.json").stat().st_mtime_ns == before


def test_run_information_survives_the_way_through_csv(site: Site) -> None:
    site.setup()
    _, campaign = site.open()
    runs = bucket_runs(read_runs(campaign.paths.run_database), campaign.iov)
    assert [run.run for run in runs.runs] == [1, 2, 5, 6]
    assert [run.n_events for run in runs.runs] == [100, None, None, 7]
    again = parse_runs(run_info_csv(runs), "again")
    assert again.runs == runs.runs
