"""One file of a toy sample: simulation, or pseudo-data mixed from all processes.

Seeds depend on the sample's name and the chunk alone, so that any number of jobs in any order writes the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis import formfactors
from analysis.basf2 import BeamEnergy, SampleType
from analysis.columns import COLUMNS
from analysis.conditions.buckets import Bucket
from analysis.config.models import Config, Dataset, Simulation
from analysis.config.models.samples import FB_PER_NB
from analysis.errors import ConfigurationError
from analysis.seeds import generator, seed_sequence
from analysis.sharing import DECAYS, shared_variance
from analysis.simulation import background, bbbar, charm, continuum, planting, runs, sidecar
from analysis.simulation.buckets import Runs
from analysis.simulation.decay_hashes import Hashtable, hashtable
from analysis.simulation.detector import DETECTOR
from analysis.simulation.jagged import Array, Bools, Floats, Ints, gather
from analysis.simulation.rows import Rows, stack

EVENTS_PER_CHUNK = 10_000_000
CHUNKS_PER_PRODUCTION = 400  # event numbers are 32 bits wide
FIRST_PRODUCTION = 35_000
_ID = 10**9


@dataclass(frozen=True)
class Request:
    """What to simulate.

    Attributes
    ----------
    sample, index
        Name of the sample and its place in the configuration.
    type
        What it holds.
    chunk
        Number of the file.
    beam_energy
        On or off resonance.
    bucket, runs
        Calibrated bucket of a file of pseudo-data or run-dependent simulation, and its runs of it; None and empty: of
        the toy's own.
    """

    sample: str
    index: int
    type: SampleType
    chunk: int
    beam_energy: BeamEnergy = BeamEnergy.ON_RESONANCE
    bucket: Bucket | None = None
    runs: Runs = ()

    @property
    def recorded(self) -> Runs:
        """Runs of data taking that the file is of, if it is run-dependent."""
        return self.runs or runs.of_file(self.chunk, self.beam_energy)


@dataclass(frozen=True)
class ProcessTruth:
    """One process in a file of pseudo-data.

    Attributes
    ----------
    expected_events
        Candidates' events expected after the loose selection.
    events, rows
        Drawn.
    rows_sharing_parent
        Rows whose simulated decay (of the signal-side B) stands behind another event too.
    distinct_parents
        Simulated decays behind the rows.
    selected
        The same for the rows that `selected` tells: no extra track, a sure kaon, little energy.
    """

    process: SampleType
    expected_events: float
    events: int
    rows: int
    rows_sharing_parent: int
    distinct_parents: int
    selected: SelectedTruth


@dataclass(frozen=True)
class SelectedTruth:
    """How independent the events of one process are near the signal region; see `variance_over_mean`.

    Attributes
    ----------
    expected_events
        Events expected.
    events
        Drawn.
    distinct_events
        Simulated events behind them: the others are copies.
    variance_over_mean
        Of the number of events, over many toys: 1 if each stood on decays of its own.
    """

    expected_events: float
    events: int
    distinct_events: int
    variance_over_mean: float


@dataclass(frozen=True)
class PlantedTruth:
    """What was planted in a file of pseudo-data; no stage of the analysis reads it."""

    signal_strength: float
    branching_fraction_sm: float
    luminosity: float
    processes: tuple[ProcessTruth, ...]
    differences: dict[str, Any]


@dataclass(frozen=True)
class Chunk:
    """One file: its columns by canonical name, its origin, the planted truth of pseudo-data, decays of simulation."""

    columns: dict[str, Array]
    origin: sidecar.Origin
    truth: PlantedTruth | None
    decays: Hashtable | None


def simulate(request: Request, configuration: Config) -> Chunk:
    """Simulate one file of a sample.

    Parameters
    ----------
    request
        Which file of which sample.
    configuration
        With a section ``simulation``.
    """
    settings, dataset, seed = configuration.simulation, configuration.dataset, configuration.seed
    if settings is None:
        raise ConfigurationError("The configuration has no section `simulation`.", remedy="add one")
    if request.type.is_data:
        return _pseudo_data(request, settings, dataset, seed)
    rows = process_rows(request.type, request, settings, seed)
    held: Runs = ((sidecar.MC_EXPERIMENT, 0),)
    run = np.zeros(len(rows), dtype=np.int64)
    if settings.run_dependent:
        held = request.recorded
        rows, run = runs.as_recorded(rows, held, generator(seed, "simulate", request.sample, request.chunk, "runs"))
    events, candidate, n_candidates = _numbered(rows.event)
    base = (request.index * 10_000 + request.chunk) * _ID
    production = FIRST_PRODUCTION + 100 * request.index + request.chunk // CHUNKS_PER_PRODUCTION
    decays = hashtable(rows.decay, rows.columns)
    columns = dict(rows.columns) | {
        "__experiment__": np.array([e for e, _ in held])[run],
        "__run__": np.array([r for _, r in held])[run],
        "__event__": events + 1 + request.chunk % CHUNKS_PER_PRODUCTION * EVENTS_PER_CHUNK,
        "__production__": np.full(len(rows), production),
        "__candidate__": candidate,
        "__ncandidates__": n_candidates,
        "__weight__": rows.weight,
        "parentGroup": base + rows.block,
        **{name: np.where(number < 0, -1, base + number) for name, number in zip(DECAYS, rows.decays.T, strict=True)},
        **decays.columns,
    }
    expected = expected_events(request.type, dataset, 1.0, request.beam_energy)
    origin = sidecar.Origin(
        request.type, production, request.chunk, _seed_text(seed, request), int(rows.mc_events),
        float(dataset.recorded(request.beam_energy) * rows.mc_events / expected), held, request.bucket,
        request.beam_energy,
    )  # fmt: skip
    return Chunk(columns, origin, None, decays)


def _seed_text(seed: int, request: Request) -> str:
    return f"{seed}/simulate/{request.sample}/{request.chunk}"


def process_rows(kind: SampleType, request: Request, settings: Simulation, seed: int) -> Rows:
    """Simulate the candidates of one process for one file."""
    n = settings.events(kind, request.beam_energy)
    off = request.beam_energy is BeamEnergy.OFF_RESONANCE
    beams = DETECTOR.beams.off_resonance if off else DETECTOR.beams
    labels = ("simulate", request.sample, request.chunk, kind.value)
    pythia = 1 + seed_sequence(seed, *labels, "pythia").generate_state(2).astype(np.int64) % 900_000_000
    rng = generator(seed, *labels)
    if kind is SampleType.CCBAR:
        return charm.simulate(n, settings.rotations, pythia, rng, beams)
    if kind.is_continuum:
        return continuum.simulate(kind, n, settings.rotations, int(pythia[0]), rng, beams)
    return bbbar.simulate(kind, n, settings.rotations, int(pythia[0]), rng)


def expected_events(
    kind: SampleType, dataset: Dataset, signal_strength: float, beams: BeamEnergy = BeamEnergy.ON_RESONANCE
) -> float:
    """Return the number of events of a process produced in the data's luminosity; below the Υ(4S) continuum alone is.

    Signal counts the B⁺ → K⁺νν̄ decays of both charges, two chances in every B⁺B⁻ event.
    """
    if beams is BeamEnergy.OFF_RESONANCE and not kind.is_continuum:
        return 0.0
    if kind is SampleType.SIGNAL:
        return signal_strength * 2 * dataset.n_bb * dataset.f_charged * dataset.branching_fraction_sm
    if kind is SampleType.CHARGED:
        return dataset.n_bb * dataset.f_charged
    if kind is SampleType.MIXED:
        return dataset.n_bb * (1 - dataset.f_charged)
    return dataset.recorded(beams) * FB_PER_NB * dataset.cross_section(kind, beams)


def _numbered(event: Ints) -> tuple[Ints, Ints, Ints]:
    """Return the rank of each row's event, the row's number within it and the number of its rows."""
    if not len(event):
        return event, event, event
    _, rank, counts = np.unique(event, return_inverse=True, return_counts=True)
    begin = np.cumsum(counts) - counts
    return rank, np.arange(len(event)) - begin[rank], counts[rank]


def _drawn(rows: Rows, factor: Floats, rng: np.random.Generator) -> tuple[Rows, Ints, Floats]:
    """Draw every event as often as Poisson says.

    The number of copies of an event is Poisson around its expectation, so that sums over events are Poisson, too.
    Events expected more than once come in copies of one simulated event.

    Returns
    -------
    rows
        With event numbers from 0.
    source : (n_rows,) int64
        The simulated event behind each of them.
    expected : (n_events,) float64
        Expected copies of the simulated events, in the order of their numbers.
    """
    _, first = np.unique(rows.event, return_index=True)
    expected = (rows.weight * factor)[first]
    copied = np.repeat(np.arange(len(first)), rng.poisson(expected))
    index, event = gather(np.append(first, len(rows)), copied)
    return replace(rows.select(index), event=event), rows.event[index], expected


def selected(rows: Rows) -> Bools:
    """Return the rows near the signal region: a clean event, as the default analysis selects it, for bookkeeping."""
    c = rows.columns
    return np.asarray((c["roeNTracks"] == 0) & (c["roeEextra"] < 1.2) & (c["K_kaonID"] > 0.9) & (c["roeNPi0"] == 0))


def variance_over_mean(rows: Rows, expected: Floats) -> float:
    """Return variance over mean of the number of drawn events.

    With Poisson copies of events whose expectations λ share decays, Var n is Σ λ and the `shared_variance` of λ.

    Parameters
    ----------
    rows
        One row per event.
    expected : (n,) float64
        λ of each event.
    """
    total = float(expected.sum())
    return 1 + shared_variance(expected, rows.decays) / total if total else 1.0


def _drawn_process(
    kind: SampleType, request: Request, settings: Simulation, seed: int, produced: float, beam: Floats,
    rng: np.random.Generator,
) -> tuple[Rows, ProcessTruth]:  # fmt: skip
    """Simulate one process and draw its events, ``produced`` in all; only what is drawn stays in memory."""
    rows = process_rows(kind, request, settings, seed)
    factor = np.full(len(rows), produced)
    factor *= background.weight(rows.columns["nBeamClusters"], beam) / (rows.mc_events * settings.files)
    if kind is SampleType.SIGNAL:
        factor *= formfactors.sm_weight(rows.columns["q2_gen"])
    factor *= planting.factor(rows, settings.planted) * settings.planted.cross_sections.get(kind, 1.0)
    drawn, source, expected = _drawn(rows, factor, rng)
    return drawn, _process_truth(kind, rows, expected, drawn, source)


def _pseudo_data(request: Request, settings: Simulation, dataset: Dataset, seed: int) -> Chunk:
    """Mix all processes in their expected numbers, unweighted, with the signal in its Standard-Model spectrum.

    Off resonance these are the continuum ones; the planted differences are the same.
    """
    beams = request.beam_energy
    rng = generator(seed, "simulate", request.sample, request.chunk, "mixture")
    held = request.recorded
    beam = runs.levels(held)
    parts, truths, start = [], [], 0
    for kind in settings.decays:
        if not expected_events(kind, dataset, 1.0, beams):
            continue
        produced = expected_events(kind, dataset, settings.signal_strength, beams)
        drawn, told = _drawn_process(kind, request, settings, seed, produced, beam, rng)
        truths.append(told)
        parts.append(drawn.shifted(start))
        start += told.events
    rows, run = runs.in_order(stack(parts, 1), start, held, rng)
    events, candidate, n_candidates = _numbered(rows.event)
    columns = {name: values for name, values in rows.columns.items() if not COLUMNS[name].truth} | {
        "__experiment__": np.array([e for e, _ in held])[run],
        "__run__": np.array([r for _, r in held])[run],
        "__event__": events * 37 + 1000,
        "__production__": np.full(len(rows), FIRST_PRODUCTION + 100 * request.index),
        "__candidate__": candidate,
        "__ncandidates__": n_candidates,
        "__weight__": np.ones(len(rows)),
    }
    luminosity = dataset.recorded(beams) / settings.files
    origin = sidecar.Origin(
        request.type, FIRST_PRODUCTION + 100 * request.index, request.chunk, "", 0, luminosity, held, request.bucket,
        beams,
    )  # fmt: skip
    strength = settings.signal_strength if beams is BeamEnergy.ON_RESONANCE else 0.0
    truth = PlantedTruth(
        strength, dataset.branching_fraction_sm, luminosity, tuple(truths),
        settings.planted.model_dump(mode="json"),
    )  # fmt: skip
    return Chunk(columns, origin, truth, None)


def _process_truth(kind: SampleType, rows: Rows, expected: Floats, drawn: Rows, source: Ints) -> ProcessTruth:
    pairs = np.unique(np.array([drawn.parent, drawn.event]), axis=1)
    parents, events_of_parent = np.unique(pairs[0], return_counts=True)
    shared = np.isin(drawn.parent, parents[events_of_parent > 1])
    # the first selected candidate of every event
    chosen = np.flatnonzero(selected(rows))
    events, first = np.unique(rows.event[chosen], return_index=True)
    of_events = expected[np.searchsorted(np.unique(rows.event), events)]
    near = selected(drawn)
    return ProcessTruth(
        kind, float(expected.sum()), len(np.unique(drawn.event)), len(drawn), int(shared.sum()), len(parents),
        SelectedTruth(
            float(of_events.sum()), len(np.unique(drawn.event[near])), len(np.unique(source[near])),
            variance_over_mean(rows.select(chosen[first]), of_events),
        ),
    )  # fmt: skip
