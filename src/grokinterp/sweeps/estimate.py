"""Estimate: the runs of a sweep, and about how long and how large they will be, before any is trained."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokinterp.config.validation import check_workers
from grokinterp.errors import counted, duration, first_lines
from grokinterp.runs.directory import is_run
from grokinterp.runs.writer import resumable_step
from grokinterp.sweeps.directory import SweepDirectory
from grokinterp.sweeps.engines._base import Options, engine_named
from grokinterp.sweeps.points import Point, describe, points_of
from grokinterp.sweeps.spec import Spec, plan_arguments
from grokinterp.training.planning import plan
from grokinterp.training.timing import seconds_per_step, shape_of

BYTES_OF_A_WEIGHT, BYTES_OF_A_ROW = 4, 60
WEIGHTS_OF_A_STATE = 3
"""What a run goes on from: its weights, and Adam's two moments of them."""


@dataclass(frozen=True)
class Estimate:
    """What a sweep would do: its directory and points, and of the runs not trained yet the seconds and bytes.

    `begun` of the missing are there and go on. `seconds` are of the steps alone, all workers busy and none slowed by
    another; a run that stops early takes less. `script` is what sbatch would be given.
    """

    directory: Path
    points: tuple[Point, ...]
    missing: tuple[Point, ...]
    seconds: float
    size: int
    workers: int
    begun: int = 0
    script: str = ""

    def text(self) -> str:
        """A few lines for the command line."""
        trained = len(self.points) - len(self.missing)
        goes = "goes" if self.begun == 1 else "go"
        begun = f", {self.begun:,} {goes} on" if self.begun else ""
        lines = [f"{counted(len(self.points), 'run')} in {self.directory}, {trained:,} of them trained{begun}"]
        lines += first_lines([f"{point.name}: {describe(point.varied)}" for point in self.missing])
        if self.missing:
            workers = counted(self.workers, "worker")
            lines.append(f"about {duration(self.seconds)} with {workers}, {max(1, self.size / 1e6):,.0f} MB on disk")
        return "\n".join([*lines, *([f"\n{self.script}"] if self.script else [])])


def estimate(
    spec: Spec | str | Path | Mapping[str, Any],
    out: str | Path | None,
    workers: int | None,
    engine: str = "local",
    options: Options = (),
) -> Estimate:
    """Time a few steps of every shape of model and table, and count the checkpoints. Nothing is written."""
    read, workers = Spec.read(spec), check_workers(workers)
    points = points_of(read)
    directory = SweepDirectory.of(read, out)
    directory.check(read, points)
    missing = [point for point in points if not directory.job(point, read).is_done]
    module = engine_named(engine)
    text = module.script(directory.path, workers, len(missing), options) if missing else ""
    used = max(1, module.at_once(workers, len(missing), options))
    pace: dict[str, float] = {}
    seconds, size, begun = 0.0, 0, 0
    for point in missing:
        config = point.config
        shape = shape_of(config)
        if shape not in pace:
            pace[shape] = seconds_per_step(*plan(**plan_arguments(point.fields)))
        seconds += pace[shape] * (config.schedule.steps - resumable_step(directory.path_of(point))) / used
        if is_run(directory.path_of(point)):
            begun += 1
        else:
            kept = 1 if read.keep.checkpoints == "final" else len(config.schedule.checkpointed_steps())
            size += (kept + WEIGHTS_OF_A_STATE) * weights_of(config.model) * BYTES_OF_A_WEIGHT
            size += config.schedule.steps // config.schedule.metrics_every * BYTES_OF_A_ROW
    return Estimate(directory.path, tuple(points), tuple(missing), seconds, size, used, begun, text)


def weights_of(model: Any) -> int:
    """How many numbers the parameters of a model with all sizes filled in are."""
    return sum(math.prod(shape) for shape in model.parameter_shapes().values())
