"""Timing: how long a training step of a configuration takes on this machine, by a few of them."""

import statistics
import time

import torch

from grokinterp.config import RunConfig
from grokinterp.evaluation.evaluator import evaluator
from grokinterp.evaluation.losses import objective
from grokinterp.evaluation.processor import processor_settings
from grokinterp.tasks import Task
from grokinterp.training.batches import batches
from grokinterp.training.optimiser import Optimiser
from grokinterp.training.start import initial_parameters

WARM_UP, TIMED = 2, 5


def seconds_per_step(config: RunConfig, task: Task, threads: int = 1) -> float:
    """The median of a few training steps from fresh weights, on the processor. Nothing is written."""
    parameters = {name: value.requires_grad_() for name, value in initial_parameters(config).items()}
    optimiser = Optimiser(config.optimiser, parameters, config.schedule.steps, seed=config.seed)
    drawn = batches(task, config.schedule.batch_size, config.seed, torch.device("cpu"))
    evaluate = evaluator(config.model, task)
    lowered = objective(config.schedule)
    seconds = []
    with processor_settings(threads), torch.enable_grad():
        for step in range(WARM_UP + TIMED):
            start = time.perf_counter()
            rows, labels = drawn.draw(step)
            lowered(evaluate(optimiser.noisy(parameters), rows), labels).backward()
            optimiser.step(step)
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[WARM_UP:])
