"""Loop: one training under way, step after step, and what it writes on the way."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from grokinterp.config import RunConfig
from grokinterp.errors import BadRequest
from grokinterp.evaluation.evaluator import Evaluator, evaluator
from grokinterp.evaluation.losses import objective
from grokinterp.runs.writer import RunWriter
from grokinterp.tasks import Task
from grokinterp.training.batches import batches
from grokinterp.training.listeners import Listeners
from grokinterp.training.optimiser import Optimiser
from grokinterp.training.scores import Scores
from grokinterp.training.start import State, part_of

SECONDS_BETWEEN_STATES = 30
"""How much work a kill can cost: the state to resume from is written at least this often."""


@contextlib.contextmanager
def stop_requested() -> Iterator[threading.Event]:
    """An event that Ctrl-C (or a scheduler's SIGTERM) sets, so that training ends between two steps, never within."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals reach the main thread only
        return

    def request(signum: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Trainer:
    """One training under way: its weights, its optimiser and data, and the run that it writes."""

    def __init__(
        self,
        config: RunConfig,
        task: Task,
        parameters: dict[str, Tensor],
        device: torch.device,
        writer: RunWriter,
        state: State | None,
    ):
        self.config, self.task, self.device, self.writer = config, task, device, writer
        tensors, counts = state or ({}, {})
        parameters = {name: tensors.get(f"parameter.{name}", tensor) for name, tensor in parameters.items()}
        self.parameters = {
            name: tensor.to(device, copy=True).requires_grad_(part_of(name) not in config.schedule.frozen_parts)
            for name, tensor in parameters.items()
        }
        trained = {name: tensor for name, tensor in self.parameters.items() if tensor.requires_grad}
        self.optimiser = Optimiser(config.optimiser, trained, config.schedule.steps, seed=config.seed)
        self.batches = batches(task, config.schedule.batch_size, config.seed, device)
        self.scores = Scores(task, device, self.batches, config.schedule)
        self.step: int = counts.get("step", 0)
        self.grokked_step: int | None = counts.get("grokked_step")
        self.objective = objective(config.schedule)
        self.checkpointed = frozenset(config.schedule.checkpointed_steps())
        self.optimiser_state = self.optimiser.state
        self.saved = -math.inf  # so that a run can be resumed from its first step on
        if tensors:
            self.optimiser.load_state(_under("optimiser.", tensors))
            self.batches.load_state(_under("batches.", tensors))

    def run(self, progress: bool, listeners: Listeners) -> None:
        """Train to the last step, or until told to stop. Nothing in the loop waits for the device but records do."""
        steps = self.config.schedule.steps
        bar = tqdm(total=steps, initial=self.step, unit="step", disable=not progress, mininterval=0.5)
        with bar, stop_requested() as stop:
            while not (done := self.record(listeners, bar)) and not stop.is_set():
                self.update()
        self.save_state()
        if not done:
            raise KeyboardInterrupt(f"stopped at step {self.step}; resume=True (--resume) continues {self.writer.path}")
        self.writer.finish()

    def update(self) -> None:
        """Take one step: draw rows, evaluate them, and move the weights down the gradient of the objective."""
        rows, labels = self.batches.draw(self.step)
        logits = self.evaluate(self.optimiser.noisy(self.parameters), rows)
        self.objective(logits, labels).backward()
        self.optimiser.step(self.step)
        self.step += 1

    @cached_property
    def evaluate(self) -> Evaluator:
        """What gives its logits, made when it is first needed: an ensemble makes its steps without."""
        return evaluator(self.config.model, self.task, self.device)

    def record(self, listeners: Listeners, bar: Any) -> bool:
        """Write what is due at this step: metrics, the state to resume from, a checkpoint. Whether it is the last."""
        schedule = self.config.schedule
        if self.step % schedule.metrics_every == 0 or self.step == schedule.steps:
            if self.step not in self.writer.measured:
                listeners.metrics(self.step, self._log(bar))
            if time.monotonic() - self.saved > SECONDS_BETWEEN_STATES:
                self.save_state()
                self.saved = time.monotonic()
        done = self.step == schedule.steps or self._grokked_long_enough()
        if self.step in self.checkpointed or done:
            self.writer.write_checkpoint(self.step, self.parameters)
            listeners.checkpoint(self.step)
        return done

    def _log(self, bar: Any) -> dict[str, float]:
        metrics = self.scores(self.evaluate, self.parameters, self.step)
        if not math.isfinite(metrics["train_loss"]):
            # Else the run would look like one that was interrupted.
            self.writer.append_metrics({"step": self.step, "diverged": 1})
            raise BadRequest(
                f"the training loss became {metrics['train_loss']} at step {self.step}; lower lr (now "
                f"{self.config.optimiser.lr:g}) or init_scale"
            )
        if self.grokked_step is None and metrics["test_accuracy"] >= self.config.schedule.grokked_accuracy:
            self.grokked_step = self.step
        self.writer.append_metrics({"step": self.step, **metrics})
        bar.update(self.step - bar.n)
        bar.set_postfix_str(
            f"train {metrics['train_loss']:.2e} {metrics['train_accuracy']:.1%}, "
            f"test {metrics['test_loss']:.2e} {metrics['test_accuracy']:.1%}"
        )
        return metrics

    def _grokked_long_enough(self) -> bool:
        patience = self.config.schedule.stop_after_grokking
        return patience is not None and self.grokked_step is not None and self.step >= self.grokked_step + patience

    def save_state(self) -> None:
        """Write what the run goes on from."""
        tensors = {f"parameter.{name}": tensor.detach().cpu() for name, tensor in self.parameters.items()}
        tensors |= {f"optimiser.{name}": tensor for name, tensor in self.optimiser_state().items()}
        tensors |= {f"batches.{name}": tensor for name, tensor in self.batches.state().items()}
        self.writer.write_optimiser_state(tensors, {"step": self.step, "grokked_step": self.grokked_step})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
