"""Processor settings for long computations on a CPU."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from grokinterp.refusals import ConfigError


@contextmanager
def processor_settings(threads: int | None = None) -> Iterator[None]:
    """What makes the same step fast many times over: threads, flushed denormals, memory kept between steps."""
    before = torch.get_num_threads()
    if threads is not None:
        if threads < 1:
            raise ConfigError(f"threads={threads} must be at least 1")
        torch.set_num_threads(threads)
    # Late in training most gradients and moments underflow, and a denormal costs a hundred ordinary operations.
    torch.set_flush_denormal(True)
    if sys.platform == "linux":
        # The activations of a step are freed and allocated again; glibc gives them back to the system in between,
        # and the page faults of taking them again cost a quarter of the step.
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            m_trim_threshold, m_mmap_threshold, half_gigabyte = -1, -3, 1 << 29
            libc.mallopt(m_mmap_threshold, half_gigabyte)
            libc.mallopt(m_trim_threshold, half_gigabyte)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)
