"""Recording: anybody's training loop writes a run, which survives whatever ends the loop."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, SupportsIndex

import torch
from torch import Tensor, nn

from grokinterp.config.validation import check_path, checks_switches, plain, shown
from grokinterp.errors import BadRequest
from grokinterp.importers.modules import PRESET, Adapter
from grokinterp.runs.directory import RunDirectory, has_nothing_to_lose, is_run, open_run
from grokinterp.runs.lock import held
from grokinterp.runs.run import Run, RunError
from grokinterp.runs.writer import RunWriter
from grokinterp.tasks import Task


@checks_switches
def record(
    path: str | Path,
    task: Task,
    model: nn.Module,
    *,
    parameters: Mapping[str, str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> "Recorder":
    """Write what a training loop of your own does as a run: a context manager around the loop.

        with gi.record("runs/mine", task, model) as record:
            for step in range(record.step, steps):
                if step % 100 == 0:
                    record.log(step, train_loss=loss.item())
                    record.checkpoint(step, model)
                ...

    `model` is any module that maps `task.inputs` to logits, [n, answers] or [n, positions, vocabulary]. One of ours,
    and one that computes the same under other names, is written as ours, so that every circuit reads it; `parameters`
    says which is which where names do not tell, with an einops pattern where the axes stand otherwise:
    `{"h.weight": "mlp.W_in: m d -> d m"}`. Any other is kept as it is: `gi.load(path, module=Mine)` rebuilds it, and
    the circuits read it that need its logits alone, or an embedding that `parameters` names.

    `overwrite` replaces a run that stands there; `resume` goes on with it: the model is given the weights of the last
    checkpoint, whose step is `record.step`, and what was logged later is dropped. The optimiser's state is your loop's.
    No other process writes into the run meanwhile. What was written when a loop is killed is a whole run.

    Raises `BadRequest` where the model answers no logits of the task, for a task without a split, and where something
    stands at `path` already.
    """
    if resume and overwrite:
        raise BadRequest("resume goes on with a run and overwrite begins anew; give one of them")
    check_path("path", path)
    if not isinstance(task, Task):
        raise BadRequest(f"task={shown(task)} must be a gi.Task, as in gi.Task('a + b', p=113).split(0.3)")
    if task.is_train is None:
        raise BadRequest("the task has no split yet; record what is trained on, as in task.split(frac=0.3, seed=0)")
    return Recorder(Path(path), task, model, Adapter.of(model, task, parameters), overwrite, resume)


class Recorder:
    """The writer of one run; `gi.record` makes it, and `with` opens and closes it.

    Attributes:
        path: the run's directory.
        step: the step to go on from: that of the last checkpoint of a run that is resumed, else 0.
    """

    def __init__(self, path: Path, task: Task, model: nn.Module, adapter: Adapter, overwrite: bool, resume: bool):
        self.path, self.task, self.step = path, task, 0
        self._model, self._adapter, self._overwrite, self._resume = model, adapter, overwrite, resume
        self._writer: RunWriter | None = None
        self._open = ExitStack()

    def __enter__(self) -> "Recorder":
        with ExitStack() as undo:
            undo.enter_context(held(self.path, "record"))
            self._writer = self._reopened() if self._resume and not _is_empty(self.path) else self._created()
            self._open = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        writer, self._writer = self._writer, None
        with self._open:
            if kind is None and writer is not None:
                writer.finish()

    @property
    def run(self) -> Run:
        """The run as it is on disk now."""
        run, model = open_run(self.path), self._adapter.config
        return run if model.is_described else run.made_by(_copies_of(self._model))

    def log(self, step: SupportsIndex, metrics: Mapping[str, Any] | None = None, **more: Any) -> None:
        """One row of metrics: numbers by name, of the weights after `step` updates; a second of a step adds to it.

        `train_loss`, `test_loss` (nats), `train_accuracy` and `test_accuracy` are drawn as those of our own runs. It is
        written at once. Raises `BadRequest` for what is no number.
        """
        row = {**(metrics or {}), **more}
        self._opened.append_metrics(
            {"step": _whole(step), **{_name(name): _number(name, value) for name, value in row.items()}}
        )

    def checkpoint(self, step: SupportsIndex, model: nn.Module | None = None) -> None:
        """The weights after `step` updates: of `model`, or of the one that the recording began with.

        Raises `BadRequest` where it is a module of other parameters.
        """
        tensors = self._adapter.tensors(self._model if model is None else model)
        self._opened.write_checkpoint(_whole(step), tensors)

    @property
    def _opened(self) -> RunWriter:
        if self._writer is None:
            raise BadRequest(f"{self.path} is not open; record inside the block, with gi.record(...) as record:")
        return self._writer

    def _created(self) -> RunWriter:
        try:
            return RunWriter.create(
                self.path,
                self._adapter.run_config(self.task),
                self.task,
                overwrite=self._overwrite or (self._resume and _is_empty(self.path)),
                provenance=self._adapter.provenance(self._model),
            )
        except RunError as refusal:
            if is_run(self.path):
                raise RunError(
                    f"{self.path} already holds a run; give overwrite=True to replace it, resume=True to go on with "
                    f"it, or another path"
                ) from None
            raise refusal

    def _reopened(self) -> RunWriter:
        run = open_run(self.path)
        wanted = self._adapter.run_config(self.task)
        if run.config.identity != wanted.identity or run.config.preset != PRESET:
            differences = run.config.differences(wanted) or "it was not recorded"
            raise RunError(f"{self.path} is another run ({differences}); give another path, or overwrite=True")
        mask = run.task.is_train
        if mask is None or not torch.equal(mask, self.task.is_train):  # type: ignore[arg-type]
            raise RunError(f"{self.path} was trained on other rows; split the task as it was, or give another path")
        if not run.steps:
            raise RunError(f"{self.path} has no checkpoint to go on from; give overwrite=True to begin anew")
        self.step = run.steps[-1]
        self._adapter.put_back(self._model, RunDirectory(self.path).parameters(self.step))
        return RunWriter.go_on(self.path, self.step)


def _is_empty(path: Path) -> bool:
    """Whether there is nothing that could be gone on with."""
    return not path.exists() or (path.is_dir() and not any(path.iterdir())) or has_nothing_to_lose(path)


def _copies_of(module: nn.Module) -> Any:
    from grokinterp.models.own.module import maker

    return maker(module)


def _whole(step: Any) -> int:
    step = plain(step)
    if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step < 2**53:
        raise BadRequest(f"step={shown(step)} must be a whole number from 0 on: how many updates were made")
    return step


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name or name == "step":
        raise BadRequest(f"a metric has a name of its own, as in train_loss=0.3, not {shown(name)}")
    return name


def _number(name: str, value: Any) -> float | int | None:
    value = plain(value.detach() if isinstance(value, Tensor) else value)
    if value is not None and not isinstance(value, int | float):
        raise BadRequest(f"{name}={shown(value)} must be one number; log a mean, or several names")
    return value
