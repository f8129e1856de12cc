"""Data/simulation ratios of the kaon identification, in bins of true species, charge, p and θ.

The table is a CSV file with one line per bin; lines that begin with ``#`` are comments::

    particle,charge,p_min,p_max,theta_min,theta_max,ratio,stat_up,stat_down,syst_up,syst_down

``particle``
    true species behind the candidate: kaon, pion, electron, muon, proton, other (any other particle), unmatched.
``charge``
    1, -1, or 0 for both.
``p_min, p_max``
    laboratory momentum, GeV/c; lower edge inclusive, upper exclusive.
``theta_min, theta_max``
    laboratory polar angle, rad; likewise.
``ratio``
    efficiency (or fake rate) in data over that in simulation.
``stat_up, stat_down``
    absolute statistical uncertainties of the ratio, ≥ 0; uncorrelated from bin to bin.
``syst_up, syst_down``
    absolute systematic uncertainties of the ratio, ≥ 0; fully correlated over all bins.

A row for which the table has no bin is neither dropped nor guessed: its ratio is one, its uncertainties are twice the
largest of its species (twice the largest of the table for a species that the table does not have). All such rows of a
species share one pseudo-bin for the statistical part. They are counted and reported.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from analysis.errors import InputError, nearest

Array = NDArray[Any]
Columns = Mapping[str, Array]
Floats = NDArray[np.float64]

SPECIES = ("kaon", "pion", "electron", "muon", "proton", "other", "unmatched")
PDG = {321: "kaon", 211: "pion", 11: "electron", 13: "muon", 2212: "proton"}
NUMBERS = (
    "charge", "p_min", "p_max", "theta_min", "theta_max",
    "ratio", "stat_up", "stat_down", "syst_up", "syst_down",
)  # fmt: skip
FIELDS = ("particle", *NUMBERS)
OUTSIDE_FACTOR = 2.0


@dataclass(frozen=True)
class KaonIdTable:
    """A table of ratios: (bins,) arrays, one entry per line of the file.

    The last ``len(SPECIES)`` entries of ``ratio`` and the uncertainties are the pseudo-bins of rows
    outside, one per species.
    """

    names: tuple[str, ...]
    species: NDArray[np.int64]
    charge: Floats
    p_min: Floats
    p_max: Floats
    theta_min: Floats
    theta_max: Floats
    ratio: Floats
    stat_up: Floats
    stat_down: Floats
    syst_up: Floats
    syst_down: Floats

    @property
    def bins(self) -> int:
        """Number of bins of the file."""
        return len(self.species)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a table; see `parse`."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                "The table of kaon ID ratios cannot be read.",
                file=path,
                found=error.strerror if isinstance(error, OSError) else error,
                expected="a CSV file in UTF-8",
                remedy="give the path under `weights: kaon_id:`, relative to the working directory",
            ) from None
        return cls.parse(text, path)

    @classmethod
    def parse(cls, text: str, path: str | Path = "table") -> Self:
        """Return the table from the text of its CSV file.

        Raises
        ------
        InputError
            A field is missing or is not a number, a value is impossible, or two bins overlap.
        """
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        reader = csv.DictReader(io.StringIO("\n".join(lines)))
        names = [name.strip() for name in reader.fieldnames or ()]
        if set(names) != set(FIELDS):
            missing = [name for name in FIELDS if name not in names]
            strange = [name for name in names if name not in FIELDS]
            raise InputError(
                "The table of kaon ID ratios does not have its columns.",
                file=path,
                where=f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(strange) or 'none'}",
                found=f"nearest to {strange[0]!r}: {nearest(strange[0], FIELDS)}" if strange else None,
                expected=", ".join(FIELDS),
                remedy="name the columns so, in any order",
            )
        reader.fieldnames = names
        rows = list(reader)
        species = [_species(row["particle"], number, path) for number, row in enumerate(rows, 1)]
        values = {
            name: np.array([_value(row[name], name, number, path) for number, row in enumerate(rows, 1)])
            for name in NUMBERS
        }
        _check(np.array(species, dtype=np.int64), values, path)
        return cls._with_outside(np.array(species, dtype=np.int64), values)

    @classmethod
    def _with_outside(cls, species: NDArray[np.int64], values: dict[str, Floats]) -> Self:
        bins = [
            f"{SPECIES[k]}_{'all' if c == 0 else 'plus' if c > 0 else 'minus'}_p{p:g}-{q:g}_theta{t:g}-{u:g}"
            for k, c, p, q, t, u in zip(species, *(values[name] for name in NUMBERS[:5]), strict=True)
        ]
        extended = {"ratio": np.concatenate([values["ratio"], np.ones(len(SPECIES))])}
        for name in ("stat_up", "stat_down", "syst_up", "syst_down"):
            error = values[name]
            outside = [
                OUTSIDE_FACTOR * (error[species == k].max() if np.any(species == k) else error.max())
                for k in range(len(SPECIES))
            ]
            extended[name] = np.concatenate([error, outside])
        return cls(
            names=(*bins, *(f"{name}_outside" for name in SPECIES)),
            species=species,
            **{name: values[name] for name in NUMBERS[:5]},
            **extended,
        )


def _species(text: str | None, number: int, path: str | Path) -> int:
    name = (text or "").strip()
    if name not in SPECIES:
        raise InputError(
            "The table of kaon ID ratios names an unknown particle.",
            file=path,
            where=f"bin {number}",
            found=repr(name),
            expected=", ".join(SPECIES),
            remedy="correct the line",
        )
    return SPECIES.index(name)


def _value(text: str | None, name: str, number: int, path: str | Path) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise InputError(
            "The table of kaon ID ratios has a field that is not a number.",
            file=path,
            where=f"bin {number}, {name}",
            found=repr(text),
            expected="a finite number",
            remedy="correct the line",
        )
    return value


def _check(species: NDArray[np.int64], values: Mapping[str, Floats], path: str | Path) -> None:
    if not len(species):
        raise InputError(
            "The table of kaon ID ratios has no bins.",
            file=path,
            expected="one line for every bin",
            remedy="fill it, or leave `weights: kaon_id:` out",
        )
    conditions = {
        "charge is 1, -1 or 0": np.isin(values["charge"], (-1, 0, 1)),
        "p_min < p_max": values["p_min"] < values["p_max"],
        "theta_min < theta_max": values["theta_min"] < values["theta_max"],
        "uncertainties are not negative": np.min(
            [values[name] for name in NUMBERS if name.startswith(("stat", "syst"))], axis=0
        )
        >= 0,
        "ratio is positive": values["ratio"] > 0,
    }
    for text, good in conditions.items():
        if not np.all(good):
            first = int(np.flatnonzero(~good)[0])
            raise InputError(
                "The table of kaon ID ratios has an impossible bin.",
                file=path,
                where=f"bin {first + 1}",
                found=", ".join(f"{name} = {column[first]:g}" for name, column in values.items()),
                expected=text,
                remedy="correct the line",
            )
    pair = _overlap(species, values)
    if pair is not None:
        raise InputError(
            "Two bins of the table of kaon ID ratios overlap.",
            file=path,
            where=f"bins {pair[0] + 1} and {pair[1] + 1}",
            remedy="a candidate must find one bin at most",
        )


def _overlap(species: NDArray[np.int64], values: Mapping[str, Floats]) -> tuple[int, int] | None:
    charge = values["charge"]
    for i in range(len(species)):
        others = slice(i + 1, None)
        hit = (species[others] == species[i]) & (
            (charge[others] == charge[i]) | (charge[others] == 0) | (charge[i] == 0)
        )
        for axis in ("p", "theta"):
            low, high = values[f"{axis}_min"], values[f"{axis}_max"]
            hit &= (low[others] < high[i]) & (low[i] < high[others])
        if hit.any():
            return i, i + 1 + int(np.flatnonzero(hit)[0])
    return None


def true_species(mc_pdg: Array) -> NDArray[np.int64]:
    """Return the index into `SPECIES` of each row's true particle; NaN (and 0) is ``unmatched``."""
    pdg = np.abs(np.nan_to_num(np.asarray(mc_pdg, dtype=np.float64), nan=0.0))
    species = np.full(len(pdg), SPECIES.index("other"), dtype=np.int64)
    species[pdg == 0] = SPECIES.index("unmatched")
    for code, name in PDG.items():
        species[pdg == code] = SPECIES.index(name)
    return species


