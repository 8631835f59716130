"""A packed run: one safetensors file for publishing, every parameter stacked over the checkpoints, read lazily."""

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import torch
from safetensors import safe_open
from torch import Tensor

from grokinterp.errors import BadRequest, listed
from grokinterp.runs.digests import digest_of_tensors, file_stamp
from grokinterp.runs.files import StorageError, open_tensors
from grokinterp.runs.format import RunHeader, split_digest, task_arrays
from grokinterp.runs.lock import held
from grokinterp.runs.provenance import PACKED as PACKED_RUN
from grokinterp.runs.replacing import check_output, write_over
from grokinterp.runs.run import Run, RunError
from grokinterp.runs.store import columns_of
from grokinterp.tasks import Task

PACKED = "grokinterp packed run"
"""`metadata["format"]` of the file, by which it is recognised."""

_DTYPES = {"int64": "I64", "float64": "F64", "float32": "F32", "bool": "BOOL"}


def pack(run: Run, out: str | Path) -> Path:
    """Write a run as one safetensors file: parameters [step, ...] by their classic names, all else under `run/`.

    `run/steps` [step]; `run/is_train` [ab] and `run/train_labels`; `run/metrics/<column>` [row]; the configuration
    is JSON in the metadata. Only one checkpoint at a time is in memory. Raises `RunError` for a run without
    checkpoints, `HeldError` where another writes there and `StorageError` where the system refuses.
    """
    out, steps = Path(out), run.steps
    if not steps:
        raise RunError(f"{run.name} has no checkpoints to pack; run.metrics.to_parquet(...) saves its curves")
    if out.suffix != ".safetensors":
        raise RunError(f"a packed run is a .safetensors file; write to {out}.safetensors")
    check_output(out, run.path)
    task = run.task if run.has_task else None
    arrays = task_arrays(task)
    header = RunHeader(run.config, task and task.config(), run.provenance.copied(run.name), split=split_digest(arrays))
    metadata = {"format": PACKED, "header": json.dumps(header.to_json())}
    extras = {"steps": np.array(steps), **arrays}
    extras |= {f"metrics/{name}": column.to_numpy(np.float64) for name, column in run.metrics.items()}
    first = {name: value.numpy() for name, value in run.final.parameters.items()}
    stacked = {name: (value.dtype, (len(steps), *value.shape)) for name, value in first.items()}

    def write(file: BinaryIO) -> None:
        entries = {f"run/{name}": (value.dtype, value.shape) for name, value in extras.items()} | stacked
        # Wider numbers first: every array then starts at a multiple of its own size, which mapped reading needs.
        names = sorted(entries, key=lambda name: (-entries[name][0].itemsize, name))
        starts = _write_index(file, {name: entries[name] for name in names}, metadata)
        for name, value in extras.items():
            file.seek(starts[f"run/{name}"])
            file.write(np.ascontiguousarray(value).tobytes())
        for index, step in enumerate(steps):
            for name, value in run[step].parameters.items():
                file.seek(starts[name] + index * value.nbytes)
                file.write(value.contiguous().numpy().tobytes())

    if not out.parent.is_dir():
        raise StorageError(f"{out.parent} does not exist; create it, or write to another place with --out")
    with held(out, "pack"):
        write_over(out, write)
    return out


def check_own(path: Path, run: Run) -> None:
    """Raise `RunError` where a file is there that this run was not packed into: weights it was made of, say."""
    if not path.exists():
        return
    try:
        with open_tensors(path) as file:
            is_run = is_packed(file)
        is_own = is_run and open_packed(path).config == run.config
    except BadRequest:
        is_own = False
    if not is_own:
        raise RunError(f"{path} is there, and is not {run.name} packed; write to another file with --out, or over it")


