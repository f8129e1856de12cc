from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).parents[3].parent / "shared" / "reference"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # pyhf 0.7.6 validates with a class that jsonschema has deprecated.
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:jsonschema.RefResolver"))


@pytest.fixture
def hta() -> dict[str, Any]:
    """The six bins of the published hadronic-tag channel: yields and simulation statistics.

    Source: HEPData 10.17182/hepdata.166082 (arXiv:2507.12393). Shape systematics are left out; normalisations as
    30 % on BB̄, 50 % on continuum.
    """
    samples = {
        "signal": (
            [1.355007, 1.344854, 1.334357, 1.340043, 1.324180, 1.355377],
            [0.216929, 0.215305, 0.213626, 0.214537, 0.212000, 0.216995],
            [{"name": "mu", "type": "normfactor", "data": None}],
        ),
        "bbbar": (
            [58.166318, 35.323265, 25.356076, 15.466152, 8.888650, 4.174716],
            [2.752872, 2.173997, 1.824187, 1.432676, 1.092353, 0.754815],
            [{"name": "mu_bbbar", "type": "normsys", "data": {"hi": 1.3, "lo": 0.7}}],
        ),
        "continuum": (
            [34.0, 13.2, 7.1, 4.4, 2.2, 0.5],
            [3.6, 2.4, 1.4, 1.0, 0.7, 0.3],
            [{"name": "mu_continuum", "type": "normsys", "data": {"hi": 1.5, "lo": 0.5}}],
        ),
    }
    return {
        "version": "1.0.0",
        "channels": [
            {
                "name": "hta",
                "samples": [
                    {
                        "name": name,
                        "data": nominal,
                        "modifiers": [
                            *modifiers,
                            {"name": f"uncorr_{name}", "type": "staterror", "data": errors},
                        ],
                    }
                    for name, (nominal, errors, modifiers) in samples.items()
                ],
            }
        ],
        "observations": [{"name": "hta", "data": [110.0, 67.0, 26.0, 28.0, 14.0, 7.0]}],
        "measurements": [
            {
                "name": "knunu",
                "config": {
                    "poi": "mu",
                    "parameters": [{"name": "mu", "bounds": [[-10.0, 30.0]], "inits": [1.0]}],
                },
            }
        ],
    }


@pytest.fixture
def published() -> dict[str, Any]:
    """The published Belle II likelihood, where the file is at hand."""
    path = SHARED / "belle2_knunu_likelihood.json"
    if not path.exists():
        pytest.skip("the published likelihood (HEPData 10.17182/hepdata.166082) is not at hand")
    content: dict[str, Any] = json.loads(path.read_text())
    return content
