"""The configuration: frozen models, no unknown keys. Every key has its unit and its default here.

``config/README.md`` and ``workflow/schemas/config.schema.json`` are made from these models.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from analysis.config import checks
from analysis.config.models.base import Model, Name
from analysis.config.models.conditions import ConditionsSettings, Waiver
from analysis.config.models.likelihood import Axis, Channel, Combination, Fit, Systematics, Templates
from analysis.config.models.samples import Dataset, Sample
from analysis.config.models.selection import Bdt, Cut, Preselection, Skim, Weights
from analysis.config.models.simulation import DecayLabel, Planted, Simulation
from analysis.errors import ConfigurationError, nearest

__all__ = [
    "INCONSISTENT",
    "Axis",
    "Bdt",
    "Channel",
    "Combination",
    "ConditionsSettings",
    "Config",
    "Cut",
    "Dataset",
    "DecayLabel",
    "Fit",
    "Planted",
    "Preselection",
    "Sample",
    "Simulation",
    "Skim",
    "Systematics",
    "Templates",
    "Waiver",
    "Weights",
]

# Type of the error that carries what contradicts what across sections.
INCONSISTENT = "inconsistent"


class Config(Model):
    """The whole configuration of one analysis."""

    name: Name
    """Results go to `results/<name>/`."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 20_260_101
    """The one seed; every purpose draws its own stream from it."""
    blinded: bool = True
    """Data in signal regions are left out, and the fit runs on the Asimov data set of μ = 1."""
    dataset: Dataset = Dataset()
    samples: Annotated[tuple[Sample, ...], Field(min_length=1)]
    conditions: ConditionsSettings = ConditionsSettings()
    simulation: Simulation | None = None
    """Only for samples with `simulated: true`."""
    skim: Skim = Skim()
    preselection: Preselection | None = None
    weights: Weights = Weights()
    bdt: Bdt | None = None
    templates: Templates | None = None
    systematics: Systematics = Systematics()
    combination: Combination | None = None
    fit: Fit = Fit()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = checks.problems(self)
        if problems:
            raise PydanticCustomError(INCONSISTENT, "{text}", {"text": "; ".join(problems), "problems": problems})
        return self

    def sample(self, name: str) -> Sample:
        """Return the sample called ``name``.

        Raises
        ------
        ConfigurationError
            There is none; the message names those that there are.
        """
        for sample in self.samples:
            if sample.name == name:
                return sample
        names = [sample.name for sample in self.samples]
        raise ConfigurationError(
            f"The configuration has no sample '{name}'.",
            where="samples",
            found=", ".join(names),
            remedy=f"nearest: {nearest(name, names)}",
        )
