"""SlurmEngine: starts the runs of a sweep as job arrays, and tells from their directories and the queue which ended."""

import contextlib
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from grokinterp.errors import ConfigError, listed
from grokinterp.sweeps.engines._base import Options
from grokinterp.sweeps.engines.slurm.batch import Batch
from grokinterp.sweeps.engines.slurm.options import SlurmOptions
from grokinterp.sweeps.engines.slurm.queue import Queue
from grokinterp.sweeps.engines.slurm.submission import Submission
from grokinterp.sweeps.work import Job, Outcome, read_log

SECONDS_BETWEEN_LOOKS = 30.0
"""How often directories and the queue are looked at in the end; at first more often."""

NO_LIMIT = 1_000_000
"""How often a job may be queued again; that its runs go on is looked after by `Batch`."""


def check(directory: Path, workers: int | None, options: Options) -> None:
    """Raise `ConfigError` for what Slurm would refuse, before anything is written."""
    asked = SlurmOptions.read(options)
    _submitit()
    if shutil.which("sbatch") is None:
        raise ConfigError("this machine has no sbatch; sweep on a login node of a Slurm cluster, or with engine=local")
    script = asked.script(directory, "grokinterp", 1, workers)
    tested = subprocess.run(["sbatch", "--test-only"], input=script, capture_output=True, text=True, timeout=120)
    if tested.returncode:
        raise _refusal(tested.stderr, asked)


def opened(directory: Path, workers: int | None, jobs: int, options: Options) -> "SlurmEngine":
    """Jobs of which `workers` may run at a time, all where left out."""
    del jobs
    return SlurmEngine(directory, SlurmOptions.read(options), workers)


def script(directory: Path, workers: int | None, jobs: int, options: Options) -> str:
    """What sbatch would be given for so many runs."""
    _submitit()
    new = Submission.new(directory.absolute(), [])
    return SlurmOptions.read(options).script(new.folder, new.name, jobs, workers)


def at_once(workers: int | None, jobs: int, options: Options) -> int:
    """How many runs are trained at a time, where the cluster has room for every job."""
    asked = SlurmOptions.read(options)
    most = math.ceil(jobs / asked.batch_size(jobs)) if jobs else 0
    return min(min(workers or most, most) * asked.cpus_per_task, jobs)


