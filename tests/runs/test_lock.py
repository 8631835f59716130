"""The lock on a run: a second writer is refused at once, is told who writes, and finds it free once that has ended."""

import errno
import os
import re
import signal
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

import grokinterp as gi
from grokinterp.runs import lock
from grokinterp.runs.directory import open_run
from grokinterp.runs.files import StorageError
from grokinterp.runs.lock import HeldError, held, holder
from grokinterp.runs.packing import pack
from grokinterp.runs.writer import save_run
from grokinterp.training.trainer import train

FIELDS = {"p": 5, "d_model": 4, "n_heads": 2, "frac": 0.5, "metrics_every": 10, "progress": False, "threads": 1}


class Elsewhere:
    """Other processes, forked: each does something, keeps what that gives, and waits to be killed."""

    def __init__(self) -> None:
        self.processes: list[int] = []

    def start(self, act: Callable[[], object], wait: bool = True) -> int:
        """The process that does `act`; it has done so, where that is waited for."""
        result, done = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads of torch that the child does not use
            process = os.fork()
        if process == 0:
            try:
                os.environ["SLURM_JOB_ID"] = "4711"
                kept = act()
                os.write(done, b".")
                time.sleep(60)
                del kept
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        self.processes.append(process)
        os.close(done)
        if wait:
            assert os.read(result, 1) == b"."
        os.close(result)
        return process

    def kill(self, process: int) -> None:
        self.processes.remove(process)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


@pytest.fixture
def elsewhere():
    others = Elsewhere()
    yield others
    for process in [*others.processes]:
        others.kill(process)


def holding(path: Path, purpose: str = "train") -> Callable[[], object]:
    def hold() -> object:
        block = held(path, purpose)
        block.__enter__()
        return block

    return hold


def lock_files(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.rglob(".*writer*"))


@pytest.mark.slow
def test_a_second_writer_is_refused_while_the_first_trains(elsewhere, small_run, tmp_path):
    """Within a second, whatever it wants there; the first one's run is neither replaced nor mixed with another's."""
    path = tmp_path / "runs" / "run"
    process = elsewhere.start(lambda: train("a + b", out=path, steps=10**6, **FIELDS), wait=False)
    while not path.exists() or not open_run(path).steps:
        assert os.waitpid(process, os.WNOHANG) == (0, 0)
        time.sleep(0.05)
    wants = {
        "anew": lambda: train("a + b", out=path, steps=20, **FIELDS),
        "resume": lambda: train("a + b", out=path, steps=10**6, resume=True, **FIELDS),
        "overwrite": lambda: train("a + b", out=path, steps=20, overwrite=True, **FIELDS),
        "import": lambda: save_run(open_run(small_run), path, overwrite=True),
    }
    for want, act in wants.items():
        started = time.monotonic()
        with pytest.raises(HeldError) as refusal:
            act()
        assert time.monotonic() - started < 1, want
        by = rf"process {process} on {re.escape(socket.gethostname())}, Slurm job 4711 \(train, since 20\S+\)"
        line = rf"{re.escape(str(path))} is being written by {by}; wait .* --out"
        assert re.fullmatch(line, str(refusal.value)), want
    assert holder(path).process == process and [*gi.load(path.parent)] == ["run"]
    elsewhere.kill(process)
    assert holder(path) is None
    metrics = open_run(path).metrics
    assert metrics.step.is_unique and open_run(path).config.schedule.steps == 10**6
    assert train("a + b", out=path, steps=20, overwrite=True, **FIELDS).steps[-1] == 20
    assert os.listdir(path.parent) == ["run"]


def test_a_lock_ends_with_its_holder(elsewhere, small_run, tmp_path):
    """A file is locked as a directory is; what a kill leaves is no lock, and goes with the next writer."""
    out, run = tmp_path / "packs" / "p.safetensors", open_run(small_run)
    out.parent.mkdir()
    process = elsewhere.start(holding(out, "pack"))
    assert holder(out).process == process and holder(out).job == "4711"
    with pytest.raises(HeldError, match=f"process {process} "):
        pack(run, out)
    elsewhere.kill(process)
    assert lock_files(tmp_path) == [".p.safetensors.writer.lock"] and holder(out) is None
    assert gi.load(pack(run, out)).steps == run.steps and os.listdir(out.parent) == ["p.safetensors"]


