import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from analysis import config
from analysis.cli import main
from analysis.config import reference
from analysis.config.models import Systematics
from analysis.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
MINIMAL: dict[str, Any] = {"name": "x", "samples": [{"name": "signal", "type": "signal", "files": ["*.root"]}]}


@pytest.fixture
def ntuples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the ntuples of the minimal configuration lie, now the working directory."""
    for name in ("a.root", "a.root.metadata.json"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def resolve(**changes: Any) -> config.Config:
    return config.resolve(config.merge(MINIMAL, changes), source="test.yaml")


OFF_CHANNEL = {"name": "OFF", "beam_energy": "4S_offres", "axes": [{"column": "R2", "edges": [0, 1]}]}


@pytest.mark.parametrize("name", ["config.yaml", "ci.yaml", "belle2.example.yaml"])
def test_shipped_configurations_are_valid(name: str) -> None:
    loaded = config.load(ROOT / "config" / name)
    jsonschema.validate(yaml.safe_load((ROOT / "config" / name).read_text()), reference.schema())
    assert loaded.preselection
    assert loaded.bdt
    assert loaded.templates


def test_real_data_stay_blinded_unless_said() -> None:
    assert config.load(ROOT / "config/belle2.example.yaml").blinded
    assert resolve().blinded


def test_schema_and_reference_are_in_step_with_the_models() -> None:
    schema = json.loads((ROOT / "workflow/schemas/config.schema.json").read_text())
    assert schema == reference.schema(), "run `make schemas`"
    assert (ROOT / "config/README.md").read_text() == reference.markdown(), "run `make schemas`"


def test_every_key_has_a_meaning_in_the_reference() -> None:
    for line in reference.markdown().splitlines():
        if line.startswith("| `"):
            assert line.count("|") - line.count("\\|") == 5, line


def test_resolved_configuration_survives_its_own_file(tmp_path: Path) -> None:
    from analysis import io

    loaded = config.load(ROOT / "config/config.yaml")
    io.write_json(tmp_path / "c.json", loaded.model_dump(mode="json"))
    assert config.load(tmp_path / "c.json") == loaded


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve(
            sed=3,
            dataset={"luminosity": -1},
            skim={"cut": "a <"},
            bdt={"input": [], "folds": 1},
            samples=[{"name": "s", "type": "sgnal", "files": ["x"]}],
        )
    message = str(caught.value)
    for part in (
        "7 mistakes",
        "test.yaml",
        "sed: unknown key; nearest: 'seed'",
        "dataset.luminosity: must be greater than 0 (found -1)",
        "skim.cut:",
        "bdt.inputs: missing",
        "bdt.input: unknown key; nearest: 'inputs'",
        "bdt.folds",
        "samples (s).type",
        "'signal'",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": [{"name": "s", "type": "signal"}]}, "either `files:` or `simulated: true`"),
        ({"samples": [{"name": "s", "type": "signal", "simulated": True}]}, "needs a `simulation:` section"),
        ({"samples": MINIMAL["samples"] * 2}, "two samples are named 'signal'"),
        (
            {"samples": [{"name": "s", "type": "signal", "files": ["x"], "luminosity": 1, "generated_events": 2}]},
            "not both",
        ),
        (
            {
                "samples": [{"name": "u", "type": "uubar", "files": ["x"]}],
                "dataset": {"cross_sections": {"uubar": "a"}},
            },
            "dataset.cross_sections.uubar",
        ),
        (
            {"samples": [{"name": "off", "type": "offres", "simulated": True}], "simulation": {}},
            "dataset.off_resonance_luminosity: no number",
        ),
        (
            {"samples": [{"name": "s", "type": "signal", "beam_energy": "4S_offres", "files": ["a.root"]}]},
            "`beam_energy: 4S_offres` does not go with `type: signal`",
        ),
        (
            {"samples": [{"name": "off", "type": "offres", "beam_energy": "4S", "files": ["a.root"]}]},
            "`beam_energy: 4S` does not go with `type: offres`",
        ),
        (
            {"templates": {"channels": [OFF_CHANNEL]}},
            "templates.channels (OFF): no sample is of `type: offres`",
        ),
        (
            {"templates": {"channels": [OFF_CHANNEL]}},
            "templates.channels (OFF): no sample of continuum has `beam_energy: 4S_offres`",
        ),
        (
            {"templates": {"channels": [OFF_CHANNEL | {"signal_region": True}]}},
            "`signal_region: true` off resonance",
        ),
        ({"simulation": {"planted": {"cross_sections": {"charged": 2}}}}, "only continuum has a cross section"),
        ({"bdt": {"inputs": ["q2_gen"]}}, "'q2_gen' is truth"),
        ({"simulation": {"decays": {"data": 10}}}, "mixed from the other samples"),
        ({"simulation": {"decays": {"signal": 0}}}, "greater than 0"),
        ({"templates": {"channels": [{"name": "a", "axes": [{"column": "x", "edges": [0, 0]}]}]}}, "edges must rise"),
        ({"preselection": {"cuts": [{"name": "a", "cut": "x > 1"}] * 2}}, "two cuts are named 'a'"),
        ({"name": "../up"}, "name: must begin with a letter"),
        ({"dataset": {"luminosity": float("nan")}}, "dataset.luminosity"),
    ],
)
def test_mistakes_name_key_and_remedy(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=r"config/README\.md") as caught:
        resolve(**changes)
    assert message in str(caught.value)


def test_items_of_lists_are_called_by_their_names() -> None:
    """Where they have one; else they are counted as people count."""
    axis = {"column": "eta", "edges": [0, "x"]}
    with pytest.raises(ConfigurationError) as caught:
        resolve(
            samples=[
                *({"name": name, "type": "sgnal", "files": ["x"]} for name in ("one", "two", "two")),
                {"type": "signal", "files": ["x", 7]},
                "text",
            ],
            preselection={"cuts": [{"name": "tag: mass", "cut": "a <"}]},
            templates={"channels": [{"name": "SR", "axes": [{"column": "q2_rec"}, axis]}]},
            bdt={"inputs": ["R2", 3]},
            fit={"scan": ["a", 1]},
        )
    message = str(caught.value)
    assert "11 mistakes" in message
    for key in (
        "samples (one).type",
        "samples (two, item 2).type",
        "samples (two, item 3).type",
        "samples (item 4).name",
        "samples (item 4).files (item 2)",
        "samples (item 5)",
        "preselection.cuts (tag: mass).cut",
        "templates.channels (SR).axes (q2_rec).edges",
        "templates.channels (SR).axes (eta).edges (item 2)",
        "bdt.inputs (item 2)",
        "fit.scan (item 1)",
    ):
        assert f"  - {key}: " in message


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ({"n_bb": 387}, "dataset.n_bb: 387 in 365 fb⁻¹ are 1.06e-06 nb, but e⁺e⁻ → Υ(4S) has about 1.1 nb"),
        ({"luminosity": 100}, "dataset.n_bb: 3.87e+08 in 100 fb⁻¹ are 3.87 nb"),
        ({"luminosity": 365000}, "dataset.n_bb: 3.87e+08 in 365000 fb⁻¹ are 0.00106 nb"),
        ({"sqrt_s": 10579.34}, "dataset.sqrt_s: 10579.3 GeV are far from"),
        ({"off_resonance_sqrt_s": 10519}, "dataset.off_resonance_sqrt_s: 10519 GeV are far from"),
        ({"branching_fraction_sm": 4.97}, "dataset.branching_fraction_sm: must be less than 1"),
        ({"cross_sections": {"ccbar": 1330}}, "dataset.cross_sections.ccbar: 1330 nb are more than"),
    ],
)
def test_other_units_are_told(dataset: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        resolve(dataset=dataset, preselection={"cuts": []})


def test_who_changes_one_normalisation_keeps_the_others() -> None:
    found = resolve(systematics={"normalisation": {"ccbar": 0.3, "uubar": 0}}).systematics.normalisation
    assert (found["ccbar"], found["uubar"], found["charged"], found["mixed"]) == (0.3, 0, 0.5, 0.5)
    assert len(found) == len(Systematics().normalisation) == 7


def test_extends_merges_mappings_and_replaces_lists(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(yaml.safe_dump({**MINIMAL, "dataset": {"n_bb": 1e8, "luminosity": 100}}))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "top.yaml").write_text(
        yaml.safe_dump({"extends": "../base.yaml", "dataset": {"n_bb": 1.1e8}, "name": "y"})
    )
    loaded = config.load(tmp_path / "sub" / "top.yaml")
    assert (loaded.name, loaded.dataset.n_bb, loaded.dataset.luminosity) == ("y", 1.1e8, 100)
    assert len(loaded.samples) == 1


def test_nobody_unblinds_by_extending_the_toy(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    data = {"name": "data", "type": "data", "files": ["data.root"]}
    mine = {"extends": str(ROOT / "config/ci.yaml"), "name": "mine", "samples": [*MINIMAL["samples"], data]}
    path.write_text(yaml.safe_dump(mine))
    with pytest.raises(ConfigurationError, match=r"blinded: false comes from .*ci\.yaml, but data would be real data"):
        config.load(path)
    for blinded in (True, False):
        path.write_text(yaml.safe_dump(mine | {"blinded": blinded}))
        assert config.load(path).blinded is blinded
    toy = {"extends": str(ROOT / "config/ci.yaml"), "name": "mine"}
    path.write_text(yaml.safe_dump(toy))
    assert not config.load(path).blinded, "pseudo-data are ours to look at"


def test_an_ntuple_of_two_samples_is_told(ntuples: Path) -> None:
    both = [*MINIMAL["samples"], {"name": "mixed", "type": "mixed", "files": ["./a.root"]}]
    path = ntuples / "mine.yaml"
    path.write_text(yaml.safe_dump({**MINIMAL, "samples": both}))
    message = "samples (mixed).files: 1 of them are those of signal, too, ./a.root is the first"
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        config.load(path, complete=True)
    both[1]["tree"] = "another"
    path.write_text(yaml.safe_dump({**MINIMAL, "samples": both}))
    assert len(config.load(path, complete=True).samples) == 2


def test_a_table_of_ours_is_found_from_another_folder(ntuples: Path) -> None:
    path = ntuples / "mine.yaml"
    path.write_text(yaml.safe_dump({**MINIMAL, "weights": {"kaon_id": "config/tables/kaon_id.csv"}}))
    with pytest.raises(ConfigurationError, match=re.escape(f"there is {ROOT}/config/tables/kaon_id.csv: write that")):
        config.load(path, complete=True)


def test_extending_in_a_circle_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    with pytest.raises(ConfigurationError, match="circle"):
        config.load(tmp_path / "a.yaml")


@pytest.mark.parametrize(("text", "message"), [("a: [", "not valid YAML"), ("- 1", "must be a mapping")])
def test_files_that_are_no_configuration(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        config.load(tmp_path / "c.yaml")
    with pytest.raises(ConfigurationError, match="missing"):
        config.load(tmp_path / "none.yaml")


def test_a_sample_that_is_not_there_is_told_with_those_that_are() -> None:
    assert resolve().sample("signal").type == "signal"
    with pytest.raises(ConfigurationError, match=r"no sample 'signl'[^§]*nearest: 'signal'"):
        resolve().sample("signl")


def test_models_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        resolve().name = "y"  # type: ignore[misc]


def test_a_key_given_twice_is_an_error_that_names_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: x\nblinded: true\nsamples: []\nblinded: false\n")
    with pytest.raises(ConfigurationError, match="the key 'blinded' stands twice, in lines 2 and 4") as caught:
        config.load(path)
    assert str(path) in str(caught.value)
    path.write_text("name: x\ndataset:\n  n_bb: 1\n  luminosity: 3\n  n_bb: 2\n")
    with pytest.raises(ConfigurationError, match="'n_bb' stands twice, in lines 3 and 5"):
        config.load(path)
    (tmp_path / "mine.json").write_text('{"name": "x", "name": "y"}')
    with pytest.raises(ConfigurationError, match="the key 'name' stands twice"):
        config.load(tmp_path / "mine.json")


def test_anchors_and_merge_keys_may_be_overridden(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    # `signal` is merged, two levels deep, before it is built itself
    path.write_text(
        "name: x\nsamples:\n"
        "  - &signal {<<: &any {type: charged, files: [a.root]}, name: signal, type: signal}\n"
        "  - {<<: *signal, name: charged, type: charged}\n"
        "  - {<<: [*any, *signal], name: mixed}\n"
    )
    loaded = config.load(path)
    assert [(s.name, s.type.value) for s in loaded.samples] == [
        ("signal", "signal"), ("charged", "charged"), ("mixed", "charged"),
    ]  # fmt: skip


def test_the_other_file_of_a_name_is_told_but_not_a_renamed_one(ntuples: Path) -> None:
    one, two, origin = ntuples / "one.yaml", ntuples / "two.yaml", ntuples / "config.provenance.json"
    one.write_text(yaml.safe_dump(MINIMAL))
    two.write_text(yaml.safe_dump(MINIMAL))
    loaded = config.load(two)
    assert config.namesake(two, loaded, origin) is None  # nothing has run
    assert main(["configuration", "--config", str(one), "--provenance", str(origin)]) == 0
    assert config.namesake(one, loaded, origin) is None
    assert config.namesake(two, loaded, origin) == str(one)
    one.write_text(yaml.safe_dump(MINIMAL | {"name": "y"}))
    assert config.namesake(two, loaded, origin) is None
    one.unlink()
    assert config.namesake(two, loaded, origin) is None


ALMOST: dict[str, Any] = {
    "preselection": {"cuts": [{"name": "energy", "cut": "roeEextra < 1"}]},
    "bdt": {"inputs": ["R2"]},
    "templates": {"channels": [{"name": "SR", "axes": [{"column": "eta", "edges": [0, 1]}]}]},
}


def cut(text: str) -> dict[str, Any]:
    return {"preselection": {"cuts": [{"name": "mine", "cut": text}]}}


def channel(**changes: Any) -> dict[str, Any]:
    return {"templates": {"channels": [ALMOST["templates"]["channels"][0] | changes]}}


def signal(**changes: Any) -> dict[str, Any]:
    return {"samples": [MINIMAL["samples"][0] | changes]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fit": {"scan": [5, -5]}}, "fit.scan: the range must rise, but 5 is not below -5"),
        (signal(aliases={"K_kaonId": "b"}), "samples (signal).aliases.K_kaonId: no column of the data model"),
        (signal(aliases={"K_kaonId": "b"}), "nearest: 'K_kaonID'"),
        ({"systematics": {"normalisation": {"signal": 0.3, "data": 0.1}}}, "'signal' and 'data' cannot have"),
        (
            {"systematics": {"normalisation": {"charged": 3.0}}},
            "normalisation.charged: must be less than 1 (found 3.0)",
        ),
        (
            channel(axes=[{"column": "Eta", "edges": [0, 1]}]),
            "(SR).axes: no stage provides a column 'Eta'; nearest: 'eta'",
        ),
        (channel(cut="K_mcPDG > 0"), "(SR).cut: 'K_mcPDG' is truth"),
        (channel(signal_region=False), "no channel is a signal region"),
        (cut("K_mcPDG == 321"), "preselection.cuts (mine): 'K_mcPDG' is truth: data do not have it"),
        (cut("eta > 0.4"), "'eta' does not exist yet: the stage `bdt` makes it, later"),
        (cut("changed == 1"), "'changed' is of varied tables only"),
        ({"skim": {"cut": "q2_rec > 1"}}, "skim.cut: 'q2_rec' does not exist yet: the stage `preselection`"),
        ({"bdt": {"inputs": ["bdt_score"]}}, "bdt.inputs: 'bdt_score' is made by the BDT itself"),
        (
            {"bdt": {"inputs": ["R2", "R2", "weight"]}},
            "'R2' is given twice; 'weight' is a key or a weight",
        ),
        (signal(type="charged"), "none is of `type: signal`"),
        (signal(files="a.root"), "files: must be a list, such as `[a, b]` (found 'a.root')"),
        ({"dataset": [1, 2]}, "dataset: must be a section of `key: value` lines (found a list)"),
        ({"blinded": "perhaps"}, "blinded: must be true or false (found 'perhaps')"),
    ],
)
def test_what_later_stages_would_stumble_over_is_refused(changes: dict[str, Any], message: str, ntuples: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        config.resolve(config.merge({**MINIMAL, **ALMOST}, changes), source="test.yaml", complete=True)
    assert message in str(caught.value)
    config.resolve({**MINIMAL, **ALMOST}, source="test.yaml", complete=True)


def test_what_own_ntuples_may_have_is_allowed() -> None:
    """Branches that the data model does not know; truth in the skim of a configuration without data."""
    own = signal(aliases={"sphere": "SphericityTensor__bo1__bc"})
    assert resolve(**{**ALMOST, **own, "bdt": {"inputs": ["R2", "sphere", "myBranch"]}}).bdt
    assert resolve(skim={"cut": "K_isSignal == 1"}).skim.cut
    assert resolve(**signal(aliases={"mine": "x__bo1__bc"})).samples  # a skim by itself keeps it
    data = {"name": "data", "type": "data", "files": ["x"]}
    with pytest.raises(ConfigurationError, match=r"skim\.cut: 'K_isSignal' is truth"):
        resolve(skim={"cut": "K_isSignal == 1"}, samples=[*MINIMAL["samples"], data])


def test_the_toy_has_the_columns_of_the_data_model_and_no_other() -> None:
    toy = {
        "samples": [{"name": "signal", "type": "signal", "simulated": True}],
        "simulation": {"decays": {"signal": 9}},
    }
    with pytest.raises(ConfigurationError, match="no stage provides a column 'roeExtra'; nearest: 'roeEextra'"):
        resolve(**{**ALMOST, **toy, "bdt": {"inputs": ["roeExtra"]}})


def test_contradictions_are_told_beside_mistakes_of_single_keys() -> None:
    samples = [*MINIMAL["samples"] * 2, {"name": "bad", "type": "sgnal", "files": ["x"]}]
    with pytest.raises(ConfigurationError) as caught:
        resolve(
            **{**ALMOST, **cut("eta > 1"), "sed": 3, "bdt": {"inputs": ["K_mcPDG"], "folds": 1}, "samples": samples}
        )
    message = str(caught.value)
    for part in (
        "6 mistakes",
        "sed: unknown key",
        "bdt.folds",
        "samples (bad).type",
        "two samples are named 'signal'",
        "(mine): 'eta' does not exist yet",
        "bdt.inputs: 'K_mcPDG' is truth",
    ):
        assert part in message


def test_named_files_that_are_missing_are_told_together(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config" / "tables").mkdir(parents=True)
    (tmp_path / "config" / "tables" / "k.csv").write_text("")
    path = tmp_path / "config" / "mine.yaml"
    changes = {"weights": {"kaon_id": "config/tables/k.csv"}, "conditions": {"run_information": "runs.csv"}}
    changes |= signal(files=["ntuples/*.root", "config/mine.yaml", str(path)], metadata=["none.json"])
    path.write_text(yaml.safe_dump({**MINIMAL, **changes}))
    config.load(path)
    assert main(["configuration", "--config", str(path)]) == 1
    message = " ".join(capfd.readouterr().err.split())
    assert "5 mistakes" in message
    assert "samples (signal).files: nothing matches 'ntuples/*.root' in" in message
    assert f"samples (signal).files: there is no file 'config/mine.yaml' in {Path.cwd()}" in message
    assert f"there is {path}: write that" in message
    assert "samples (signal).metadata: there is no file 'none.json'" in message
    assert "weights.kaon_id: there is no file 'config/tables/k.csv' in" in message
    assert "write that" in message
    assert "conditions.run_information: there is no file 'runs.csv'" in message


def test_ntuples_without_metadata_are_told_with_the_first(ntuples: Path) -> None:
    config.resolve(MINIMAL, source=ntuples / "mine.yaml", complete=True)
    (ntuples / "b.root").write_text("")
    with pytest.raises(ConfigurationError, match=r"1 of 2 ntuples have no .*b\.root\.metadata\.json is missing"):
        config.resolve(MINIMAL, source=ntuples / "mine.yaml", complete=True)
    config.resolve({**MINIMAL, **signal(metadata=["a.root.metadata.json"])}, source="mine.yaml", complete=True)
