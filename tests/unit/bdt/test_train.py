from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from analysis import io
from analysis.basf2 import SampleType
from analysis.bdt import metrics
from analysis.bdt.model import Model, out_of_fold
from analysis.bdt.train import Source, assemble, balanced, parameters, train
from analysis.errors import InputError
from analysis.weighted import Weighted

SEED = 1


def trained(sources, settings, **changes):
    settings = settings.model_copy(update=changes)
    data = assemble(sources, settings.inputs, settings.folds)
    return data, train(data, settings, SEED)


def scores(data, model):
    return out_of_fold(model.loaded, data.values, data.fold)


def area(data, score):
    parts = [Weighted(score[rows], data.weight[rows], data.decays[rows]) for rows in (data.signal, ~data.signal)]
    return metrics.auc(*parts)


def with_column(source, name, values):
    return dataclasses.replace(source, columns={**source.columns, name: values})


def test_learns_what_can_be_learned(sources, settings):
    data, model = trained(sources, settings)
    value, error = area(data, scores(data, model))
    # two independent Gaussian columns, one standard deviation each: √2 in all
    best = stats.norm.cdf(np.sqrt(2) / np.sqrt(2))
    assert best - 0.05 < value < best + 4 * error


def test_scores_are_really_out_of_fold(factory, settings):
    """Trained on labels that mean nothing, deep trees separate their training rows, and no others."""
    data, model = trained(factory(shift=0.0), settings, depth=8, trees=60, min_child_weight=0)
    value, error = area(data, scores(data, model))
    assert abs(value - 0.5) < 4 * error
    seen = out_of_fold(model.loaded, data.values, (data.fold + 1) % model.folds)
    assert area(data, seen)[0] > 0.9


def test_rows_of_a_parent_do_not_leak(factory, settings):
    """Eight nearly equal rows per parent: split by event they would be recognised, split by parent they are not."""
    sources = factory(rows=800, shift=0.0, per_parent=8)
    greedy = {"depth": 8, "trees": 60, "min_child_weight": 0}
    data, model = trained(sources, settings, **greedy)
    value, error = area(data, scores(data, model))
    assert abs(value - 0.5) < 4 * error
    split = [with_column(source, "parentGroup", np.full(800, -1)) for source in sources]
    data, model = trained(split, settings, **greedy)
    assert area(data, scores(data, model))[0] > 0.8


def test_eta_is_flat_for_signal_in_every_fold(factory, settings):
    data, model = trained(factory(rows=4000), settings, trees=100)
    eta = model.eta_of(scores(data, model), data.fold)
    for fold in range(settings.folds):
        rows = data.signal & (data.fold == fold)
        share = np.histogram(eta[rows], 10, (0, 1), weights=data.weight[rows])[0] / data.weight[rows].sum()
        assert share == pytest.approx(np.full(10, 0.1), abs=0.004)


def test_eta_is_flat_for_new_signal(factory, columns, settings):
    """Signal that the model has never seen, spread over the folds as data are: flat within statistics."""
    _, model = trained(factory(rows=4000), settings, trees=100)
    new = columns(20_000, seed=77, shift=-1.0, run=50)
    eta = model.apply(new, sample="signal").eta
    share = np.histogram(eta, 10, (0, 1), weights=new["weight"])[0] / new["weight"].sum()
    # the map comes from 4000 rows, n_eff 3700: 0.1 ± 0.005, and the new rows add 0.002
    assert share == pytest.approx(np.full(10, 0.1), abs=4 * 0.0055)


def test_same_bytes_for_any_number_of_threads(sources, settings):
    data = assemble(sources, settings.inputs, settings.folds)
    texts = {train(data, settings, SEED, threads=threads).model_dump_json() for threads in (1, 2, 3)}
    assert len(texts) == 1


def test_seed_and_order_of_samples(sources, settings):
    data, model = trained(sources, settings)
    _, again = trained(sources[::-1], settings)
    assert again == model
    other = train(data, settings, SEED + 1)
    assert other.boosters != model.boosters
    assert len(set(model.parameters.seeds)) == settings.folds


def test_reload_is_bit_identical(sources, settings, tmp_path):
    data, model = trained(sources, settings)
    io.write_json(tmp_path / "model.json", model.model_dump(mode="json"))
    again = io.read_model(tmp_path / "model.json", Model, "train-bdt")
    columns = sources[0].columns
    before, after = model.apply(columns, sample="signal"), again.apply(columns, sample="signal")
    assert np.array_equal(before.score, after.score)
    assert np.array_equal(before.eta, after.eta)
    assert np.array_equal(before.score, scores(data, model)[data.sample == data.names.index("signal")])


