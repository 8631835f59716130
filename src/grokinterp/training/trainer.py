"""Training: what takes a task and a recipe to a run on disk."""

import contextlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from grokinterp.config import RunConfig
from grokinterp.config.presets import DEFAULT
from grokinterp.config.validation import check_path, check_threads, checks_switches
from grokinterp.errors import BadRequest
from grokinterp.evaluation.processor import processor_settings
from grokinterp.runs.checkpoint import Checkpoint
from grokinterp.runs.directory import open_run
from grokinterp.runs.lock import held
from grokinterp.runs.run import Run
from grokinterp.tasks import Task
from grokinterp.training.fields import documented
from grokinterp.training.listeners import Listeners, check_functions
from grokinterp.training.loggers import Loggers, logger_names
from grokinterp.training.loop import Trainer
from grokinterp.training.planning import default_directory, plan
from grokinterp.training.start import find_device, initial_parameters, open_directory


@checks_switches
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
    parameters = initial_parameters(config)
    for remark in _remarks(config, preset):
        print(remark, file=sys.stderr)
    directory = Path(out) if out else default_directory(config)
    # A notebook that only looks may have switched gradients off.
    with processor_settings(threads), torch.enable_grad(), held(directory, "train"):
        writer, state = open_directory(directory, config, task, resume, overwrite)
        if resume and state is None and progress:
            print(f"{directory} holds no run to go on with; training begins at step 0", file=sys.stderr)
        trainer = Trainer(config, task, parameters, place, writer, state)
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
