"""From tables to the document: blinding, floors, negative bins, and the file that a notebook opens."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import hist
import numpy as np
import pytest

from analysis import io
from analysis.basf2 import BeamEnergy, SampleType
from analysis.cli import main
from analysis.columns import VARIATION
from analysis.config.models import Axis, Channel, Templates
from analysis.errors import ConfigurationError, InputError
from analysis.sharing import DECAYS
from analysis.systematics import Elements, Family, Shift, Source, Variation
from analysis.systematics.source import BBBAR, CONTINUUM, SIGNAL, SIMULATED
from analysis.templates.build import build, needed_columns
from analysis.templates.document import Document
from analysis.templates.fill import SampleTable

CHANNELS = Templates(
    channels=(
        Channel(
            name="SR",
            axes=(Axis(column="eta", edges=(0.5, 0.75, 1.0)), Axis(column="q2_rec", edges=(-1.0, 8.0, 25.0))),
        ),
        Channel(name="CR", cut="eta < 0.5", signal_region=False, axes=(Axis(column="q2_rec", edges=(-1.0, 25.0)),)),
    )
)
SOURCES = (
    Source("corr_bb_c1", "n_bb", SIGNAL | BBBAR, frozenset(), lambda _: Variation(Shift(1.1), Shift(0.9)), "10 %"),
    Source(
        "corr_q2_c1", "shape", BBBAR, frozenset({"q2_rec"}),
        lambda c: Variation(Shift(columns={"q2_rec": c["q2_rec"] + 1.0}), None), "one GeV²",
    ),
)  # fmt: skip


def table(name, kind, eta, q2, weight=None, parents=None):
    columns = {"eta": np.asarray(eta, dtype=float), "q2_rec": np.asarray(q2, dtype=float)}
    if not kind.is_data:
        columns["weight"] = np.ones(len(eta)) if weight is None else np.asarray(weight, dtype=float)
    if parents is not None:
        columns["parentId"] = np.asarray(parents)
    return SampleTable(name, kind, columns)


def signal():
    return table("signal", SampleType.SIGNAL, [0.6, 0.6, 0.8, 0.8, 0.1], [1, 9, 1, 9, 1], [0.5] * 5, [1, 1, 2, 3, 1])


def charged():
    return table("charged", SampleType.CHARGED, [0.6, 0.6, 0.8, 0.8, 0.1], [7.5, 9, 1, 9, 1], [2] * 5, range(5))


def data(n=17):
    return table("data", SampleType.DATA, [0.6] * n + [0.1, 0.2], [1] * n + [3, 4])


def make(*tables, blinded=False, sources=SOURCES, settings=CHANNELS):
    return build(lambda: iter(tables), settings, sources, blinded=blinded)


def test_contents_and_variations():
    found = make(signal(), charged(), data())
    contents = found.channel_contents("SR")
    assert contents.values("charged").tolist() == [2, 2, 2, 2]
    assert contents.values("charged", "corr_bb_c1_up") == pytest.approx([2.2] * 4)
    assert contents.values("charged", "corr_bb_c1_down") == pytest.approx([1.8] * 4)
    # 7.5 -> 8.5 changes bin; mirrored on the other side, the emptied bin not below zero
    up = contents.values("charged", "corr_q2_c1_up")
    assert up == pytest.approx([1e-6, 4, 2, 2])
    assert contents.values("charged", "corr_q2_c1_down") == pytest.approx([4, 1e-6, 2, 2])
    # what no source varies keeps its contents
    assert contents.values("signal", "corr_q2_c1_up").tolist() == contents.values("signal").tolist()
    assert [(each.name, each.processes, each.one_sided) for each in found.variations] == [
        ("corr_bb_c1", ("signal", "charged"), False),
        ("corr_q2_c1", ("charged",), True),
    ]


def test_counts_errors_and_parents_are_told():
    found = make(signal(), charged())
    yields = found.channels[0].processes["signal"]
    assert yields.counts == (1, 1, 1, 1)
    assert yields.error == pytest.approx((0.5,) * 4)
    assert (yields.outside_rows, yields.outside_weight) == (1, 0.5)
    process = found.processes[0]
    assert (process.rows, process.parents, process.weight) == (5, 3, 2.5)
    assert [each.label for each in found.channels[0].bins][:2] == [
        "eta [0.5, 0.75), q2_rec [-1, 8)",
        "eta [0.5, 0.75), q2_rec [8, 25]",
    ]


def test_data_are_counted_where_they_may_be_seen():
    found = make(signal(), charged(), data())
    assert found.observed("SR").tolist() == [17, 0, 0, 0]
    assert found.observed("CR").tolist() == [2]


def test_blinded_data_are_in_no_signal_region_and_nothing_gives_them_away(caplog):
    caplog.set_level(logging.DEBUG, logger="analysis")
    few = make(signal(), charged(), data(17), blinded=True)
    told = caplog.text
    caplog.clear()
    many = make(signal(), charged(), data(9123), blinded=True)
    # The file and the messages do not depend on what lies in the signal region.
    assert many == few
    assert caplog.text == told
    assert "Channel SR is blinded" in told
    assert few.observed("SR") is None
    assert few.observed("CR").tolist() == [2]
    assert few.blinded


OVERLAP = CHANNELS.model_copy(
    update={"channels": (CHANNELS.channels[0], CHANNELS.channels[1].model_copy(update={"cut": "eta < 0.7"}))}
)


def test_channels_that_share_events_are_refused():
    with pytest.raises(InputError, match=r"SR and CR, sample signal") as caught:
        make(signal(), charged(), data(), settings=OVERLAP)
    assert "2 rows in both" in str(caught.value)


def test_blinded_data_of_a_signal_region_are_not_seen_through_an_overlapping_channel():
    """The simulation has no row where the channels overlap: the data are refused, and no number of them is told."""
    apart = table("signal", SampleType.SIGNAL, [0.8, 0.9, 0.1], [1, 9, 1])
    with pytest.raises(InputError, match=r"SR and CR, sample data") as caught:
        make(apart, data(17), blinded=True, settings=OVERLAP)
    assert "17" not in str(caught.value)
    broken = data(17)
    broken.columns["q2_rec"][:3] = np.nan
    with pytest.raises(InputError, match="channel SR, sample data") as caught:
        make(signal(), broken, blinded=True)
    assert not {"3", "17"} & set(str(caught.value).split())


def test_a_channel_that_no_event_reaches_is_refused():
    nowhere = CHANNELS.channels[1].model_copy(update={"cut": "eta > 2"})
    with pytest.raises(ConfigurationError, match=r"templates.channels: CR"):
        make(signal(), charged(), settings=Templates(channels=(CHANNELS.channels[0], nowhere)), blinded=True)


def test_a_channel_of_which_nothing_is_selected_in_simulation_is_refused_with_what_to_do():
    nothing = off_resonance("ccbar_off", SampleType.CCBAR, [], 0.5)
    with pytest.raises(ConfigurationError, match=r"(?s)channels: OFF.*no row in ccbar_off.*simulate more.*leave the"):
        make(signal(), charged(), nothing, off_resonance("offres", SampleType.OFFRES, [0.1]), settings=WITH_OFF)


def test_blinded_data_are_not_even_asked_for_the_axes_of_signal_regions():
    def needed(kind, settings=CHANNELS, blinded=True):
        return needed_columns(kind, settings, SOURCES, blinded=blinded)

    assert needed(SampleType.DATA).required == {"eta", "q2_rec"}
    # without a channel that may be looked at
    only_sr = Templates(channels=CHANNELS.channels[:1])
    assert needed(SampleType.DATA, only_sr).required == set()
    assert needed(SampleType.CHARGED, only_sr).required == {"eta", "q2_rec", "weight"}
    assert needed(SampleType.CHARGED).optional == set(DECAYS)
    assert needed(SampleType.DATA).optional == set()
    off = BeamEnergy.OFF_RESONANCE
    assert needed_columns(SampleType.OFFRES, CHANNELS, SOURCES, blinded=False, beams=off).required == set()
    assert needed_columns(SampleType.OFFRES, WITH_OFF, SOURCES, blinded=True, beams=off).required == {"R2"}
    assert needed_columns(SampleType.CCBAR, WITH_OFF, SOURCES, blinded=True, beams=off).required == {"R2", "weight"}


def test_off_resonance_data_without_a_channel_are_left_out_and_reported(caplog):
    offres = SampleTable("offres", SampleType.OFFRES, {}, beam_energy=BeamEnergy.OFF_RESONANCE)
    found = make(signal(), charged(), offres)
    assert [each.name for each in found.ignored] == ["offres"]
    assert "Sample offres is left out" in caplog.text
    assert found.data == {}


WITH_OFF = Templates(
    channels=(
        *CHANNELS.channels,
        Channel(name="OFF", beam_energy="4S_offres", axes=(Axis(column="R2", edges=(0.0, 0.2, 0.4)),)),
    )
)


def off_resonance(name, kind, r2, weight=None):
    columns = {"R2": np.asarray(r2)} | ({} if weight is None else {"weight": np.full(len(r2), weight)})
    return SampleTable(name, kind, columns, beam_energy=BeamEnergy.OFF_RESONANCE)


def test_an_off_resonance_channel_holds_samples_of_its_energy_alone():
    """On-resonance tables need not even have its columns; its data are counted while the analysis is blinded."""
    sources = (
        Source("corr_lumi_c1", "luminosity", CONTINUUM, frozenset(), lambda _: Variation(Shift(1.1), Shift(0.9)), ""),
        Source(
            "corr_contD_c1", "off-resonance", CONTINUUM, frozenset(), lambda _: Variation(Shift(1.05), Shift(0.95)), "",
            energies=frozenset({BeamEnergy.OFF_RESONANCE}),
        ),
    )  # fmt: skip
    found = make(
        signal(),
        charged(),
        table("ccbar", SampleType.CCBAR, [0.6, 0.8, 0.1], [1, 9, 1]),
        off_resonance("ccbar_off", SampleType.CCBAR, [0.1, 0.1, 0.3], 0.5),
        off_resonance("offres", SampleType.OFFRES, [0.1, 0.3, 0.3]),
        settings=WITH_OFF,
        sources=sources,
        blinded=True,
    )
    on, off = found.channels[0], found.channels[2]
    assert set(on.processes) == {"signal", "charged", "ccbar"}
    assert set(off.processes) == {"ccbar_off"}
    assert off.processes["ccbar_off"].expected == (1.0, 0.5)
    assert not off.signal_region
    assert found.observed("OFF").tolist() == [1, 2]
    assert found.observed("SR") is None
    contents = found.channel_contents("OFF")
    assert contents.values("ccbar_off", "corr_contD_c1_up") == pytest.approx([1.05, 0.525])
    assert contents.values("ccbar_off", "corr_lumi_c1_up") == pytest.approx([1.1, 0.55])
    assert {each.name: each.processes for each in found.variations} == {
        "corr_lumi_c1": ("ccbar", "ccbar_off"),
        "corr_contD_c1": ("ccbar_off",),
    }
    # empty bins of one energy are not filled by backgrounds of the other
    assert not [each for each in found.floors if each.channel == "OFF"]


def test_an_empty_bin_gets_the_floor_and_is_reported(caplog):
    thin = table("mixed", SampleType.MIXED, [0.6, 0.1], [1, 1], [2, 4])
    found = make(signal(), charged(), thin, sources=SOURCES[:1])
    values = found.channel_contents("SR").values("mixed")
    assert values.tolist() == [2.0, 1e-6, 1e-6, 1e-6]
    assert found.channel_contents("SR").variances("mixed") == pytest.approx([4.0, 1e-12, 1e-12, 1e-12])
    # once each: under a variation of the weights an empty bin stays empty
    assert [(each.channel, each.process, each.variation, each.bin) for each in found.floors] == [
        ("SR", "mixed", "nominal", number) for number in (1, 2, 3)
    ]
    assert found.channel_contents("SR").values("mixed", "corr_bb_c1_up") == pytest.approx([2.2, 1e-6, 1e-6, 1e-6])
    assert found.floors[0].one_row == 3.0
    assert "Channel SR, mixed, nominal: bins 1, 2, 3 of 4 empty, filled with 1e-06 ± 1e-06" in caplog.text
    assert "one simulated row counts 3" in caplog.text
    assert "no row of any simulated background" not in caplog.text


def test_a_bin_without_any_background_gets_a_row_of_the_largest(caplog):
    small = table("mixed", SampleType.MIXED, [0.6, 0.1], [1, 1], [0.5, 0.5])
    large = table("charged", SampleType.CHARGED, [0.6, 0.8, 0.1], [1, 1, 1], [2, 3, 4])
    found = make(signal(), large, small, sources=SOURCES[:1])
    contents = found.channel_contents("SR")
    # bins 1 and 3 have no background: one row of the mean weight of `charged`, with an error as large
    assert contents.values("charged") == pytest.approx([2.0, 3.0, 3.0, 3.0])
    assert contents.variances("charged") == pytest.approx([4.0, 9.0, 9.0, 9.0])
    assert contents.values("charged", "corr_bb_c1_up") == pytest.approx([2.2, 3.0, 3.3, 3.0])
    # bin 2 has some: what the other sample lacks there is the configured floor
    assert contents.values("mixed") == pytest.approx([0.5, 1e-6, 1e-6, 1e-6])
    assert {(each.process, each.bin): each.floor for each in found.floors if each.process == "charged"} == {
        ("charged", 1): 3.0,
        ("charged", 3): 3.0,
    }
    assert (
        "Channel SR, bin 1 (eta [0.5, 0.75), q2_rec [8, 25]): no row of any simulated background. "
        "3 ± 3 events of charged are assumed" in caplog.text
    )
    assert "bin 2 (eta [0.75, 1], q2_rec [-1, 8)): no row" not in caplog.text


def test_a_sample_without_rows_is_told_once(caplog):
    found = make(signal(), charged(), table("ccbar", SampleType.CCBAR, [], []), sources=SOURCES[:1])
    assert caplog.text.count("ccbar, nominal") == 2  # SR, CR
    assert "Channel SR, ccbar, nominal: all bins of 4 empty" in caplog.text
    assert {each.one_row for each in found.floors if each.process == "ccbar"} == {None}
    assert found.channels[0].processes["ccbar"].n_effective == (0.0,) * 4


def test_too_little_simulation_is_told(caplog):
    heavy = table("charged", SampleType.CHARGED, [0.6, 0.6, 0.8, 0.8, 0.1], [1, 9, 1, 9, 1], [9, 2, 2, 2, 2], [1] * 5)
    make(signal(), heavy, sources=())
    assert "bin 0 (eta [0.5, 0.75), q2_rec [-1, 8)): the simulation's error, 9.01 of 9.5 events" in caplog.text
    caplog.clear()
    many = table("charged", SampleType.CHARGED, [0.6] * 400, [1] * 400, [0.1] * 400)
    make(signal(), many, sources=())
    assert "bin 0 (eta [0.5, 0.75), q2_rec [-1, 8)): the simulation's error" not in caplog.text


def test_a_bin_emptied_by_a_variation_is_reported_as_such():
    found = make(signal(), charged())
    assert [(each.variation, each.bin) for each in found.floors] == [("corr_q2_c1_up", 0), ("corr_q2_c1_down", 1)]


def test_a_negative_bin_is_refused_by_name():
    wrong = table("charged", SampleType.CHARGED, [0.6, 0.6, 0.8], [9, 9, 9], [1, -2, 1])
    with pytest.raises(InputError, match=r"channel SR, sample charged, bin 1 \(eta.*\), nominal(.|\n)*-1 expected"):
        make(signal(), wrong)


def test_a_negative_varied_bin_is_refused_by_name():
    huge = Source("corr_x_c1", "g", SIMULATED, frozenset(), lambda _: Variation(Shift(2.0), Shift(-0.5)), "")
    with pytest.raises(InputError, match="corr_x_c1_down"):
        make(signal(), charged(), sources=(huge,))


def test_an_analysis_without_signal_is_refused():
    with pytest.raises(ConfigurationError, match="no signal sample"):
        make(charged())


def test_rows_without_parents_are_told(caplog):
    make(signal(), table("mixed", SampleType.MIXED, [0.6], [1]))
    assert "Sample mixed has no column parentId" in caplog.text
    assert "Sample signal has no column" not in caplog.text


def test_families_become_components_of_all_templates(caplog):
    def elements(columns):
        # one element per side of q² = 8: both matter in every channel with two q² bins
        return Elements((columns["q2_rec"] > 8).astype(np.int64), np.full(5, 1.1), np.full(5, 0.9))

    family = Family("corr_t", 1, "g", SIMULATED, frozenset({"q2_rec"}), "note", 2, elements)
    caplog.set_level(logging.INFO, logger="analysis")
    found = make(signal(), charged(), sources=(SOURCES[0], family))
    assert [each.name for each in found.variations] == ["corr_bb_c1", "corr_t_c1", "corr_t_c2"]
    contents = found.channel_contents("SR")
    shifts = [contents.values("signal", f"corr_t_c{n}_up") - contents.values("signal") for n in (1, 2)]
    # together they are 10 % on either side, uncorrelated
    covariance = sum(np.outer(each, each) for each in shifts)
    np.testing.assert_allclose(covariance[:2, :2], np.diag([0.05, 0.05]) ** 2, atol=1e-8)
    assert "2 of 2 principal components" in caplog.text


def test_a_name_taken_twice_is_refused():
    with pytest.raises(ValueError, match="corr_bb_c1"):
        make(signal(), charged(), sources=(SOURCES[0], SOURCES[0]))


def test_the_file_opens_in_one_line_and_comes_back(tmp_path):
    found = make(signal(), charged(), data())
    path = tmp_path / "templates.json"
    io.write_json(path, found.model_dump(mode="json"))
    h = hist.Hist(json.loads(Path(path).read_text())["histograms"]["SR"])
    assert h.axes.name == ("process", "variation", "eta", "q2_rec")
    assert h["signal", "nominal", ...].values().shape == (2, 2)
    assert h["charged", "corr_bb_c1_up", ...].values().sum() == pytest.approx(8.8)
    assert h["charged", "nominal", ...].variances().ravel().tolist() == [4.0] * 4
    assert hist.Hist(json.loads(path.read_text())["data"]["SR"]).values()[0, 0] == 17
    assert Document.model_validate(io.read_json(path)) == found


CONFIG = """
name: t
blinded: {blinded}
samples:
  - {{name: signal, type: signal, files: [x.root]}}
  - {{name: charged, type: charged, files: [x.root]}}
  - {{name: data, type: data, files: [x.root]}}
