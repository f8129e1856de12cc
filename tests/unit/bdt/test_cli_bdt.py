from __future__ import annotations

import logging

import numpy as np
import pytest

from analysis import io, provenance
from analysis.bdt.report import Training
from analysis.cli import main


@pytest.fixture
def folder(tmp_path, sources):
    """Preselected samples and data on disk, and a configuration."""
    rows = [(source.name, source.type.value, source.columns) for source in sources]
    for name, kind, columns in [*rows, ("data", "data", sources[1].columns)]:
        metadata = {"sample": name, "type": kind, "provenance": {"conditions": {name: name * 2}}}
        io.write_table(tmp_path / f"{name}.parquet", columns, metadata)
    (tmp_path / "config.yaml").write_text(
        "name: x\nsamples: [{name: signal, type: signal, files: [x.root]}]\n"
        "bdt: {inputs: [roeEextra, R2, K_D0vetoM], folds: 3, trees: 20, depth: 2}\n"
    )
    return tmp_path


@pytest.fixture
def train(folder):
    def train(*names, threads=1):
        return main(
            ["train-bdt", "--config", f"{folder}/config.yaml", "--threads", str(threads)]
            + ["--model", f"{folder}/model.json", "--training", f"{folder}/training.json"]
            + [f"{folder}/{name}.parquet" for name in names]
        )

    return train


@pytest.fixture
def messages(caplog):
    caplog.set_level(logging.INFO, logger="analysis")
    return lambda: "\n".join(record.getMessage() for record in caplog.records)


def apply(folder, name):
    return main(
        [
            "apply-bdt",
            "--model",
            f"{folder}/model.json",
            "--output",
            f"{folder}/out.parquet",
            f"{folder}/{name}.parquet",
        ]
    )


def test_off_resonance_samples_do_not_train(folder, train, messages):
    text = (folder / "config.yaml").read_text()
    off = "{name: mixed, type: ccbar, beam_energy: 4S_offres, files: [y.root]}"
    text = text.replace("samples: [", f"dataset: {{off_resonance_luminosity: 1}}\nsamples: [{off}, ")
    (folder / "config.yaml").write_text(text)
    assert train("signal", "charged", "mixed") != 0
    assert "trained on resonance" in messages()


def test_train_and_apply(folder, train):
    assert train("signal", "charged", "mixed") == 0
    report = Training.model_validate(io.read_json(folder / "training.json"))
    assert report.provenance.conditions == {name: name * 2 for name in ("charged", "mixed", "signal")}
    assert report.provenance.command == "train_bdt"
    assert apply(folder, "data") == 0
    table = io.read_table(folder / "out.parquet")
    assert table.columns["fold"].dtype == np.int8
    assert table.columns["eta"].dtype == np.float64
    assert table.metadata["sample"] == "data"
    # a scored table rests on the conditions of all samples that trained the trees
    assert set(provenance.conditions_of([folder / "out.parquet"])) == {"data", "charged", "mixed", "signal"}
    before = io.read_table(folder / "data.parquet").columns
    for name, values in before.items():
        assert np.array_equal(table.columns[name], values, equal_nan=True)


def test_threads_do_not_change_a_byte(folder, train):
    files = []
    for threads in (1, 2):
        assert train("signal", "charged", threads=threads) == 0
        files.append([(folder / name).read_bytes() for name in ("model.json", "training.json")])
    assert files[0] == files[1]


def test_data_cannot_train(train, messages):
    assert train("signal", "data") == 1
    assert "Data cannot train" in messages()


def test_nan_in_an_input_is_an_error(folder, train, messages):
    table = io.read_table(folder / "charged.parquet")
    columns = {**table.columns, "R2": np.where(np.arange(len(table)) == 5, np.nan, table.columns["R2"])}
    io.write_table(folder / "charged.parquet", columns, table.metadata)
    assert train("signal", "charged") == 1
    assert "sample 'charged', column 'R2'" in messages()
    assert not (folder / "model.json").exists()


def test_missing_input_is_an_error_when_applied(folder, train, messages):
    assert train("signal", "charged") == 0
    table = io.read_table(folder / "data.parquet")
    columns = {name: values for name, values in table.columns.items() if name != "R2"}
    io.write_table(folder / "data.parquet", columns, table.metadata)
    assert apply(folder, "data") == 1
    assert "BDT inputs are missing in sample 'data'" in messages()
    assert not (folder / "out.parquet").exists()


def test_configuration_without_a_bdt(folder, train, messages):
    (folder / "config.yaml").write_text("name: x\nsamples: [{name: data, type: data, files: [x.root]}]\n")
    assert train("signal", "charged") == 1
    assert "has no BDT" in messages()
