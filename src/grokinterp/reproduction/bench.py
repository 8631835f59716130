"""Bench: gives a claim its runs, found among those already trained or trained now, and its files."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from grokinterp.config import RunConfig
from grokinterp.errors import BadRequest
from grokinterp.reproduction.claim import Claim
from grokinterp.reproduction.needed_run import Training
from grokinterp.runs.directory import CONFIG, is_finished, is_run, open_run, read_header
from grokinterp.runs.population.wanted import log_of
from grokinterp.runs.run import Run
from grokinterp.runs.summary import add_pace
from grokinterp.runs.writer import resumable_step
from grokinterp.sweeps.running import train_jobs
from grokinterp.sweeps.spec import Keep
from grokinterp.sweeps.work import Job
from grokinterp.training.planning import default_directory
from grokinterp.training.trainer import train

QUICK_STEPS = 20
"""Steps of every run of a rehearsal."""

Alter: TypeAlias = Callable[[RunConfig], RunConfig]
"""What a bench makes of the configuration of a run that a claim needs. It keeps task and preset."""


def shortened(config: RunConfig) -> RunConfig:
    """The configuration of a few steps: that of a rehearsal."""
    return config.replace(steps=QUICK_STEPS, metrics_every=10, checkpoint_every=10)


class Bench:
    """Looks for runs directly under `places`, and trains those that are missing in the first of them.

    Attributes:
        data: the directory of third-party files.
        alter: what becomes of each run's configuration before it is looked for; nothing where left out.
    """

    def __init__(
        self,
        places: Sequence[Path],
        data: Path,
        threads: int | None = None,
        alter: Alter | None = None,
        progress: bool = True,
    ):
        self.places, self.data, self.threads, self.alter, self.progress = places, data, threads, alter, progress
        self._read: dict[Path, tuple[int, RunConfig | None]] = {}

    @contextmanager
    def rehearsing(self) -> Iterator["Bench"]:
        """A bench of the same files, whose runs are tiny and thrown away at the end."""
        with tempfile.TemporaryDirectory(prefix="grokinterp-") as place:
            yield Bench([Path(place)], self.data, self.threads, shortened, self.progress)

    def altered(self, alter: Alter) -> "Bench":
        """A bench of the same files, whose runs are altered, and kept apart from its own."""
        return Bench([self.places[0] / "nulls"], self.data, self.threads, alter, self.progress)

    # -- what a claim needs

    def why_not(self, claim: Claim) -> str | None:
        """Which third-party file of a claim is absent, and what to do; None where all are there."""
        absent = [name for name in claim.files if not (self.data / name).exists()]
        if not absent:
            return None
        return (
            f"{claim.id} needs the third-party file {absent[0]}, not found under {self.data}; give its place by --data"
        )

    def cost(self, claim: Claim) -> float:
        """About how many minutes a claim takes: its measuring, and the runs that are not there yet."""
        return claim.minutes + sum(each.minutes for each in self.missing(claim))

    def missing(self, claim: Claim) -> list[Training]:
        """The runs of a claim that are not there yet, each once, in the order in which they are trained."""
        wanted = {repr(each): each for run in claim.trainings for each in run.whole}
        return [each for each in wanted.values() if self.find(each) is None]

    def files(self, claim: Claim) -> list[Path]:
        """The third-party files of a claim. Raises `BadRequest` for one that is absent."""
        if reason := self.why_not(claim):
            raise BadRequest(reason)
        return [self.data / name for name in claim.files]

    def runs(self, claim: Claim) -> list[Run]:
        """The runs of a claim, trained where they are missing."""
        return [self.run(wanted) for wanted in claim.trainings]

    # -- one run

    def run(self, wanted: Training) -> Run:
        """The finished run of this configuration: found, continued, or trained from the start."""
        if (finished := self.find(wanted)) is not None:
            return finished
        source = self.run(wanted.frozen_from).path if wanted.frozen_from else None
        config = self._config(wanted, source)
        out = self._directory(config)
        begun, start = resumable_step(out), time.monotonic()
        try:
            return train(
                config.task.expression,
                out=out,
                resume=True,
                threads=self.threads,
                progress=self.progress,
                **_fields(config),
            )
        finally:
            add_pace(out, begun, time.monotonic() - start)

    def train_together(self, wanted: Sequence[Training], engine: str = "local", workers: int | None = None) -> None:
        """Train those of several runs that are missing side by side, each with one thread, on an engine of sweeps.

        A run that starts from another one waits for it. Raises `BadRequest`, naming them, where some failed.
        """
        every = {repr(each): each for run in wanted for each in run.whole}
        while left := [each for each in every.values() if self.find(each) is None]:
            ready = [each for each in left if each.frozen_from is None or self.find(each.frozen_from) is not None]
            jobs = [self._job(each) for each in ready]
            failed = train_jobs(jobs, self.places[0], engine, workers, self.progress)
            if failed:
                lines = "; ".join(f"{name}: {line}" for name, line in failed.items())
                raise BadRequest(f"{len(failed)} of {len(jobs)} runs failed. {lines}")

    def _job(self, wanted: Training) -> Job:
        origin = self.find(wanted.frozen_from) if wanted.frozen_from else None
        config = self._config(wanted, origin.path if origin else None)
        out = self._directory(config)
        fields = {"expression": config.task.expression, **_fields(config)}
        return Job(str(out), str(log_of(out)), fields, config.schedule.steps, Keep())

    def _directory(self, config: RunConfig) -> Path:
        """Where a run that is not finished lies or will lie."""
        return self._begun(config) or self.places[0] / f"{default_directory(config).name}-{config.fingerprint}"

    def find(self, wanted: Training) -> Run | None:
        """The finished run of this configuration, if there is one. It is told by its configuration, not its name."""
        if not self._has_kin(wanted):
            return None
        source = None
        if wanted.frozen_from is not None:
            origin = self.find(wanted.frozen_from)
            if origin is None:
                return None
            source = origin.path
        config = self._config(wanted, source)
        return next((open_run(path) for path in self._like(config) if is_finished(path)), None)

    def has_begun(self, wanted: Training) -> bool:
        """Whether a run of this configuration lies there unfinished: it is continued. One of another run: unknown."""
        return (
            wanted.frozen_from is None and self._has_kin(wanted) and self._begun(self._config(wanted, None)) is not None
        )

    def _has_kin(self, wanted: Training) -> bool:
        """Whether some run has its task and preset. Its whole configuration takes long: the task's table is built."""
        kin = wanted.expression, wanted.preset
        return any((known.task.expression, known.preset) == kin for _, known in self._known())

    def _config(self, wanted: Training, source: Path | None) -> RunConfig:
        config = wanted.config(source)
        return config if self.alter is None else self.alter(config)

    def _begun(self, config: RunConfig) -> Path | None:
        return next((path for path in self._like(config) if not is_finished(path)), None)

    def _like(self, config: RunConfig) -> Iterator[Path]:
        return (path for path, known in self._known() if _same(known, config))

    def _known(self) -> Iterator[tuple[Path, RunConfig]]:
        """All runs in the places, and their configurations."""
        for place in self.places:
            for path in sorted(place.iterdir()) if place.is_dir() else []:
                if is_run(path) and (known := self._config_of(path)) is not None:
                    yield path, known

    def _config_of(self, path: Path) -> RunConfig | None:
        # Every claim looks through every run: each config is read once, and again when it was written anew.
        written = (path / CONFIG).stat().st_mtime_ns
        if self._read.get(path, (0, None))[0] != written:
            self._read[path] = written, read_header(path).config
        return self._read[path][1]


def _fields(config: RunConfig) -> dict[str, Any]:
    """What a configuration is called with, but for its task's formula."""
    parts = {name: getattr(config, name) for name in ("seed", "split", "model", "optimiser", "schedule")}
    return {"preset": config.preset, **config.task.parameters, **parts}


def _same(known: RunConfig, wanted: RunConfig) -> bool:
    """Whether two configurations are one, their length included, but for where the run lies that they start from."""
    mine, theirs = known.schedule.pretrained, wanted.schedule.pretrained
    if not (mine and theirs):
        return known.fingerprint == wanted.fingerprint
    here, there = Path(mine), Path(theirs)
    if not (is_run(here) and is_run(there)) or read_header(here).config != read_header(there).config:
        return False
    return known.replace(pretrained=theirs).fingerprint == wanted.fingerprint
