"""A run on disk, as it is read: the directory is the truth, so a run may be read while it trains or after a crash."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd
from torch import Tensor

from grokinterp.config.validation import shown
from grokinterp.runs.digests import FileDigests
from grokinterp.runs.files import (
    READ_AT_MOST,
    UNFOLDED,
    StorageError,
    cannot_read,
    read_metadata,
    read_tensors,
    read_whole,
    regular_status,
)
from grokinterp.runs.format import RunHeader
from grokinterp.runs.provenance import DIRECTORY
from grokinterp.runs.run import Run, RunError
from grokinterp.runs.store import columns_of
from grokinterp.tasks import Task

CONFIG, SPLIT, CHECKPOINTS, TRACES = "config.json", "split.npz", "checkpoints", "traces"
JSONL, PARQUET, OPTIMISER = "metrics.jsonl", "metrics.parquet", "optimiser.safetensors"
RULE = "identity_rule"
"""Stands in a checkpoint's metadata where its identity leaves out how long the run goes on; absent before."""

if TYPE_CHECKING:
    import pyarrow as pa

Read = TypeVar("Read")

_STEP = re.compile(r"step_(\d{8,})\.safetensors")


def checkpoint_name(step: int) -> str:
    """`step_00005000.safetensors`; names sort as steps do."""
    return f"step_{step:08d}.safetensors"


def is_run(path: Path) -> bool:
    """Whether a directory is a run: its config.json was written by this project."""
    try:
        return b'"format_version"' in read_whole(path / CONFIG)
    except (OSError, StorageError):
        return False


def has_nothing_to_lose(path: Path) -> bool:
    """Whether a run was stopped before it had anything: no optimiser state yet, no checkpoint, no curves of a file."""
    has_numbers = (path / OPTIMISER).exists() or (path / PARQUET).exists() or any((path / CHECKPOINTS).glob("step_*"))
    return is_run(path) and not has_numbers


def is_finished(path: Path) -> bool:
    """Whether a run directory reached its last step, or stopped after grokking as it was told to."""
    return (path / PARQUET).exists() and not (path / JSONL).exists()


def open_run(path: Path, task: Task | str | None = None) -> Run:
    """The run in this directory; `task` takes the place of its own. Raises `BadRequest` where it is damaged."""
    header = read_header(path)
    name = path.resolve().name

    def own() -> Task | None:
        return header.rebuild_task(read_split(path), name)

    given = None if task is None else header.in_place_of_own(task, own, name)
    return Run(
        RunDirectory(path, header),
        name=name,
        config=header.config,
        task=given or (own if header.task is not None else None),  # type: ignore[arg-type]
        path=path,
        provenance=header.provenance,
        reopen=partial(open_run, path.resolve(), task),
    )


class RunDirectory:
    """The numbers of a run directory, read afresh at every call."""

    def __init__(self, path: Path, header: RunHeader | None = None):
        self.path, self._header = path, header
        self._stages: dict[str, bool] = {}
        self._digests = FileDigests(path / CHECKPOINTS, path / TRACES / "checkpoints.json")

    def steps(self) -> list[int]:
        try:
            names = [entry.name for entry in (self.path / CHECKPOINTS).iterdir()]
        except OSError as error:
            raise cannot_read(self.path / CHECKPOINTS, error) from None
        return sorted(int(found[1]) for name in names if (found := _STEP.fullmatch(name)))

    def __contains__(self, step: object) -> bool:
        if not isinstance(step, int) or not 0 <= step < 2**63:  # a number of a thousand digits names no file
            return False
        return (self.path / CHECKPOINTS / checkpoint_name(step)).exists()

    def parameters(self, step: int) -> dict[str, Tensor]:
        tensors, metadata = read_tensors(self.path / CHECKPOINTS / checkpoint_name(step))
        self._check_belongs(step, metadata)
        return tensors

    def _check_belongs(self, step: int, metadata: Mapping[str, str]) -> None:
        """Refuse a checkpoint that says itself that it is of another step or run."""
        file = self.path / CHECKPOINTS / checkpoint_name(step)
        if (recorded := metadata.get("step", str(step))) != str(step):
            raise RunError(f"{file} holds step {recorded}; give it back its name, or restore it from a copy")
        identity = metadata.get("config")
        if not identity or self._header is None or self._header.config is None:
            return
        if identity not in self._header.identities and (RULE in metadata or not self._is_of_an_earlier_stage(identity)):
            raise RunError(f"{file} is a checkpoint of another run ({identity}); restore its own from a copy")

    def _is_of_an_earlier_stage(self, identity: str) -> bool:
        """Whether the run bore this identity before it was prolonged: several checkpoints in a row do.

        Until RULE was written an identity changed with the number of steps.
        """
        if identity not in self._stages:
            files = [self.path / CHECKPOINTS / checkpoint_name(step) for step in self.steps()]
            bears = [read_metadata(file).get("config") == identity for file in files]
            first, count = bears.index(True), sum(bears)
            self._stages[identity] = count > 1 and all(bears[first : first + count])
        return self._stages[identity]

    def digests(self, steps: Sequence[int]) -> dict[int, str]:
        return dict(zip(steps, self._digests.of([checkpoint_name(step) for step in steps]), strict=True))

    def metrics(self) -> pd.DataFrame:
        return self._read_metrics(pd.DataFrame, lambda path: read_table(path).to_pandas(), pd.DataFrame())

    def columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        def of_table(path: Path) -> dict[str, np.ndarray]:
            table = read_table(path, names)  # pandas would take ten times as long, and tables of runs read thousands
            return {name: table.column(name).to_numpy() for name in table.column_names}

        return self._read_metrics(lambda rows: columns_of(pd.DataFrame(rows), names), of_table, {})

    def _read_metrics(self, of_rows: Callable[[list[Any]], Read], of_table: Callable[[Path], Read], none: Read) -> Read:
        # While both exist, a resumption was interrupted as it turned the finished table back into lines.
        if (self.path / JSONL).exists():
            return of_rows(read_rows(self.path / JSONL))
        try:
            return of_table(self.path / PARQUET)
        except FileNotFoundError:
            return none
        except StorageError:
            raise
        except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
            raise StorageError(
                f"{self.path / PARQUET} is truncated or no Parquet file ({error}); restore it from a copy"
            ) from None


