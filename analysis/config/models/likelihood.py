"""From scored events to μ: templates, systematic uncertainties, fit, combination."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from analysis.basf2 import BeamEnergy, SampleType
from analysis.config.models.base import CutText, Fraction, Model, Name, Positive


class Axis(Model):
    """One axis of a channel's histogram."""

    column: str
    edges: Annotated[tuple[float, ...], Field(min_length=2)]
    """Bin edges; rows outside belong to no bin. The last edge is inclusive."""

    @field_validator("edges")
    @classmethod
    def _rising(cls, edges: tuple[float, ...]) -> tuple[float, ...]:
        if any(high <= low for low, high in pairwise(edges)):
            raise ValueError("edges must rise")
        return edges


class Channel(Model):
    """One channel of the likelihood: a region and its bins."""

    name: Name
    cut: CutText = ""
    """Expression that defines the region; empty takes every preselected event."""
    axes: Annotated[tuple[Axis, ...], Field(min_length=1)]
    beam_energy: BeamEnergy = BeamEnergy.ON_RESONANCE
    """Which samples it holds: those of the Υ(4S), or `4S_offres`, off-resonance data and continuum simulated so."""
    signal_region: bool = True
    """Data in it are neither histogrammed nor plotted while the analysis is blinded; false, always, off resonance."""

    @model_validator(mode="before")
    @classmethod
    def _no_signal(cls, raw: Any) -> Any:
        off = isinstance(raw, dict) and raw.get("beam_energy") == BeamEnergy.OFF_RESONANCE
        if off and raw.get("signal_region"):
            raise ValueError("`signal_region: true` off resonance, where there is no signal; leave it out")
        return raw | {"signal_region": False} if off else raw

    @property
    def off_resonance(self) -> bool:
        """Whether it holds collisions below the Υ(4S)."""
        return self.beam_energy is BeamEnergy.OFF_RESONANCE


class Templates(Model):
    """Channels and bins of the likelihood."""

    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    empty_bin_floor: Positive = 1e-6
    """Expected events put into a bin that no simulated row reaches; each such bin is reported."""

    @field_validator("channels")
    @classmethod
    def _unique(cls, channels: tuple[Channel, ...]) -> tuple[Channel, ...]:
        twice = [n for n, count in Counter(c.name for c in channels).items() if count > 1]
        if twice:
            raise ValueError(f"two channels are named {twice[0]!r}")
        return channels


NORMALISATION: dict[SampleType, float] = {
    kind: 0.5 for kind in SampleType if not kind.is_data and kind is not SampleType.SIGNAL
}


class Systematics(Model):
    """Sizes of the systematic uncertainties; a size of 0 switches one off."""

    normalisation: dict[SampleType, Annotated[float, Field(ge=0, lt=1)]] = NORMALISATION
    """Relative normalisation uncertainty of each background (`mu_bkg_*`), below one: its low side is positive.
    Those not named keep the default; 0 switches one off."""
    tracking: Fraction = 0.003
    """Tracking efficiency, relative, per charged track of the candidate (`corr_trackingEff`)."""
    luminosity: bool = True
    """`corr_lumi`, with the dataset's uncertainty, on continuum."""
    off_resonance: Fraction = 0.05
    """`corr_contD`, on continuum in off-resonance channels: what their normalisation says of on-resonance continuum."""
    n_bb: bool = True
    """`corr_bb`, with the dataset's uncertainty, on signal and BB̄."""
    kaon_id: bool = True
    """`corr_pid`, from the table of `weights: kaon_id:`."""
    form_factor: bool = True
    """`corr_ff`, on the signal's q² spectrum."""
    reconstruction: bool = True
    """`corr_neutralGamma`, `corr_neutralUnmatched`, `corr_KLeff`, `corr_beamBackground`, `corr_beamEnergy`,
    `corr_trackVeto`, from alternative columns of the ntuples (`roeEextra_gammaUp` …); left out, and reported, where an
    ntuple lacks them."""
    simulation_statistics: bool = True
    """`uncorr_*`, one parameter per bin and sample."""
    pruning: Fraction = 1e-4
    """A shape variation that changes no bin by more than this fraction is dropped, and logged."""

    @field_validator("normalisation")
    @classmethod
    def _backgrounds(cls, normalisation: dict[SampleType, float]) -> dict[SampleType, float]:
        wrong = [kind.value for kind in normalisation if kind.is_data or kind is SampleType.SIGNAL]
        if wrong:
            raise ValueError(
                f"{' and '.join(map(repr, wrong))} cannot have a normalisation uncertainty: data are what they are, "
                "and the signal's normalisation is μ itself; name backgrounds only"
            )
        # Who changes one must not lose the others.
        return NORMALISATION | normalisation


class Fit(Model):
    """The likelihood fit."""

    level: Annotated[float, Field(gt=0, lt=1)] = 0.90
    """Confidence level of the upper limit."""
    scan: tuple[float, float] = (-5.0, 10.0)
    """Range of μ in the likelihood scan."""
    scan_points: Annotated[int, Field(ge=2, le=1000)] = 31
    toys: Annotated[int, Field(ge=2, le=1_000_000)] = 2500
    """Toys at each true μ. They tell whether the asymptotic intervals cover; if not, as many more give Neyman's."""
    contours: tuple[str, ...] = ()
    """Parameters over which, with μ, `snakemake studies` scans the likelihood."""
    true_values: Annotated[tuple[float, ...], Field(min_length=1)] = (0.0, 1.0, 2.0, 5.0)
    """True μ at which coverage is measured."""

    @field_validator("scan")
    @classmethod
    def _rising(cls, scan: tuple[float, float]) -> tuple[float, float]:
        if not scan[0] < scan[1]:
            raise ValueError(f"the range must rise, but {scan[0]:g} is not below {scan[1]:g}; lower end first")
        return scan


class Combination(Model):
    """Other workspaces to combine our result (SL) with, and to stand beside it."""

    workspaces: Annotated[dict[Name, str], Field(min_length=1)]
    """Label to pyhf workspace, combined with ours. Events that two analyses share are counted twice."""
    compare: dict[Name, str] = {}
    """Label to pyhf workspace that only stands beside the combination; ITA: the published likelihood's file."""
    channels: dict[Name, Annotated[tuple[str, ...], Field(min_length=1)]] = {}
    """Label to beginnings of the names of the channels to keep; all where it is missing."""
    map: str
    """File that tells which parameters are shared; `python -m analysis combine --help`."""

    @model_validator(mode="after")
    def _labels(self) -> Self:
        labels = ["SL", *self.workspaces, *self.compare]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"the label {label!r} occurs twice (SL is ours)")
        for label in self.channels:
            if label not in labels[1:]:
                raise ValueError(f"channels of {label!r}, which is none of {labels[1:]}")
        return self
