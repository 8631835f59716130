"""A lock on a run: one writer at a time, on whatever machine, until that writer ends, however it ends.

POSIX record locks and not flock: they are what NFS carries between machines and between a client and the server itself
(a client's flock arrives there as a record lock, which the server's own flock does not meet), what Lustre, GPFS and
BeeGFS hold across a cluster, and what a forked child does not inherit, so that a lock ends with the process that took
it and not with the last of its children. Where a file system has none, and on Windows, a marker is the lock: a file
whose being there excludes others, taken over on the same machine once its process has ended.

The lock file lies beside what it is for, under a hidden name, since `--overwrite` exchanges directories; it is removed
by its holder, and where a kill left it, it is no lock.
"""

import contextlib
import errno
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from grokinterp.config.validation import check_types
from grokinterp.errors import BadRequest
from grokinterp.runs.files import cannot_write, has_ended, make_directory, read_json

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from filelock import SoftFileLock

_LOCKED, _PROBED = 0, 1
"""Bytes of the lock file: the first decides between writers, the second tells readers, whom no writer then meets."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)
_NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_LINK, _NO_WAIT = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)


class HeldError(BadRequest):
    """What is to be written is being written by another; the one line names it."""


@dataclass(frozen=True)
class Holder:
    """Who writes: a process of a machine, in a Slurm job or none, what for and since when."""

    host: str
    process: int
    purpose: str
    since: str
    job: str | None = None

    def __str__(self) -> str:
        job = f", Slurm job {self.job}" if self.job else ""
        return f"process {self.process} on {self.host}{job} ({self.purpose}, since {self.since})"


_OURS: dict[Path, Holder] = {}
_GUARD = threading.Lock()


@contextlib.contextmanager
def held(path: str | Path, purpose: str = "write") -> Iterator[Holder]:
    """Keep other writers from a directory or file, which need not exist, while the block runs.

    Raises `HeldError` at once where another process, or another thread of this one, has it; `StorageError` where the
    system refuses.
    """
    path = Path(path)
    target = path.resolve()
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    mine = Holder(socket.gethostname(), os.getpid(), purpose, since, os.environ.get("SLURM_JOB_ID"))
    make_directory(target.parent)
    with _GUARD:  # record locks are a process's: its threads are kept apart here
        if (other := _held_by_this_process(target)) is not None:
            raise _refusal(path, other)
        release = _take(path, target, mine)
        _OURS[target] = mine
    try:
        yield mine
    finally:
        if os.getpid() == mine.process:  # a child that was forked in the block leaves it too
            with _GUARD:
                del _OURS[target]
                release()


def holder(path: str | Path) -> Holder | None:
    """Who is writing a directory or file now, on any machine that shares it; None where nobody is."""
    target = Path(path).resolve()
    with _GUARD:
        # To open and close the file of a lock of one's own would give that lock up.
        if (mine := _held_by_this_process(target)) is not None:
            return mine
        return next((_read(file) for file in _files(target) if _is_held(file)), None)


def _held_by_this_process(target: Path) -> Holder | None:
    mine = _OURS.get(target)
    return mine if mine is not None and mine.process == os.getpid() else None


def _files(target: Path) -> tuple[Path, Path]:
    """Where the lock of `target` lies: beside it, or inside where nothing can be written beside it."""
    return target.parent / f".{target.name}.writer.lock", target / ".writer.lock"


def _take(path: Path, target: Path, mine: Holder) -> Callable[[], None]:
    beside, inside = _files(target)
    try:
        try:
            return _lock(path, beside, mine)
        except OSError as error:
            # Whoever can write nothing beside a run cannot replace it either, and goes on with it at most.
            if error.errno not in _NO_PERMISSION or beside.exists() or not target.is_dir():
                raise
            return _lock(path, inside, mine)
    except OSError as error:
        raise cannot_write(path, error) from None


def _lock(path: Path, file: Path, mine: Holder) -> Callable[[], None]:
    """Lock `file`; gives what unlocks and removes it."""
    while True:
        with contextlib.ExitStack() as undo:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
            undo.callback(os.close, descriptor)
            try:
                marker = _exclude_others(file, descriptor)
            except BlockingIOError:
                raise _refusal(path, _read(file)) from None
            if marker is not None:
                undo.callback(marker.release)
            if not _is_named(file, descriptor):
                continue  # its last holder removed it after it was opened here
            undo.callback(_remove, file)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(asdict(mine)).encode())
            os.fsync(descriptor)  # other machines read who it is
            return undo.pop_all().close


def _exclude_others(file: Path, descriptor: int) -> "SoftFileLock | None":
    """Lock an open file, or, where that is impossible, the marker that is returned. Raises `BlockingIOError`."""
    if fcntl is not None:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _LOCKED)
            fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, _PROBED)  # waits for a reader at most, for microseconds
            return None
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise BlockingIOError from None
            if error.errno not in _NO_LOCKS:
                raise
    from filelock import SoftFileLock, Timeout

    marker = SoftFileLock(_marker(file), thread_local=False)
    try:
        marker.acquire(timeout=0.2, poll_interval=0.05)  # to take over a dead one's marker may need a second look
    except Timeout:
        raise BlockingIOError from None
    logging.getLogger(__name__).warning(
        "the file system of %s has no locks: %s keeps other writers away, and must be deleted by hand should this "
        "machine go down",
        file.parent,
        _marker(file),
    )
    return marker


def _marker(file: Path) -> Path:
    return file.with_suffix(".marker")


def _is_named(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(file), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _is_held(file: Path) -> bool:
    try:
        descriptor = os.open(file, os.O_RDONLY | _NO_LINK | _NO_WAIT)
    except OSError:
        return False
    try:
        if fcntl is not None:
            fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, _PROBED)
            return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            return True
    finally:
        os.close(descriptor)
    other = _read(file)
    return _marker(file).exists() and not (other.host == socket.gethostname() and has_ended(other.process))


def _read(file: Path) -> Holder:
    """Who a lock file names; it is written a moment after it is locked."""
    for _ in range(20):
        with contextlib.suppress(OSError, ValueError, TypeError):
            named = Holder(**read_json(file))
            check_types(named)
            return named
        time.sleep(0.01)
    return Holder("an unknown machine", 0, "unknown", "an unknown time")


def _refusal(path: Path, other: Holder) -> HeldError:
    return HeldError(f"{path} is being written by {other}; wait until that has ended, or choose another with --out")


def _remove(file: Path) -> None:
    with contextlib.suppress(OSError):  # a file system that has become read-only; without a lock it is only a name
        file.unlink(missing_ok=True)
