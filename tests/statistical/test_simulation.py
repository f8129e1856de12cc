"""The toy against the reference's figures, and its shortcuts (pools, importance, factorised charm) tested."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from analysis.basf2 import SampleType
from analysis.simulation import bbbar, charm, continuum, pairing, pairs, prospects, true_tags, whole
from analysis.simulation.chunk import selected
from analysis.simulation.dalitz import Dalitz
from analysis.simulation.generator import Pool
from analysis.simulation.jagged import count, on_side
from analysis.simulation.kinematics import random_rotations
from analysis.simulation.pools import make_decays
from analysis.simulation.response import Tracks, measure_clusters, measure_tracks
from analysis.simulation.rows import Rows
from analysis.simulation.sides import Side
from analysis.simulation.tags import find_pi0s, reconstruct_tags
from analysis.weighted import Weighted, kolmogorov_smirnov

pytest.importorskip("pythia8mc", reason="the extra `toy` is not installed")
pytestmark = [pytest.mark.statistical, pytest.mark.slow]
Mask = NDArray[np.bool_]


def simulate(kind: SampleType, n: int, seed: int = 1) -> Rows:
    return bbbar.simulate(kind, n, 60, seed, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def signal() -> Rows:
    return simulate(SampleType.SIGNAL, 6000)


@pytest.fixture(scope="module")
def charged() -> Rows:
    return simulate(SampleType.CHARGED, 25_000)


def weighted_median(values: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    running = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(running, running[-1] / 2)])


def yield_and_error(rows: Rows) -> tuple[float, float]:
    """Probability per generated event, with an error that knows that rows share decays."""
    row, slot = np.nonzero(rows.partner >= 0)
    decay = np.concatenate([rows.parent, rows.partner[row, slot]])
    weight = np.concatenate([rows.weight, rows.weight[row]])
    squares = np.sum(np.bincount(np.unique(decay, return_inverse=True)[1], weights=weight) ** 2)
    return float(rows.weight.sum() / rows.mc_events), float(np.sqrt(squares) / rows.mc_events)


def assert_agree(first: Rows, second: Rows, precision: float = 0.15) -> None:
    (a, error_a), (b, error_b) = yield_and_error(first), yield_and_error(second)
    assert max(error_a / a, error_b / b) < precision, "too few rows to say anything"
    assert abs(a - b) < 3.5 * np.hypot(error_a, error_b)


def test_signal_has_little_extra_energy_and_background_much(signal: Rows, charged: Rows) -> None:
    """reference/simulation.md: medians 0.19 and 1.65 GeV; ours end at the loose selection's 1.5 GeV."""
    medians = []
    for rows in (signal, charged):
        alone = rows.columns["roeNTracks"] == 0
        medians.append(weighted_median(rows.columns["roeEextra"][alone], rows.weight[alone]))
    assert medians[0] == pytest.approx(0.2, abs=0.12)
    assert medians[1] > 0.8
    share_above_one = np.sum(charged.weight[charged.columns["roeEextra"] > 1]) / charged.weight.sum()
    assert share_above_one > 0.4


def test_cos_by_is_physical_with_a_feed_down_tail(signal: Rows) -> None:
    """reference/simulation.md: within ±1, with a D* tail to −2.4; of true tags."""
    true = signal.select(signal.partner[:, 0] < bbbar.OTHER)
    cos_by, direct = true.columns["Btag_cosThetaBY"], true.columns["Btag_isSignal"] > 0
    assert np.average(np.abs(cos_by[direct]) < 1.1, weights=true.weight[direct]) > 0.95
    assert 0.05 < np.average(cos_by < -1.1, weights=true.weight) < 0.3
    assert np.average(cos_by < -2.4, weights=true.weight) < 0.03


def test_background_kaons_come_from_charm_and_from_the_b(charged: Rows) -> None:
    """reference/simulation.md: 48 % from D⁰, 24 % from the B, 12 % misidentified pions (kaonID > 0.9)."""
    kaon = (charged.columns["K_kaonID"] > 0.9) & (charged.columns["roeNTracks"] == 0)
    weight, mother = charged.weight[kaon], np.abs(charged.columns["K_genMotherPDG"][kaon])
    kind = np.abs(charged.columns["K_mcPDG"][kaon])

    def share(mask: Mask) -> float:
        return float(weight[mask].sum() / weight.sum())

    assert 0.35 < share((kind == 321) & (mother == 421)) < 0.75
    assert 0.05 < share((kind == 321) & (mother == 521)) < 0.35
    assert share(kind == 211) < 0.15
    assert share(kind == 321) > 0.8


