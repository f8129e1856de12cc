"""The signal probability: its table, and how it is made."""

import json
from pathlib import Path

import numpy as np
import pytest

from analysis.cli import main
from analysis.errors import InputError
from analysis.simulation.tags import probability, training
from analysis.simulation.tags.probability import CLASSES, FEATURES, TABLE, bent, features_of

pytest.importorskip("pythia8mc", reason="the extra `toy` is not installed")


@pytest.fixture(scope="module")
def candidates() -> training.Candidates:
    return training.sample(6000, np.array([3]), np.random.default_rng(1), probability.default())


def test_the_table_in_use_has_the_features_of_the_code_and_tells_its_origin() -> None:
    model = probability.load()
    assert set(model.terms) == set(CLASSES)
    origin = model.provenance
    assert origin["command"].startswith("python -m analysis train-tags --events")
    assert set(origin["candidates"]) == set(CLASSES)
    assert all(of["correct"] > 100 for of in origin["candidates"].values())
    assert {"numpy", "pythia8mc", "scipy"} <= set(origin["libraries"])


def test_the_command_makes_such_a_table_and_the_same_one_again(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("one.json", "two.json")]
    for path in paths:
        assert main(["train-tags", "--output", str(path), "--events", "500", "--seed", "7"]) == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()
    made, used = (json.loads(path.read_text()) for path in (paths[0], TABLE))
    assert made["edges"] == used["edges"]
    probability.load(paths[0])
    assert set(made["provenance"]) == set(used["provenance"])


@pytest.mark.parametrize("change", ["edges", "terms"])
def test_a_table_of_other_features_is_refused(tmp_path: Path, change: str) -> None:
    content = json.loads(TABLE.read_text())
    del content[change][FEATURES[1].name if change == "edges" else next(iter(CLASSES))]
    path = tmp_path / "table.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="train-tags"):
        probability.load(path)


def test_training_finds_what_is_planted() -> None:
    """Two features with known terms, all others of one bin."""
    rng = np.random.default_rng(5)
    n = 60_000
    values = {feature.name: np.full(n, feature.edges[0] - 1e-9) for feature in FEATURES}
    values["lepton_p"] = rng.uniform(1.0, 2.2, n)
    values["vertex"] = rng.uniform(-6, 0, n)
    odds = -1.0 + 1.5 * (values["lepton_p"] > 1.5) - 0.8 * (values["vertex"] < -2.5)
    signal = rng.random(n) < 1 / (1 + np.exp(-odds))
    members = {name: np.full(n, name == "D") for name in CLASSES}
    found = training.Candidates(members, values, signal, np.ones(n), np.zeros(n), np.zeros(n, dtype=np.int64))
    terms, bends = training.train(found)
    of_d = terms["D"]
    p = np.array(of_d["lepton_p"])
    assert np.mean(p[4:]) - np.mean(p[:4]) == pytest.approx(1.5, abs=0.1)
    v = np.array(of_d["vertex"])
    assert np.mean(v[:3]) - np.mean(v[3:]) == pytest.approx(-0.8, abs=0.1)
    at = np.unique(odds)
    assert bent(at) @ np.array(bends["D"]) == pytest.approx(at, abs=0.1)
    # classes without candidates stay at zero
    assert np.allclose([x for values in terms["D+ pi-"].values() for x in values], 0, atol=1e-6)


def test_probability_follows_the_evidence() -> None:
    terms = probability.default().terms
    for name in CLASSES:
        of = {feature: np.asarray(values) for feature, values in terms[name].items()}
        middle = len(of["mass"]) // 2
        assert of["mass"][middle] > max(of["mass"][0], of["mass"][-1]), name
        assert of["vertex"][-1] > of["vertex"][0], name
        assert of["lepton_id"][-1] > of["lepton_id"][0], name
        for delta in [feature for feature in of if feature.startswith("delta_m")]:
            assert of[delta].argmax() not in (0, len(of[delta]) - 1), name


def test_it_is_calibrated_and_separates_on_other_events(candidates: training.Candidates) -> None:
    c = candidates
    expected, error = np.sum(c.weight * c.probability), np.sqrt(np.sum(c.weight**2 * c.probability))
    assert np.sum(c.weight[c.signal]) == pytest.approx(expected, abs=4 * error + 0.1 * expected)
    right, wrong = (np.median(c.probability[mask]) for mask in (c.signal, ~c.signal))
    assert right > 10 * wrong


def test_features_have_bins_that_rise() -> None:
    for feature in FEATURES:
        assert np.all(np.diff(feature.edges) > 0), feature.name
        assert set(feature.classes) <= set(CLASSES)
    assert all(len(features_of(name)) > 8 for name in CLASSES)
