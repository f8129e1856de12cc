from functools import cache

import numpy as np
import pytest
from pydantic import ValidationError

from analysis import formfactors
from analysis.basf2 import ROW_KEY, BeamEnergy, SampleType
from analysis.columns import COLUMNS
from analysis.conditions.gate import check
from analysis.conditions.ledger import Ledger
from analysis.conditions.merging import SampleFile, merge
from analysis.conditions.records import SampleConditions
from analysis.config.models import Config, Dataset, Planted, Sample, Simulation
from analysis.errors import ConfigurationError
from analysis.sharing import DECAYS, GROUP
from analysis.simulation.background import weight
from analysis.simulation.bbbar import OTHER, TAG
from analysis.simulation.chunk import (
    Chunk,
    Request,
    _drawn,
    expected_events,
    process_rows,
    simulate,
    variance_over_mean,
)
from analysis.simulation.detector import DETECTOR
from analysis.simulation.jagged import Ints
from analysis.simulation.rows import Rows
from analysis.simulation.runs import levels, of_file
from analysis.simulation.sidecar import file_metadata

pytest.importorskip("pythia8mc", reason="the extra `toy` is not installed")
NTUPLE = {name for name, column in COLUMNS.items() if column.provided_by == "ntuple"}
_CONFIG: list[Config] = []
OFF_NAME = "4S_offres"


@pytest.fixture(autouse=True)
def _config(small: Config) -> None:
    _CONFIG[:] = [small]


@cache
def chunk(name: str, number: int = 0) -> Chunk:
    config = _CONFIG[0]
    names = [sample.name for sample in config.samples]
    return simulate(Request(name, names.index(name), config.sample(name).type, number), config)


def test_simulation_has_every_column_of_the_data_model() -> None:
    for name in ("signal", "charged", "ssbar"):
        columns = chunk(name).columns
        assert set(columns) == NTUPLE
        assert len(columns["K_p"]) > 0
        assert {len(values) for values in columns.values()} == {len(columns["K_p"])}


def test_pseudo_data_have_every_column_but_truth() -> None:
    truth = {name for name, column in COLUMNS.items() if column.truth}
    assert {"K_mcPDG", "parentId", "roeEextra_gammaUp"} <= truth
    assert set(chunk("data").columns) == NTUPLE - truth


@pytest.mark.parametrize("name", ["signal", "charged", "data"])
def test_values_are_physical(name: str) -> None:
    columns = chunk(name).columns
    for column, values in columns.items():
        if not COLUMNS[column].nan:
            assert np.all(np.isfinite(values)), column
    assert np.all(columns["K_charge"] * columns["Btag_charge"] == -1)
    assert np.all(columns["K_p"] > 0)
    for fraction in ("Btag_SignalProbability", "K_kaonID", "R2", "cosTBTO", "thrustOm"):
        assert np.all((columns[fraction] >= 0) & (columns[fraction] <= 1)), fraction
    assert np.all(columns["roeEextra"] >= columns["roeNeextra"] - 1e-12)
    alone = columns["roeNTracks"] == 0
    assert columns["roeNTracks"].max() <= 1
    # tracks that do not count as clean leave energy, too; in so few pseudo-data a handful of events, copied, are alone
    if name != "data":
        assert np.mean(np.isclose(columns["roeEextra"], columns["roeNeextra"])[alone]) > 0.8
    assert np.all(columns["__candidate__"] < columns["__ncandidates__"])


@pytest.mark.parametrize("name", ["signal", "charged", "data"])
def test_keys_are_unique(name: str) -> None:
    columns = chunk(name).columns
    keys = np.array([columns[key] for key in ROW_KEY])
    assert np.unique(keys, axis=1).shape[1] == keys.shape[1]


def test_rows_of_different_groups_share_no_decay() -> None:
    for name in ("charged", "ssbar"):
        columns = chunk(name).columns
        numbers = np.concatenate([columns[name] for name in DECAYS])
        pairs = np.unique(np.array([numbers, np.tile(columns[GROUP], 3)])[:, numbers >= 0], axis=1)
        assert len(np.unique(pairs[0])) == pairs.shape[1]
    assert len(np.unique(chunk("charged").columns["parentGroup"])) > 10


