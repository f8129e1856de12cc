import json
from pathlib import Path

import numpy as np
import pytest

from analysis import io
from analysis.errors import InputError


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
