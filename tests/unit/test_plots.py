"""Figures hold what they are given: values, labels, errors, and the same bytes every time."""

import dataclasses
import json
import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.container import BarContainer, ErrorbarContainer
from scipy.stats import poisson

from analysis.basf2 import SampleType
from analysis.columns import COLUMNS
from analysis.config import load
from analysis.inference.results import ChannelYields, Scan, Sensitivities
from analysis.plots import (
    classifier,
    closure,
    comparisons,
    labels,
    parameters,
    scans,
    selection,
    spectra,
    style,
    templates,
)
from analysis.plots.histograms import ONE_SIGMA, Component, fill, garwood, merged
from analysis.plots.yields import yields
from analysis.weighted import Weighted

TAG = style.Tag("Toy simulation", 365.0)
EDGES = np.array([0.0, 1.0, 2.0, 3.0])


def component(kind, values):
    values = np.asarray(values, dtype=float)
    return Component(kind, values, values / 4)


def texts(figure):
    return [text.get_text() for text in figure.findobj(mpl.text.Text) if text.get_text()]


def points(axes, label=None):
    """Return x, y, lower and upper ends of the error bars."""
    bars = [c for c in axes.containers if isinstance(c, ErrorbarContainer) and label in (None, c.get_label())]
    line, _, (segments,) = bars[0]
    x, y = line.get_data()
    ends = np.array(segments.get_segments())
    return np.asarray(x), np.asarray(y), ends[:, 0], ends[:, 1]


def legend(figure):
    found = list(figure.findobj(mpl.legend.Legend))
    return [text.get_text() for each in found for text in each.get_texts()]


# --- style ------------------------------------------------------------------------------------------------------------


def test_every_sample_type_has_a_colour_of_its_own_and_a_label():
    simulated = [kind for kind in SampleType if not kind.is_data]
    assert len({style.SAMPLE_COLOURS[kind] for kind in simulated}) == len(simulated)
    assert set(style.STACK_ORDER) == set(simulated)
    assert set(labels.SAMPLE_LABELS) == set(SampleType)


def test_the_same_figure_gives_the_same_bytes_and_carries_its_provenance(tmp_path):
    shown = scans.LikelihoodScan(np.linspace(-1, 3, 9), np.linspace(-1, 3, 9) ** 2, 0.0, None, (-1.0, 1.0), 2.0)
    files = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for file in files:
        style.save(scans.scan(shown, TAG), file, {"code": "abc<&>", "inputs": {"x": "ü"}})
    first, second = (file.read_bytes() for file in files)
    assert first == second
    text = first.decode()
    assert re.search(r"<dc:date>", text) is None
    description = re.search(r"<dc:description>(.*?)</dc:description>", text, re.DOTALL).group(1)
    description = description.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert json.loads(description) == {"code": "abc<&>", "inputs": {"x": "ü"}}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "b.svg"]


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    before = mpl.rcParams["xtick.direction"]
    parameters.pulls([parameters.Pull("a", 0.5, 0.9)], TAG)
    assert mpl.rcParams["xtick.direction"] == before == "out"


def test_headroom_counts_decades_on_a_logarithmic_axis():
    axes = style.new_figure().subplots()
    axes.set_ylim(0, 10)
    style.headroom(axes, 1.5)
    assert axes.get_ylim() == (0, 15)
    axes.set_yscale("log")
    axes.set_ylim(1, 100)
    style.headroom(axes, 1.5)
    assert axes.get_ylim() == pytest.approx((1, 1000))


@pytest.mark.parametrize(("rgb", "expected"), [((1, 1, 1), "black"), ((0, 0, 0.4), "white"), ((0.5, 0, 0), "white")])
def test_text_reads_on_its_background(rgb, expected):
    assert style.text_colour(rgb) == expected


# --- labels -----------------------------------------------------------------------------------------------------------


def test_every_input_of_the_default_bdt_and_every_axis_has_a_symbol():
    settings = load("config/config.yaml")
    columns = {*settings.bdt.inputs, *(axis.column for each in settings.templates.channels for axis in each.axes)}
    assert [column for column in columns if labels.symbol(column) == column] == []


