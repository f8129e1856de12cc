import numpy as np
import pytest

from analysis.simulation.background import draw_runs, levels, ratios, weight
from analysis.simulation.detector import DETECTOR

MEAN = DETECTOR.calorimeter.beam_clusters
EXPERIMENTS = [7, 7, 12, 26]


def test_levels_rise_around_the_mean_of_simulation() -> None:
    found = levels(EXPERIMENTS)
    assert found[0] == found[1] < found[2] < found[3]
    assert found.mean() == pytest.approx(MEAN)
    assert levels([8]).tolist() == pytest.approx([MEAN]), "one experiment has the average"


def test_weights_turn_one_poisson_into_another() -> None:
    clusters = np.random.default_rng(1).poisson(MEAN, 200_000).astype(float)
    for mean, ratio in zip(levels(EXPERIMENTS), ratios(clusters, levels(EXPERIMENTS)), strict=True):
        assert ratio.mean() == pytest.approx(1, abs=0.01)
        assert np.average(clusters, weights=ratio) == pytest.approx(mean, rel=0.02)


def test_events_of_a_run_have_its_background() -> None:
    """Pseudo-data: drawn with the weight, then given a run. Every run gets its share and its own Poisson."""
    rng, means = np.random.default_rng(2), levels(EXPERIMENTS)
    simulated = rng.poisson(MEAN, 300_000).astype(float)
    data = simulated[rng.random(len(simulated)) * 3 < weight(simulated, means)]
    run = draw_runs(data, means, rng)
    assert np.bincount(run) / len(run) == pytest.approx(np.full(4, 0.25), abs=0.01)
    for number, mean in enumerate(means):
        of_run = data[run == number]
        assert of_run.mean() == pytest.approx(mean, rel=0.03)
        assert of_run.var() == pytest.approx(mean, rel=0.04), "Poisson"
    assert data.var() > 1.02 * data.mean(), "all runs together are not: run-dependent differs from run-independent"