def test_decays_of_the_file_are_those_of_the_simulation() -> None:
    """The other B is told in BB̄, nobody else in light quarks; numbers of different files differ."""
    charged, other, light = (chunk(*which).columns for which in (("charged",), ("charged", 1), ("ssbar",)))
    assert np.all(charged["partnerId1"] >= 0)
    assert np.all(charged["partnerId2"] == -1)
    assert np.all(light["partnerId1"] == -1)
    shared = np.unique([charged["partnerId1"], charged["parentId"]], axis=1)
    assert shared.shape[1] > 1.2 * len(np.unique(charged["partnerId1"])), "tags stand beside several decays"
    first, second = ({*c["parentId"].tolist(), *c["partnerId1"].tolist()} for c in (charged, other))
    assert not first & second


def test_rows_of_cc_that_share_an_event_or_any_decay_share_a_group(small: Config) -> None:
    assert small.simulation is not None
    settings = small.simulation.model_copy(update={"decays": {SampleType.CCBAR: 4000}, "files": 1})
    rows = process_rows(SampleType.CCBAR, Request("ccbar", 0, SampleType.CCBAR, 0), settings, 1)
    assert rows.partner.min() >= 0
    for decays in (rows.parent[:, None], rows.partner):
        block = np.repeat(rows.block, decays.shape[1])
        pairs = np.unique([decays.ravel(), block], axis=1)
        assert len(np.unique(pairs[0])) == pairs.shape[1]
    # decays are shared between events
    shared = np.unique([rows.partner.ravel(), np.repeat(rows.parent, 2)], axis=1)
    assert shared.shape[1] > 1.2 * len(np.unique(rows.partner))
    assert len(np.unique(rows.block)) > 10


