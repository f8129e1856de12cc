import numpy as np
import pytest

from analysis.basf2 import BeamEnergy, SampleType
from analysis.config.models import Axis, Channel
from analysis.validation.samples import PUBLISHED, Table, composition, independence, of_composition, unphysical

CHANNEL = Channel(name="SR", cut="eta > 0.5", axes=(Axis(column="q2_rec", edges=(0.0, 10.0)),))


def table(kind: SampleType, weight: float, n: int = 100, parents: int = 100) -> Table:
    columns = {
        "eta": np.tile([0.4, 0.9], n // 2), "q2_rec": np.tile([5.0, 5.0, 20.0, 5.0], n // 4),
        "weight": np.full(n, weight), "parentId": np.arange(n) % parents,
    }  # fmt: skip
    return Table(kind.value, kind, columns)


def test_shares_are_those_inside_the_channel() -> None:
    tables = [table(SampleType.CHARGED, 3.0), table(SampleType.CCBAR, 1.0), table(SampleType.SIGNAL, 9.0)]
    (found,) = composition(tables, [CHANNEL])
    assert found.events == pytest.approx(50 * 4)
    assert found.share[SampleType.CHARGED] == pytest.approx(0.75)
    assert SampleType.SIGNAL not in found.share
    assert found.error[SampleType.CHARGED] == pytest.approx(3 * np.sqrt(50) / 200)
    (shared,) = composition([table(SampleType.CHARGED, 3.0, parents=10), tables[1]], [CHANNEL])
    assert shared.error[SampleType.CHARGED] > 2 * found.error[SampleType.CHARGED]


def test_samples_count_at_their_own_energy() -> None:
    off = Channel(name="OFF", beam_energy=BeamEnergy.OFF_RESONANCE, axes=(Axis(column="q2_rec", edges=(0.0, 10.0)),))
    here = table(SampleType.CCBAR, 1.0)
    there = Table("ccbar_off", SampleType.CCBAR, here.columns, BeamEnergy.OFF_RESONANCE)
    (found,) = composition([table(SampleType.CHARGED, 3.0), here, there], [CHANNEL, off])
    assert (found.region, found.events) == ("SR", pytest.approx(50 * 4))
    both, region, below = independence([here, there], [CHANNEL, off])
    assert "50.0 events" in region.found
    assert region.note.endswith("ccbar 1")
    assert "75.0 events" in below.found
    assert below.note.endswith("ccbar_off 1")
    assert "125.0 events" in both.found


@pytest.mark.parametrize(("continuum", "passed"), [(0.1, True), (3.0, False)])
def test_bbbar_must_dominate(continuum: float, passed: bool) -> None:
    (found,) = composition([table(SampleType.CHARGED, 1.0), table(SampleType.UUBAR, continuum)], [CHANNEL])
    check = of_composition(found)
    assert check.passed is passed
    assert "must differ" in check.note


def test_the_published_shares_sum_to_one() -> None:
    assert sum(PUBLISHED.values()) == pytest.approx(1.0, abs=0.002)


def test_unphysical_values_are_told_by_sample_and_column() -> None:
    good = Table("signal", SampleType.SIGNAL, {"K_kaonID": np.array([0.2, 0.9]), "mine": np.array([1e9, 2.0])})
    bad = Table("charged", SampleType.CHARGED, {"K_kaonID": np.array([0.2, 1.9]), "R2": np.array([0.1, 0.2])})
    first, second = unphysical([good, bad])
    assert first.passed is True
    assert second.passed is False
    assert "K_kaonID (1)" in second.found


def test_pseudo_data_of_shared_decays_fluctuate_more_than_poisson() -> None:
    """Against a simulation of it: each decay is there or not, its uses are drawn with Poisson's distribution."""
    wide = Channel(name="CR", cut="eta < 0.5", axes=(Axis(column="q2_rec", edges=(0.0, 10.0)),))
    shared = table(SampleType.MIXED, 0.5, n=80, parents=8)
    both, region, _ = independence([table(SampleType.CHARGED, 0.02), shared], [CHANNEL, wide])
    inside = (shared.columns["eta"] > 0.5) & (shared.columns["q2_rec"] < 10)
    uses = 0.5 * np.bincount(shared.columns["parentId"][inside])
    # How many decays of a kind there are is a Poisson number, and so is the number of events that each gives.
    rng = np.random.default_rng(1)
    decays = rng.poisson(1.0, (40_000, len(uses)))
    counts = rng.poisson(decays @ uses) + rng.poisson(50 * 0.02, 40_000)
    assert float(region.found.split(",")[0]) == pytest.approx(counts.var() / counts.mean(), rel=0.03)
    assert region.passed is None
    assert region.note.endswith("charged 50, mixed 0.2")  # four decays with ten rows each
    assert both.name.endswith("all channels")
    assert "31.5 events" in both.found
