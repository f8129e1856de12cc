"""From results to what the report shows: nothing of blinded data, numbers as they are, marks on what is approximate."""

import json
import re
from html import unescape

import numpy as np
import pytest

from analysis import cutflow, io
from analysis.basf2 import SampleType
from analysis.cli import figures
from analysis.config import Config
from analysis.config.models import Axis, Channel, Systematics, Templates
from analysis.cutflow import BestCandidateSummary, Count, CutFlow
from analysis.errors import InputError
from analysis.inference.fit import fit_workspace
from analysis.inference.results import StandardModel
from analysis.inference.scans import scan
from analysis.plots.style import Tag
from analysis.report import html, likelihood, summary, tables
from analysis.report.published import PUBLISHED
from analysis.report.spectra import SampleTable, pages, spectra
from analysis.systematics import Shift, Source, Variation
from analysis.systematics.source import BBBAR
from analysis.templates import fill
from analysis.templates.build import build
from analysis.workspace import build as build_workspace

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver")  # pyhf 0.7 with jsonschema >= 4.18

TAG = Tag("Toy simulation", 365.0)
EVENTS = {"signal": 8.0, "charged": 200.0, "taupair": 20.0}
CHANNELS = Templates(
    channels=(
        Channel(
            name="SR",
            axes=(Axis(column="eta", edges=(0.4, 0.7, 1.0)), Axis(column="q2_rec", edges=(-1.0, 8.0, 25.0))),
        ),
        Channel(name="CR", cut="eta < 0.4", signal_region=False, axes=(Axis(column="q2_rec", edges=(-1.0, 25.0)),)),
    )
)
SOURCES = (
    Source("corr_bb_c1", "n_bb", BBBAR, frozenset(), lambda _: Variation(Shift(1.1), Shift(0.8)), "10 % up, 20 % down"),
)


def samples():
    rng = np.random.default_rng(5)
    for name, events in EVENTS.items():
        n = 400
        columns = {"eta": rng.random(n), "q2_rec": rng.uniform(0, 23, n), "weight": np.full(n, events / n)}
        yield fill.SampleTable(name, SampleType(name), columns)
    yield fill.SampleTable("data", SampleType.DATA, {"eta": rng.random(230), "q2_rec": rng.uniform(0, 23, 230)})


def fitted(blinded):
    document = build(samples, CHANNELS, SOURCES, blinded=blinded)
    workspace = json.loads(json.dumps(build_workspace(document, Systematics()).spec))
    asimov = 1.0 if blinded else None
    result = fit_workspace(workspace, asimov=asimov, standard_model=StandardModel(value=4.97e-6, error=0.37e-6))
    return document, workspace, result


@pytest.fixture(scope="module")
def toy():
    return fitted(blinded=False)


@pytest.fixture(scope="module")
def blinded():
    return fitted(blinded=True)


# --- likelihood -------------------------------------------------------------------------------------------------------


def test_channels_before_the_fit_are_the_templates(toy):
    document, workspace, result = toy
    before = likelihood.expected_before(workspace)
    signal_region, control = likelihood.channels_before(document, result, before)
    for part in signal_region.components:
        expected = document.channel_contents("SR").values(part.type.value)
        np.testing.assert_allclose(part.values, expected)
    np.testing.assert_allclose(sum(part.values for part in control.components), control.total)
    np.testing.assert_array_equal(signal_region.observed, document.observed("SR"))


def test_channels_after_the_fit_add_up_and_hold_what_was_fitted(toy):
    document, _, result = toy
    for channel in likelihood.channels_after(document, result):
        np.testing.assert_allclose(sum(part.values for part in channel.components), channel.total)
        np.testing.assert_array_equal(channel.observed, document.observed(channel.name))
        assert not channel.asimov


def test_while_blinded_no_data_of_a_signal_region_are_shown(blinded):
    document, workspace, result = blinded
    before = likelihood.channels_before(document, result, likelihood.expected_before(workspace))
    assert [channel.observed is None for channel in before] == [True, False]
    after = likelihood.channels_after(document, result)
    assert all(channel.asimov for channel in after)
    # the Asimov data: the expectation, which the 230 events of the data would not give
    assert sum(channel.observed.sum() for channel in after) == pytest.approx(sum(EVENTS.values()))


def test_variations_and_normalisations_are_those_of_the_workspace(toy):
    document, workspace, _ = toy
    (variation,) = likelihood.variations(workspace, document, "charged")
    assert variation.name == "corr_bb_c1"
    np.testing.assert_allclose(variation.up, 1.1)
    np.testing.assert_allclose(variation.down, 0.8)
    assert len(variation.up) == 5
    assert likelihood.variations(workspace, document, "signal") == []
    (factor,) = likelihood.normalisations(workspace, "taupair")
    assert (factor.name, factor.up, factor.down) == ("mu_bkg_taupair", 1.5, 0.5)


