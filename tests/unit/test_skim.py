"""The skim: rows, columns, weights and reports, of basf2's ntuples and of any other."""

import logging
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import awkward as ak
import fsspec
import numpy as np
import pytest
import uproot
import yaml

from analysis import config
from analysis.basf2 import make_root_compatible
from analysis.cli import main
from analysis.cli import skim as command
from analysis.columns import COLUMNS, FORM_FACTOR, PRE, required
from analysis.errors import InputError
from analysis.io import read_table
from analysis.skim import ROWS_PER_GROUP, skim, wanted


def write(path, columns, tree="variables"):
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        file.mktree(tree, {name: array.dtype for name, array in columns.items()})
        file[tree].extend(columns)
    return str(path)


def basf2_columns(rows, seed=0, *, truth=True, leave_out=()):
    """Every column of the data model under the name that basf2 would write."""
    rng = np.random.default_rng(seed)
    columns = {}
    for column in COLUMNS.values():
        if column.provided_by != "ntuple" or (column.truth and not truth) or column.name in leave_out:
            continue
        values = rng.integers(0, 100, rows) if "int" in column.dtype else rng.normal(size=rows)
        name = make_root_compatible(column.basf2) if column.basf2 else column.name
        columns[name] = values.astype(column.dtype)
    return columns


def configuration(tmp_path, **changes):
    raw = {"name": "test", "samples": [{"name": "signal", "type": "signal", "files": ["*.root"]}], **changes}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


PRESELECTION = {"cuts": [{"name": "missing mass", "cut": "missM2 > 0 and q2_rec > 1"}]}


def run(tmp_path, files, **changes):
    path = configuration(tmp_path, **changes)
    output = tmp_path / "skim.parquet"
    sample = changes.get("samples", [{"name": "signal"}])[0]["name"]
    status = main(["skim", "--config", str(path), "--sample", sample, "--output", str(output), *map(str, files)])
    assert status == 0
    return read_table(output)


def test_skim_of_basf2_ntuples(tmp_path):
    parts = [basf2_columns(300, seed) for seed in range(2)]
    files = [write(tmp_path / f"{i}.root", part) for i, part in enumerate(parts)]
    table = run(tmp_path, files, skim={"cut": "K_pStar > 0.5"}, preselection=PRESELECTION)
    branch = make_root_compatible(COLUMNS["K_pStar"].basf2)
    masks = [part[branch] > 0.5 for part in parts]
    for name, array in table.columns.items():
        column = COLUMNS[name]
        stored = make_root_compatible(column.basf2) if column.basf2 else name
        expected = np.concatenate([part[stored][mask] for part, mask in zip(parts, masks, strict=True)])
        np.testing.assert_array_equal(array, expected)
        assert array.dtype == column.dtype
    needed = {column.name for column in required([PRE, FORM_FACTOR], simulated=True)}
    assert needed <= set(table.columns)
    meta = table.metadata
    assert meta["rows_in"] == 600
    assert meta["rows_out"] == len(table) == sum(mask.sum() for mask in masks)
    weights = [float(part["__weight__"].sum()) for part in parts]
    assert meta["sum_of_weights"] == pytest.approx(sum(weights), rel=1e-12)
    assert [entry["file"] for entry in meta["files"]] == files
    assert [entry["sum_of_weights"] for entry in meta["files"]] == pytest.approx(weights, rel=1e-12)
    assert [entry["rows_out"] for entry in meta["files"]] == [int(mask.sum()) for mask in masks]
    assert list(meta["provenance"]["inputs"]) == files
    assert meta["all_nan"] == []


def needs(sample_type="signal", **sections):
    raw = {
        "name": "test",
        "samples": [{"name": "s", "type": sample_type, "files": ["x"]}],
        "preselection": PRESELECTION,
    }
    checked = config.resolve({**raw, **sections}, source="test")
    return set(wanted(checked, checked.sample("s")).keep)


