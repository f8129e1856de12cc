"""What a workspace must fulfil before any fit; pyhf accepts more than a fit survives.

Every error names channel, sample, bin and modifier as far as they are known.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyhf

from analysis.errors import FitError, nearest

# How many settings that set nothing are told one by one.
MOST = 3


def check_kind(workspace: object) -> None:
    """Demand a JSON object with channels: what is neither is no workspace at all."""
    if not isinstance(workspace, Mapping):
        raise FitError(
            "The file is not a pyhf workspace.",
            found=type(workspace).__name__,
            expected="a JSON object with channels, observations and measurements",
            remedy="give a workspace, as `workspace` or `combine` write it",
        )
    if not workspace.get("channels"):
        raise FitError(
            "The file is not a pyhf workspace: it has no channels.",
            where="channels",
            found="the keys " + ", ".join(map(str, list(workspace)[:8])) if workspace else "an empty object",
            expected="channels, observations and measurements",
            remedy="give a workspace, as `workspace` or `combine` write it",
        )


def check_numbers(workspace: Mapping[str, Any]) -> None:
    """Demand finite numbers everywhere, non-negative observations and uncertainties, positive normsys factors.

    Parameters
    ----------
    workspace
        Valid by pyhf's schema, which knows nothing of these.
    """
    for channel in workspace["channels"]:
        for sample in channel["samples"]:
            place = f"channel '{channel['name']}', sample '{sample['name']}'"
            _finite(sample["data"], place)
            for modifier in sample["modifiers"]:
                _check_modifier(modifier, place)
    for observation in workspace["observations"]:
        place = f"observations of channel '{observation['name']}'"
        _finite(observation["data"], place)
        for index, value in enumerate(observation["data"]):
            if value < 0:
                raise FitError(
                    "Observed data are negative.",
                    where=f"{place}, bin {index}",
                    found=value,
                    remedy="counts are 0 or more: subtract nothing from data",
                )


def _check_modifier(modifier: Mapping[str, object], place: str) -> None:
    place = f"{place}, {modifier.get('type')} '{modifier.get('name')}'"
    data = modifier.get("data")
    if isinstance(data, Mapping):
        for key, values in data.items():
            _finite(values if isinstance(values, list) else [values], f"{place}, '{key}'")
        if modifier.get("type") == "normsys":
            for key in ("hi", "lo"):
                factor = data.get(key)
                if isinstance(factor, int | float) and factor <= 0:
                    raise FitError(
                        "A normsys factor is not positive: its logarithm enters the interpolation.",
                        where=f"{place}, '{key}'",
                        found=factor,
                        remedy="use a histosys, or a factor above 0",
                    )
    elif isinstance(data, list):
        _finite(data, place)
        for index, value in enumerate(data):
            if isinstance(value, int | float) and value < 0:
                raise FitError(
                    "An uncertainty is negative.",
                    where=f"{place}, bin {index}",
                    found=value,
                    remedy="give its absolute value",
                )


def _finite(values: object, place: str) -> None:
    if not isinstance(values, list):
        return
    for index, value in enumerate(values):
        if isinstance(value, int | float) and not math.isfinite(value):
            raise FitError(
                "A number is not finite.",
                where=f"{place}, bin {index}",
                found=value,
                remedy="correct it, or make the histogram again",
            )


def check_structure(spec: pyhf.Workspace) -> None:
    """Demand distinct names, samples of one length, and observations of that length."""
    _distinct([channel["name"] for channel in spec["channels"]], "channels", "channels")
    _distinct([entry["name"] for entry in spec["observations"]], "channels", "observations")
    for channel in spec["channels"]:
        place = f"channel '{channel['name']}'"
        _distinct([sample["name"] for sample in channel["samples"]], "samples", place)
        n_bins = len(channel["samples"][0]["data"])
        for sample in channel["samples"]:
            if len(sample["data"]) != n_bins:
                raise FitError(
                    "Samples of a channel differ in their number of bins.",
                    where=f"{place}, sample '{sample['name']}'",
                    found=f"{len(sample['data'])} bins",
                    expected=f"{n_bins}, as '{channel['samples'][0]['name']}' has",
                    remedy="fill all samples of a channel in the same bins",
                )
            for modifier in sample["modifiers"]:
                _same_length(modifier, n_bins, f"{place}, sample '{sample['name']}'")
        observed = spec.observations.get(channel["name"])
        if observed is None:
            raise FitError(
                "A channel has no observations.", where=place, remedy="add it to 'observations' of the workspace"
            )
        if len(observed) != n_bins:
            raise FitError(
                "Observations and expectation differ in their number of bins.",
                where=place,
                found=f"{len(observed)} observed",
                expected=f"{n_bins} bins",
                remedy="fill data and samples of a channel in the same bins",
            )


def _same_length(modifier: Mapping[str, Any], n_bins: int, place: str) -> None:
    data = modifier["data"]
    histograms = data.items() if isinstance(data, Mapping) else [("data", data)]
    for key, values in histograms:
        if isinstance(values, list) and len(values) != n_bins:
            raise FitError(
                "A modifier and its sample differ in their number of bins.",
                where=f"{place}, {modifier['type']} '{modifier['name']}', '{key}'",
                found=f"{len(values)} bins",
                expected=f"{n_bins} bins",
                remedy="fill variations and samples in the same bins",
            )


def _distinct(names: Sequence[str], what: str, place: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise FitError(
            f"Two {what} have one name.",
            where=place,
            found=", ".join(f"'{name}'" for name in twice),
            remedy="rename one of them",
        )


def check_settings(spec: pyhf.Workspace, settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Check the measurement's settings of parameters; return notes on those that set nothing.

    Raises
    ------
    FitError
        Bounds or start values that no fit can begin with, or a luminosity without its auxiliary measurement.
    """
    names = {name for name, _ in spec.modifiers}
    set_here = {entry["name"]: entry for entry in settings}
    for name, kind in spec.modifiers:
        if kind == "lumi" and not {"auxdata", "sigmas"} <= set_here.get(name, {}).keys():
            raise FitError(
                "A luminosity has no auxiliary measurement.",
                where=f"lumi '{name}'",
                expected="'auxdata' and 'sigmas' under parameters of the measurement",
                remedy="add them, or make the modifier a normsys",
            )
    for name, entry in set_here.items():
        _check_bounds(name, entry)
    notes = [
        f"settings of '{name}', which is no parameter (nearest: {nearest(name, names)})"
        for name in set_here
        if name not in names
    ]
    if len(notes) > MOST:
        # Public workspaces of one region set the parameters of all regions.
        unknown = [name for name in set_here if name not in names]
        notes = [f"settings of {len(unknown)} names that are no parameters: {', '.join(map(repr, unknown[:MOST]))} …"]
    channels = [channel["name"] for channel in spec["channels"]]
    return [
        *notes,
        *(f"observations of '{name}', which is no channel" for name in spec.observations if name not in channels),
    ]


