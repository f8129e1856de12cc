"""Our bins are those of numpy.histogramdd, whatever the edges and the values."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.config.models import Axis, Channel
from analysis.templates.binning import Binning
from analysis.templates.fill import Cells, fill

# Few distinct numbers, so that values often lie on edges.
NUMBERS = st.integers(-8, 8).map(lambda number: number / 4) | st.floats(-3, 3)


@st.composite
def problems(draw):
    edges = [
        sorted(draw(st.lists(NUMBERS, min_size=2, max_size=6, unique=True))) for _ in range(draw(st.integers(1, 3)))
    ]
    rows = draw(st.integers(0, 40))
    values = [draw(st.lists(NUMBERS, min_size=rows, max_size=rows)) for _ in edges]
    weights = draw(st.lists(st.floats(0, 10), min_size=rows, max_size=rows))
    return edges, np.array(values, dtype=np.float64), np.array(weights, dtype=np.float64)


def binning(edges):
    return Binning.of(
        Channel(name="C", axes=tuple(Axis(column=f"x{i}", edges=tuple(each)) for i, each in enumerate(edges)))
    )


@settings(deadline=None, max_examples=80)
@given(problems())
def test_contents_agree_with_numpy(problem):
    edges, values, weights = problem
    columns = {f"x{i}": each for i, each in enumerate(values)} | {"weight": weights}
    found = fill(columns, [binning(edges)], [], sample="s")["C"]
    arrays = [np.array(each) for each in edges]
    for ours, theirs in (
        (found.nominal.values, weights),
        (found.nominal.variances, weights**2),
        (found.counts, np.ones_like(weights)),
    ):
        expected, _ = np.histogramdd(values.T, bins=arrays, weights=theirs)
        np.testing.assert_allclose(ours, expected.ravel(), rtol=1e-12, atol=1e-300)
    assert found.counts.sum() + found.outside_rows == len(weights)


@settings(deadline=None, max_examples=50)
@given(problems(), st.data())
def test_variance_with_parents_agrees_with_the_definition(problem, data):
    edges, values, weights = problem
    parents = np.array(
        data.draw(st.lists(st.integers(-2, 4), min_size=len(weights), max_size=len(weights))), dtype=np.int64
    )
    axes = binning(edges)
    columns = {f"x{i}": each for i, each in enumerate(values)}
    index = axes.index(columns)
    found = Cells.of(columns | {"parentId": parents}, axes).accumulate(weights)
    for number in range(axes.size):
        here = index == number
        alone = float(np.sum(weights[here & (parents < 0)] ** 2))
        shared = sum(float(weights[here & (parents == p)].sum()) ** 2 for p in np.unique(parents[parents >= 0]))
        np.testing.assert_allclose(found.variances[number], alone + shared, rtol=1e-12, atol=1e-300)