def test_only_what_is_used_must_be_there():
    """Someone's own selection does not ask for the toy's columns, nor background for what only signal has."""
    named = {"missM2"}
    chosen = {"__experiment__", "__run__", "__event__", "__production__", "__candidate__", "__weight__"}
    chosen |= {"Btag_SignalProbability", "K_kaonID", "K_pStar"}
    identified = {"K_p", "K_theta", "K_charge", "K_mcPDG"}
    assert needs("data") == chosen | named
    assert needs("charged") == chosen | named
    assert needs("signal") == chosen | named | {"q2_gen"}
    table = {"weights": {"kaon_id": "table.csv"}}
    assert needs("charged", **table) == chosen | named | identified
    assert needs("data", **table) == chosen | named
    assert needs("signal", weights={"form_factor": "none"}) == chosen | named
    axes = [{"column": "q2_rec", "edges": [0, 20]}]
    likelihood = {"bdt": {"inputs": ["R2"]}, "templates": {"channels": [{"name": "SR", "axes": axes}]}}
    assert needs("charged", **likelihood) == chosen | named | {"R2", "Btag_decayModeID"}
    switched_off = {"systematics": {"tracking": 0, "form_factor": False}, "weights": {"form_factor": "none"}}
    assert needs("signal", **likelihood, **switched_off) == chosen | named | {"R2"}


def test_a_file_under_two_names_is_refused(tmp_path, caplog):
    file = write(tmp_path / "a.root", {"x": np.arange(3.0)})
    other = shutil.copy(file, tmp_path / "b.root")
    output = tmp_path / "skim.parquet"
    arguments = ["skim", "--config", str(configuration(tmp_path)), "--sample", "signal", "--output", str(output)]
    assert main([*arguments, file, str(other)]) == 1
    assert "Two input files are the same, byte by byte." in caplog.text
    assert f"{file} and {other}" in caplog.text
    assert not output.exists()


def test_any_other_ntuple(tmp_path):
    rng = np.random.default_rng(3)
    columns = {"Pt": rng.normal(size=500), "evt": np.arange(500, dtype="i8"), "w": rng.uniform(size=500)}
    file = write(tmp_path / "other.root", columns, tree="Events")
    table = run(
        tmp_path,
        [file],
        samples=[
            {
                "name": "mine",
                "type": "signal",
                "files": ["x"],
                "tree": "Events",
                "aliases": {"K_p": "Pt", "__weight__": "w"},
                "generated_events": 1000,
            }
        ],
        skim={"cut": "abs(K_p) < 1 and evt < 400", "columns": ["evt", "K_p"]},
    )
    mask = (np.abs(columns["Pt"]) < 1) & (columns["evt"] < 400)
    assert list(table.columns) == ["evt", "K_p"]
    np.testing.assert_array_equal(table.columns["evt"], columns["evt"][mask])
    np.testing.assert_array_equal(table.columns["K_p"], columns["Pt"][mask])
    assert table.metadata["sum_of_weights"] == pytest.approx(columns["w"].sum())
    assert table.metadata["columns"] == {"evt": "evt", "K_p": "Pt"}
    assert table.metadata["generated_events"] == 1000


def test_without_later_stages_everything_is_kept(tmp_path):
    columns = {"a": np.arange(5.0), "b": np.arange(5, dtype="i4")}
    table = run(tmp_path, [write(tmp_path / "o.root", columns)])
    np.testing.assert_array_equal(table.columns["a"], columns["a"])
    assert table.columns["b"].dtype == np.int32
    assert table.metadata["sum_of_weights"] == 5.0


def test_cuts_as_in_basf2(tmp_path):
    columns = {"a": np.arange(5.0), make_root_compatible("daughter(0, p)"): np.arange(5.0) ** 2}
    file = write(tmp_path / "o.root", columns)
    cut = {"cut": "[daughter(0,p) > 1 or a == 0] and a^2 < 16"}
    table = run(tmp_path, [file], skim=cut)
    assert set(columns) < set(table.columns)
    assert "daughter(0,p)" not in table.columns  # the cut's spelling adds no column
    assert table.columns["a"].tolist() == [0, 2, 3]
    table = run(tmp_path, [file], skim={**cut, "columns": ["daughter(0, p)"]})
    assert table.columns["daughter(0, p)"].tolist() == [0, 4, 9]


