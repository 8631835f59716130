"""Processor settings for long computations on a CPU.

torch is imported where it is used, because the command line keeps memory before it has any need of torch.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from grokinterp.errors import ConfigError

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def processor_settings(threads: int | None = None) -> Iterator[None]:
    """What makes the same step fast many times over: threads, flushed denormals, memory kept between steps."""
    import torch

    before = torch.get_num_threads()
    if threads is not None:
        if threads < 1:
            raise ConfigError(f"threads={threads} must be at least 1")
        torch.set_num_threads(threads)
    # Late in training most gradients and moments underflow, and a denormal costs a hundred ordinary operations.
    _flush_denormals()
    keep_memory()
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)


def _flush_denormals() -> None:
    import numpy as np
    import torch

    # Numpy before 2 looks at its numbers when first asked (by scipy's import) and keeps what it saw, with a warning.
    for kind in (np.float32, np.float64):
        np.finfo(kind)
    torch.set_flush_denormal(True)


def side_by_side(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Generator[Result, None, None]:
    """`function` of each item, in order, as many at once as there are `workers` and processor cores to use.

    Many small operations gain nothing from a second core each, and wait long for it where it is busy; whole items do
    not. Each item has a share of the cores. An error of one, or Ctrl-C, ends the others that have not begun.
    """
    import torch

    cores = torch.get_num_threads()
    workers = min(workers, cores, len(items))
    if workers <= 1:
        yield from map(function, items)
        return
    with processor_settings(cores // workers):
        # Flushing denormals is a setting of each thread.
        pool = ThreadPoolExecutor(workers, initializer=_flush_denormals)
        try:
            yield from pool.map(function, items)
        finally:
            pool.shutdown(cancel_futures=True)


def give_way() -> None:
    """Let everything else go before this thread, where a thread has a priority of its own.

    The threads of its matrix products inherit it.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


def keep_memory() -> None:
    """Keep memory that was freed, up to half a gigabyte, in one pool for all threads; from here on, in this process.

    Threads that have a pool of their own already keep it. Elsewhere than on glibc this does nothing.

    The activations of a step are freed and allocated again; glibc gives them back to the system in between, and the
    page faults of taking them again cost a quarter of the step. It also keeps none that are larger than the pool of a
    further thread: reading checkpoints side by side takes three quarters of the time where threads share the one.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        m_trim_threshold, m_mmap_threshold, m_arena_max, half_gigabyte = -1, -3, -8, 1 << 29
        libc.mallopt(m_mmap_threshold, half_gigabyte)
        libc.mallopt(m_trim_threshold, half_gigabyte)
        libc.mallopt(m_arena_max, 1)