def look_up(table: KaonIdTable, columns: Columns) -> NDArray[np.int64]:
    """Return the bin of every row, (n,) int64: an index into the table's ``ratio``.

    Parameters
    ----------
    table
        The ratios.
    columns
        ``K_p`` (GeV/c), ``K_theta`` (rad), ``K_charge``, ``K_mcPDG``: (n,) each. NaN in ``K_p`` or
        ``K_theta`` lies outside every bin.
    """
    species = true_species(columns["K_mcPDG"])
    p, theta, charge = columns["K_p"], columns["K_theta"], columns["K_charge"]
    found = table.bins + species
    for i in range(table.bins):
        inside = (
            (species == table.species[i])
            & (p >= table.p_min[i])
            & (p < table.p_max[i])
            & (theta >= table.theta_min[i])
            & (theta < table.theta_max[i])
        )
        if table.charge[i]:
            inside &= charge * table.charge[i] > 0
        found[inside] = i
    return found


def count_outside(table: KaonIdTable, found: NDArray[np.int64]) -> dict[str, int]:
    """Return "species_outside" -> rows for which the table has no bin, of those that occur.

    Parameters
    ----------
    table
        The ratios.
    found
        (n,) from `look_up`.
    """
    counts = np.bincount(found, minlength=table.bins + len(SPECIES))
    pairs = zip(table.names[table.bins :], counts[table.bins :], strict=True)
    return {name: int(count) for name, count in pairs if count}


