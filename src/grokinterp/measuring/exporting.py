"""Exporting: the activations of one hook on a task's whole table, for sparse autoencoders and other programs."""

import json
from io import BytesIO
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.torch
import torch
from torch import Tensor, nn

from grokinterp import models
from grokinterp.config.validation import check_path, checks_switches
from grokinterp.errors import BadRequest
from grokinterp.evaluation.snapshot import rows_at_once
from grokinterp.importers import Given
from grokinterp.importers._opening import opened_one
from grokinterp.runs.files import make_directory
from grokinterp.runs.replacing import check_output, write_over
from grokinterp.tasks import Task

SUFFIXES = (".safetensors", ".parquet")


@checks_switches
def export_activations(
    run: Given | nn.Module,
    hook: str,
    path: str | PathLike[str],
    *,
    task: Task | None = None,
    step: int | None = None,
    scored: bool = False,
) -> Path:
    """Write what a hook gives on every row of a run's table, with the rows and their answers; returns the path.

    `run` may be a path, which is loaded, or a model in memory with its `task`. `step` chooses the checkpoint, the last
    where left out. The activation is written as the hook gives it, [row, position, ...]; with `scored=True` only where
    the answer is read. Rows stand in the order of `run.task.inputs`.

    A `.safetensors` file has the tensors `activations` (float32), `rows` (tokens, or numbers), `answers` and, where
    the split is known, `is_train`; a `.parquet` file has the same as columns, the activation a list of fixed length. In
    both the metadata say hook, step, shape and run. The file is whole or absent.

    Raises `UnknownHookError` for a name that the model does not have (which says what is near), and `BadRequest` for
    another suffix or a step without a checkpoint, before anything is written.
    """
    check_path("path", path)
    target = Path(fspath(path))
    if target.suffix not in SUFFIXES:
        raise BadRequest(f"{target} has to end in .safetensors or .parquet, as in 'activations.safetensors'")
    given = opened_one(run, task)
    check_output(target, given.path)
    checkpoint = given.final if step is None else given[step]
    rows = given.task
    model = models.build(checkpoint.config, parameters=dict(checkpoint.parameters), task=rows)
    parts = []
    with torch.no_grad():
        for part in rows.inputs.split(rows_at_once(rows.inputs)):
            _, cache = model.run_with_cache(part, names_filter=[hook], return_cache_object=False)
            values = cache[hook]
            parts.append(_where_read(values, hook, checkpoint.config, rows) if scored else values)
    tensors = {"activations": torch.cat(parts).float().contiguous(), "rows": rows.inputs, "answers": rows.answer_labels}
    if rows.is_train is not None:
        tensors["is_train"] = rows.is_train
    shape = [*tensors["activations"].shape]
    told = {"hook": hook, "step": str(checkpoint.step), "shape": json.dumps(shape), "run": given.name}
    make_directory(target.parent)
    write = _as_safetensors if target.suffix == ".safetensors" else _as_parquet
    write_over(target, write(tensors, told))
    return target


def _where_read(values: Tensor, hook: str, config: Any, task: Task) -> Tensor:
    """The scored positions of an activation, [row, t, ...]."""
    moved = values.movedim(config.position_axis(hook), 1)
    if moved.shape[1] == 1:
        return moved
    if not config.layer_heads:
        raise BadRequest(f"{hook} of a {config.kind} has a place for each operand and none that is read; scored=False")
    return moved[:, list(config.read_positions(task.positions))]


def _as_safetensors(tensors: dict[str, Tensor], told: dict[str, str]) -> bytes:
    return safetensors.torch.save({name: value.contiguous() for name, value in tensors.items()}, metadata=told)


def _as_parquet(tensors: dict[str, Tensor], told: dict[str, str]) -> bytes:
    columns = {
        name: pa.array(value.numpy())
        if value.ndim == 1
        else pa.FixedSizeListArray.from_arrays(np.ascontiguousarray(value.numpy()).reshape(-1), value[0].numel())
        for name, value in tensors.items()
    }
    buffer = BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata(told), buffer)
    return buffer.getvalue()
