from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from analysis import config as configuration
from analysis import cutflow, io
from analysis.cli import main
from analysis.sharing import DECAYS, decays_of, shared_variance
from analysis.weights import FACTORS

ROOT = Path(__file__).parents[3]
CUTS = configuration.load(ROOT / "config/config.yaml").preselection.cuts


@pytest.fixture
def run(tmp_path, write_skim, monkeypatch):
    """Run the command on a skim with the default configuration; return exit status, table and cut flow."""
    monkeypatch.chdir(ROOT)

    def run(name, kind, columns, *, config="config/config.yaml", **metadata):
        path = write_skim(name, kind, columns, **metadata)
        table, flow = tmp_path / f"{name}.parquet", tmp_path / f"{name}.cutflow.json"
        outputs = ["--output", str(table), "--cutflow", str(flow)]
        status = main(["preselection", "--config", str(config), "--sample", name, *outputs, str(path)])
        if status:
            return status, None, None
        return status, io.read_table(table), io.read_model(flow, cutflow.CutFlow, "preselection")

    return run


@pytest.fixture
def messages(caplog):
    caplog.set_level(logging.INFO, logger="analysis")
    return lambda: "\n".join(record.getMessage() for record in caplog.records)


def test_signal(run, skim):
    status, table, flow = run("signal", "signal", skim)
    assert status == 0
    assert {"q2_rec", "weight", *FACTORS, *skim} == set(table.columns)
    names = [step.name for step in flow.steps]
    assert names[:4] == ["generated", "ntuple", "skim", "corrections"]
    assert names[-1] == "best candidate"
    assert names[4:-1] == [cut.name for cut in CUTS]
    # the skim only loses events; what corrections do to their weights stands apart
    ntuple, kept, corrected = flow.steps[1:4]
    assert kept.sum_w <= ntuple.sum_w
    assert (corrected.rows, corrected.events) == (kept.rows, kept.events)
    assert corrected.sum_w != pytest.approx(kept.sum_w, rel=1e-6)
    # decays of both charges in the configuration's data
    dataset = configuration.load(ROOT / "config/config.yaml").dataset
    decays = 2 * dataset.n_bb * dataset.f_charged * dataset.branching_fraction_sm
    last = flow.steps[-1]
    assert last.rows == last.events == len(table)
    assert last.sum_w == pytest.approx(table.columns["weight"].sum())
    assert last.parents == len(np.unique(table.columns["parentId"]))
    assert flow.steps[1].rows == 2 * len(skim["K_p"])
    rows = [step.rows for step in flow.steps[1:]]
    assert rows == sorted(rows, reverse=True)
    assert table.metadata["provenance"]["conditions"] == {"signal": "0" * 64}
    assert table.metadata["expected_events"] == flow.expected_events == pytest.approx(decays)
    assert flow.provenance.command == "preselection"


def test_errors_of_weighted_numbers_count_what_rows_share(run, skim):
    _, table, flow = run("charged", "charged", skim)
    weight, last = table.columns["weight"], flow.steps[-1]
    assert last.variance == pytest.approx(shared_variance(weight, decays_of(table.columns)))
    assert last.variance > 1.5 * np.sum(weight**2)
    assert last.weighted.error == pytest.approx(np.sqrt(last.variance) / flow.expected_events)
    # rows that name no decay share their event
    _, table, flow = run("charged", "charged", {n: v for n, v in skim.items() if n not in DECAYS})
    skimmed, last = flow.steps[2], flow.steps[-1]
    _, candidates = np.unique([skim["__event__"], skim["__production__"]], axis=1, return_counts=True)
    assert skimmed.variance == pytest.approx((skimmed.sum_w / len(skim["__event__"])) ** 2 * np.sum(candidates**2))
    assert last.variance == pytest.approx(np.sum(table.columns["weight"] ** 2))
    # kaon ID is drawn candidate by candidate: what goes together is of no matter, and the error is the binomial's
    place = [step.name for step in flow.steps].index("kaon: kaon ID")
    before, cut = flow.steps[place - 1 : place + 1]
    e = cut.weighted_step.value
    assert cut.weighted_step.error == pytest.approx(np.sqrt(e * (1 - e) / before.rows), rel=0.1)


def test_selected_rows_pass_all_cuts(run, skim):
    _, table, flow = run("signal", "signal", skim)
    c = table.columns
    assert np.all((c["K_kaonID"] > 0.9) & (c["R2"] < 0.4) & (c["roeEextra"] < 1.2) & (c["roeNTracks"] == 0))
    assert flow.steps[-1].cut == ""


