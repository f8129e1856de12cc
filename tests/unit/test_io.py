import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from analysis import io
from analysis.cli import main
from analysis.errors import InputError, OutputError


def test_atomic_leaves_nothing_behind_when_the_block_fails(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b.json"
    io.write_json(target, {"old": True})

    def fail() -> None:
        with io.atomic(target) as path:
            path.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert json.loads(target.read_text()) == {"old": True}
    assert list(target.parent.iterdir()) == [target]


def test_json_turns_numpy_and_non_finite_values_into_json(tmp_path: Path) -> None:
    io.write_json(tmp_path / "x.json", {"a": np.arange(2), "b": np.float32(0.5), "c": [np.nan, np.inf], "d": np.True_})
    assert io.read_json(tmp_path / "x.json") == {"a": [0, 1], "b": 0.5, "c": [None, None], "d": True}


def test_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert io.digest({"a": 1, "b": [1, 2]}) == io.digest({"b": [1, 2], "a": 1}) != io.digest({"a": 1, "b": [2, 1]})


def test_read_json_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match=r"not valid JSON(.|\n)*bad\.json"):
        io.read_json(tmp_path / "bad.json")
    with pytest.raises(InputError, match="missing"):
        io.read_json(tmp_path / "none.json")


def columns(start: int, stop: int) -> dict[str, np.ndarray]:
    x = np.arange(start, stop)
    return {"i": x.astype("int32"), "f": x * 0.5, "b": x % 2 == 0, "u": x.astype("uint32")}


def test_table_written_in_chunks_equals_table_written_at_once(tmp_path: Path) -> None:
    with io.TableWriter(tmp_path / "chunks.parquet") as writer:
        writer.append(columns(0, 10))
        writer.append(columns(10, 10))
        writer.append(columns(10, 25))
        writer.metadata = {"sum": 1.5}
    io.write_table(tmp_path / "whole.parquet", columns(0, 25), {"sum": 1.5})
    one, two = (io.read_table(tmp_path / name) for name in ("chunks.parquet", "whole.parquet"))
    assert one.metadata == two.metadata == {"sum": 1.5}
    assert len(one) == 25
    for name, array in columns(0, 25).items():
        assert one.columns[name].dtype == two.columns[name].dtype == array.dtype
        np.testing.assert_array_equal(one.columns[name], array)


def test_table_has_the_same_bytes_every_time(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        io.write_table(tmp_path / name, columns(0, 1000), {"z": 1, "a": [1.0, None]})
    assert io.sha256_file(tmp_path / "a.parquet") == io.sha256_file(tmp_path / "b.parquet")


def test_failed_table_leaves_no_file(tmp_path: Path) -> None:
    def fail() -> None:
        with io.TableWriter(tmp_path / "t.parquet") as writer:
            writer.append(columns(0, 5))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_table_errors_name_file_and_column(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    io.write_table(path, {"kaonID": np.zeros(3)}, {})
    with pytest.raises(InputError, match=r"lacks columns(.|\n)*t\.parquet(.|\n)*kaonId(.|\n)*'kaonID'"):
        io.read_table(path, ["kaonId"])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"cannot be read(.|\n)*t\.parquet"):
        io.read_table(path)


def test_foreign_parquet_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="no metadata of this project"):
        io.read_table(tmp_path / "x.parquet")


def test_a_full_disk_is_told_with_file_and_remedy_and_leaves_nothing(tmp_path: Path) -> None:
    def fill() -> None:
        with io.atomic(tmp_path / "x.json") as path:
            path.write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputError, match=r"x\.json(.|\n)*No space left(.|\n)*make room"):
        fill()
    assert not list(tmp_path.iterdir())


def test_a_table_too_large_for_its_place_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """Parquet is written by pyarrow, and finished only when the writer is closed."""
    code = (
        "import resource, sys, numpy as np\n"
        "from analysis import io\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "io.write_table(sys.argv[1], {'x': np.random.default_rng(1).random(100_000)}, {})\n"
    )
    target = tmp_path / "x.parquet"
    done = subprocess.run([sys.executable, "-c", code, str(target)], capture_output=True, text=True, check=False)
    assert "OutputError: A file cannot be written" in done.stderr
    assert "File too large" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_place_where_nobody_may_write_is_told_for_tables_too() -> None:
    for write in (lambda path: io.write_json(path, {}), lambda path: io.write_table(path, {"x": np.zeros(1)}, {})):
        with pytest.raises(OutputError, match="check the path, and that you may write there"):
            write("/sys/x.parquet")  # not even root may


def test_an_output_that_is_a_folder_or_lies_in_a_file_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for path, remedy in ((tmp_path, "name a file"), (tmp_path / "file/x.json", "name another folder")):
        with pytest.raises(OutputError, match=remedy):
            io.write_json(path, {})
    with pytest.raises(OutputError, match="name another folder"):
        io.write_json(tmp_path / "file/deep/x.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    arguments = ["configuration", "--config", "config/config.yaml", "--output", str(tmp_path)]
    assert main(arguments) == 1
    assert main(["--log", str(tmp_path), *arguments]) == 1
    errors = capfd.readouterr().err
    assert "The log cannot be written" in errors
    assert "Traceback" not in errors


def test_the_first_error_is_told_not_that_the_partial_file_cannot_be_removed(tmp_path: Path) -> None:
    def fail() -> None:
        with io.atomic(tmp_path / "x.json") as path:
            path.unlink()
            path.mkdir()  # unlink() fails
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        fail()


def test_an_input_that_the_block_cannot_read_is_not_called_an_output(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), io.atomic(tmp_path / "x.json"):
        (tmp_path / "input").read_text()


def test_interrupted_commands_end_quietly(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("analysis.config.load", interrupted)
    assert main(["configuration", "--config", "x.yaml"]) == 130
    errors = capfd.readouterr().err
    assert "interrupted" in errors
    assert "Traceback" not in errors


def test_the_remedy_for_broken_json_is_not_to_delete_what_people_wrote(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("{")
    with pytest.raises(InputError, match="correct it; if the workflow made it, delete it"):
        io.read_json(tmp_path / "mine.json")


def test_a_file_of_another_kind_is_told_with_the_command_that_makes_the_right_one(tmp_path: Path) -> None:
    class Wanted(BaseModel):
        mu: float

    path = tmp_path / "result.json"
    io.write_json(path, {"mu": 1.5})
    assert io.read_model(path, Wanted, "fit").mu == 1.5
    io.write_json(path, {"mu": "one"})
    with pytest.raises(InputError, match="not what `fit` of this version writes") as caught:
        io.read_model(path, Wanted, "fit")
    assert (caught.value.file, caught.value.where) == (str(path), "mu")
    with pytest.raises(InputError, match="missing"):
        io.read_model(tmp_path / "none.json", Wanted, "fit")


def test_files_are_utf8_whatever_the_locale(tmp_path: Path) -> None:
    """Batch nodes often have none, and Python then writes ASCII."""
    script = """
from analysis import io, provenance
io.write_json("x.json", {"a": "\\u03bc"})
assert io.read_json("x.json") == {"a": "\\u03bc"}
provenance.fingerprint("analysis.inference.fit")
"""
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "x.json").read_bytes()) == {"a": "μ"}
