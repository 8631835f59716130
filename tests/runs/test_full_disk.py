"""A disk that fills up at any moment: one line of refusal, nothing half written, what was computed is shown."""

import errno
import math
import os
import shutil
import tempfile
import urllib.request
from contextlib import contextmanager

import pandas as pd
import pytest
import torch

import grokinterp as gi
from grokinterp.cli import main
from grokinterp.explorer.state import State
from grokinterp.runs import files
from grokinterp.runs.directory import open_run
from grokinterp.runs.files import StorageError
from grokinterp.runs.packing import pack
from grokinterp.runs.writer import save_run

FIELDS = {"p": 5, "d_model": 4, "n_heads": 2, "frac": 0.5, "steps": 20, "metrics_every": 10, "checkpoint_every": 10}


class Disk:
    """Has room for so many more files; what it was asked to keep is counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.room, self.asked, real = math.inf, 0, os.fsync

        def fsync(descriptor: int) -> None:
            self.asked += 1
            if self.asked > self.room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(descriptor)

        monkeypatch.setattr(files.os, "fsync", fsync)

    @contextmanager
    def with_room_for(self, count: float):
        self.asked, self.room = 0, count
        yield
        self.room = math.inf


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def same(one: gi.Run, other: gi.Run) -> bool:
    pd.testing.assert_frame_equal(one.metrics, other.metrics)
    weights = [(one[step].parameters, other[step].parameters) for step in other.steps]
    return one.steps == other.steps and all(torch.equal(a[name], b[name]) for a, b in weights for name in b)


def refused(act) -> bool:
    """Whether there was no room: then in one line, with what to do."""
    try:
        act()
    except StorageError as refusal:
        assert "the disk is full; free some space or choose another place" in str(refusal)
        return True
    return False


def train(out, resume: bool = False) -> gi.Run:
    return gi.train("a + b", out=out, resume=resume, threads=1, progress=False, **FIELDS)


def test_a_training_goes_on_once_there_is_room(disk, tmp_path):
    """Whenever the disk fills up: nothing hidden stays, and resuming ends in the same weights and metrics."""
    with disk.with_room_for(math.inf):
        whole = train(tmp_path / "whole")
    moments = disk.asked
    for room in range(moments):
        out = tmp_path / str(room) / "run"
        with disk.with_room_for(room):
            stopped = refused(lambda out=out: train(out))
        assert stopped or same(open_run(out), whole)
        assert not [*out.parent.rglob(".*")], room
        assert same(train(out, resume=True), whole), room
    assert moments > 8


@pytest.mark.parametrize("kind", ["import", "pack"])
def test_a_copy_is_the_old_one_or_the_new_one(disk, tmp_path, small_run, kind):
    """Whenever the disk fills up, what was there before is there still, or its successor, and nothing beside it."""
    new, old = train(tmp_path / "new"), open_run(small_run)
    (folder := tmp_path / "copies").mkdir()
    place = folder / "copy.safetensors"
    copy = pack if kind == "pack" else lambda run, out: save_run(run, out, overwrite=True)
    copy(old, place)
    with disk.with_room_for(math.inf):
        copy(new, folder / "another.safetensors")
    moments, refusals = disk.asked, 0
    os.rename(folder / "another.safetensors", tmp_path / "another")
    for room in range(moments):
        with disk.with_room_for(room):
            stopped = refused(lambda: copy(new, place))
        assert same(gi.load(place), old if stopped else new) and os.listdir(folder) == [place.name], room
        refusals += stopped
        copy(old, place)
    assert refusals >= (2 if kind == "pack" else 6)


def test_a_full_temporary_directory_is_a_warning(small_run, monkeypatch, capsys):
    """torch is not imported without the name of one, though nothing is written there: the command gives it one."""

    def find_none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_get_default_tempdir", find_none)
    assert main(["info", str(small_run)]) == 0
    shown = capsys.readouterr()
    assert "checkpoints" in shown.out and tempfile.gettempdir()
    assert shown.err.splitlines() == ["grokinterp: no temporary file can be written; free some space, or set TMPDIR"]


def test_the_explorer_shows_its_numbers_without_room(disk, small_run):
    """It starts, and has the losses that it has with room; beside the run nothing new stands."""
    expected = gi.evaluate(gi.load(small_run).final.model())
    before = sorted(small_run.rglob("*"))
    with disk.with_room_for(0):
        handle = gi.explore(small_run)
        try:
            assert urllib.request.urlopen(handle.url).status == 200
            session = handle._session
            numbers = session.scores(session.resolved(State()))[0].means
        finally:
            handle.stop()
    assert numbers["test_loss"] == pytest.approx(expected["test_loss"], rel=1e-4)
    assert sorted(small_run.rglob("*")) == before


def test_what_was_measured_is_shown(disk, small_run, tmp_path, capsys, caplog):
    """The cache is a warning, told once; an --out that has no room is refused after the numbers were shown."""
    command = ["measure", str(small_run), "--circuits", "loss", "spectrum"]
    assert main([*command, "--no-cache"]) == 0
    expected = capsys.readouterr().out
    with disk.with_room_for(0):
        assert main(command) == 0
    assert capsys.readouterr().out == expected and "train_loss" in expected
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "not kept for the next time" in caplog.text and "the disk is full" in caplog.text
    with disk.with_room_for(0):
        assert main([*command, "--out", str(tmp_path / "trace.nc")]) == 2
    shown = capsys.readouterr()
    assert shown.out == expected and f"cannot write {tmp_path / 'trace.nc'}: the disk is full" in shown.err
    assert not [*tmp_path.rglob("*.tmp")] and not (tmp_path / "trace.nc").exists()


@pytest.mark.slow
def test_a_report_needs_no_cache(disk, small_run, tmp_path, monkeypatch, caplog):
    """With a full run directory the page is written all the same; where its own place is full, the old one stays."""
    replace = os.replace

    def full(source, target):
        if "traces" in str(target):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    run, out = open_run(small_run), tmp_path / "page.html"
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", full)
        page = gi.report(run, out).read_bytes()
    assert b"</html>" in page and caplog.text.count("not kept for the next time") == 1
    with disk.with_room_for(0):
        assert refused(lambda: gi.report(run, out))
    assert out.read_bytes() == page and sorted(os.listdir(tmp_path)) == ["page.html", "small"]


def test_a_page_that_cannot_be_written_is_told(disk, small_run, tmp_path, capsys, caplog):
    """Of one run and of several: the numbers, then one line with the remedy; nothing is left beside it."""
    out = tmp_path / "pages" / "report.html"
    out.parent.mkdir()
    with disk.with_room_for(0):
        assert main(["report", str(small_run), "--out", str(out)]) == 2
    shown = capsys.readouterr()
    assert "small: a + b mod 5" in shown.out and "final test loss: 2 nats" in shown.out.replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert shown.err.splitlines()[-1] == (
        f"grokinterp: cannot write {out}: the disk is full; free some space or choose another place"
    )
    assert "Traceback" not in shown.err and not [*out.parent.iterdir()]
    assert caplog.text.count("not kept for the next time") == 1
    other = tmp_path / "other"
    shutil.copytree(small_run, other)
    with disk.with_room_for(0):
        assert main(["report", str(small_run), str(other), "--out", str(out)]) == 2
    shown = capsys.readouterr()
    assert "small: a + b mod 5" in shown.out and "other: a + b mod 5" in shown.out
    assert "none of the runs could be reported: small: cannot write" in shown.err
