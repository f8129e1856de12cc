"""Pulls of the campaign's calibrations: planted offsets come back without bias, with the right error."""

import numpy as np
import pytest

from analysis.campaign.toy.calibrations import KINDS, NOMINAL, calibrate
from analysis.campaign.toy.samples import Planted, muon_pairs, photon_pairs

pytestmark = pytest.mark.statistical


@pytest.mark.parametrize("name", ["collision_energy", "photon_scale"])
def test_pulls(name: str) -> None:
    kind = KINDS[name]
    rng = np.random.default_rng(2026)
    pulls = []
    for _ in range(60):
        planted = Planted(energy_offset=rng.normal(0, 0.01), photon_scale=rng.normal(1, 0.02))
        energy = NOMINAL["CollisionEnergy"] + planted.energy_offset
        if name == "collision_energy":
            truth, before, events = energy, NOMINAL, muon_pairs(rng, 2000, planted)
        else:
            truth, before = planted.photon_scale, {**NOMINAL, "CollisionEnergy": energy}
            events = photon_pairs(rng, 1000, planted)
        value, error, _ = calibrate(kind, events, before)
        pulls.append((value - truth) / error)
    # Four standard deviations of the mean and of the spread of 60 pulls.
    assert abs(np.mean(pulls)) < 4 / np.sqrt(60)
    assert abs(np.std(pulls, ddof=1) - 1) < 4 / np.sqrt(2 * 59)
