"""Batch: the runs that one Slurm job trains, which has itself queued again before its time is over.

It does without torch, which the processes that train import: what starts them is there within a moment.
"""

import signal
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from grokinterp.errors import counted
from grokinterp.sweeps.engines.local import LocalEngine
from grokinterp.sweeps.work import Job, write_log

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

SIGNAL = signal.SIGUSR2
"""What submitit has Slurm send before the time is over, or when a job of more weight takes the place."""

OPTIMISER = "optimiser.safetensors"  # of runs.directory, which needs torch

MOST_IDLE = 3
"""How many times in a row a job is queued again though none of its runs has gone on."""


class _TimeIsOver(BaseException):
    """The job has to end now."""


@dataclass
class Batch:
    """Runs to train in one Slurm job, `workers` at once; submitit calls it, and pickles its `checkpoint` on the signal.

    How each run ended, its directory and its log say; what is returned is for the log of the job.

    Attributes:
        minutes: the time limit of the job.
        idle: how many times it was queued again though no run had gone on.
    """

    jobs: tuple[Job, ...]
    workers: int
    minutes: int
    idle: int = 0

    def __call__(self) -> str:
        """Train the runs; on the signal let each stop between two steps, and queue what is left again."""
        queue_again: Any = signal.getsignal(SIGNAL)  # submitit's
        before = {job.directory: _state(job) for job in self.jobs}
        rest = dict.fromkeys(before)
        signal.signal(SIGNAL, _raise)
        # Slurm signals every process of a job. What the engine starts takes the mask over and is deaf to it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {SIGNAL})
        try:
            with LocalEngine(min(self.workers, len(self.jobs))) as engine:
                engine.start(self.jobs)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {SIGNAL})
                while rest:
                    for job, outcome in engine.ended(60.0):
                        print(f"{job.directory}: {outcome.status} {outcome.line}", flush=True)
                        del rest[job.directory]
        except _TimeIsOver:
            pass
        if not rest:
            return f"all {len(self.jobs)} runs have ended"
        left = tuple(job for job in self.jobs if job.directory in rest)
        has_gone_on = len(left) < len(self.jobs) or any(_state(job) != before[job.directory] for job in left)
        self.jobs, self.idle = left, 0 if has_gone_on else self.idle + 1
        if self.idle > MOST_IDLE:
            length = counted(self.minutes, "minute")
            line = f"a job of {length} is over before a step is made; give it more, as in --slurm time=60"
            for job in left:
                write_log(job, line)
            return line
        queue_again(SIGNAL, None)  # pickles what `checkpoint` gives, and ends this process
        return "queued again"

    def checkpoint(self) -> "DelayedSubmission":
        """What the job goes on with once it has been queued again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _raise(signum: int, frame: FrameType | None) -> None:
    signal.signal(SIGNAL, signal.SIG_IGN)  # it is stopping already
    raise _TimeIsOver


def _state(job: Job) -> str | None:
    """What tells whether a run has gone on: the step that it can be resumed from."""
    try:
        with safe_open(Path(job.directory) / OPTIMISER, framework="numpy") as file:
            return (file.metadata() or {}).get("state")
    except (OSError, SafetensorError):
        return None
