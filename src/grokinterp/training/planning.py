"""Plan: the complete configuration of a run and its split task, from a preset and what the caller changed."""

import re
from pathlib import Path
from typing import Any

from grokinterp.config import RunConfig, TaskConfig
from grokinterp.config.presets import DEFAULT, PRESETS, recipe
from grokinterp.config.presets import preset as preset_config
from grokinterp.errors import ConfigError, did_you_mean, listed
from grokinterp.models.parameters import why_unreadable
from grokinterp.tasks import Task, build, parameter_names, spelled


def plan(
    task: Task | str | None = None, *, preset: str | None = None, train_indices: Any = None, **fields: Any
) -> tuple[RunConfig, Task]:
    """The complete configuration and the split task of a run, without training it.

    Without a preset it is the task's own (`config.presets.recipe`).

    Raises `BadRequest` for an unknown preset or field, or a combination that does not fit together.
    """
    config, built = configure(task, preset=preset, train_indices=train_indices, **fields)
    return config, split_for(config, built, train_indices)


def configure(
    task: Task | str | None = None, *, preset: str | None = None, train_indices: Any = None, **fields: Any
) -> tuple[RunConfig, Task]:
    """The complete configuration of a run, and its task before the split, which takes longest to draw."""
    if preset is None:
        preset = DEFAULT if task is None else recipe(task.expression if isinstance(task, Task) else spelled(task))
    base = preset_config(preset)
    task = base.task.expression if task is None else task
    expression, given = (task.expression, dict(task.given)) if isinstance(task, Task) else (spelled(task), {})
    of_the_task = parameter_names(expression)
    for name in fields:
        if name not in of_the_task and not base.has_field(name):
            known = [*of_the_task, *base.field_names()]
            raise ConfigError(
                f"{name!r} is no parameter of {expression!r} and no field of a {base.model.kind} run."
                f"{did_you_mean(name, known)} `help(gi.train)` and `grokinterp train --help` list all"
            )
    task_fields = {name: fields.pop(name) for name in of_the_task if name in fields}
    built = build(TaskConfig(expression, {**given, **task_fields}), defaults=base.task.parameters)
    config = base.replace(task=built.config(), **fields)
    if train_indices is not None:
        config = config.replace(split="indices")
    elif isinstance(task, Task) and task.is_train is not None and not task.is_endless:
        raise ConfigError("train() splits the task itself: give frac and seed, or train_indices, not a split task")
    if reason := why_unreadable(config.model, built):
        presets = [name for name, other in PRESETS.items() if why_unreadable(other.model, built) is None]
        raise ConfigError(f"{reason}; use a preset whose model reads it (--preset): {listed(presets)}")
    model = config.model.resolved(built.n_vocab, built.n_answers, built.inputs.shape[1])
    if model.d_vocab_out is not None and model.d_vocab_out < built.n_answers:
        raise ConfigError(
            f"the model has d_vocab_out={model.d_vocab_out} columns for {built.n_answers} answers; "
            f"give output='answers' (--output answers)"
        )
    if model.row_width is not None and model.row_width < built.inputs.shape[1]:
        raise ConfigError(
            f"the model reads {model.row_width} tokens and rows of {built.expression!r} have {built.inputs.shape[1]}; "
            f"leave n_ctx out (--n-ctx)"
        )
    if not (built.has_classes or config.schedule.lowers_train_loss):
        raise ConfigError(
            f"the answers of {built.expression!r} are numbers, whose loss is the squared error: leave loss and "
            f"temperature out"
        )
    if built.is_endless:
        _check_endless(config, base)
    return config.replace(model=model), built


def split_for(config: RunConfig, built: Task, train_indices: Any = None) -> Task:
    """The task split as its configuration says. Raises `BadRequest` where that leaves too little to train on."""
    split = config.split
    seed = config.seed if split.split_seed is None else split.split_seed
    task = built.split(split.frac, seed, split.split, split.mislabelled, train_indices, split.corrupt)
    n_train = int(task.is_train.sum()) if task.is_train is not None else 0
    batch = config.schedule.batch_size
    if not task.is_endless and batch is not None and batch > n_train:
        raise ConfigError(
            f"batch_size={batch} exceeds the {n_train} training rows; leave it out to train on all of them at once"
        )
    return task


def _check_endless(config: RunConfig, base: RunConfig) -> None:
    """Refuse what has no meaning where every batch is drawn anew."""
    name = config.task.expression
    if config.schedule.batch_size is None:
        raise ConfigError(
            f"{name!r} has endless data, of which no step takes all; give batch_size, as in batch_size=64"
        )
    if config.split != base.split:
        raise ConfigError(f"{name!r} has endless data, which is not split; give data='finite' (--set data=finite)")


def default_directory(config: RunConfig) -> Path:
    """`runs/<name>`, the name telling task, p, preset and seed: `runs/a-plus-b-p113-nanda-seed0`."""
    called = config.task.parameters.get("name", config.task.expression)  # a table of one's own has one
    name = "-".join(re.findall(r"[A-Za-z0-9_]+", signs_as_words(str(called).replace(";", " and "))))
    p = config.task.parameters.get("p")
    return Path("runs") / "-".join([name, *([f"p{p}"] if p else []), config.preset, f"seed{config.seed}"])


def signs_as_words(expression: str) -> str:
    """`a + b` with `plus` for its sign, since the name of a file had better hold none."""
    words = {"+": "plus", "-": "minus", "*": "times", "/": "over", "^": "pow", "%": "mod"}
    return "".join(f" {words[c]} " if c in words else c for c in expression)
