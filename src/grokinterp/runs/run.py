"""Run: a training run as it is read, wherever its numbers are kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from grokinterp import markup
from grokinterp.config import ModelConfig, RunConfig, TaskConfig
from grokinterp.config.own_module import OwnModuleConfig
from grokinterp.config.presets import PRESETS
from grokinterp.config.validation import has_type, plain, shown
from grokinterp.errors import BadRequest, as_whole, listed
from grokinterp.models.parameters import why_unreadable
from grokinterp.runs.checkpoint import Checkpoint
from grokinterp.runs.provenance import OPTIMISER_UNKNOWN, SEED_UNKNOWN, Assumption, Provenance
from grokinterp.runs.store import Store
from grokinterp.tasks import Task

CURVES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
"""Metrics that every run's table has, NaN where they were not recorded."""

UNKNOWN_TASK = TaskConfig("unknown")
"""What a config says of a task that a third-party file does not tell."""


class RunError(BadRequest):
    """Something asked of a run that it does not have; its one line names the remedy."""


class Run:
    """One training run: a configuration, a task, checkpoints over time and metrics. All is read on demand.

    Attributes:
        name, path: what it is called, and the file or directory it was read from.
        provenance: where it comes from; `source` has it as a dictionary.
        reopen: opens it in another process; None for what only this one has.
        steps: the steps that have a checkpoint; a checkpoint at t holds the weights after t updates.

    `run[5000]` is a `Checkpoint`, `run.final` and `run[-1]` the last, iteration goes through them all.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        config: RunConfig | None = None,
        task: Task | Callable[[], Task] | None = None,
        path: Path | None = None,
        provenance: Provenance | None = None,
        reopen: "Callable[[], Run] | None" = None,
    ):
        self._store = store
        self._config = config
        self._task = task
        self.name = name
        self.path = path
        self.provenance = provenance or Provenance()
        self.reopen = reopen

    @property
    def source(self) -> dict[str, Any]:
        """`provenance` as a dictionary, without what is not known: `format`, `file`, `notes`, ..."""
        return self.provenance.as_dict()

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """What was settled to read the run, how each is known, and the evidence."""
        return self.provenance.assumptions

    @property
    def unexplained(self) -> tuple[Assumption, ...]:
        """What of the reading the weights do not bear out; where there is any, no measure is one of their algorithm."""
        return tuple(each for each in self.assumptions if each.how == "not explained")

    @property
    def config(self) -> RunConfig:
        """The configuration. Raises `RunError` for a file of curves that tells none."""
        if self._config is None:
            raise RunError(f"{self.name} tells no configuration: {self.provenance.file or 'it'} holds loss curves only")
        return self._config

    @property
    def has_config(self) -> bool:
        """Whether the configuration is known."""
        return self._config is not None

    @property
    def is_recipe_known(self) -> bool:
        """Whether the optimiser and the schedule of the configuration are more than what stands there by default."""
        return self.has_config and (not self.provenance.trained_elsewhere or self.config.preset in PRESETS)

    @property
    def is_optimiser_known(self) -> bool:
        """Whether the optimiser of the configuration is that of the training, and not the one of its code's recipe."""
        return self.is_recipe_known and not any(n.startswith(OPTIMISER_UNKNOWN) for n in self.provenance.notes)

    @property
    def is_seed_known(self) -> bool:
        """Whether the seed of the configuration is that of the training, and not the one that stands there by default.

        A file of other code tells its seed by its split: where that is not known, neither is the seed.
        """
        if SEED_UNKNOWN in self.provenance.notes:
            return False
        return not self.provenance.trained_elsewhere or (self.has_task and self.task.is_train is not None)

    @property
    def task(self) -> Task:
        """The task, with its training mask `is_train` where the split is known. Raises `RunError` where it is not."""
        if self._task is None:
            raise RunError(
                f"the task of {self.name} is not known; name it, as in "
                f"gi.load({str(self.path)!r}, task=gi.Task('a + b', p=113))"
            )
        if not isinstance(self._task, Task):
            self._task = self._task()
        return self._task

    @property
    def has_task(self) -> bool:
        """Whether the task is known."""
        return self._task is not None

    def made_by(self, make: Callable[[], Any]) -> "Run":
        """The same run, whose modules `make` makes. Raises `RunError` for a run of one of our models."""
        model = self.config.model
        if not isinstance(model, OwnModuleConfig):
            raise RunError(f"{self.name} is of a {model.kind}, which is built from its configuration; leave module out")
        config = replace(self.config, model=model.made_by(make))
        return Run(self._store, self.name, config, self._task, self.path, self.provenance)

    @property
    def model_config(self) -> ModelConfig:
        """The model's configuration with every size filled in."""
        config = self.config.model
        if None not in [getattr(config, size) for size in config.open_sizes]:
            return config
        task = self.task
        return config.resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])

    @property
    def steps(self) -> list[int]:
        return self._store.steps()

    def digests(self, steps: Sequence[int]) -> dict[int, str]:
        """By step, what tells the content of the checkpoint from any other's: of those steps that have one.

        Raises `RunError` for what are no steps.
        """
        wanted = plain(steps)
        if not isinstance(wanted, list | tuple | range) or not all(has_type(step, int) for step in wanted):
            raise RunError(f"steps={shown(steps)} are none; give a list of them, as in run.digests(run.steps)")
        return self._store.digests(wanted)

    @property
    def metrics(self) -> pd.DataFrame:
        """One row a measured step: `step`, `train_loss`, `test_loss` (nats), `train_accuracy`, `test_accuracy`, ...

        The losses of row t are those of the weights after t updates; NaN where nothing was recorded.
        """
        try:
            return with_all_curves(self._store.metrics())
        except (ValueError, TypeError) as error:
            if isinstance(error, BadRequest):
                raise
            raise RunError(f"{self.name}: its metrics are no numbers by step ({error}); restore them") from None

    def recorded(self, names: Sequence[str]) -> dict[str, Float[np.ndarray, "row"]]:
        """These columns of `metrics`, NaN where nothing was recorded; sooner than the whole table, which has more."""
        if isinstance(names, str) or not all(isinstance(name, str) for name in names):
            raise RunError(f"columns are asked by names, as in run.recorded(['train_loss']), not {shown(names)}")
        columns = self._store.columns(names)
        n = max(map(len, columns.values()), default=0)
        return {name: np.asarray(columns.get(name, np.full(n, np.nan)), dtype=np.float64) for name in names}

    def __getitem__(self, step: Any) -> Checkpoint:
        try:
            step = as_whole(step)
        except TypeError:
            raise RunError(
                f"a checkpoint is found by its step, a whole number, not by {shown(step)}; run.steps lists them"
            ) from None
        if -len(self) <= step < 0:
            step = self.steps[step]
        if step not in self:
            raise RunError(f"{self.name} has no checkpoint at step {step}; {_nearest(self.steps, step)}")
        return Checkpoint(self, step)

    @property
    def final(self) -> Checkpoint:
        """The last checkpoint. Raises `RunError` for a run that has none."""
        steps = self.steps
        if not steps:
            raise RunError(f"{self.name} has no checkpoints, only curves; see run.metrics")
        return Checkpoint(self, steps[-1])

    def __iter__(self) -> Iterator[Checkpoint]:
        return (Checkpoint(self, step) for step in self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __bool__(self) -> bool:
        return True  # a run without checkpoints is still a run

    def __contains__(self, step: object) -> bool:
        return step in self._store

    def summary(self) -> dict[str, str]:
        """What a table of runs says of this one, as text."""
        steps = self.steps
        values = {
            "task": self.config.task.expression if self._config else "unknown",
            "model": self.config.model.kind if self._config else "unknown",
            "checkpoints": f"{len(steps)}, step {steps[0]} to {steps[-1]}" if steps else "none",
        }
        metrics = self.metrics
        for curve in CURVES:
            if (last := last_recorded(metrics, curve)) is not None:
                values[f"final {curve.replace('_', ' ')}"] = f"{last[1]:.4g}"
        return values

    def __repr__(self) -> str:
        unsure = [f"{each.what} {each.how}" for each in self.assumptions if each.how not in ("stated", "from the file")]
        return f"<Run {self.name!r}: {listed([*(f'{k} {v}' for k, v in self.summary().items()), *unsure])}>"

    def _repr_html_(self) -> str:
        return markup.table(f"Run {self.name}", {**self.summary(), **self.source})


def with_all_curves(metrics: pd.DataFrame) -> pd.DataFrame:
    """`step` and the usual curves first, NaN where a table lacks one, then whatever else was recorded."""
    metrics = metrics.reindex(columns=["step", *CURVES, *(c for c in metrics.columns if c not in ("step", *CURVES))])
    return metrics.astype({"step": np.int64, **dict.fromkeys(CURVES, np.float64)})


def last_recorded(metrics: pd.DataFrame, curve: str) -> tuple[int, float] | None:
    """The last step at which a curve was recorded, and its value there; None where it never was."""
    steps, values = metrics["step"].to_numpy(), metrics[curve].to_numpy()
    known = np.flatnonzero(~np.isnan(values))
    return (int(steps[known[-1]]), float(values[known[-1]])) if len(known) else None


def check_fits(task: Task, config: ModelConfig, name: str) -> None:
    """Refuse a task whose tokens, answers or positions the model `name` does not have."""
    if reason := why_unreadable(config, task):
        raise RunError(f"{name}: {reason}")
    width = task.inputs.shape[1]
    wants = {"d_vocab": task.n_vocab, "d_vocab_out": task.n_answers, "n_ctx": width, "d_in": width}
    for size in config.open_sizes:
        has, wanted = getattr(config, size), wants[size]
        if has is not None and (has < wanted or (size == "d_in" and has > wanted)):
            raise RunError(
                f"{name} has {size}={has} and the task {task.expression!r} needs {wanted}; "
                f"give the task it was trained on (its p and its layout)"
            )


def _nearest(steps: list[int], step: int) -> str:
    if not steps:
        return "it has no checkpoints, only curves; see run.metrics"
    nearest = sorted(sorted(steps, key=lambda other: abs(other - step))[:4])
    return f"the nearest are {listed(nearest)} (run.steps lists all {len(steps)})"
