"""Coverage of the quoted intervals on a few-event model."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.inference.coverage import toy_study

pytestmark = [pytest.mark.statistical, pytest.mark.filterwarnings("ignore:jsonschema.RefResolver")]


def workspace():
    """Return six bins with ten signal events over a falling background, each with its own uncertainties."""
    background = [40.0, 22.0, 12.0, 7.0, 4.0, 3.0]
    samples = [
        {
            "name": "signal",
            "data": [1.7] * 6,
            "modifiers": [
                {"name": "mu", "type": "normfactor", "data": None},
                {"name": "efficiency", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
            ],
        },
        {
            "name": "background",
            "data": background,
            "modifiers": [
                {"name": "norm", "type": "normsys", "data": {"hi": 1.2, "lo": 0.8}},
                {"name": "stat", "type": "staterror", "data": [0.06 * b for b in background]},
                {
                    "name": "tilt",
                    "type": "histosys",
                    "data": {
                        "hi_data": [b * (1 + 0.02 * (i - 2)) for i, b in enumerate(background)],
                        "lo_data": [b * (1 - 0.02 * (i - 2)) for i, b in enumerate(background)],
                    },
                },
            ],
        },
    ]
    parameters = [{"name": "mu", "bounds": [[-10.0, 20.0]], "inits": [1.0]}]
    return {
        "version": "1.0.0",
        "channels": [{"name": "sr", "samples": samples}],
        "observations": [{"name": "sr", "data": [42.0, 24.0, 14.0, 9.0, 6.0, 5.0]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": parameters}}],
    }


def test_intervals_cover_and_estimates_are_unbiased():
    study = toy_study(workspace(), [0.0, 1.0, 2.0, 5.0], 2000, seed=20260101)
    # With ten signal events profile intervals are not exact; 1 % is the error of 2000 toys.
    shares = np.array([[c.covered - c.level for c in p.coverage] for p in study.points])
    assert np.abs(shares).max() < 0.03, shares
    assert np.abs(shares.mean(axis=0)).max() < 0.02, shares
    for point in study.points:
        assert point.n_failed == 0
        assert abs(point.pull_mean) < 0.15
        assert point.pull_width == pytest.approx(1.0, abs=0.1)
        # Bias well below the error of one experiment.
        assert abs(point.bias) < 0.1 * point.spread