def test_a_generic_decay_has_one_number_on_either_side_of_wrong_tags(small: Config) -> None:
    assert small.simulation is not None
    for kind in (SampleType.CHARGED, SampleType.SIGNAL):
        settings = small.simulation.model_copy(update={"decays": {kind: 3000}, "files": 1})
        rows = process_rows(kind, Request(kind.value, 0, kind, 0), settings, 1)
        assert np.all(rows.partner[:, 1] == -1)
        same = rows.select(rows.partner[:, 0] < TAG)
        assert (len(same) > 0) == (kind is SampleType.CHARGED)
        decays, blocks = np.concatenate([rows.parent, same.partner[:, 0]]), np.concatenate([rows.block, same.block])
        assert len(np.unique(decays)) == np.unique([decays, blocks], axis=1).shape[1]
        assert np.isin(same.partner[:, 0], rows.parent).any() == (kind is SampleType.CHARGED)
        true, others = (np.sum(mask) for mask in (rows.partner[:, 0] // TAG == 1, rows.partner[:, 0] >= OTHER))
        assert true > 20
        assert (others > 0) == (kind is SampleType.SIGNAL)


def test_groups_differ_between_files_and_samples() -> None:
    sets = [set(c.columns["parentGroup"].tolist()) for c in (chunk("signal"), chunk("signal", 1), chunk("charged"))]
    assert not sets[0] & sets[1]
    assert not sets[0] & sets[2]


def test_the_seed_decides_everything(small: Config) -> None:
    again = simulate(Request("signal", 0, SampleType.SIGNAL, 0), small)
    other = simulate(Request("signal", 0, SampleType.SIGNAL, 0), small.model_copy(update={"seed": 2}))
    first = chunk("signal")
    assert all(np.array_equal(values, again.columns[k], equal_nan=True) for k, values in first.columns.items())
    assert again.origin == first.origin
    assert not np.array_equal(other.columns["K_p"], first.columns["K_p"])


def test_both_charges_are_simulated_alike() -> None:
    assert np.mean(chunk("charged").columns["K_charge"]) == pytest.approx(0, abs=0.2)


def test_signal_truth() -> None:
    columns = chunk("signal").columns
    assert np.all((columns["q2_gen"] >= 0) & (columns["q2_gen"] <= formfactors.Q2_MAX))
    right = (np.abs(columns["K_mcPDG"]) == 321) & (np.abs(columns["K_genMotherPDG"]) == 521)
    # most signal-side kaons are the B's own; the others come with wrong tags
    assert np.mean(right) > 0.7
    assert np.all(np.sign(columns["K_mcPDG"][right]) == columns["K_charge"][right])
    assert np.all(np.isnan(chunk("charged").columns["q2_gen"]))


def test_signal_kaons_tell_q2() -> None:
    columns = chunk("signal").columns
    right = np.abs(columns["K_genMotherPDG"]) == 521
    energy = np.sqrt(columns["K_pStar"][right] ** 2 + 0.4937**2)
    q2 = 10.579**2 / 4 + 0.4937**2 - 10.579 * energy
    assert np.std(q2 - columns["q2_gen"][right]) < 1.5
    assert np.corrcoef(q2, columns["q2_gen"][right])[0, 1] > 0.95


def test_planted_truth_adds_up() -> None:
    data = chunk("data")
    assert data.truth is not None
    assert data.truth.signal_strength == 2.0
    assert data.truth.luminosity == pytest.approx(0.365 / 2)
    assert sum(process.rows for process in data.truth.processes) == len(data.columns["K_p"])
    for process in data.truth.processes:
        assert process.events == pytest.approx(process.expected_events, abs=5 * np.sqrt(process.expected_events + 1))
        assert process.distinct_parents <= process.events
        assert process.rows_sharing_parent <= process.rows
        assert process.selected.distinct_events <= process.selected.events <= process.events
        assert process.selected.expected_events <= process.expected_events
        assert process.selected.variance_over_mean >= 1


def test_runs_of_data_files_do_not_overlap() -> None:
    assert not set(of_file(0)) & set(of_file(1))
    columns = chunk("data").columns
    assert set(zip(columns["__experiment__"].tolist(), columns["__run__"].tolist(), strict=True)) <= set(of_file(0))


def run_dependent(config: Config) -> Config:
    assert config.simulation is not None
    return config.model_copy(update={"simulation": config.simulation.model_copy(update={"run_dependent": True})})


def test_run_dependent_simulation_has_the_runs_of_the_data_and_their_background(small: Config) -> None:
    """The same events as run-independent ones, in runs and with the weight of their beam clusters there."""
    plain = chunk("charged").columns
    made = simulate(Request("charged", 1, SampleType.CHARGED, 0), run_dependent(small))
    columns = made.columns
    assert set(columns) == NTUPLE
    assert made.origin.runs == of_file(0)
    experiment, run, clusters = (columns[name] for name in ("__experiment__", "__run__", "nBeamClusters"))
    held = set(zip(experiment.tolist(), run.tolist(), strict=True))
    # of so few rows a short run may have none
    assert held <= set(of_file(0))
    assert len(held) >= len(of_file(0)) - 1
    assert np.all(np.diff(experiment * 1000 + run) >= 0)
    keys = np.array([columns[key] for key in ROW_KEY])
    assert np.unique(keys, axis=1).shape[1] == keys.shape[1]
    order, other = np.argsort(columns["K_p"], kind="stable"), np.argsort(plain["K_p"], kind="stable")
    assert np.array_equal(columns["K_p"][order], plain["K_p"][other])
    assert np.array_equal(columns["parentGroup"][order], plain["parentGroup"][other])
    ratio = columns["__weight__"][order] / plain["__weight__"][other]
    assert np.allclose(ratio, weight(clusters[order], levels(of_file(0))))
    # data beyond the average background make both tails of beam clusters heavier
    assert ratio[clusters[order] == 1].max() < 1 < ratio[clusters[order] > 2].min()
    # of all events alike: a few have most of the generator's weight
    of_beam = weight(clusters, levels(of_file(0)))
    early, late = (
        np.average(clusters[chosen], weights=of_beam[chosen]) for chosen in (experiment < 14, experiment > 18)
    )
    assert late > 1.3 * early


def test_the_gate_takes_run_dependent_simulation_with_the_data_and_refuses_a_mixture(small: Config) -> None:
    kinds = SampleType.UUBAR, SampleType.SSBAR, SampleType.DATA
    tiny = small.model_copy(
        update={
            "samples": tuple(Sample(name=kind.value, type=kind, simulated=True) for kind in kinds),
            "simulation": Simulation(files=2, rotations=5, decays=dict.fromkeys(kinds[:2], 1)),
        }
    )

    def conditions(name: str, config: Config) -> SampleConditions:
        kind = config.sample(name).type
        index = [sample.name for sample in config.samples].index(name)
        files = [simulate(Request(name, index, kind, number), config).origin for number in range(2)]
        told = [file_metadata(each, 1, (1, 1)) for each in files]
        merged, findings = merge(
            name, kind, [SampleFile(each.lfn, each, each.dataset) for each in told if each.dataset]
        )
        assert merged is not None
        assert not findings
        return merged

    dependent = run_dependent(tiny)
    recorded, up, strange = (conditions(name, dependent) for name in ("data", "uubar", "ssbar"))
    block = strange.blocks[0]
    assert (strange.run_dependence, block.campaign, block.bucket) == ("rd", "MC16rd_a", recorded.blocks[0].bucket)
    assert block.tag_names[-2:] == ("mc_production_MC16rd_a", recorded.blocks[0].tag_names[-1])
    together = {each.sample: each for each in (recorded, up, strange)}
    assert check(Ledger(samples=together), small.conditions, small.dataset) == []
    mixed = check(Ledger(samples=together | {"uubar": conditions("uubar", tiny)}), small.conditions, small.dataset)
    assert "run-dependence" in {finding.code for finding in mixed}


def test_expected_events() -> None:
    dataset = Dataset(luminosity=365, n_bb=387e6, f_charged=0.516)
    assert expected_events(SampleType.SIGNAL, dataset, 1.0) == pytest.approx(1985, abs=1)
    assert expected_events(SampleType.SIGNAL, dataset, 3.0) == pytest.approx(5955, abs=3)
    bb = expected_events(SampleType.CHARGED, dataset, 1.0) + expected_events(SampleType.MIXED, dataset, 1.0)
    assert bb == pytest.approx(387e6)
    assert expected_events(SampleType.CCBAR, dataset, 1.0) == pytest.approx(365e6 * 1.33)


def test_off_resonance_there_is_continuum_alone_with_cross_sections_as_one_over_s() -> None:
    off = BeamEnergy.OFF_RESONANCE
    dataset = Dataset(luminosity=365, off_resonance_luminosity=42)
    for kind in SampleType:
        if kind.is_continuum:
            ratio = expected_events(kind, dataset, 1.0, off) / expected_events(kind, dataset, 1.0)
            assert ratio == pytest.approx(42 / 365 * (10.57934 / 10.51934) ** 2)
        elif not kind.is_data:
            assert expected_events(kind, dataset, 1.0, off) == 0
    assert dataset.sqrt_s - dataset.off_resonance_sqrt_s == pytest.approx(DETECTOR.beams.step)


def test_off_resonance_samples(small: Config) -> None:
    """Continuum of the planted size at the lower energy, in runs of its own, told by its metadata."""
    assert small.simulation is not None
    wanted = {"decays": {SampleType.SSBAR: 300}, "off_resonance_share": {SampleType.SSBAR: 1.0}}
    settings = small.simulation.model_copy(update=wanted)
    dataset = small.dataset.model_copy(update={"off_resonance_luminosity": 20.0})
    off = small.model_copy(update={"dataset": dataset, "simulation": settings})
    request = Request("ssbar_off", 7, SampleType.SSBAR, 0, BeamEnergy.OFF_RESONANCE)
    sample = simulate(request, off)
    assert np.all(sample.columns["visibleEnergyOfEventCMS"] < DETECTOR.beams.off_resonance.sqrt_s + 0.5)
    told = file_metadata(sample.origin, 1, (1, 1))
    assert told.dataset is not None
    assert (told.dataset.beam_energy, told.dataset.beam_energy_gev, told.dataset.run_dependence) == (
        OFF_NAME,
        10.52,
        "ri",
    )
    assert f"/{OFF_NAME}/" in told.lfn
    data = simulate(Request("offres", 8, SampleType.OFFRES, 0, BeamEnergy.OFF_RESONANCE), off)
    assert data.truth is not None
    assert [each.process for each in data.truth.processes] == [SampleType.SSBAR]
    assert data.truth.signal_strength == 0
    assert data.truth.luminosity == 10
    told = file_metadata(data.origin, 1, (1, 1))
    assert told.dataset is not None
    assert (told.dataset.beam_energy, told.dataset.bucket) == (OFF_NAME, "proc16_offres")
    assert "data_reprocessing_proc16_offres" in told.global_tag
    assert not set(data.origin.runs) & set(of_file(0))
    doubled = settings.model_copy(update={"planted": Planted(cross_sections={SampleType.SSBAR: 2})})
    twice = simulate(
        Request("offres", 8, SampleType.OFFRES, 0, BeamEnergy.OFF_RESONANCE),
        off.model_copy(update={"simulation": doubled}),
    )
    assert twice.truth is not None
    assert twice.truth.processes[0].expected_events == pytest.approx(2 * data.truth.processes[0].expected_events)


def test_events_below_the_resonance_are_a_share_of_those_on_it() -> None:
    on, off = BeamEnergy.ON_RESONANCE, BeamEnergy.OFF_RESONANCE
    settings = Simulation(
        files=2, decays={SampleType.CCBAR: 8000, SampleType.UUBAR: 4000}, off_resonance_share={SampleType.CCBAR: 1.5}
    )
    assert [settings.events(SampleType.CCBAR, beams) for beams in (on, off)] == [4000, 6000]
    assert [settings.events(SampleType.UUBAR, beams) for beams in (on, off)] == [2000, 500]
    assert settings.model_copy(update={"scale": 1e-6}).events(SampleType.UUBAR, off) == 100
    with pytest.raises(ValidationError, match="'charged': only continuum is simulated below"):
        Simulation(off_resonance_share={SampleType.CHARGED: 1.0})


def test_the_boost_is_the_same_off_resonance() -> None:
    on, off = DETECTOR.beams, DETECTOR.beams.off_resonance
    assert on.sqrt_s - off.sqrt_s == pytest.approx(0.060)
    assert off.beta == pytest.approx(on.beta)


def test_events_are_drawn_whole_and_as_often_as_expected() -> None:
    rows = Rows(
        np.array([3, 3, 7, 9, 9, 9]), np.ones(6), np.arange(6), np.zeros(6, dtype=np.int64), {"x": np.arange(6)},
        1, np.full((6, 2), -1), np.full(6, None),
    )  # fmt: skip
    factor = np.array([2.0, 2.0, 0.0, 0.5, 0.5, 0.5])
    drawn = [_drawn(rows, factor, np.random.default_rng(seed)) for seed in range(400)]
    assert all(expected.tolist() == [2.0, 0.0, 0.5] for _, _, expected in drawn)
    for part, source, _ in drawn:
        assert np.array_equal(source == 3, part.columns["x"] < 2)
        for event in np.unique(part.event):
            assert part.columns["x"][part.event == event].tolist() in ([0, 1], [3, 4, 5])
    copies = np.array([np.sum(part.columns["x"] == 0) for part, _, _ in drawn])
    assert copies.mean() == pytest.approx(2.0, abs=0.25)
    assert copies.var() == pytest.approx(2.0, abs=0.5)


def test_variance_over_mean_counts_shared_decays() -> None:
    n = 400
    expected = np.full(n, 0.25)

    index, nothing = np.arange(n), np.full(n, -1)

    def rows(parent: Ints, *partner: Ints) -> Rows:
        decays = np.column_stack((*partner, nothing)[:2])
        return Rows(index, np.ones(n), parent, np.zeros(n, dtype=np.int64), {}, 1, decays, np.full(n, None))

    tags = n + index  # other decays have other numbers
    assert variance_over_mean(rows(index, tags), expected) == pytest.approx(1.25)
    # copies of one event are no events of their own: toys in which decays and copies are drawn anew
    assert variance_over_mean(rows(index // 4, tags), expected) == pytest.approx(2.0)
    assert variance_over_mean(rows(index // 4, n + index // 4), expected) == pytest.approx(2.0)
    assert variance_over_mean(rows(index, nothing), expected) == pytest.approx(1.25)
    # wrong tags of generic B: a decay stands on either side, and may be paired with itself
    assert variance_over_mean(rows(index, (index + 1) % n), expected) == pytest.approx(1.75)
    assert variance_over_mean(rows(index, index), expected) == pytest.approx(1.25)
    # cc̄: a decay is of either hadron
    assert variance_over_mean(rows(index, tags, n + tags), expected) == pytest.approx(1.25)
    assert variance_over_mean(rows(index, n + index // 2, n + tags), expected) == pytest.approx(1.5)
    assert variance_over_mean(rows(index, tags, n + (index + 1) % n), expected) == pytest.approx(1.75)
    rng = np.random.default_rng(1)
    # λ of a decay: four events of a quarter, if the decay passes at all (one in ten does)
    toys = [rng.poisson(np.repeat(rng.random(1000) < 0.1, 4) * 0.25).sum() for _ in range(2000)]
    assert np.var(toys) / np.mean(toys) == pytest.approx(1.9, abs=0.2)


@pytest.mark.parametrize("kind", [SampleType.MIXED, SampleType.CCBAR, SampleType.TAUPAIR])
def test_other_processes(small: Config, kind: SampleType) -> None:
    assert small.simulation is not None
    settings = small.simulation.model_copy(update={"decays": {kind: 1000}, "files": 1})
    rows = process_rows(kind, Request(kind.value, 0, kind, 0), settings, 1)
    assert np.all(rows.weight > 0)
    assert np.all(np.diff(rows.event) >= 0)
    assert rows.mc_events >= 1000 * settings.rotations
    assert len(rows) > 0 or kind is SampleType.TAUPAIR


def test_without_a_section_nothing_is_simulated(small: Config) -> None:
    bare = Config(name="bare", samples=small.samples[-1:])
    with pytest.raises(ConfigurationError, match="simulation"):
        simulate(Request("mine", 0, SampleType.SIGNAL, 0), bare)
