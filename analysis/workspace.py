"""The likelihood as a HistFactory workspace in pyhf's JSON, built from the templates.

Parameters carry the names of the published B⁺ → K⁺νν̄ likelihood (arXiv:2507.12393):

=================================  ================================================================================
``mu``                             normfactor on the signal: the signal strength, free
``mu_bkg_<type>``                  normsys on each background type, 1 ± size
``corr_<source>_c<n>``             histosys, from varied events, one parameter for all channels and samples
``uncorr_<channel>_<sample>``      staterror, statistics of the simulation, one parameter per bin and sample
=================================  ================================================================================

Luminosity is a histosys on continuum like the others, not pyhf's ``lumi`` modifier: signal and BB̄ are normalised to the
number of BB̄ pairs.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, JsonValue

from analysis.basf2 import SampleType
from analysis.columns import COLUMNS
from analysis.config.models import Dataset, Systematics, Weights
from analysis.errors import ConfigurationError, FitError, InputError
from analysis.templates.document import DOWN, UP, ChannelContents, Document, Process

logger = logging.getLogger(__name__)

POI = "mu"
VERSION = "1.0.0"
MEASUREMENT = "measurement"
# Who fits the workspace by hand, without configuration or account, is told by this name.
BLINDED = "blinded: Asimov data of mu = 1"
# Range of μ: at least this far on both sides of zero, and this many expected standard deviations.
LOWEST, HIGHEST, WIDTH = -20.0, 50.0, 20.0
# μ stops a little before a bin's expectation would vanish.
MARGIN = 0.95

Spec = dict[str, JsonValue]
FloatArray = NDArray[np.float64]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Pruned(_Model):
    """A variation that was dropped from one template."""

    parameter: str
    channel: str
    process: str
    largest: float
    """Largest relative change of a bin."""


class Account(_Model):
    """What pyhf's schema has no place for; written beside the workspace as ``workspace.provenance.json``."""

    blinded: bool
    observation: Literal["data", "asimov"]
    """What the observations are: data counts, or (blinded) the sum of the templates at μ = 1 in every channel."""
    poi_bounds: tuple[float, float]
    parameters: dict[str, str]
    """Parameter (or family of staterrors) to its group: normalisation, luminosity, tracking …"""
    definitions: dict[str, str]
    """What μ, the numbers of events, the channels and the columns that divide them stand for, with their units."""
    bins: dict[str, tuple[str, ...]]
    """Channel to the meaning of its bins, in the order of the workspace."""
    pruned: tuple[Pruned, ...]
    provenance: JsonValue = None


class Workspace(_Model):
    """A HistFactory workspace, and the account of it."""

    spec: dict[str, JsonValue]
    """pyhf's JSON."""
    account: Account


def definitions(templates: Document, dataset: Dataset, weights: Weights) -> dict[str, str]:
    """Return what a reader of the workspace must know and cannot see in it."""
    spectrum = (
        "the Standard Model's q² spectrum (f₊ of HPQCD, arXiv:2207.12468)"
        if weights.form_factor == "sm"
        else "the q² spectrum that was generated"
    )
    axes = dict.fromkeys(axis.column for channel in templates.channels for axis in channel.axes)
    known = [COLUMNS[name] for name in axes if name in COLUMNS]
    return {
        POI: f"B(B⁺ → K⁺νν̄) / {dataset.branching_fraction_sm:g}, short distance, with {spectrum}",
        "events": f"those expected in {dataset.luminosity:g} fb⁻¹ with {dataset.n_bb:g} BB̄ pairs, after the selection",
        **{channel.name: channel.cut or "all selected events in these bins" for channel in templates.channels},
        **{column.name: column.meaning + (f" [{column.unit}]" if column.unit else "") for column in known},
    }


