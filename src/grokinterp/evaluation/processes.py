"""Processes: worker processes that do work side by side, of which a killed one costs its own task alone.

Nothing heavy is imported with this module: a worker is ready for the death of its parent before it imports torch.
"""

import contextlib
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from types import ModuleType
from typing import Any

from pebble import ProcessPool
from tqdm import TMonitor, tqdm

from grokinterp.evaluation.lean_xarray import leave_out_dask

SECONDS_TO_STOP = 20.0
"""How long workers may take to write what their work needs to go on, once they are asked to stop."""

SECONDS_BETWEEN_LOOKS = 0.25
"""How often a worker looks whether its parent lives."""

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Processes:
    """Worker processes of one thread, each doing one task at a time, the imports paid once a process.

    `with Processes(2) as pool: pool.submit(function, *arguments)` gives futures; a worker that dies fails the future of
    its task with `pebble.ProcessExpired`, and another takes its place. Leaving the block after an error or Ctrl-C asks
    the workers to stop by SIGTERM, on which training ends between two steps. A script needs no main guard. What
    workers print is kept apart: `last_words` of one that died. `copied` workers are copies of this process where it can
    be copied, and begin at once; others import what they need, for seconds.
    """

    def __init__(self, workers: int, copied: bool = False):
        self.workers = workers
        context = _CopyingContext() if copied else _Context()
        self._stop = context.Event()
        self._words = tempfile.TemporaryDirectory(prefix="grokinterp-")
        self._pool = ProcessPool(
            max_workers=workers,
            initializer=_prepare,
            initargs=(os.getpid(), self._stop, self._words.name),
            context=context,
        )

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Run `function(*arguments)` in a worker."""
        return self._pool.schedule(function, args=arguments)

    def last_words(self, process: int | None) -> str:
        """The last lines that a worker printed."""
        try:
            return _words_of(self._words.name, process).read_text(errors="replace")[-4000:]
        except OSError:
            return ""

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        try:
            self._pool.close()
            if kind is None:
                self._pool.join()
                return
            self._stop.set()
            self._pool.join(timeout=SECONDS_TO_STOP)
        except BaseException as failure:  # a second Ctrl-C waits no longer
            self._pool.stop()
            self._pool.join()
            if not isinstance(failure, TimeoutError):
                raise
        finally:
            self._words.cleanup()


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def can_be_copied() -> bool:
    """Whether a copy of this process goes on by itself: on Linux, without a GPU, and while no other thread is at work.

    A copy lacks the other threads, also those of a GPU's driver, and what they have locked stays locked in it.
    """
    import torch

    return (
        sys.platform == "linux"
        and not torch.accelerator.is_available()
        and all(
            thread is threading.current_thread() or isinstance(thread, TMonitor) for thread in threading.enumerate()
        )
    )


def _words_of(folder: str, process: int | None) -> Path:
    return Path(folder) / f"{process}.txt"


def _prepare(parent: int, stop: Event, words: str) -> None:
    """What a worker does first: leave the terminal to its parent, and end when the parent asks or dies."""
    if hasattr(os, "setsid"):
        os.setsid()  # the terminal's Ctrl-C is its parent's
    threading.Thread(target=_watch, args=(parent, stop), daemon=True).start()
    with contextlib.suppress(OSError):
        file = os.open(_words_of(words, os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for output in (1, 2):
            os.dup2(file, output)
    leave_out_dask()
    tqdm.set_lock(threading.RLock())  # a copy's own: the monitor of its parent's bars may have held the other


def _watch(parent: int, stop: Event) -> None:
    while os.getppid() == parent and not stop.is_set():
        time.sleep(SECONDS_BETWEEN_LOOKS)
    signal.raise_signal(signal.SIGTERM) if os.getppid() == parent else os._exit(1)
    while os.getppid() == parent:  # it may die before this process has stopped
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)


class _Process(SpawnProcess):
    """A process that does not import the caller's main module, and whose libraries use one thread."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        with _start_of_a_worker():
            return SpawnProcess._Popen(process_obj)


class _Context(SpawnContext):
    Process = _Process


class _CopiedProcess(_Process):
    """A copy of this process; where that can't be, as for a worker that takes a dead one's place, a new one."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        if not can_be_copied():
            return _Process._Popen(process_obj)
        from multiprocessing.context import ForkProcess

        return ForkProcess._Popen(process_obj)


class _CopyingContext(SpawnContext):
    Process = _CopiedProcess


_STARTING = threading.Lock()


@contextlib.contextmanager
def _start_of_a_worker() -> Iterator[None]:
    # A worker is told of the main module by `sys.modules`, and takes over the environment, as it is started.
    with _STARTING:
        main = sys.modules["__main__"]
        unset = [name for name in ONE_THREAD if name not in os.environ]
        sys.modules["__main__"] = ModuleType("__main__")
        os.environ.update(dict.fromkeys(unset, "1"))
        try:
            yield
        finally:
            sys.modules["__main__"] = main
            for name in unset:
                os.environ.pop(name, None)
