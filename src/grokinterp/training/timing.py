"""Timing: how long a training step of a configuration takes on this machine, alone and in an ensemble."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from grokinterp.config import RunConfig
from grokinterp.evaluation.evaluator import evaluator
from grokinterp.evaluation.losses import objective
from grokinterp.evaluation.processor import processor_settings
from grokinterp.runs.writer import RunWriter
from grokinterp.tasks import Task
from grokinterp.training.batches import batches
from grokinterp.training.ensemble import Ensemble
from grokinterp.training.loop import Trainer
from grokinterp.training.optimiser import Optimiser
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
    trainers = [
        Trainer(config, task, initial_parameters(config), torch.device("cpu"), RunWriter(Path(), config), None)
        for _ in range(members)
    ]
    together, update = Ensemble(trainers), _update(config, task)
    with processor_settings(1), torch.enable_grad():
        pairs = [
            (_seconds(together.step, OWN_TIME), _seconds(lambda step=step: update(step), OWN_TIME))
            for step in range(WARM_UP + TIMED)
        ]
    several, one = (min(each[WARM_UP:]) for each in zip(*pairs, strict=True))
    return Comparison(members, several / members, one)


def seconds_per_step(config: RunConfig, task: Task, threads: int = 1) -> float:
    """The median of a few training steps from fresh weights, on the processor. Nothing is written."""
    update = _update(config, task)
    with processor_settings(threads), torch.enable_grad():
        seconds = [_seconds(lambda step=step: update(step)) for step in range(WARM_UP + TIMED)]
    return statistics.median(seconds[WARM_UP:])


def _update(config: RunConfig, task: Task) -> Callable[[int], None]:
    """What makes one step of a training alone."""
    parameters = {name: value.requires_grad_() for name, value in initial_parameters(config).items()}
    optimiser = Optimiser(config.optimiser, parameters, config.schedule.steps, seed=config.seed)
    drawn = batches(task, config.schedule.batch_size, config.seed, torch.device("cpu"))
    evaluate = evaluator(config.model, task)
    lowered = objective(config.schedule)

    def update(step: int) -> None:
        rows, labels = drawn.draw(step)
        lowered(evaluate(optimiser.noisy(parameters), rows), labels).backward()
        optimiser.step(step)

    return update


def _seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    work()
    return clock() - start
