"""Bins, sums of weights and their variances."""

import numpy as np
import pytest

from analysis.config.models import Axis, Channel
from analysis.errors import InputError
from analysis.systematics import Shift, Source, Variation
from analysis.systematics.source import SIMULATED
from analysis.templates.binning import OUTSIDE, Binning
from analysis.templates.fill import Cells, count, fill


def binning(cut="", **axes):
    return Binning.of(
        Channel(name="SR", cut=cut, axes=tuple(Axis(column=name, edges=edges) for name, edges in axes.items()))
    )


def source(vary, columns=()):
    return Source("corr_x_c1", "test", SIMULATED, frozenset(columns), vary, "")


def test_edges_belong_to_the_bin_above_and_the_last_one_to_the_last_bin():
    index = binning(eta=(0.0, 0.5, 1.0)).index({"eta": np.array([-0.1, 0.0, 0.5, 1.0, 1.0 + 1e-12, np.inf, -np.inf])})
    assert index.tolist() == [OUTSIDE, 0, 1, 1, OUTSIDE, OUTSIDE, OUTSIDE]


def test_bins_are_numbered_in_c_order_and_labelled():
    axes = binning(eta=(0.0, 0.5, 1.0), q2_rec=(-1.0, 4.0, 8.0, 25.0))
    assert axes.shape == (2, 3)
    assert axes.index({"eta": np.array([0.1, 0.6, 0.6]), "q2_rec": np.array([5.0, 0.0, 25.0])}).tolist() == [1, 3, 5]
    assert axes.label(1) == "eta [0, 0.5), q2_rec [4, 8)"
    assert axes.label(5) == "eta [0.5, 1], q2_rec [8, 25]"
    assert axes.ranges(3) == {"eta": (0.5, 1.0), "q2_rec": (-1.0, 4.0)}


def test_the_cut_defines_the_region_and_its_columns_are_asked_for():
    region = binning("roeNTracks == 0 and eta > 0.2", eta=(0.0, 1.0))
    assert region.names == {"roeNTracks", "eta"}
    columns = {"eta": np.array([0.1, 0.5, 0.5]), "roeNTracks": np.array([0.0, 0.0, 2.0])}
    assert region.index(columns).tolist() == [OUTSIDE, 0, OUTSIDE]


def test_nan_on_an_axis_is_an_error_inside_the_region_only():
    columns = {"eta": np.array([np.nan, 0.5]), "x": np.array([0.0, 1.0])}
    assert binning("x > 0", eta=(0.0, 1.0)).index(columns).tolist() == [OUTSIDE, 0]
    with pytest.raises(InputError, match=r"channel SR, column eta(.|\n)*1 of 2 rows are NaN"):
        binning(eta=(0.0, 1.0)).index(columns)


def test_a_region_on_an_unknown_column_names_the_nearest():
    with pytest.raises(InputError, match="roeNTracks"):
        binning("roeNTrack == 0", eta=(0.0, 1.0)).index({"eta": np.ones(1), "roeNTracks": np.zeros(1)})


def test_variance_sums_rows_of_one_parent_before_squaring():
    columns = {"eta": np.array([0.0, 0.0, 0.0, 0.6, 0.0, 2.0]), "parentId": np.array([7, 7, 8, 7, -1, 7])}
    cells = Cells.of(columns, binning(eta=(0.0, 0.5, 1.0)))
    contents = cells.accumulate(np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0]))
    assert cells.counts.tolist() == [4, 1]
    assert contents.values.tolist() == [23.0, 8.0]
    # bin 0: (1 + 2)² of parent 7, 4² of parent 8, 16² alone; bin 1: parent 7 again, apart
    assert contents.variances.tolist() == [9.0 + 16.0 + 256.0, 64.0]


def test_variance_counts_the_other_decays_of_an_event():
    """One tag beside two signal-side decays, in one bin."""
    columns = {"eta": np.zeros(3), "weight": np.array([1.0, 2.0, 4.0]), "parentId": np.array([7, 8, 9])}
    region = [binning(eta=(0.0, 1.0))]
    assert fill(columns, region, [], sample="s")["SR"].nominal.variances.tolist() == [21.0]
    columns["partnerId1"] = np.array([20, 20, 21])
    assert fill(columns, region, [], sample="s")["SR"].nominal.variances.tolist() == [25.0]


def test_rows_without_a_parent_never_share_one():
    columns, weights = {"eta": np.zeros(3), "parentId": np.full(3, -1)}, np.array([1.0, 2.0, 3.0])
    region = binning(eta=(0.0, 1.0))
    alone = Cells.of(columns, region).accumulate(weights)
    assert alone == pytest.approx(Cells.of({"eta": columns["eta"]}, region).accumulate(weights))
    assert alone.variances.tolist() == [14.0]


def test_counts_weights_and_what_lies_outside():
    columns = {"eta": np.array([0.1, 0.2, 0.9, 2.0]), "weight": np.array([1.0, 3.0, 0.5, 10.0])}
    found = fill(columns, [binning(eta=(0.0, 0.5, 1.0))], [], sample="charged")["SR"]
    assert found.nominal.values.tolist() == [4.0, 0.5]
    assert found.counts.tolist() == [2, 1]
    assert (found.outside_rows, found.outside_weight) == (1, 10.0)
    assert found.n_effective == pytest.approx([16 / 10, 1.0])