def _check_bounds(name: str, entry: Mapping[str, Any]) -> None:
    starts = entry.get("inits", [])
    for k, (low, high) in enumerate(entry.get("bounds", [])):
        if not (math.isfinite(low) and math.isfinite(high)):
            raise FitError(
                "A bound is not finite.",
                where=f"parameter '{name}'",
                found=f"{low}, {high}",
                remedy="give wide ones, of 1e6 say, or leave them to pyhf's default",
            )
        if not low < high:
            raise FitError(
                "The bounds of a parameter do not rise.",
                where=f"parameter '{name}'",
                found=f"{low}, {high}",
                remedy="give the lower one first; 'fixed: true' holds a parameter",
            )
        if k < len(starts) and not low <= starts[k] <= high:
            raise FitError(
                "A parameter starts outside its bounds.",
                where=f"parameter '{name}'",
                found=starts[k],
                expected=f"{low} to {high}",
                remedy="correct its 'inits' or 'bounds'",
            )
    for key in ("inits", "auxdata", "sigmas"):
        for value in entry.get(key, []):
            if not math.isfinite(value):
                raise FitError(
                    "A number is not finite.",
                    where=f"parameter '{name}', '{key}'",
                    found=value,
                    remedy="correct it, or leave it to pyhf's default",
                )
