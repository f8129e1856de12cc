"""What several analyses expect to measure, and what their combination does.

Each workspace is fitted to its own Asimov data set of μ = 1, with the range of μ of the combination, and unless the
analysis is blinded to its data as well.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import pyhf
from pydantic import JsonValue

from analysis.errors import FitError, choice
from analysis.inference.fit import fit_workspace
from analysis.inference.problem import read_spec
from analysis.inference.results import Sensitivities, Sensitivity

Workspace = Mapping[str, object]


def only(workspace: Workspace, starts: Sequence[str], label: str = "") -> pyhf.Workspace:
    """Keep the channels whose name begins with one of ``starts``.

    Raises
    ------
    FitError
        One of them begins no name, or the workspace is not valid.
    """
    spec = read_spec(copy.deepcopy(dict(workspace)))
    for start in starts:
        if not any(name.startswith(start) for name in spec.channels):
            raise FitError(
                f"No channel begins with '{start}'.",
                where=label,
                expected=choice(start, spec.channels),
                remedy="correct --channels",
            )
    return spec.prune(channels=[name for name in spec.channels if not name.startswith(tuple(starts))])


def sensitivities(
    combined: Workspace,
    inputs: Mapping[str, Workspace],
    compared: Mapping[str, Workspace],
    *,
    level: float = 0.90,
    blinded: bool = False,
    provenance: JsonValue = None,
) -> Sensitivities:
    """Return what each analysis expects at μ = 1, and what it observed.

    Parameters
    ----------
    combined
        The combination; its measurement says which parameter is of interest, and in which range.
    inputs
        Label to workspace of what was combined, in the order to be shown.
    compared
        Likewise of analyses to stand beside it.
    level
        Confidence level of the expected upper limit.
    blinded
        No data are fitted.
    """
    rows = [
        _row(label, _with_range_of(combined, workspace), level, blinded, "input") for label, workspace in inputs.items()
    ]
    rows += [
        _row(label, _with_range_of(combined, workspace), level, blinded, "compared")
        for label, workspace in compared.items()
    ]
    rows.append(_row(" + ".join(inputs), combined, level, blinded, "combination"))
    return Sensitivities(level=level, rows=rows, provenance=provenance)


def _row(label: str, workspace: Workspace, level: float, blinded: bool, role: str) -> Sensitivity:
    expected = fit_workspace(workspace, asimov=1.0, level=level)
    if expected.mu is None or expected.significance is None or expected.upper_limit is None:
        raise FitError(
            "The parameter of interest is no signal strength.",
            where=label,
            found=expected.poi,
            remedy="name one in the map: `poi:`",
        )
    observed = None if blinded else fit_workspace(workspace, level=level)
    return Sensitivity.model_validate(
        {
            "label": label,
            "role": role,
            "n_parameters": expected.n_parameters,
            "mu": expected.mu,
            "significance": expected.significance.observed,
            "upper_limit": expected.upper_limit.expected[2],
            "observed": observed and observed.mu,
            "cross_check": expected.cross_check,
        }
    )


def _with_range_of(combined: Workspace, workspace: Workspace) -> dict[str, object]:
    """Give the parameter of interest the start value and bounds that it has in the combination."""
    there = pyhf.Workspace(dict(combined))["measurements"][0]["config"]
    ranges = [entry for entry in there["parameters"] if entry["name"] == there["poi"]]
    result = copy.deepcopy(dict(workspace))
    config = pyhf.Workspace(result)["measurements"][0]["config"]
    others = [entry for entry in config["parameters"] if entry["name"] != config["poi"]]
    settings = [{**entry, "name": config["poi"]} for entry in ranges]
    measurement = {"name": "measurement", "config": {"poi": config["poi"], "parameters": [*others, *settings]}}
    return {**result, "measurements": [measurement]}