def test_units_come_from_the_data_model():
    assert labels.axis_label("missM2") == "$M^2_\\mathrm{miss}$ [GeV$^2$/$c^4$]"
    assert labels.axis_label("R2") == "$R_2$"
    assert labels.axis_label("my_branch") == "my_branch"
    assert {column.unit for column in COLUMNS.values()} <= set(labels.UNITS)


def test_bins_are_numbered_with_the_last_axis_running_fastest():
    bins = labels.Bins(("eta", "q2_rec"), ((0.4, 0.6, 1.0), (-1.0, 4.0, 8.0, 25.0)))
    assert (bins.shape, bins.size) == ((2, 3), 6)
    assert bins.labels == ("−1 – 4", "4 – 8", "8 – 25") * 2
    assert bins.groups == ("0.4 < $\\eta(\\mathrm{BDT})$ < 0.6", "0.6 < $\\eta(\\mathrm{BDT})$ < 1")
    assert labels.Bins(("q2_rec",), ((-1.0, 25.0),)).groups == ()
    three = labels.Bins(("R2", "eta", "q2_rec"), ((0.0, 0.2, 0.4), (0.5, 0.8, 1.0), (-1.0, 8.0, 25.0)))
    assert len(three.groups) == 4
    assert three.groups[1] == "0 < $R_2$ < 0.2, 0.8 < $\\eta(\\mathrm{BDT})$ < 1"


def test_names_of_cuts_are_typeset():
    assert labels.typeset("tag: cosθ_BY") == "tag: cosθ$_\\mathrm{BY}$"
    assert labels.typeset("costs 5 $") == "costs 5 \\$"


# --- histograms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 10, 57])
def test_garwood_limits_have_the_tail_probabilities_of_their_definition(count):
    low, high = garwood([count])[:, 0]
    tail = (1 - ONE_SIGMA) / 2
    assert poisson.sf(count - 1, count - low) == pytest.approx(tail)
    assert poisson.cdf(count, count + high) == pytest.approx(tail)


def test_garwood_of_nothing_seen():
    low, high = garwood([0])[:, 0]
    assert low == 0.0
    assert poisson.cdf(0, high) == pytest.approx((1 - ONE_SIGMA) / 2)


