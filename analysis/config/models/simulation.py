"""The toy samples that the workflow makes itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from analysis.basf2 import BeamEnergy, SampleType
from analysis.config.models.base import Model, NonNegative, Positive

DecayLabel = Literal["SEMILEPTONIC", "D_STAR_STAR", "DK", "D_TO_KL", "K_KL_KL", "K_KS_KL", "K_NN", "K_STAR_NUNU", "TAU"]

# Of `decays`, where nothing else is told
OFF_RESONANCE_SHARE = 0.25


def _of_continuum(values: dict[SampleType, float], what: str) -> dict[SampleType, float]:
    wrong = [kind.value for kind in values if not kind.is_continuum]
    if wrong:
        raise ValueError(f"{' and '.join(map(repr, wrong))}: only continuum {what}")
    return values


class Planted(Model):
    """Differences of the pseudo-data from the simulation, data over simulation; no stage of the analysis reads them."""

    tag_efficiency: dict[Annotated[int, Field(ge=0, le=7)], Positive] = {}
    """Of correct tags, by the FEI's `decayModeID`: 0/1 D⁰ e/μ, 2/3 D*⁰, 4/5 D⁺π⁻, 6/7 D*⁺π⁻."""
    kaon_efficiency: Positive = 1.0
    """Of true kaons."""
    kaon_fake_rate: Positive = 1.0
    """Of everything else that passes as the signal's kaon."""
    e_ecl_slope: Annotated[float, Field(ge=-0.9, le=0.9)] = 0.0
    """Relative change of the number of events from the middle of the E_ECL spectrum (0.75 GeV) to its end (1.5 GeV)."""
    branching_fractions: dict[DecayLabel, NonNegative] = {}
    """Of the decays of the B behind the signal's kaon, by the bits of `Bsig_label`."""
    cross_sections: dict[SampleType, NonNegative] = {}
    """Of continuum processes, on and off resonance."""

    @field_validator("cross_sections")
    @classmethod
    def _continuum(cls, factors: dict[SampleType, float]) -> dict[SampleType, float]:
        return _of_continuum(factors, "has a cross section here")


class Simulation(Model):
    """The toy samples that `rule simulate` makes."""

    scale: Positive = 1.0
    """Multiplies all of `decays`."""
    files: Annotated[int, Field(ge=1, le=10_000)] = 2
    """Files per sample; each is made by a job of its own, from seeds of its own. Memory grows with the decays of a
    file: 0.9 GB for 300 000 of B⁺."""
    rotations: Annotated[int, Field(ge=1, le=1000)] = 100
    """How often a decay with the best prospects is used, turned at random and paired with another tag; others less."""
    run_dependent: bool = False
    """Simulated samples have the experiments, runs and beam background of the pseudo-data, as basf2's run-dependent
    campaigns (`MC16rd`) have those of the data; false: run-independent, with one average background (`MC16ri`)."""
    signal_strength: NonNegative = 1.0
    """μ planted in the pseudo-data. No later stage reads it."""
    planted: Planted = Planted()
    """What else is planted in the pseudo-data."""
    off_resonance_share: dict[SampleType, Positive] = {}
    """Events of off-resonance samples relative to `decays`, by type; 0.25 of those not named."""
    decays: dict[SampleType, Annotated[int, Field(gt=0)]] = {}
    """Generator decays or events per sample; pseudo-data take the same numbers, from independent seeds."""

    @field_validator("off_resonance_share")
    @classmethod
    def _continuum(cls, shares: dict[SampleType, float]) -> dict[SampleType, float]:
        return _of_continuum(shares, "is simulated below the Υ(4S)")

    @field_validator("decays")
    @classmethod
    def _simulated(cls, decays: dict[SampleType, int]) -> dict[SampleType, int]:
        for kind in decays:
            if kind.is_data:
                raise ValueError(f"{kind.value!r} is mixed from the other samples; give no number for it")
        return decays

    def events(self, kind: SampleType, beams: BeamEnergy) -> int:
        """Return the generator decays or events of one file of a sample; a hundred at least."""
        share = 1.0 if beams is BeamEnergy.ON_RESONANCE else self.off_resonance_share.get(kind, OFF_RESONANCE_SHARE)
        return max(round(self.decays[kind] * self.scale / self.files * share), 100)
