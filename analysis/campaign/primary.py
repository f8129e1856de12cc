"""The primary configuration: one YAML that says which bucket is calibrated with what, and where everything lies."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from analysis.campaign import documents
from analysis.campaign.documents import Model
from analysis.conditions.iov import IoV
from analysis.conditions.metadata import State

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Release = Annotated[str, Field(pattern=r"^((pre)?release-\d{2}-\d{2}(-\d{2})?|light-\d{4}-[a-z]+)$")]

TASK_FIELDS = ("python", "task", "caf_config", "input_data", "upstream", "database", "validation", "staging_gt")


def template(text: str) -> str:
    """Return a command's text, or raise if it asks for a placeholder that does not exist."""
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(text) if field is not None]
    except ValueError as error:
        raise ValueError(f"the command's braces do not match: {error}") from None
    unknown = [field for field in fields if field not in TASK_FIELDS]
    if unknown:
        known = ", ".join(f"{{{field}}}" for field in TASK_FIELDS)
        raise ValueError(f"the command asks for {{{unknown[0]}}}; there are {known}")
    if not text.split():
        raise ValueError("the command is empty")
    return text


def _distinct(tags: tuple[str, ...]) -> tuple[str, ...]:
    for tag in tags:
        if tags.count(tag) > 1:
            raise ValueError(f"the global tag {tag!r} stands twice in the chain")
    return tags


def _bounded(iov: IoV) -> IoV:
    if iov.final_experiment < 0 or iov.final_run < 0:
        raise ValueError(f"a bucket has a last experiment and run, but {iov} is open")
    return iov


Command = Annotated[str, AfterValidator(template)]
Chain = Annotated[tuple[Tag, ...], Field(min_length=1), AfterValidator(_distinct)]


class Paths(Model):
    """Where things lie; relative paths start at the working directory."""

    repository: Path
    """The campaigns' git repository, made if missing; never the analysis's own."""
    calibrations: Path
    """The release's settings: `local/*.yaml`, `raw/*`, `cdst/*` (YAML or JSON)."""
    run_database: Path
    """Export of the run database, CSV."""
    files: Path
    """Catalogue of input files, CSV: path, experiment, run, format, data_tag."""
    tags: Path | None = None
    """Text databases of the tags that local calibrations are copied from: `<global tag>/database.txt`."""
    work: Path
    """Where the loop writes: one folder per bucket and task."""


class IssueSettings(Model):
    """Where the campaign's issues are kept."""

    backend: Literal["markdown", "gitlab"] = "markdown"
    """`markdown`: files in the repository; `gitlab`: a project's issues."""
    url: Annotated[str, Field(pattern=r"^https?://[^/]+")] | None = None
    """GitLab server."""
    project: Annotated[str, Field(pattern=r"^[\w.-]+(/[\w.-]+)+$")] | None = None
    """GitLab project, `group/name`."""
    milestone: str | None = None
    """Title of the milestone that all issues get."""
    token_variable: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] = "GITLAB_TOKEN"
    """Environment variable that holds the access token; the token itself is never written down."""

    @model_validator(mode="after")
    def _gitlab_has_a_project(self) -> Self:
        if self.backend == "gitlab" and not (self.url and self.project):
            raise ValueError("the back-end gitlab needs `url:` and `project:`")
        return self


class Campaign(Model):
    """The primary configuration of a campaign."""

    name: Name
    """The bucket's name; its folder is called so."""
    iov: Annotated[IoV, AfterValidator(_bounded)]
    """The bucket: first experiment, first run, last experiment, last run, ends included."""
    release: Release
    """basf2 release that calibrates."""
    staging_gt: Tag
    """Global tag that collects the new payloads."""
    data: Chain
    """Global tags for data, highest priority first; must begin with `staging_gt`."""
    mcrd: Chain
    """Global tags for the run-dependent simulation of the bucket."""
    online: Tag
    """Global tag of the online system: the payloads that nothing recalibrates."""
    patch: Tag | None = None
    """Global tag with corrections."""
    managers: Annotated[tuple[str, ...], Field(min_length=1)]
    """User names that may approve any task; a task's own expert may approve it, too."""
    global_tag_states: dict[Tag, State] = Field(default_factory=dict)
    """States of the tags in the conditions database, for the bucket's record; the staging tag is OPEN unless told."""
    beam_energy: str = "4S"
    """Beam energy of the bucket, as the samples' metadata call it."""
    command: Command = "b2caf-prompt-run local {caf_config} {input_data}"
    """What runs a calibration, unless its settings say otherwise."""
    upload: Command | None = None
    """What puts a task's payloads into the staging tag: `b2conditionsdb upload {staging_gt} {database}`."""
    backend_args: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Passed on in caf_config.json: options of the batch system."""
    issues: IssueSettings = IssueSettings()
    paths: Paths

    @model_validator(mode="after")
    def _chains_hold_the_tags(self) -> Self:
        if self.data[0] != self.staging_gt:
            raise ValueError(f"`data:` must begin with the staging tag {self.staging_gt!r}, not {self.data[0]!r}")
        for key, tag in (("online", self.online), ("patch", self.patch)):
            if tag is not None and tag not in self.data:
                raise ValueError(f"the {key} tag {tag!r} is missing in `data:`")
        return self


def load(path: Path) -> Campaign:
    """Read the primary configuration.

    Raises
    ------
    ConditionsError
        With every mistake at once.
    """
    return documents.read(path, Campaign, "The campaign's configuration has mistakes")


def upstream_words(command: str, values: dict[str, str], upstream: Sequence[str]) -> list[str]:
    """Return a command's words with its placeholders filled in; ``{upstream}`` becomes any number of words.

    Examples
    --------
    >>> upstream_words("fit {caf_config} --on {upstream}", {"caf_config": "a b.json"}, ["x", "y"])
    ['fit', 'a b.json', '--on', 'x', 'y']
    """
    words: list[str] = []
    for word in command.split():
        words += upstream if word == "{upstream}" else [word.format(**values)]
    return words
