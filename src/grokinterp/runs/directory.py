"""A run on disk, as it is read: the directory is the truth, so a run may be read while it trains or after a crash."""

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from grokinterp.runs.digests import FileDigests
from grokinterp.runs.files import StorageError, cannot_read, read_tensors
from grokinterp.runs.format import RunHeader
from grokinterp.runs.provenance import DIRECTORY
from grokinterp.runs.run import Run, check_fits
from grokinterp.tasks import Task

CONFIG, SPLIT, CHECKPOINTS, TRACES = "config.json", "split.npz", "checkpoints", "traces"
JSONL, PARQUET, OPTIMISER = "metrics.jsonl", "metrics.parquet", "optimiser.safetensors"
_STEP = re.compile(r"step_(\d{8,})\.safetensors")


def checkpoint_name(step: int) -> str:
    """`step_00005000.safetensors`; names sort as steps do."""
    return f"step_{step:08d}.safetensors"


def is_run(path: Path) -> bool:
    """Whether a directory is a run: its config.json was written by this project."""
    try:
        return b'"format_version"' in (path / CONFIG).read_bytes()
    except OSError:
        return False


def open_run(path: Path, task: Task | None = None) -> Run:
    """The run in this directory; `task` takes the place of its own. Raises `BadRequest` where it is damaged."""
    header = read_header(path)
    name = path.resolve().name
    if task is not None and header.config is not None:
        check_fits(task, header.config.model, name)
    knows_task = task is not None or header.task is not None
    return Run(
        RunDirectory(path),
        name=name,
        config=header.config,
        task=task or ((lambda: header.rebuild_task(read_split(path), name)) if knows_task else None),  # type: ignore[arg-type]
        path=path,
        provenance=header.provenance,
    )


class RunDirectory:
    """The numbers of a run directory, read afresh at every call."""

    def __init__(self, path: Path):
        self.path = path
        self._digests = FileDigests(path / CHECKPOINTS, path / TRACES / "checkpoints.json")

    def steps(self) -> list[int]:
        try:
            names = [entry.name for entry in (self.path / CHECKPOINTS).iterdir()]
        except OSError as error:
            raise cannot_read(self.path / CHECKPOINTS, error) from None
        return sorted(int(found[1]) for name in names if (found := _STEP.fullmatch(name)))

    def __contains__(self, step: object) -> bool:
        return isinstance(step, int) and (self.path / CHECKPOINTS / checkpoint_name(step)).exists()

    def parameters(self, step: int) -> dict[str, Tensor]:
        return read_tensors(self.path / CHECKPOINTS / checkpoint_name(step))[0]

    def digests(self, steps: Sequence[int]) -> dict[int, str]:
        return dict(zip(steps, self._digests.of([checkpoint_name(step) for step in steps]), strict=True))

    def metrics(self) -> pd.DataFrame:
        # While both exist, a resumption was interrupted as it turned the finished table back into lines.
        if (self.path / JSONL).exists():
            return pd.DataFrame(read_rows(self.path / JSONL))
        try:
            return pd.read_parquet(self.path / PARQUET)
        except FileNotFoundError:
            return pd.DataFrame()
        except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
            raise StorageError(
                f"{self.path / PARQUET} is truncated or no Parquet file ({error}); restore it from a copy"
            ) from None


def read_header(path: Path) -> RunHeader:
    """What config.json says."""
    try:
        return RunHeader.from_json((path / CONFIG).read_bytes(), path / CONFIG, DIRECTORY, path)
    except OSError as error:
        raise cannot_read(path / CONFIG, error) from None


def read_split(path: Path) -> dict[str, np.ndarray]:
    """The arrays of split.npz; nothing where the task or its split is unknown."""
    try:
        with np.load(io.BytesIO((path / SPLIT).read_bytes()), allow_pickle=False) as file:
            return dict(file)
    except FileNotFoundError:
        return {}
    except Exception as error:  # zipfile, zlib and numpy each have their own words for a damaged file
        raise StorageError(f"{path / SPLIT} is truncated or damaged ({error}); restore it from a copy") from None


def read_rows(path: Path) -> list[dict[str, float]]:
    """The rows of metrics.jsonl; a last line that a crash cut short is left out."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise cannot_read(path, error) from None
    rows = []
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline is nothing, or cut short
        try:
            rows.append(json.loads(line))
        except ValueError:
            raise StorageError(f"{path} is damaged at line {number}; remove that line") from None
    return rows