def test_a_variation_pruned_from_a_channel_changes_nothing_there(toy):
    document, workspace, _ = toy
    pruned = json.loads(json.dumps(workspace))
    for sample in next(each for each in pruned["channels"] if each["name"] == "CR")["samples"]:
        sample["modifiers"] = [each for each in sample["modifiers"] if each["type"] != "histosys"]
    (variation,) = likelihood.variations(pruned, document, "charged")
    np.testing.assert_allclose(variation.up, [1.1, 1.1, 1.1, 1.1, 1.0])


def test_a_bin_without_expectation_has_no_ratio(toy):
    document, workspace, _ = toy
    emptied = json.loads(json.dumps(workspace))
    for channel in emptied["channels"]:
        for sample in channel["samples"]:
            if (channel["name"], sample["name"]) == ("CR", "charged"):
                sample["data"] = [0.0 for _ in sample["data"]]
    (variation,) = likelihood.variations(emptied, document, "charged")
    np.testing.assert_allclose(variation.up, [1.1, 1.1, 1.1, 1.1, np.nan])
    assert variation.size == pytest.approx(0.2)


def test_pulls_are_split_into_systematics_and_simulation_statistics(toy):
    _, workspace, result = toy
    names = {pull.name for pull in likelihood.pulls(workspace, result)}
    assert names == {"mu_bkg_charged", "mu_bkg_taupair", "corr_bb_c1"}
    groups = dict(likelihood.simulation_pulls(workspace, result))
    assert {name: len(group) for name, group in groups.items()} == {
        f"{channel} {sample}": size for channel, size in (("SR", 4), ("CR", 1)) for sample in EVENTS
    }


def test_scan_carries_interval_and_limit(toy):
    _, workspace, result = toy
    found = likelihood.likelihood_scan(scan(workspace, [0.0, 1.0, 2.0]), result)
    assert found.best == pytest.approx(result.mu.value, abs=1e-4)
    assert (found.limit, found.level) == (result.upper_limit.observed, 0.90)
    np.testing.assert_array_equal(found.values, [0, 1, 2])
    assert (found.heights >= 0).all()


# --- spectra ----------------------------------------------------------------------------------------------------------


def spectra_tables():
    yield SampleTable(SampleType.SIGNAL, {"R2": np.array([0.1]), "weight": np.array([0.5])})
    yield SampleTable(SampleType.CHARGED, {"R2": np.array([0.1, 0.3]), "weight": np.array([2.0, 3.0])})
    yield SampleTable(SampleType.DATA, {"R2": np.array([0.3, 0.3])})
    yield SampleTable(SampleType.OFFRES, {"R2": np.array([0.3])})


def test_spectra_hold_simulation_by_weight_and_data_by_number():
    (found,) = spectra(spectra_tables(), {"R2": np.array([0.0, 0.2, 0.4])}, blinded=False)
    np.testing.assert_array_equal(found.background, [2, 3])
    np.testing.assert_array_equal(found.background_error, [2, 3])
    np.testing.assert_array_equal(found.signal.values, [0.5, 0])
    np.testing.assert_array_equal(found.data, [0, 2])


def test_spectra_hold_no_data_while_blinded():
    (found,) = spectra(spectra_tables(), {"R2": np.array([0.0, 0.2, 0.4])}, blinded=True)
    assert found.data is None


def test_pages_hold_all_spectra_once():
    edges = {f"v{i}": np.array([0.0, 1.0]) for i in range(8)}
    columns = {name: np.array([0.5]) for name in edges} | {"weight": np.array([1.0])}
    found = pages(spectra([SampleTable(SampleType.CHARGED, columns)], edges, blinded=True))
    assert [[each.column for each in page] for page in found] == [[f"v{i}" for i in range(6)], ["v6", "v7"]]


# --- tables -----------------------------------------------------------------------------------------------------------


def flow(sample, kind, weights):
    counts = [Count(name="generated", events=1000, sum_w=weights[0])]
    counts += [
        Count(name=name, rows=40, events=30, sum_w=weight, variance=weight / 10, variance_step=weight / 20)
        for name, weight in zip(("skim", "a cut <x>"), weights[1:], strict=True)
    ]
    return CutFlow(
        sample=sample, type=kind, level=cutflow.LEVEL, method="how", generated_events=1000, expected_events=weights[0],
        steps=cutflow.with_efficiencies(counts, 1000, weights[0]),
        best_candidate=BestCandidateSummary(
            rule="", multiplicity=1.0, ties_signal_probability=0, ties_kaon_id=0, ties_candidate=0,
            events_without_signal_probability=0, duplicate_keys=0,
        ),
    )  # fmt: skip