def test_names_and_units_that_the_cut_gets_wrong(tmp_path):
    file = write(tmp_path / "o.root", {"K_momentum": np.arange(5.0)})
    sample = {"name": "signal", "type": "signal", "files": ["x"], "aliases": {"pcms": "K_momentum"}}

    def error(cut):
        cfg = config.load(configuration(tmp_path, samples=[sample], skim={"columns": ["pcms"], "cut": cut}))
        with pytest.raises(InputError) as caught:
            skim([file], cfg.samples[0], wanted(cfg, cfg.samples[0]), lambda _: None, step=1000)
        return str(caught.value)

    assert "'pcms'" in error("pcm > 1")  # an alias is near, too
    assert "a number is in the unit of its column" in error("pcms > 500 * MeV")


def test_awkward_opens_it_in_one_line(tmp_path):
    run(tmp_path, [write(tmp_path / "o.root", {"a": np.arange(5.0)})])
    assert ak.from_parquet(tmp_path / "skim.parquet")["a"].tolist() == [0, 1, 2, 3, 4]


def test_data_have_no_truth_and_event_wise_trees_no_candidate(tmp_path):
    left_out = ("__candidate__", "__production__", "__weight__")
    columns = basf2_columns(10, truth=False, leave_out=left_out)
    columns["__event__"] = columns["__event__"].astype("i4")  # older releases
    table = run(
        tmp_path,
        [write(tmp_path / "d.root", columns)],
        samples=[{"name": "data", "type": "data", "files": ["x"]}],
        preselection=PRESELECTION,
    )
    assert not any(COLUMNS[name].truth for name in table.columns)
    assert table.columns["__candidate__"].tolist() == [0] * 10
    assert table.columns["__event__"].dtype == np.uint32
    assert table.metadata["sum_of_weights"] == 10.0
    assert table.metadata["columns"]["__candidate__"] is None


def test_event_numbers_of_older_releases_keep_their_bits(tmp_path):
    columns = {"__event__": np.array([-1, 5], dtype="i4")}
    table = run(tmp_path, [write(tmp_path / "e.root", columns)], skim={"columns": ["__event__"]})
    assert table.columns["__event__"].tolist() == [2**32 - 1, 5]


def test_same_input_same_bytes_and_no_timestamp(tmp_path):
    file = write(tmp_path / "0.root", basf2_columns(100))
    run(tmp_path, [file], preselection=PRESELECTION)
    first = (tmp_path / "skim.parquet").read_bytes()
    run(tmp_path, [file], preselection=PRESELECTION)
    assert (tmp_path / "skim.parquet").read_bytes() == first


def test_batches_are_of_a_sensible_size_whatever_the_files(tmp_path):
    columns = {"a": np.arange(40_000.0)}
    files = [write(tmp_path / f"{i}.root", columns) for i in range(4)]
    cfg = config.load(configuration(tmp_path, skim={"columns": ["a"]}))
    sizes = []
    want = wanted(cfg, cfg.samples[0])
    skim(files, cfg.samples[0], want, lambda batch: sizes.append(len(batch["a"])), step=1000)
    assert sizes[0] == 17_000
    assert sizes[0] - ROWS_PER_GROUP < 1000
    assert sum(sizes) == 160_000


def test_all_nan_columns_are_reported(tmp_path, caplog):
    columns = {"a": np.arange(5.0), "hole": np.full(5, np.nan), "late": np.array([np.nan] * 4 + [1.0])}
    file = write(tmp_path / "n.root", columns)
    table = run(tmp_path, [file], skim={"columns": ["a", "hole", "late"]})
    assert table.metadata["all_nan"] == ["hole"]
    table = run(tmp_path, [file], skim={"columns": ["a", "late"], "cut": "hole > 0"})
    assert table.metadata["all_nan"] == ["hole"]  # and this is why no row passed
    assert len(table) == 0
    table = run(tmp_path, [file], skim={"columns": ["a", "late"], "cut": "a < 3"})
    assert table.metadata["all_nan"] == ["late"]


def test_rows_lost_to_nan_in_the_cut_are_told(tmp_path, caplog):
    columns = {
        "K_kaonID": np.array([0.95, np.nan, 0.2, np.nan, 0.99]),
        "K_D0vetoM": np.array([1.0, np.nan, 1.8, np.nan, 1.0]),  # here NaN has a meaning: no such track
    }
    file = write(tmp_path / "n.root", columns)
    settings = {"columns": ["K_kaonID"], "cut": "K_kaonID > 0.5 and not 1.84 < K_D0vetoM < 1.89"}
    table = run(tmp_path, [file], skim=settings)
    assert len(table) == 2
    assert table.metadata["nan_in_cut"] == {"K_kaonID": 2}
    assert "K_kaonID is NaN in 2 of 5 rows: they cannot pass the cut" in caplog.text


