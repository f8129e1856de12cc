from pathlib import Path

import numpy as np
import pytest

from analysis import io, provenance


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A little package in place of ours: cli.stage → stage → helper, and a neighbour."""
    root = tmp_path / "analysis"
    files = {
        "__init__.py": "",
        "cli/__init__.py": "",
        "cli/stage.py": "def run():\n    from analysis import stage\n    return stage.f()\n",
        "stage.py": '"""Docs."""\nimport numpy\nfrom .deep.helper import g\n\ndef f():\n    return g() + 1\n',
        "deep/__init__.py": "",
        "deep/helper.py": "def g():\n    return 1\n",
        "neighbour.py": "import awkward\nX = 1\n",
        "config/__init__.py": "Y = 1\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(provenance, "ROOT", root)
    return root


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


MODULE = "analysis.cli.stage"


def test_closure_follows_lazy_and_relative_imports(package: Path) -> None:
    sources, libraries = provenance.closure(MODULE)
    assert set(sources) == {MODULE, "analysis", "analysis.stage", "analysis.deep", "analysis.deep.helper"}
    assert libraries == {"numpy"}


def test_comments_docstrings_and_layout_do_not_count(package: Path) -> None:
    before = provenance.fingerprint(MODULE)
    edit(package / "stage.py", "Docs.", "Other words.")
    edit(package / "stage.py", "return g() + 1", "return (g()   + 1)  # a comment")
    assert provenance.fingerprint(MODULE) == before


@pytest.mark.parametrize("name", ["stage.py", "deep/helper.py"])
def test_code_counts_wherever_it_is_imported(package: Path, name: str) -> None:
    before = provenance.fingerprint(MODULE)
    edit(package / name, "1", "2")
    assert provenance.fingerprint(MODULE) != before


def test_data_count_that_lie_beside_a_module_under_its_name(package: Path) -> None:
    marks = {provenance.fingerprint(MODULE)}
    for name, text in (("deep/helper.json", "{}"), ("deep/helper.json", "[]"), ("neighbour.json", "{}")):
        (package / name).write_text(text)
        marks.add(provenance.fingerprint(MODULE))
    assert len(marks) == 3


@pytest.mark.parametrize("name", ["neighbour.py", "config/__init__.py"])
def test_what_is_not_imported_and_the_models_of_the_configuration_do_not_count(package: Path, name: str) -> None:
    before = provenance.fingerprint(MODULE)
    edit(package / name, "1", "2")
    assert provenance.fingerprint(MODULE) == before


def test_library_versions_count(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = provenance.fingerprint(MODULE)
    monkeypatch.setattr(provenance.importlib.metadata, "version", lambda _: "0.0")
    assert provenance.fingerprint(MODULE) != before


def test_unknown_module_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no module analysis\.nothing"):
        provenance.fingerprint("analysis.nothing")


def test_every_command_has_a_fingerprint_of_its_own() -> None:
    from analysis.cli import commands

    marks = {name: provenance.fingerprint(f"analysis.cli.{name}") for name in commands()}
    assert len(set(marks.values())) == len(marks)


def test_collect_travels_through_tables_and_json(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"abc")
    block = provenance.collect(
        "configuration", {"cut": "x > 1"}, inputs=[tmp_path / "input"], conditions={"signal": "d"}
    )
    assert block["inputs"][str(tmp_path / "input")].startswith("ba7816bf")  # SHA-256 of "abc" (FIPS 180-2, B.1)
    io.write_table(tmp_path / "t.parquet", {"x": np.zeros(1)}, {"provenance": block})
    io.write_json(tmp_path / "t.json", {"provenance": {**block, "conditions": {"data": "e"}}})
    assert provenance.read_provenance(tmp_path / "t.parquet") == block
    assert provenance.conditions_of([tmp_path / "t.parquet", tmp_path / "t.json"]) == {"signal": "d", "data": "e"}