class SlurmEngine:
    """Job arrays, each job training a few runs. They go on without this process, and the next one finds them again.

    A run has ended once its directory says that it is finished, its log that it failed, or Slurm that it has the job
    no more; submitit, which submits, is not asked: without accounting it never learns of a death.
    """

    def __init__(self, directory: Path, options: SlurmOptions, at_once: int | None):
        self._sweep, self._options, self._at_once = directory.absolute(), options, at_once
        self._queue = Queue()
        self._jobs: dict[str, Job] = {}
        self._places: dict[str, tuple[Submission, int]] = {}
        self._started_at = self._looked_at = time.monotonic()

    def start(self, jobs: Sequence[Job], again: bool = True) -> None:
        """Submit the runs of which Slurm has no job, and watch those of which it has one.

        Without `again` those are left out that were submitted and ended before they should, until `tell`.
        """
        self._jobs = {Path(job.directory).name: job for job in jobs}
        for submission in Submission.all(self._sweep):
            for index, names in enumerate(submission.runs):
                self._places.update({name: (submission, index) for name in names if name in self._jobs})
        kept = self.alive() if again else self._places
        missing = [job for name, job in self._jobs.items() if name not in kept]
        if missing:
            self._submit(missing)

    def _submit(self, jobs: Sequence[Job]) -> None:
        size = self._options.batch_size(len(jobs))
        batches = [tuple(job.absolute() for job in jobs[i : i + size]) for i in range(0, len(jobs), size)]
        names = [[Path(job.directory).name for job in batch] for batch in batches]
        submission = Submission.new(self._sweep, names).write()  # first: should this be killed, its name finds the jobs
        for job in jobs:
            Path(job.log).unlink(missing_ok=True)
        executor = _submitit().SlurmExecutor(submission.folder, max_num_timeout=NO_LIMIT)
        executor.update_parameters(**self._options.parameters(submission.name, self._at_once))
        try:
            with executor.batch():
                submitted = [
                    executor.submit(Batch(batch, self._options.cpus_per_task, self._options.minutes))
                    for batch in batches
                ]
        except RuntimeError as error:  # what sbatch says that it does not say of a trial
            shutil.rmtree(submission.folder)
            raise _refusal(str(error), self._options) from None
        submission = replace(submission, job=submitted[0].job_id.partition("_")[0]).write()
        for index, group in enumerate(names):
            self._places.update(dict.fromkeys(group, (submission, index)))

    def alive(self) -> dict[str, str]:
        """The runs of which Slurm has a job, by name, each with a word on it."""
        states = self._queue.states({submission.name for submission, _ in self._places.values()})
        words = {name: states.get((submission.name, index)) for name, (submission, index) in self._places.items()}
        return {name: word for name, word in words.items() if word is not None}

    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """The runs that ended since this was last asked."""
        now = time.monotonic()
        pause = min(SECONDS_BETWEEN_LOOKS, (now - self._started_at) / 10)
        time.sleep(seconds)
        if now - self._looked_at < pause:
            return []
        self._looked_at = now
        alive = self.alive()  # before the directories: a run may end between the two
        outcomes = {name: self._outcome(name, job, name in alive) for name, job in self._jobs.items()}
        return [(self._jobs.pop(name), outcome) for name, outcome in outcomes.items() if outcome is not None]

    def _outcome(self, name: str, job: Job, is_alive: bool) -> Outcome | None:
        if not is_alive:
            with contextlib.suppress(OSError):
                os.listdir(job.directory)  # on NFS names are as they were a minute ago until a directory is opened
        if job.is_done:
            return Outcome("finished")
        if (failure := read_log(job)) is not None:
            return Outcome("failed", failure)
        return None if is_alive else Outcome("failed", self._loss(name))

    def _loss(self, name: str) -> str:
        submission, index = self._places[name]
        log, number = submission.log(index), f"{submission.job}_{index}"
        if not log.exists():
            return f"its Slurm job {number} was cancelled before it began"
        return f"its Slurm job {number} was killed or cancelled, and printed {log}"

    @property
    def numbers(self) -> list[str]:
        """The numbers of the job arrays that the runs are in."""
        return sorted({submission.job for submission, _ in self._places.values()})

    def tell(self) -> None:
        """Count what `ended` has given as known: of a submission whose runs have all ended nothing is left to say."""
        watched = {self._places[name][0].name for name in self._jobs}
        for submission in Submission.all(self._sweep):
            if submission.name not in watched:
                submission.close()

    def __enter__(self) -> "SlurmEngine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.tell()
        elif self._jobs:
            print(f"Slurm goes on with its jobs; `scancel {' '.join(self.numbers)}` ends them", file=sys.stderr)


def _submitit() -> Any:
    try:
        import submitit
    except ImportError:
        raise ConfigError("engine=slurm needs submitit; install it with pip install 'grokinterp[slurm]'") from None
    return submitit


def _refusal(text: str, options: SlurmOptions) -> ConfigError:
    """What sbatch has said, and what to do about it."""
    lines = [re.sub(r"^(sbatch: )?(error|allocation failure): ", "", line.strip()) for line in text.splitlines()]
    line = next((line for line in lines if line), "no reason is given")
    if "partition" in line.lower():
        known = subprocess.run(["sinfo", "--noheader", "--format", "%R"], capture_output=True, text=True).stdout.split()
        remedy = f"the partitions are {listed(known)}: --slurm partition=..."
    else:
        remedy = "ask for something else with --slurm KEY=VALUE"
    return ConfigError(f"Slurm refuses the jobs: {line}; {remedy}")
