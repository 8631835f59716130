"""Training: from a task and a recipe to a run on disk."""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor
from tqdm.auto import tqdm

from grokinterp.config import RunConfig
from grokinterp.errors import BadRequest, ConfigError
from grokinterp.evaluation.evaluator import Evaluator, accuracy, evaluator, loss
from grokinterp.evaluation.processor import processor_settings
from grokinterp.models.initialisation import initialise
from grokinterp.runs.directory import is_run, open_run
from grokinterp.runs.run import Run
from grokinterp.runs.writer import RunWriter
from grokinterp.tasks import Task
from grokinterp.training.batches import Batches, batches
from grokinterp.training.optimiser import Optimiser
from grokinterp.training.planning import default_directory, plan

State: TypeAlias = tuple[dict[str, Tensor], dict[str, Any]]

SECONDS_BETWEEN_STATES = 30
"""How much work a kill can cost: the state to resume from is written at least this often."""


def train(
    task: Task | str | None = None,
    *,
    preset: str = "nanda",
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    train_indices: Any = None,
    device: str = "auto",
    threads: int | None = None,
    progress: bool = True,
    **fields: Any,
) -> Run:
    """Train a model on a task (the preset's where left out) and keep checkpoints of it in a directory.

    `train("a + b")` follows Nanda et al. 2023; `preset` names another paper's recipe, and every field of the
    configuration (`frac`, `seed`, `steps`, `lr`, `n_layers`, ... see `grokinterp.config`) can be given by keyword,
    as can the task's parameters (`p`, `layout`). `out` is the run's directory, `runs/<name>` by default.
    `resume` continues an interrupted run, to the same weights bit for bit on the same machine; a larger `steps`
    prolongs a finished one. `device` is `auto`, `cpu` or `cuda`; `threads` bounds the processor cores used.

    Ctrl-C leaves a run that `resume` continues. Raises `BadRequest` (a `ValueError`) for anything that cannot be
    trained, before anything is written.
    """
    config, task = plan(task, preset=preset, train_indices=train_indices, **fields)
    chosen = _device(device)
    parameters = _initial_parameters(config)
    writer, state = _open(Path(out) if out else default_directory(config), config, task, resume, overwrite)
    # A notebook that only looks may have switched gradients off.
    with processor_settings(threads), torch.enable_grad():
        _Trainer(config, task, parameters, chosen, writer, state).run(progress)
    return open_run(writer.path)


def _device(name: str) -> torch.device:
    if name not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device={name!r} is unknown; choose one of auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device='cuda': torch sees no GPU here; use device='cpu', or install a CUDA build of torch")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _initial_parameters(config: RunConfig) -> dict[str, Tensor]:
    parameters = initialise(config.model, config.seed)
    schedule = config.schedule
    if schedule.pretrained:
        from grokinterp.importers import load

        source = load(schedule.pretrained)
        if not isinstance(source, Run):
            raise ConfigError(f"pretrained={schedule.pretrained!r} is a directory of runs; name one of them")
        loaded = source.final.parameters
        for name in [name for name in parameters if part_of(name) in schedule.pretrained_parts]:
            if name not in loaded or loaded[name].shape != parameters[name].shape:
                found = tuple(loaded[name].shape) if name in loaded else "missing"
                raise ConfigError(
                    f"{name} is {found} in {schedule.pretrained!r} and {tuple(parameters[name].shape)} here; "
                    f"train it with the same p, layout and sizes"
                )
            parameters[name] = loaded[name].clone()
    if all(part_of(name) in schedule.frozen_parts for name in parameters):
        raise ConfigError("frozen_parts names every part of the model; leave at least one to train")
    return parameters


def part_of(parameter: str) -> str:
    """`embed`, `unembed` or `transformer`: the part of the model that a parameter belongs to (Furuta et al. 2024)."""
    root = parameter.split(".")[0]
    return "embed" if root in ("embed", "embed_b", "pos_embed") else "unembed" if root == "unembed" else "transformer"


def _open(path: Path, config: RunConfig, task: Task, resume: bool, overwrite: bool) -> tuple[RunWriter, State | None]:
    if not (resume and is_run(path)):
        return RunWriter.create(path, config, task, overwrite=overwrite), None
    stored = open_run(path).config
    if stored != config and config.optimiser.lr_schedule != "constant":
        raise ConfigError("a cosine schedule depends on the number of steps: resume with the options of the start")
    writer = RunWriter.reopen(path, config)
    return writer, writer.read_optimiser_state()


