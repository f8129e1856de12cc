"""Random numbers: one seed in the configuration, one independent stream for every named purpose."""

from __future__ import annotations

import zlib

import numpy as np


def seed_sequence(seed: int, *labels: str | int) -> np.random.SeedSequence:
    """Return the seed sequence of a purpose, named by labels such as ``("simulate", "signal", 3)``.

    Streams depend on the labels alone, so neither the order of jobs nor the number of cores changes a byte.
    """
    words = [label if isinstance(label, int) else zlib.crc32(label.encode()) for label in labels]
    return np.random.SeedSequence([seed, *words])


def generator(seed: int, *labels: str | int) -> np.random.Generator:
    """Return the random generator of a purpose; see :func:`seed_sequence`."""
    return np.random.default_rng(seed_sequence(seed, *labels))
