"""Replacing a directory by another in one step, and putting right what a killed process left of that."""

import contextlib
import ctypes
import errno
import logging
import mimetypes
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from grokinterp.config.validation import check_path
from grokinterp.runs.directory import CHECKPOINTS, CONFIG, JSONL, OPTIMISER, PARQUET, SPLIT, TRACES, is_run
from grokinterp.runs.files import cannot_write, has_ended, hidden_beside, sync_directory, this_host, write_atomic
from grokinterp.runs.run import RunError

FOLDERS, FILES = (CHECKPOINTS, TRACES), (CONFIG, SPLIT, JSONL, PARQUET, OPTIMISER)
"""What a run consists of."""

NO_PAGES = (".pt", ".pth", ".ckpt", ".safetensors", ".npz", ".parquet", ".toml", ".md", ".tex")
"""Suffixes of other files, beside those that Python knows the types of."""

AT_FDCWD, RENAME_EXCHANGE = -100, 2
"""Of Linux' renameat2: paths are relative to the working directory; two names change places."""


def replace_directory(fresh: Path, target: Path) -> None:
    """Put `fresh` in the place of `target`, which is whole at every moment where the system can exchange names."""
    if not target.exists():
        os.rename(fresh, target)
    elif _exchanged(fresh, target):
        shutil.rmtree(fresh, ignore_errors=True)
    else:
        old = hidden_beside(target, "old")
        try:
            os.rename(target, old)
            os.rename(fresh, target)
        except BaseException:
            if old.exists() and not target.exists():
                os.rename(old, target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    sync_directory(target.parent)


def recover(target: Path) -> None:
    """Put back a directory that a killed process had set aside for another, and remove what it left half written."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\.(?:(new|old)\.([0-9a-f]{{8}})\.(\d+)\.)?[0-9a-f]{{8}}\.tmp")
    for path in sorted(target.parent.glob(".*.tmp")) if target.parent.is_dir() else []:
        match = pattern.fullmatch(path.name)
        if match is None or (match[1] and not (match[2] == this_host() and has_ended(int(match[3])))):
            continue
        if path.is_file():
            with contextlib.suppress(OSError):  # a file system that is read-only keeps it
                path.unlink(missing_ok=True)
            continue
        # Names without a role are of the first version, which built runs without checkpoints, and set whole ones aside.
        is_old = match[1] == "old" if match[1] else any(path.glob("checkpoints/step_*"))
        if is_old and not target.exists():
            try:
                os.rename(path, target)
            except OSError as error:
                logging.getLogger(__name__).warning(
                    "%s is what is left of %s: %s", path, target, cannot_write(target, error)
                )
                continue
            logging.getLogger(__name__).warning("%s was restored: a process was killed as it replaced it", target)
        elif match[1]:
            shutil.rmtree(path, ignore_errors=True)


def check_output(path: Path, *sources: Path | None) -> None:
    """Refuse to write a page, a trace or a copy over what a run consists of, or over a file that it is made of.

    Raises `RunError`. Any other file is written over where its name is given.
    """
    check_path("out", path)
    place = path.resolve()
    if any(source is not None and place == source.resolve() for source in sources):
        raise RunError(f"{path} is the file that the run is read from; write to another")
    holder = place.parent.parent if place.parent.name in FOLDERS else place.parent
    if (holder != place.parent or place.name in FILES) and is_run(holder):
        raise RunError(f"{path} is a part of the run {holder.name}, which would be lost; write to another file")
    if place.is_dir():
        raise RunError(f"{path} is a directory; name the file to write in it")


def check_page(path: Path, *sources: Path | None) -> None:
    """`check_output` of an HTML page, which is not called as files of another kind are."""
    kind = mimetypes.MimeTypes().guess_type(path.name)[0]
    if path.suffix.lower() in NO_PAGES or (kind is not None and "html" not in kind):
        also = ", and print it with --pdf (pdf=True)" if kind == "application/pdf" else ""
        raise RunError(f"{path} is no name of a page of HTML; write to {path.with_suffix('.html')}{also}")
    check_output(path, *sources)


def write_over(path: Path, content: bytes | Callable[[BinaryIO], object]) -> None:
    """`write_atomic`, once what a process that was killed has left beside the file is removed."""
    recover(path.parent.resolve() / path.name)  # where the file is a link, what was left lies beside the link
    write_atomic(path, content)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the two have changed places; false where the system or the file system knows no such thing."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):  # an older C library
        return False
    if rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), str(other))
