"""Off-resonance data beside simulation: what the report's page and figure are made of."""

import numpy as np
import pytest

from analysis.basf2 import BeamEnergy, SampleType
from analysis.config.models import Dataset, Sample
from analysis.report.likelihood import NormFactor
from analysis.report.off_resonance import Skimmed, _factor, compared

OFF = BeamEnergy.OFF_RESONANCE
DATASET = Dataset(luminosity=100, off_resonance_luminosity=10)


def skims() -> list[Skimmed]:
    """100 000 generated cc̄ events of which 50 are kept, with weights of two; 7 data."""
    rng = np.random.default_rng(1)
    simulated = {"R2": rng.random(50), "K_pStar": rng.random(50), "__weight__": np.full(50, 2.0)}
    data = {"R2": rng.uniform(0.2, 0.8, 7), "K_pStar": rng.random(7)}
    ccbar = Sample(name="ccbar_off", type=SampleType.CCBAR, beam_energy=OFF, files=("a.root",))
    offres = Sample(name="offres", type=SampleType.OFFRES, files=("b.root",))
    return [Skimmed(ccbar, simulated, 100_000, None), Skimmed(offres, data, None, None)]


def test_simulation_is_scaled_to_the_off_resonance_luminosity_and_energy() -> None:
    found = {each.column: each for each in compared(skims(), DATASET)}
    assert set(found) == {"R2", "K_pStar"}  # what the skims have
    produced = 1.33e6 * 10 * (10.57934 / 10.51934) ** 2
    shown = found["R2"]
    assert shown.signal is None
    inside = shown.background.sum() / (2 * produced / 100_000)
    assert inside == pytest.approx(50, abs=2)  # quantiles leave out the ends
    assert shown.data is not None
    assert shown.data.sum() == 7


def test_numbers_without_meaning_and_variables_without_spread_are_left_out() -> None:
    simulated, data = skims()
    kept = compared([simulated, data], DATASET)
    for each in (simulated, data):
        columns = each.columns
        columns["missP"] = np.full(len(columns["R2"]), np.nan)
        columns["K_kaonID"] = np.ones(len(columns["R2"]))
        columns["roeEextra"] = columns["R2"].copy()
        columns["roeEextra"][0] = np.nan
    found = {each.column: each for each in compared([simulated, data], DATASET)}
    assert set(found) == {"R2", "K_pStar", "roeEextra"}
    assert np.array_equal(found["R2"].background, kept[0].background)
    assert found["roeEextra"].data is not None
    assert found["roeEextra"].data.sum() == 6


def test_factors_are_those_of_the_model() -> None:
    norm = NormFactor("mu_bkg_ccbar", 1.5, 0.5)
    assert [_factor(norm, value) for value in (-1, 0, 1, 2)] == [0.5, 1, 1.5, 2.25]