def test_fill_leaves_out_what_has_no_value_or_no_bin():
    rows = Weighted(np.array([0.5, np.nan, 3.0, -1.0, 2.5]), np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    part = fill(SampleType.CHARGED, rows, EDGES)
    np.testing.assert_array_equal(part.values, [1.0, 0.0, 8.0])
    np.testing.assert_array_equal(part.variances, [1.0, 0.0, 34.0])


def test_merging_adds_samples_of_one_type_in_the_order_of_the_stack():
    parts = merged([
        component(SampleType.SIGNAL, [1, 1, 1]),
        component(SampleType.CHARGED, [2, 3, 4]),
        component(SampleType.CHARGED, [10, 10, 10]),
    ])  # fmt: skip
    assert [part.type for part in parts] == [SampleType.CHARGED, SampleType.SIGNAL]
    np.testing.assert_array_equal(parts[0].values, [12, 13, 14])
    np.testing.assert_array_equal(parts[0].variances, [3, 3.25, 3.5])


# --- selection --------------------------------------------------------------------------------------------------------


def test_cut_flow_adds_samples_of_one_type_and_shows_efficiency_and_purity():
    steps = ("generated", "tag: cosθ_BY", "best candidate")
    flows = [
        selection.Flow(SampleType.SIGNAL, steps, (100.0, 50.0, 10.0)),
        selection.Flow(SampleType.CHARGED, steps, (1e6, 1e3, 70.0)),
        selection.Flow(SampleType.CHARGED, steps, (1e6, 1e3, 20.0)),
    ]
    figure = selection.cut_flow(flows, TAG)
    left, right = figure.axes
    curves = {line.get_label(): line.get_xdata() for line in left.lines}
    np.testing.assert_array_equal(curves[labels.SAMPLE_LABELS[SampleType.CHARGED]], [2e6, 2e3, 90.0])
    fractions = {line.get_label(): line.get_xdata() for line in right.lines}
    np.testing.assert_allclose(fractions["efficiency"], [1.0, 0.5, 0.1])
    np.testing.assert_allclose(fractions["purity"], [100 / 2000100, 50 / 2050, 0.1])
    assert [tick.get_text() for tick in left.get_yticklabels()][1] == "tag: cosθ$_\\mathrm{BY}$"


def test_cut_flow_without_signal_has_no_efficiency():
    flow = selection.Flow(SampleType.CHARGED, ("generated", "cut"), (10.0, None))
    _, right = selection.cut_flow([flow], TAG).axes
    assert not right.lines


# --- classifier -------------------------------------------------------------------------------------------------------


def shown(data=True):
    return spectra.Spectrum(
        column="roeEextra",
        edges=EDGES,
        backgrounds=(component(SampleType.MIXED, [40, 20, 10]), component(SampleType.CHARGED, [60, 40, 30])),
        signal=component(SampleType.SIGNAL, [3, 1, 0]),
        data=np.array([103.0, 55.0, 0.0]) if data else None,
    )


def test_spectrum_draws_counts_with_poisson_errors_and_their_ratio_to_everything_expected():
    main, panel = spectra.spectrum(shown(), TAG).axes
    _, y, low, high = points(main, "data")
    np.testing.assert_array_equal(y, [103, 55, 0])
    np.testing.assert_allclose(y - low[:, 1], garwood(y)[0])
    np.testing.assert_allclose(high[:, 1] - y, garwood(y)[1])
    _, ratio, _, _ = points(panel)
    np.testing.assert_allclose(ratio, [103 / 103, 55 / 61, 0])
    assert main.get_ylabel() == "Events / 1 GeV"
    assert panel.get_xlabel() == "$E_\\mathrm{ECL}$ [GeV]"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([0.0, 0.977], np.arange(21) / 20),
        ([-0.5, 0.5, 1.5], [-0.5, 0.5, 1.5]),
        ([1.8452, 1.8848], 1.845 + 0.0025 * np.arange(17)),
    ],
)
def test_edges_are_round_and_hold_the_range(given, expected):
    np.testing.assert_allclose(spectra.round_edges(given), expected, atol=1e-12)


@pytest.mark.parametrize("high", [0.0123, 0.7, 3.3, 47.0, 12345.0])
def test_round_edges_are_never_too_many_or_too_few(high):
    edges = spectra.round_edges([-0.3 * high, high])
    assert edges[0] <= -0.3 * high
    assert edges[-1] >= high
    assert 20 / 3 <= len(edges) - 1 <= 20


def test_no_ratio_where_no_simulated_background_event_lies():
    lonely = dataclasses.replace(shown(), backgrounds=(component(SampleType.CHARGED, [60, 0, 30]),))
    _, panel = spectra.spectrum(lonely, TAG).axes
    x, _, _, _ = points(panel)
    np.testing.assert_array_equal(x, [0.5, 2.5])


def test_nothing_of_the_data_is_drawn_without_them():
    figure = spectra.spectrum(shown(data=False), TAG)
    assert not any(isinstance(each, ErrorbarContainer) for axes in figure.axes for each in axes.containers)
    assert "data" not in legend(figure)


def test_signal_is_scaled_by_a_round_factor_that_the_legend_tells():
    figure = spectra.spectrum(shown(), TAG)
    assert shown().signal_scale() == 50  # 200 / 4
    assert "$B^+\\to K^+\\nu\\bar{\\nu}$ × 50" in legend(figure)


