import json

import pytest

from analysis.conditions.iov import IoV
from analysis.conditions.metadata import DatasetMetadata, FileMetadata
from analysis.conditions.sidecar import examine_sidecar, listed_runs, read_sidecar, sidecar_of
from analysis.errors import ConditionsError


def test_reads_what_basf2_prints(write, simulation):
    metadata = read_sidecar(write(simulation))
    assert metadata.global_tags == ("analysis_tools_light-2406-ragdoll", "mc_production_MC16_a")
    assert metadata.dataset.beam_energy_gev == 10.58
    assert listed_runs(metadata).intervals() == (IoV(1003, 0, 1003, 0),)


def test_accepts_older_and_newer_releases(write, simulation, delete):
    # An older basf2 prints isMC as 0 or 1 and knows no nFullEvents; a newer one may add keys.
    path = write(simulation, isMC=1, nFullEvents=delete, aKeyOfTomorrow=[])
    assert read_sidecar(path).is_mc is True
    assert read_sidecar(path).n_full_events is None


def test_written_sidecar_is_read_back(tmp_path, simulation):
    metadata = FileMetadata.model_validate_json(json.dumps(simulation))
    path = sidecar_of(tmp_path / "b.root")
    path.write_text(metadata.to_json())
    assert path.name == "b.root.metadata.json"
    assert read_sidecar(path) == metadata
    assert set(simulation) <= set(json.loads(path.read_text()))


def test_can_be_built_by_field_name():
    dataset = DatasetMetadata(campaign="toy", beam_energy="4S", beam_energy_gev=10.58, global_tag_states={"a": "OPEN"})
    assert json.loads(dataset.model_dump_json(by_alias=True))["beamEnergyGeV"] == 10.58


def test_range_stands_in_for_unlisted_runs(write, data, delete):
    metadata = read_sidecar(write(data, dataset__runs=delete))
    assert listed_runs(metadata).intervals() == (IoV(31, 1, 31, 22),)


# Every malformed sidecar: the base, the change, the code of the finding, the key it must name.
MALFORMED = [
    ("simulation", {"globalTag": None}, "wrong-value", "globalTag"),
    ("simulation", {"nEvents": "1000"}, "wrong-value", "nEvents"),
    ("simulation", {"nEvents": -1}, "wrong-value", "nEvents"),
    ("simulation", {"nEvents": 10.5}, "wrong-value", "nEvents"),
    ("simulation", {"isMC": "true"}, "wrong-value", "isMC"),
    ("simulation", {"isMC": 2}, "wrong-value", "isMC"),
    ("simulation", {"parents": "a.root"}, "wrong-value", "parents"),
    ("simulation", {"parents": [1]}, "wrong-value", "parents.0"),
    ("simulation", {"release": ""}, "wrong-value", "release"),
    ("simulation", {"dataDescription": {"dataLevel": 1}}, "wrong-value", "dataDescription"),
    ("simulation", {"dataset__luminosity": -1.0}, "wrong-value", "dataset.luminosity"),
    ("simulation", {"dataset__luminosity": "10"}, "wrong-value", "dataset.luminosity"),
    ("simulation", {"dataset__beamEnergyGeV": 0.0}, "wrong-value", "dataset.beamEnergyGeV"),
    ("simulation", {"dataset__productions": [1.5]}, "wrong-value", "dataset.productions.0"),
    ("simulation", {"dataset__runDependence": "xx"}, "wrong-value", "dataset.runDependence"),
    ("simulation", {"dataset__globalTagStates": {"a": "FROZEN"}}, "wrong-value", "States.a"),
    ("simulation", {"dataset__runs": [[1003, 0, 1003]]}, "wrong-value", "dataset.runs.0"),
    ("simulation", {"dataset__runs": [[1003, 5, 1003, 1]]}, "wrong-value", "dataset.runs.0"),
    ("simulation", {"dataset__runs": [[-1, -1, -1, -1]]}, "wrong-value", "dataset.runs.0"),
    ("simulation", {"dataset__runs": []}, "wrong-value", "dataset.runs"),
    ("simulation", {"dataset__lumi": 3.0}, "unknown-key", "dataset.lumi"),
    ("simulation", {"globalTag": "a,,b"}, "tag-list", "globalTag"),
    ("simulation", {"globalTag": "a,b,a"}, "tag-list", "globalTag"),
    ("simulation", {"dataset__globalTagStates": {"mc_prod": "OPEN"}}, "tag-list", "mc_prod"),
    ("simulation", {"mcEvents": 999}, "is-mc", "mcEvents"),
    ("simulation", {"nFullEvents": 1001}, "event-count", "nFullEvents"),
    ("simulation", {"experimentHigh": 1002}, "reversed-range", "experimentLow"),
    ("simulation", {"eventHigh": 0}, "reversed-range", "eventHigh"),
    ("simulation", {"dataset__runs": [[1003, 0, 1003, 7]]}, "runs-outside", "dataset.runs"),
    ("simulation", {"release": "release-06-00-08"}, "lfn", "release"),
    ("simulation", {"dataset__campaign": "MC16ri_b"}, "lfn", "dataset.campaign"),
    ("simulation", {"dataset__beamEnergy": "5S"}, "lfn", "dataset.beamEnergy"),
    ("simulation", {"dataset__productions": [35001]}, "lfn", "dataset.productions"),
    ("simulation", {"isMC": False, "mcEvents": 0}, "lfn", "isMC"),
    ("data", {"dataset__runLuminosity": [[31, 1, 1.0], [31, 20, 1.0]]}, "run-luminosity", "dataset.luminosity"),
    ("data", {"dataset__runLuminosity": [[31, 1, 1.0], [31, 1, 1.5]]}, "run-luminosity", "dataset.runLuminosity"),
    ("data", {"dataset__runLuminosity": [[31, 1, 1.0], [31, 15, 1.5]]}, "run-luminosity", "dataset.runLuminosity"),
    ("data", {"dataset__runLuminosity": [[31, 1]]}, "wrong-value", "dataset.runLuminosity.0"),
    ("data", {"dataset__runLuminosity": [[31, 1, -1.0], [31, 2, 3.5]]}, "wrong-value", "dataset.runLuminosity.0.2"),
    ("data", {"mcEvents": 5}, "is-mc", "mcEvents"),
    ("data", {"dataset__runDependence": "rd"}, "is-mc", "dataset.runDependence"),
    ("data", {"LFN": "/belle/Data/e0030/x"}, "lfn", "experimentLow"),
    ("data", {"LFN": "/belle/Data/e0031/r00023/x"}, "lfn", "runLow"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "changes", "code", "key"), MALFORMED)
