"""SweepDirectory: the runs of a sweep on disk, which alone say how far it is."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from grokinterp.config.validation import check_path
from grokinterp.errors import ConfigError
from grokinterp.runs import Runs, lock
from grokinterp.runs.directory import is_run, open_run
from grokinterp.runs.files import make_directory, write_atomic
from grokinterp.runs.population.wanted import SPEC, log_of, missing_of, write_wanted
from grokinterp.sweeps.points import Point, describe, points_of
from grokinterp.sweeps.spec import Spec
from grokinterp.sweeps.work import Job


class SweepDirectory:
    """A directory with `sweep.toml`, a run directory for every point, and the logs of those that failed."""

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def of(cls, spec: Spec, out: str | Path | None) -> "SweepDirectory":
        """The one at `out`, `runs/<name>` where left out."""
        check_path("out", out)
        return cls(Path("runs") / spec.name if out is None else Path(out))

    @contextlib.contextmanager
    def held(self, spec: Spec, points: Sequence[Point]) -> Iterator[None]:
        """Keep the directory for this sweep alone while the block runs.

        Raises `ConfigError` for a spec that contradicts what is there, `HeldError` where another sweep has it.
        """
        with lock.held(self.path, purpose="sweep"):
            if self._stored != spec:
                self.check(spec, points)
                make_directory(self.path)
                write_wanted(self.path, {self.path_of(point).name: point.fields for point in points})
                write_atomic(self.path / SPEC, spec.to_toml().encode())
            yield

    @property
    def _stored(self) -> Spec | None:
        return Spec.read(self.path / SPEC) if (self.path / SPEC).exists() else None

    def check(self, spec: Spec, points: Sequence[Point]) -> None:
        """Raise `ConfigError` where a spec contradicts a run that has been begun, naming the field."""
        if is_run(self.path):
            raise ConfigError(f"{self.path} is a run, and a sweep makes a directory of runs; choose another with --out")
        before = self._stored
        if before is None:
            return
        old = [point for point in points_of(before) if is_run(self.path_of(point))]
        if old and before.keep.checkpoints != spec.keep.checkpoints:
            raise self._contradiction(f"checkpoints={before.keep.checkpoints!r}", f"{spec.keep.checkpoints!r}")
        wanted = {point.identity: point for point in points}
        for point in old:
            now = wanted.get(point.identity)
            if now is None:
                raise ConfigError(
                    f"{self.path} holds the run at {describe(point.varied)} of a sweep, which this spec has not"
                    f"{_differing(before, spec)}; keep its fields and add to them, or give another out (--out)"
                )
            steps, wanted_steps = point.config.schedule.steps, now.config.schedule.steps
            if wanted_steps < steps:
                raise self._contradiction(f"steps={steps}", str(wanted_steps))
            if differences := point.config.replace(steps=wanted_steps).differences(now.config):
                name, _, values = differences.partition(", ")[0].partition(" ")
                raise self._contradiction(f"{name}={values.split(' / ')[0]}", values.split(" / ")[-1])

    def _contradiction(self, there: str, asked: str) -> ConfigError:
        return ConfigError(
            f"{self.path} holds a sweep with {there} and this spec asks for {asked}; keep what is there, or give "
            f"another out (--out)"
        )

    @cached_property
    def _by_identity(self) -> dict[str, Path]:
        if not self.path.is_dir():
            return {}
        # A further axis gives new names: runs that are there keep theirs, and are known by the identity in it.
        return {each.name.rpartition("-")[2]: each for each in self.path.iterdir() if is_run(each)}

    def path_of(self, point: Point) -> Path:
        """Where a point's run is, or will be."""
        return self._by_identity.get(point.identity, self.path / point.name)

    def job(self, point: Point, spec: Spec) -> Job:
        """What a worker is told of a point."""
        path = self.path_of(point)
        return Job(str(path), str(log_of(path)), dict(point.fields), point.config.schedule.steps, spec.keep)

    def runs(self, points: Sequence[Point]) -> Runs:
        """The runs of these points that are there, by the names of their directories; and those that are missing."""
        paths = [path for point in points if is_run(path := self.path_of(point))]
        there = {path.name: open_run(path) for path in paths}
        return Runs(there, missing=missing_of(self.path, there))


def _differing(before: Spec, now: Spec) -> str:
    """` (lr was 0.001 and is 0.01)`: the first field of [run] that has changed."""
    for name in {**before.run, **now.run}:
        old, new = before.run.get(name), now.run.get(name)
        if old != new and name not in now.grid:
            return f" ({name} was {old} and is {new})"
    for name, values in before.grid.items():
        missing = [value for value in values if value not in now.grid.get(name, ())]
        if missing:
            return f" ({name}={missing[0]} is gone from [grid])"
    return ""
