"""The configuration: frozen models, no unknown keys. Every key has its unit and its default here.

``config/README.md`` and ``workflow/schemas/config.schema.json`` are made from these models.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from analysis.basf2 import DEFAULT_TREE, SampleType
from analysis.columns import COLUMNS
from analysis.conditions.settings import ConditionsSettings
from analysis.config import checks
from analysis.errors import ConfigurationError
from analysis.ntuples.expression import Expression

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]


def _parsed(cut: str) -> str:
    if cut:
        try:
            Expression.parse(cut)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
    return cut


# Type of the error that carries what contradicts what across sections.
INCONSISTENT = "inconsistent"
CutText = Annotated[str, AfterValidator(_parsed)]
SIMULATED_TYPES = tuple(kind for kind in SampleType if not kind.is_data)


def nested_models(annotation: Any) -> list[type[BaseModel]]:
    """Return the models inside a type annotation, such as that of a tuple's items."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in nested_models(part)]


class Model(BaseModel):
    """Base of all models: frozen, unknown keys refused, attribute docstrings become descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)


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
    signal_region: bool = True
    """Data in it are neither histogrammed nor plotted while the analysis is blinded."""


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


class Systematics(Model):
    """Sizes of the systematic uncertainties; a size of 0 switches one off."""

    normalisation: dict[SampleType, Annotated[float, Field(ge=0, lt=1)]] = {
        kind: 0.5 for kind in SIMULATED_TYPES if kind is not SampleType.SIGNAL
    }
    """Relative normalisation uncertainty of each background (`mu_bkg_*`), below one: its low side is positive."""
    tracking: Fraction = 0.003
    """Tracking efficiency, relative, per charged track of the candidate (`corr_trackingEff`)."""
    luminosity: bool = True
    """`corr_lumi`, with the dataset's uncertainty, on continuum."""
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
        return normalisation


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


DecayLabel = Literal["SEMILEPTONIC", "D_STAR_STAR", "DK", "D_TO_KL", "K_KL_KL", "K_KS_KL", "K_NN", "K_STAR_NUNU", "TAU"]


class Planted(Model):
    """Differences of the pseudo-data from the simulation, data over simulation; no stage of the analysis reads them."""

    tag_efficiency: dict[int, Positive] = {}
    """Of true tags, by FEI mode of the D⁰ (0: Kπ, 1: Kππ⁰, 3: K3π)."""
    kaon_efficiency: Positive = 1.0
    """Of true kaons."""
    kaon_fake_rate: Positive = 1.0
    """Of everything else that passes as the signal's kaon."""
    e_ecl_slope: Annotated[float, Field(ge=-0.9, le=0.9)] = 0.0
    """Relative change of the number of events from the middle of the E_ECL spectrum (0.75 GeV) to its end (1.5 GeV)."""
    branching_fractions: dict[DecayLabel, NonNegative] = {}
    """Of the decays of the B behind the signal's kaon, by the bits of `Bsig_label`."""


class Simulation(Model):
    """The toy samples that `rule simulate` makes."""

    scale: Positive = 1.0
    """Multiplies all of `decays`."""
    files: Annotated[int, Field(ge=1, le=10_000)] = 2
    """Files per sample; each is made by a job of its own, from seeds of its own."""
    rotations: Annotated[int, Field(ge=1, le=1000)] = 100
    """How often a decay with the best prospects is used, turned at random and paired with another tag; others less."""
    signal_strength: NonNegative = 1.0
    """μ planted in the pseudo-data. No later stage reads it."""
    planted: Planted = Planted()
    """What else is planted in the pseudo-data."""
    decays: dict[SampleType, Annotated[int, Field(gt=0)]] = {}
    """Generator decays or events per sample; pseudo-data take the same numbers, from independent seeds."""

    @field_validator("decays")
    @classmethod
    def _simulated(cls, decays: dict[SampleType, int]) -> dict[SampleType, int]:
        for kind in decays:
            if kind.is_data:
                raise ValueError(f"{kind.value!r} is mixed from the other samples; give no number for it")
        return decays


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
        KeyError
            There is none.
        """
        for sample in self.samples:
            if sample.name == name:
                return sample
        raise KeyError(name)