def test_background_piles_up_at_high_q2(charged: Rows) -> None:
    """reference/simulation.md: at 18 to 22 GeV²."""
    chosen = charged.select((charged.columns["K_kaonID"] > 0.9) & (charged.columns["roeNTracks"] == 0))
    q2 = 10.579**2 / 4 + 0.4937**2 - 10.579 * np.sqrt(chosen.columns["K_pStar"] ** 2 + 0.4937**2)
    share = np.histogram(q2, bins=[-2, 2, 6, 10, 14, 18, 22, 26], weights=chosen.weight)[0] / chosen.weight.sum()
    assert share[4:6].sum() > 0.6
    assert share[5] > 0.3


def test_efficiencies(signal: Rows, charged: Rows) -> None:
    """Signal selection 0.2 % to 0.8 % of all signal (physics.md §1); generic BB̄ far below."""

    def selected(rows: Rows) -> Mask:
        c = rows.columns
        return np.asarray(
            (c["roeNTracks"] == 0)
            & (c["roeEextra"] < 1.2)
            & (np.abs(c["Btag_cosThetaBY"] + 0.325) < 1.425)
            & (c["K_kaonID"] > 0.9)
            & (c["R2"] < 0.5)
        )

    efficiency = [rows.weight[selected(rows)].sum() / rows.mc_events for rows in (signal, charged)]
    assert 0.002 < efficiency[0] < 0.01
    assert 1e-5 < efficiency[1] < 1e-4


def test_forced_tags_are_accepted_like_generic_ones() -> None:
    """The same tags found among generic decays: per decay chain, the same acceptance."""
    forced, generic = (
        accepted_by_chain(make_decays(kind, n, 8), turn)
        for kind, n, turn in (("tag charged", 12_000, 1), ("charged", 100_000, -1))
    )
    compared = 0
    for chain, (passed, number) in forced.items():
        other_passed, other = generic.get(chain, (0, 0))
        if min(number, other) >= 50:
            pooled = (passed + other_passed) / (number + other)
            difference = passed / number - other_passed / other
            assert abs(difference) < 3.7 * np.sqrt(pooled * (1 - pooled) * (1 / number + 1 / other)), chain
            compared += 1
    assert compared >= 12


def accepted_by_chain(pool: Pool, turn: int) -> dict[tuple[int, int, bool], tuple[int, int]]:
    """Return (accepted, generated) true tags by D channel, D* and whether a pion stands beside it."""
    rng, n = np.random.default_rng(2), len(pool)
    frame = pairing.frames(random_rotations(rng, n), pairing.b_velocities(rng, n))
    particles = pairing.place(pool.particles, pool.particles.event, frame, np.full(n, turn))
    side = on_side(len(particles.pdg), 0)
    tracks, clusters = measure_tracks(particles, side, rng), measure_clusters(particles, side, rng)
    found = reconstruct_tags(tracks, find_pi0s(clusters, n), clusters, pool.truth[None], n)
    accepted = count(found.event, n, found.matched) > 0
    tag = true_tags.is_tag(pool.truth)
    parts = (true_tags.channel(pool.truth), true_tags.star(pool.truth), true_tags.bachelor(pool.truth))
    result = {}
    for chain in set(zip(*(part[tag].tolist() for part in parts), strict=True)):
        mine = tag & (parts[0] == chain[0]) & (parts[1] == chain[1]) & (parts[2] == chain[2])
        result[chain] = int(np.sum(accepted & mine)), int(np.sum(mine))
    return result


