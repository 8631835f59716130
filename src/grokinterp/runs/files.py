"""Files that are whole or absent: atomic writing, and reading that says in one line what is wrong with a file.

What is made of a run that nobody gave a place has one of its own, so that no run's is ever another's.
"""

import contextlib
import errno
import hashlib
import json
import os
import socket
import stat
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import safetensors.numpy
from safetensors import SafetensorError, safe_open
from torch import Tensor

from grokinterp.errors import BadRequest


class StorageError(BadRequest):
    """A file or directory that cannot be read or written; its one line names the remedy."""


_REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space or choose another place",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another place",
    errno.EFBIG: "the file would be larger than the system allows; choose another place",
    errno.EACCES: "permission denied; choose a place you may write to",
    errno.EPERM: "permission denied; choose a place you may write to",
    errno.EROFS: "the file system is read-only; choose a place you may write to",
    errno.ENOTDIR: "a part of the path is a file, not a directory; choose another place",
    errno.EEXIST: "a file of that name is in the way; choose another place",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


def cannot_write(path: Path, error: OSError) -> StorageError:
    """The one line for an operating system's refusal to write `path`."""
    remedy = _REMEDIES.get(error.errno or 0, f"{error.strerror or error}; choose another place")
    return StorageError(f"cannot write {path}: {remedy}")


def cannot_read(path: Path, error: OSError) -> StorageError:
    """The one line for an operating system's refusal to read `path`."""
    if isinstance(error, FileNotFoundError):
        return StorageError(f"{path} does not exist; check the path")
    return StorageError(f"cannot read {path}: {error.strerror or error}; check the path and its permissions")


def hidden_beside(target: Path, role: str = "new") -> Path:
    """A name that nobody has, and that readers pass over: of what is to become `target`, or, `old`, of what it was.

    It tells which process of which machine it belongs to, so that others know when nobody works on it any more.
    """
    return target.with_name(f".{target.name}.{role}.{this_host()}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")


def this_host() -> str:
    """What tells this machine from others that share its files."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def has_ended(process: int) -> bool:
    """Whether this machine has no such process any more; not known on Windows, where to ask would be to interrupt."""
    if sys.platform == "win32":
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):  # a name that somebody made up may say a number that none can have
        return True
    except OSError:
        return False
    return False


def make_directory(path: Path) -> None:
    """Create `path` and its parents. Raises `StorageError` where the system refuses."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None


def write_atomic(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """Write `content` (bytes, or a function that writes to an open file) so that `path` is whole or absent.

    The bytes go to a temporary name in the same directory, to the disk, and then to `path` by a rename. Whatever
    fails on the way, Ctrl-C included, removes the temporary and leaves an older `path` as it was. After a power cut
    `path` may be the older one, unless `sync_directory` came next. Raises `StorageError` for a full disk, a missing
    permission and the like.
    """
    path = Path(path)
    temporary = hidden_beside(path)
    try:
        with open(temporary, "xb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # a file system that has become read-only lets nothing be removed either
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise cannot_write(path, error) from None
        raise


READ_AT_MOST = 2**28
"""Bytes of a file that is read whole: settings, a split, lines of metrics."""

UNFOLDED = 64
"""How many times larger than a file of numbers its content may be, beyond `READ_AT_MOST`, where it is compressed."""


def read_whole(path: Path) -> bytes:
    """The bytes of a regular file, as `regular_status` refuses others.

    Raises `OSError` as the system does, and `StorageError` for a file larger than such files are.
    """
    if (size := regular_status(path).st_size) > READ_AT_MOST:
        raise StorageError(f"{path} has {size:,} bytes, more than such a file has; restore it from a copy")
    return path.read_bytes()


def read_json(path: Path) -> Any:
    """The JSON value in a regular file. Raises as `read_whole` does, and `ValueError` for what is no JSON."""
    try:
        return json.loads(read_whole(path))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def regular_status(path: Path) -> os.stat_result:
    """What the system knows of a file; a pipe would be waited for, and of a device the bytes would never end.

    Raises `OSError` as the system does, and `StorageError` for what is no regular file.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise StorageError(f"{path} is a directory where a file is expected; restore the file from a copy")
    if not stat.S_ISREG(status.st_mode):
        raise StorageError(f"{path} is no regular file; copy what it gives into a file first")
    return status


def sync_directory(path: Path) -> None:
    """Make renames inside `path` survive a power cut, where the system can do that for a directory."""
    with contextlib.suppress(OSError):
        directory = os.open(path, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def remove_temporaries(directory: Path) -> None:
    """Remove what a killed process left of `write_atomic` in `directory`."""
    for leftover in directory.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors, bit for bit, to a safetensors file, whole or not at all."""
    arrays = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}
    write_atomic(path, safetensors.numpy.save(arrays, metadata=dict(metadata)))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file, on the CPU, and its metadata. Raises `StorageError` where it is damaged."""
    with open_tensors(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, without its tensors. Raises `StorageError` where it is damaged."""
    with open_tensors(path) as file:
        return file.metadata() or {}


def open_tensors(path: Path) -> safe_open:
    """A safetensors file whose tensors are read on demand. Raises `StorageError` where it is damaged."""
    try:
        regular_status(path)
        return safe_open(path, framework="pt", device="cpu")
    except OSError as error:
        raise cannot_read(path, error) from None
    except SafetensorError as error:
        raise StorageError(
            f"{path} is truncated or no safetensors file ({error}); delete it, or fetch it again"
        ) from None


# -- where nobody gave a place


def default_place(source: Path, name: str, ending: str) -> Path:
    """The file of this name in a run's directory, or beside a file one that has its name and this ending.

    Where nothing can be written there, one in the working directory: with the source's name, and a few digits that
    tell its path from those of others of that name.
    """
    place = source / name if source.is_dir() else source.with_name(f"{source.name}{ending}")
    if os.access(place.parent, os.W_OK):
        return place
    return Path(f"{source.resolve().name}-{digits_of([source])}{ending}")


def digits_of(sources: Iterable[Path]) -> str:
    """Eight digits that tell these paths, in any order, from others."""
    paths = "\0".join(sorted(str(source.resolve()) for source in sources))
    return hashlib.sha256(paths.encode(errors="surrogateescape")).hexdigest()[:8]
