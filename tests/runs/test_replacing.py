"""Replacing a run: at every moment there is one, and what a killed process left is put right."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import grokinterp as gi
from grokinterp.measuring import trace_files
from grokinterp.runs import replacing, writer
from grokinterp.runs.directory import open_run
from grokinterp.runs.files import hidden_beside, this_host
from grokinterp.runs.replacing import recover, replace_directory
from grokinterp.runs.writer import RunWriter, save_run


def built(path: Path, word: str) -> Path:
    path.mkdir(parents=True)
    (path / "word").write_text(word)
    return path


@pytest.mark.parametrize("exchanges", [True, False])
def test_one_directory_takes_the_place_of_another(tmp_path, monkeypatch, exchanges):
    """With an exchange of names and without one; nothing else remains."""
    if not exchanges:
        monkeypatch.setattr(replacing, "_exchanged", lambda one, other: False)
    target = tmp_path / "run"
    for word in ("first", "second"):
        replace_directory(built(hidden_beside(target), word), target)
        assert (target / "word").read_text() == word and os.listdir(tmp_path) == ["run"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux exchanges names")
def test_no_moment_is_without_a_run(tmp_path, monkeypatch):
    """Where names are exchanged, the old directory is never set aside, and no kill falls between two renames."""
    target = built(tmp_path / "run", "old")
    monkeypatch.setattr(replacing.os, "rename", lambda *_: pytest.fail("the run was set aside"))
    replace_directory(built(hidden_beside(target), "new"), target)
    assert (target / "word").read_text() == "new"


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def left_by_the_dead(monkeypatch):
    """`hidden_beside` as a process that has ended would name them."""
    number = dead_process()

    def name(target: Path, role: str) -> Path:
        with monkeypatch.context() as patch:
            patch.setattr(replacing.os, "getpid", lambda: number)
            return hidden_beside(target, role)

    return name


def test_a_run_that_was_set_aside_is_restored(small_run, left_by_the_dead, caplog):
    """A kill between two renames leaves the run under a hidden name only: it comes back, and that is said."""
    os.rename(small_run, left_by_the_dead(small_run, "old"))
    built(left_by_the_dead(small_run, "new"), "half")
    assert gi.load(small_run).steps == [0, 100, 200, 300] and os.listdir(small_run.parent) == ["small"]
    assert caplog.messages == [f"{small_run} was restored: a process was killed as it replaced it"]


def test_a_run_that_the_first_version_set_aside_is_restored(small, small_run):
    """Its names tell no process: a whole run comes back, whatever else stays."""
    os.rename(small_run, small_run.with_name(".small.0123abcd.tmp"))
    built(small_run.with_name(".small.89abcdef.tmp"), "half")
    recover(small_run)
    RunWriter.reopen(small_run)
    assert open_run(small_run).steps == [0, 100, 200, 300]
    assert small_run.with_name(".small.89abcdef.tmp").exists()


def test_what_is_being_built_is_left_alone(small_run, left_by_the_dead, tmp_path):
    """A living process, another machine and another run keep theirs; what the dead left goes with the next copy."""
    target = tmp_path / "copies" / "copy"
    mine = built(hidden_beside(target), "mine")
    theirs = built(mine.with_name(mine.name.replace(this_host(), "0123abcd")), "theirs")
    other = built(left_by_the_dead(target.with_name("other"), "new"), "other")
    built(left_by_the_dead(target, "new"), "half")
    left_by_the_dead(target, "new").write_bytes(b"half a file")
    save_run(open_run(small_run), target)
    assert sorted(os.listdir(target.parent)) == sorted([mine.name, theirs.name, other.name, "copy"])


def test_a_copy_is_built_in_one_hidden_directory(small_run, tmp_path, monkeypatch):
    """Nothing is hidden beside what is hidden: nobody would find it after a kill."""
    target, seen, write = tmp_path / "copies" / "copy", set(), writer.write_atomic

    def watched(path, content):
        seen.update(name for name in os.listdir(target.parent) if name.endswith(".tmp"))
        write(path, content)

    monkeypatch.setattr(writer, "write_atomic", watched)
    save_run(open_run(small_run), target)
    assert len(seen) == 1 and seen.pop().startswith(".copy.new.") and os.listdir(target.parent) == ["copy"]


def test_what_a_killed_measuring_left_goes(small_run, left_by_the_dead, tmp_path):
    """A half written trace, in the cache or beside the file asked for, is removed when it is written again."""
    trace = gi.measure(gi.load(small_run), circuits=["loss"])
    (cached,) = (small_run / "traces").glob("loss-*.trace")
    out = tmp_path / "trace.csv"
    for path in (cached, out):
        left_by_the_dead(path, "new").write_bytes(b"half")
    cached.unlink()
    gi.measure(gi.load(small_run), circuits=["loss"])
    trace_files.write(trace, out)
    assert not [*tmp_path.rglob(".*.tmp")] and cached.exists() and out.exists()
