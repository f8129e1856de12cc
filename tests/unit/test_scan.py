"""The command that scans the likelihood: range, bounds, blinding."""

import json

import pytest

from analysis import io
from analysis.cli import main

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver")  # pyhf 0.7 with jsonschema >= 4.18

WORKSPACE = {
    "channels": [
        {
            "name": "SR",
            "samples": [
                {"name": "s", "data": [5.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
                {
                    "name": "b",
                    "data": [50.0],
                    "modifiers": [{"name": "norm", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}],
                },
            ],
        }
    ],
    "observations": [{"name": "SR", "data": [65.0]}],
    "measurements": [
        {"name": "m", "config": {"poi": "mu", "parameters": [{"name": "mu", "bounds": [[-2.0, 8.0]], "inits": [1.0]}]}}
    ],
    "version": "1.0.0",
}


@pytest.fixture
def workspace(tmp_path):
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(WORKSPACE))
    return path


def scanned(workspace, *arguments):
    output = workspace.with_name("scan.json")
    assert main(["scan", "--workspace", str(workspace), "--output", str(output), *arguments]) == 0
    return io.read_json(output)


def test_scan_has_its_minimum_where_the_likelihood_has(workspace):
    found = scanned(workspace, "--range", "-2", "8", "--points", "11")
    assert found["minimum"] == pytest.approx([3.0], abs=1e-3)  # 50 + 5 μ = 65
    heights = {point["values"][0]: point["twice_delta_nll"] for point in found["points"]}
    assert list(heights) == [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert heights[3.0] == pytest.approx(0.0, abs=1e-6)
    assert heights[0.0] > heights[1.0] > heights[2.0] > 0
    assert found["provenance"]["command"] == "scan"


def test_scan_stays_within_the_bounds_of_the_parameter(workspace, caplog):
    points = [point["values"][0] for point in scanned(workspace, "--points", "5")["points"]]
    assert (points[0], points[-1]) == (-2.0, 8.0)
    assert "within its bounds" in caplog.text


def test_scan_is_widened_to_hold_the_minimum_and_its_surroundings(workspace):
    spec = json.loads(workspace.read_text())
    spec["observations"][0]["data"] = [150.0]  # μ = 20
    spec["measurements"][0]["config"]["parameters"][0]["bounds"] = [[-9.0, 99.0]]
    workspace.write_text(json.dumps(spec))
    values = [point["values"][0] for point in scanned(workspace)["points"]]
    error = (150 + 25) ** 0.5 / 5  # Poisson, and 10 % of 50
    assert values[0] == -5.0
    assert values[-1] == pytest.approx(20 + 3 * error, rel=0.02)


def test_scan_of_a_blinded_configuration_is_of_asimov_data(workspace, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"name": "x", "samples": [{"name": "signal", "type": "signal", "files": ["a.root"]}]}))
    found = scanned(workspace, "--config", str(config))
    assert found["asimov"] == 1.0
    assert found["minimum"] == pytest.approx([1.0], abs=1e-3)
    assert len(found["points"]) == 31


def test_scan_needs_a_range_that_rises(workspace, caplog):
    output = workspace.with_name("scan.json")
    assert main(["scan", "--workspace", str(workspace), "--output", str(output), "--range", "3", "1"]) == 1
    assert "--range" in caplog.text
    assert not output.exists()
