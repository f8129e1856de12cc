"""The workspace: valid for pyhf, equal to the templates, named as the published likelihood."""

import json
import re
from pathlib import Path

import numpy as np
import pyhf
import pytest

from analysis import io
from analysis.basf2 import BeamEnergy, SampleType
from analysis.cli import main
from analysis.config.models import Axis, Channel, Systematics, Templates
from analysis.errors import ConfigurationError, FitError, InputError
from analysis.inference.fit import fit_workspace
from analysis.inference.report import fit_table
from analysis.systematics import Shift, Source, Variation
from analysis.systematics.source import CONTINUUM, SIMULATED
from analysis.templates.build import build as build_templates
from analysis.templates.fill import SampleTable
from analysis.workspace import build, poi_bounds, validate

README = Path(__file__).parents[2] / "README.md"
pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver")  # pyhf 0.7 with jsonschema >= 4.18

KINDS = {"signal": 4.0, "charged": 200.0, "mixed": 90.0, "ccbar": 30.0}
CHANNELS = Templates(
    channels=(
        Channel(
            name="SR",
            axes=(Axis(column="eta", edges=(0.4, 0.7, 1.0)), Axis(column="q2_rec", edges=(-1.0, 4.0, 8.0, 25.0))),
        ),
        Channel(name="CR", cut="eta < 0.4", signal_region=False, axes=(Axis(column="q2_rec", edges=(-1.0, 25.0)),)),
    )
)
SOURCES = (
    Source("corr_lumi_c1", "luminosity", CONTINUUM, frozenset(), lambda _: Variation(Shift(1.01), Shift(0.99)), ""),
    Source(
        "corr_slope_c1", "shape", SIMULATED, frozenset(),
        lambda c: Variation(Shift(1 + 0.01 * c["q2_rec"]), Shift(1 - 0.02 * c["q2_rec"])), "",
    ),
    Source("corr_tiny_c1", "shape", SIMULATED, frozenset(), lambda _: Variation(Shift(1 + 1e-5), Shift(1 - 1e-5)), ""),
)  # fmt: skip


