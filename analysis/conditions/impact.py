"""What a sample or a bucket does to μ: the analysis again, with that one replaced, beside the original.

The original results are never touched. Everything that does not depend on the replaced sample is
linked into a results folder of its own, and the workflow makes the rest.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.config import Config
from analysis.errors import ConditionsError

# Written per run of the workflow, not part of the results.
_LEFT_OUT = ("logs", "config.json")
# The gate's file: an `ancient` input of every skim, which Snakemake takes for old only where it exists. It is remade
# because its record is.
_GATE = Path("conditions/ledger.json")


@dataclass(frozen=True)
class Impact:
    """The change of μ when a sample is replaced.

    Parameters
    ----------
    replaced
        Sample → what took its place.
    before, after
        (μ, error) of the original and of the variation.
    shift
        Difference of the values.
    independent_error
        Error of the shift if both results shared no events. They share all but the replaced ones,
        so this is an upper bound.
    remade
        Number of outputs that were made again (by Snakemake's plan), and of all outputs of the original.
    """

    replaced: Mapping[str, str]
    before: tuple[float, float]
    after: tuple[float, float]
    shift: float
    independent_error: float
    remade: tuple[int, int]


def vary(config: Config, name: str, files: Mapping[str, tuple[str, ...]]) -> Config:
    """Return the configuration with other files for some samples, under a name of its own.

    Parameters
    ----------
    config
        The original.
    name
        Of the variation; its results lie in ``results/<name>``.
    files
        Sample → files.

    Raises
    ------
    ConditionsError
        A sample does not exist, or the name is the original's.
    """
    unknown = sorted(set(files) - {sample.name for sample in config.samples})
    if unknown or name == config.name:
        raise ConditionsError(
            "The variation cannot be configured.",
            found=f"no sample {', '.join(unknown)}" if unknown else f"the name of the original, {name!r}",
            expected="samples of the configuration, and a name of its own",
            remedy="correct --replace or --name",
        )
    plain = config.model_dump(mode="json")
    plain["name"] = name
    for sample in plain["samples"]:
        if sample["name"] in files:
            # The metadata lie beside the new files; the original's patterns do not fit them.
            sample.update(files=list(files[sample["name"]]), simulated=False, metadata=[])
    return Config.model_validate(plain)


def link_results(original: Path, variation: Path, stale: Iterable[str]) -> tuple[int, int]:
    """Link what stays into the results folder of the variation.

    Hard links keep the time stamps by which Snakemake knows that nothing is to be done, and every
    writer here replaces files instead of writing into them, so the original is safe.

    Parameters
    ----------
    original, variation
        The results folders.
    stale
        Files of the original that depend on what was replaced.

    Returns
    -------
    linked, left_out
        Numbers of files.
    """
    stale_paths = {Path(path) for path in stale}
    linked = left_out = 0
    for path in sorted(original.rglob("*")):
        place = path.relative_to(original)
        if not path.is_file() or place.parts[0] in _LEFT_OUT:
            continue
        if path in stale_paths and place != _GATE:
            left_out += 1
            continue
        target = variation / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            os.link(path, target)
        linked += 1
    return linked, left_out


def measure(
    before: Mapping[str, Any], after: Mapping[str, Any], replaced: Mapping[str, str], remade: tuple[int, int]
) -> Impact:
    """Return the change of μ between two results (contents of ``result.json``).

    Raises
    ------
    ConditionsError
        A result has no μ with an error.
    """
    values = []
    for result in (before, after):
        mu = result.get("mu") or {}
        value, error = mu.get("value"), mu.get("error")
        if not isinstance(value, (int, float)) or not isinstance(error, (int, float)):
            raise ConditionsError(
                "A result has no μ with an error.",
                where="mu",
                found=mu,
                expected="value and error",
                remedy="give results of `fit` with a free parameter of interest",
            )
        values.append((float(value), float(error)))
    (old, old_error), (new, new_error) = values
    return Impact(
        replaced=dict(replaced),
        before=(old, old_error),
        after=(new, new_error),
        shift=new - old,
        independent_error=math.hypot(old_error, new_error),
        remade=remade,
    )