def test_a_file_system_without_locks_has_a_marker(elsewhere, tmp_path, monkeypatch, caplog):
    """Another process is refused by name all the same, a dead one's marker is taken over, and the user is told."""

    def lockf(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock.fcntl, "lockf", lockf)
    path = tmp_path / "run"
    process = elsewhere.start(holding(path))
    assert holder(path).process == process
    with pytest.raises(HeldError, match=f"process {process} on"), held(path):
        pass
    elsewhere.kill(process)
    assert holder(path) is None
    with held(path):
        assert holder(path).process == os.getpid()
        assert lock_files(tmp_path) == [".run.writer.lock", ".run.writer.marker"] and "has no locks" in caplog.text
    assert os.listdir(tmp_path) == []


def test_one_process_writes_once(tmp_path):
    """A link is what it points to; the lock is given back after an error too."""
    (tmp_path / "link").symlink_to(tmp_path / "run")
    with pytest.raises(ZeroDivisionError), held(tmp_path / "run", "train") as mine:
        assert holder(tmp_path / "link") == mine and mine.process == os.getpid()
        with pytest.raises(HeldError, match="is being written by"), held(tmp_path / "link"):
            pass
        with held(tmp_path / "other"):
            pass
        raise ZeroDivisionError
    with held(tmp_path / "link"):
        pass
    assert holder(tmp_path / "run") is None and os.listdir(tmp_path) == ["link"]


def test_a_lock_is_on_the_file_of_that_name(elsewhere, tmp_path, monkeypatch):
    """A holder that ends removes its file, perhaps after the next one has opened it: that one locks a new one."""
    exclude, path, mine = lock._exclude_others, tmp_path / "run", os.getpid()

    def late(file, descriptor):
        monkeypatch.setattr(lock, "_exclude_others", exclude)
        file.unlink()
        return exclude(file, descriptor)

    monkeypatch.setattr(lock, "_exclude_others", late)
    with held(path):
        elsewhere.start(lambda: holder(path).process == mine or sys.exit("it is not seen to be held"))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_directory_that_cannot_be_written(tmp_path, small_run, monkeypatch, number):
    """Beside a run nothing can be written: the lock lies inside. Nowhere: one line, with what to do."""
    refused, real = [".small.writer.lock"], os.open

    def read_only(path, flags, *rest, **keywords):
        if flags & os.O_CREAT and Path(path).name in refused:
            raise OSError(number, os.strerror(number))
        return real(path, flags, *rest, **keywords)

    monkeypatch.setattr(lock.os, "open", read_only)
    with held(small_run, "train") as mine:
        assert lock_files(tmp_path) == [".writer.lock"] and holder(small_run) == mine
        assert open_run(small_run).steps == [0, 100, 200, 300]
    assert not lock_files(tmp_path)
    refused.append(".writer.lock")
    with pytest.raises(StorageError, match=r"cannot write .*small: .*; choose a place you may write to"):
        train("a + b", out=small_run, resume=True, steps=20, **FIELDS)
    assert holder(small_run) is None and open_run(small_run).steps == [0, 100, 200, 300]


def test_a_full_disk_leaves_no_lock(tmp_path, monkeypatch):
    """A holder that cannot write its name does not write a run either."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(StorageError, match="the disk is full"):
        patch.setattr(lock.os, "write", full)
        with held(tmp_path / "run"):
            pass
    assert os.listdir(tmp_path) == []
    with held(tmp_path / "run"):
        pass


def test_a_forked_child_neither_has_the_lock_nor_gives_it_up(elsewhere, tmp_path):
    """A worker that outlives a killed trainer does not keep the run; one that ends before it does not free it."""

    def fork() -> object:
        block = held(tmp_path / "run")
        block.__enter__()
        if os.fork() == 0:
            block.__exit__(None, None, None)
            time.sleep(5)
            os._exit(0)
        time.sleep(0.2)
        return block

    process = elsewhere.start(fork)
    assert holder(tmp_path / "run").process == process and lock_files(tmp_path)
    elsewhere.kill(process)
    assert holder(tmp_path / "run") is None
