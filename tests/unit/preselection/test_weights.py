from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from analysis import formfactors, weights
from analysis.basf2 import SampleType
from analysis.config.models import Dataset
from analysis.errors import ConfigurationError, InputError
from analysis.weights import kaon_id

DATASET = Dataset()
HEADER = ",".join(kaon_id.FIELDS)
TABLE = f"""# a comment
{HEADER}
kaon,1,0,1,0,3.15,0.98,0.01,0.02,0.005,0.005
kaon,-1,0,1,0,3.15,0.96,0.01,0.01,0.004,0.004
kaon,0,1,2,0,1.5,1.02,0.03,0.03,0.01,0.01
pion,0,0,2,0,3.15,1.20,0.10,0.10,0.05,1.50
"""


def candidates(p, theta, charge, pdg):
    names = ("K_p", "K_theta", "K_charge", "K_mcPDG")
    return {name: np.array(v, dtype=float) for name, v in zip(names, (p, theta, charge, pdg), strict=True)}


@pytest.fixture
def table():
    return kaon_id.KaonIdTable.parse(TABLE)


# Normalisation


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("signal", 2 * 387e6 * 0.516 * 4.97e-6),
        ("charged", 387e6 * 0.516),
        ("mixed", 387e6 * 0.484),
        ("ccbar", 1.33e6 * 365),
    ],
)
def test_expected_events(kind, expected):
    scale = weights.normalisation(SampleType(kind), DATASET, generated_events=1e6)
    assert scale.expected_events == pytest.approx(expected)
    assert scale.factor * 1e6 == pytest.approx(expected)


def test_signal_of_the_design_luminosity():
    # reference: about 1 985 decays of both charges in 365 fb⁻¹
    assert weights.normalisation(SampleType.SIGNAL, DATASET, generated_events=1).expected_events == pytest.approx(
        1985, abs=1
    )


def test_luminosity_of_the_sample_scales_it():
    scale = weights.normalisation(SampleType.MIXED, DATASET, luminosity=1460.0)
    assert (scale.factor, scale.generated_events) == (0.25, None)


def test_simulation_of_unknown_size_is_refused():
    with pytest.raises(InputError, match="'mixed1'"):
        weights.normalisation(SampleType.MIXED, DATASET, sample="mixed1")


def test_missing_cross_section_is_refused():
    bare = Dataset(cross_sections={})
    with pytest.raises(ConfigurationError, match=r"cross_sections\.taupair"):
        weights.normalisation(SampleType.TAUPAIR, bare, generated_events=1e6)


@pytest.mark.parametrize("kind", ["data", "offres"])
def test_data_have_ones(kind, table, skim):
    scale = weights.normalisation(SampleType(kind), DATASET)
    skim["__weight__"][:] = 3.0  # whatever a producer left there
    result = weights.weigh(skim, SampleType(kind), scale, form_factor=True, kaon_id=table)
    assert set(result.columns) == {*weights.FACTORS, "weight"}
    for column in result.columns.values():
        assert np.array_equal(column, np.ones(len(skim["K_p"])))


# Form factor


def test_sm_branching_fraction_and_spectrum():
    """physics.md §1: B = 4.97×10⁻⁶, ⟨q²⟩ = 9.08 GeV², and the fractions in bins of 2 GeV²."""
    total = formfactors.branching_fraction()
    assert total == pytest.approx(4.97e-6, rel=2e-3)
    assert formfactors.f_plus(np.zeros(1)) == pytest.approx(0.3319, abs=5e-5)
    edges = [*range(0, 24, 2), formfactors.Q2_MAX]
    published = [0.1183, 0.1175, 0.1159, 0.1132, 0.1091, 0.1033, 0.0953, 0.0842, 0.0692, 0.0491, 0.0233, 0.0017]
    fractions = [formfactors.branching_fraction(a, b) / total for a, b in pairwise(edges)]
    # Isospin-averaged masses there, those of the charged mesons here: a difference of some 1e-4.
    assert fractions == pytest.approx(published, abs=3e-4)
    q2 = np.linspace(0, formfactors.Q2_MAX, 20_001)
    density = formfactors.branching_fraction_density(q2)
    assert np.trapezoid(q2 * density, q2) / total == pytest.approx(9.08, abs=0.02)