def build(
    templates: Document, settings: Systematics, *, meaning: dict[str, str] | None = None, provenance: JsonValue = None
) -> Workspace:
    """Build the workspace.

    The observation is the data where the analysis is not blinded. While it is, it is the Asimov data set of μ = 1 in
    *all* channels: a fit that mixed data in control channels with Asimov data in signal regions would find backgrounds
    that disagree with the latter. Data of control channels stay in ``templates.json``.

    Parameters
    ----------
    templates
        Content of ``templates.json``.
    settings
        Sizes of the normalisation uncertainties, simulation statistics, pruning threshold.
    meaning
        From `definitions`; written into the account.
    provenance
        Written into the account.

    Raises
    ------
    ConfigurationError
        A normalisation uncertainty of 100 % or more; no data although the analysis is not blinded.
    InputError
        The templates hold no data of a channel although the analysis is not blinded.
    """
    channels: list[JsonValue] = []
    observations: list[JsonValue] = []
    pruned: list[Pruned] = []
    signal: list[FloatArray] = []
    background: list[FloatArray] = []
    groups: dict[str, str] = {POI: "signal strength"}
    for channel in templates.channels:
        contents = templates.channel_contents(channel.name)
        samples: list[JsonValue] = []
        own = [process for process in templates.processes if process.name in channel.processes]
        for process in own:
            modifiers, dropped = _modifiers(templates, channel.name, process, contents, settings, groups)
            values = contents.values(process.name)
            samples.append({"name": process.name, "data": values.tolist(), "modifiers": modifiers})
            pruned.extend(dropped)
        channels.append({"name": channel.name, "samples": samples})
        signal.append(_total(contents, own, signal=True))
        background.append(_total(contents, own, signal=False))
        asimov = signal[-1] + background[-1]
        observed = asimov if templates.blinded else _observed(templates, channel.name)
        observations.append({"name": channel.name, "data": observed.tolist()})
    _report_pruned(pruned, templates)
    bounds = poi_bounds(np.concatenate(signal), np.concatenate(background))
    _report_bounds(bounds, templates, signal, background)
    parameters: list[JsonValue] = [{"name": POI, "inits": [1.0], "bounds": [list(bounds)]}]
    spec: dict[str, JsonValue] = {
        "channels": channels,
        "observations": observations,
        "measurements": [
            {"name": BLINDED if templates.blinded else MEASUREMENT, "config": {"poi": POI, "parameters": parameters}}
        ],
        "version": VERSION,
    }
    account = Account(
        blinded=templates.blinded,
        observation="asimov" if templates.blinded else "data",
        poi_bounds=bounds,
        parameters=groups,
        definitions=meaning or {},
        bins={each.name: tuple(b.label for b in each.bins) for each in templates.channels},
        pruned=tuple(pruned),
        provenance=provenance,
    )
    return Workspace(spec=spec, account=account)


def poi_bounds(signal: FloatArray, background: FloatArray) -> tuple[float, float]:
    """Return the range of μ.

    Downwards it reaches as far as every bin's expectation stays positive, with the backgrounds at their nominal
    values: 95 % of the smallest background-to-signal ratio of a bin, and not below −20. Where statistics allow no such
    precision both ends widen to twenty times the error of μ that counting alone would give, 1/√Σ S²/(S+B).

    Parameters
    ----------
    signal, background
        (bins,) expected events at μ = 1, all channels.
    """
    expected = signal + background
    error = 1 / math.sqrt(float(np.sum(signal**2 / expected)))
    reach = math.ceil(WIDTH * error)
    vanishing = float(np.min(_ratio(background, signal)))
    return max(min(LOWEST, -float(reach)), -MARGIN * vanishing), max(HIGHEST, float(reach))


def _ratio(background: FloatArray, signal: FloatArray) -> FloatArray:
    """Return background over signal; infinite where there is no signal: off resonance."""
    return np.divide(background, signal, out=np.full_like(background, np.inf), where=signal > 0)


def _report_bounds(
    bounds: tuple[float, float],
    templates: Document,
    signal: Sequence[FloatArray],
    background: Sequence[FloatArray],
) -> None:
    """Tell which bin keeps μ from going further down, if one does."""
    ratios = [_ratio(b, s) for s, b in zip(signal, background, strict=True)]
    place = int(np.argmin([each.min() for each in ratios]))
    number = int(np.argmin(ratios[place]))
    if bounds[0] > LOWEST:
        logger.warning(
            "μ stays above %.3g: channel %s, bin %d (%s) expects %.3g signal and %.3g background events.",
            bounds[0],
            templates.channels[place].name,
            number,
            templates.channels[place].bins[number].label,
            signal[place][number],
            background[place][number],
        )


