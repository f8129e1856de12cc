"""What one fit says, one model for each block of ``result.json``.

Numbers that make no sense for a workspace (the upper limit of a constrained parameter, the goodness
of fit of an Asimov data set) are ``None``, written as JSON ``null``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Result(BaseModel):
    """Base of all results: frozen, without unknown fields, finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SignalStrength(Result):
    """The parameter of interest at the maximum of the likelihood."""

    value: float
    error: float = Field(ge=0, description="from the Hessian; at a bound the larger one of MINOS")
    error_lo: float = Field(le=0, description="MINOS, 2ΔNLL = 1, or the distance to the lower bound")
    error_hi: float = Field(ge=0, description="MINOS, 2ΔNLL = 1, or the distance to the upper bound")
    at_bound: tuple[bool, bool] = Field(
        description="whether the lower and upper MINOS limits are the bounds of the parameter"
    )

    @property
    def where(self) -> str:
        """What to say after the value if it, or an end of its interval, lies at a bound; else empty."""
        said = []
        for side, reached, error in zip(("lower", "upper"), self.at_bound, (self.error_lo, self.error_hi), strict=True):
            if reached:
                said.append(f"at its {side} bound" if error == 0 else f"{side} error ends at the bound")
        return f", {' and '.join(said)}" if said else ""


Method = Literal["profile likelihood", "Neyman, toys"]


class Interval(Result):
    """A confidence interval of the parameter of interest.

    Both methods hold the μ whose 2ΔNLL stays below a critical value: the χ²(1) quantile of the level (asymptotic), or
    the quantile among toys at that μ (Neyman's construction, ordered by the likelihood ratio).
    """

    level: float = Field(gt=0, lt=1)
    lower: float
    upper: float
    at_bound: tuple[bool, bool] = Field(description="whether the ends are the bounds of the parameter")
    method: Method
    quoted: bool = Field(
        description="the method to quote: profile likelihood, or toys where a study found that it does not cover"
    )


class Significance(Result):
    """Signed square roots of the profile likelihood ratio, √q(μ₀) = sign(μ̂ − μ₀) √(2ΔNLL), in σ."""

    observed: float = Field(description="of μ̂ over μ = 0")
    sm: float = Field(description="of μ̂ away from μ = 1")


class UpperLimit(Result):
    """CLs upper limit on the parameter of interest (arXiv:1007.1727, test statistic q̃)."""

    level: float = Field(gt=0, lt=1)
    observed: float
    expected: tuple[float, float, float, float, float] = Field(
        description="of background only, nuisance parameters fitted at μ = 0: −2σ … +2σ"
    )
    method: Literal["CLs, asymptotic", "CLs, toys"]


class StandardModel(Result):
    """The branching fraction that μ = 1 stands for, with its theory uncertainty."""

    value: float = Field(gt=0)
    error: float = Field(ge=0)


class BranchingFraction(Result):
    """μ × B_SM; the uncertainty of B_SM is not in the errors but stands apart in ``sm``."""

    value: float
    error: float
    error_lo: float
    error_hi: float
    upper_limit: float | None
    sm: StandardModel


class GoodnessOfFit(Result):
    """Likelihood ratio to the saturated model (S. Baker and R. Cousins, NIM 221 (1984) 437)."""

    statistic: float = Field(description="2 NLL(fit) − 2 NLL(saturated), constraint terms included")
    ndof: int = Field(description="bins plus constraint terms minus free parameters")
    p_value: float | None = Field(description="of χ²(ndof); asymptotic; null without degrees of freedom")
    p_value_toys: float | None = Field(default=None, description="from toys at the best fit, when asked for")
    n_toys: int = 0
    method: Literal["saturated, asymptotic"] = "saturated, asymptotic"


class Parameter(Result):
    """One parameter after the fit."""

    name: str
    value: float
    error: float = Field(description="from the Hessian; 0 when fixed or held at a bound")
    error_lo: float | None = Field(default=None, description="MINOS, when asked for")
    error_hi: float | None = Field(default=None, description="MINOS, when asked for")
    pull: float | None = Field(description="(value − auxiliary measurement) / prior width")
    constraint: float | None = Field(description="error / prior width")
    constraint_type: Literal["none", "normal", "poisson"]
    initial: float
    bounds: tuple[float, float]
    fixed: bool
    at_bound: bool


class Correlations(Result):
    """Correlation matrix of the parameters that were free in the fit."""

    names: list[str]
    matrix: list[list[float]] = Field(description="rounded to 6 decimals")


class ChannelYields(Result):
    """Expected and observed events in the bins of one channel."""

    channel: str
    observed: list[float] = Field(description="the data that were fitted (Asimov data when blinded)")
    samples: dict[str, list[float]] = Field(description="post-fit, by sample")
    total: list[float]
    total_error: list[float] = Field(description="J V Jᵀ with the post-fit covariance V")
    prefit: list[float] = Field(description="total at the initial values")
    prefit_error: list[float] = Field(description="J V₀ Jᵀ, V₀ the prior widths; free factors at rest")


class Yields(Result):
    """Yields of all channels with the covariance of the post-fit totals."""

    channels: list[ChannelYields]
    covariance: list[list[float]] = Field(description="bins in the order of the channels above")


class FitResult(Result):
    """Everything ``result.json`` holds about one fit."""

    poi: str | None
    measurement: str
    mu: SignalStrength | None
    intervals: list[Interval] = Field(description="68.27 % and 90 %; from toys too where a study says so")
    significance: Significance | None
    upper_limit: UpperLimit | None
    branching_fraction: BranchingFraction | None
    goodness_of_fit: GoodnessOfFit | None
    parameters: list[Parameter]
    n_parameters: int = Field(description="all parameters of the model, fixed ones included")
    n_free: int
    nll: float = Field(description="−ln L at the minimum as pyhf normalises it (not doubled)")
    blinded: bool = Field(description="true when no observed number entered: Asimov data were fitted")
    asimov: float | None = Field(description="the μ of the fitted Asimov data set; null for real data")
    correlations: Correlations
    yields: Yields
    engine: str = Field(description="which minimiser gave the numbers")
    cross_check: float = Field(description="2NLL minus pyhf's own evaluation at the same point")
    status: Literal["converged"]
    diagnosis: list[str] = Field(description="what a reader should know about this fit")
    warnings: list[str] = Field(
        default_factory=list, description="those of the diagnosis that belong beside the result: bounds, clipped bins"
    )
    provenance: JsonValue = None


def branching_fraction(mu: SignalStrength, limit: UpperLimit | None, sm: StandardModel) -> BranchingFraction:
    """Convert μ to a branching fraction, B = μ B_SM, without the uncertainty of B_SM."""
    return BranchingFraction(
        value=mu.value * sm.value,
        error=mu.error * sm.value,
        error_lo=mu.error_lo * sm.value,
        error_hi=mu.error_hi * sm.value,
        upper_limit=None if limit is None else limit.observed * sm.value,
        sm=sm,
    )
