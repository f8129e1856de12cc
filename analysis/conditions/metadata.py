"""The metadata sidecar beside an ntuple: basf2's own keys, and a block ``dataset`` of ours.

``b2file-metadata-show --json FILE`` prints what basf2 knows of one file; `FileMetadata` is those
keys. What belongs to the dataset and basf2's object cannot hold (its ``dataDescription`` maps
strings to strings) stands under one further top-level key, ``dataset``: `DatasetMetadata`. The
sidecar of ``signal_0.root`` is called ``signal_0.root.metadata.json``::

    {
      "LFN": "/belle/MC/release-08-02-07/DB00002900/MC16ri_a/prod00035000/s00/e1003/4S/r00000/...",
      "nEvents": 1000, "nFullEvents": 1000,
      "experimentLow": 1003, "runLow": 0, "eventLow": 1,
      "experimentHigh": 1003, "runHigh": 0, "eventHigh": 50000,
      "parents": [], "date": "2026-01-01 00:00:00", "site": "KEK", "user": "analyst",
      "randomSeed": "42", "release": "release-08-02-07", "isMC": true, "mcEvents": 50000,
      "globalTag": "analysis_tools_light-2406-ragdoll,mc_production_MC16_a",
      "dataDescription": {"dataLevel": "udst"}, "steering": "import basf2 ...",
      "dataset": {
        "campaign": "MC16ri_a", "runDependence": "ri", "background": "BGx1",
        "eventType": "charged", "beamEnergy": "4S", "beamEnergyGeV": 10.58,
        "productions": [35000], "luminosity": 10.0, "bucket": null, "feiTraining": "FEIv4_2024",
        "globalTagStates": {"mc_production_MC16_a": "PUBLISHED",
                            "analysis_tools_light-2406-ragdoll": "PUBLISHED"},
        "decayFile": "charged.dec", "runs": [[1003, 0, 1003, 0]], "runLuminosity": [[1003, 0, 10.0]]
      }
    }
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AliasGenerator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from analysis.conditions.iov import IoV

SIDECAR_SUFFIX = ".metadata.json"


class GlobalTagState(StrEnum):
    """State of a global tag in the conditions database; ``UNKNOWN`` where nobody told."""

    OPEN = "OPEN"
    TESTING = "TESTING"
    VALIDATED = "VALIDATED"
    PUBLISHED = "PUBLISHED"
    RUNNING = "RUNNING"
    INVALID = "INVALID"
    UNKNOWN = "UNKNOWN"


def _flag(value: object) -> object:
    # basf2 prints a bool with std::to_string, hence as 0 or 1, where it does not write JSON's own.
    return bool(value) if type(value) is int and value in (0, 1) else value


def _state(value: object) -> object:
    known = isinstance(value, str) and value in GlobalTagState.__members__
    return GlobalTagState(str(value)) if known else value


def _three(value: object) -> object:
    if not (isinstance(value, list | tuple) and len(value) == 3):
        raise ValueError("a run's luminosity is [experiment, run, fb⁻¹]")
    return value


Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
State = Annotated[GlobalTagState, BeforeValidator(_state)]

RunLuminosity = Annotated[tuple[Count, Count, Amount], Field(strict=False), BeforeValidator(_three)]
"""Experiment, run, fb⁻¹."""


class DatasetMetadata(BaseModel):
    """What the file shares with its dataset and basf2's own metadata do not hold.

    Parameters
    ----------
    campaign
        Production campaign: ``MC15ri_b``, ``MC16rd_a``, ``proc13``, ``prompt``, ``toy``.
    run_dependence
        ``ri`` (run-independent, averaged background) or ``rd`` (real runs, their background) for
        simulation; None for data.
    background
        Beam-background overlay, as the production calls it (``BGx1``, ``BGx0``).
    event_type
        ``signal``, ``charged``, ``mixed``, ``uubar`` … or the numeric event type.
    beam_energy
        ``4S``, ``4S_offres``, ``4S_scan``: the energy's name in the logical file name.
    beam_energy_gev
        Centre-of-mass energy, GeV.
    productions
        Production ids.
    luminosity
        This file's share, fb⁻¹: recorded for data, equivalent for simulation.
    bucket
        Calibration bucket; for data (and run-dependent simulation made from one).
    calibration
        Digest of the record with which the campaign of that bucket closed (``conditions.json``).
    fei_training
        Name of the Full Event Interpretation's training.
    global_tag_states
        State of every tag of ``globalTag`` when the metadata were written.
    decay_file
        Decay file of the generator.
    runs
        The runs inside, as intervals with inclusive ends. Without it only the range between
        ``experimentLow``/``runLow`` and ``experimentHigh``/``runHigh`` is known.
    run_luminosity
        ``luminosity`` run by run: experiment, run, fb⁻¹. What is told must add up to it.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=AliasGenerator(alias=to_camel),
        populate_by_name=True,
    )

    campaign: Text
    run_dependence: Literal["ri", "rd"] | None = None
    background: Text | None = None
    event_type: Text | None = None
    beam_energy: Text
    beam_energy_gev: Annotated[float | None, Field(gt=0, alias="beamEnergyGeV")] = None
    productions: Annotated[tuple[Count, ...], Field(strict=False)] = ()
    luminosity: Amount | None = None
    bucket: Text | None = None
    calibration: Digest | None = None
    fei_training: Text | None = None
    global_tag_states: dict[Text, State]
    decay_file: Text | None = None
    runs: Annotated[tuple[IoV, ...], Field(strict=False, min_length=1)] | None = None
    run_luminosity: Annotated[tuple[RunLuminosity, ...], Field(strict=False, min_length=1)] | None = None


class FileMetadata(BaseModel):
    """The keys of ``b2file-metadata-show --json`` and, under ``dataset``, those of ours.

    Build it by field name or by basf2's key; `to_json` writes basf2's keys. Keys that a newer basf2
    may add are accepted and passed over.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        strict=True,
        alias_generator=AliasGenerator(alias=to_camel),
        populate_by_name=True,
    )

    lfn: Annotated[Text, Field(alias="LFN")]
    n_events: Count
    n_full_events: Count | None = None
    experiment_low: Count
    run_low: Count
    event_low: Count
    experiment_high: Count
    run_high: Count
    event_high: Count
    parents: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    date: str = ""
    site: str = ""
    user: str = ""
    random_seed: str = ""
    release: Text
    is_mc: Annotated[bool, BeforeValidator(_flag), Field(alias="isMC")]
    mc_events: Count
    global_tag: Text
    data_description: dict[str, str] = Field(default_factory=dict)
    steering: str = ""
    dataset: DatasetMetadata | None = None

    @property
    def global_tags(self) -> tuple[str, ...]:
        """The names of the global tags, highest priority first."""
        return tuple(name.strip() for name in self.global_tag.split(","))

    def to_json(self) -> str:
        """Return the sidecar's text: basf2's keys, two spaces of indentation, a final newline."""
        return self.model_dump_json(by_alias=True, exclude_none=True, indent=2) + "\n"
