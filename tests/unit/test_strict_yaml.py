"""No key stands twice: not in a map of shared parameters either, nor where merge keys meet."""

from pathlib import Path

import pytest
import yaml

from analysis import strict_yaml
from analysis.cli import main


@pytest.mark.parametrize(
    ("text", "lines"),
    [("a: 1\nb: 2\na: 3", "1 and 3"), ("x:\n - {b: 1,\n    b: 2}", "2 and 3"), ("'a': 1\n\"a\": 2", "1 and 2")],
)
def test_a_key_twice_is_told_with_both_lines(text: str, lines: str) -> None:
    with pytest.raises(yaml.YAMLError) as caught:
        strict_yaml.load_yaml(text)
    assert f"stands twice, in lines {lines}" in strict_yaml.told(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}",
        "s: [{k: &b {<<: &c {a: 1}, a: 2}}]\nx: {<<: *b, a: 3}",
        "a: &a {x: 1}\nb: &b {y: 1}\nc: {<<: [*a, *b], z: 1}",
        "1: a\n'1': b",
    ],
)
def test_everything_else_is_read_as_yaml_reads_it(text: str) -> None:
    assert strict_yaml.load_yaml(text) == yaml.safe_load(text)


def test_a_map_of_shared_parameters(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "map.yaml").write_text("poi: mu\nshared: {}\nseparate: [a]\npoi: nu\n")
    arguments = ["combine", "--workspace", "a=a.json", "--map", str(tmp_path / "map.yaml"), "--output", "o.json"]
    assert main(arguments) == 1
    assert "the key 'poi' stands twice, in lines 1 and 4" in capfd.readouterr().err
