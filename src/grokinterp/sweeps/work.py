"""Work: what an engine does for one run of a sweep: train it, or go on with it, and say how that ended."""

import contextlib
import os
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokinterp.errors import BadRequest
from grokinterp.runs.directory import is_finished, is_run, read_header
from grokinterp.sweeps.spec import Keep


@dataclass(frozen=True)
class Job:
    """One run to train, as a worker is told of it.

    Attributes:
        directory: where the run goes; `log` is where a failure is written.
        fields: what `gi.train` is called with; `steps` is how many steps that comes to.
        keep: what stays of it.
    """

    directory: str
    log: str
    fields: Mapping[str, Any]
    steps: int
    keep: Keep

    @property
    def is_done(self) -> bool:
        """Whether the run has been trained for as many steps as are wanted, or has stopped as it was told to."""
        path = Path(self.directory)
        if not is_run(path) or not is_finished(path):
            return False
        config = read_header(path).config
        return config is not None and config.schedule.steps >= self.steps


@dataclass(frozen=True)
class Outcome:
    """How a job ended: `finished`, `stopped` (it goes on when asked again) or `failed`, with its line."""

    status: str
    line: str = ""


def do(job: Job) -> Outcome:
    """Train a job's run to its end with one thread, or go on with it; errors become an outcome and a log."""
    try:
        _train(job)
    except KeyboardInterrupt:
        return Outcome("stopped")
    except Exception as error:
        write_log(job, traceback.format_exc())
        line = str(error) if isinstance(error, BadRequest) else f"{type(error).__name__}: {error}"
        return Outcome("failed", line.splitlines()[0])
    with contextlib.suppress(OSError):
        Path(job.log).unlink(missing_ok=True)
    return Outcome("finished")


def write_log(job: Job, text: str) -> None:
    """Keep what is known of a failure, where that can be written."""
    log = Path(job.log)
    with contextlib.suppress(OSError):
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"process {os.getpid()}, {dict(job.fields)}\n{text}")


def _train(job: Job) -> None:
    from grokinterp.training import train

    fields = dict(job.fields)
    expression = fields.pop("expression", None)
    run = train(expression, **fields, out=job.directory, resume=True, threads=1, progress=False, device="cpu")
    if job.keep.circuits != ():
        from grokinterp.evaluation.processor import processor_settings
        from grokinterp.measuring import measure

        with processor_settings(1):
            measure(run, job.keep.circuits, progress=False)