def test_input_page_has_a_panel_for_each_variable_and_one_legend():
    figure = spectra.input_page([shown(), shown(data=False)], TAG)
    drawn = [axes for axes in figure.axes if axes.axison]
    assert len(drawn) == 2
    assert len(legend(figure)) == len(set(legend(figure))) == 5
    scaled = drawn[0].patches[-1].get_path().vertices[:, 1].max()
    assert scaled == pytest.approx(200 * 3 / 4)  # the signal has the area of the backgrounds


def test_tag_claims_no_more_than_it_is_told():
    words = texts(spectra.spectrum(shown(), TAG))
    assert "Toy simulation" in words
    assert any("365" in word and "fb" in word for word in words)
    assert not any("Belle II" in word for word in words)


def test_roc_draws_every_fold_with_its_area():
    x = np.linspace(0, 1, 11)
    curves = [classifier.Roc(f"fold {k}", x, x ** (3 + k), 0.75 + k / 100, 0.001) for k in range(3)]
    figure = classifier.roc(curves, TAG)
    (axes,) = figure.axes
    np.testing.assert_allclose(axes.lines[1].get_ydata(), (x**4)[1:])
    assert "fold 1: AUC 0.7600 ± 0.0010" in legend(figure)
    assert len({line.get_linestyle() + line.get_color() for line in axes.lines}) == 4


def test_overtraining_compares_bin_by_bin_where_both_are_known():
    figure = classifier.overtraining(
        classifier.ScoreHistograms(
            EDGES, np.array([0.5, 0.5, 0.0]), np.array([0.2, 0.4, 0.4]), np.array([0.4, 0.6, 0.0]),
            np.array([0.2, 0.4, 0.4]), np.full(3, 0.1), np.full(3, 0.05),
        ),
        TAG,
    )  # fmt: skip
    _, panel = figure.axes
    _, ratio, _, _ = points(panel)
    np.testing.assert_allclose(ratio, [0.8, 1.2])


def test_importance_is_sorted_by_gain():
    figure = classifier.importance(
        [classifier.Importance("R2", 0.1, 0.01, 0.0, 0.0), classifier.Importance("roeEextra", 0.6, 0.02, 0.2, 0.01)],
        TAG,
    )
    left, right = figure.axes
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["$E_\\mathrm{ECL}$", "$R_2$"]
    bars = next(each for each in left.containers if isinstance(each, BarContainer))
    np.testing.assert_allclose([bar.get_width() for bar in bars], [60, 10])
    bars = next(each for each in right.containers if isinstance(each, BarContainer))
    np.testing.assert_allclose([bar.get_width() for bar in bars], [20, 0])


def test_correlation_matrix_puts_signal_above_and_background_below_the_diagonal():
    signal, background = np.full((3, 3), 0.3), np.full((3, 3), -0.7)
    background[2, 0] = np.nan
    figure = classifier.input_correlations(["R2", "missE", "missP"], signal, background, TAG)
    image = figure.axes[0].images[0].get_array()
    assert image[0, 1] == pytest.approx(0.3)
    assert image[1, 0] == pytest.approx(-0.7)
    assert image.mask[2, 0]
    assert image.mask[1, 1]
    assert sum(text == "30" for text in texts(figure)) == 3


def test_q2_correlations_are_sorted_by_their_size_and_bear_undefined_ones():
    figure = classifier.q2_correlations(
        ["R2", "missE", "missP"], np.array([0.1, np.nan, 0.0]), np.array([-0.1, -0.8, 0.3]), TAG
    )
    assert next(tick.get_text() for tick in figure.axes[0].get_yticklabels()) == "$E_\\mathrm{miss}$"


def test_eta_profile_leaves_empty_bins_out():
    empty = (np.array([0.5, np.nan, 0.4]), np.array([0.1, np.nan, 0.2]))
    (axes,) = classifier.eta_profile(EDGES, empty, empty, TAG).axes
    line, _, _ = axes.containers[0]
    np.testing.assert_allclose(line.get_ydata(), [0.5, 0.4])


# --- templates --------------------------------------------------------------------------------------------------------

SR = labels.Bins(("eta", "q2_rec"), ((0.4, 0.7, 1.0), (-1.0, 8.0, 25.0)))
CR = labels.Bins(("q2_rec",), ((-1.0, 8.0, 25.0),))


