import time
from pathlib import Path

import numpy as np
import pytest
import uproot

from analysis.basf2 import SampleType
from analysis.conditions.sidecar import read_sidecar
from analysis.simulation import sidecar
from analysis.simulation.ntuple import ROWS_PER_BASKET, write_ntuple
from analysis.simulation.sidecar import Origin, file_metadata

N = ROWS_PER_BASKET + 10
COLUMNS = {
    "__event__": np.arange(N),
    "__weight__": np.ones(N),
    "K_p": np.linspace(0, 1, N),
    "parentGroup": np.arange(N) * 10**9,
    "Btag_SignalProbability": np.random.default_rng(1).random(N),
}


def test_branches_are_what_basf2_writes(tmp_path: Path) -> None:
    write_ntuple(tmp_path / "a.root", COLUMNS, identity="a", tree="mine")
    with uproot.open(tmp_path / "a.root") as file:
        tree = file["mine"]
        types = tree.typenames()
        assert types["__event__"] == "uint32_t"
        assert types["parentGroup"] == "int64_t"
        assert types["daughter__bo0__cm__spextraInfo__boSignalProbability__bc__bc"] == "double"
        assert tree.num_entries == N
        assert tree["__event__"].num_baskets == 2
        assert file.file.compression == uproot.ZLIB(1)
        assert tree["__weight__"].uncompressed_bytes - tree["__weight__"].compressed_bytes > 1000
        assert tree["__weight__"].basket(0).data.nbytes == 1600
        kaon = tree["daughter__bo1__cm__spdaughter__bo0__cm__spp__bc__bc"].array(library="np")
        assert np.array_equal(kaon, COLUMNS["K_p"])


def test_same_content_same_bytes(tmp_path: Path) -> None:
    write_ntuple(tmp_path / "a.root", COLUMNS, identity="a")
    time.sleep(1.1)  # ROOT's dates count seconds
    (tmp_path / "elsewhere").mkdir()
    write_ntuple(tmp_path / "elsewhere" / "b.root", COLUMNS, identity="a")
    write_ntuple(tmp_path / "c.root", COLUMNS, identity="c")
    first, again, other = (tmp_path / name for name in ("a.root", "elsewhere/b.root", "c.root"))
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes() != other.read_bytes(), "two files have two UUIDs"


def test_time_goes_on_after_writing(tmp_path: Path) -> None:
    before = uproot._util.datetime_to_code
    write_ntuple(tmp_path / "a.root", COLUMNS, identity="a")
    assert uproot._util.datetime_to_code is before


def test_an_empty_ntuple_has_its_branches(tmp_path: Path) -> None:
    write_ntuple(tmp_path / "a.root", {name: values[:0] for name, values in COLUMNS.items()}, identity="a")
    with uproot.open(tmp_path / "a.root") as file:
        assert file["variables"].num_entries == 0
        assert len(file["variables"].keys()) == len(COLUMNS)


def test_nothing_is_left_of_a_failed_write(tmp_path: Path) -> None:
    broken = COLUMNS | {"K_p": np.array(["no number"] * N)}
    with pytest.raises(ValueError, match="could not convert"):
        write_ntuple(tmp_path / "a.root", broken, identity="a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [SampleType.CHARGED, SampleType.DATA])
def test_sidecars_are_valid(tmp_path: Path, kind: SampleType) -> None:
    runs = ((7, 100), (26, 103)) if kind.is_data else ((sidecar.MC_EXPERIMENT, 0),)
    origin = Origin(kind, 35000, 0, "1", 0 if kind.is_data else 5000, 10.0, runs)
    path = tmp_path / "a.root.metadata.json"
    path.write_text(file_metadata(origin, 10, (1, 50)).to_json(), encoding="utf-8")
    metadata = read_sidecar(path)
    assert metadata.is_mc == (not kind.is_data)
    assert metadata.mc_events == origin.mc_events
    assert metadata.dataset is not None
    assert metadata.dataset.luminosity == 10.0
    assert metadata.dataset.run_luminosity == tuple((*run, 10.0 / len(runs)) for run in runs)
    assert metadata.experiment_high == runs[-1][0]
