"""The training report: what ``training.json`` holds.

All weights are expected events in the data. Arrays of a histogram have one entry per bin; what lies
outside its edges is in ``underflow`` and ``overflow``, what is NaN in ``nan``. "Test" is always
out-of-fold: rows that the trees have not seen.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from analysis.bdt.model import Parameters
from analysis.provenance import Provenance


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Measured(_Frozen):
    """A value with its standard error."""

    value: float
    error: float


class Test(_Frozen):
    """A Kolmogorov–Smirnov test."""

    distance: float
    p_value: float


class Contents(_Frozen):
    """The contents of a histogram; its edges stand beside it."""

    sum_w: tuple[float, ...]
    variances: tuple[float, ...]
    underflow: float = 0.0
    overflow: float = 0.0
    nan: float = 0.0


class SampleSummary(_Frozen):
    """One sample of the training."""

    name: str
    type: str
    is_signal: bool
    rows: int
    units: int
    """Different signal-side decays, or events where rows name none."""
    sum_w: float
    n_eff: float
    """(Σ w)² / Σ w² over rows."""
    n_eff_units: float
    """(Σ w)² over the variance of Σ w, which counts what rows share: see `analysis.sharing`."""
    nan: dict[str, int]
    """Input -> rows in which it is NaN, given to xgboost as missing; only those that occur."""


class Curve(_Frozen):
    """A ROC curve: background efficiency at the report's ``signal_efficiency``."""

    background_efficiency: tuple[float, ...]
    auc: Measured


class FoldReport(_Frozen):
    """The trees trained on all folds but this one."""

    fold: int
    train_rows: int
    test_rows: int
    train: Curve
    test: Curve
    ks_signal: Test
    """Scores of the signal, train against test."""
    ks_background: Test
    """Scores of the background, train against test."""
    agreement_signal: Test
    """Out-of-fold scores of the signal, this fold against all others: whether the folds' trees agree."""
    agreement_background: Test
    """Out-of-fold scores of the background, this fold against all others."""


class ScoreHistograms(_Frozen):
    """The score in equal bins from 0 to 1; train is the mean over the folds' own training rows."""

    edges: tuple[float, ...]
    signal_train: Contents
    signal_test: Contents
    background_train: Contents
    background_test: Contents


class EtaHistograms(_Frozen):
    """η in equal bins, out-of-fold, for every sample. The signal is flat by construction, fold by fold."""

    edges: tuple[float, ...]
    samples: dict[str, Contents]


class InputReport(_Frozen):
    """One input: what it is, how it looks, what it does."""

    name: str
    unit: str
    meaning: str
    edges: tuple[float, ...]
    signal: Contents
    background: Contents
    separation: float
    """½ Σ (s − b)² / (s + b) over the bins, in unit-normalised histograms: 0 identical, 1 disjoint."""
    gain: Measured
    """Share of the trees' total gain; mean and spread over the folds."""
    permutation: Measured
    """Loss of out-of-fold AUC when the column is shuffled within its fold; mean and spread over the folds."""


class Correlations(_Frozen):
    """Correlations within one class, in the order of ``columns``; None where a column is constant."""

    columns: tuple[str, ...]
    """The inputs, then ``bdt_score``, ``eta`` and ``q2_rec``."""
    linear: tuple[tuple[float | None, ...], ...]
    """Pearson's, weighted."""
    rank: tuple[tuple[float | None, ...], ...]
    """Spearman's, weighted: blind to monotone changes of a column, as trees are."""


class Profile(_Frozen):
    """Mean η in bins of q²_rec, with the error of the mean; None in empty bins."""

    edges: tuple[float, ...]
    """GeV²/c⁴."""
    signal: tuple[Measured | None, ...]
    background: tuple[Measured | None, ...]


class Training(_Frozen):
    """The whole report."""

    parameters: Parameters
    folds: int
    samples: tuple[SampleSummary, ...]
    signal_efficiency: tuple[float, ...]
    """Common to all ROC curves."""
    overall: Curve
    """All folds together, out-of-fold."""
    per_fold: tuple[FoldReport, ...]
    score: ScoreHistograms
    eta: EtaHistograms
    inputs: tuple[InputReport, ...]
    correlations_signal: Correlations
    correlations_background: Correlations
    eta_profile: Profile
    provenance: Provenance | None = None
