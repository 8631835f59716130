"""Standing: how far a sweep is whose runs are trained without anybody waiting for them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from grokinterp.errors import ConfigError, counted, first_lines
from grokinterp.sweeps.directory import SweepDirectory
from grokinterp.sweeps.engines._base import opener
from grokinterp.sweeps.engines.slurm import SlurmEngine
from grokinterp.sweeps.points import points_of
from grokinterp.sweeps.spec import Spec
from grokinterp.sweeps.work import Job


@dataclass(frozen=True)
class Standing:
    """How many runs are finished, what the others do, and the line of each that failed, by its name."""

    directory: Path
    finished: int
    alive: Mapping[str, str]
    failed: Mapping[str, str]
    jobs: tuple[str, ...]

    def text(self) -> str:
        """A line of numbers, one for each failure, and how to ask again."""
        counts = Counter(self.alive.values())
        parts = [f"{self.finished} finished", *(f"{count} {word}" for word, count in sorted(counts.items()))]
        parts += [f"{len(self.failed)} failed"] if self.failed else []
        runs = self.finished + len(self.alive) + len(self.failed)
        lines = [f"{self.directory}: {counted(runs, 'run')}, {', '.join(parts)}"]
        lines += first_lines([f"{name}: {line}" for name, line in self.failed.items()])
        if self.alive:
            jobs = " ".join(self.jobs)
            lines.append(f"Slurm jobs {jobs}; the same command says how they stand, `scancel {jobs}` ends them")
        elif self.failed:
            lines.append("the same command again tries those that failed once more")
        return "\n".join(lines)


def submit(
    spec: Spec | str | Path | Mapping[str, Any],
    out: str | Path | None = None,
    engine: str = "slurm",
    workers: int | None = None,
    slurm: Mapping[str, Any] | Iterable[str] | None = None,
) -> Standing:
    """Submit the runs of a spec that have not been, and say how all of them stand, without waiting for any.

    What was submitted and failed is named once, and tried again by the next call. Raises as `sweep` does.
    """
    if engine != "slurm":
        raise ConfigError(f"the work of engine={engine!r} ends with this process; wait for it, or take engine=slurm")
    read = Spec.read(spec)
    points = points_of(read)
    directory = SweepDirectory.of(read, out)
    start = opener(engine, None, directory.path, workers, slurm or {})
    with directory.held(read, points):
        jobs = [job for point in points if not (job := directory.job(point, read)).is_done]
        return _stand(cast(SlurmEngine, start(len(jobs))), directory.path, jobs, len(points) - len(jobs))


def _stand(engine: SlurmEngine, directory: Path, jobs: list[Job], done: int) -> Standing:
    engine.start(jobs, again=False)
    outcomes = {Path(job.directory).name: outcome for job, outcome in engine.ended(0.0)}
    failed = {name: outcome.line for name, outcome in outcomes.items() if outcome.status == "failed"}
    engine.tell()
    words = engine.alive()
    alive = {name: words.get(name, "running") for job in jobs if (name := Path(job.directory).name) not in outcomes}
    return Standing(directory, done + len(outcomes) - len(failed), alive, failed, tuple(engine.numbers))
