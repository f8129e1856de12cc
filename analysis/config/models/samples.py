"""What is analysed: the data set, and the samples of ntuples."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from analysis.basf2 import DEFAULT_TREE, SampleType
from analysis.config.models.base import Fraction, Model, Name, NonNegative, Positive


class Dataset(Model):
    """The collision data that the analysis is about, and the constants that turn simulation into expected events."""

    luminosity: Positive = 365.0
    """On-resonance luminosity, fb⁻¹."""
    luminosity_uncertainty: Fraction = 0.01
    """Relative."""
    n_bb: Positive = 387e6
    """Number of Υ(4S) → BB̄ events in that luminosity."""
    n_bb_uncertainty: Fraction = 0.015
    """Relative."""
    f_charged: Annotated[float, Field(gt=0, lt=1)] = 0.516
    """Fraction of Υ(4S) → B⁺B⁻; the rest is B⁰B̄⁰."""
    branching_fraction_sm: Positive = 4.97e-6
    """B(B⁺ → K⁺νν̄) that μ = 1 stands for: Standard Model, short distance (arXiv:2311.14647)."""
    branching_fraction_sm_uncertainty: NonNegative = 0.37e-6
    """Its theory uncertainty; kept apart from the measurement's."""
    sqrt_s: Positive = 10.57934
    """Centre-of-mass energy, GeV."""
    cross_sections: dict[SampleType, Positive] = {
        SampleType.UUBAR: 1.61,
        SampleType.DDBAR: 0.40,
        SampleType.SSBAR: 0.38,
        SampleType.CCBAR: 1.33,
        SampleType.TAUPAIR: 0.92,
    }
    """Continuum cross sections, nb."""


class Sample(Model):
    """A set of ntuples of one kind."""

    name: Name
    """Short name, used in file names and in the workspace."""
    type: SampleType
    """What it holds."""
    files: tuple[str, ...] = ()
    """Paths or glob patterns, relative to the working directory; empty when `simulated`."""
    simulated: bool = False
    """The workflow makes the files itself, by `rule simulate` (the toy)."""
    tree: str = DEFAULT_TREE
    """Name of the tree in the files."""
    aliases: dict[str, str] = {}
    """Column of the data model → your branch or basf2 expression."""
    metadata: tuple[str, ...] = ()
    """Metadata sidecars (paths or glob patterns); empty: `<file>.metadata.json` beside each file."""
    generated_events: Positive | None = None
    """Number of generated events; default: the sum of `mcEvents` in the sidecars."""
    luminosity: Positive | None = None
    """Equivalent luminosity, fb⁻¹; instead of `generated_events`."""

    @model_validator(mode="after")
    def _source(self) -> Self:
        if self.simulated == bool(self.files):
            raise ValueError("give either `files:` or `simulated: true`")
        if self.generated_events and self.luminosity:
            raise ValueError("give either `generated_events:` or `luminosity:`, not both")
        return self
