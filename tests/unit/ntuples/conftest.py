"""Small ROOT files in basf2's layout: many small baskets, zlib."""

from pathlib import Path

import numpy as np
import pytest
import uproot


def make_columns(rows, seed=1):
    rng = np.random.default_rng(seed)
    return {
        # rounded: what does not compress is stored plain, without a checksum
        "x": rng.normal(size=rows).round(2),
        "y": rng.uniform(size=rows).astype("f4"),
        "n": rng.integers(-5, 5, rows).astype("i4"),
        "event": rng.integers(0, 2**32, rows, dtype="u4"),
        "flag": rng.uniform(size=rows) < 0.3,
        "hole": np.full(rows, np.nan),
    }


def write(path, columns, *, tree="variables", basket=200, compression=None, types=None):
    types = types or {name: array.dtype for name, array in columns.items()}
    compression = compression if compression is not None else uproot.ZLIB(1)
    rows = len(next(iter(columns.values())))
    with uproot.recreate(path, compression=compression) as file:
        file.mktree(tree, types)
        for start in range(0, rows, basket):
            file[tree].extend({n: a[start : start + basket] for n, a in columns.items()})
    return Path(path)


@pytest.fixture
def columns():
    return make_columns(1050)


@pytest.fixture
def file(tmp_path, columns):
    return write(tmp_path / "a.root", columns)