systematics: {{tracking: 0, kaon_id: false, form_factor: false}}
templates:
  channels:
    - name: SR
      axes: [{{column: eta, edges: [0.5, 0.75, 1.0]}}, {{column: q2_rec, edges: [-1, 8, 25]}}]
    - {{name: CR, cut: eta < 0.5, signal_region: false, axes: [{{column: q2_rec, edges: [-1, 25]}}]}}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for each in (signal(), charged(), data()):
        origin = {"conditions": {each.name: f"digest of {each.name}"}}
        io.write_table(
            f"{each.name}.parquet", each.columns, {"sample": each.name, "type": each.type.value, "provenance": origin}
        )
    (tmp_path / "c.yaml").write_text(CONFIG.format(blinded="false"))
    return tmp_path


def run(*tables, config="c.yaml"):
    return main(["templates", "--config", config, "--output", "t/templates.json", *tables])


ALL = ("data.parquet", "charged.parquet", "signal.parquet")


def test_command(project):
    assert run(*ALL) == 0
    document = Document.model_validate(io.read_json("t/templates.json"))
    # in the order of the configuration, whatever that of the files
    assert [each.name for each in document.processes] == ["signal", "charged"]
    assert document.observed("SR").tolist() == [17, 0, 0, 0]
    assert document.provenance["conditions"] == {name: f"digest of {name}" for name in ("charged", "data", "signal")}
    first = (project / "t/templates.json").read_bytes()
    assert run(*reversed(ALL)) == 0
    again = json.loads((project / "t/templates.json").read_text())
    assert again["histograms"] == json.loads(first)["histograms"]


