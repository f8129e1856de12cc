"""From a workspace to a fit problem: the pyhf model, the data, and all checks before a fit.

pyhf accepts numbers that no fit survives (NaN yields, a bin that expects nothing but observed
something); they are found here and named by channel, sample, bin and modifier.

The model is pyhf's with ``clip_bin_data=0.0``: the total expectation of a bin is never below 0. Without it a bin
without data rewards a negative expectation without end, λ − 0·ln λ → −∞, and a strength far below 0 "fits" best.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyhf

from analysis.errors import FitError, choice, nearest
from analysis.inference.checks import check_kind, check_numbers, check_settings, check_structure
from analysis.log import errors_only

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem:
    """A model with data: all that an engine needs to minimise the likelihood.

    Attributes
    ----------
    model
        The pyhf model, the specification of the likelihood.
    data : (n_bins + n_aux,) float64
        Main data in the order of ``model.config.channels``, then auxiliary data.
    names : (P,)
        Parameter names, ``name[i]`` for the components of vectors.
    init, lower, upper : (P,) float64
        Start values and bounds.
    fixed : (P,) bool
        Parameters that the workspace holds constant at ``init``.
    poi
        Index of the parameter of interest, or None.
    central, width : (P,) float64
        Auxiliary measurement and prior width of constrained parameters, NaN of the others.
    constraint : (P,)
        "none", "normal" or "poisson".
    measurement
        Name of the measurement of the workspace.
    notes
        What the reader of the result should know.
    """

    model: pyhf.Model
    data: Floats
    names: tuple[str, ...]
    init: Floats
    lower: Floats
    upper: Floats
    fixed: Bools
    poi: int | None
    central: Floats
    width: Floats
    constraint: tuple[str, ...]
    measurement: str
    notes: tuple[str, ...] = ()

    @property
    def n_bins(self) -> int:
        """Number of bins of the main measurement."""
        return int(self.model.config.nmaindata)

    @property
    def poi_name(self) -> str | None:
        """Name of the parameter of interest."""
        return None if self.poi is None else self.names[self.poi]

    def index_of(self, parameter: str | None) -> int:
        """Return the index of a parameter by name, of the parameter of interest when None."""
        if parameter is None:
            if self.poi is None:
                raise FitError("The workspace has no parameter of interest.", remedy="name one with --poi")
            return self.poi
        if parameter not in self.names:
            raise FitError(
                f"The model has no parameter '{parameter}'.",
                expected=choice(parameter, self.names),
                remedy="correct the name",
            )
        return self.names.index(parameter)

    def with_data(self, data: Floats) -> Problem:
        """Return the same problem with other data."""
        return replace(self, data=data)

    def bin_label(self, index: int) -> str:
        """Return ``channel 'x', bin i`` for a bin of the main measurement."""
        return _bin_label(self.model, index)


def load(
    workspace: Mapping[str, object],
    *,
    poi: str | None = None,
    measurement: str | None = None,
    asimov: float | None = None,
) -> Problem:
    """Read a workspace, check it, and prepare its fit.

    Parameters
    ----------
    workspace
        A HistFactory JSON workspace (pyhf schema).
    poi
        Parameter of interest; the measurement's own when None.
    measurement
        Name of the measurement; the first when None, with a note when there are several.
    asimov
        Replace the data by what the model expects at POI = ``asimov`` and the other parameters at
        their initial values: no observed number enters, as a blinded analysis demands.

    Raises
    ------
    FitError
        The workspace is not valid or cannot be fitted; names channel, sample, bin, modifier.
    """
    spec = read_spec(workspace)
    notes: list[str] = []
    name = _choose_measurement(spec, measurement, notes)
    check_structure(spec)
    notes += check_settings(spec, spec.get_measurement(measurement_name=name)["config"]["parameters"])
    model = _build_model(spec, name, poi)
    data = np.asarray(spec.data(model), dtype=float)
    problem = from_model(model, data, measurement=name, notes=tuple(notes))
    if asimov is not None:
        problem = problem.with_data(asimov_data(problem, asimov))
    _check_expectation(problem)
    return problem


def read_spec(workspace: Mapping[str, object]) -> pyhf.Workspace:
    """Return a HistFactory JSON workspace as pyhf's, which validates it.

    Raises
    ------
    FitError
        It is no workspace, or a number in it is none.
    """
    check_kind(workspace)
    try:
        spec = pyhf.Workspace(workspace)
    except (pyhf.exceptions.InvalidSpecification, KeyError, TypeError) as error:
        message = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise FitError(
            "The file is not a valid pyhf workspace.",
            where=next((line.removeprefix("Path: ") for line in message if line.startswith("Path: ")), None),
            found=message[0],
            remedy="compare with the schema: https://scikit-hep.org/pyhf/schemas/1.0.0/workspace.json",
        ) from error
    check_numbers(spec)
    return spec


def from_model(model: pyhf.Model, data: Floats, *, measurement: str = "", notes: tuple[str, ...] = ()) -> Problem:
    """Prepare a pyhf model with its full data, main and auxiliary, for a fit; no checks."""
    config = model.config
    central = np.full(config.npars, np.nan)
    width = np.full(config.npars, np.nan)
    constraint = ["none"] * config.npars
    for name in config.auxdata_order:
        params = config.param_set(name)
        where = config.par_slice(name)
        central[where] = params.auxdata
        if params.pdf_type == "poisson":  # pyhf: aux ~ Pois(factor * gamma)
            central[where] = central[where] / np.asarray(params.factors, dtype=float)
        width[where] = params.width()
        constraint[where] = [params.pdf_type] * params.n_parameters
    bounds = np.asarray(config.suggested_bounds(), dtype=float).reshape(-1, 2)
    return Problem(
        model=model,
        data=np.asarray(data, dtype=float),
        names=tuple(config.par_names),
        init=np.asarray(config.suggested_init(), dtype=float),
        lower=bounds[:, 0],
        upper=bounds[:, 1],
        fixed=np.asarray(config.suggested_fixed(), dtype=bool),
        poi=config.poi_index,
        central=central,
        width=width,
        constraint=tuple(constraint),
        measurement=measurement,
        notes=notes,
    )


def asimov_data(problem: Problem, mu: float, others: Floats | None = None) -> Floats:
    """Return the data that the model expects at POI = ``mu`` (arXiv:1007.1727 §3.2).

    Parameters
    ----------
    problem
        Any fit problem with a parameter of interest.
    mu
        Value of the parameter of interest.
    others : (P,) float64, optional
        Values of the other parameters; the initial ones when None.

    Returns
    -------
    (n_bins + n_aux,) float64
    """
    if problem.poi is None:
        raise FitError(
            "An Asimov data set needs a parameter of interest.",
            remedy="name one with --poi",
            expected=f"one of the {len(problem.names)} parameters",
        )
    values = (problem.init if others is None else others).copy()
    values[problem.poi] = mu
    return np.asarray(problem.model.expected_data(values.tolist()), dtype=float)


def _choose_measurement(spec: pyhf.Workspace, name: str | None, notes: list[str]) -> str:
    names: list[str] = spec.measurement_names
    if not names:
        raise FitError(
            "The workspace has no measurement.",
            where="measurements",
            found="[]",
            remedy="add one with the parameter of interest: name, config: {poi, parameters}",
        )
    if name is None:
        if len(names) > 1:
            others = ", ".join(repr(other) for other in names[1:])
            note = f"measurement '{names[0]}' was taken, the first of several (others: {others})"
            log.warning("%s; choose with --measurement", note)
            notes.append(note)
        return names[0]
    if name not in names:
        raise FitError(
            f"The workspace has no measurement '{name}'.",
            where="measurements",
            found=", ".join(names),
            expected=nearest(name, names),
            remedy="correct --measurement",
        )
    return name


def _build_model(spec: pyhf.Workspace, measurement: str, poi: str | None) -> pyhf.Model:
    # The workspace has been validated, which takes pyhf seconds for a large one.
    options: dict[str, object] = {"measurement_name": measurement, "clip_bin_data": 0.0, "validate": False}
    own: str = spec.get_measurement(measurement_name=measurement)["config"]["poi"]
    if poi is not None:
        options["poi_name"] = poi
    try:
        # A bin without expectation divides by zero inside pyhf; it is diagnosed below, by name.
        # pyhf warns of the clipping whenever a model is built; what is clipped in a fit is in its diagnosis.
        with np.errstate(all="ignore"), errors_only("pyhf.pdf"):
            return spec.model(**options)
    except pyhf.exceptions.InvalidModel as error:
        names = _modifier_names(spec)
        wanted = own if poi is None else poi
        if wanted not in names and wanted != "":
            raise FitError(
                f"The parameter of interest '{wanted}' is not a parameter of the model.",
                where=f"measurement '{measurement}'",
                expected=choice(wanted, names),
                remedy="name another with --poi; a workspace of backgrounds alone, as in HEPData's archives, needs the "
                "patch of its signal (`pyhf patchset apply`, `jsonpatch`), or --poi '' for a fit without one",
            ) from error
        raise FitError("pyhf refuses the model.", found=error, remedy="correct the workspace") from error
    except (
        pyhf.exceptions.InvalidModifier,
        pyhf.exceptions.InvalidNameReuse,
        pyhf.exceptions.InvalidSpecification,
        AssertionError,
        IndexError,
        TypeError,
        ValueError,
    ) as error:
        raise FitError(
            "pyhf cannot build the model.", found=f"{type(error).__name__}: {error}", remedy="correct the workspace"
        ) from error


def _modifier_names(spec: pyhf.Workspace) -> list[str]:
    return sorted({name for name, _ in spec.modifiers})


def _check_expectation(problem: Problem) -> None:
    """Look for bins that no parameter value can make agree with the data."""
    with np.errstate(all="ignore"):
        # By sample, since the total would be clipped.
        by_sample = problem.model.main_model.expected_data(problem.init.tolist(), return_by_sample=True)
        cells = np.asarray(by_sample, dtype=float)
        expected = cells.sum(axis=0)
    for index in np.flatnonzero(~np.isfinite(expected)).tolist():
        raise FitError(
            "The expectation is not a finite number.",
            where=problem.bin_label(index),
            found=expected[index],
            remedy="look for yields or factors that are too large, or a division by an empty bin",
        )
    reach = _reachable(problem.model)
    for index in range(problem.n_bins):
        observed = problem.data[index]
        if observed > 0 and not reach[index]:
            raise FitError(
                "Events are observed where no sample expects any.",
                where=problem.bin_label(index),
                found=f"{observed:g} observed, 0 expected from each of "
                + ", ".join(repr(name) for name in problem.model.config.samples),
                remedy="give the bin a floor (1e-6 events), or merge it with its neighbour",
            )
        if expected[index] < 0:
            worst = int(cells[:, index].argmin())
            raise FitError(
                "The total expectation is negative.",
                where=f"{problem.bin_label(index)}, sample '{problem.model.config.samples[worst]}'",
                found=f"{expected[index]:g} at the initial parameters, {cells[worst, index]:g} from this sample",
                remedy="negative weights need a wider bin",
            )


def _reachable(model: pyhf.Model) -> Bools:
    """Return which bins can expect something: a yield or variation differs from 0; (B,)."""
    config = model.config
    reach = np.zeros(config.nmaindata, dtype=bool)
    for channel in model.spec["channels"]:
        where = config.channel_slices[channel["name"]]
        for sample in channel["samples"]:
            reach[where] |= np.asarray(sample["data"]) != 0
            for modifier in sample["modifiers"]:
                if modifier["type"] == "histosys":
                    reach[where] |= np.asarray(modifier["data"]["hi_data"]) != 0
                    reach[where] |= np.asarray(modifier["data"]["lo_data"]) != 0
    return reach


def negative_yields(problem: Problem) -> list[str]:
    """Return a note for each negative nominal yield: legal, but to be known."""
    notes = []
    for channel in problem.model.spec["channels"]:
        for sample in channel["samples"]:
            for index, value in enumerate(sample["data"]):
                if value < 0:
                    notes.append(
                        f"negative yield {value:g}: channel '{channel['name']}', sample '{sample['name']}', bin {index}"
                    )
    return notes


def _bin_label(model: pyhf.Model, index: int) -> str:
    for channel, where in model.config.channel_slices.items():
        if where.start <= index < where.stop:
            return f"channel '{channel}', bin {index - where.start}"
    raise IndexError(index)