def test_malformed_sidecar(base, changes, code, key, write, request):
    path = write(request.getfixturevalue(base), **changes)
    _, findings = examine_sidecar(path)
    finding = next(finding for finding in findings if finding.code == code)
    assert key in finding.key
    assert finding.file == str(path)
    assert finding.found
    # The sentence of a check of our own says itself what is wrong.
    assert finding.expected or finding.problem.startswith("A value is wrong: ")
    assert finding.remedy
    with pytest.raises(ConditionsError, match=code):
        read_sidecar(path)


def test_luminosity_run_by_run_adds_up(write, data):
    told = [[31, 1, 0.75], [31, 9, 0.25], [31, 22, 1.5]]
    metadata = read_sidecar(write(data, dataset__runLuminosity=told))
    assert metadata.dataset.run_luminosity == ((31, 1, 0.75), (31, 9, 0.25), (31, 22, 1.5))
    assert FileMetadata.model_validate_json(metadata.to_json()) == metadata
    told[0][2] = 0.7
    _, (finding,) = examine_sidecar(write(data, dataset__runLuminosity=told))
    assert (finding.found, finding.expected) == ("2.45 fb⁻¹ in 3 runs", "2.5 fb⁻¹")


@pytest.mark.parametrize(
    ("base", "key"),
    [
        ("simulation", "globalTag"),
        ("simulation", "mcEvents"),
        ("simulation", "dataset"),
        ("simulation", "dataset__campaign"),
        ("simulation", "dataset__globalTagStates"),
        ("simulation", "dataset__runDependence"),
        ("data", "dataset__luminosity"),
    ],
)
def test_missing_key(base, key, write, request, delete):
    _, findings = examine_sidecar(write(request.getfixturevalue(base), **{key: delete}))
    assert [(finding.code, finding.key) for finding in findings] == [("missing-key", key.replace("__", "."))]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("e0031/4S/r00010/a.root.metadata.json", None),
        ("e0031/4S/r00023/a.root.metadata.json", "path-run"),
        ("e0030/4S/r00010/a.root.metadata.json", "path-run"),
        ("physics.0031.00023.HLT1.root.metadata.json", "path-run"),
    ],
)
def test_a_path_that_names_another_run(path, code, write, data):
    _, findings = examine_sidecar(write(data, path))
    assert [finding.code for finding in findings] == ([code] if code else [])


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "broken-json"),
        (b'{"LFN": "/a", ', "broken-json"),
        (b"[1, 2]", "wrong-value"),
        (b"\xff\xfe\x00", "unreadable"),
        (None, "no-metadata"),
    ],
)
def test_file_that_is_no_sidecar(content, code, tmp_path):
    path = tmp_path / "a.root.metadata.json"
    if content is not None:
        path.write_bytes(content)
    metadata, findings = examine_sidecar(path)
    assert metadata is None
    assert [finding.code for finding in findings] == [code]


def test_all_mistakes_are_told_at_once_with_suggestions(write, simulation, delete):
    path = write(simulation, nEvents="x", mcEvents=delete, McEvents=5, dataset__lumiosity=1.0, release=7)
    with pytest.raises(ConditionsError) as caught:
        read_sidecar(path)
    text = str(caught.value)
    assert "4 problems" in text
    assert "nearest: 'McEvents'" in text
    assert "nearest: 'luminosity'" in text
    assert text.count(str(path)) == 4