def test_command_on_ntuples_without_alternative_columns(project, caplog):
    """What `preselection` and `apply-bdt` write of someone's own ntuples: a varied table with no variation in it."""
    varied = []
    for name in ("signal", "charged"):
        varied.append(f"{name}.varied.parquet")
        metadata = {
            "sample": name,
            "type": name,
            "stage": "bdt variations",
            "variations": [],
            "provenance": {"conditions": {}},
        }
        io.write_table(varied[-1], {VARIATION: np.zeros(0, dtype=np.int8)}, metadata)
    with caplog.at_level(logging.INFO):
        assert run(*ALL, "--varied", *varied) == 0
    document = Document.model_validate(io.read_json("t/templates.json"))
    assert {(each.name, each.samples) for each in document.left_out} >= {("corr_KLeff_c1", ("signal", "charged"))}
    assert "corr_KLeff_c1" in caplog.text, "the log says so"


def test_command_blinded(project, caplog):
    (project / "c.yaml").write_text(CONFIG.format(blinded="true"))
    assert run(*ALL) == 0
    document = Document.model_validate(io.read_json("t/templates.json"))
    assert (document.observed("SR"), document.observed("CR").tolist()) == (None, [2])


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (ALL[:2], "have no table"),
        ((*ALL, "signal.parquet"), "Two tables hold the same sample"),
    ],
)
def test_every_sample_needs_one_table(project, caplog, tables, message):
    assert run(*tables) == 1
    assert message in caplog.text
    assert not (project / "t").exists()