def channel(observed=(12.0, 9.0, 5.0, 0.0), asimov=False):
    parts = (component(SampleType.SIGNAL, [1, 1, 1, 1]), component(SampleType.CHARGED, [10, 8, 6, 0]))
    return templates.ChannelPlot(
        "SR", SR, parts, np.array([11.0, 9.0, 7.0, 1.0]), np.array([2.0, 1.5, 1.0, 0.5]),
        None if observed is None else np.array(observed), asimov,
    )  # fmt: skip


def test_channel_draws_the_stack_the_band_and_the_data():
    figure = templates.channel(channel(), TAG, stage="After the fit", band="uncertainty")
    main, panel = figure.axes
    band = next(patch for patch in main.patches if patch.get_label() == "uncertainty")
    heights = band.get_data()
    np.testing.assert_allclose(heights.values, [13, 10.5, 8, 1.5])
    np.testing.assert_allclose(heights.baseline, [9, 7.5, 6, 0.5])
    _, y, _, _ = points(main, "data")
    np.testing.assert_array_equal(y, [12, 9, 5, 0])
    _, ratio, _, _ = points(panel)
    np.testing.assert_allclose(ratio, [12 / 11, 1, 5 / 7, 0])
    assert [tick.get_text() for tick in panel.get_xticklabels()] == list(SR.labels)
    assert set(SR.groups) <= set(texts(figure))
    assert panel.get_xlabel() == "$q^2_\\mathrm{rec}$ [GeV$^2$/$c^4$]"


def test_negative_contributions_hang_below_zero_and_the_sum_is_a_line():
    parts = (component(SampleType.SIGNAL, [-4, 2, -1, 1]), component(SampleType.CHARGED, [10, 8, 6, 0]))
    total = np.array([6.0, 10.0, 5.0, 1.0])
    shown = templates.ChannelPlot("SR", SR, parts, total, np.full(4, 0.5), np.array([6.0, 9.0, 5.0, 0.0]), False)
    main, _ = templates.channel(shown, TAG, stage="After the fit", band="uncertainty").axes
    by_label = {patch.get_label(): patch.get_data() for patch in main.patches if hasattr(patch, "get_data")}
    signal, background = (by_label[labels.SAMPLE_LABELS[kind]] for kind in (SampleType.SIGNAL, SampleType.CHARGED))
    np.testing.assert_allclose(background.values, [10, 8, 6, 0])
    np.testing.assert_allclose(np.stack([signal.baseline, signal.values]), [[0, 8, 0, 0], [-4, 10, -1, 1]])
    # The top of what is positive minus what is negative is the sum, which the line and the band show.
    np.testing.assert_allclose(by_label["total"].values, total)
    band = by_label["uncertainty"]
    np.testing.assert_allclose((band.values + band.baseline) / 2, total)
    assert main.get_ylim()[0] < -4


def test_channel_without_negative_contributions_starts_at_zero():
    main, _ = templates.channel(channel(), TAG, stage="After the fit", band="uncertainty").axes
    assert main.get_ylim()[0] == 0
    assert not any("total" in str(patch.get_label()) for patch in main.patches)


def test_channel_calls_asimov_data_by_their_name_and_draws_them_hollow():
    figure = templates.channel(channel(asimov=True), TAG, stage="After the fit", band="uncertainty")
    main, panel = figure.axes
    assert "Asimov data" in legend(figure)
    assert "data" not in legend(figure)
    line, _, _ = next(each for each in main.containers if isinstance(each, ErrorbarContainer))
    assert line.get_markerfacecolor() == "white"
    assert panel.get_ylabel() == "Asimov / exp."


def test_channel_without_data_shows_the_relative_uncertainty():
    figure = templates.channel(channel(observed=None), TAG, stage="Before the fit", band="uncertainty")
    main, panel = figure.axes
    assert not any(isinstance(each, ErrorbarContainer) for each in (*main.containers, *panel.containers))
    assert panel.get_ylabel() == "Rel. unc."