def test_application_does_not_depend_on_order_or_company(sources, settings):
    _, model = trained(sources, settings)
    columns = sources[1].columns
    whole = model.apply(columns, sample="charged")
    rows = np.random.default_rng(1).permutation(600)[:50]
    part = model.apply({name: values[rows] for name, values in columns.items()}, sample="charged")
    assert np.array_equal(part.eta, whole.eta[rows])
    assert np.array_equal(part.fold, whole.fold[rows])


def test_no_rows_are_scored_as_no_rows(sources, settings):
    _, model = trained(sources, settings)
    nothing = model.apply({name: values[:0] for name, values in sources[0].columns.items()}, sample="x")
    assert len(nothing.eta) == 0


def test_balance():
    weight = np.array([1.0, 3.0, 10.0, 20.0, 30.0])
    signal = np.array([True, True, False, False, False])
    result = balanced(weight, signal)
    assert result[signal].sum() == pytest.approx(result[~signal].sum())
    assert result.mean() == pytest.approx(1)
    assert result[1] / result[0] == pytest.approx(3)
    assert result[4] / result[2] == pytest.approx(3)


def test_scale_of_a_class_does_not_matter(sources, settings):
    """Signal at ten thousand times its weight: the same trees, the same η."""
    _, model = trained(sources, settings)
    heavy = [
        with_column(s, "weight", s.columns["weight"] * (2.0**13 if s.type is SampleType.SIGNAL else 1)) for s in sources
    ]
    _, other = trained(heavy, settings)
    assert other.boosters == model.boosters
    assert other.eta == model.eta


def test_empty_background_sample_is_allowed(sources, settings):
    nothing = {name: values[:0] for name, values in sources[2].columns.items()}
    data, _ = trained([*sources, Source("taupair", SampleType.TAUPAIR, nothing)], settings)
    assert data.names == ("charged", "mixed", "signal", "taupair")


def test_data_are_refused(sources, settings):
    data = Source("data", SampleType.DATA, sources[1].columns)
    with pytest.raises(InputError, match="'data'"):
        assemble([*sources, data], settings.inputs, settings.folds)


@pytest.mark.parametrize("wrong", [-0.1, np.nan, np.inf])
def test_weights_that_cannot_train_are_refused(sources, settings, wrong):
    weight = sources[1].columns["weight"].copy()
    weight[7] = wrong
    with pytest.raises(InputError, match=r"'charged': 1 rows, the first is row 7"):
        assemble([sources[0], with_column(sources[1], "weight", weight)], settings.inputs, settings.folds)


@pytest.mark.parametrize("kind", ["signal", "background"])
def test_too_few_rows_are_refused(sources, settings, kind):
    few = []
    for source in sources:
        small = (source.type is SampleType.SIGNAL) == (kind == "signal")
        few.append(
            dataclasses.replace(source, columns={n: v[: 2 if small else 600] for n, v in source.columns.items()})
        )
    with pytest.raises(InputError, match=f"too little {kind}"):
        assemble(few, settings.inputs, settings.folds)


def test_missing_weight_column_is_named(sources, settings):
    columns = {name: values for name, values in sources[0].columns.items() if name != "weight"}
    with pytest.raises(InputError, match="'weight'"):
        assemble([Source("signal", SampleType.SIGNAL, columns), *sources[1:]], settings.inputs, settings.folds)


def test_trees_that_cannot_split_are_refused(sources, settings):
    with pytest.raises(InputError, match="same score"):
        trained(sources, settings, min_child_weight=1e9)


def test_parameters_come_from_the_configuration(settings):
    grown = parameters(settings, SEED)
    assert (grown.trees, grown.depth, grown.learning_rate) == (20, 2, 0.3)


def test_model_of_another_version_is_refused(tmp_path):
    io.write_json(tmp_path / "model.json", {"inputs": ["R2"]})
    with pytest.raises(InputError, match="not what `train-bdt`"):
        io.read_model(tmp_path / "model.json", Model, "train-bdt")


def test_model_file_holds_xgboosts_own_json(sources, settings):
    _, model = trained(sources, settings)
    content = Model.model_validate_json(model.model_dump_json())
    assert len(content.boosters) == settings.folds
    assert all('"learner"' in text for text in content.boosters)
