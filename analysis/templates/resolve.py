"""The nuisance parameters of a set of templates: families of uncorrelated elements become principal components."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analysis.systematics import Family, Source
from analysis.systematics.components import principal_components
from analysis.templates.binning import OUTSIDE, Binning
from analysis.templates.fill import SampleTable

FloatArray = NDArray[np.float64]


@dataclass
class _Responses:
    """What the elements of one family do to every template, gathered sample by sample."""

    changes: list[FloatArray] = field(default_factory=list)
    nominal: list[FloatArray] = field(default_factory=list)
    channels: list[int] = field(default_factory=list)


def resolve(
    declared: Sequence[Source | Family],
    tables: Callable[[], Iterable[SampleTable]],
    binnings: Sequence[Binning],
) -> tuple[Source, ...]:
    """Return the sources, with the components of every family in its place.

    Parameters
    ----------
    declared
        Sources and families.
    tables
        Returns one table per sample; called once, and not at all without families.
    binnings
        One per channel.

    Raises
    ------
    ValueError
        Two sources have the same name.
    """
    families = [each for each in declared if isinstance(each, Family)]
    responses = [_Responses() for _ in families]
    totals = [np.zeros(each.size) for each in binnings]
    for table in tables() if families else ():
        if table.type.is_data:
            continue
        for number, binning in enumerate(binnings):
            if binning.beam_energy is not table.beam_energy:
                continue
            index = binning.index(table.columns)
            inside = index != OUTSIDE
            weights = table.columns["weight"][inside]
            nominal = np.bincount(index[inside], weights, binning.size).astype(np.float64)
            totals[number] += nominal
            for family, gathered in zip(families, responses, strict=True):
                if table.type in family.applies:
                    gathered.changes.append(family.response(table.columns, index, binning.size, OUTSIDE))
                    gathered.nominal.append(nominal)
                    gathered.channels.append(number)
    found: list[Source] = []
    for each in declared:
        if isinstance(each, Source):
            found.append(each)
        else:
            found.extend(_components(each, responses[families.index(each)], totals))
    twice = [name for name, count in Counter(source.name for source in found).items() if count > 1]
    if twice:
        raise ValueError(f"two systematic sources are named {twice[0]!r}")
    return tuple(found)


def _components(family: Family, gathered: _Responses, totals: Sequence[FloatArray]) -> list[Source]:
    if not gathered.changes:
        return []
    vectors, explained = principal_components(
        np.concatenate(gathered.changes),
        np.concatenate(gathered.nominal),
        np.concatenate([totals[number] for number in gathered.channels]),
        name=family.name,
    )
    return family.sources(vectors, explained.tolist())
