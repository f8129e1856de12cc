"""The FileMetaData object inside basf2's own ROOT files (mdst, udst, ntuples of newer releases).

basf2 writes it as the branch ``FileMetaData`` of the tree ``persistent``, which has one entry. With the
split level that RootOutput uses (99) every member is a branch of its own, and the map
``m_dataDescription`` one with two below it; with split level 0 the object is whole. Both are read,
and both are tested with files that ROOT wrote (``tests/unit/conditions/filemetadata``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
            tree = file[TREE]
            if tree.num_entries != 1:
                return None, [_several(path, tree.num_entries)]
            members = _members(tree[BRANCH])
    except FileNotFoundError:
        return None, [_unusable(path, "no such file")]
    except Exception as error:
        # uproot raises many kinds of exceptions on damaged or foreign files.
        return None, [_unusable(path, f"{type(error).__name__}: {str(error).splitlines()[0]}")]
    keys = {MEMBERS[name]: _plain(value) for name, value in members.items()}
    return json.dumps(keys), []


def root_identifier(path: str | Path) -> str:
    """Return the UUID that ROOT gave a file when it was written, as ``uuid:…``."""
    import uproot

    with uproot.open(path) as file:
        return f"uuid:{file.file.uuid}"


def _members(branch: Any) -> dict[str, Any]:
    """Return the members of the object, whether basf2 split it into branches or not."""
    if not branch.branches:
        whole = branch.array(library="np")[0]
        return {name: whole.member(name) for name in MEMBERS if whole.has_member(name)}
    split = {member.name: member for member in branch.branches}
    return {name: _value(split[name]) for name in MEMBERS if name in split}


def _value(branch: Any) -> Any:
    if not branch.branches:
        return branch.array(library="np")[0]
    # A map: its keys and its values are branches below it.
    keys, values = (branch[f"{branch.name}.{part}"].array(library="np")[0] for part in ("first", "second"))
    return dict(zip(keys, values, strict=True))


def _plain(value: Any) -> Any:
    """Turn numpy's scalars and uproot's containers into JSON's types."""
    if isinstance(value, Mapping):
        return {str(key): str(item) for key, item in value.items()}
    plain = value.tolist() if hasattr(value, "tolist") else value
    return [str(item) for item in plain] if isinstance(plain, Sequence) and not isinstance(plain, str) else plain


def _several(path: str | Path, entries: int) -> Finding:
    return Finding(
        "no-metadata",
        "The ROOT file holds the metadata of several files, or of none.",
        file=str(path),
        key=TREE,
        found=f"{entries} entries",
        expected="one entry",
        remedy="merge basf2's files with `b2file-merge`, which merges their metadata too (`hadd` does not)",
    )


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
