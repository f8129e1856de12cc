"""The FileMetaData object inside basf2's own ROOT files (mdst, udst, ntuples of newer releases).

basf2 writes it as the branch ``FileMetaData`` of the tree ``persistent``, which has one entry; with
the split level that basf2 uses, every member is a branch of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.conditions.findings import Finding

TREE = "persistent"
BRANCH = "FileMetaData"
# Member of Belle2::FileMetaData → key that b2file-metadata-show --json prints.
MEMBERS = {
    "m_lfn": "LFN",
    "m_nEvents": "nEvents",
    "m_nFullEvents": "nFullEvents",
    "m_experimentLow": "experimentLow",
    "m_runLow": "runLow",
    "m_eventLow": "eventLow",
    "m_experimentHigh": "experimentHigh",
    "m_runHigh": "runHigh",
    "m_eventHigh": "eventHigh",
    "m_parentLfns": "parents",
    "m_date": "date",
    "m_site": "site",
    "m_user": "user",
    "m_randomSeed": "randomSeed",
    "m_release": "release",
    "m_isMC": "isMC",
    "m_mcEvents": "mcEvents",
    "m_databaseGlobalTag": "globalTag",
    "m_dataDescription": "dataDescription",
    "m_steering": "steering",
}


def metadata_text(path: str | Path) -> tuple[str | None, list[Finding]]:
    """Return the metadata inside a ROOT file as the JSON that ``b2file-metadata-show`` prints.

    Parameters
    ----------
    path
        A ROOT file that basf2 wrote.

    Returns
    -------
    text, findings
        None for the text if the file cannot be read or holds no metadata.
    """
    import uproot

    try:
        with uproot.open(path) as file:
            members = _members(file[TREE])
    except FileNotFoundError:
        return None, [_unusable(path, "no such file")]
    except Exception as error:
        # uproot raises many kinds of exceptions on damaged or foreign files.
        return None, [_unusable(path, f"{type(error).__name__}: {str(error).splitlines()[0]}")]
    if not members:
        return None, [_unusable(path, f"the tree {TREE!r} without the members of {BRANCH}")]
    keys = {MEMBERS[name]: _plain(value) for name, value in members.items()}
    return json.dumps(keys), []


def root_identifier(path: str | Path) -> str:
    """Return the UUID that ROOT gave a file when it was written, as ``uuid:…``."""
    import uproot

    with uproot.open(path) as file:
        return f"uuid:{file.file.uuid}"


def _members(tree: Any) -> dict[str, Any]:
    """Return the members of the object, whether basf2 split it into branches or not."""
    split = {branch.name.rpartition(".")[2]: branch for branch in tree.itervalues(recursive=True)}
    found = {name: split[name].array(library="np")[0] for name in MEMBERS if name in split}
    if found or BRANCH not in split:
        return found
    whole = split[BRANCH].array(library="np")[0]
    return {name: whole.member(name) for name in MEMBERS if whole.has_member(name)}


def _plain(value: Any) -> Any:
    """Turn numpy scalars and uproot's containers into JSON's types."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, str):
        return value
    if hasattr(value, "tolist"):
        return _plain_item(value.tolist())
    return _plain_item(value)


def _plain_item(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _unusable(path: str | Path, found: str) -> Finding:
    return Finding(
        "no-metadata",
        "The ROOT file holds no metadata that can be read.",
        file=str(path),
        key=f"{TREE}/{BRANCH}",
        found=found,
        expected="the FileMetaData object of a file that basf2 wrote",
        remedy="write a metadata sidecar: `b2file-metadata-show --json` of the file it was made from",
    )