FLOWS = [flow("signal", "signal", (1985.0, 40.0, 10.0)), flow("mybb", "charged", (1e8, 500.0, 70.0))]


def text_of(parts):
    return unescape(re.sub(r"<[^>]+>", " ", "\n".join(part.text for part in parts)))


def test_cut_flow_table_has_numbers_with_errors_and_names_samples():
    parts = tables.cut_flow_tables(FLOWS)
    assert "Candidates expected" in parts[0].text, "events are counted beside them"
    assert "a cut &lt;x&gt;" in parts[1].text
    words = text_of(parts)
    assert "B⁺ → K⁺νν̄" in words
    assert "mybb" in words
    assert "10.0 ± 1.0 " in words  # √(10 / 10)
    assert "1×10⁸" in words


def test_yields_and_systematics_tables_hold_every_bin_and_parameter(toy):
    document, workspace, result = toy
    words = text_of(tables.yields_tables(document, result))
    for channel in document.channels:
        assert all(each.label.split(",")[0] in words for each in channel.bins)
    assert "Asimov" not in words
    shapes = {name: likelihood.variations(workspace, document, name) for name in EVENTS}
    factors = {name: likelihood.normalisations(workspace, name) for name in EVENTS}
    statistics = {name: likelihood.statistical(document, name) for name in EVENTS}
    words = text_of(tables.systematics_table(shapes, factors, statistics, document))
    assert "corr_bb_c1" in words
    assert "+10.00 / −20.00" in words
    assert "+50 / −50" in words
    assert "10 % up, 20 % down" in words


def test_yields_call_asimov_data_by_their_name(blinded):
    document, _, result = blinded
    assert "Asimov data" in text_of(tables.yields_tables(document, result))


@pytest.mark.parametrize(
    ("value", "expected"), [(None, "–"), (np.inf, "–"), (-0.5, "−0.5"), (1.5e-7, "1.5×10⁻⁷"), (2e12, "2×10¹²")]
)
def test_numbers_are_written_as_the_field_does(value, expected):
    assert tables.number(value) == expected


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (5668.2, 491.3, "5\u202f670 ± 490"),
        (162653.0, 4312.0, "162\u202f700 ± 4\u202f300"),
        (6.2553, 0.1987, "6.26 ± 0.20"),
        (-1.0, 0.996, "−1.0 ± 1.0"),
        (1e-9, 2e-9, "1×10⁻⁹ ± 2×10⁻⁹"),
        (3.0, 0.0, "3"),
    ],
)
def test_values_end_where_their_errors_do(value, error, expected):
    assert tables.measured(value, error) == expected


# --- summary ----------------------------------------------------------------------------------------------------------


def test_summary_holds_the_result_and_the_efficiency(toy):
    _, _, result = toy
    found = summary.summarise("toy", TAG, result, FLOWS, {"code": "x"})
    assert found.mu == result.mu
    assert found.signal_efficiency.value == pytest.approx(10 / 1985)
    assert found.signal_efficiency.expected_events == 10.0
    assert found.what == "toy simulation, 365 fb⁻¹"
    assert found.model_dump(mode="json")["provenance"] == {"code": "x"}


def test_a_strength_at_its_bound_is_told_beside_the_result(toy):
    _, _, result = toy
    mu = result.mu.model_copy(update={"value": -3.0, "error_lo": -0.0, "at_bound": (True, False)})
    changed = result.model_copy(update={"mu": mu, "diagnosis": ["at bound", "other"], "warnings": ["at bound"]})
    parts = summary.result_page(summary.summarise("toy", TAG, changed, FLOWS, None))
    page = "\n".join(part.text for part in parts)
    visible, folded = page.split("<details>")
    assert ", at its lower bound" in visible
    assert "Mind: at bound." in visible
    assert "−0.00" not in page
    assert "other" in folded
    assert "at bound" not in folded


def test_where_toys_made_the_interval_the_errors_say_what_they_are(toy):
    _, _, result = toy
    asymptotic = summary.result_page(summary.summarise("toy", TAG, result, FLOWS, None))
    assert "2ΔNLL = 1" not in text_of(asymptotic)
    (one, *_) = result.intervals
    intervals = [one.model_copy(update={"method": "Neyman, toys", "quoted": True, "lower": -7.0})]
    changed = result.model_copy(update={"intervals": intervals})
    page = text_of(summary.result_page(summary.summarise("toy", TAG, changed, FLOWS, None)))
    assert page.count("errors where 2ΔNLL = 1") == 2
    assert "to be quoted is the interval below" in page


