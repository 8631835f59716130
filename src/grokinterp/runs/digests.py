"""Digests: what tells the content of one checkpoint from another's."""

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from grokinterp.runs.files import StorageError, cannot_read, make_directory, read_json, regular_status, write_atomic

SETTLED = 2_000_000_000
"""Nanoseconds after which a file's times tell it from an older one: file systems have clocks of up to two seconds."""


def digest_of_tensors(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes, types and values."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {[*tensor.shape]};".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


class FileDigests:
    """SHA-256 of the files of a directory, computed once while size, times and inode stay the same.

    They are kept at `index` from one process to the next, where that can be written: it is rebuilt when it is lost.
    """

    def __init__(self, directory: Path, index: Path):
        self.directory, self.index = directory, index
        self._known: dict[str, tuple[list[int], str]] | None = None

    def of(self, names: Sequence[str]) -> list[str]:
        """The digests of these files. Raises `StorageError` for one that cannot be read."""
        known = self._read() if self._known is None else self._known
        self._known = known
        stamps = {name: file_stamp(self.directory / name) for name in names}
        new = [name for name in names if known.get(name, (None, ""))[0] != stamps[name]]
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:  # hashing waits for the disk, and frees the lock
            fresh = dict(zip(new, pool.map(lambda name: _digest_of_file(self.directory / name), new), strict=True))
        settled = {name: (stamps[name], fresh[name]) for name in new if time.time_ns() - stamps[name][1] > SETTLED}
        known.update(settled)
        if settled:
            self._write(known)
        return [fresh[name] if name in fresh else known[name][1] for name in names]

    def _read(self) -> dict[str, tuple[list[int], str]]:
        try:
            entries = read_json(self.index)
            return {str(name): ([*map(int, stamp)], str(digest)) for name, (stamp, digest) in entries.items()}
        except (OSError, ValueError, TypeError, AttributeError, OverflowError):
            return {}  # absent, or damaged: it only saves time

    def _write(self, known: Mapping[str, tuple[list[int], str]]) -> None:
        try:
            make_directory(self.index.parent)
            write_atomic(self.index, json.dumps(known).encode())
        except StorageError:
            pass  # computed anew the next time


def file_stamp(path: Path) -> list[int]:
    """What tells a file from what it was before, without reading it: its size, times and inode."""
    try:
        status = regular_status(path)
    except OSError as error:
        raise cannot_read(path, error) from None
    # The latest of the two times: one of them can be set by hand.
    return [status.st_size, max(status.st_mtime_ns, status.st_ctime_ns), status.st_mtime_ns, status.st_ino]


def _digest_of_file(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise cannot_read(path, error) from None
