"""What several fits say together: scans, impacts, toys, limits, sensitivities."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from analysis.inference.results.single import Method, Result, SignalStrength, UpperLimit


class ScanPoint(Result):
    """Profile likelihood at one value of the scanned parameters."""

    values: tuple[float, ...]
    twice_delta_nll: float


class Scan(Result):
    """Profile likelihood over a grid."""

    parameters: tuple[str, ...]
    minimum: tuple[float, ...]
    points: list[ScanPoint]
    asimov: float | None
    engine: str
    cross_check: float = Field(description="2NLL minus pyhf's own evaluation at the minimum")
    remarks: list[str] = Field(default_factory=list, description="how the fits were found, where not as usual")
    provenance: JsonValue = None


class Impact(Result):
    """The effect of one parameter on the parameter of interest."""

    name: str
    value: float
    error: float
    error_lo: float = Field(description="where the parameter was held for ``down``, relative to its value")
    error_hi: float = Field(description="where the parameter was held for ``up``, relative to its value")
    pull: float | None
    constraint: float | None
    up: float = Field(description="shift of μ̂ with the parameter held at value + error_hi")
    down: float = Field(description="shift of μ̂ with the parameter held at value + error_lo")


class GroupShare(Result):
    """A group's share of σ(μ), √(σ² − σ²(group held)); negative for a negative remainder."""

    name: str
    sigma: float
    parameters: list[str]


class Impacts(Result):
    """Ranking of all parameters and breakdown of σ(μ) into groups."""

    poi: str
    value: float
    error: float
    impacts: list[Impact] = Field(description="largest first")
    groups: list[GroupShare]
    asimov: float | None
    engine: str
    cross_check: float = Field(description="2NLL minus pyhf's own evaluation at the minimum")
    remarks: list[str] = Field(default_factory=list, description="how the fits were found, where not as usual")
    provenance: JsonValue = None


class Coverage(Result):
    """How often an interval held the truth."""

    level: float = Field(description="nominal")
    method: Method
    covered: float
    interval: tuple[float, float] = Field(description="Clopper–Pearson, 95 %")
    passed: bool = Field(description="whether the covered share lies within the tolerance of the level")


class ToyPoint(Result):
    """Toys at one true value of the parameter of interest."""

    mu: float
    n: int
    n_failed: int = Field(description="toys whose fit failed; left out of the rest")
    n_negative: int = Field(
        description="toys whose best fit would expect less than nothing in an empty bin, where the model takes 0"
    )
    mean: float
    bias: float = Field(description="mean of μ̂ − μ")
    bias_error: float
    spread: float = Field(description="standard deviation of μ̂")
    pull_mean: float | None = Field(
        description="of (μ̂ − μ) / σ, σ from the Hessian of each toy; null where fewer than two toys have an error"
    )
    pull_width: float | None
    coverage: list[Coverage]
    mu_hat: list[float] = Field(description="of the successful toys, in their order")
    pulls: list[float] = Field(description="of those whose Hessian is positive: not all at a bound are")


class BeltPoint(Result):
    """Quantiles of 2ΔNLL(μ) among toys at one true μ."""

    mu: float
    critical: list[float] = Field(description="one for each level")
    n: int = Field(description="toys that were fitted")


class Belt(Result):
    """Neyman's construction: μ is accepted where the observed 2ΔNLL(μ) is not above its critical value.

    The root of the critical value is smoothed, and interpolated linearly between the points.
    """

    levels: list[float]
    points: list[BeltPoint] = Field(min_length=2)
    smoothing: float = Field(gt=0, description="how far around, in μ: width of the Gaussian weights")


class ToyStudy(Result):
    """Bias, pulls and coverage over a grid of true values."""

    poi: str
    asimov: float | None
    seed: int
    nuisances: Literal["auxiliary", "parameters"]
    truth: Literal["nominal", "fitted"] = Field(
        description="the other parameters: initial values, or fitted to the data at each μ"
    )
    tolerance: float
    points: list[ToyPoint]
    belt: Belt | None = Field(description="null where the asymptotic intervals cover, or no belt was asked for")
    quoted: Method = Field(description="which interval to quote: the asymptotic one where it covers")
    passed: bool = Field(description="whether the intervals to be quoted cover at every true value and level")
    cross_check: float = Field(description="2NLL minus pyhf's own evaluation, the largest of one toy of each set")
    remarks: list[str] = Field(default_factory=list, description="how the fits were found, where not as usual")
    engine: str
    provenance: JsonValue = None

    @property
    def too_few(self) -> str:
        """What to say where the number of toys knows the coverage worse than the tolerance; else empty."""
        entries = [entry for point in self.points for entry in point.coverage]
        known = max((entry.interval[1] - entry.interval[0]) / 2 for entry in entries)
        if known <= self.tolerance:
            return ""
        return (
            f"So few toys know the coverage to {100 * known:.1f} % (95 % confidence), not within the tolerance "
            f"of {100 * self.tolerance:g} %: pass and fail mean little."
        )


class ClsPoint(Result):
    """CLs from toys at one value of the parameter of interest."""

    mu: float
    q: float = Field(description="observed q̃")
    cls: float
    cls_error: float = Field(description="from the number of toys")
    expected: tuple[float, float, float, float, float]


class ToyLimit(Result):
    """CLs upper limit from toys."""

    limit: UpperLimit
    error: float = Field(description="of the observed limit, from the number of toys")
    n: int = Field(description="toys for each hypothesis and point")
    seed: int
    points: list[ClsPoint]
    notes: list[str] = Field(description="what the number of toys leaves open")


class FeldmanCousinsPoint(Result):
    """One horizontal slice of the Neyman belt."""

    mu: float
    t: float = Field(description="observed t̃")
    critical: float = Field(description="quantile of t̃ among toys at this μ")


class FeldmanCousins(Result):
    """Unified interval from toys (PRD 57 (1998) 3873), in the physical region μ ≥ 0."""

    level: float
    lower: float
    upper: float
    n: int
    seed: int
    points: list[FeldmanCousinsPoint]


class Sensitivity(Result):
    """What one analysis expects at μ = 1 (Asimov data), and what it observed."""

    label: str
    role: Literal["input", "compared", "combination"]
    n_parameters: int
    mu: SignalStrength = Field(description="of the Asimov data set of μ = 1")
    significance: float = Field(description="expected over μ = 0, in σ")
    upper_limit: float = Field(description="median expected without signal, CLs, asymptotic")
    observed: SignalStrength | None = Field(description="null where the analysis is blinded")
    cross_check: float = Field(description="2NLL minus pyhf's own evaluation at the minimum")


class Sensitivities(Result):
    """Several analyses and their combination, which comes last."""

    level: float = Field(description="confidence level of the upper limits")
    rows: list[Sensitivity]
    provenance: JsonValue = None


class Limits(Result):
    """Upper limits at several levels, and intervals from toys."""

    poi: str
    asymptotic: list[UpperLimit]
    toys: ToyLimit | None
    feldman_cousins: FeldmanCousins | None
    asimov: float | None
    engine: str
    cross_check: float = Field(description="2NLL minus pyhf's own evaluation at the minimum")
    remarks: list[str] = Field(default_factory=list, description="how the fits were found, where not as usual")
    provenance: JsonValue = None