def test_the_effective_number_of_an_empty_bin_is_zero():
    found = fill({"eta": np.ones(1), "weight": np.ones(1)}, [binning(eta=(0.0, 0.5, 1.0))], [], sample="s")["SR"]
    assert found.n_effective.tolist() == [0.0, 1.0]


def test_weights_and_columns_vary_up_and_down_apart():
    columns = {"eta": np.array([0.1, 0.4, 0.9]), "weight": np.ones(3)}
    moved = source(lambda c: Variation(Shift(np.array([2.0, 1.0, 1.0])), Shift(0.5, {"eta": c["eta"] + 0.2})))
    both = fill(columns, [binning(eta=(0.0, 0.5, 1.0))], [moved], sample="s")["SR"].variations["corr_x_c1"]
    assert both.up.values.tolist() == [3.0, 1.0]
    assert both.down.values.tolist() == [0.5, 0.5]  # 0.4 -> 0.6, 0.9 -> 1.1 falls out
    assert not both.one_sided


def test_a_varied_column_of_the_cut_changes_the_region():
    columns = {"eta": np.array([0.1, 0.4]), "E": np.array([1.0, 2.0]), "weight": np.ones(2)}
    region = binning("E < 1.5", eta=(0.0, 1.0))
    varied = source(lambda c: Variation(Shift(columns={"E": c["E"] * 2}), Shift(columns={"E": c["E"] / 2})))
    found = fill(columns, [region], [varied], sample="s")["SR"]
    assert found.nominal.values.tolist() == [1.0]
    assert found.variations["corr_x_c1"].up.values.tolist() == [0.0]
    assert found.variations["corr_x_c1"].down.values.tolist() == [2.0]


def test_a_one_sided_variation_is_mirrored_and_not_below_zero():
    columns = {"eta": np.array([0.1, 0.9]), "weight": np.ones(2)}
    one = source(lambda _: Variation(Shift(np.array([1.2, 3.0])), None))
    found = fill(columns, [binning(eta=(0.0, 0.5, 1.0))], [one], sample="s")["SR"].variations["corr_x_c1"]
    assert found.one_sided
    assert found.up.values == pytest.approx([1.2, 3.0])
    assert found.down.values == pytest.approx([0.8, 0.0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_must_be_finite(bad):
    columns = {"eta": np.array([0.1, 5.0]), "weight": np.array([1.0, bad])}
    with pytest.raises(InputError, match=r"sample charged, weight(.|\n)*1 of 2 rows"):
        fill(columns, [binning(eta=(0.0, 1.0))], [], sample="charged")
    columns["weight"] = np.ones(2)
    with pytest.raises(InputError, match="varied weight, corr_x_c1 down"):
        fill(columns, [binning(eta=(0.0, 1.0))], [source(lambda _: Variation(Shift(), Shift(bad)))], sample="s")


def test_a_varied_column_of_another_length_is_refused():
    columns = {"eta": np.array([0.1, 0.2]), "weight": np.ones(2)}
    short = source(lambda _: Variation(Shift(columns={"eta": np.ones(1)}), None))
    with pytest.raises(InputError, match=r"corr_x_c1 up, column eta(.|\n)*shape \(1,\)"):
        fill(columns, [binning(eta=(0.0, 1.0))], [short], sample="s")


def test_data_are_counted():
    assert count({"eta": np.array([0.1, 0.2, 0.9, 7.0])}, binning(eta=(0.0, 0.5, 1.0))).tolist() == [2, 1]


def test_a_varied_table_stands_in_for_the_nominal_rows():
    """Other rows, in other bins, of other parents: nothing of the nominal ones is left."""
    nominal = {"eta": np.array([0.1, 0.6]), "weight": np.array([1.0, 2.0]), "parentId": np.array([1, 2])}
    up = {"eta": np.array([0.6, 0.7, 0.1]), "weight": np.array([1.0, 2.0, 4.0]), "parentId": np.array([2, 2, 3])}
    down = {name: values[:0] for name, values in up.items()}
    moved = source(lambda _: Variation(Shift(table="up"), Shift(table="down", ratio=0.5)))
    lost = source(lambda _: Variation(Shift(table="up", prepare=lambda c: {**c, "weight": c["weight"] / 4}), None))
    tables = {"up": up, "down": down}
    axes = [binning(eta=(0.0, 0.5, 1.0))]
    template = fill(nominal, axes, [moved], sample="s", tables=tables)["SR"]
    found = template.variations["corr_x_c1"]
    assert template.nominal.values.tolist() == [1.0, 2.0]
    assert found.up.values.tolist() == [4.0, 3.0]
    assert found.up.variances.tolist() == [16.0, 9.0], "rows of one parent are one"
    assert found.down.values.tolist() == [0.0, 0.0]
    one_sided = fill(nominal, axes, [lost], sample="s", tables=tables)["SR"].variations["corr_x_c1"]
    assert one_sided.up.values.tolist() == [1.0, 0.75]
    assert one_sided.down.values.tolist() == [1.0, 3.25], "mirrored"


def test_weights_of_a_varied_table_must_be_finite():
    nominal = {"eta": np.array([0.1]), "weight": np.ones(1)}
    moved = source(lambda _: Variation(Shift(table="up"), None))
    tables = {"up": {**nominal, "weight": np.full(1, np.nan)}}
    with pytest.raises(InputError, match="corr_x_c1 up"):
        fill(nominal, [binning(eta=(0.0, 1.0))], [moved], sample="s", tables=tables)