def test_nan_weight_is_an_error(tmp_path):
    columns = {"a": np.arange(5.0), "__weight__": np.array([1, 1, np.nan, 1, 1])}
    with pytest.raises(InputError, match="weight is not a number"):
        direct(tmp_path, [columns], ["a"])


def direct(tmp_path, parts, columns, **changes):
    files = [write(tmp_path / f"{i}.root", part) for i, part in enumerate(parts)]
    cfg = config.load(configuration(tmp_path, skim={"columns": columns, **changes}))
    return skim(files, cfg.samples[0], wanted(cfg, cfg.samples[0]), [].append, step=1000)


def test_type_that_changes_between_files_is_an_error(tmp_path):
    with pytest.raises(InputError, match="changes its type"):
        direct(tmp_path, [{"a": np.arange(3.0)}, {"a": np.arange(3, dtype="i4")}], ["a"])


def test_value_that_the_declared_type_lacks_is_an_error(tmp_path):
    with pytest.raises(InputError, match="declared type"):
        direct(tmp_path, [{"__run__": np.array([1.0, np.nan])}], ["__run__"])
    summary = direct(tmp_path, [{"__run__": np.array([1.0, 2.0])}], ["__run__"])
    assert summary.rows_out == 2
    # 2²⁴ and 2²⁴ + 1 are one float32
    with pytest.raises(InputError, match="float32, too coarse for its values"):
        direct(tmp_path, [{"__event__": np.array([7, 2**24 + 1], dtype="f4")}], ["__event__"])
    assert direct(tmp_path, [{"__event__": np.array([7, 2**24 + 1], dtype="f8")}], ["__event__"]).rows_out == 2


def test_a_file_given_twice_is_an_error(tmp_path):
    file = write(tmp_path / "a.root", {"a": np.arange(3.0)})
    cfg = config.load(configuration(tmp_path))
    with pytest.raises(InputError, match="twice"):
        skim([file, file], cfg.samples[0], wanted(cfg, cfg.samples[0]), print, step=1000)


def test_missing_branch_names_the_nearest(tmp_path):
    with pytest.raises(InputError, match="lacks the branch of column 'kaonID'") as caught:
        direct(tmp_path, [{"kaonId": np.arange(3.0)}], ["kaonID"])
    assert "'kaonId'" in str(caught.value)
    with pytest.raises(InputError, match="lacks the branch of column 'cutOn'"):
        direct(tmp_path, [{"a": np.arange(3.0)}], ["a"], cut="cutOn > 1")


def test_missing_branch_in_a_later_file(tmp_path):
    parts = [{"a": np.arange(3.0), "R2": np.arange(3.0)}, {"a": np.arange(3.0)}]
    files = [write(tmp_path / f"{i}.root", part) for i, part in enumerate(parts)]
    cfg = config.load(configuration(tmp_path))
    with pytest.raises(InputError, match="'R2'") as caught:
        skim(files, cfg.samples[0], wanted(cfg, cfg.samples[0]), [].append, step=1000)
    assert caught.value.file == files[1]


def test_failure_leaves_no_file(tmp_path, caplog):
    path = configuration(tmp_path)
    good = write(tmp_path / "a.root", {"a": np.arange(3.0)})
    bad = tmp_path / "b.root"
    bad.write_bytes(b"")
    output = tmp_path / "out" / "skim.parquet"
    status = main(["skim", "--config", str(path), "--sample", "signal", "--output", str(output), good, str(bad)])
    assert status == 1
    assert [path.name for path in output.parent.iterdir() if path.is_file()] == []