def _observed(templates: Document, channel: str) -> FloatArray:
    """Return the data of a channel in an analysis that is not blinded."""
    if not templates.data_samples:
        raise ConfigurationError(
            "There are no data to fit, and the analysis is not blinded.",
            where="samples",
            found="no sample of type data",
            remedy="set `blinded: true` to fit the Asimov data set of μ = 1, or add the data",
        )
    observed = templates.observed(channel)
    if observed is None:
        raise InputError(
            "The templates hold no data of a channel, and the analysis is not blinded.",
            where=f"channel {channel}",
            remedy="rerun the templates with this configuration",
        )
    return observed


def _total(contents: ChannelContents, processes: Sequence[Process], *, signal: bool) -> FloatArray:
    chosen = [contents.values(process.name) for process in processes if (process.type is SampleType.SIGNAL) == signal]
    return np.sum(chosen, axis=0) if chosen else np.zeros_like(contents.values(processes[0].name))


def _modifiers(
    templates: Document,
    channel: str,
    process: Process,
    contents: ChannelContents,
    settings: Systematics,
    groups: dict[str, str],
) -> tuple[list[JsonValue], list[Pruned]]:
    """Return the modifiers of one sample in one channel, and what pruning took away; note the groups of parameters.

    A background without a single row has no modifiers: parameters that scale a floor would mean nothing.
    """
    if process.type is not SampleType.SIGNAL and not process.rows:
        return [], []
    modifiers: list[JsonValue] = [*_normalisation(process, settings, groups)]
    pruned = []
    nominal = contents.values(process.name)
    for variation in templates.variations:
        if process.name not in variation.processes:
            continue
        up = contents.values(process.name, variation.name + UP)
        down = contents.values(process.name, variation.name + DOWN)
        largest = float(np.max(np.abs(np.stack([up, down]) / nominal - 1)))
        if largest <= settings.pruning:
            pruned.append(Pruned(parameter=variation.name, channel=channel, process=process.name, largest=largest))
            continue
        groups[variation.name] = variation.group
        data: JsonValue = {"hi_data": up.tolist(), "lo_data": down.tolist()}
        modifiers.append({"name": variation.name, "type": "histosys", "data": data})
    if settings.simulation_statistics:
        name = f"uncorr_{channel}_{process.name}"
        groups[name] = "simulation statistics"
        errors = np.sqrt(contents.variances(process.name)).tolist()
        modifiers.append({"name": name, "type": "staterror", "data": errors})
    return modifiers, pruned


def _normalisation(process: Process, settings: Systematics, groups: dict[str, str]) -> list[JsonValue]:
    if process.type is SampleType.SIGNAL:
        return [{"name": POI, "type": "normfactor", "data": None}]
    size = settings.normalisation.get(process.type, 0.0)
    if size == 0:
        return []
    if size >= 1:
        raise ConfigurationError(
            "A normalisation uncertainty of 100 % or more cannot be a normsys: its low side is not positive.",
            where=f"systematics.normalisation.{process.type.value}",
            found=size,
            expected="below 1",
            remedy="give a smaller one",
        )
    name = f"mu_bkg_{process.type.value}"
    groups[name] = "background normalisation"
    return [{"name": name, "type": "normsys", "data": {"hi": 1 + size, "lo": 1 - size}}]


def _report_pruned(pruned: Sequence[Pruned], templates: Document) -> None:
    for variation in templates.variations:
        dropped = [each for each in pruned if each.parameter == variation.name]
        if dropped:
            logger.info(
                "%s is pruned from %d of %d templates; its largest change there is %.2g.",
                variation.name,
                len(dropped),
                sum(name in each.processes for each in templates.channels for name in variation.processes),
                max(each.largest for each in dropped),
            )


def validate(spec: Spec) -> Any:
    """Check a workspace against pyhf's schema, build its model and return it.

    Raises
    ------
    FitError
        pyhf refuses it, or an expected count at the suggested parameters is not positive.
    """
    import pyhf

    try:
        model = pyhf.Workspace(spec).model()
    except (pyhf.exceptions.InvalidSpecification, pyhf.exceptions.InvalidModel) as error:
        raise FitError(
            "pyhf refuses the workspace.", found=error, remedy="rerun the templates; if it stays, report it as a bug"
        ) from error
    expected = np.asarray(model.expected_actualdata(model.config.suggested_init()))
    if not np.all(expected > 0):
        raise FitError(
            "A bin expects no events at the initial parameters.",
            where=f"bin {int(np.argmin(expected))} of the model",
            found=float(expected.min()),
            remedy="rerun the templates: they put a floor into every bin; if it stays, report it as a bug",
        )
    return model
