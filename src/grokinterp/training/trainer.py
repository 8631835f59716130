"""Training: the loop that takes a task and a recipe to a run on disk."""

import contextlib
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from grokinterp.config import RunConfig
from grokinterp.config.presets import DEFAULT
from grokinterp.config.validation import check_path, check_threads
from grokinterp.errors import BadRequest
from grokinterp.evaluation.evaluator import Evaluator, evaluator
from grokinterp.evaluation.losses import objective
from grokinterp.evaluation.processor import processor_settings
from grokinterp.runs.checkpoint import Checkpoint
from grokinterp.runs.directory import open_run
from grokinterp.runs.lock import held
from grokinterp.runs.run import Run
from grokinterp.runs.writer import RunWriter
from grokinterp.tasks import Task
from grokinterp.training.batches import batches
from grokinterp.training.fields import documented
from grokinterp.training.listeners import Listeners, check_functions
from grokinterp.training.loggers import Loggers, logger_names
from grokinterp.training.optimiser import Optimiser
from grokinterp.training.planning import default_directory, plan
from grokinterp.training.scores import Scores
from grokinterp.training.start import State, find_device, initial_parameters, open_directory, part_of

SECONDS_BETWEEN_STATES = 30
"""How much work a kill can cost: the state to resume from is written at least this often."""


def train(
    task: Task | str | None = None,
    *,
    preset: str | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    train_indices: Any = None,
    device: str = "auto",
    threads: int | None = None,
    progress: bool = True,
    on_metrics: Callable[[int, dict[str, float]], object] | None = None,
    on_checkpoint: Callable[[int, Checkpoint], object] | None = None,
    loggers: str | Iterable[str] = (),
    **fields: Any,
) -> Run:
    """Train a model on a task (the preset's where left out) and keep checkpoints of it in a directory.

    `train("a + b")` follows Nanda et al. 2023; a task with a recipe of its own (`digits`, `slope`, ...) follows that,
    which is said in one line. `preset` names another paper's recipe, and every field of the configuration (`frac`,
    `seed`, `steps`, `lr`, `n_layers`, ... see `grokinterp.config`) can be given by keyword, as can the task's
    parameters (`p`, `layout`). `out` is the run's directory, `runs/<name>` by default.
    `resume` continues an interrupted run, to the same weights bit for bit on the same machine; a larger `steps`
    prolongs a finished one. `device` is `auto`, `cpu` or `cuda`; `threads` bounds the processor cores used.
    `on_metrics(step, metrics)` is called with each row of metrics, `on_checkpoint(step, checkpoint)` once a checkpoint
    is on disk; what they raise ends the training, which `resume` continues. `loggers` are told each row by name:
    `tensorboard`, `wandb`, `trackio`, as far as they are installed; one that fails is left out with a warning.

    Ctrl-C leaves a run that `resume` continues. Raises `BadRequest` (a `ValueError`) for anything that cannot be
    trained, and where another process writes into the same directory, before anything is written.
    """
    if resume and overwrite:
        raise BadRequest("resume continues a run and overwrite begins anew; give one of them (--resume or --overwrite)")
    config, task = plan(task, preset=preset, train_indices=train_indices, **fields)
    threads = check_threads(threads)
    check_path("out", out)
    logged = logger_names(loggers)
    check_functions(on_metrics=on_metrics, on_checkpoint=on_checkpoint)
    place = find_device(device)
    for remark in _remarks(config, preset):
        print(remark, file=sys.stderr)
    parameters = initial_parameters(config)
    directory = Path(out) if out else default_directory(config)
    # A notebook that only looks may have switched gradients off.
    with processor_settings(threads), torch.enable_grad(), held(directory, "train"):
        writer, state = open_directory(directory, config, task, resume, overwrite)
        trainer = _Trainer(config, task, parameters, place, writer, state)
        listeners = Listeners(
            writer.path, on_metrics, on_checkpoint, Loggers(logged, writer.path, config, trainer.step)
        )
        with contextlib.closing(listeners):
            trainer.run(progress, listeners)
    return open_run(writer.path)


train.__doc__ = documented(train.__doc__)


def _remarks(config: RunConfig, preset: str | None) -> list[str]:
    """What was settled without having been asked for, a line each."""
    own = f"{config.task.expression} is trained with its own recipe, preset={config.preset!r}; give preset= for another"
    remarks = [own if preset is None and config.preset != DEFAULT else None, config.model.remark()]
    return [remark for remark in remarks if remark]


@contextlib.contextmanager
def _stop_requested() -> Iterator[threading.Event]:
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


class _Trainer:
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
        if tensors:
            self.optimiser.load_state(_under("optimiser.", tensors))
            self.batches.load_state(_under("batches.", tensors))

    def run(self, progress: bool, listeners: Listeners) -> None:
        """Train to the last step, or until told to stop. Nothing in the loop waits for the device but records do."""
        schedule = self.config.schedule
        checkpointed = set(schedule.checkpointed_steps())
        evaluate = evaluator(self.config.model, self.task, self.device)
        bar = tqdm(total=schedule.steps, initial=self.step, unit="step", disable=not progress, mininterval=0.5)
        with bar, _stop_requested() as stop:
            saved = -math.inf  # so that a run can be resumed from its first step on
            while True:
                if self.step % schedule.metrics_every == 0 or self.step == schedule.steps:
                    if self.step not in self.writer.measured:
                        listeners.metrics(self.step, self._log(evaluate, bar))
                    if time.monotonic() - saved > SECONDS_BETWEEN_STATES:
                        self._save_state()
                        saved = time.monotonic()
                done = self.step == schedule.steps or self._grokked_long_enough()
                if self.step in checkpointed or done:
                    self.writer.write_checkpoint(self.step, self.parameters)
                    listeners.checkpoint(self.step)
                if done or stop.is_set():
                    break
                rows, labels = self.batches.draw(self.step)
                logits = evaluate(self.optimiser.noisy(self.parameters), rows)
                self.objective(logits, labels).backward()
                self.optimiser.step(self.step)
                self.step += 1
        self._save_state()
        if not done:
            raise KeyboardInterrupt(f"stopped at step {self.step}; resume=True (--resume) continues {self.writer.path}")
        self.writer.finish()

    def _log(self, evaluate: Evaluator, bar: Any) -> dict[str, float]:
        metrics = self.scores(evaluate, self.parameters, self.step)
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

    def _save_state(self) -> None:
        tensors = {f"parameter.{name}": tensor.detach().cpu() for name, tensor in self.parameters.items()}
        tensors |= {f"optimiser.{name}": tensor for name, tensor in self.optimiser.state().items()}
        tensors |= {f"batches.{name}": tensor for name, tensor in self.batches.state().items()}
        self.writer.write_optimiser_state(tensors, {"step": self.step, "grokked_step": self.grokked_step})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
