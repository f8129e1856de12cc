"""What is calibrated: settings of one task, in basf2's fields, and those of copied ("local") payloads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    field_validator,
    model_validator,
)

from analysis import io
from analysis.campaign import documents
from analysis.campaign.documents import Model
from analysis.campaign.primary import Campaign, Command, Name, Tag
from analysis.conditions.findings import Finding
from analysis.errors import nearest

# basf2's `prompt.INPUT_DATA_FILTERS`, by category.
FILTERS: Mapping[str, frozenset[str]] = {
    "Magnet": frozenset({"On", "Off", "Either"}),
    "Beam Energy": frozenset({"No Beam", "4S", "Continuum", "Scan"}),
    "Run Type": frozenset({"beam", "cosmic", "debug", "null", "physics"}),
    "Data Tag": frozenset(
        {
            "hlt_skim",
            "bhabha_all_calib",
            "cosmic_calib",
            "gamma_gamma_calib",
            "hadron_calib",
            "btocharm_calib",
            "mumu_tight_or_highm_calib",
            "offip_calib",
            "radmumu_calib",
            "random_calib",
            "single_gamma_mc",
        }
    ),
    "Data Quality Tag": frozenset(
        {
            ">=30 Minute Run",
            "Bad For Alignment",
            "Good",
            "Good Shifter",
            "Good For PXD",
            "Good Or Recoverable",
            "Good Or Recoverable Shifter",
        }
    ),
}
CATEGORY = {name: category for category, names in FILTERS.items() for name in names}


def filter_name(text: str) -> tuple[str, bool]:
    """Return the name of a filter and whether it is wanted, not excluded by ``NOT``.

    Examples
    --------
    >>> filter_name("NOT On"), filter_name("4S")
    (('On', False), ('4S', True))
    """
    return (text.removeprefix("NOT").lstrip(), False) if text.startswith("NOT ") else (text, True)


def _known_filter(text: str) -> str:
    name, _ = filter_name(text)
    if name not in CATEGORY:
        raise ValueError(f"there is no filter {name!r}; nearest: {nearest(name, CATEGORY)}")
    return text


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Filter = Annotated[str, AfterValidator(_known_filter)]
Format = Annotated[Literal["raw", "cdst", "mdst", "udst"], BeforeValidator(_lower)]


class Kind(BaseModel):
    """What a task's document must tell first."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["local", "raw", "cdst"]


class Task(Model):
    """What all tasks have."""

    kind: Literal["local", "raw", "cdst"]
    """From the folder it was found in."""
    name: Name
    """basf2: at most 64 characters."""
    expert_username: Annotated[str, Field(min_length=1)]
    """Who is asked to review, edit and approve."""
    description: Annotated[str, Field(min_length=1)]
    depends_on: tuple[Name, ...] = ()
    """Tasks whose constants must be there first."""


class Calibration(Task):
    """A calibration of the release: the fields of basf2's `CalibrationSettings`, and how it is run and validated."""

    kind: Literal["raw", "cdst"]
    input_data_formats: Annotated[tuple[Format, ...], Field(min_length=1)]
    input_data_names: Annotated[tuple[str, ...], Field(min_length=1)]
    input_data_filters: dict[str, tuple[Filter, ...]] = Field(default_factory=dict)
    """Per input name; alternatives within a category, all categories required, `NOT x` excludes."""
    expert_config: dict[str, Any] = Field(default_factory=dict)
    """The calibration's own options; `payload_boundaries` [[experiment, run], …] is checked."""
    caf_script: str | None = None
    """Module below `prompt/calibrations`; default: the task's name."""
    command: Command | None = None
    """What runs it; default: the campaign's `command:`."""
    validation: Command | None = None
    """What validates it: must write `{validation}/validation.json`."""
    payloads: tuple[str, ...] = ()
    """Payloads that it must make, no more and no fewer; empty: whatever it makes."""

    @field_validator("input_data_names")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("an input name stands twice")
        return names

    @field_validator("expert_config")
    @classmethod
    def _plain(cls, config: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(config, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"expert_config must be JSON: {error} (a date? put it in quotes)") from None
        boundaries = config.get("payload_boundaries", [])
        if not isinstance(boundaries, list) or not all(map(_is_boundary, boundaries)):
            raise ValueError("payload_boundaries must be a list of [experiment, run]")
        if sorted(boundaries) != boundaries:
            raise ValueError(f"payload_boundaries must rise, not {boundaries}")
        return config

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.input_data_filters and set(self.input_data_filters) != set(self.input_data_names):
            raise ValueError(
                f"the keys of input_data_filters, {sorted(self.input_data_filters)}, "
                f"are not the input_data_names, {sorted(self.input_data_names)}"
            )
        if self.kind not in self.input_data_formats:
            raise ValueError(f"it lies in {self.kind}/, but its input_data_formats are {list(self.input_data_formats)}")
        if self.name in self.depends_on:
            raise ValueError(f"{self.name!r} depends on itself")
        return self


def _is_boundary(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(n) is int and n >= 0 for n in value)


class LocalCopy(Task):
    """Payloads that a subsystem made by itself, copied from its tags into the staging tag."""

    kind: Literal["local"] = "local"
    depends_on: Annotated[tuple[Name, ...], Field(max_length=0)] = ()
    sources: Annotated[dict[Tag, Annotated[tuple[str, ...], Field(min_length=1)]], Field(min_length=1)]
    """Source global tag → names of the payloads to copy."""

    @field_validator("sources")
    @classmethod
    def _once(cls, sources: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        names = [name for payloads in sources.values() for name in payloads]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the payload {twice[0]!r} is copied twice")
        return sources


AnyTask = Calibration | LocalCopy


# What of the campaign decides a task's result; the rest is about people and places.
_DECISIVE = {"iov", "release", "staging_gt", "data", "mcrd", "command", "upload"}


def settings_of(campaign: Campaign, task: AnyTask) -> dict[str, Any]:
    """Return what a task's result rests on: its settings, and what of the campaign's decides. Plain values."""
    return {
        "campaign": campaign.model_dump(mode="json", include=_DECISIVE),
        "task": task.model_dump(mode="json"),
    }


def settings_digest(campaign: Campaign, task: AnyTask) -> str:
    """Return the digest of :func:`settings_of`: what is approved, and what constants are known to be made with."""
    return io.digest(settings_of(campaign, task))


class LocalFile(RootModel[dict[Name, Annotated[dict[Tag, tuple[str, ...]], Field(min_length=1)]]]):
    """A file of the release's `local/`: subsystem → source global tag → names of payloads."""

    model_config = ConfigDict(frozen=True)


def examine_task(path: Path) -> tuple[AnyTask | None, list[Finding]]:
    """Read a reviewed task; return it (None if unusable) and what is wrong with it."""
    probe, findings = documents.examine(path, Kind)
    if probe is None:
        return None, findings
    if probe.kind == "local":
        return _named_as_file(path, *documents.examine(path, LocalCopy))
    return _named_as_file(path, *documents.examine(path, Calibration))


def _named_as_file(path: Path, task: AnyTask | None, findings: list[Finding]) -> tuple[AnyTask | None, list[Finding]]:
    if task is None or task.name == path.stem:
        return task, findings
    finding = Finding(
        "renamed-task",
        "A task's name is not that of its file.",
        file=str(path),
        key="name",
        found=task.name,
        expected=path.stem,
        remedy="change the name back: other tasks and its issue refer to it",
    )
    return None, [finding]