def read_table(path: Path, names: Sequence[str] | None = None) -> "pa.Table":
    """The numbers of a Parquet file, by column: those of these names, or all.

    A few of its bytes may stand for any number of rows or texts, so what it says of itself is looked at first. Raises
    `OSError`, `StorageError` and `ValueError` for any other file.
    """
    import pyarrow.parquet as pq  # runs that are still trained need none

    size = regular_status(path).st_size
    with pq.ParquetFile(path, pre_buffer=False) as file:
        groups = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        rows = max(file.metadata.num_rows, sum(groups))
        if 8 * rows * file.metadata.num_columns > READ_AT_MOST + UNFOLDED * size:
            raise ValueError(f"{rows:,} rows in {size:,} bytes")
        for field in file.schema_arrow:
            if not re.fullmatch(r"u?int\d+|(half)?float|double|bool|null", str(field.type)):
                raise ValueError(f"{shown(field.name)} holds no numbers")
        there = file.schema_arrow.names
        wanted = there if names is None else [name for name in names if name in there]
        return file.read(wanted, use_threads=False).replace_schema_metadata(None)


def read_header(path: Path) -> RunHeader:
    """What config.json says."""
    try:
        return RunHeader.from_json(read_whole(path / CONFIG), path / CONFIG, DIRECTORY, path)
    except OSError as error:
        raise cannot_read(path / CONFIG, error) from None


def read_split(path: Path) -> dict[str, np.ndarray]:
    """The arrays of split.npz; nothing where the task or its split is unknown."""
    try:
        content = read_whole(path / SPLIT)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unfolded = sum(entry.file_size for entry in archive.infolist())
        if unfolded > READ_AT_MOST + UNFOLDED * len(content):
            raise ValueError(f"{len(content):,} bytes would unfold into {unfolded:,}")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = dict(file)
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            raise ValueError("an entry is no array")
        return arrays
    except FileNotFoundError:
        return {}
    except Exception as error:  # zipfile, zlib and numpy each have their own words for a damaged file
        raise StorageError(f"{path / SPLIT} is truncated or damaged ({error}); restore it from a copy") from None


def read_rows(path: Path) -> list[dict[str, float]]:
    """The rows of metrics.jsonl by step, what was written of one step together; a last line cut short is left out."""
    try:
        lines = read_whole(path).split(b"\n")
    except OSError as error:
        raise cannot_read(path, error) from None
    rows: dict[int, dict[str, float]] = {}
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline is nothing, or cut short
        try:
            row = json.loads(line)
            if not _is_row(row):
                raise ValueError
            rows.setdefault(row["step"], {}).update(row)
        except (ValueError, RecursionError):
            raise StorageError(f"{path} is damaged at line {number}; remove that line") from None
    return [rows[step] for step in sorted(rows)]


def _is_row(row: object) -> bool:
    """Whether a line of metrics is numbers by name, at a step that a run can have."""
    if not isinstance(row, dict) or not all(value is None or isinstance(value, int | float) for value in row.values()):
        return False
    step = row.get("step")
    return isinstance(step, int) and 0 <= step < 2**53
