"""What the bookkeeping of conditions needs beside the samples' metadata."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from analysis.conditions.metadata import State
from analysis.config.models.base import Model


class Waiver(Model):
    """A finding of the gate that is known and accepted."""

    finding: Annotated[str, Field(min_length=1)]
    """Its code, as the message shows it in brackets: `tag-state`, `run-gap` …"""
    samples: tuple[str, ...] = ()
    """Only findings that concern no other samples than these; empty: all."""
    reason: Annotated[str, Field(min_length=15)]
    """Why it is accepted, in a sentence: it appears in the ledger and in the report."""


class ConditionsSettings(Model):
    """Bookkeeping of conditions: further sources, and what the gate accepts."""

    waivers: tuple[Waiver, ...] = ()
    """Accepted findings, each with its reason."""
    global_tag_states: dict[str, State] = {}
    """States of global tags that the metadata do not tell, from the conditions database."""
    databases: tuple[str, ...] = ()
    """Text databases (`database.txt`) and `b2conditionsdb` dumps (`.sqlite`) that hold the tags' payloads."""
    buckets: tuple[str, ...] = ()
    """Closing records of calibration campaigns (`conditions.json`): what samples of these buckets must agree with.
    Pseudo-data that the workflow simulates are of these buckets."""
    run_information: str | None = None
    """CSV of the run database: experiment, run, luminosity … (luminosity per run and bucket is checked with it)."""
    luminosity_tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Relative deviation, bucket by bucket, of simulated from recorded luminosity that needs no waiver."""