def test_variations_draws_the_largest_first_and_counts_the_rest():
    steps = [templates.Variation(f"corr_{n}", np.full(6, 1 + n / 100), np.full(6, 1 - n / 100)) for n in range(1, 9)]
    figure = templates.variations(SampleType.CHARGED, steps, np.full(6, 0.02), (("SR", SR), ("CR", CR)), TAG)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [f"corr_{n}" for n in (8, 7, 6, 5, 4, 3)]
    assert any("6 largest of 8" in text for text in texts(figure))
    up = next(patch for patch in figure.axes[0].patches if patch.get_label() == "+1σ")
    np.testing.assert_allclose(up.get_data().values, 1.08)


def test_bins_of_the_likelihood_are_counted_in_whole_numbers():
    step = templates.Variation("corr", np.full(1, 1.1), np.full(1, 0.9))
    (axes, *_) = templates.variations(SampleType.CCBAR, [step], np.full(1, 0.5), (("OFF", SR),), TAG).axes
    inside = [tick for tick in axes.get_xticks() if -0.5 <= tick <= 0.5]
    assert inside == [0.0]


def test_variations_of_a_sample_without_any():
    figure = templates.variations(SampleType.TAUPAIR, [], np.full(6, 0.02), (("SR", SR), ("CR", CR)), TAG)
    assert not any(axes.axison for axes in figure.axes)
    assert any("none of its events is selected" in text for text in texts(figure))


def test_size_of_a_variation_ignores_bins_without_expectation():
    assert templates.Variation("a", np.array([1.1, np.nan]), np.array([0.7, np.nan])).size == pytest.approx(0.3)


# --- fit --------------------------------------------------------------------------------------------------------------


def test_pulls_are_drawn_in_the_order_of_the_model_with_their_constraints():
    (axes,) = parameters.pulls(
        [parameters.Pull("mu_bkg_charged", -0.4, 0.6), parameters.Pull("corr_ff", 0.1, 0.99)], TAG
    ).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["mu_bkg_charged", "corr_ff"]
    _, _, low, high = points(axes)
    np.testing.assert_allclose((high - low)[:, 0] / 2, [0.6, 0.99])


def test_of_many_pulls_the_most_telling_are_drawn():
    many = [parameters.Pull(f"p{i}", i / 100, 1.0) for i in range(60)]
    figure = parameters.pulls(many, TAG)
    drawn = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert drawn == [f"p{i}" for i in range(60 - parameters.MOST_PULLS, 60)]
    assert f"{parameters.MOST_PULLS} of 60 parameters" in texts(figure)


def test_simulation_pulls_name_their_groups():
    group = [parameters.Pull("a", 0.1, 0.9), parameters.Pull("b", -3.0, 0.9)]
    (axes,) = parameters.simulation_pulls([("SR charged", group), ("CR charged", group[:1])], TAG).axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["SR charged", "CR charged"]
    assert axes.get_ylim()[0] < -3.9


def test_parameters_at_their_bounds_are_marked():
    group = [parameters.Pull("a", 0.1, 0.9), parameters.Pull("b", -1.0, 0.0, at_bound=True)]
    for figure in (parameters.simulation_pulls([("SR charged", group)], TAG), parameters.pulls(group, TAG)):
        (axes,) = figure.axes
        assert legend(figure) == ["at its bound"]
        marked = next(line for line in axes.lines if line.get_label() == "at its bound")
        assert sorted((marked.get_xdata()[0], marked.get_ydata()[0])) == [-1.0, 1.0]


def test_simulation_pulls_without_any_say_so():
    assert "no parameters of simulation statistics" in texts(parameters.simulation_pulls([], TAG))


