"""The files of a run directory that somebody gave: each is what it should be, or one line; none is waited for."""

import json
import math
import os
import shutil
import tracemalloc
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import xarray as xr
from safetensors.torch import load_file, save_file

import grokinterp as gi
from grokinterp.cli.train_command import parameter
from grokinterp.importers import describe
from grokinterp.measuring.readings import READINGS, readings_of
from grokinterp.measuring.trace_bytes import to_bytes
from grokinterp.runs import directory, lock
from grokinterp.runs.files import has_ended
from grokinterp.runs.packing import pack
from grokinterp.runs.summary import Summary
from grokinterp.runs.writer import RunWriter, resumable_step
from grokinterp.sweeps.spec import Spec

FILES = {
    "split.npz": lambda run: gi.load(run).task,
    "metrics.parquet": lambda run: gi.load(run).metrics,
    "metrics.jsonl": lambda run: gi.load(run).metrics,
    "checkpoints/step_00000300.safetensors": lambda run: gi.load(run).final.parameters,
    "optimiser.safetensors": lambda run: RunWriter.reopen(run).read_optimiser_state(),
}
"""Each file of a run, and what reads it."""


@pytest.mark.parametrize("place", ["pipe", "device", "directory", "sparse"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_a_run_is_a_regular_one_of_its_size(small_run, name, place):
    """A pipe, /dev/zero, a directory and ten gigabytes of nothing: one line at once, in no memory to speak of."""
    file = small_run / name
    file.unlink(missing_ok=True)
    match place:
        case "pipe":
            os.mkfifo(file)
        case "device":
            file.symlink_to("/dev/zero")
        case "directory":
            file.mkdir()
        case _:
            file.touch()
            os.truncate(file, 10 * 2**30)
    tracemalloc.start()
    with pytest.raises(gi.BadRequest, match=file.name):
        FILES[name](small_run)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_third_party_files_are_of_their_size(tmp_path):
    """Ten gigabytes of nothing under every suffix that is read, and as settings."""
    for name in ("x.pt", "x.safetensors", "x.ckpt", "x.npz", "x.csv", "x.json"):
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, 10 * 2**30)
        tracemalloc.start()
        with pytest.raises(gi.BadRequest, match=name):
            gi.load(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 2**24
        tracemalloc.stop()


def test_few_bytes_do_not_unfold_into_many(small_run):
    """Rows of a Parquet file that are one row said forty million times; arrays of a split that are all zeros."""
    rows = pa.table({"step": np.zeros(10**7, np.int8)})
    with pq.ParquetWriter(small_run / "metrics.parquet", rows.schema) as writer:
        for _ in range(4):
            writer.write_table(rows)
    with pytest.raises(gi.BadRequest, match="40,000,000 rows in"):
        _ = gi.load(small_run).metrics


def test_a_split_does_not_unfold(small_run, monkeypatch):
    """Before any of its arrays is made."""
    monkeypatch.setattr(directory, "READ_AT_MOST", 2**20)
    np.savez_compressed(small_run / "split.npz", is_train=np.zeros(2**22, bool))
    with pytest.raises(gi.BadRequest, match="would unfold into 4,194"):
        _ = gi.load(small_run).task


def test_no_member_is_unfolded_before_all_are_counted(tmp_path):
    """Also not the one that says the order of bytes."""
    torch.save({"x": torch.ones(3)}, tmp_path / "good.pt")
    with zipfile.ZipFile(tmp_path / "good.pt") as good, zipfile.ZipFile(tmp_path / "x.pt", "w") as bad:
        for name in good.namelist():
            if name.endswith("byteorder"):
                bad.writestr(name, bytes(2**26), zipfile.ZIP_DEFLATED)
            else:
                bad.writestr(name, good.read(name))
    tracemalloc.start()
    with pytest.raises(gi.BadRequest, match="would unfold into 67,"):
        gi.load(tmp_path / "x.pt")
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@pytest.mark.parametrize(
    "table",
    [{"loss": [1.0]}, {"step": [np.nan, 1.0]}, {"step": ["a"]}, {"step": [0], "train_loss": ["\x1b[31m"]}],
    ids=["no step", "a step that is no number", "a step of text", "a loss of text"],
)
def test_metrics_are_numbers_by_step(small_run, table, tmp_path):
    """In a Parquet file and in a packed run."""
    pd.DataFrame(table).to_parquet(small_run / "metrics.parquet")
    with pytest.raises(gi.BadRequest, match="no numbers"):
        _ = gi.load(small_run).metrics
    if all(not isinstance(value, str) for column in table.values() for value in column):
        (small_run / "metrics.parquet").unlink()
        packed = pack(gi.load(small_run), tmp_path / "packed.safetensors")
        with torch.no_grad():
            content, header = load_file(packed), describe_header(packed)
        others = {name: value for name, value in content.items() if not name.startswith("run/metrics/")}
        columns = {f"run/metrics/{name}": torch.tensor(column) for name, column in table.items()}
        save_file({**others, **columns}, packed, header)
        with pytest.raises(gi.BadRequest, match="no numbers"):
            _ = gi.load(packed).metrics


def describe_header(path):
    """The metadata of a safetensors file."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return file.metadata()


def test_settings_beside_a_file_are_bounded(tmp_path):
    """Nested a hundred thousand times, and of ten gigabytes."""
    torch.save({"embed.weight": torch.ones(5, 4), "unembed.weight": torch.ones(5, 8), "l1.weight": torch.ones(8, 4)},
               tmp_path / "model_x.pt")  # fmt: skip
    settings = tmp_path / "config_x.json"
    settings.write_text("[" * 100_000)
    with pytest.raises(gi.BadRequest, match="nested too deeply"):
        gi.load(tmp_path / "model_x.pt")
    os.truncate(settings, 10 * 2**30)
    with pytest.raises(gi.BadRequest, match="more than such a file has"):
        gi.load(tmp_path / "model_x.pt")


def test_the_state_of_an_optimiser_is_a_step(small_run):
    """Infinity and nesting without end are damage."""
    for state in ('{"step": Infinity}', "[" * 100_000):
        tensors = load_file(small_run / "optimiser.safetensors")
        save_file(tensors, small_run / "optimiser.safetensors", {"state": state})
        with pytest.raises(gi.BadRequest, match="is no optimiser state"):
            RunWriter.reopen(small_run).read_optimiser_state()
        assert resumable_step(small_run) == 0


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n" + bytes(99), to_bytes(xr.Dataset({"x": 1.0}))])
def test_readings_that_are_none_are_one_line(small_run, content):
    """What was read of checkpoints that are gone cannot be read again, so the damage is told."""
    (small_run / READINGS).write_bytes(content)
    with pytest.raises(gi.BadRequest, match=r"is damaged .*restore it from a copy"):
        readings_of(gi.load(small_run))
    (small_run / READINGS).unlink()
    os.mkfifo(small_run / READINGS)
    with pytest.raises(gi.BadRequest, match="no regular file"):
        readings_of(gi.load(small_run))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"host": 5}', json.dumps({"host": "x", "process": "y"}), "{}", "\0"])
def test_a_lock_that_says_nothing_right_is_of_nobody_known(tmp_path, text):
    """Whatever stands in it, the line that refuses a second writer can be written."""
    (tmp_path / ".run.writer.lock").write_text(text)
    assert str(lock._read(tmp_path / ".run.writer.lock")).startswith("process 0 on an unknown machine")


def test_a_pipe_in_the_place_of_a_lock_is_not_waited_for(tmp_path):
    """Nobody holds it."""
    os.mkfifo(tmp_path / ".run.writer.lock")
    assert lock.holder(tmp_path / "run") is None
    assert has_ended(10**30)


def test_a_summary_of_no_finite_numbers_says_nothing(small_run):
    """Infinity where a whole number stands, a number that no float holds, and nesting without end."""
    Summary(step=300, timed=300).write(small_run)
    good = json.loads((small_run / "summary.json").read_text())
    for entries in ({**good, "step": math.inf}, {**good, "seconds": 10**400}, {**good, "key_frequencies": [math.inf]}):
        (small_run / "summary.json").write_text(json.dumps(entries))
        assert Summary.read(small_run) == Summary()
    (small_run / "summary.json").write_text("[" * 100_000)
    assert Summary.read(small_run) == Summary()


def test_a_range_of_numbers_too_long_to_read_is_no_range(tmp_path):
    """Python refuses to read a number of 5,000 digits; the sweep says which field it is."""
    (tmp_path / "x.toml").write_text(f'[run]\nexpression = "a + b"\n[grid]\nseed = "0..{"1" * 5000}"\n')
    with pytest.raises(gi.BadRequest, match="neither a list nor a range"):
        Spec.read(tmp_path / "x.toml")


def test_a_parameter_may_be_any_text():
    """What is no JSON, or nested beyond what JSON readers take, is text."""
    assert parameter("x=" + "[" * 100_000)[1] == "[" * 100_000
    assert parameter("x=" + "1" * 5000)[1] == "1" * 5000


def test_a_run_s_files_may_be_looked_at_while_one_is_bad(small_run, tmp_path):
    """A directory of runs tells the bad one and opens the others."""
    shutil.copytree(small_run, tmp_path / "both" / "good")
    bad = shutil.copytree(small_run, tmp_path / "both" / "bad")
    (bad / "config.json").write_text('{"format_version": 1}')
    runs = gi.load(tmp_path / "both")
    assert [*runs] == ["good"] and "bad" in runs.skipped and describe(runs)