@dataclass(frozen=True)
class Variations:
    """What the uncertainties of the table do to the weights of rows.

    Attributes
    ----------
    bin
        (n,) int64: bin of every row.
    names
        Names of the bins, pseudo-bins of rows outside included; index with ``bin``.
    stat_up, stat_down
        (n,) weight over nominal weight when the row's own bin moves by its statistical uncertainty. Bins are
        uncorrelated: to vary bin ``b`` alone use ``np.where(bin == b, stat_up, 1.0)``.
    syst_up, syst_down
        (n,) weight over nominal weight when all bins move together by their systematic uncertainty.

    Notes
    -----
    A ratio that would become negative is moved to zero.
    """

    bin: NDArray[np.int64]
    names: tuple[str, ...]
    stat_up: Floats
    stat_down: Floats
    syst_up: Floats
    syst_down: Floats

    def bins(self) -> Sequence[int]:
        """Return the bins in which there are rows, rising."""
        return [int(b) for b in np.unique(self.bin)]


def kaon_id_variations(table: KaonIdTable, columns: Columns) -> Variations:
    """Return the weight ratios of the table's uncertainties for rows that carry ``w_kaon_id``; see `Variations`.

    Parameters
    ----------
    table
        The ratios that were applied.
    columns
        As for `look_up`; simulation only.
    """
    found = look_up(table, columns)

    def moved(error: Floats, sign: float) -> Floats:
        ratio: Floats = np.maximum(table.ratio + sign * error, 0.0) / table.ratio
        return ratio[found]

    return Variations(
        bin=found,
        names=table.names,
        stat_up=moved(table.stat_up, 1.0),
        stat_down=moved(table.stat_down, -1.0),
        syst_up=moved(table.syst_up, 1.0),
        syst_down=moved(table.syst_down, -1.0),
    )