def test_order_of_the_skim_does_not_matter(run, skim):
    _, first, before = run("signal", "signal", skim)
    order = np.random.default_rng(5).permutation(len(skim["K_p"]))
    _, second, after = run("signal", "signal", {name: values[order] for name, values in skim.items()})
    for name, values in first.columns.items():
        assert np.array_equal(second.columns[name], values, equal_nan=values.dtype.kind == "f")
    counts = [[(step.rows, step.events, step.parents) for step in flow.steps] for flow in (before, after)]
    assert counts[0] == counts[1]


def test_data(run, skim):
    columns = {n: v for n, v in skim.items() if n not in ("K_mcPDG", "q2_gen", "parentGroup", "parentId")}
    status, table, flow = run("data", "data", columns)
    assert status == 0
    assert np.all(table.columns["weight"] == 1)
    assert flow.generated_events is None
    assert flow.steps[-1].efficiency is None
    assert flow.steps[-1].efficiency_step is not None
    assert flow.steps[-1].parents is None


def test_counts_of_blinded_data_are_withheld(run, skim, tmp_path, messages):
    config = tmp_path / "config.yaml"
    config.write_text(f"extends: {ROOT}/config/config.yaml\nblinded: true\n")
    _, table, flow = run("data", "data", skim, config=config)
    assert len(table) > 0
    assert flow.withheld
    assert flow.steps[2].rows == len(skim["K_p"])
    assert len(flow.steps) == 5 + len(CUTS)
    for step in flow.steps[3:]:
        assert step.model_dump(exclude={"name", "cut"}, exclude_none=True) == {}
    assert str(len(table)) not in messages().split()
    _, table, flow = run("signal", "signal", skim, config=config)
    assert flow.steps[-1].rows == len(table)


def test_rows_lost_to_nan_are_told(run, skim, messages):
    skim["R2"][:7] = np.nan
    run("signal", "signal", skim)
    assert f"R2 is NaN in 7 of {len(skim['R2'])} rows of the skim: they cannot pass the cuts." in messages()


def test_nothing_passes(run, skim):
    assert "cosTBTO" in CUTS[-1].cut
    skim["cosTBTO"][:] = 0.95
    status, table, flow = run("signal", "signal", skim)
    assert status == 0
    assert len(table) == 0
    assert flow.steps[-1].sum_w == 0
    assert flow.steps[-2].efficiency_step.value == 0


def test_rows_without_a_bin_are_reported(run, skim, messages, tmp_path):
    lines = [
        line
        for line in (ROOT / "config/tables/kaon_id.csv").read_text().splitlines()
        if not line.startswith(("unmatched", "muon"))
    ]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    config = tmp_path / "config.yaml"
    config.write_text(
        f"extends: {io.Path('config/config.yaml').resolve()}\nweights: {{kaon_id: {tmp_path}/table.csv}}\n"
    )
    skim["K_mcPDG"][:] = np.where(np.arange(len(skim["K_p"])) % 2, 13.0, np.nan)
    _, table, _ = run("signal", "signal", skim, config=config)
    outside = table.metadata["kaon_id_outside"]
    assert sum(outside.values()) == len(table) > 0
    assert set(outside) == {"muon_outside", "unmatched_outside"}
    assert "outside the kaon ID table (muon_outside)" in messages()


def test_rows_that_repeat_a_key_are_reported(run, skim, messages):
    doubled = {name: np.concatenate([values, values[:5]]) for name, values in skim.items()}
    _, _, flow = run("signal", "signal", doubled)
    assert flow.best_candidate.duplicate_keys == 5
    assert "a file read twice" in messages()


def test_luminosity_in_the_configuration_replaces_generated_events(run, skim, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"extends: {io.Path('config/config.yaml').resolve()}\n"
        "samples: [{name: mixed, type: mixed, files: [x.root], luminosity: 730}]\n"
        "dataset: {luminosity: 365, n_bb: 387.0e+6}\n"
        "templates: null\n"  # its off-resonance channel wants samples
    )
    _, table, flow = run("mixed", "mixed", skim, config=config, luminosity=730.0)
    assert np.all(table.columns["w_normalisation"] == 0.5)
    assert flow.generated_events is None
    assert flow.expected_events == pytest.approx(387e6 * 0.484)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "mixed", "metadata": {"sample": "charged"}}, "another sample"),
        ({"name": "other", "metadata": {}}, "no sample 'other'"),
        ({"name": "mixed", "metadata": {"generated_events": None}}, "cannot be normalised"),
    ],
)
def test_mistakes_are_explained(run, skim, messages, arguments, message):
    status, *_ = run(arguments["name"], "mixed", skim, **arguments["metadata"])
    assert status == 1
    assert message in messages()


def test_configuration_without_a_selection(run, skim, tmp_path, messages):
    config = tmp_path / "config.yaml"
    config.write_text("name: x\nsamples: [{name: data, type: data, files: [x.root]}]\n")
    status, *_ = run("data", "data", skim, config=config)
    assert status == 1
    assert "no selection" in messages()
