import copy
import json

import pytest

TAGS = "analysis_tools_light-2406-ragdoll,mc_production_MC16_a"
STATES = {"analysis_tools_light-2406-ragdoll": "PUBLISHED", "mc_production_MC16_a": "PUBLISHED"}
SIMULATION = {
    "LFN": "/belle/MC/release-08-02-07/DB00002900/MC16ri_a/prod00035000/s00/e1003/4S/r00000"
    "/charged/udst/udst_000001.root",
    "nEvents": 1000,
    "nFullEvents": 900,
    "experimentLow": 1003,
    "runLow": 0,
    "eventLow": 1,
    "experimentHigh": 1003,
    "runHigh": 0,
    "eventHigh": 50000,
    "parents": [],
    "date": "2026-01-01 00:00:00",
    "site": "KEK",
    "user": "analyst",
    "randomSeed": "42",
    "release": "release-08-02-07",
    "isMC": True,
    "mcEvents": 50000,
    "globalTag": TAGS,
    "dataDescription": {"dataLevel": "udst"},
    "steering": "import basf2",
    "dataset": {
        "campaign": "MC16ri_a",
        "runDependence": "ri",
        "background": "BGx1",
        "eventType": "charged",
        "beamEnergy": "4S",
        "beamEnergyGeV": 10.58,
        "productions": [35000],
        "luminosity": 10.0,
        "feiTraining": "FEIv4_2024",
        "globalTagStates": STATES,
        "decayFile": "charged.dec",
        "runs": [[1003, 0, 1003, 0]],
    },
}
DATA = {
    **SIMULATION,
    "LFN": "/belle/Data/release-08-02-07/DB00002901/bucket36/prod00040000/e0031/4S/r00010/hadron"
    "/udst/sub00/udst_000001.root",
    "experimentLow": 31,
    "runLow": 1,
    "experimentHigh": 31,
    "runHigh": 22,
    "isMC": False,
    "mcEvents": 0,
    "randomSeed": "",
    "globalTag": "data_prompt_bucket36,data_proc_main",
    "dataset": {
        "campaign": "bucket36",
        "beamEnergy": "4S",
        "beamEnergyGeV": 10.58,
        "productions": [40000],
        "luminosity": 2.5,
        "bucket": "bucket36",
        "feiTraining": "FEIv4_2024",
        "globalTagStates": {"data_prompt_bucket36": "PUBLISHED", "data_proc_main": "PUBLISHED"},
        "runs": [[31, 1, 31, 9], [31, 10, 31, 10], [31, 20, 31, 22]],
    },
}


def changed(base, **changes):
    """Return a copy of a sidecar; ``dataset__luminosity`` reaches inside, ``DELETE`` removes."""
    result = copy.deepcopy(base)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = result
        for parent in parents:
            place = place[parent]
        if value is DELETE:
            del place[last]
        else:
            place[last] = value
    return result


DELETE = object()


@pytest.fixture
def simulation():
    return copy.deepcopy(SIMULATION)


@pytest.fixture
def data():
    return copy.deepcopy(DATA)


@pytest.fixture
def delete():
    return DELETE


@pytest.fixture
def write(tmp_path):
    """Write a sidecar, with changes, and return its path."""

    def write(base, name="a.root.metadata.json", **changes):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(changed(base, **changes)))
        return path

    return write


@pytest.fixture(autouse=True)
def width(monkeypatch):
    """What is printed must not depend on the terminal of whoever tests."""
    monkeypatch.setenv("COLUMNS", "120")
