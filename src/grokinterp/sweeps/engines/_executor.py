"""ExecutorEngine: the runs of a sweep on the caller's executor; their directories tell which have ended."""

import os
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Executor

from grokinterp.runs import lock
from grokinterp.sweeps.engines._base import FuturesEngine
from grokinterp.sweeps.work import Job, Outcome, do

SECONDS_WITHOUT_WORK = 1800.0
"""How long an executor may leave every run alone, once it has begun one, before it is no longer waited for.

Dask waits for ever for a worker to take the place of one that was killed.
"""


class ExecutorEngine(FuturesEngine):
    """Whatever has `submit` of `concurrent.futures.Executor`; the caller ends it.

    A run is under way as long as somebody writes it, whatever its future says: Dask begins the work of a worker that it
    has lost sight of a second time.
    """

    def __init__(self, executor: Executor):
        super().__init__(executor.submit)
        self._elsewhere: list[tuple[Job, Outcome]] = []
        self._before: dict[str, int | None] = {}
        self._has_begun = False
        self._worked_at = time.monotonic()

    def start(self, jobs: Sequence[Job]) -> None:
        """Submit every job."""
        attempt = secrets.token_hex(8)  # Dask gives the result of an earlier call where the arguments are the same
        self._before = {job.directory: _touched_at(job) for job in jobs}
        self._jobs.update({self._submit(_attempt, attempt, job.absolute()): job for job in jobs})

    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """The jobs that are done, whether their futures say so or not, or failed, or were left alone for too long."""
        if not self._jobs:
            time.sleep(seconds)
        candidates = self._elsewhere + super().ended(seconds)
        self._elsewhere = [pair for pair in candidates if pair[1].status == "failed" and _is_held(pair[0])]
        ended = [pair for pair in candidates if pair not in self._elsewhere]
        for future, job in list(self._jobs.items()):
            if job.is_done and not _is_held(job):
                del self._jobs[future]
                ended.append((job, Outcome("finished")))
        now = time.monotonic()
        if ended or self._is_at_work():
            self._worked_at = now
        elif now - self._worked_at > SECONDS_WITHOUT_WORK:
            ended = self._given_up()
        return [(job, Outcome("finished") if job.is_done else outcome) for job, outcome in ended]

    def _is_at_work(self) -> bool:
        """Whether somebody writes a run, or has written none yet: an executor may have to wait for its workers."""
        if self._elsewhere or any(map(_is_held, self._jobs.values())):
            return True
        self._has_begun |= any(_touched_at(job) != self._before[job.directory] for job in self._jobs.values())
        return not self._has_begun and len(self._jobs) == len(self._before)

    def _given_up(self) -> list[tuple[Job, Outcome]]:
        loss = Outcome("failed", f"its executor has worked at no run for {SECONDS_WITHOUT_WORK / 60:.0f} minutes")
        jobs = list(self._jobs.values())
        super().__exit__(None, None, None)
        self._jobs.clear()
        return [(job, loss) for job in jobs]

    def _reason(self, error: Exception) -> tuple[str, str]:
        if isinstance(error, CancelledError):
            return "its executor was shut down", ""
        return super()._reason(error)


def _attempt(token: str, job: Job) -> Outcome:
    del token
    return do(job)


def _is_held(job: Job) -> bool:
    return lock.holder(job.directory) is not None


def _touched_at(job: Job) -> int | None:
    """When the directory of a run was written last; to begin it and to go on with it both do."""
    try:
        return os.stat(job.directory).st_mtime_ns
    except OSError:
        return None
