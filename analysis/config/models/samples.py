"""What is analysed: the data set, and the samples of ntuples."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from analysis.basf2 import DEFAULT_TREE, BeamEnergy, SampleType
from analysis.config.models.base import Fraction, Model, Name, NonNegative, Positive
from analysis.errors import ConfigurationError

FB_PER_NB = 1e6


class Dataset(Model):
    """The collision data that the analysis is about, and the constants that turn simulation into expected events."""

    luminosity: Positive = 365.0
    """On-resonance luminosity, fb⁻¹."""
    luminosity_uncertainty: Fraction = 0.01
    """Relative."""
    n_bb: Positive = 387e6
    """Number of Υ(4S) → BB̄ events in that luminosity: about 1.1 million for each fb⁻¹."""
    n_bb_uncertainty: Fraction = 0.015
    """Relative."""
    f_charged: Annotated[float, Field(gt=0, lt=1)] = 0.516
    """Fraction of Υ(4S) → B⁺B⁻; the rest is B⁰B̄⁰."""
    branching_fraction_sm: Annotated[float, Field(gt=0, lt=1)] = 4.97e-6
    """B(B⁺ → K⁺νν̄) that μ = 1 stands for: Standard Model, short distance (arXiv:2311.14647)."""
    branching_fraction_sm_uncertainty: NonNegative = 0.37e-6
    """Its theory uncertainty; kept apart from the measurement's."""
    sqrt_s: Positive = 10.57934
    """Centre-of-mass energy, GeV."""
    off_resonance_luminosity: Positive | None = None
    """Luminosity of the off-resonance data, fb⁻¹; needed where samples are off-resonance."""
    off_resonance_sqrt_s: Positive = 10.51934
    """Their centre-of-mass energy, GeV."""
    cross_sections: dict[SampleType, Positive] = {
        SampleType.UUBAR: 1.61,
        SampleType.DDBAR: 0.40,
        SampleType.SSBAR: 0.38,
        SampleType.CCBAR: 1.33,
        SampleType.TAUPAIR: 0.92,
    }
    """Continuum cross sections on resonance, nb; off resonance they are larger, as 1/s."""

    @property
    def bb_cross_section(self) -> float:
        """Cross section of e⁺e⁻ → Υ(4S) → BB̄ that the numbers imply, nb."""
        return self.n_bb / self.luminosity / FB_PER_NB

    def energy(self, beams: BeamEnergy) -> float:
        """Return the centre-of-mass energy, GeV."""
        return self.sqrt_s if beams is BeamEnergy.ON_RESONANCE else self.off_resonance_sqrt_s

    def recorded(self, beams: BeamEnergy) -> float:
        """Return the luminosity of the data, fb⁻¹.

        Raises
        ------
        ConfigurationError
            That of the off-resonance data is not given.
        """
        if beams is BeamEnergy.ON_RESONANCE:
            return self.luminosity
        if self.off_resonance_luminosity is None:
            raise ConfigurationError(
                "The luminosity of the off-resonance data is not known.",
                where="dataset.off_resonance_luminosity",
                expected="a number, in fb⁻¹",
                remedy="give it: off-resonance samples are scaled to it",
            )
        return self.off_resonance_luminosity

    def cross_section(self, kind: SampleType, beams: BeamEnergy) -> float:
        """Return the cross section of a continuum process, nb; it falls as 1/s.

        Raises
        ------
        ConfigurationError
            It is not given.
        """
        if kind not in self.cross_sections:
            raise ConfigurationError(
                "A sample cannot be normalised: its cross section is not known.",
                where=f"dataset.cross_sections.{kind.value}",
                remedy="give it, in nb",
            )
        return self.cross_sections[kind] * (self.sqrt_s / self.energy(beams)) ** 2


class Sample(Model):
    """A set of ntuples of one kind."""

    name: Name
    """Short name, used in file names and in the workspace."""
    type: SampleType
    """What it holds."""
    beam_energy: BeamEnergy = BeamEnergy.ON_RESONANCE
    """Energy of the collisions: on the Υ(4S), or `4S_offres`; `type: offres` is off-resonance by itself."""
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

    @model_validator(mode="before")
    @classmethod
    def _energy(cls, raw: Any) -> Any:
        off = isinstance(raw, dict) and raw.get("type") == SampleType.OFFRES
        return {"beam_energy": BeamEnergy.OFF_RESONANCE} | raw if off else raw

    @model_validator(mode="after")
    def _own_energy(self) -> Self:
        off = self.beam_energy is BeamEnergy.OFF_RESONANCE
        if off != (self.type is SampleType.OFFRES) and not (off and self.type.is_continuum):
            raise ValueError(
                f"`beam_energy: {self.beam_energy}` does not go with `type: {self.type}`: data taken below the Υ(4S) "
                "are `type: offres`, and only continuum is simulated there"
            )
        return self

    @model_validator(mode="after")
    def _source(self) -> Self:
        if self.simulated == bool(self.files):
            raise ValueError("give either `files:` or `simulated: true`")
        if self.generated_events and self.luminosity:
            raise ValueError("give either `generated_events:` or `luminosity:`, not both")
        return self
