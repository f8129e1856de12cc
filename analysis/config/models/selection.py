"""From ntuples to scored events: skim, preselection, weights, boosted decision trees."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, field_validator

from analysis.columns import COLUMNS
from analysis.config.models.base import CutText, Model, NonNegative


class Skim(Model):
    """Which rows and columns of the ntuples are kept."""

    cut: CutText = ""
    """Expression over column or branch names; empty keeps all rows."""
    columns: tuple[str, ...] | None = None
    """Columns to keep; default: what the later stages need, and what they can use if the ntuple has it."""
    step: Annotated[int, Field(ge=1000)] = 50_000
    """Rows read at a time: bounds the memory."""
    on_bad_file: Literal["error", "skip"] = "error"
    """A damaged ntuple: stop, or leave it out, list it, and correct the size of the sample (simulation only)."""
    duplicates: Literal["error", "first", "last"] = "error"
    """A branch name that occurs twice in the tree: stop, or take one of the two."""


class Cut(Model):
    """One line of the cut flow."""

    name: str
    """Shown in the cut flow."""
    cut: CutText
    """Expression over columns of the data model."""


class Preselection(Model):
    """The semileptonic selection, in the order of its cut flow; then one candidate per event."""

    cuts: tuple[Cut, ...]

    @field_validator("cuts")
    @classmethod
    def _unique(cls, cuts: tuple[Cut, ...]) -> tuple[Cut, ...]:
        twice = [name for name, count in Counter(cut.name for cut in cuts).items() if count > 1]
        if twice:
            raise ValueError(f"two cuts are named {twice[0]!r}")
        return cuts


class Weights(Model):
    """Factors of the event weight beyond luminosity and generator."""

    kaon_id: str | None = None
    """CSV table of data/simulation ratios of the kaon identification; see "The kaon-identification table" above."""
    form_factor: Literal["sm", "none"] = "sm"
    """Reweighting of the signal's q² from phase space to the Standard Model; `none` if it was generated so."""


class Bdt(Model):
    """Training of the boosted decision trees (xgboost)."""

    inputs: Annotated[tuple[str, ...], Field(min_length=1)]
    """Columns of the data model."""
    folds: Annotated[int, Field(ge=2, le=20)] = 4
    """Cross-validation folds, by a hash of the event (or of the group of rows that share a simulated parent)."""
    trees: Annotated[int, Field(ge=1)] = 300
    depth: Annotated[int, Field(ge=1, le=12)] = 3
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.08
    subsample: Annotated[float, Field(gt=0, le=1)] = 0.7
    column_fraction: Annotated[float, Field(gt=0, le=1)] = 0.7
    """Fraction of the inputs offered to each tree."""
    min_child_weight: NonNegative = 5.0
    """Smallest sum of Hessians in a leaf; weights are scaled to a mean of one, signal and background to equal sums."""

    @field_validator("inputs")
    @classmethod
    def _known(cls, inputs: tuple[str, ...]) -> tuple[str, ...]:
        wrong = []
        for name, number in Counter(inputs).items():
            if name in COLUMNS and COLUMNS[name].truth:
                wrong.append(f"{name!r} is truth: data do not have it")
            if name in COLUMNS and COLUMNS[name].provided_by == "bdt":
                wrong.append(f"{name!r} is made by the BDT itself")
            if name.startswith(("__", "w_")) or name == "weight":
                wrong.append(f"{name!r} is a key or a weight: it says nothing of the decay")
            if number > 1:
                wrong.append(f"{name!r} is given twice")
        if wrong:
            raise ValueError("; ".join(wrong))
        return inputs
