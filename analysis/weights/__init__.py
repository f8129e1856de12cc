"""Event weights: one column per factor, multiplied in one place.

==================  ==========================================================================================
``w_generator``     the generator's weight, ``__weight__``; its mean over all generated events is taken to be one
``w_normalisation`` expected events in the data per generated event, one number per sample
``w_form_factor``   signal: q² from phase space to the Standard Model, mean one over generated phase space
``w_kaon_id``       data/simulation ratio of the kaon identification; see `analysis.weights.kaon_id`
``weight``          their product
==================  ==========================================================================================

Data and off-resonance data have ones everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import formfactors
from analysis.basf2 import WEIGHT_BRANCH, BeamEnergy, SampleType
from analysis.config.models import Dataset
from analysis.config.models.samples import FB_PER_NB
from analysis.errors import InputError
from analysis.weights.kaon_id import KaonIdTable, Variations, count_outside, kaon_id_variations, look_up

__all__ = [
    "FACTORS",
    "KaonIdTable",
    "Normalisation",
    "Variations",
    "Weighted",
    "count_outside",
    "kaon_id_variations",
    "normalisation",
    "weigh",
]

Array = NDArray[Any]
Columns = Mapping[str, Array]

FACTORS = ("w_generator", "w_normalisation", "w_form_factor", "w_kaon_id")


@dataclass(frozen=True)
class Normalisation:
    """How a sample is scaled to the data.

    Attributes
    ----------
    factor
        Expected events per generated event.
    expected_events
        Events of this kind in the data's luminosity, before any cut; None for data.
    generated_events
        Generated events; None for data, and where the sample's size is told by its luminosity.
    rule
        The formula, in words.
    """

    factor: float
    expected_events: float | None
    generated_events: float | None
    rule: str


@dataclass(frozen=True)
class Weighted:
    """The weights of a table.

    Attributes
    ----------
    columns
        ``FACTORS`` and ``weight``: (n,) float64 each.
    normalisation
        How the sample was scaled.
    kaon_id_bin
        (n,) int64: bin of the kaon ID table, see `analysis.weights.kaon_id.look_up`; None where no table was applied.
    """

    columns: dict[str, NDArray[np.float64]]
    normalisation: Normalisation
    kaon_id_bin: NDArray[np.int64] | None


def expected_events(
    kind: SampleType, dataset: Dataset, beams: BeamEnergy = BeamEnergy.ON_RESONANCE
) -> tuple[float, str]:
    """Return the events of a kind in the data before any cut, and the formula.

    Charged and mixed count Υ(4S) decays; signal counts B⁺ → K⁺νν̄ decays (both charges) at μ = 1.
    """
    if kind is SampleType.SIGNAL:
        number = 2 * dataset.n_bb * dataset.f_charged * dataset.branching_fraction_sm
        return number, "2 N_BB f± B_SM / generated"
    if kind is SampleType.CHARGED:
        return dataset.n_bb * dataset.f_charged, "N_BB f± / generated"
    if kind is SampleType.MIXED:
        return dataset.n_bb * (1 - dataset.f_charged), "N_BB (1 − f±) / generated"
    number = dataset.cross_section(kind, beams) * dataset.recorded(beams) * FB_PER_NB
    return number, "σ L / generated" if beams is BeamEnergy.ON_RESONANCE else "σ L off resonance / generated"


def normalisation(
    kind: SampleType,
    dataset: Dataset,
    *,
    beams: BeamEnergy = BeamEnergy.ON_RESONANCE,
    generated_events: float | None = None,
    luminosity: float | None = None,
    sample: str = "",
) -> Normalisation:
    """Return how a sample is scaled to the luminosity of the data taken at its energy.

    Parameters
    ----------
    kind
        What the sample holds.
    dataset
        Luminosity, N_BB, cross sections.
    beams
        Energy of the sample.
    generated_events
        Events generated; takes precedence.
    luminosity
        The sample's equivalent luminosity, fb⁻¹.
    sample
        Named in the error.

    Raises
    ------
    InputError
        Simulation of which neither is known.
    """
    if kind.is_data:
        return Normalisation(1.0, None, None, "data")
    expected, rule = expected_events(kind, dataset, beams)
    if generated_events:
        return Normalisation(expected / generated_events, expected, generated_events, rule)
    if luminosity:
        return Normalisation(dataset.recorded(beams) / luminosity, expected, None, "L of the data / L of the sample")
    raise InputError(
        "A simulated sample cannot be normalised: its size is not known.",
        where=f"sample '{sample}'",
        expected="generated events or an equivalent luminosity",
        remedy="give `generated_events:` or `luminosity:` of the sample, or its metadata sidecars",
    )


def form_factor_weight(q2_gen: Array, *, sample: str = "") -> NDArray[np.float64]:
    """Return the weight of the signal's q² from phase space to the Standard Model.

    Parameters
    ----------
    q2_gen
        (n,) generated mass squared of the neutrino pair, GeV²/c⁴.
    sample
        Named in the error.

    Returns
    -------
    (n,) float64, mean one over generated phase space.

    Raises
    ------
    InputError
        q² is NaN or outside the kinematic range.
    """
    q2 = np.asarray(q2_gen, dtype=np.float64)
    # Masses rounded to float32 on the way may push a value over the end by some 1e-6.
    tolerance = 1e-3
    bad = ~((q2 >= -tolerance) & (q2 <= formfactors.Q2_MAX + tolerance))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            "The signal cannot be reweighted to the Standard Model: generated q² is missing or impossible.",
            where=f"sample '{sample}', column 'q2_gen': {int(bad.sum())} rows, the first is row {row}",
            found=q2[row],
            expected=f"0 to {formfactors.Q2_MAX:.3f} GeV²/c⁴",
            remedy="give q2_gen an alias, or set `weights: form_factor: none` for a sample made with the SM's spectrum",
        )
    return formfactors.sm_weight(np.clip(q2, 0.0, formfactors.Q2_MAX))


def weigh(
    columns: Columns,
    kind: SampleType,
    scale: Normalisation,
    *,
    form_factor: bool,
    kaon_id: KaonIdTable | None,
    sample: str = "",
) -> Weighted:
    """Return all weight factors of a table and their product.

    Parameters
    ----------
    columns
        name -> (n,) array: ``__weight__``, and for simulation the columns that the factors need.
    kind
        What the sample holds.
    scale
        From `normalisation`.
    form_factor
        Reweight the signal's q² to the Standard Model.
    kaon_id
        Table of ratios; None for weights of one.
    sample
        Named in errors.

    Raises
    ------
    InputError
        A column is missing, or a weight is not finite.
    """
    rows = len(next(iter(columns.values())))
    one = np.ones(rows)
    generator, ff, pid = one, one, one
    found: NDArray[np.int64] | None = None
    if not kind.is_data:
        generator = np.asarray(_column(columns, WEIGHT_BRANCH, sample), dtype=np.float64)
        if form_factor and kind is SampleType.SIGNAL:
            ff = form_factor_weight(_column(columns, "q2_gen", sample), sample=sample)
        if kaon_id is not None:
            for name in ("K_p", "K_theta", "K_charge", "K_mcPDG"):
                _column(columns, name, sample)
            found = look_up(kaon_id, columns)
            pid = kaon_id.ratio[found]
    factors = dict(zip(FACTORS, (generator, one * scale.factor, ff, pid), strict=True))
    weight = math.prod(factors.values(), start=one)
    _check_finite(weight, factors, sample)
    return Weighted(
        columns={**factors, "weight": weight},
        normalisation=scale,
        kaon_id_bin=found,
    )


def _column(columns: Columns, name: str, sample: str) -> Array:
    if name not in columns:
        raise InputError(
            "An event weight needs a column that the table lacks.",
            where=f"sample '{sample}', column '{name}'",
            remedy="keep it in the skim, or give it an alias in the sample's configuration",
        )
    return columns[name]


def _check_finite(weight: Array, factors: Columns, sample: str) -> None:
    bad = ~np.isfinite(weight)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            "An event weight is not finite.",
            where=f"sample '{sample}': {int(bad.sum())} rows, the first is row {row}",
            found=", ".join(f"{name} = {values[row]}" for name, values in factors.items()),
            remedy="mend the ntuple's weights",
        )
