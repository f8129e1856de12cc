"""Logical file names and dataset names of the grid: what their path says of the conditions.

The layout (gbasf2 dataset names, as in Belle II's data production)::

    /belle/MC/release-06-00-08/DB00002100/MC15ri_b/prod00024821/s00/e1003/4S/r00000/charged/mdst
    /belle/Data/release-06-00-08/DB00002100/bucket30/prod00029022/e0024/4S/r00312/hadron/mdst/sub00

Users' own datasets (``/belle/user/…``) and local paths follow no rule: what can't be recognised is
left None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PATTERNS = {
    "release": re.compile(r"(?:pre)?release-\d{2}-\d{2}(?:-\d{2})?|light-\d{4}-\w+"),
    "database": re.compile(r"DB\d{8}"),
    "production": re.compile(r"prod(\d+)"),
    "experiment": re.compile(r"e(\d{4})(?:_\w+)?"),
    "run": re.compile(r"r(\d{5,6})"),
    "beam_energy": re.compile(r"(?:[1-6]S|Continuum)(?:_\w+)?"),
    "data_level": re.compile(r"[mu]?dst|cdst|raw"),
}
# How paths name experiment and run: folders e0031/r00012, raw files physics.0031.00012.HLT1.f00000.root.
_FOLDERS = re.compile(r"(?:^|/)e(\d{4})(?=/)(?:/.*)?/r(\d{5,6})(?=/|$)")
_NAME = re.compile(r"\.(\d{4})\.(\d{5,6})\.")
_SUBFOLDER = re.compile(r"s(?:ub)?\d{2}")


@dataclass(frozen=True)
class LogicalName:
    """What a logical name says; None where it says nothing.

    ``is_mc`` is True below ``/…/MC/``, False below ``/…/Data/``.
    """

    name: str
    is_mc: bool | None = None
    release: str | None = None
    database: str | None = None
    campaign: str | None = None
    production: int | None = None
    experiment: int | None = None
    run: int | None = None
    beam_energy: str | None = None
    event_type: str | None = None
    data_level: str | None = None


def parse_lfn(name: str) -> LogicalName:
    """Read a logical name.

    Examples
    --------
    >>> lfn = parse_lfn("/belle/MC/release-06-00-08/DB00002100/MC15ri_b/prod00024821"
    ...                 "/s00/e1003/4S/r00000/charged/mdst")
    >>> lfn.campaign, lfn.production, lfn.experiment, lfn.event_type, lfn.data_level
    ('MC15ri_b', 24821, 1003, 'charged', 'mdst')
    """
    parts = [part for part in name.split("/") if part]
    kind = next((part for part in parts if part in ("MC", "Data")), None)
    if kind is None or "user" in parts[:2]:
        return LogicalName(name)
    found: dict[str, str] = {}
    places: dict[str, int] = {}
    for place, part in enumerate(parts):
        for field, pattern in _PATTERNS.items():
            if field not in found and (match := pattern.fullmatch(part)):
                found[field] = match[1] if pattern.groups else part
                places[field] = place
                break
    return LogicalName(
        name,
        is_mc=kind == "MC",
        release=found.get("release"),
        database=found.get("database"),
        campaign=_neighbour(parts, places.get("production"), -1, places),
        production=int(found["production"]) if "production" in found else None,
        experiment=int(found["experiment"]) if "experiment" in found else None,
        run=int(found["run"]) if "run" in found else None,
        beam_energy=found.get("beam_energy"),
        event_type=_neighbour(parts, places.get("data_level"), -1, places),
        data_level=found.get("data_level"),
    )


def _neighbour(parts: list[str], place: int | None, step: int, taken: dict[str, int]) -> str | None:
    """Return the part beside ``place`` unless another field claimed it."""
    if place is None or not 0 <= place + step < len(parts) or place + step in taken.values():
        return None
    part = parts[place + step]
    return None if _SUBFOLDER.fullmatch(part) else part


def runs_in_path(path: str) -> tuple[tuple[int, int], ...]:
    """Return each (experiment, run) that a path names, by its folders and by its file name.

    Examples
    --------
    >>> runs_in_path("/data/e0031/4S/r00012/sub00/physics.0031.00013.HLT1.f00000.root")
    ((31, 12), (31, 13))
    """
    matches = (_FOLDERS.search(path), _NAME.search(path.rpartition("/")[2]))
    return tuple((int(match[1]), int(match[2])) for match in matches if match)
