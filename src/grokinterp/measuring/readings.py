"""Readings for good: what circuits said of checkpoints whose weights have been dropped since.

The cache of `measure` may be lost, and a new version of a circuit passes it over; this file of a run is neither.
"""

from pathlib import Path

import xarray as xr

from grokinterp.measuring.trace_bytes import DamagedTrace, from_bytes, is_steps, to_bytes
from grokinterp.runs.files import StorageError, cannot_read, regular_status
from grokinterp.runs.replacing import write_over
from grokinterp.runs.run import Run

READINGS = "readings.trace"


def keep_readings(directory: Path, trace: xr.Dataset) -> None:
    """Write a trace into a run's directory, in the place of the one that is there. Whole or not at all."""
    write_over(directory / READINGS, to_bytes(trace))


def readings_of(run: Run) -> xr.Dataset | None:
    """What is kept of the checkpoints that a run has no more; None where that is nothing.

    Raises `StorageError` for a damaged file.
    """
    file = run.path / READINGS if run.path is not None else None
    if file is None or not file.exists():
        return None
    try:
        regular_status(file)
        trace = from_bytes(file.read_bytes())
        if "step" not in trace.coords or not is_steps(trace.step.values):
            raise DamagedTrace("it has no steps")
    except OSError as error:
        raise cannot_read(file, error) from None
    except DamagedTrace as error:
        raise StorageError(f"{file} is damaged ({error}); restore it from a copy, or remove it") from None
    gone = [step for step in trace.step.values.tolist() if step not in run]
    return trace.sel(step=gone) if gone else None


def with_readings(trace: xr.Dataset, readings: xr.Dataset) -> xr.Dataset:
    """One circuit's trace with what is kept of it, in the order of steps; NaN where a variable was not read."""
    names = [name for name in trace.data_vars if name in readings and trace[name].dims == readings[name].dims]
    if not names:
        return trace
    return xr.concat([readings[names], trace], "step", join="outer", combine_attrs="drop_conflicts").sortby("step")
