"""Where a result comes from: code, settings, libraries, inputs and conditions, as digests inside every output.

``fingerprint`` is also what tells Snakemake that imported code changed: it goes into ``params:`` of every rule.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib.metadata
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from analysis import __version__
from analysis.errors import ConditionsError
from analysis.io import digest, read_json, read_table, sha256_file

PACKAGE = "analysis"
ROOT = Path(__file__).parent
# The configuration acts on a result only through its validated values, which are digested apart (`settings`);
# an edit of the models that leaves the values as they are must rerun nothing.
NOT_FOLLOWED = ("analysis.config", "analysis.errors", "analysis.log", "analysis.provenance")
# Data that belong to a module: a file beside it, of its name.
DATA_SUFFIX = ".json"


class Provenance(BaseModel):
    """What a file was made with. Holds no times and no paths of a machine: same inputs, same bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    software: str
    """Name and version of this package."""
    command: str
    """The sub-command that wrote the file."""
    code: str
    """Fingerprint of the code behind the command."""
    settings: str
    """Digest of the part of the configuration that the command used."""
    libraries: dict[str, str]
    """Versions of the third-party libraries that the code imports."""
    inputs: dict[str, str]
    """Input file (as given on the command line) to SHA-256 of its bytes."""
    conditions: dict[str, str]
    """Sample to digest of its conditions record; empty where no ledger was given."""


def _source(module: str) -> Path | None:
    """Return the file of a module of this package, or None if there is no such module."""
    base = ROOT.joinpath(*module.split(".")[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _strip_docstrings(tree: ast.AST) -> ast.AST:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds):
            # Any bare string is documentation, also the ones behind attributes.
            node.body = [
                item
                for item in node.body
                if not (
                    isinstance(item, ast.Expr)
                    and isinstance(item.value, ast.Constant)
                    and isinstance(item.value.value, str)
                )
            ]
    return tree


def _imports(tree: ast.AST, module: str, is_package: bool) -> set[str]:
    """Return the absolute names of all that a module imports anywhere, ``from x import y`` as ``x`` and ``x.y``."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parts, base]) if base else ".".join(parts)
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


def _stat(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@functools.cache
def _parse(path: Path, module: str, stat: tuple[int, int]) -> tuple[str, frozenset[str]]:  # noqa: ARG001 - part of the key
    tree = _strip_docstrings(ast.parse(path.read_text(encoding="utf-8"), str(path)))
    return ast.dump(tree), frozenset(_imports(tree, module, path.name == "__init__.py"))


def _not_followed(module: str) -> bool:
    return any(module == name or module.startswith(name + ".") for name in NOT_FOLLOWED)


def closure(module: str) -> tuple[dict[str, str], set[str]]:
    """Return what a module rests on.

    Parameters
    ----------
    module
        Absolute name of a module of this package.

    Returns
    -------
    sources, libraries
        Syntax trees (docstrings stripped) of the module and of all it imports from the package, by module name, with
        the hash of the data that lie beside a module under its name (``probability.json`` beside ``probability.py``);
        and the top-level names of the third-party packages imported on the way.
    """
    sources: dict[str, str] = {}
    libraries: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name in sources or _not_followed(name):
            continue
        path = _source(name)
        if path is None:
            continue
        sources[name], imports = _parse(path, name, _stat(path))
        table = path.with_suffix(DATA_SUFFIX)
        if table.is_file():
            sources[name + DATA_SUFFIX] = sha256_file(table)
        for imported in imports:
            top = imported.partition(".")[0]
            if top == PACKAGE:
                todo.append(imported)
                # Importing a.b.c runs a/__init__ and a.b/__init__ as well.
                todo.extend(imported.rsplit(".", n)[0] for n in range(1, imported.count(".")))
            elif top and top not in sys.stdlib_module_names:
                libraries.add(top)
    return sources, libraries


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


# Import names that are not the distribution's; asking for all of them (the fall-back) takes a second.
_DISTRIBUTION = {"yaml": ("PyYAML",), "xgboost": ("xgboost", "xgboost-cpu"), "gitlab": ("python-gitlab",)}


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Return distribution name -> version of installed third-party packages, given their import names."""
    versions: dict[str, str] = {}
    for name in names:
        known = {}
        for distribution in _DISTRIBUTION.get(name, (name,)):
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                known[distribution] = importlib.metadata.version(distribution)
        versions |= known or {
            distribution: importlib.metadata.version(distribution) for distribution in _distributions().get(name, [])
        }
    return dict(sorted(versions.items()))


def fingerprint(module: str) -> str:
    """Return the SHA-256 over the code that decides a module's results.

    It covers the syntax trees of the module and of everything it imports from this package, docstrings and comments
    left out, the data files beside them, and the versions of the third-party libraries they import.

    Raises
    ------
    ValueError
        There is no such module in this package.
    """
    if _source(module) is None:
        raise ValueError(f"there is no module {module} in {PACKAGE}")
    sources, libraries = closure(module)
    return digest({"sources": sources, "libraries": library_versions(libraries)})


def collect(
    command: str,
    settings: object,
    inputs: Iterable[str | Path] = (),
    conditions: Mapping[str, str] | None = None,
    input_digests: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the provenance block of an output, ready for JSON.

    Parameters
    ----------
    command
        Name of the module in ``analysis.cli`` that writes the output.
    settings
        The part of the configuration it used, as plain JSON values.
    inputs
        Files it read; their bytes are hashed.
    conditions
        Sample to digest of its conditions record; see :func:`conditions_of` for derived inputs.
    input_digests
        Digests of inputs that are too large to hash, by path: whatever identifies them.
    """
    module = f"{PACKAGE}.cli.{command}"
    _, libraries = closure(module)
    return Provenance(
        software=f"knunu-semileptonic {__version__}",
        command=command,
        code=fingerprint(module),
        settings=digest(settings),
        libraries=library_versions(libraries),
        inputs={
            **{str(path): sha256_file(path) for path in inputs},
            **(input_digests or {}),
        },
        conditions=dict(sorted((conditions or {}).items())),
    ).model_dump()


def read_provenance(path: str | Path) -> dict[str, Any]:
    """Return the provenance block inside an output of this package (JSON or Parquet)."""
    if Path(path).suffix == ".parquet":
        return dict(read_table(path, columns=[]).metadata["provenance"])
    return dict(read_json(path)["provenance"])


def conditions_of(paths: Iterable[str | Path]) -> dict[str, str]:
    """Return the union of the sample conditions recorded in derived files.

    Raises
    ------
    ConditionsError
        Two files tell different conditions of one sample: a classifier trained under others than it is applied to, say.
    """
    digests: dict[str, str] = {}
    origin: dict[str, str | Path] = {}
    for path in paths:
        for sample, value in read_provenance(path)["conditions"].items():
            if digests.setdefault(sample, value) != value:
                raise ConditionsError(
                    f"Inputs were made under different conditions of the sample {sample!r}.",
                    file=f"{origin[sample]} and {path}",
                    where="provenance.conditions",
                    found=f"{digests[sample][:12]} and {value[:12]}",
                    expected="one and the same",
                    remedy="remake the older input: `snakemake` does where both belong to the workflow",
                )
            origin.setdefault(sample, path)
    return digests
