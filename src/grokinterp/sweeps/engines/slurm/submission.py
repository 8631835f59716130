"""Submission: runs that Slurm was given in one go, written down so that another process can ask after them."""

import json
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from grokinterp.runs.files import make_directory, write_atomic

FOLDER, FILE = "slurm", "submission.json"


@dataclass(frozen=True)
class Submission:
    """Which job of an array trains which runs.

    Each has a folder to itself, in which submitit keeps pickles and logs by the numbers of jobs: those come again.

    Attributes:
        name: of its jobs and of no others.
        runs: names of run directories, for each job of the array.
        job: its number, unknown where the process was killed as it submitted.
        is_told: whether somebody has been told how all of its runs ended.
    """

    folder: Path
    name: str
    runs: tuple[tuple[str, ...], ...]
    job: str = ""
    is_told: bool = False

    @classmethod
    def new(cls, sweep: Path, runs: Sequence[Sequence[str]]) -> "Submission":
        """One that is about to be given to Slurm."""
        token = secrets.token_hex(4)
        folder = sweep / FOLDER / f"{datetime.now():%Y%m%d-%H%M%S}-{token}"
        name = f"{re.sub(r'[^A-Za-z0-9_.-]', '-', sweep.name)}-{token}"
        return cls(folder, name, tuple(map(tuple, runs)))

    @classmethod
    def all(cls, sweep: Path) -> Iterator["Submission"]:
        """Those of a sweep of which nobody has been told everything, the oldest first."""
        for file in sorted((sweep / FOLDER).glob(f"*/{FILE}")):
            entries = json.loads(file.read_bytes())
            runs = tuple(map(tuple, entries.pop("runs")))
            submission = cls(file.parent, runs=runs, **entries)
            if not submission.is_told:
                yield submission

    def write(self) -> "Submission":
        """Keep it. Raises `StorageError` where the system refuses."""
        make_directory(self.folder.parent)
        make_directory(self.folder)
        entries = {name: value for name, value in asdict(self).items() if name != "folder"}
        write_atomic(self.folder / FILE, (json.dumps(entries) + "\n").encode())
        return self

    def close(self) -> "Submission":
        """Write down that somebody knows how all of its runs ended."""
        return replace(self, is_told=True).write()

    def log(self, index: int) -> Path:
        """What a job of it has printed."""
        number = f"{self.job}_{index}" if len(self.runs) > 1 else self.job
        return self.folder / f"{number}_0_log.out"