def test_correlations_keep_the_parameter_of_interest_first_and_the_strongest():
    size = 30
    matrix = np.eye(size)
    names = [f"p{i}" for i in range(size - 1)] + ["mu"]
    matrix[3, 7] = matrix[7, 3] = -0.9
    figure = parameters.correlations(names, matrix, "mu", TAG)
    drawn = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert drawn[0] == "mu"
    assert {"p3", "p7"} <= set(drawn)
    assert len(drawn) == parameters.MOST_CORRELATED
    assert "−90" in texts(figure)
    assert f"the {parameters.MOST_CORRELATED} most correlated parameters" in texts(figure)


def scan(limit=4.2, asimov=None):
    x = np.linspace(-5, 10, 31)
    return scans.LikelihoodScan(x, ((x - 1.3) / 2) ** 2, 1.3, asimov, (-2.0, 2.1), limit)


def test_scan_draws_the_profile_the_interval_and_the_limit():
    figure = scans.scan(scan(), TAG)
    (axes,) = figure.axes
    profile = next(line for line in axes.lines if len(line.get_xdata()) == 31)
    np.testing.assert_allclose(profile.get_ydata(), scan().heights)
    assert any(text.startswith("$\\mu < 4.20$ at 90 % CL") for text in legend(figure))
    assert "$\\hat{\\mu} = 1.30\\,^{+2.10}_{-2.00}$" in legend(figure)
    assert {"1σ", "2σ"} <= set(texts(figure))


def test_contours_leave_out_where_the_data_are_impossible():
    places = [(a, b) for a in range(-3, 4) for b in range(-3, 4) if a + b > -4]
    points = [{"values": place, "twice_delta_nll": float(place[0] ** 2 + place[1] ** 2)} for place in places]
    found = Scan.model_validate(
        {
            "parameters": ("mu", "nu"),
            "minimum": (0.0, 0.0),
            "points": points,
            "asimov": None,
            "engine": "",
            "cross_check": 0,
        }
    )
    (mesh,) = (each for each in scans.contours(found, TAG).axes[0].collections if hasattr(each, "get_coordinates"))
    heights = mesh.get_array().reshape(7, 7)
    assert heights.mask.sum() == 49 - len(places)
    assert heights[3 + 2, 3 - 1] == 5.0  # second by first


def test_axis_of_the_scan_reaches_to_the_limit_and_the_interval():
    assert scans.scan(scan(limit=4.2), TAG).axes[0].get_xlim() == (-5, 10)
    assert scans.scan(scan(limit=25.0), TAG).axes[0].get_xlim()[1] > 25.0
    wide = scans.LikelihoodScan(scan().values, scan().heights, -5.0, None, (-40.0, 0.0), 4.2)
    figure = scans.scan(wide, TAG)
    assert figure.axes[0].get_xlim()[0] < -45.0
    assert "$\\hat{\\mu} = -5.00\\,^{0.00}_{-40.00}$" in legend(figure)


def test_scan_without_limit_and_of_asimov_data():
    figure = scans.scan(scan(limit=None, asimov=1.0), TAG)
    assert len(legend(figure)) == 2
    assert "Asimov data, μ = 1" in texts(figure)
    # That of no signal is an Asimov data set, too.
    assert "Asimov data, μ = 0" in texts(scans.scan(scan(asimov=0.0), TAG))
    assert not any("Asimov" in text for text in texts(scans.scan(scan(), TAG)))


def test_comparison_marks_what_is_approximate_and_draws_limits():
    items = [
        comparisons.Measurement("ours", 0.6, 1.0, 1.2, 2.5, ours=True, approximate=False),
        comparisons.Measurement("theirs", 1.0, 0.6, 0.6, None, ours=False, approximate=True),
    ]
    (axes,) = comparisons.comparison(items, (0.497, 0.037), TAG).axes
    ours, theirs = (each for each in axes.containers if isinstance(each, ErrorbarContainer))
    assert ours[0].get_markerfacecolor() == style.SIGNAL_COLOUR
    assert theirs[0].get_markerfacecolor() == "white"
    assert sum(line.get_marker() == "|" and len(line.get_xdata()) == 1 for line in axes.lines) == 1
    assert axes.get_xlim()[1] > 2.5