def test_summary_of_asimov_data_says_so(blinded):
    _, _, result = blinded
    found = summary.summarise("mine", TAG, result, [], None)
    assert found.blinded
    assert found.what.startswith("Asimov data set of μ = 1")
    assert found.signal_efficiency is None
    assert "Asimov" in summary.measurements(result, TAG)[0].label


def test_result_page_puts_ours_first_and_calls_approximate_values_so(toy):
    _, _, result = toy
    parts = summary.result_page(summary.summarise("toy", TAG, result, FLOWS, None))
    page = "\n".join(part.text for part in parts)
    assert f"{result.mu.value:.2f}".replace("-", "−") in page
    rows = re.findall(r"<tr.*?</tr>", page.split("Beside published results")[1], re.DOTALL)
    assert "this analysis (toy)" in rows[1]
    assert "class=ours" in rows[1]
    for item, row in zip(PUBLISHED, rows[2:], strict=True):
        assert item.reference in row
        assert ("≈" in row) == item.approximate


@pytest.mark.parametrize(
    ("asymptotic", "toys", "expected"),
    [
        (0.5, None, "p = 0.500 (sat"),
        (1e-9, None, "p < 0.001 (sat"),
        (None, 0.25, "no p-value"),
        (0.5, 0.25, "0.250 from 40 toys"),
    ],
)
def test_goodness_of_fit_is_told_with_its_p_values(toy, asymptotic, toys, expected):
    _, _, result = toy
    good = result.goodness_of_fit.model_copy(update={"p_value": asymptotic, "p_value_toys": toys, "n_toys": 40})
    found = summary.summarise("toy", TAG, result.model_copy(update={"goodness_of_fit": good}), FLOWS, None)
    assert expected in text_of(summary.result_page(found))


def test_published_errors_add_in_quadrature():
    combined = next(item for item in PUBLISHED if item.tag == "combined")
    assert combined.total == pytest.approx((np.hypot(0.5, 0.4), np.hypot(0.5, 0.5)))
    assert all(item.approximate for item in PUBLISHED if item.experiment != "Belle II")


def test_measurements_are_in_units_of_the_axis(toy):
    _, _, result = toy
    ours, *others = summary.measurements(result, TAG)
    assert ours.value == pytest.approx(result.mu.value * 0.497)
    assert ours.error_lo >= 0
    assert len(others) == len(PUBLISHED)
    assert summary.standard_model(result) == pytest.approx((0.497, 0.037))


# --- pages ------------------------------------------------------------------------------------------------------------


def test_pages_escape_text_and_carry_provenance():
    page = html.page("a < b", html.paragraph("<script>"), provenance={"x": "</script>"})
    assert "<h1>a &lt; b</h1>" in page
    assert "<p>&lt;script&gt;</p>" in page
    inside = re.search(r'id="provenance">(.*?)</script>', page).group(1)
    assert json.loads(inside) == {"x": "</script>"}


def test_tables_refuse_rows_of_another_length():
    with pytest.raises(ValueError, match="as long as the header"):
        html.table(["a", "b"], [["x"]])


# --- the command ------------------------------------------------------------------------------------------------------


def configuration(**changes):
    samples = [{"name": name, "type": name, "files": ["x.root"]} for name in ("charged", "data", "offres")]
    return Config.model_validate({"name": "x", "samples": samples} | changes)


@pytest.mark.parametrize(("hidden", "expected"), [(True, ["charged"]), (False, ["charged", "data"])])
def test_tables_of_data_are_not_even_read_while_blinded(tmp_path, hidden, expected):
    for name in ("charged", "data", "offres"):
        columns = {"R2": np.array([0.1])} | ({"weight": np.array([1.0])} if name == "charged" else {})
        io.write_table(tmp_path / f"{name}.parquet", columns, {"type": name, "sample": name})
    paths = [str(path) for path in sorted(tmp_path.iterdir())]
    found = list(figures._tables([*paths, "charged.cutflow.json"], ["R2"], configuration(blinded=hidden)))
    assert [table.type for table in found] == expected


def test_tag_tells_simulated_from_other_samples():
    assert figures.tag_of(configuration()).text == "Private work"
    simulation = {"simulation": {"decays": {"charged": 10}}}
    toy = configuration(samples=[{"name": "charged", "type": "charged", "simulated": True}], **simulation)
    assert figures.tag_of(toy).text == "Toy simulation"


def test_edges_of_the_fit_in_eta_are_marked():
    channels = [each.model_dump(mode="json") for each in CHANNELS.channels]
    assert figures._eta_edges(configuration(templates={"channels": channels})) == [0.4, 0.7]


def test_a_sample_without_cut_flow_is_an_error():
    with pytest.raises(InputError, match="charged"):
        figures._cut_flows([], configuration())
