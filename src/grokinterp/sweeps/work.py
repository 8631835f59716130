"""Work: what an engine does for one run of a sweep: train it, or go on with it, and say how that ended.

What needs torch is imported where it is used: a process that only passes work on starts at once.
"""

import contextlib
import os
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grokinterp.errors import BadRequest
from grokinterp.sweeps.spec import Keep


@dataclass(frozen=True)
class Job:
    """One run to train, as a worker is told of it.

    Attributes:
        directory: where the run goes; `log` is where a failure is written.
        fields: what `gi.train` is called with; `steps` is how many steps that comes to.
        keep: what stays of it.
        group: a name that jobs have in common whose runs differ in their seed only and are trained together.
        pace: the seconds of a step that decided whether they are, as `Summary.ensemble` has them.
    """

    directory: str
    log: str
    fields: Mapping[str, Any]
    steps: int
    keep: Keep
    group: str | None = None
    pace: Mapping[str, float] | None = None

    def absolute(self) -> "Job":
        """As a process elsewhere finds it."""
        return replace(self, directory=str(Path(self.directory).absolute()), log=str(Path(self.log).absolute()))

    @property
    def is_trained(self) -> bool:
        """Whether the run has as many steps as are wanted, or has stopped as it was told to."""
        from grokinterp.runs.directory import is_finished, is_run, read_header

        path = Path(self.directory)
        if not is_run(path) or not is_finished(path):
            return False
        config = read_header(path).config
        return config is not None and config.schedule.steps >= self.steps

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do: it is trained, read, and its weights are those that are to be kept."""
        from grokinterp.sweeps.completing import is_complete

        return self.is_trained and is_complete(Path(self.directory), self.keep)


@dataclass(frozen=True)
class Outcome:
    """How a job ended: `finished`, `stopped` (it goes on when asked again) or `failed`, with its line."""

    status: str
    line: str = ""


def do(job: Job) -> Outcome:
    """Train a job's run to its end with one thread, or go on with it; errors become an outcome and a log."""
    from grokinterp.sweeps.completing import complete

    try:
        if not job.is_trained:
            _train(job)
        complete(Path(job.directory), job.keep)
    except KeyboardInterrupt:
        return Outcome("stopped")
    except Exception as error:
        return failure(job, error)
    with contextlib.suppress(OSError):
        Path(job.log).unlink(missing_ok=True)
    return Outcome("finished")


def failure(job: Job, error: Exception) -> Outcome:
    """The outcome of a job that an error ended, of which a log is kept."""
    line = str(error) if isinstance(error, BadRequest) else f"{type(error).__name__}: {error}"
    line = line.splitlines()[0]
    write_log(job, line, "".join(traceback.format_exception(error)))
    return Outcome("failed", line)


def write_log(job: Job, line: str, details: str = "") -> None:
    """Keep why a run failed: in a line in its summary, and with all that is known in its log."""
    from grokinterp.runs.directory import is_run
    from grokinterp.runs.files import StorageError
    from grokinterp.runs.summary import Summary

    log, path = Path(job.log), Path(job.directory)
    with contextlib.suppress(OSError):
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"{line}\nprocess {os.getpid()}, {dict(job.fields)}\n{details}")
    with contextlib.suppress(StorageError):
        if is_run(path):
            replace(Summary.read(path), failure=line).write(path)


def read_log(job: Job) -> str | None:
    """The line that `write_log` kept; None where the last attempt has not failed."""
    try:
        with open(job.log) as log:
            return log.readline().strip()
    except OSError:
        return None


def _train(job: Job) -> None:
    from grokinterp.runs.writer import resumable_step
    from grokinterp.training import train

    fields, path = dict(job.fields), Path(job.directory)
    expression = fields.pop("expression", None)
    begun, started = resumable_step(path), time.monotonic()
    try:
        train(expression, **fields, out=path, resume=True, threads=1, progress=False, device="cpu")
    finally:
        # Also of a run that stops here: it goes on another time.
        write_pace(job, begun, time.monotonic() - started, 1)


def write_pace(job: Job, begun: int, seconds: float, members: int) -> None:
    """Add to a run's summary how long it has been trained since it was at step `begun`, and with how many others."""
    from grokinterp.runs.summary import add_pace

    ensemble = {} if job.pace is None else {"ensemble": {**job.pace, "members": members}}
    add_pace(Path(job.directory), begun, seconds, **ensemble)
