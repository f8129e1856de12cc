"""Many small uncorrelated uncertainties (bins of a calibration table, branching fractions …) as a few parameters.

Every row of a sample belongs to one *element*; elements move independently. What they do to the templates is linear to
good accuracy, so the covariance of all template bins is J Jᵀ with J (template bins x elements) the change per standard
deviation. Its singular vectors, in the space of the elements, are independent standard-normal directions; those with
the largest effect become nuisance parameters, and each is then made from varied events like any other source.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.basf2 import BeamEnergy, SampleType
from analysis.systematics.source import Columns, Shift, Source, Variation

logger = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]

# Components are added until they explain this part of the summed variance; see `principal_components`.
EXPLAINED = 0.99
# Digits kept of a direction: far below any effect, far above what depends on the linear-algebra library's threads.
DECIMALS = 6


@dataclass(frozen=True)
class Elements:
    """What moves each row of a table.

    Attributes
    ----------
    index
        (n,) int64: element of every row.
    up, down
        (n,) varied over nominal weight when the row's own element moves by plus, minus one standard deviation.
    """

    index: NDArray[np.int64]
    up: FloatArray
    down: FloatArray


@dataclass(frozen=True)
class Family:
    """A set of uncorrelated elements.

    Attributes
    ----------
    name
        Parameters are called ``<name>_c<n>``.
    first
        Number of the first.
    group, applies, columns, note
        As in `Source`.
    size
        Number of elements.
    elements
        Table columns -> element of every row.
    optional
        As in `Source`.
    """

    name: str
    first: int
    group: str
    applies: frozenset[SampleType]
    columns: frozenset[str]
    note: str
    size: int
    elements: Callable[[Columns], Elements]
    optional: frozenset[str] = frozenset()

    def acts_on(self, kind: SampleType, beams: BeamEnergy) -> bool:  # noqa: ARG002 - a family acts at every energy
        """Return whether it varies samples of a type and energy."""
        return kind in self.applies

    def response(self, columns: Columns, index: NDArray[np.int64], bins: int, outside: int) -> FloatArray:
        """Return what one standard deviation of each element does to a template.

        Parameters
        ----------
        columns
            A sample's table, with ``weight``.
        index : (n,)
            Template bin of every row; ``outside`` for none.
        bins
            Number of template bins.

        Returns
        -------
        (bins, size) half the difference of up and down, in expected events.
        """
        elements = self.elements(columns)
        inside = index != outside
        cell = index[inside] * self.size + elements.index[inside]
        change = columns["weight"] * (elements.up - elements.down) / 2
        matrix = np.bincount(cell, change[inside], bins * self.size)
        return matrix.reshape(bins, self.size).astype(np.float64)

    def sources(self, vectors: NDArray[Any], explained: Sequence[float]) -> list[Source]:
        """Return one source per direction.

        Parameters
        ----------
        vectors : (k, size)
            Unit vectors in the space of the elements.
        explained : (k,)
            Part of the summed variance that each explains.
        """
        remembered = _Remember(self.elements)
        return [
            Source(
                f"{self.name}_c{self.first + number}",
                self.group,
                self.applies,
                self.columns,
                _along(vector, remembered),
                f"{self.note}; principal component {number + 1} of {len(vectors)} of {self.size} independent elements, "
                f"{share:.1%} of the summed variance",
                self.optional,
            )
            for number, (vector, share) in enumerate(zip(vectors, explained, strict=True))
        ]


class _Remember:
    """Call a function of a table once, however many components ask."""

    def __init__(self, function: Callable[[Columns], Elements]) -> None:
        self._function = function
        self._last: tuple[Columns, Elements] | None = None

    def __call__(self, columns: Columns) -> Elements:
        if self._last is None or self._last[0] is not columns:
            self._last = (columns, self._function(columns))
        return self._last[1]


def _along(vector: FloatArray, elements: Callable[[Columns], Elements]) -> Callable[[Columns], Variation]:
    """Return the variation that moves every element by its part of a direction."""

    def vary(columns: Columns) -> Variation:
        found = elements(columns)
        step = vector[found.index]
        up, down = np.abs(step) * (found.up - 1), np.abs(step) * (found.down - 1)
        return Variation(Shift(1 + np.where(step > 0, up, down)), Shift(1 + np.where(step > 0, down, up)))

    return vary


def principal_components(
    response: FloatArray, nominal: FloatArray, totals: FloatArray, *, name: str
) -> tuple[FloatArray, FloatArray]:
    """Return the directions with the largest effect on the templates.

    The measure is the squared relative change of every template bin, weighted with the sample's share of its channel's
    bin: bins of the likelihood count alike, samples in a bin by their size.

    Parameters
    ----------
    response : (r, m)
        Change of every template bin (r: channels x samples x bins) per standard deviation of every element.
    nominal : (r,)
        Expected events of the template bins.
    totals : (r,)
        Expected events of all samples together in the same bin.
    name
        For the log.

    Returns
    -------
    vectors : (k, m)
        Unit vectors, the largest effect first; the largest element of each is positive.
    explained : (k,)
        Part of the summed variance of each; together at least `EXPLAINED`.
    """
    filled = (nominal > 0) & (totals > 0)
    scaled = response[filled] / np.sqrt(nominal[filled] * totals[filled])[:, None]
    # Plain loops instead of BLAS: the sum's order does not depend on threads.
    gram = np.einsum("ri,rj->ij", scaled, scaled, optimize=False)
    values, columns = np.linalg.eigh(gram)
    values, rows = np.maximum(values[::-1], 0), columns.T[::-1]
    if not values.sum() > 0:
        return np.zeros((0, response.shape[1])), np.zeros(0)
    explained = values / values.sum()
    keep = int(np.searchsorted(np.cumsum(explained), EXPLAINED) + 1)
    vectors = rows[:keep]
    largest = np.abs(vectors).argmax(axis=1)
    vectors = np.round(vectors * np.sign(vectors[np.arange(keep), largest])[:, None], DECIMALS)
    _report(name, response[filled], nominal[filled], vectors, explained)
    return vectors, explained[:keep]


def _report(name: str, response: FloatArray, nominal: FloatArray, vectors: FloatArray, explained: FloatArray) -> None:
    total = np.sum(response**2, axis=1)
    kept = np.sum(np.einsum("ri,ki->rk", response, vectors, optimize=False) ** 2, axis=1)
    lost = np.sqrt(np.maximum(total - kept, 0)) / nominal
    logger.info(
        "%s: %d of %d principal components explain %.2f %% of the variance; the rest, at most %.2g of a template bin, "
        "is neglected.",
        name,
        len(vectors),
        response.shape[1],
        100 * float(np.sum(explained[: len(vectors)])),
        float(lost.max()),
    )