def test_importance_does_not_move_the_yield(monkeypatch: pytest.MonkeyPatch) -> None:
    weighted = simulate(SampleType.CHARGED, 12_000, seed=4)

    def flat(chance: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(chance > 0, 0.4, 0.0)

    side, fit = prospects.side_prospects, pairs.fit
    monkeypatch.setattr(bbbar, "side_prospects", lambda contents: flat(side(contents)))
    monkeypatch.setattr(pairs, "fit", lambda *sides: flat(fit(*sides)))
    monkeypatch.setattr(pairs, "_CHARGED", dict.fromkeys(pairs._CHARGED, 0.7))
    monkeypatch.setattr(bbbar, "DRAWS", {SampleType.CHARGED: 0.5})
    monkeypatch.setattr(bbbar, "MAX_WEIGHT", 1e-9)  # nothing is thinned
    plain = simulate(SampleType.CHARGED, 12_000, seed=5)
    assert_agree(weighted, plain)
    assert len(weighted) < len(plain)
    # what the importance is for: smaller errors near the signal region, from fewer rows
    near = [rows.select(selected(rows)) for rows in (weighted, plain)]
    assert_agree(near[0], near[1], 0.5)


def test_wrong_tags_agree_with_whole_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs drawn by what was found, against events of two generic decays that are used once."""
    monkeypatch.setattr(bbbar, "tagged", lambda *_: iter(()))
    drawn = simulate(SampleType.MIXED, 20_000, seed=6)
    made = whole.wrongly_tagged(SampleType.MIXED, 150_000, 7, np.random.default_rng(7))
    assert_agree(drawn, made, 0.25)
    for column in ("roeEextra", "K_pStar", "Btag_cosThetaBY", "R2"):
        samples = (Weighted(rows.columns[column], rows.weight, rows.decays) for rows in (drawn, made))
        _, p_value = kolmogorov_smirnov(*samples)
        assert p_value > 0.001, f"{column}: {p_value}"


def continuum_rows(kind: SampleType, n: int, seed: int) -> Rows:
    return continuum.simulate(kind, n, 60, seed, np.random.default_rng(seed))


def near_signal(rows: Rows) -> Rows:
    return rows.select(rows.columns["roeNTracks"] == 0)


def test_factorised_charm_agrees_with_whole_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decays drawn with their event, against PYTHIA's own: rates, and spectra of what is selected on."""

    def on_one_side(*arguments: Any) -> Side:
        """Whole events are one side: tags of a lepton and a D of two hadrons do not have the worse vertex there."""
        return Side(*arguments[:-1], 0)

    monkeypatch.setattr(charm, "Side", on_one_side)
    factorised = charm.simulate(28_000, 60, np.arange(2) + 1, np.random.default_rng(1))
    monkeypatch.setattr(continuum, "USES", 1)
    whole = continuum_rows(SampleType.CCBAR, 42_000, 3)
    assert_agree(factorised, whole, 0.25)
    assert_agree(near_signal(factorised), near_signal(whole), 0.25)
    for column in ("R2", "Btag_D_M", "Btag_cosThetaBY", "K_pStar", "roeEextra", "Btag_l_pStar"):
        p_value = two_sample(factorised, whole, column)
        assert p_value > 0.001, f"{column}: {p_value}"


def two_sample(first: Rows, second: Rows, column: str, bins: int = 6) -> float:
    """p-value of a χ² between weighted histograms; what shares an event, or a charmed hadron's decay, counts as one."""
    values = np.concatenate([first.columns[column], second.columns[column]])
    edges = np.quantile(values, np.linspace(0, 1, bins + 1))
    shares, variances = [], []
    for rows in (first, second):
        place = np.clip(np.searchsorted(edges, rows.columns[column], side="right") - 1, 0, bins - 1)
        total = rows.weight.sum()
        share = np.bincount(place, rows.weight, bins) / total
        # Σ_p (w_pb − share_b w_p)²: the total is no degree of freedom
        excess = rows.weight[:, None] * ((place[:, None] == np.arange(bins)) - share)

        def squares(members: NDArray[np.int64], excess: NDArray[np.float64] = excess) -> NDArray[np.float64]:
            _, group = np.unique(members, return_inverse=True)
            sums = [np.bincount(group, column) for column in excess.T]
            return np.array([np.sum(column**2) for column in sums])

        variance = squares(rows.parent)
        if rows.partner.max() >= 0:  # what shares two of the three is counted once too often each time
            variance += sum(squares(each) for each in rows.partner.T) - 2 * squares(rows.event)
        shares.append(share)
        variances.append(variance / total**2)
    pulls = (shares[0] - shares[1]) / np.sqrt(variances[0] + variances[1])
    # neighbouring shares are anticorrelated by −1/bins: a χ² of bins − 1 with that scale
    return float(stats.chi2.sf(np.sum(pulls**2) * (bins - 1) / bins, bins - 1))


def without(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Leave one kind of fakes to chance."""

    def untouched(tracks: Tracks, *arguments: Any) -> tuple[Tracks, NDArray[np.float64]]:
        return tracks, np.ones(next(each for each in arguments if isinstance(each, int)))

    return lambda monkeypatch: monkeypatch.setattr(continuum, name, untouched)


def flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use all events alike, and thin none."""
    prospects_of = continuum.continuum_prospects
    monkeypatch.setattr(continuum, "continuum_prospects", lambda *contents: 0.7 * (prospects_of(*contents) > 0))
    monkeypatch.setattr(continuum, "MAX_WEIGHT", 1e-9)


def own_pi0_decays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the decays of π⁰ as PYTHIA has them."""
    monkeypatch.setattr(Dalitz, "opened", lambda _: Dalitz(1.0, 1.0))


@pytest.mark.parametrize("change", [without("with_fake_lepton"), without("with_fake_kaon"), flat, own_pi0_decays])
def test_weighted_continuum_agrees_with_plain(
    change: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    weighted = continuum_rows(SampleType.SSBAR, 30_000, 3)
    change(monkeypatch)
    monkeypatch.setattr(continuum, "USES", 2)
    plain = continuum_rows(SampleType.SSBAR, 30_000, 4)
    assert_agree(weighted, plain, 0.4)
    assert_agree(near_signal(weighted), near_signal(plain), 0.5)
    assert two_sample(weighted, plain, "K_pStar", 4) > 0.001
    assert two_sample(weighted, plain, "R2", 4) > 0.001
