"""Checks of what was produced: kind, energy, background, training, luminosity, parents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from analysis.basf2 import BeamEnergy, SampleType, is_off_resonance
from analysis.conditions.findings import Finding, Severity
from analysis.conditions.gate.common import disagreements, names, parts
from analysis.conditions.records import SampleConditions
from analysis.config.models import Dataset

# Energies closer than this are one energy, GeV: Belle II's on-resonance runs scatter by a few MeV.
ENERGY_TOLERANCE = 0.010
# Below it there are no B mesons: twice the mass of the B⁺ (PDG 2022), GeV.
BB_THRESHOLD = 10.5587


def check(records: Sequence[SampleConditions], dataset: Dataset | None) -> Iterator[Finding]:
    """Check kinds and quantities; ``dataset`` is the configuration's, None leaves it out."""
    members = parts(records)
    simulated = [part for part in members if not part.plays_data]
    yield from disagreements(
        "run-dependence",
        "Run-independent and run-dependent simulation are mixed.",
        "dataset.runDependence",
        simulated,
        lambda part: part.record.run_dependence,
        "use one kind: their backgrounds and run-dependent efficiencies differ",
    )
    yield from _energies(records)
    yield from _thresholds(records)
    yield from disagreements(
        "fei-training",
        "Samples were tagged by different trainings of the Full Event Interpretation.",
        "dataset.feiTraining",
        members,
        lambda part: part.record.fei_training,
        "make the ntuples again with one training",
    )
    yield from disagreements(
        "background",
        "Simulated samples have different beam backgrounds.",
        "dataset.background",
        simulated,
        lambda part: part.block.background,
        "use samples with one background overlay",
    )
    yield from _event_types(records)
    yield from _parents(records)
    yield from _emptiness(records)
    if dataset is not None:
        yield from _luminosity(records, SampleType.DATA, dataset.luminosity, dataset)
        if dataset.off_resonance_luminosity is not None:
            yield from _luminosity(records, SampleType.OFFRES, dataset.off_resonance_luminosity, dataset)


def _energies(records: Sequence[SampleConditions]) -> Iterator[Finding]:
    for record in records:
        is_off = is_off_resonance(record.beam_energy)
        if record.type.is_data and is_off != (record.type is SampleType.OFFRES):
            yield Finding(
                "beam-energy",
                "The energy of the data contradicts the sample's type.",
                samples=(record.sample,),
                key="dataset.beamEnergy",
                found=f"{record.beam_energy} in a sample of type {record.type}",
                expected="4S_offres for offres, 4S for data",
                remedy="correct the type of the sample",
            )
    # Off-resonance data and their simulation keep company with each other only.
    yield from disagreements(
        "beam-energy",
        "Samples were taken or simulated at different energies.",
        "dataset.beamEnergy",
        parts(record for record in records if not is_off_resonance(record.beam_energy)),
        lambda part: part.record.beam_energy,
        "leave out the samples of the other energy",
    )
    by_name: dict[str, list[SampleConditions]] = defaultdict(list)
    for record in records:
        if record.beam_energy_gev is not None:
            by_name[record.beam_energy].append(record)
    for name, group in sorted(by_name.items()):
        low = min(group, key=lambda record: (record.beam_energy_gev or 0, record.sample))
        high = max(group, key=lambda record: (record.beam_energy_gev or 0, record.sample))
        if (high.beam_energy_gev or 0) - (low.beam_energy_gev or 0) > ENERGY_TOLERANCE:
            yield Finding(
                "beam-energy",
                f"Samples called {name} have different centre-of-mass energies.",
                samples=(low.sample, high.sample),
                key="dataset.beamEnergyGeV",
                found=f"{low.beam_energy_gev} and {high.beam_energy_gev} GeV",
                expected=f"within {1000 * ENERGY_TOLERANCE:.0f} MeV",
                remedy="find out which is wrong; q²_rec and M_bc rest on it",
            )


def _thresholds(records: Sequence[SampleConditions]) -> Iterator[Finding]:
    """Compare every energy with what its name says: above the threshold of BB̄, or below."""
    for record in records:
        told, is_off = record.beam_energy_gev, is_off_resonance(record.beam_energy)
        if told is None or not (is_off or record.beam_energy == BeamEnergy.ON_RESONANCE):
            continue
        if is_off == (told > BB_THRESHOLD):
            yield Finding(
                "beam-energy",
                "The centre-of-mass energy contradicts its name.",
                samples=(record.sample,),
                key="dataset.beamEnergyGeV",
                found=f"{told} GeV, called {record.beam_energy}",
                expected=f"{'below' if is_off else 'above'} {BB_THRESHOLD} GeV, the threshold of BB̄",
                remedy="find out at which energy the collisions were: off-resonance data must not pass for the Υ(4S)'s",
            )


def _event_types(records: Sequence[SampleConditions]) -> Iterator[Finding]:
    known = {kind.value for kind in SampleType}
    for record in records:
        if record.event_type in known and record.is_mc and not record.type.is_data:
            if record.event_type == record.type.value:
                continue
            yield Finding(
                "event-type",
                "What was generated is not what the sample is called.",
                samples=(record.sample,),
                key="dataset.eventType",
                found=str(record.event_type),
                expected=record.type.value,
                remedy="correct the sample's type or its files",
            )


def _parents(records: Sequence[SampleConditions]) -> Iterator[Finding]:
    owner: dict[str, str] = {}
    shared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for record in records:
        for parent in sorted({name for block in record.blocks for name in block.parents}):
            first = owner.setdefault(parent, record.sample)
            if first != record.sample:
                shared[first, record.sample].append(parent)
    for pair, lfns in sorted(shared.items()):
        yield Finding(
            "parents",
            "Two samples were made from the same parent files: events may count twice.",
            samples=pair,
            key="parents",
            found=f"{len(lfns)} in common, {lfns[0]} first",
            expected="parents of their own",
            remedy="take the files out of one of the samples, or waive it if they are split by event",
        )


def _emptiness(records: Sequence[SampleConditions]) -> Iterator[Finding]:
    for record in records:
        if record.n_events == 0:
            yield Finding(
                "no-events",
                "A sample has no events.",
                Severity.WARNING,
                samples=(record.sample,),
                key="nEvents",
                found="0",
                expected="at least one",
                remedy="check the files' selection",
            )


def _luminosity(
    records: Sequence[SampleConditions], kind: SampleType, configured: float, dataset: Dataset
) -> Iterator[Finding]:
    """Compare what the metadata of data (on or off resonance) tell with the configured number."""
    data = [record for record in records if record.type is kind]
    known = [record.luminosity for record in data if record.luminosity is not None]
    if not data or len(known) < len(data):
        return
    recorded = sum(known)
    tolerance = max(dataset.luminosity_uncertainty, 1e-6)
    key = "luminosity" if kind is SampleType.DATA else "off_resonance_luminosity"
    if abs(recorded - configured) > tolerance * configured:
        yield Finding(
            "luminosity",
            "The luminosity of the data is not the configuration's.",
            samples=names(parts(data)),
            key=f"dataset.{key}",
            found=f"{recorded:.6g} fb⁻¹ in the metadata",
            expected=f"{configured:.6g} fb⁻¹ (within {tolerance:.2%}), as configured",
            remedy=f"correct `dataset: {key}:`, or complete the data's files",
        )
