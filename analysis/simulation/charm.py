"""Candidates of e⁺e⁻ → cc̄, factorised: events with undecayed charmed hadrons, and a pool of decays for each hadron.

A tag from cc̄ is mostly a real D⁰ of one quark with a lepton from the decay of the other. Charmed mesons have spin 0
(and the Λ_c's polarisation is neglected), so their decays are made once at rest, turned at random, and drawn anew for
every use of an event: drawing costs nothing beside generating. Draws that can hardly give a candidate are thinned,
with weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.basf2 import SampleType
from analysis.simulation.bbbar import Side, assembled, finished, may_hold_candidate
from analysis.simulation.generator import CHARM, NO_TAG, Pool
from analysis.simulation.jagged import Bools, Floats, Ints, count, offsets
from analysis.simulation.kinematics import about_z, random_rotations, rotate
from analysis.simulation.pairing import MAX_CHARGED, MIN_CHARGED, Contents, frames
from analysis.simulation.pools import joined, make_decays, merged, renumbered
from analysis.simulation.response import with_fake_lepton
from analysis.simulation.rows import Rows, stack
from analysis.simulation.tags import LEPTON_P_STAR

BATCH = 10_000
DRAW_BATCH = 500_000
# Uses of an event per rotation asked for. Most draws are thinned away before any particle is touched.
DRAWS = 20
# Fractions of draws kept, by (a lepton, kaons of both charges).
KEPT = {(True, True): 1.0, (True, False): 0.25, (False, True): 0.05, (False, False): 0.015}
LEPTON_P_MIN = 0.3  # in the charmed hadron's rest frame, GeV
SHARES = {"D0": 0.25, "D+": 0.15, "Ds+": 0.08, "Lc+": 0.02}  # of the decays; the rest are events
SKELETON = 0.5
_PDG_OF = np.array(list(CHARM.values()))


@dataclass(frozen=True)
class Sources:
    """What a chunk of cc̄ is made of.

    Attributes
    ----------
    events
        Events without their charmed hadrons.
    momentum : (4, m) float64
        Four-momenta of the charmed hadrons, centre of mass; those of event ``usable[i]`` are number 2 i and 2 i + 1.
    species, sign : (m,) int64
        Index in `CHARM` and sign of their PDG codes.
    decays
        Decays at rest, in the order of `CHARM`, one after the other.
    start : (5,) int64
        Where each species' decays begin.
    usable : (k,) int64
        Events with exactly two charmed hadrons of `CHARM` and few enough other particles.
    """

    events: Pool
    momentum: Floats
    species: Ints
    sign: Ints
    decays: Pool
    start: Ints
    usable: Ints


def make_sources(n: int, seeds: Ints) -> Sources:
    """Generate the events and decays of a chunk from n generator calls; ``seeds`` (5,) are PYTHIA's."""
    whole = make_decays("ccbar stable", max(round(n * SKELETON), 100), int(seeds[0]))
    pools = [
        make_decays(name, max(round(n * SHARES[name]), 100), int(seed))
        for name, seed in zip(CHARM, seeds[1:], strict=True)
    ]
    charmed = np.isin(np.abs(whole.particles.pdg), _PDG_OF)
    hadrons = whole.particles.select(charmed)
    rest = whole.particles.select(~charmed)
    events = Pool(
        rest, offsets(count(rest.event, len(whole))), whole.tag_mode, whole.tag_direct, whole.q2, whole.generated
    )
    two = count(hadrons.event, len(whole)) == 2
    hadrons = hadrons.select(two[hadrons.event])
    species = np.argmax(np.abs(hadrons.pdg)[:, None] == _PDG_OF[None, :], axis=1)
    return Sources(
        events, hadrons.p, species, np.sign(hadrons.pdg).astype(np.int64), joined(pools),
        offsets(np.array([len(pool) for pool in pools])), np.flatnonzero(two),
    )  # fmt: skip