def damaged(tmp_path, n=4, rows=50):
    """Write files of which the second has a wrong byte in its last basket of 'b', so that its first rows are read."""
    rng = np.random.default_rng(8)
    parts = [{"a": rng.integers(0, 5, rows) * 1.0, "b": rng.integers(0, 5, rows) * 1.0} for _ in range(n)]
    files = [write(tmp_path / f"{i}.root", part) for i, part in enumerate(parts)]
    with uproot.recreate(files[1], compression=uproot.ZLIB(1)) as file:
        file.mktree("variables", {"a": "f8", "b": "f8"})
        for _ in range(30):
            file["variables"].extend(parts[1])
    with uproot.open(files[1]) as file:
        branch = file["variables"]["b"]
        position = int(branch.member("fBasketSeek")[29] + branch.member("fBasketBytes")[29]) - 12
    content = bytearray((tmp_path / "1.root").read_bytes())
    content[position] ^= 0xFF
    (tmp_path / "1.root").write_bytes(content)
    return files, parts


def test_damaged_file_is_an_error_unless_it_is_to_be_left_out(tmp_path):
    files, _ = damaged(tmp_path)
    cfg = config.load(configuration(tmp_path))
    with pytest.raises(InputError, match="'b', entries 1450 to 1500") as caught:
        skim(files, cfg.samples[0], wanted(cfg, cfg.samples[0]), [].append, step=1000)
    assert caught.value.file == files[1]


def test_damaged_file_is_left_out_as_a_whole_and_listed(tmp_path):
    files, parts = damaged(tmp_path)
    table = run(tmp_path, files, skim={"on_bad_file": "skip", "step": 1000})
    del parts[1]
    np.testing.assert_array_equal(table.columns["a"], np.concatenate([part["a"] for part in parts]))
    assert table.metadata["rows_in"] == 150
    assert table.metadata["sum_of_weights"] == 150
    (skipped,) = table.metadata["skipped"]
    assert skipped["file"] == files[1]
    assert "entries 1450 to 1500" in skipped["error"]
    assert files[1] in table.metadata["provenance"]["inputs"]