def tables(data=True):
    rng = np.random.default_rng(3)
    for name, events in KINDS.items():
        n = 2000
        columns = {"eta": rng.random(n), "q2_rec": rng.uniform(0, 23, n), "weight": np.full(n, events / n)}
        yield SampleTable(name, SampleType(name), columns | {"parentId": np.arange(n) // 2})
    if data:
        yield SampleTable("data", SampleType.DATA, {"eta": rng.random(320), "q2_rec": rng.uniform(0, 23, 320)})


def templates(*, blinded=False, data=True, sources=SOURCES):
    return build_templates(lambda: tables(data), CHANNELS, sources, blinded=blinded)


@pytest.fixture(scope="module")
def document():
    return templates()


@pytest.fixture(scope="module")
def workspace(document):
    return build(document, Systematics())


@pytest.fixture(scope="module")
def model(workspace):
    return validate(workspace.spec)


def total(document, choose=lambda _: True):
    return np.concatenate(
        [
            sum(document.channel_contents(c.name).values(p.name) for p in document.processes if choose(p))
            for c in document.channels
        ]
    )


def test_pyhf_accepts_it_and_expects_the_templates(document, workspace, model):
    assert model.config.channels == ["CR", "SR"]  # pyhf sorts; the file keeps the order of the configuration
    assert [each["name"] for each in workspace.spec["channels"]] == ["SR", "CR"]
    expected = model.expected_actualdata(model.config.suggested_init())
    ours = total(document)
    np.testing.assert_allclose(expected, np.concatenate([ours[6:], ours[:6]]), rtol=1e-12)


def test_mu_scales_the_signal_alone(document, model):
    parameters = np.array(model.config.suggested_init())
    parameters[model.config.poi_index] = 3.0
    ours = total(document) + 2 * total(document, lambda p: p.type is SampleType.SIGNAL)
    np.testing.assert_allclose(model.expected_actualdata(parameters), np.concatenate([ours[6:], ours[:6]]), rtol=1e-12)


@pytest.mark.parametrize(("value", "side"), [(1.0, "_up"), (-1.0, "_down")])
def test_a_parameter_at_one_sigma_gives_the_varied_templates(document, model, value, side):
    parameters = np.array(model.config.suggested_init())
    parameters[model.config.par_slice("corr_slope_c1")] = value
    ours = np.concatenate(
        [
            sum(document.channel_contents(name).values(p.name, "corr_slope_c1" + side) for p in document.processes)
            for name in ("CR", "SR")
        ]
    )
    np.testing.assert_allclose(model.expected_actualdata(parameters), ours, rtol=1e-12)


def test_names(workspace, model):
    modifiers = {
        (sample["name"], modifier["name"]): modifier
        for sample in workspace.spec["channels"][0]["samples"]
        for modifier in sample["modifiers"]
    }
    assert modifiers["signal", "mu"]["type"] == "normfactor"
    assert modifiers["charged", "mu_bkg_charged"]["data"] == {"hi": 1.5, "lo": 0.5}
    assert modifiers["ccbar", "corr_lumi_c1"]["type"] == "histosys"
    assert modifiers["mixed", "uncorr_SR_mixed"]["type"] == "staterror"
    assert ("charged", "corr_lumi_c1") not in modifiers
    assert ("signal", "mu_bkg_signal") not in modifiers
    assert set(workspace.account.parameters) == {*model.config.par_order}, "every parameter has a group"


def test_statistics_of_the_simulation_are_the_templates_errors(document, workspace):
    sample = workspace.spec["channels"][0]["samples"][1]
    errors = next(m["data"] for m in sample["modifiers"] if m["type"] == "staterror")
    np.testing.assert_allclose(errors, np.array(document.channels[0].processes["charged"].error), rtol=1e-12)


def test_small_variations_are_pruned_and_told(workspace, model):
    assert "corr_tiny_c1" not in model.config.par_order
    assert {(p.parameter, p.channel, p.process) for p in workspace.account.pruned} == {
        ("corr_tiny_c1", channel, name) for channel in ("SR", "CR") for name in KINDS
    }
    assert workspace.account.pruned[0].largest == pytest.approx(1e-5)


def test_sizes_of_zero_switch_off(document):
    sizes = {SampleType.CHARGED: 0.3, SampleType.MIXED: 0, SampleType.CCBAR: 0}
    off = Systematics(normalisation=sizes, simulation_statistics=False, pruning=0.0)
    found = validate(build(document, off).spec).config.par_order
    assert set(found) == {"mu", "mu_bkg_charged", "corr_lumi_c1", "corr_slope_c1", "corr_tiny_c1"}


def test_a_normalisation_uncertainty_of_100_percent_is_refused(document):
    with pytest.raises(ConfigurationError, match=r"systematics\.normalisation\.mixed"):
        build(document, Systematics().model_copy(update={"normalisation": {SampleType.MIXED: 1.0}}))


def test_the_observation_is_the_data(document, workspace):
    assert workspace.account.observation == "data"
    for each in workspace.spec["observations"]:
        assert each["data"] == document.observed(each["name"]).tolist()
    assert sum(workspace.spec["observations"][0]["data"]) > 100


def test_while_blinded_the_observation_is_asimov_everywhere():
    found = templates(blinded=True)
    workspace = build(found, Systematics())
    assert (workspace.account.observation, workspace.account.blinded) == ("asimov", True)
    # fitted by hand, without the account
    assert "measurement          blinded: Asimov data of mu = 1" in fit_table(fit_workspace(workspace.spec))
    np.testing.assert_allclose(
        np.concatenate([each["data"] for each in workspace.spec["observations"]]), total(found), rtol=1e-12
    )
    # the data change nothing
    assert build(templates(blinded=True, data=False), Systematics()).spec == workspace.spec


def test_nothing_to_fit_is_refused():
    with pytest.raises(ConfigurationError, match=r"no data to fit(.|\n)*blinded: true"):
        build(templates(data=False), Systematics())


def test_templates_without_the_data_of_a_channel_are_refused(document):
    with pytest.raises(InputError, match="channel SR"):
        build(document.model_copy(update={"data": {}}), Systematics())


def test_the_range_of_mu_keeps_every_bin_positive(workspace, document):
    low, high = workspace.account.poi_bounds
    signal = total(document, lambda p: p.type is SampleType.SIGNAL)
    background = total(document, lambda p: p.type is not SampleType.SIGNAL)
    assert low < 0
    assert np.all(low * signal + background > 0)
    assert workspace.spec["measurements"][0]["config"]["parameters"][0]["bounds"] == [[low, high]]


def test_a_bin_that_keeps_mu_up_is_told(caplog):
    def pure(samples):
        for table in samples:
            background = table.name not in ("signal", "data")
            thin = (table.columns["eta"] < 0.7) | (table.columns["q2_rec"] < 8) | (np.arange(table.rows) % 500 == 0)
            keep = thin | (not background)
            yield SampleTable(table.name, table.type, {name: v[keep] for name, v in table.columns.items()})

    found = build_templates(lambda: pure(tables()), CHANNELS, SOURCES[:1], blinded=False)
    assert -2 < build(found, Systematics()).account.poi_bounds[0] < 0
    assert "channel SR, bin 5 (eta [0.7, 1], q2_rec [8, 25]) expects" in caplog.text


@pytest.mark.parametrize(
    ("signal", "background", "bounds"),
    [
        ([1.0, 1.0], [4.0, 10.0], (-3.8, 50.0)),  # 95 % of the way to zero
        ([1.0, 1.0], [1000.0, 1000.0], (-448.0, 448.0)),  # error 22.4: wider
        ([10.0], [1000.0], (-64.0, 64.0)),
        ([100.0], [10000.0], (-21.0, 50.0)),
        ([200.0], [10000.0], (-20.0, 50.0)),
        ([1.0], [0.0], (-0.0, 50.0)),
    ],
)
def test_range_of_mu(signal, background, bounds):
    assert poi_bounds(np.array(signal), np.array(background)) == pytest.approx(bounds)


def with_ccbar(rows):
    samples = list(tables())
    columns = {name: values[:rows] for name, values in samples[3].columns.items()}
    samples[3] = SampleTable("ccbar", SampleType.CCBAR, columns)
    return build_templates(lambda: iter(samples), CHANNELS, SOURCES, blinded=False)


def with_off_resonance(ratio=1.0):
    """Continuum below the Υ(4S): 40 expected events, and 60 data; the signal's weights are changed by a ratio."""
    off = BeamEnergy.OFF_RESONANCE
    columns = {"q2_rec": np.linspace(0, 22, 400), "weight": np.full(400, 0.1)}
    data = {"q2_rec": np.linspace(0, 22, 60)}
    channel = Channel(name="OFF", beam_energy=off, axes=(Axis(column="q2_rec", edges=(-1.0, 25.0)),))
    signal, *others = tables()
    changed = SampleTable("signal", SampleType.SIGNAL, signal.columns | {"weight": signal.columns["weight"] * ratio})
    samples = [
        changed,
        *others,
        SampleTable("ccbar_off", SampleType.CCBAR, columns, beam_energy=off),
        SampleTable("offres", SampleType.OFFRES, data, beam_energy=off),
    ]
    channels = Templates(channels=(*CHANNELS.channels, channel))
    return build_templates(lambda: iter(samples), channels, SOURCES, blinded=False)


def test_another_signal_as_the_readme_tells(tmp_path, monkeypatch):
    """Templates, errors and the range of μ are those of reweighted events; channels without signal stay."""
    events = next(tables()).columns
    events |= {"q2_gen": np.linspace(0, 22, len(events["weight"]))}
    before = with_off_resonance()
    monkeypatch.chdir(tmp_path)
    io.write_table("results/toy/bdt/signal.parquet", events, {})
    io.write_json("results/toy/templates/templates.json", before.model_dump(mode="json"))
    io.write_json("results/toy/fit/workspace.json", build(before, Systematics()).spec)
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert "return 2 * standard_model(q2)" in block
    exec(block.replace("return 2 *", "return (1 + q2 / 10) *"), {})
    found = io.read_json("mine.json")
    expected = with_off_resonance(1 + events["q2_gen"] / 10)
    spec = build(expected, Systematics()).spec
    for one, other in zip(found["channels"], spec["channels"], strict=True):
        for mine, theirs in zip(one["samples"], other["samples"], strict=True):
            np.testing.assert_allclose(mine["data"], theirs["data"], rtol=1e-12)
    bounds, theirs = (each["measurements"][0]["config"]["parameters"][0]["bounds"][0] for each in (found, spec))
    assert bounds == pytest.approx(theirs)
    validate(found)


def test_off_resonance_data_constrain_the_continuum_of_all_channels():
    import pyhf

    found = with_off_resonance()
    spec = build(found, Systematics()).spec
    off = spec["channels"][-1]
    assert (off["name"], [sample["name"] for sample in off["samples"]]) == ("OFF", ["ccbar_off"])
    shared = {modifier["name"] for modifier in off["samples"][0]["modifiers"]}
    assert {"mu_bkg_ccbar", "corr_lumi_c1"} <= shared
    assert "uncorr_OFF_ccbar_off" in shared
    model = validate(spec)
    assert model.config.param_set("mu_bkg_ccbar").n_parameters == 1
    # μ stays bounded by the channels that hold signal
    assert build(found, Systematics()).account.poi_bounds == build(templates(), Systematics()).account.poi_bounds
    pyhf.set_backend("numpy", "minuit")
    errors = {}
    for name, part in (("with", found), ("without", templates())):
        workspace = pyhf.Workspace(build(part, Systematics()).spec)
        full = workspace.model()
        fit = np.asarray(pyhf.infer.mle.fit(workspace.data(full), full, return_uncertainties=True))
        errors[name] = fit[full.config.par_map["mu_bkg_ccbar"]["slice"]][0]
    pyhf.set_backend("numpy")
    # 60 data on 40: the fit moves cc̄ up by half, and knows it better
    assert errors["with"][0] > 0.5
    assert errors["with"][1] < 0.8 * errors["without"][1]


def test_a_floored_bin_has_an_error_of_its_own_size():
    found = with_ccbar(5)
    model = validate(build(found, Systematics()).spec)
    floored = np.array(found.channels[0].processes["ccbar"].counts) == 0
    widths = np.array(model.config.param_set("uncorr_SR_ccbar").width())
    assert 0 < floored.sum() < 6
    assert widths[floored] == pytest.approx(1.0)


def test_a_background_without_rows_has_no_parameters():
    found = with_ccbar(0)
    workspace = build(found, Systematics())
    sample = workspace.spec["channels"][0]["samples"][3]
    assert (sample["name"], sample["modifiers"]) == ("ccbar", [])
    assert sample["data"] == [1e-6] * 6
    names = validate(workspace.spec).config.par_order
    assert not {"mu_bkg_ccbar", "corr_lumi_c1", "uncorr_SR_ccbar"} & {*names, *workspace.account.parameters}


def test_backgrounds_assumed_in_a_bare_channel_have_an_error():
    def nowhere_in_cr(samples):
        for table in samples:
            keep = (table.columns["eta"] > 0.4) | (table.name in ("signal", "data"))
            yield SampleTable(table.name, table.type, {name: v[keep] for name, v in table.columns.items()})

    found = build_templates(lambda: nowhere_in_cr(tables()), CHANNELS, SOURCES, blinded=False)
    samples = build(found, Systematics()).spec["channels"][1]["samples"]
    assert samples[1]["data"] == pytest.approx([0.1])  # one row of `charged`
    assert {"name": "uncorr_CR_charged", "type": "staterror", "data": pytest.approx([0.1])} in samples[1]["modifiers"]


def test_pyhf_refusal_is_our_error(workspace):
    broken = json.loads(json.dumps(workspace.spec))
    broken["channels"][0]["samples"][0]["data"] = []
    with pytest.raises(FitError, match="pyhf refuses"):
        validate(broken)


def test_a_model_that_expects_nothing_is_refused(workspace):
    empty = json.loads(json.dumps(workspace.spec))
    for sample in empty["channels"][0]["samples"]:
        sample["data"] = [0.0] * 6
        sample["modifiers"] = [m for m in sample["modifiers"] if m["type"] in ("normfactor", "normsys")]
    with pytest.raises(FitError, match="expects no events"):
        validate(empty)


def test_bins_keep_their_meaning(workspace):
    assert workspace.account.bins["SR"][3] == "eta [0.7, 1], q2_rec [-1, 4)"
    assert len(workspace.account.bins["SR"]) == len(workspace.spec["observations"][0]["data"])


CONFIG = """
name: t
blinded: {blinded}
samples:
  - {{name: signal, type: signal, files: [x.root]}}
"""


def test_command(tmp_path, monkeypatch, caplog, document):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG.format(blinded="false"))
    io.write_json(
        "t.json", document.model_copy(update={"provenance": {"conditions": {"s": "d"}}}).model_dump(mode="json")
    )
    argv = ["workspace", "--config", "c.yaml", "--output", "fit/workspace.json", "t.json"]
    assert main(argv) == 0
    spec = io.read_json("fit/workspace.json")
    assert pyhf.Workspace(spec).model().config.poi_name == "mu"
    account = io.read_json("fit/workspace.provenance.json")
    assert account["provenance"]["conditions"] == {"s": "d"}
    assert account["observation"] == "data"
    said = account["definitions"]
    assert said["mu"].startswith("B(B⁺ → K⁺νν̄) / 4.97e-06, short distance, with the Standard Model's q² spectrum")
    assert said["events"] == "those expected in 365 fb⁻¹ with 3.87e+08 BB̄ pairs, after the selection"
    assert said["CR"] == "eta < 0.4"
    assert said["q2_rec"].endswith("[GeV^2/c^4]")
    (tmp_path / "c.yaml").write_text(CONFIG.format(blinded="true"))
    assert main(argv) == 1
    assert "made under another blinding" in caplog.text
