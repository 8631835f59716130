"""Sweeping: the runs of a spec trained on an engine, in a directory that says how far each of them is."""

import contextlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from grokinterp.config.validation import checks_switches
from grokinterp.errors import counted, first_lines
from grokinterp.evaluation.processes import available_cores
from grokinterp.runs import Runs
from grokinterp.sweeps import together
from grokinterp.sweeps.directory import SweepDirectory
from grokinterp.sweeps.engines._base import Engine, opener
from grokinterp.sweeps.points import points_of
from grokinterp.sweeps.progress import Progress
from grokinterp.sweeps.spec import Spec
from grokinterp.sweeps.standing import submit
from grokinterp.sweeps.work import Job, Outcome


class SweepError(RuntimeError):
    """A sweep of which some runs failed; the others are trained. `failed` has the line of each by its name."""

    def __init__(self, failed: Mapping[str, str], runs: int):
        self.failed = dict(failed)
        named = first_lines([f"{name}: {line}" for name, line in failed.items()])
        first = f"{len(failed)} of {counted(runs, 'run')} failed; the same sweep again tries them again, and only them"
        super().__init__("\n".join([first, *named]))


@checks_switches
def sweep(
    spec: Spec | str | Path | Mapping[str, Any],
    *,
    out: str | Path | None = None,
    engine: str = "local",
    workers: int | None = None,
    executor: Executor | None = None,
    slurm: Mapping[str, Any] | Iterable[str] | None = None,
    wait: bool = True,
    progress: bool = True,
) -> Runs:
    """Train every run of a spec, side by side, each with one thread; what is trained already is not trained again.

    `spec` is a TOML file, a dictionary of the same form, or a `Spec`; `out` the directory of the runs, `runs/<name>`
    where left out. `engine` is where they are trained: `local` has `workers` processes on this machine, one for each
    core by default; `slurm` submits job arrays, as `slurm={"partition": "cpu", "time": 60, "setup": [...]}` asks
    (`SlurmOptions`), of which `workers` jobs run at once. `executor` is any `concurrent.futures.Executor` to use in its
    place (Dask's `client.get_executor()`, MPI's). Without `wait` the jobs are submitted, how they stand is printed, and
    the runs that are there already are returned; the same call later does the same.

    The same call again goes on where it was: finished runs are skipped, those that were cut go on from their last
    state, failed ones are tried again. A spec that has grown (more seeds, more steps, a further axis) extends the
    directory; one that contradicts it is refused. Ctrl-C lets every run write what it needs to go on.

    Raises `ConfigError` before anything trains for a point that cannot be trained, `HeldError` where another sweep
    works in the directory, and `SweepError` at the end where some runs failed, with the line and the log of each.
    """
    read = Spec.read(spec)
    points = points_of(read)
    directory = SweepDirectory.of(read, out)
    if read.ensemble:
        together.check(points, engine, executor)
    if not wait:
        standing = submit(read, out, engine if executor is None else "executor", workers, slurm)
        if progress:
            print(standing.text(), file=sys.stderr)
        return directory.runs(points)
    start = opener(engine, executor, directory.path, workers, slurm or {})
    with directory.held(read, points):
        pairs = [(point, job) for point in points if not (job := directory.job(point, read)).is_done]
        jobs = [job for _, job in pairs]
        if read.ensemble:
            jobs = []
            for some, line in together.grouped(pairs, workers or available_cores()):
                jobs += some
                if line and progress:
                    print(line, file=sys.stderr, flush=True)
        if jobs:
            failed = _work(jobs, start(len(jobs)), Progress(jobs, len(points) - len(jobs), progress))
            if failed:
                raise SweepError(failed, len(points))
    return directory.runs(points)


def train_jobs(
    jobs: Sequence[Job], place: Path, engine: str = "local", workers: int | None = None, progress: bool = True
) -> dict[str, str]:
    """Train runs that belong to no spec on an engine, side by side; by the directory's name the line of each failure.

    `place` is the directory that they lie in.
    """
    start = opener(engine, None, place, workers, {})
    return _work(list(jobs), start(len(jobs)), Progress(jobs, 0, progress)) if jobs else {}


def _work(jobs: list[Job], engine: Engine, progress: Progress) -> dict[str, str]:
    """Do every job; the line and the log of each that failed. One failure costs the others nothing."""
    failed: dict[str, str] = {}
    left = len(jobs)
    try:
        with contextlib.closing(progress), engine:
            engine.start(jobs)
            while left:
                for job, outcome in engine.ended(1.0):
                    left -= 1
                    name, line = Path(job.directory).name, _line(job, outcome)
                    if outcome.status != "finished":
                        failed[name] = line
                    progress.end(job, f"{name}: {line}")
                progress.look()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped with {left} of {counted(len(jobs), 'run')} to go; the same sweep again goes on with them"
        ) from None
    return failed


def _line(job: Job, outcome: Outcome) -> str:
    log = f" (log: {job.log})" if outcome.status == "failed" and Path(job.log).exists() else ""
    return f"{outcome.line or outcome.status}{log}"
