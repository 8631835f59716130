"""Listeners: whoever is told of a training as it goes on, functions of the caller's and loggers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from grokinterp.config.validation import check_function
from grokinterp.runs.checkpoint import Checkpoint
from grokinterp.runs.directory import open_run
from grokinterp.runs.run import Run
from grokinterp.training.loggers import Loggers


@dataclass
class Listeners:
    """Those of one training, of the run that is written at `path`."""

    path: Path
    on_metrics: Callable[[int, dict[str, float]], object] | None
    on_checkpoint: Callable[[int, Checkpoint], object] | None
    loggers: Loggers

    def metrics(self, step: int, metrics: dict[str, float]) -> None:
        """Tell of a row of metrics, of the weights after `step` updates."""
        self.loggers.log(step, metrics)
        if self.on_metrics is not None:
            self.on_metrics(step, dict(metrics))

    def checkpoint(self, step: int) -> None:
        """Tell of a checkpoint that is on disk."""
        if self.on_checkpoint is not None:
            self.on_checkpoint(step, self._run[step])

    def close(self) -> None:
        """The training has ended, however it did."""
        self.loggers.close()

    @cached_property
    def _run(self) -> Run:
        return open_run(self.path)


def check_functions(**given: object) -> None:
    """Refuse what cannot be called. Raises `BadRequest`, which names the argument."""
    for name, function in given.items():
        if function is not None:
            check_function(name, function, "lambda step, given: print(step)")
