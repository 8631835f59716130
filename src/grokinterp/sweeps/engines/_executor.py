"""ExecutorEngine: the runs of a sweep on an executor of the caller's, such as Dask's, whose word is not all."""

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
        self._has_begun = False
        self._worked_at = time.monotonic()

    def start(self, jobs: Sequence[Job]) -> None:
        """Submit every job."""
        attempt = secrets.token_hex(8)  # Dask gives the result of an earlier call where the arguments are the same
        self._jobs.update({self._submit(_attempt, attempt, job.absolute()): job for job in jobs})

    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """The jobs whose futures are done and which nobody works at, or of which nobody has been heard for long."""
        if not self._jobs:
            time.sleep(seconds)
        candidates = self._elsewhere + super().ended(seconds)
        self._elsewhere = [
            (job, outcome) for job, outcome in candidates if outcome.status == "failed" and _is_held(job)
        ]
        ended = [pair for pair in candidates if pair not in self._elsewhere]
        self._has_begun |= bool(ended)
        return [(job, _by_its_directory(job, outcome)) for job, outcome in ended] or self._given_up()

    def _given_up(self) -> list[tuple[Job, Outcome]]:
        """All jobs that are left, where none has been worked at for too long."""
        now = time.monotonic()
        is_working = bool(self._elsewhere) or any(map(_is_held, self._jobs.values()))
        self._has_begun |= is_working
        if is_working or not self._has_begun:
            self._worked_at = now
        if now - self._worked_at < SECONDS_WITHOUT_WORK:
            return []
        loss = Outcome("failed", f"its executor has worked at no run for {SECONDS_WITHOUT_WORK / 60:.0f} minutes")
        jobs = list(self._jobs.values())
        super().__exit__(None, None, None)
        self._jobs.clear()
        return [(job, _by_its_directory(job, loss)) for job in jobs]

    def _reason(self, error: Exception) -> tuple[str, str]:
        if isinstance(error, CancelledError):
            return "its executor was shut down", ""
        return super()._reason(error)


def _attempt(token: str, job: Job) -> Outcome:
    del token
    return do(job)


def _is_held(job: Job) -> bool:
    return lock.holder(job.directory) is not None


def _by_its_directory(job: Job, outcome: Outcome) -> Outcome:
    return Outcome("finished") if job.is_done else outcome
