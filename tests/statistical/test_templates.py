"""What the templates say about uncertainties, against repeated experiments."""

import itertools

import numpy as np
import pytest

from analysis.config.models import Axis, Channel, Systematics, Weights
from analysis.systematics import form_factor, kaon_id
from analysis.systematics.components import principal_components
from analysis.templates.binning import OUTSIDE, Binning
from analysis.templates.fill import fill
from analysis.weights.kaon_id import KaonIdTable, kaon_id_variations

pytestmark = pytest.mark.statistical

BINS = Binning.of(Channel(name="C", axes=(Axis(column="x", edges=(0.0, 0.3, 0.6, 1.0)),)))


def test_the_variance_with_shared_parents_is_the_scatter_of_repeated_simulations():
    """Decays are used ten times each; copies of a decay lie close together, as after a selection on its own energy."""
    rng = np.random.default_rng(11)
    values, ours, naive = [], [], []
    for _ in range(600):
        parents = rng.poisson(100)
        rows = np.repeat(np.arange(parents), 10)
        x = np.clip(rng.random(parents)[rows] + 0.05 * rng.normal(size=len(rows)), 0, 1)
        weight = rng.choice([0.5, 2.0], size=parents)[rows]
        template = fill({"x": x, "weight": weight, "parentId": rows}, [BINS], [], sample="s")["C"]
        values.append(template.nominal.values)
        ours.append(template.nominal.variances)
        naive.append(np.bincount(BINS.index({"x": x}), weight**2, BINS.size))
    scatter = np.var(values, axis=0)
    # A variance from 600 experiments is known to 6 %.
    np.testing.assert_allclose(np.mean(ours, axis=0), scatter, rtol=0.2)
    assert np.all(np.mean(naive, axis=0) < 0.25 * scatter)


def test_the_variance_with_tags_and_signal_sides_that_cross_is_the_scatter_of_repeated_simulations():
    """Each signal side is put beside several tags and each tag beside several signal sides, as in the toy's BB̄."""
    rng = np.random.default_rng(14)
    values, ours, one_sided = [], [], []
    for _ in range(600):
        sides, tags = rng.poisson(60), rng.poisson(30)
        parent, partner = np.repeat(np.arange(sides), 4), rng.integers(0, tags, 4 * sides)
        energy = rng.random(sides)[parent] + rng.random(tags)[partner]
        # as the toy: the rate goes with the number of tags that were found
        columns = {
            "x": energy / 2,
            "weight": np.full(4 * sides, tags / 30),
            "parentId": parent,
            "partnerId1": 1000 + partner,
        }
        template = fill(columns, [BINS], [], sample="s")["C"]
        values.append(template.nominal.values)
        ours.append(template.nominal.variances)
        del columns["partnerId1"]
        one_sided.append(fill(columns, [BINS], [], sample="s")["C"].nominal.variances)
    scatter = np.var(values, axis=0)
    np.testing.assert_allclose(np.mean(ours, axis=0), scatter, rtol=0.2)
    assert np.all(np.mean(one_sided, axis=0) < 0.75 * scatter)


def test_kaon_id_components_are_the_scatter_of_replicated_tables():
    rng = np.random.default_rng(12)
    edges = np.linspace(0.0, 3.0, 13)
    lines = ["particle,charge,p_min,p_max,theta_min,theta_max,ratio,stat_up,stat_down,syst_up,syst_down"]
    for species, size in (("kaon", 0.02), ("pion", 0.1)):
        for low, high in itertools.pairwise(edges):
            error = size * rng.uniform(0.5, 1.5)
            lines.append(f"{species},0,{low},{high},0,3.2,1.0,{error},{error},0,0")
    table = KaonIdTable.parse("\n".join(lines))
    n = 5000
    momentum = rng.uniform(0, 3, n)
    columns = {
        "x": np.clip(momentum / 3 + 0.15 * rng.normal(size=n), 0, 1),
        "weight": np.full(n, 0.1),
        "K_p": momentum,
        "K_theta": np.ones(n),
        "K_charge": rng.choice([-1.0, 1.0], n),
        "K_mcPDG": rng.choice([321.0, 211.0], n, p=[0.8, 0.2]),
    }
    _, family = kaon_id.sources(table, Systematics())
    index = BINS.index(columns)
    nominal = np.bincount(index, columns["weight"], BINS.size)
    response = family.response(columns, index, BINS.size, OUTSIDE)
    vectors, explained = principal_components(response, nominal, nominal, name="t")
    assert len(vectors) <= 3
    found = fill(columns, [BINS], family.sources(vectors, explained), sample="s")["C"]
    shifts = np.array([each.up.values - nominal for each in found.variations.values()])

    variations = kaon_id_variations(table, columns)
    replicas = []
    for _ in range(3000):
        pull = rng.normal(size=len(table.names))[variations.bin]
        replicas.append(np.bincount(index, columns["weight"] * (1 + pull * (variations.stat_up - 1)), BINS.size))
    expected = np.cov(np.array(replicas).T)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    # 3000 replicas know a variance to 2.6 %, a correlation to 0.02; the components leave out at most 1 %.
    np.testing.assert_allclose((shifts.T @ shifts) / scale, expected / scale, atol=0.09)


def test_form_factor_components_are_the_scatter_of_sampled_coefficients():
    rng = np.random.default_rng(13)
    q2 = np.linspace(0.1, 22.5, 40)
    drawn = rng.multivariate_normal(form_factor.A_PLUS, form_factor.covariance(), size=2000)
    expected = np.std([form_factor.spectrum_ratio(q2, a) for a in drawn], axis=0)
    both = [source.vary({"q2_gen": q2}) for source in form_factor.sources(Weights(), Systematics())]
    half = np.array([(each.up.ratio - each.down.ratio) / 2 for each in both])
    np.testing.assert_allclose(np.sqrt(np.sum(half**2, axis=0)), expected, rtol=0.1, atol=2e-3)