def _write_index(
    file: BinaryIO, entries: dict[str, tuple[np.dtype, tuple[int, ...]]], metadata: dict[str, str]
) -> dict[str, int]:
    """Write a safetensors header; gives the place in the file where each array starts."""
    index: dict[str, object] = {"__metadata__": metadata}
    offsets, end = {}, 0
    for name, (dtype, shape) in entries.items():
        offsets[name], end = end, end + dtype.itemsize * int(np.prod(shape))
        index[name] = {"dtype": _DTYPES[dtype.name], "shape": list(shape), "data_offsets": [offsets[name], end]}
    text = json.dumps(index).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    return {name: 8 + len(text) + offset for name, offset in offsets.items()}


def is_packed(file: safe_open) -> bool:
    """Whether an open safetensors file is a packed run."""
    return (file.metadata() or {}).get("format") == PACKED


def open_packed(path: Path, task: Task | str | None = None) -> Run:
    """The run in a packed file; `task` takes the place of its own."""
    with open_tensors(path) as file:
        missing = [name for name in ("run/steps",) if name not in file.keys()]
        if "header" not in file.metadata() or missing:
            raise RunError(f"{path} is a packed run without {listed(missing or ['its header'])}; pack the run again")
        header = RunHeader.from_json(file.metadata()["header"], path, PACKED_RUN, path)
        arrays = {
            name: file.get_tensor(f"run/{name}").numpy()
            for name in ("is_train", "train_labels")
            if f"run/{name}" in file.keys()
        }

    def own() -> Task | None:
        return header.rebuild_task(arrays, path.stem)

    return Run(
        PackedRun(path),
        name=path.stem,
        config=header.config,
        task=own() if task is None else header.in_place_of_own(task, own, path.stem),
        path=path,
        provenance=header.provenance,
    )


class PackedRun:
    """The numbers of a packed file; a checkpoint is read as one slice of each parameter."""

    def __init__(self, path: Path):
        self.path = path
        self._digests: dict[int, str] = {}
        self._digested = file_stamp(path)
        with open_tensors(path) as file:
            steps = file.get_tensor("run/steps")
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys() if not name.startswith("run/")}
        if (
            steps.ndim != 1
            or steps.is_floating_point()
            or len({*steps.tolist()}) != len(steps)
            or bool((steps < 0).any())
        ):
            raise RunError(f"{path} is a packed run whose run/steps are no steps; pack the run again")
        short = [name for name, shape in shapes.items() if not shape or shape[0] != len(steps)]
        if short:
            raise RunError(f"{path} is a packed run whose {listed(short[:4])} have not one value a step; pack it again")
        self._steps: list[int] = steps.tolist()

    def steps(self) -> list[int]:
        return list(self._steps)

    def __contains__(self, step: object) -> bool:
        return step in self._steps

    def parameters(self, step: int) -> dict[str, Tensor]:
        index = self._steps.index(step)
        with open_tensors(self.path) as file:
            # Copied: a slice of a mapped file would keep the whole of it open.
            return {n: torch.clone(file.get_slice(n)[index]) for n in file.keys() if not n.startswith("run/")}

    def digests(self, steps: Sequence[int]) -> dict[int, str]:
        if (stamp := file_stamp(self.path)) != self._digested:
            self._digests, self._digested = {}, stamp
        new = [step for step in steps if step not in self._digests]
        self._digests.update({step: digest_of_tensors(self.parameters(step)) for step in new})
        return {step: self._digests[step] for step in steps}

    def metrics(self) -> pd.DataFrame:
        prefix = "run/metrics/"
        with open_tensors(self.path) as file:
            columns = [name for name in file.keys() if name.startswith(prefix)]
            curves = {name.removeprefix(prefix): file.get_tensor(name).numpy() for name in columns}
        if len({curve.shape for curve in curves.values()}) > 1 or any(curve.ndim != 1 for curve in curves.values()):
            raise RunError(f"{self.path} is a packed run whose run/metrics are of several lengths; pack the run again")
        return pd.DataFrame(curves)

    def columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        return columns_of(self.metrics(), names)
