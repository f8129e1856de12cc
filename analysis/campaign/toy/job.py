"""What b2caf-prompt-run is on a site: it reads caf_config.json and input_data.json, and leaves payloads with intervals.

The validation applies the payloads to events that did not make them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from pydantic import ConfigDict, Field

from analysis import io
from analysis.campaign import documents
from analysis.campaign.documents import Model
from analysis.campaign.execution import OUTPUT, Check, Validation
from analysis.campaign.payloads import Entry, checksum_of, read_entries, write_entries
from analysis.campaign.toy.calibrations import KINDS, NOMINAL, CalibrationKind, calibrate
from analysis.campaign.toy.peak import Peak, fit_peak
from analysis.conditions.iov import IoV
from analysis.conditions.records import Payload, Validity
from analysis.errors import InputError, choice
from analysis.io import Columns

RunFiles = Sequence[tuple[Path, tuple[int, int]]]


class CafConfig(Model):
    """What this job uses of ``caf_config.json``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    caf_script: str
    requested_iov: IoV
    expert_config: dict[str, list[tuple[int, int]]] = Field(default_factory=dict)

    @property
    def kind(self) -> CalibrationKind:
        """The calibration that the script's name stands for."""
        name = Path(self.caf_script).stem
        if name not in KINDS:
            raise InputError(
                "There is no such calibration.",
                found=name,
                expected=choice(name, KINDS),
                remedy="correct `caf_script:` of the task",
            )
        return KINDS[name]

    def intervals(self) -> list[IoV]:
        """Return the payloads' intervals, split at the boundaries of the expert configuration."""
        first = self.requested_iov.as_tuple()[:2]
        starts = sorted({first, *self.expert_config.get("payload_boundaries", [])})
        return [*(IoV(*low, high[0], high[1] - 1) for low, high in pairwise(starts)), IoV(*starts[-1], -1, -1)]


def read_job(caf_config: Path, input_data: Path) -> tuple[CafConfig, RunFiles]:
    """Read what the campaign asks for."""
    config = documents.read(caf_config, CafConfig, "The job's configuration cannot be used")
    plain = io.read_json(input_data)
    return config, [(Path(path), (run[0], run[1])) for path, run in plain[config.kind.input_name]]


def _events(files: RunFiles, iov: IoV, parity: int) -> Columns:
    """Return the events of an interval: even ones (parity 0) or odd ones (1)."""
    tables = [
        io.read_table(path).columns
        for folder, run in files
        if iov.contains(*run)
        for path in sorted(folder.glob("**/*.parquet"))
    ]
    if not tables:
        raise InputError("An interval has no events.", where=str(iov), remedy="join payload boundaries")
    return {name: np.concatenate([table[name][parity::2] for table in tables]) for name in tables[0]}


def constants_at(entries: Sequence[Entry], experiment: int, run: int) -> dict[str, float]:
    """Return the constants that hold for a run: the payload that begins last, or the nominal value."""
    constants = dict(NOMINAL)
    for entry in sorted(entries, key=lambda entry: entry.iov.start):
        if entry.name in NOMINAL and entry.iov.contains(experiment, run):
            constants[entry.name] = float(io.read_json(entry.file)["value"])
    return constants


def run_calibration(config: CafConfig, files: RunFiles, upstream: Sequence[Path], output: Path) -> None:
    """Fit each interval; write the payloads where b2caf-prompt-run would."""
    before = [entry for path in upstream for entry in read_entries(path)]
    made = []
    for iov in config.intervals():
        constants = constants_at(before, iov.first_experiment, iov.first_run)
        value, error, peak = calibrate(config.kind, _events(files, iov, parity=0), constants)
        content = {"payload": config.kind.payload, "value": value, "error": error, "entries": int(peak.counts.sum())}
        made.append(_payload(content, iov, output / "payloads"))
    write_entries(output / OUTPUT / Path(config.caf_script).stem / "database.txt", made)


def _payload(content: Mapping[str, object], iov: IoV, folder: Path) -> Entry:
    text = json.dumps(content, indent=1) + "\n"
    draft = folder / "payload.json"
    documents.write_text(draft, text)
    checksum = checksum_of(draft)
    name = str(content["payload"])
    file = draft.replace(folder / f"dbstore_{name}_rev_{checksum[:8]}.json")
    open_ended = IoV(iov.first_experiment, iov.first_run, -1, -1)
    payload = Payload(name=name, revision=checksum[:8], checksum=checksum)
    return Entry(Validity(payload=payload, iov=open_ended), file)


def run_validation(
    config: CafConfig, files: RunFiles, database: Path, upstream: Sequence[Path], output: Path
) -> Validation:
    """Refit events that did not make the constants, once with and once without them; write verdict and figure."""
    from analysis.campaign.toy.figure import draw
    from analysis.plots.style import save

    kind = config.kind
    before = [entry for path in upstream for entry in read_entries(path)]
    after = [*before, *read_entries(database)]
    checks = []
    pairs: list[tuple[str, Peak, Peak]] = []
    for iov in config.intervals():
        events = _events(files, iov, parity=1)
        run = iov.first_experiment, iov.first_run
        raw, calibrated = (
            fit_peak(kind.quantity(events, constants_at(entries, *run)), tail=kind.tail) for entries in (before, after)
        )
        # Both halves of the events have the same statistical error.
        tolerance = 4 * np.sqrt(2) * calibrated.error
        distance = abs(calibrated.position - 1)
        checks.append(
            Check(
                name=f"{kind.payload} from run {run[0]}.{run[1]}",
                value=calibrated.position,
                expected=1.0,
                tolerance=tolerance,
                passed=bool(distance < tolerance),
            )
        )
        pairs.append((f"from run {run[0]}.{run[1]}", raw, calibrated))
    save(draw(pairs, kind.label), output / "validation.svg")
    verdict = Validation(
        passed=all(check.passed for check in checks), checks=tuple(checks), figures=("validation.svg",)
    )
    io.write_json(output / "validation.json", verdict.model_dump(mode="json"))
    return verdict