def test_rows_held_back_for_long_go_through_a_temporary_file(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.skim.ROWS_PER_GROUP", 15)
    columns = {"a": np.arange(50.0), "flag": np.arange(50) % 3 == 0}
    files = [write(tmp_path / f"{i}.root", columns) for i in range(2)]
    cfg = config.load(configuration(tmp_path))
    batches = []
    skim(files, cfg.samples[0], wanted(cfg, cfg.samples[0]), batches.append, step=10, skip_damaged=True)
    assert all(len(batch["a"]) >= 15 for batch in batches[:-1])
    for name in columns:
        found = np.concatenate([batch[name] for batch in batches])
        assert found.dtype == columns[name].dtype
        np.testing.assert_array_equal(found, np.tile(columns[name], 2))


def test_nothing_but_damaged_files(tmp_path):
    bad = tmp_path / "bad.root"
    bad.write_bytes(b"")
    cfg = config.load(configuration(tmp_path))
    with pytest.raises(InputError, match="All input files are damaged"):
        skim([bad], cfg.samples[0], wanted(cfg, cfg.samples[0]), [].append, step=1000, skip_damaged=True)
    with pytest.raises(InputError, match="no input files"):
        skim([], cfg.samples[0], wanted(cfg, cfg.samples[0]), [].append, step=1000)


def test_missing_branch_is_no_damage(tmp_path):
    files = [write(tmp_path / "0.root", {"a": np.arange(3.0)}), write(tmp_path / "1.root", {"c": np.arange(3.0)})]
    cfg = config.load(configuration(tmp_path))
    with pytest.raises(InputError, match="lacks the branch of column 'a'"):
        skim(files, cfg.samples[0], wanted(cfg, cfg.samples[0]), [].append, step=1000, skip_damaged=True)


def test_known_size_without_sidecars_refuses_to_leave_files_out(tmp_path, caplog):
    files, _ = damaged(tmp_path)
    samples = [{"name": "signal", "type": "signal", "files": ["x"], "generated_events": 1000}]
    path = configuration(tmp_path, samples=samples, skim={"on_bad_file": "skip"})
    output = tmp_path / "out.parquet"
    assert main(["skim", "--config", str(path), "--sample", "signal", "--output", str(output), *files]) == 1
    assert not output.exists()


def test_sidecar_of_the_lost_file_corrects_the_size(tmp_path, monkeypatch):
    files, _ = damaged(tmp_path)
    (tmp_path / "1.root.metadata.json").write_text("{}")
    monkeypatch.setattr(command, "read_sidecar", lambda _: SimpleNamespace(mc_events=250))
    samples = [{"name": "signal", "type": "signal", "files": ["x"], "generated_events": 1000}]
    table = run(tmp_path, files, samples=samples, skim={"on_bad_file": "skip"})
    assert table.metadata["generated_events"] == 750


def test_branch_that_occurs_twice_is_chosen_by_configuration(tmp_path):
    file = write(tmp_path / "d.root", {"aa1": np.arange(5.0), "aa2": np.arange(5.0) + 10})
    content = (tmp_path / "d.root").read_bytes()
    (tmp_path / "d.root").write_bytes(content.replace(b"aa2", b"aa1"))
    for choice, first in (("first", 0), ("last", 10)):
        table = run(tmp_path, [file], skim={"columns": ["aa1"], "duplicates": choice})
        assert table.columns["aa1"][0] == first


def test_layout_is_remembered_beside_the_output(tmp_path):
    file = write(tmp_path / "a.root", {"a": np.arange(5.0)})
    run(tmp_path, [file])
    assert len(list((tmp_path / ".index").iterdir())) == 1


def test_columns_named_by_later_stages(tmp_path):
    cfg = config.load(
        configuration(
            tmp_path,
            preselection=PRESELECTION,
            bdt={"inputs": ["roeEextra", "myOwn"]},
            templates={"channels": [{"name": "SR", "cut": "eta > 0", "axes": [{"column": "q2_rec", "edges": [0, 1]}]}]},
        )
    )
    assert config.used_columns(cfg) == ["roeEextra", "myOwn", "q2_rec", "missM2", "eta"]
    want = wanted(cfg, cfg.samples[0])
    assert {"myOwn", "missM2", "roeEextra", "__event__"} <= set(want.keep)
    assert not {"q2_rec", "eta"} & set(want.keep + want.optional)
    assert "q2_gen" in want.keep
    assert "K_mcPDG" in want.optional, "without a table of kaon identification nothing needs it"


def test_progress_is_shown_on_a_terminal_only(tmp_path, monkeypatch, capsys):
    file = write(tmp_path / "a.root", {"a": np.arange(3.0)})
    with command._progress([file]) as on_chunk:
        assert on_chunk is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    cfg = config.load(configuration(tmp_path))
    with command._progress([file]) as on_chunk:
        skim([file], cfg.samples[0], wanted(cfg, cfg.samples[0]), [].append, step=1000, on_chunk=on_chunk)
    assert capsys.readouterr().out == ""  # progress goes to standard error


def test_remote_files_are_named_and_identified(tmp_path):
    files = fsspec.filesystem("memory")
    for name, values in (("a", np.arange(5.0)), ("b", np.arange(6.0))):
        files.pipe_file(f"/{name}.root", Path(write(tmp_path / f"{name}.root", {"a": values})).read_bytes())
    sample = {"name": "signal", "type": "signal", "files": ["*.root"]}
    urls = ["memory://a.root", "memory://lost.root", "memory://b.root"]
    table = run(tmp_path, urls, samples=[sample], skim={"cut": "a > 3", "on_bad_file": "skip"})
    files.store.clear()
    assert table.columns["a"].tolist() == [4, 4, 5]
    inputs = table.metadata["provenance"]["inputs"]
    assert list(inputs) == urls
    assert inputs["memory://lost.root"] == "out of reach"
    assert [entry["file"] for entry in table.metadata["skipped"]] == ["memory://lost.root"]
    said = {inputs["memory://a.root"], inputs["memory://b.root"]}
    assert len(said) == 2
    assert all(text.startswith("size, header and objects: ") for text in said)


def test_file_urls_are_local_files(tmp_path):
    file = write(tmp_path / "a.root", {"a": np.arange(5.0)})
    table = run(tmp_path, [f"file://{file}"])
    assert len(table) == 5
    assert list(table.metadata["provenance"]["inputs"]) == [file]


def test_summary_tells_rows_bytes_and_speed(tmp_path, caplog):
    file = write(tmp_path / "a.root", {"a": np.arange(1000.0)})
    with caplog.at_level(logging.INFO, logger="analysis"):
        run(tmp_path, [file], skim={"cut": "a < 250"})
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "1 file, 1000 rows in, 250 rows out (25.00%), sum of weights 1000" in said
    assert "MB/s" in said
    assert "in inflating" in said
