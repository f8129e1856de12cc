"""The samples: a tree of 129 branches, 924 bytes per row, in baskets of three sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TREE = "variables"
CUT_COLUMNS = [f"cut{i}" for i in range(8)]
KEPT = [
    *CUT_COLUMNS[:4],
    *(f"v{i:03d}" for i in range(0, 96, 2)),
    *(f"n{i:02d}" for i in range(5)),
    "flag0",
    "flag1",
    "flag2",
]
NEEDED = list(dict.fromkeys([*CUT_COLUMNS, *KEPT]))
PASS = 0.028 ** (1 / 8)  # of each of the eight conditions
THRESHOLD = float(f"{PASS:.6f}")
CUT = " and ".join(f"{name} < {THRESHOLD}" for name in CUT_COLUMNS)


@dataclass(frozen=True)
class Size:
    """A sample: files, rows per file, entries per basket."""

    files: int
    rows: int
    basket: int


# S is what basf2 writes by default (1600 bytes: 200 doubles); older releases, and files written anew by hadd or uproot,
# have larger baskets: 32 kB (M), 250 kB (L).
SIZES = {"S": Size(10, 30_000, 200), "M": Size(10, 50_000, 4_000), "L": Size(4, 250_000, 31_250)}


def make_columns(rows: int, seed: int) -> dict[str, Any]:
    """Return columns that compress like physics: full and single precision, counts, probabilities, NaN."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {name: rng.random(rows).astype("f4").astype("f8") for name in CUT_COLUMNS}
    kinds: list[Callable[[], Any]] = [
        lambda: rng.normal(size=rows),
        lambda: rng.normal(size=rows).astype("f4"),
        lambda: rng.poisson(3, rows),
        lambda: np.where(rng.random(rows) < 0.3, np.nan, rng.exponential(size=rows).astype("f4")),
        lambda: np.clip(rng.normal(0.5, 0.6, rows), 0, 1),
    ]
    columns |= {f"v{i:03d}": kinds[i % len(kinds)]().astype("f8") for i in range(100)}
    columns |= {f"n{i:02d}": rng.integers(0, 1000 if i % 2 else 5, rows).astype("i4") for i in range(13)}
    columns |= {f"flag{i}": rng.random(rows) < 0.2 for i in range(8)}
    return columns


def make_sample(folder: Path, name: str, size: Size) -> list[str]:
    """Write the files of a sample, by the writer of the toy's ntuples, unless they are there."""
    from analysis.simulation.ntuple import write_tree

    paths = [folder / f"{name}_{size.rows}_{size.basket}_{number}.root" for number in range(size.files)]
    for number, path in enumerate(paths):
        if not path.exists():
            columns = make_columns(size.rows, number)
            write_tree(path, columns, identity=path.name, tree=TREE, rows_per_basket=size.basket)
    return [str(path) for path in paths]
