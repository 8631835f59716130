"""RunWriter: how a run gets onto the disk, so that whatever interrupts it leaves a whole run or none."""

import io
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from grokinterp.config import RunConfig
from grokinterp.config.validation import checks_switches
from grokinterp.runs.digests import digest_of_tensors
from grokinterp.runs.directory import (
    CHECKPOINTS,
    CONFIG,
    JSONL,
    OPTIMISER,
    PARQUET,
    RULE,
    SPLIT,
    RunDirectory,
    checkpoint_name,
    is_run,
    open_run,
    read_header,
    read_rows,
)
from grokinterp.runs.files import (
    StorageError,
    cannot_write,
    hidden_beside,
    make_directory,
    read_metadata,
    read_tensors,
    remove_temporaries,
    sync_directory,
    write_atomic,
    write_tensors,
)
from grokinterp.runs.format import RunHeader, split_digest, task_arrays
from grokinterp.runs.lock import held
from grokinterp.runs.provenance import Provenance
from grokinterp.runs.replacing import recover, replace_directory
from grokinterp.runs.run import Run, RunError
from grokinterp.tasks import Task


class RunWriter:
    """Writes one run directory: `create` or `reopen` it, then write checkpoints and metrics, then `finish`.

    A checkpoint and its metrics should be written before the optimiser state of the same step: a crash between
    them then costs the steps since the last state, and nothing else. `measured` are the steps whose metrics a run that
    was reopened has.
    """

    def __init__(self, path: Path, config: RunConfig | None):
        self.path = path
        self.config = config
        self.measured: set[int] = set()

    @classmethod
    def create(
        cls,
        path: str | Path,
        config: RunConfig | None,
        task: Task | None,
        overwrite: bool = False,
        provenance: Provenance | None = None,
    ) -> "RunWriter":
        """A fresh run directory with its configuration and split, which appears whole or not at all.

        `config` or `task` is None for an imported file that does not tell it. Raises `RunError` where `path` exists,
        unless it is empty, or is a run and `overwrite` is true, and `StorageError` where the system refuses.
        """
        path = Path(path)
        with _built(path, overwrite) as hidden:
            _write_start(hidden, config, task, provenance)
        return cls(path, config)

    @classmethod
    def reopen(cls, path: str | Path, config: RunConfig | None = None) -> "RunWriter":
        """The run as it was at the step of its optimiser state: later checkpoints and metrics are removed.

        `config` may lengthen the run; it may differ in the schedule only. Raises `RunError` where there is no run or
        no state to go on from.
        """
        path = Path(path)
        if not is_run(path):
            raise RunError(f"{path} is not a run that could be resumed; leave out --resume to start one there")
        header = read_header(path)
        writer = cls(path, config or header.config)
        if config is not None and header.config is not None:
            _refuse_other_config(path, header.config, config)
        step = int(writer.read_optimiser_state()[1]["step"])
        if config is not None and config.schedule.steps < step:
            raise RunError(
                f"{path} is trained to step {step} already; give --steps {step} or more with --resume, "
                f"or choose another directory with --out"
            )
        if config is not None and config != header.config:
            _write_json(path / CONFIG, replace(header, config=config).to_json())
        writer._forget_after(step)
        return writer

    @classmethod
    def go_on(cls, path: Path, step: int) -> "RunWriter":
        """The run as it was at a checkpoint, whose loop keeps its own optimiser: what came later is removed."""
        writer = cls(path, read_header(path).config)
        writer._forget_after(step)
        return writer

    def _forget_after(self, step: int) -> None:
        for directory in (self.path, self.path / CHECKPOINTS):
            remove_temporaries(directory)
        for later in (later for later in RunDirectory(self.path).steps() if later > step):
            (self.path / CHECKPOINTS / checkpoint_name(later)).unlink(missing_ok=True)
        rows = RunDirectory(self.path).metrics().to_dict("records")
        rows = [row for row in rows if row["step"] <= step]
        self.measured = {int(row["step"]) for row in rows}
        write_atomic(self.path / JSONL, "".join(map(_line, rows)).encode())
        (self.path / PARQUET).unlink(missing_ok=True)

    def write_checkpoint(self, step: int, parameters: Mapping[str, Tensor]) -> None:
        """The weights after `step` updates, by their classic names."""
        write_tensors(self.path / CHECKPOINTS / checkpoint_name(step), parameters, {"step": str(step), **self._owner})

    @property
    def _owner(self) -> dict[str, str]:
        """What a file says of the run that it belongs to."""
        return {"config": self.config.identity, RULE: "2"} if self.config else {}

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """One line of metrics: `step`, and losses, accuracies or whatever else was measured there.

        It is with the operating system at once (a killed process loses nothing), on the disk with the next checkpoint.
        """
        path = self.path / JSONL
        try:
            with open(path, "ab", buffering=0) as file:
                start, left = file.tell(), _line(row).encode()
                try:
                    while left:
                        left = left[file.write(left) :]
                except OSError:
                    # Half a line would join the next one.
                    file.truncate(start)
                    raise
        except OSError as error:
            raise cannot_write(path, error) from None

    def write_optimiser_state(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """What resumption needs beside the checkpoint of `state["step"]`: tensors, and JSON values. Replaces the last.

        Both go into one file: two renames could be torn apart by a crash.
        """
        sync_directory(self.path / CHECKPOINTS)  # the state must not outlive its checkpoint in a power cut
        text = json.dumps({**state, "step": int(state["step"])})
        write_tensors(self.path / OPTIMISER, tensors, {"state": text, **self._owner})

    def read_optimiser_state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What `write_optimiser_state` wrote last. Raises `RunError` where it never did."""
        if not (self.path / OPTIMISER).exists():
            raise RunError(f"{self.path} has no optimiser state to resume from; train it anew with --overwrite")
        tensors, metadata = read_tensors(self.path / OPTIMISER)
        try:
            state = json.loads(metadata["state"])
            step = int(state["step"])
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
            raise RunError(f"{self.path / OPTIMISER} is no optimiser state; train it anew with --overwrite") from None
        self._check_own_state(tensors, step, metadata)
        return tensors, state

    def _check_own_state(self, tensors: Mapping[str, Tensor], step: int, metadata: Mapping[str, str]) -> None:
        """Refuse the state of another run: by what it says itself, else by the weights of its step."""
        run = RunDirectory(self.path)
        if "config" in metadata:
            is_own = metadata["config"] == self._owner.get("config", "")
        else:
            weights = run.parameters(step) if step in run else {}
            known = {name: tensors[f"parameter.{name}"] for name in weights if f"parameter.{name}" in tensors}
            is_own = digest_of_tensors(known) == digest_of_tensors({name: weights[name] for name in known})
        if not is_own:
            raise RunError(
                f"{self.path / OPTIMISER} is the state of another run; restore its own from a copy, or train it anew "
                f"with --overwrite"
            )

    def finish(self) -> None:
        """Turn the lines of metrics into metrics.parquet. The optimiser state stays: the run can be lengthened."""
        if not (self.path / JSONL).exists():
            return
        write_metrics(self.path, pd.DataFrame(read_rows(self.path / JSONL)))
        sync_directory(self.path)
        (self.path / JSONL).unlink(missing_ok=True)


def resumable_step(path: Path) -> int:
    """The step that a run would go on from; 0 where there is nothing to go on from."""
    try:
        return int(json.loads(read_metadata(path / OPTIMISER)["state"])["step"])
    except (StorageError, LookupError, TypeError, ValueError, OverflowError, RecursionError):
        return 0


def drop_checkpoints(path: Path, but: int) -> None:
    """Remove every checkpoint of a run but the one at step `but`, which there has to be."""
    with held(path, "drop"):
        others = [step for step in RunDirectory(path).steps() if step != but]
        for step in others:
            (path / CHECKPOINTS / checkpoint_name(step)).unlink(missing_ok=True)


@checks_switches
def save_run(run: Run, path: str | Path, overwrite: bool = False) -> Run:
    """Write any run, a third-party file read as one included, as a run directory, which appears whole, and open it.

    Raises `RunError` where that would overwrite what the run is read from, `HeldError` where another writes there.
    """
    if run.path is not None and run.path.resolve().is_relative_to(Path(path).resolve()):
        raise RunError(f"{path} is where the run is read from; choose another directory with --out")
    config, task = run.config if run.has_config else None, run.task if run.has_task else None
    path = Path(path)
    with held(path, "import"), _built(path, overwrite) as hidden:
        writer = _write_start(hidden, config, task, run.provenance.copied(run.name))
        for checkpoint in run:
            writer.write_checkpoint(checkpoint.step, checkpoint.parameters)
        write_metrics(hidden, run.metrics)
    return open_run(path)


@contextmanager
def _built(path: Path, overwrite: bool) -> Iterator[Path]:
    """A hidden directory that is to be filled and then takes the place of `path`; nothing stays of it otherwise."""
    target = path.resolve()  # a link to a directory elsewhere stays one
    recover(target)
    _refuse_existing(path, target, overwrite)
    make_directory(target.parent)
    hidden = hidden_beside(target)
    try:
        make_directory(hidden / CHECKPOINTS)
        yield hidden
        replace_directory(hidden, target)
    except OSError as error:
        raise cannot_write(path, error) from None
    except StorageError as refusal:
        raise StorageError(str(refusal).replace(str(hidden), str(path))) from None
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _write_start(
    path: Path, config: RunConfig | None, task: Task | None, provenance: Provenance | None = None
) -> RunWriter:
    """What every run has from its start: its configuration, and its split where that is known."""
    arrays: dict[str, Any] = {**task_arrays(task)}
    known = None if task is None else task.config()
    header = RunHeader(config, known, provenance or Provenance(), split=split_digest(arrays))
    _write_json(path / CONFIG, header.to_json())
    if arrays:
        write_atomic(path / SPLIT, lambda file: np.savez_compressed(file, **arrays))
    return RunWriter(path, config)


def write_metrics(path: Path, metrics: pd.DataFrame) -> None:
    """metrics.parquet, whole or not at all."""
    buffer = io.BytesIO()
    metrics.to_parquet(buffer, index=False)
    write_atomic(path / PARQUET, buffer.getvalue())


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps({name: value.item() if hasattr(value, "item") else value for name, value in row.items()}) + "\n"


def _write_json(path: Path, data: dict[str, Any]) -> None:
    write_atomic(path, (json.dumps(data, indent=1) + "\n").encode())


def _refuse_existing(path: Path, target: Path, overwrite: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise RunError(f"{path} is a file; choose another directory with --out")
    if any(target.iterdir()):
        if not is_run(target):
            raise RunError(f"{path} exists and is no run, so it is left alone; choose another directory with --out")
        if not overwrite:
            raise RunError(
                f"{path} already holds a run; continue it with --resume, replace it with --overwrite, "
                f"or choose another directory with --out"
            )


def _refuse_other_config(path: Path, old: RunConfig, new: RunConfig) -> None:
    longer = replace(old, schedule=new.schedule)
    if longer.to_json() != new.to_json():
        raise RunError(
            f"{path} was trained with other settings ({longer.differences(new)}, its own and those asked for); "
            f"only the schedule can change on --resume, so choose another directory with --out"
        )