def phase_space(rows, seed=1):
    """Draw q² from three-body phase space, by rejection."""
    rng = np.random.default_rng(seed)
    q2 = rng.uniform(0, formfactors.Q2_MAX, 4 * rows)
    keep = rng.uniform(0, formfactors.kaon_momentum(np.zeros(1)), 4 * rows) < formfactors.kaon_momentum(q2)
    return q2[keep][:rows]


def test_weight_turns_phase_space_into_the_standard_model():
    q2 = phase_space(100_000)
    w = weights.form_factor_weight(q2)
    assert w.mean() == pytest.approx(1, abs=4 * w.std() / math.sqrt(len(w)))
    total = formfactors.branching_fraction()
    edges = [0, 4, 8, 15, formfactors.Q2_MAX]
    for low, high in pairwise(edges):
        inside = (q2 >= low) & (q2 < high)
        share = w[inside].sum() / len(w)
        error = np.sqrt((w[inside] ** 2).sum()) / len(w)
        assert share == pytest.approx(formfactors.branching_fraction(low, high) / total, abs=4 * error)


def test_rounding_at_the_ends_is_forgiven_and_nonsense_is_not():
    ends = np.array([-1e-5, formfactors.Q2_MAX + 1e-5])
    assert np.all(weights.form_factor_weight(ends) >= 0)
    for wrong in (np.nan, -1.0, 30.0):
        with pytest.raises(InputError, match=r"q2_gen.*the first is row 1"):
            weights.form_factor_weight(np.array([1.0, wrong]), sample="signal")


# Kaon identification


def test_bins_by_species_charge_and_kinematics(table):
    rows = candidates([0.5, 0.5, 1.0, 1.5, 0.5], [1, 1, 1, 1, 1], [1, -1, 1, -1, 1], [321, -321, 321, -321, -211])
    assert kaon_id.look_up(table, rows).tolist() == [0, 1, 2, 2, 3]


def test_rows_outside_have_ratio_one_and_doubled_uncertainty(table):
    rows = candidates([5, 1.5, np.nan, 0.5, 0.5], [1, 2, 1, 1, 1], [1] * 5, [321, 321, 321, 13, np.nan])
    found = kaon_id.look_up(table, rows)
    assert np.array_equal(table.ratio[found], np.ones(5))
    assert kaon_id.count_outside(table, found) == {"kaon_outside": 3, "muon_outside": 1, "unmatched_outside": 1}
    varied = kaon_id.kaon_id_variations(table, rows)
    # twice the largest of the kaons; of the whole table for species without a bin
    assert varied.stat_up == pytest.approx([1.06, 1.06, 1.06, 1.2, 1.2])
    assert varied.syst_down == pytest.approx([0.98, 0.98, 0.98, 0, 0])


def test_variations_are_ratios_to_the_nominal_weight(table):
    rows = candidates([0.5, 0.5, 0.5], [1, 1, 1], [1, -1, 1], [321, -321, 211])
    varied = kaon_id.kaon_id_variations(table, rows)
    assert varied.stat_up == pytest.approx([0.99 / 0.98, 0.97 / 0.96, 1.3 / 1.2])
    assert varied.stat_down == pytest.approx([0.96 / 0.98, 0.95 / 0.96, 1.1 / 1.2])
    assert varied.syst_up == pytest.approx([0.985 / 0.98, 0.964 / 0.96, 1.25 / 1.2])
    # 1.2 − 1.5 would be a negative efficiency
    assert varied.syst_down[2] == 0
    assert varied.bins() == [0, 1, 3]
    assert varied.names[0] == "kaon_plus_p0-1_theta0-3.15"
    assert len(varied.names) == table.bins + len(kaon_id.SPECIES)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ratio,", "ratios,", "'ratio'"),
        ("kaon,1,0,1", "kaom,1,0,1", "unknown particle"),
        ("0.98", "abc", "bin 1, ratio"),
        ("0.98", "", "bin 1, ratio"),
        ("0.98", "0", "ratio is positive"),
        ("0.01,0.02", "-0.01,0.02", "not negative"),
        ("kaon,1,0,1,", "kaon,1,1,0,", "p_min < p_max"),
        ("kaon,1,", "kaon,2,", "charge"),
        ("kaon,0,1,2", "kaon,0,0.9,2", "bins 1 and 3"),
        ("kaon,-1", "kaon,1", "bins 1 and 2"),
    ],
)
def test_wrong_tables_are_refused(old, new, message):
    assert old in TABLE
    with pytest.raises(InputError, match=message):
        kaon_id.KaonIdTable.parse(TABLE.replace(old, new, 1))


