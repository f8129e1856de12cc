"""What ``validation/generator.json`` and ``validation/simulation.json`` hold."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from analysis.basf2 import SampleType
from analysis.provenance import Provenance


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Check(_Frozen):
    """One statement that is true or not.

    Attributes
    ----------
    group, name
        What is checked.
    found, expected
        For a reader: with units, errors and source.
    passed
        None where there is nothing to fail: a number put beside another for information.
    note
        Why they may differ.
    """

    group: str
    name: str
    found: str
    expected: str
    passed: bool | None
    note: str = ""


class Counted(_Frozen):
    """A histogram normalised to one: fraction and its error per bin, and the size of the sample."""

    fraction: tuple[float, ...]
    error: tuple[float, ...]
    rows: int
    n_effective: float
    """Equivalent number of independent rows."""


class Comparison(_Frozen):
    """Distributions of one column in two samples that should agree."""

    column: str
    edges: tuple[float, ...]
    first: Counted
    second: Counted
    p_value: float
    """Kolmogorov–Smirnov, from unbinned values and effective sizes."""


class Spectrum(_Frozen):
    """A measured spectrum beside the exact one: fractions per bin."""

    edges: tuple[float, ...]
    measured: Counted
    expected: tuple[float, ...]


class Efficiency(_Frozen):
    """An efficiency over one variable: Clopper–Pearson intervals at 68 %."""

    column: str
    edges: tuple[float, ...]
    label: str
    passed: tuple[int, ...]
    total: tuple[int, ...]


class Peak(_Frozen):
    """A mass peak: median and half of the central 68 % of true candidates, GeV/c²."""

    name: str
    column: str
    nominal: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    median: float
    median_error: float
    width: float
    width_error: float


class Calibration(_Frozen):
    """Purity of tag candidates against their signal probability, per bin, and the area under the ROC."""

    edges: tuple[float, ...]
    predicted: tuple[float, ...]
    """Mean probability."""
    purity: tuple[float, ...]
    error: tuple[float, ...]
    candidates: tuple[float, ...]
    area: float
    area_of_mode: dict[str, float]


class Composition(_Frozen):
    """Share of each sample type in the background of a region."""

    region: str
    share: dict[SampleType, float]
    error: dict[SampleType, float]
    events: float
    """Expected in the data."""


class Number(_Frozen):
    """One number of the simulated detector and its source (a key of `Validation.sources`)."""

    part: str
    name: str
    value: str
    meaning: str
    source: str


class Generated(_Frozen):
    """What events made for the purpose tell: no sample is looked at."""

    checks: tuple[Check, ...]
    q2: Spectrum
    pools: tuple[Comparison, ...]
    identification: tuple[Efficiency, ...]
    peaks: tuple[Peak, ...]
    calibration: Calibration
    provenance: Provenance | None = None


class Validation(Generated):
    """The whole account: with what the samples tell."""

    composition: tuple[Composition, ...]
    detector: tuple[Number, ...]
    sources: dict[str, str]

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.passed is False)