def test_closure_draws_one_panel_of_pulls_per_strength_and_keeps_what_lies_outside():
    values = np.array([-9.0, -0.2, 0.1, 0.3, 1.2])
    shown = [closure.Pulls(mu, values, -1.5, 4.0, 1.1, "FAILED") for mu in (0.0, 1.0)]
    figure = closure.pulls(shown, TAG)
    assert len(figure.axes) == 2
    for axes in figure.axes:
        assert sum(patch.get_height() for patch in axes.patches if hasattr(patch, "get_height")) == len(values)
    assert any("FAILED" in text and "1.10 expected" in text for text in texts(figure))


def test_closure_keeps_its_words_within_the_panel():
    verdict = "inconclusive, 51 of 100 failed or at the bound of μ"
    shown = [closure.Pulls(mu, np.zeros(49), 0.06, 0.99, 1.06, verdict) for mu in (0.0, 1.0, 5.0)]
    figure = closure.pulls(shown, TAG)
    figure.canvas.draw()
    for axes in figure.axes:
        panel = axes.get_window_extent()
        for text in axes.texts:
            if "expected" in text.get_text():
                assert text.get_window_extent().x1 < panel.x1


def test_yields_of_any_workspace_hang_below_zero_what_is_negative_and_keep_long_names_inside():
    name = "A__Bsig_H_reconstructed_q2_vs_BDT2_Bplus2Kplus_v42_signal_inefficiency_zoomSR_Y4S"
    shown = ChannelYields(
        channel=name, observed=[5.0, 3.0],
        samples={"background": [6.0, 4.0], "signal": [-1.0, -2.0], "rest": [1.0, 1.0]},
        total=[6.0, 3.0], total_error=[1.0, 1.0], prefit=[8.0, 6.0], prefit_error=[1.0, 1.0],
    )  # fmt: skip
    figure = yields(shown, TAG, asimov=False)
    axes, panel = figure.axes
    data = {patch.get_label(): patch.get_data() for patch in axes.patches if patch.get_label() in shown.samples}
    spans = {label: (each.baseline.tolist(), each.values.tolist()) for label, each in data.items()}
    assert spans["signal"] == ([0, 0], [-1, -2])
    assert spans["rest"] == ([6, 4], [7, 5]), "on the background, not on what hangs below"
    assert axes.get_ylim()[0] < -2
    assert "total" in legend(figure)
    figure.canvas.draw()
    label = panel.xaxis.label
    assert label.get_text().replace("\n", "") == f"Bin of {name}"
    assert label.get_window_extent().x0 >= 0


def test_sensitivities_tell_who_is_combined_and_whose_luminosity_it_is():
    mu = {"value": 1.0, "error": 2.0, "error_lo": -1.5, "error_hi": 2.5, "at_bound": (False, False)}
    common = {"n_parameters": 1, "mu": mu, "significance": 0.5, "observed": None, "cross_check": 0.0}
    rows = [
        {**common, "label": label, "role": role, "upper_limit": limit}
        for label, role, limit in (("SL", "input", 9.0), ("ITA", "compared", 2.0), ("SL + HTA", "combination", 3.0))
    ]
    figure = comparisons.sensitivities(Sensitivities.model_validate({"level": 0.9, "rows": rows}), TAG)
    (axes,) = figure.axes
    assert legend(figure) == ["combined", "not combined", "combination", "90 % CL limit without signal"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["SL", "ITA", "SL + HTA"]
    marks = [line.get_xydata()[0] for line in axes.get_lines() if line.get_marker() == "|"]
    np.testing.assert_allclose(marks, [[9.0, 0.27], [2.0, 1.27], [3.0, 2.27]])
    assert any(text.startswith("SL: ") and "365" in text for text in texts(figure))
    for bars, ends in zip(axes.containers, [[-0.5, 3.5]] * 3, strict=True):
        np.testing.assert_allclose(bars[2][0].get_segments()[0][:, 0], ends)
    colours = [bars[0].get_color() for bars in axes.containers]
    assert len(set(colours)) == 3
