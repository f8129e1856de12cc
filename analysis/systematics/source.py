"""What a systematic uncertainty is, for the templates: a rule that varies the events of some samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from analysis.basf2 import BeamEnergy, SampleType

Array = NDArray[Any]
Columns = Mapping[str, Array]

SIGNAL = frozenset({SampleType.SIGNAL})
BBBAR = frozenset(kind for kind in SampleType if kind.is_bbbar)
CONTINUUM = frozenset(kind for kind in SampleType if kind.is_continuum)
SIMULATED = SIGNAL | BBBAR | CONTINUUM
ENERGIES = frozenset(BeamEnergy)


@dataclass(frozen=True)
class Shift:
    """One side of a variation: every row's weight times ``ratio``, some columns replaced.

    Attributes
    ----------
    ratio
        Varied over nominal weight: (n,) float64, or one number for all rows.
    columns
        name -> (n,) array, in place of the column of that name: rows then move between bins.
    table
        Name of a varied table of the sample: its rows, with their own ``weight``, in place of the nominal ones.
    prepare
        Applied to that table's columns first.
    """

    ratio: Array | float = 1.0
    columns: Columns = field(default_factory=dict)
    table: str | None = None
    prepare: Callable[[Columns], Columns] | None = None


@dataclass(frozen=True)
class Variation:
    """Both sides of a variation. Without ``down`` it is one-sided, and the templates mirror it: 2 x nominal - up."""

    up: Shift
    down: Shift | None


@dataclass(frozen=True)
class Source:
    """One nuisance parameter.

    Attributes
    ----------
    name
        Parameter of the likelihood: equal names are one parameter in all channels and samples.
    group
        What it belongs to in a breakdown of the uncertainty: "luminosity", "tracking" ...
    applies
        Sample types it acts on.
    columns
        Columns that ``vary`` cannot do without.
    optional
        Columns that it uses where a table has them.
    vary
        Table columns -> both sides. It is given each sample's rows once, all of them.
    tables
        Varied tables that ``vary`` names: a sample without them is not varied.
    energies
        Energies of the samples it acts on; all, if it is not told.
    note
        Size and where it comes from; written into the output. Says so if the size is an assumption.

    Examples
    --------
    A change of shape takes columns that an earlier stage computed from varied inputs; rows then move between bins:

    >>> def photon_energy(columns: Columns) -> Variation:
    ...     return Variation(
    ...         Shift(columns={"eta": columns["eta_gammaUp"]}), Shift(columns={"eta": columns["eta_gammaDown"]})
    ...     )
    >>> needs = frozenset({"eta_gammaUp", "eta_gammaDown"})
    >>> Source("corr_neutralGamma_c1", "photon energy", SIMULATED, needs, photon_energy, "±0.5 %").name
    'corr_neutralGamma_c1'
    """

    name: str
    group: str
    applies: frozenset[SampleType]
    columns: frozenset[str]
    vary: Callable[[Columns], Variation]
    note: str
    optional: frozenset[str] = frozenset()
    tables: frozenset[str] = frozenset()
    energies: frozenset[BeamEnergy] = ENERGIES

    def acts_on(self, kind: SampleType, beams: BeamEnergy) -> bool:
        """Return whether it varies samples of a type and energy."""
        return kind in self.applies and beams in self.energies
