"""Timing: how long a training step of a configuration takes on this machine, alone and in an ensemble."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from grokinterp.config import RunConfig
from grokinterp.evaluation.processor import processor_settings
from grokinterp.runs.writer import RunWriter
from grokinterp.tasks import Task
from grokinterp.training.ensemble import Ensemble
from grokinterp.training.loop import Trainer
from grokinterp.training.start import initial_parameters

WARM_UP, TIMED = 2, 5
OWN_TIME = time.thread_time if time.get_clock_info("thread_time").resolution < 1e-5 else time.perf_counter
"""What a step takes of the processor, whoever else is at work there, where that is known finely enough."""


@dataclass(frozen=True)
class Comparison:
    """What a step takes for each run, in seconds: in an ensemble of so many `members`, and alone."""

    members: int
    together: float
    alone: float

    @property
    def is_faster(self) -> bool:
        """Whether the ensemble is."""
        return self.together < self.alone

    def text(self) -> str:
        """One line: both times, and what follows from them."""
        return (
            f"a step takes {1e3 * self.together:.3g} ms for each run in an ensemble of {self.members}, and "
            f"{1e3 * self.alone:.3g} ms alone; {'the ensemble is' if self.is_faster else 'no ensemble is'} used"
        )


def compare(config: RunConfig, task: Task, members: int) -> Comparison:
    """Time a few steps alone and in an ensemble by turns, the fastest of each, with one thread. Nothing is written."""
    together, alone = Ensemble([fresh_trainer(config, task) for _ in range(members)]), fresh_trainer(config, task)
    with processor_settings(1), torch.enable_grad():
        pairs = [(_seconds(together.step, OWN_TIME), _seconds(alone.update, OWN_TIME)) for _ in range(WARM_UP + TIMED)]
    several, one = (min(each[WARM_UP:]) for each in zip(*pairs, strict=True))
    return Comparison(members, several / members, one)


def seconds_per_step(config: RunConfig, task: Task) -> float:
    """The median of a few training steps from fresh weights, on one core. Nothing is written."""
    trainer = fresh_trainer(config, task)
    with processor_settings(1), torch.enable_grad():
        seconds = [_seconds(trainer.update) for _ in range(WARM_UP + TIMED)]
    return statistics.median(seconds[WARM_UP:])


def shape_of(config: RunConfig) -> str:
    """What the time of a step depends on: configurations of one shape need be timed once."""
    return repr((config.task, config.model, config.split.frac, config.schedule.batch_size))


def fresh_trainer(config: RunConfig, task: Task, device: str = "cpu") -> Trainer:
    """A training before its first step, of which nothing is written unless `record` is called."""
    return Trainer(config, task, initial_parameters(config), torch.device(device), RunWriter(Path(), config), None)


def _seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    work()
    return clock() - start
