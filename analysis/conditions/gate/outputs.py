"""Checks of what was already made: outputs of changed conditions, classifiers trained under others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from analysis.conditions.findings import Finding
from analysis.conditions.gate.common import brief
from analysis.conditions.ledger import Ledger
from analysis.conditions.records import SampleConditions

# What a classifier's inputs depend on.
_TRAINED_ON: Mapping[str, Callable[[SampleConditions], object]] = {
    "release": lambda record: ", ".join(record.releases),
    "globalTag": lambda record: ",".join(tag.name for tag in record.global_tags),
    "dataset.campaign": lambda record: ", ".join(record.campaigns),
    "dataset.runDependence": lambda record: record.run_dependence,
    "dataset.background": lambda record: ", ".join(sorted({block.background or "none" for block in record.blocks})),
    "dataset.feiTraining": lambda record: record.fei_training,
    "dataset.beamEnergy": lambda record: record.beam_energy,
}


def stale(ledger: Ledger, outputs: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    """Find outputs made under other conditions than the ledger's.

    Parameters
    ----------
    ledger
        The conditions of today.
    outputs
        File → sample → digest of its conditions, as the file's provenance tells.
    """
    for file, digests in sorted(outputs.items()):
        for sample, digest in sorted(digests.items()):
            today = ledger.sample_digests.get(sample)
            if today != digest:
                yield Finding(
                    "stale",
                    "An output was made under conditions that have changed.",
                    samples=(sample,),
                    file=file,
                    key="provenance.conditions",
                    found=digest[:12],
                    expected=today[:12] if today else "no such sample in the ledger",
                    remedy="run the workflow: it remakes what depends on the sample",
                )


def training(trained: Ledger, applied: Ledger) -> Iterator[Finding]:
    """Find differences between the conditions a classifier was trained under and those it meets.

    Parameters
    ----------
    trained, applied
        Ledgers of the training and of the application. Samples are compared by type, simulation
        only: data are not trained on.
    """
    by_type: dict[str, SampleConditions] = {}
    for record in trained.samples.values():
        by_type.setdefault(record.type.value, record)
    differences: dict[tuple[str, str, str], list[str]] = {}
    for name, record in sorted(applied.samples.items()):
        twin = by_type.get(record.type.value)
        if record.type.is_data or twin is None:
            continue
        for key, value in _TRAINED_ON.items():
            before, now = value(twin), value(record)
            if before != now:
                differences.setdefault((key, str(before), str(now)), []).append(name)
    for (key, before, now), samples in differences.items():
        yield Finding(
            "training",
            f"The classifier was trained under other conditions than {brief(samples)} have.",
            samples=tuple(samples),
            key=key,
            found=f"trained on {before}",
            expected=now,
            remedy="train it again on samples of these conditions",
        )