def test_empty_and_absent_tables_are_refused(tmp_path):
    with pytest.raises(InputError, match="no bins"):
        kaon_id.KaonIdTable.parse(HEADER)
    with pytest.raises(InputError, match="cannot be read"):
        kaon_id.KaonIdTable.read(tmp_path / "none.csv")


def test_a_misspelt_column_and_an_impossible_value_are_shown():
    with pytest.raises(InputError, match=r"missing: ratio; unknown: ration(.|\n)*nearest to 'ration': 'ratio'"):
        kaon_id.KaonIdTable.parse(TABLE.replace("ratio", "ration", 1))
    with pytest.raises(InputError, match=r"bin 1(.|\n)*charge = 2,(.|\n)*charge is 1, -1 or 0"):
        kaon_id.KaonIdTable.parse(TABLE.replace("kaon,1,", "kaon,2,", 1))


def test_table_of_the_toy():
    table = kaon_id.KaonIdTable.read(Path(__file__).parents[3] / "config/tables/kaon_id.csv")
    assert np.array_equal(table.ratio, np.ones(len(table.ratio)))
    rng = np.random.default_rng(1)
    rows = candidates(
        rng.uniform(0, 5, 2000),
        rng.uniform(0.297, 2.618, 2000),
        rng.choice([-1, 1], 2000),
        rng.choice([321, 211, 11, 13, 2212, 1000010020, np.nan], 2000),
    )
    assert kaon_id.count_outside(table, kaon_id.look_up(table, rows)) == {}


# Product


def test_weight_is_the_product_of_its_factors(table, skim):
    scale = weights.normalisation(SampleType.SIGNAL, DATASET, generated_events=1e5)
    skim["__weight__"] = np.linspace(0.5, 1.5, len(skim["K_p"]))
    result = weights.weigh(skim, SampleType.SIGNAL, scale, form_factor=True, kaon_id=table)
    product = np.prod([result.columns[name] for name in weights.FACTORS], axis=0)
    assert result.columns["weight"] == pytest.approx(product)
    assert np.array_equal(result.columns["w_generator"], skim["__weight__"])
    assert np.array_equal(result.columns["w_form_factor"], formfactors.sm_weight(skim["q2_gen"]))
    assert len(np.unique(result.columns["w_kaon_id"])) > 3


def test_background_is_not_reweighted_in_q2(table, skim):
    scale = weights.normalisation(SampleType.CHARGED, DATASET, generated_events=1e5)
    skim["q2_gen"][:] = np.nan
    result = weights.weigh(skim, SampleType.CHARGED, scale, form_factor=True, kaon_id=None)
    assert np.all(result.columns["w_form_factor"] == 1)
    assert np.all(result.columns["w_kaon_id"] == 1)


def test_weights_that_are_not_finite_are_refused(skim):
    scale = weights.normalisation(SampleType.CHARGED, DATASET, generated_events=1e5)
    skim["__weight__"][3] = np.inf
    with pytest.raises(InputError, match=r"(?s)'charged': 1 rows, the first is row 3.*w_generator = inf"):
        weights.weigh(skim, SampleType.CHARGED, scale, form_factor=True, kaon_id=None, sample="charged")


def test_missing_column_is_named(table, skim):
    scale = weights.normalisation(SampleType.CHARGED, DATASET, generated_events=1e5)
    del skim["K_mcPDG"]
    with pytest.raises(InputError, match="K_mcPDG"):
        weights.weigh(skim, SampleType.CHARGED, scale, form_factor=True, kaon_id=table)
