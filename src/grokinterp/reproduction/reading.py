"""Reading: what the claims of several sources read off runs: curves, when they cross, and traces of circuits."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from grokinterp.errors import BadRequest
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.importers import load
from grokinterp.measuring import measure, snapshot_of
from grokinterp.runs.run import Run


def final(run: Run) -> Snapshot:
    """The last checkpoint, evaluated on its whole table."""
    return snapshot_of(run, run.final.step)


def trace(run: Run, *circuits: str, every: int = 1, steps: Sequence[int] | None = None) -> xr.Dataset:
    """Circuits over the checkpoints whose step is a multiple of `every`, and the last."""
    chosen = steps or [step for step in run.steps if step % every == 0 or step == run.steps[-1]]
    return measure(run, circuits, steps=chosen, progress=False)


def last(run: Run, *circuits: str) -> xr.Dataset:
    """Circuits at the last checkpoint."""
    return trace(run, *circuits, steps=[run.steps[-1]]).isel(step=-1)


def saved(path: Path) -> Run:
    """The one run of a third-party file."""
    run = load(path)
    if not isinstance(run, Run):
        raise BadRequest(f"{path} holds several runs where one was looked for; give the file of the source")
    return run


def first(steps: np.ndarray, holds: np.ndarray) -> float:
    """The first step at which it holds; NaN where it never does."""
    indices = np.flatnonzero(holds)
    return float(steps[indices[0]]) if len(indices) else math.nan


def recorded(run: Run, curve: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of a curve of training, where it was recorded."""
    metrics = run.metrics
    values = metrics[curve].to_numpy(dtype=float)
    known = ~np.isnan(values)
    return metrics["step"].to_numpy()[known], values[known]


def first_below(run: Run, curve: str, threshold: float, after_peak: bool = False) -> float:
    """The first recorded step of a curve below a threshold (after its largest value, if asked for); NaN: never."""
    steps, values = recorded(run, curve)
    start = int(values.argmax()) if after_peak and len(values) else 0
    return first(steps[start:], values[start:] < threshold)


def first_reaching(run: Run, curve: str, threshold: float) -> float:
    """The first recorded step of a curve at or above a threshold; NaN: never."""
    steps, values = recorded(run, curve)
    return first(steps, values >= threshold)


def peak(run: Run, curve: str) -> tuple[float, float]:
    """The largest recorded value of a curve, and its step."""
    steps, values = recorded(run, curve)
    at = int(values.argmax())
    return float(values[at]), float(steps[at])


def end_of(run: Run, curve: str) -> float:
    """The last recorded value of a curve."""
    return float(recorded(run, curve)[1][-1])


def wrong_share(snapshot: Snapshot) -> float:
    """The share of all rows that are answered wrongly."""
    return float((~snapshot.is_right).double().mean())


def seeds(runs: Sequence[Run]) -> list[str]:
    """What each of several runs is called in a table: `seed 0`."""
    return [f"seed {run.config.seed}" for run in runs]


def edited(snapshot: Snapshot, name: str, value: torch.Tensor) -> Snapshot:
    """The same checkpoint with one parameter replaced."""
    return Snapshot(snapshot.step, snapshot.config, snapshot.task, {**snapshot.parameters, name: value})