@contextmanager
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
        self.scores = _Scores(task, device, self.batches)
        self.step: int = counts.get("step", 0)
        self.grokked_step: int | None = counts.get("grokked_step")
        self.loss_dtype = torch.float64 if config.schedule.loss_dtype == "float64" else torch.float32
        if tensors:
            self.optimiser.load_state(_under("optimiser.", tensors))
            self.batches.load_state(_under("batches.", tensors))

    def run(self, progress: bool) -> None:
        """The training loop. Nothing in it waits for the device but metrics and checkpoints."""
        schedule = self.config.schedule
        checkpointed = set(schedule.checkpointed_steps())
        evaluate = evaluator(self.config.model, self.task, self.device)
        bar = tqdm(total=schedule.steps, initial=self.step, unit="step", disable=not progress, mininterval=0.5)
        with bar, _stop_requested() as stop:
            resumed_at = self.step or None  # its metrics were written before the interruption
            saved = -math.inf  # so that a run can be resumed from its first step on
            while True:
                if self.step % schedule.metrics_every == 0 or self.step == schedule.steps:
                    if self.step != resumed_at:
                        self._log(evaluate, bar)
                    if time.monotonic() - saved > SECONDS_BETWEEN_STATES:
                        self._save_state()
                        saved = time.monotonic()
                done = self.step == schedule.steps or self._grokked_long_enough()
                if self.step in checkpointed or done:
                    self.writer.write_checkpoint(self.step, self.parameters)
                if done or stop.is_set():
                    break
                parameters = self.optimiser.noisy(self.parameters)
                logits, labels = self.batches.evaluated(evaluate, parameters, self.step)
                loss(logits, labels, self.loss_dtype).backward()
                self.optimiser.step(self.step)
                self.step += 1
        self._save_state()
        if not done:
            raise KeyboardInterrupt(f"stopped at step {self.step}; resume=True (--resume) continues {self.writer.path}")
        self.writer.finish()

    def _log(self, evaluate: Evaluator, bar: Any) -> None:
        metrics = self.scores(evaluate, self.parameters, self.step)
        if not math.isfinite(metrics["train_loss"]):
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


class _Scores:
    """Loss and accuracy over the answers, on the rows trained on and on the others.

    Of an endless task, train loss and accuracy are those of the fresh batch of the step.
    """

    TOKENS_AT_ONCE = 49_152

    def __init__(self, task: Task, device: torch.device, batches: Batches):
        assert task.is_train is not None
        self.batches = batches if task.is_endless else None
        self.rows_at_once = max(1, self.TOKENS_AT_ONCE // task.inputs.shape[1])
        self.n_answers = task.n_answers
        self.labels, self.train_labels = task.labels.to(device), task.train_labels.to(device)
        self.train, self.test = task.is_train.to(device), ~task.is_train.to(device)
        self.groups = {"test_accuracy": self.test}
        if task.is_commutative:
            self.groups["test_accuracy_unswapped"] = task.is_unswapped_test.to(device)
        if len(task.operations) > 1:
            for i, operation in enumerate(task.operations):
                self.groups[f"test_accuracy[{operation}]"] = self.test & (task.operation == i).to(device)

    @torch.no_grad()
    def __call__(self, evaluate: Evaluator, parameters: dict[str, Tensor], step: int) -> dict[str, float]:
        rows = torch.arange(len(self.labels), device=self.labels.device)
        parts = [evaluate(parameters, part)[..., : self.n_answers] for part in rows.split(self.rows_at_once)]
        logits = torch.cat(parts)
        trained, train_labels = logits[self.train], self.train_labels[self.train]
        if self.batches is not None:
            trained, train_labels = self.batches.evaluated(evaluate, parameters, step)
            trained = trained[..., : self.n_answers]
        values = {
            "train_loss": loss(trained, train_labels),
            "test_loss": loss(logits[self.test], self.labels[self.test]),
            "train_accuracy": accuracy(trained, train_labels),
            **{name: accuracy(logits[group], self.labels[group]) for name, group in self.groups.items()},
            "weight_norm_squared": sum(p.detach().double().pow(2).sum() for p in parameters.values()),
        }
        # One transfer for all of them.
        return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True))  # type: ignore[arg-type]