def simulate(n: int, rotations: int, seeds: Ints, rng: np.random.Generator) -> Rows:
    """Return the candidates of one chunk.

    Parameters
    ----------
    n
        Generated events and decays.
    rotations
        Each event is used this many times `DRAWS` (before thinning).
    seeds : (5,) int64
        PYTHIA's.
    rng
        All other randomness.
    """
    sources = make_sources(n, seeds)
    mc_events = len(sources.events) * rotations * DRAWS
    parts, start = [], 0
    for draw in _draws(sources, mc_events, rng):
        for part in _batches(sources, draw, rng):
            parts.append(part.shifted(start))
            start += BATCH
    return stack(parts, mc_events)


@dataclass(frozen=True)
class _Draw:
    """Events (places in ``usable``) with a decay for each of their two hadrons, and weights."""

    event: Ints
    decay: tuple[Ints, Ints]
    weight: Floats


def _draws(sources: Sources, mc_events: int, rng: np.random.Generator) -> Iterator[_Draw]:
    """Draw events and decays at random, keep all that may give a candidate and a part of the others."""
    skeleton = Contents.of(sources.events)
    decay = Contents.of(sources.decays, LEPTON_P_MIN)
    turned = {sign: _signed(decay, sign) for sign in (1, -1)}
    few = np.flatnonzero(skeleton.charged[sources.usable] <= MAX_CHARGED)
    size = np.diff(sources.start)
    # only these events are drawn: the others cannot give a candidate
    remaining = rng.binomial(mc_events, len(few) / len(sources.events))
    while remaining > 0:
        n = min(remaining, DRAW_BATCH)
        remaining -= n
        event = few[rng.integers(0, len(few), n)]
        at = sources.usable[event]
        charged = skeleton.charged[at].copy()
        lepton, plus, minus = skeleton.lepton[at], skeleton.plus[at], skeleton.minus[at]
        decays = []
        for which in (0, 1):
            hadron = 2 * event + which
            species, anti = sources.species[hadron], sources.sign[hadron] < 0
            j = sources.start[species] + (rng.random(n) * size[species]).astype(np.int64)
            decays.append(j)
            charged += decay.charged[j]
            lepton = lepton | decay.lepton[j]
            plus = plus | np.where(anti, turned[-1][0][j], turned[1][0][j])
            minus = minus | np.where(anti, turned[-1][1][j], turned[1][1][j])
        both = plus & minus
        kept = np.select(
            [lepton & both, lepton, both],
            [KEPT[True, True], KEPT[True, False], KEPT[False, True]],
            KEPT[False, False],
        ) * ((charged >= MIN_CHARGED) & (charged <= MAX_CHARGED))
        keep = np.flatnonzero(rng.random(n) < kept)
        yield _Draw(event[keep], (decays[0][keep], decays[1][keep]), 1 / kept[keep])


def _signed(contents: Contents, sign: int) -> tuple[Bools, Bools]:
    return (contents.plus, contents.minus) if sign > 0 else (contents.minus, contents.plus)


def _batches(sources: Sources, draw: _Draw, rng: np.random.Generator) -> Iterator[Rows]:
    for start in range(0, len(draw.event), BATCH):
        part = slice(start, start + BATCH)
        event = draw.event[part]
        n = len(event)
        turn = about_z(rng, n)
        parent = sources.usable[event]
        sides = [Side(sources.events, parent, frames(turn, np.zeros((3, n))), np.ones(n, dtype=np.int64), 0)]
        for which in (0, 1):
            hadron = 2 * event + which
            p = sources.momentum[:, hadron]
            velocity = rotate(p, turn)[:3] / p[3]
            frame = frames(random_rotations(rng, n), velocity)
            sides.append(Side(sources.decays, draw.decay[which][part], frame, sources.sign[hadron], which + 1))
        tracks, fake = with_fake_lepton(merged([side.measure(rng) for side in sides]), n, LEPTON_P_STAR, rng)
        good = np.flatnonzero(may_hold_candidate(tracks, n))
        m = len(good)
        events = assembled(
            [renumbered(tracks, good, n)], [side.clusters(good, rng) for side in sides], np.full((3, m), NO_TAG), m, rng
        )
        yield finished(
            events, np.zeros((3, m), dtype=bool), draw.weight[part][good] * fake[good], parent[good], parent[good],
            np.zeros(m), SampleType.CCBAR, rng,
        )  # fmt: skip
