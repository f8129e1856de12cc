"""From a number back to every global tag: the files it was made from, and the conditions behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.tree import Tree

from analysis import io
from analysis.conditions.ledger import Ledger
from analysis.conditions.records import LISTS
from analysis.conditions.show import add_conditions
from analysis.errors import AnalysisError, ConditionsError

# Ntuples are large: their bytes are compared on request only.
_LARGE = (".root",)


class State(StrEnum):
    """A file of the chain compared with what the file made from it recorded."""

    AS_RECORDED = "as recorded"
    CHANGED = "changed since"
    MISSING = "missing"
    UNCHECKED = "not compared"


@dataclass(frozen=True)
class Node:
    """One file of the chain.

    Parameters
    ----------
    path
        As recorded by the file that was made from it.
    digest
        SHA-256 that the file made from it recorded (``uuid:…`` for large files); None for the first.
    state
        Whether the file is still the one that was read.
    command, code
        What made it, and the fingerprint of that code; None where the file carries no provenance.
    conditions
        Sample → digest of its conditions, as the file tells.
    inputs
        What it was made from.
    """

    path: str
    digest: str | None
    state: State
    command: str | None
    code: str | None
    conditions: Mapping[str, str]
    inputs: tuple[Node, ...]

    def walk(self) -> Iterator[Node]:
        """Yield every file once, this one first."""
        seen: set[str] = set()
        todo = [self]
        while todo:
            node = todo.pop(0)
            if node.path not in seen:
                seen.add(node.path)
                yield node
                todo.extend(node.inputs)

    @property
    def broken(self) -> tuple[Node, ...]:
        """The files that are missing or no longer what was read."""
        return tuple(node for node in self.walk() if node.state in (State.CHANGED, State.MISSING))


def chain(path: str | Path, read: Callable[[str], Mapping[str, Any]], *, verify: bool = False) -> Node:
    """Follow a result through the provenance of its inputs.

    Parameters
    ----------
    path
        Any output of the workflow.
    read
        Returns the provenance block of a file; `AnalysisError` or KeyError where it has none.
    verify
        Hash ntuples as well.

    Raises
    ------
    ConditionsError
        The file itself carries no provenance.
    """
    base = _project(path, _origin(str(path), read))
    node = _node(str(path), Path(path), None, base, read, verify, {})
    if node.command is None:
        raise ConditionsError(
            "The file carries no provenance: nothing can be traced from it.",
            file=path,
            expected="a result of this workflow, with its block `provenance`",
            remedy="make it with `snakemake`, or with the commands it runs",
        )
    return node


def _project(path: str | Path, origin: Mapping[str, Any]) -> Path:
    """Return where the recorded paths start: the folder above the file, or the working directory, that has most."""
    names = origin.get("inputs", {})
    folders = [*Path(path).resolve().parents, Path()]
    return max(folders, key=lambda folder: sum((folder / name).exists() for name in names))


def _node(
    path: str,
    place: Path,
    recorded: str | None,
    base: Path,
    read: Callable[[str], Mapping[str, Any]],
    verify: bool,
    made: dict[str, Node],
) -> Node:
    if path in made:
        return made[path]
    # What is in `made` already cannot recur below itself: it is marked before its inputs are read.
    state = _state(place, recorded, verify)
    made[path] = Node(path, recorded, state, None, None, {}, ())
    origin = {} if state is State.MISSING else _origin(str(place), read)
    if origin:
        inputs = tuple(
            _node(name, base / name, digest, base, read, verify, made)
            for name, digest in sorted(origin["inputs"].items())
        )
        made[path] = Node(path, recorded, state, origin["command"], origin["code"], origin["conditions"], inputs)
    return made[path]


def _state(path: Path, recorded: str | None, verify: bool) -> State:
    if not path.exists():
        return State.MISSING
    if recorded is None or ":" in recorded or (path.suffix in _LARGE and not verify):
        return State.UNCHECKED
    return State.AS_RECORDED if io.sha256_file(path) == recorded else State.CHANGED


def _origin(path: str, read: Callable[[str], Mapping[str, Any]]) -> Mapping[str, Any]:
    if Path(path).suffix not in (".json", ".parquet"):
        return {}
    try:
        return read(path)
    except (AnalysisError, KeyError, TypeError):
        return {}


def tree(node: Node, ledger: Ledger, headline: str) -> Tree:
    """Return the chain and the conditions behind it for the terminal.

    Parameters
    ----------
    node
        Of `chain`.
    ledger
        The conditions of the samples.
    headline
        What is traced, μ and its error say.
    """
    root = Tree(headline)
    _add(root, node, set())
    branch = root.add("conditions")
    known, lost = [], []
    for sample, digest in sorted(node.conditions.items()):
        record = ledger.samples.get(sample)
        if record is not None and record.digest == digest:
            known.append(record)
        else:
            today = record.digest[:12] if record else "none"
            lost.append(f"{sample} {digest[:12]}: not in the ledger any more (today: {today})")
    add_conditions(branch, known, ledger)
    for text in lost:
        branch.add(text)
    return root


def _add(tree: Tree, node: Node, seen: set[str]) -> None:
    if node.path in seen and node.inputs:
        tree.add(f"{node.path}, see above")
        return
    seen.add(node.path)
    digest = "" if node.digest is None else f" {node.digest[:12]}"
    made = "" if node.code is None else f" by {node.command}"
    state = f" [{node.state}]" if node.state in (State.CHANGED, State.MISSING) else ""
    branch = tree.add(f"{node.path}{digest}{made}{state}")
    for item in node.inputs:
        _add(branch, item, seen)


def to_plain(node: Node, ledger: Ledger) -> dict[str, Any]:
    """Return the chain as plain values: files, per sample its digest, buckets and tags, and the buckets' campaigns."""
    return {
        "files": [
            {
                "path": item.path,
                "digest": item.digest,
                "state": item.state.value,
                "command": item.command,
                "code": item.code,
                "inputs": [below.path for below in item.inputs],
            }
            for item in node.walk()
        ],
        "samples": {
            sample: {
                "digest": digest,
                "known": sample in ledger.samples and ledger.samples[sample].digest == digest,
                "blocks": [block.model_dump(mode="json", exclude=set(LISTS)) for block in ledger.samples[sample].blocks]
                if sample in ledger.samples
                else [],
            }
            for sample, digest in sorted(node.conditions.items())
        },
        "campaigns": {name: bucket.model_dump(mode="json") for name, bucket in sorted(ledger.buckets.items())},
    }