def test_a_table_of_another_sample_or_type_is_refused(project, caplog):
    stray = {"sample": "mixed", "type": "mixed", "provenance": {"conditions": {}}}
    io.write_table("stray.parquet", signal().columns, stray)
    assert run(*ALL, "stray.parquet") == 1
    assert "belongs to no sample" in caplog.text
    io.write_table("signal.parquet", signal().columns, stray | {"sample": "signal"})
    assert run(*ALL) == 1
    assert "another type" in caplog.text


def test_a_missing_weight_column_is_named(project, caplog):
    columns = {name: values for name, values in charged().columns.items() if name != "weight"}
    io.write_table(
        "charged.parquet", columns, {"sample": "charged", "type": "charged", "provenance": {"conditions": {}}}
    )
    assert run(*ALL) == 1
    assert "A table lacks columns" in caplog.text
    assert "weight" in caplog.text


def test_a_configuration_without_channels_is_refused(project, caplog):
    text = CONFIG.format(blinded="true")
    (project / "c.yaml").write_text(text[: text.index("templates:")])
    assert run(*ALL) == 1
    assert "The configuration has no channels" in caplog.text


def test_a_sample_without_alternative_columns_is_not_varied():
    moved = Source(
        "corr_neutralGamma_c1", "photons", SIMULATED, frozenset(),
        lambda _: Variation(Shift(table="gammaUp"), None), "x", tables=frozenset({"gammaUp"}),
    )  # fmt: skip
    with_columns = replace(signal(), varied={"gammaUp": {**signal().columns, "weight": np.full(5, 2.0)}})
    document = build(lambda: [with_columns, charged()], CHANNELS, [moved], blinded=True)
    (variation,) = document.variations
    assert variation.processes == ("signal",)
    assert variation.one_sided
    contents = document.channel_contents("SR")
    assert contents.values("signal", "corr_neutralGamma_c1_up").sum() == pytest.approx(8.0)
    assert contents.values("charged", "corr_neutralGamma_c1_up") == pytest.approx(contents.values("charged"))
    (left_out,) = document.left_out
    assert (left_out.name, left_out.samples) == ("corr_neutralGamma_c1", ("charged",))
    assert build(lambda: [signal(), charged()], CHANNELS, [moved], blinded=True).variations == ()


def test_an_empty_bin_is_not_varied():
    """A row that enters it under a variation would be a million times its floor."""
    moved = Source(
        "corr_neutralGamma_c1", "photons", SIMULATED, frozenset(),
        lambda _: Variation(Shift(table="gammaUp"), Shift(table="gammaDown")), "x",
        tables=frozenset({"gammaUp", "gammaDown"}),
    )  # fmt: skip
    rare = table("mixed", SampleType.MIXED, [0.6, 0.1], [1, 1])
    entered = {"eta": np.array([0.6, 0.6, 0.8, 0.1]), "q2_rec": np.ones(4), "weight": np.ones(4)}
    rare = replace(rare, varied={"gammaUp": entered, "gammaDown": rare.columns})
    contents = build(lambda: [signal(), rare, charged()], CHANNELS, [moved], blinded=True).channel_contents("SR")
    floor = CHANNELS.empty_bin_floor
    assert contents.values("mixed").tolist() == pytest.approx([1.0, floor, floor, floor])
    assert contents.values("mixed", "corr_neutralGamma_c1_up").tolist() == pytest.approx([2.0, floor, floor, floor])
