"""Stacking: the traces of several runs as one dataset over `run`, NaN and said where a run lacks something."""

import json
import numbers
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from grokinterp.errors import listed
from grokinterp.runs.population.fields import fields_of, varied
from grokinterp.runs.run import Run

OF_ONE_RUN = ("skipped", "run", "circuits")
"""Attributes of a trace that say how it was read, not what was read."""


class Reading(NamedTuple):
    """A run's trace, and what it lacks of what was asked, in words; no trace where nothing could be read."""

    trace: xr.Dataset | None
    reason: str = ""


def stack(runs: Mapping[str, Run], readings: Mapping[str, Reading], final: bool) -> xr.Dataset:
    """One dataset over `run`, with a coordinate for every field that varies between the runs.

    `final` readings are each of one step, which becomes the coordinate `step` over `run`; others keep the dim `step`.
    What a circuit says of a whole trace is a variable over `run` where it is a number (`grokked_step`), and stands in
    `summary`, as JSON, where it is not. What a run lacks is NaN, empty for text, and said: the variable `not_read` for
    what could not be read, `not_applying`, as JSON, for circuits with the reason, and the attributes of these names,
    which count the runs.
    """
    traces = {name: reading.trace for name, reading in readings.items() if reading.trace is not None}
    skipped = {name: json.loads(trace.attrs["skipped"]) for name, trace in traces.items()}
    if final and not _uneven_dims([*traces.values()]) - {"step"}:
        whole = _one_step_each(traces)
    else:
        parts = [_part(name, trace, final) for name, trace in traces.items()]
        whole = xr.concat(
            _of_one_kind(parts), "run", data_vars="all", coords="minimal", compat="override", join="outer",
            combine_attrs="override",
        )  # fmt: skip
    whole = whole.reindex(run=list(readings))
    whole = whole.assign({str(name): each.fillna("") for name, each in whole.data_vars.items() if each.dtype == object})
    texts = {
        "not_read": [reading.reason for reading in readings.values()],
        "not_applying": [json.dumps(skipped.get(name, {})) for name in readings],
    }
    attrs = {"units": "", "source": "measure"}
    reasons = {name: ("run", np.array(values, dtype=object), attrs) for name, values in texts.items()}
    circuits = dict.fromkeys(name for trace in traces.values() for name in trace.attrs["circuits"].split(", ") if name)
    attributes = {
        "runs": len(readings),
        "circuits": listed(circuits),
        "not_applying": json.dumps(_counted(reason for each in skipped.values() for reason in each.items())),
        "not_read": json.dumps(_counted(("a run", reading.reason) for reading in readings.values() if reading.reason)),
    }
    return _with_fields(whole.assign(reasons), runs).assign_attrs(attributes)


def _one_step_each(traces: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """What `xr.concat` makes of traces of one step with the same coordinates, in a part of its time.

    That is spent after the workers have read, by one process alone.
    """
    columns = [
        {name: each.isel(step=0, missing_dims="ignore") for name, each in (_data(trace) | _figures(trace)).items()}
        for trace in traces.values()
    ]
    data = {}
    for name in dict.fromkeys(name for column in columns for name in column):
        rows = [column.get(name) for column in columns]
        first = next(row for row in rows if row is not None)
        has_gaps = any(row is None for row in rows)
        kind = _kind(first.dtype, has_gaps)
        blank = "" if kind.kind == "O" else np.nan
        values = [
            np.full(first.shape, blank, kind) if row is None else row.values.astype(_kind(row.dtype, has_gaps))
            for row in rows
        ]
        data[name] = (("run", *first.dims), np.stack(values), first.attrs)
    coords = {str(dim): trace.variables[dim] for trace in traces.values() for dim in trace.coords if dim != "step"}
    steps = [int(trace.variables["step"].values[0]) for trace in traces.values()]
    return xr.Dataset(data, {**coords, "run": np.array([*traces], dtype=object), "step": ("run", steps)})


def _data(trace: xr.Dataset) -> dict[str, xr.Variable]:
    # Not as DataArrays: to make one of each variable takes as long as all else.
    return {str(name): trace.variables[name] for name in trace.data_vars}


def _figures(trace: xr.Dataset) -> dict[str, xr.Variable]:
    """What a trace's attributes say, as variables: numbers by name, and `summary`, as JSON, of the others."""
    own = {key: value for key, value in trace.attrs.items() if key not in OF_ONE_RUN}
    numbers_of_all = {
        key: float(value)
        for key, value in own.items()
        if isinstance(value, numbers.Real) and not isinstance(value, bool) and key not in trace.variables
    }
    figures = {
        key: xr.Variable(
            (), value, {"units": "step" if key.endswith(("_step", "_end")) else "", "source": "the whole trace"}
        )
        for key, value in numbers_of_all.items()
    }
    rest = {key: value for key, value in own.items() if key not in figures}
    attrs = {"units": "", "source": "attributes of the run's trace, as JSON"}
    return {**figures, "summary": xr.Variable((), json.dumps(rest, default=_plain), attrs)}


def _part(name: str, trace: xr.Dataset, final: bool) -> xr.Dataset:
    """One run's trace as a slice of the whole: its attributes become variables."""
    part = trace.drop_attrs(deep=False).assign(_figures(trace))
    if final:
        part = part.isel(step=0)  # `step` stays, as a coordinate of the run
    return part.expand_dims(run=[name]).assign_coords({"step": ("run", [int(part.step)])} if final else {})


def _of_one_kind(parts: list[xr.Dataset]) -> list[xr.Dataset]:
    """The parts with text as objects, and flags and whole numbers as numbers that can be NaN where one lacks them."""
    names = {str(name) for part in parts for name in part.data_vars}
    partial = {name for name in names if not all(name in part for part in parts)}
    uneven = _uneven_dims(parts)

    def cast(part: xr.Dataset) -> xr.Dataset:
        variables = _data(part)
        has_gaps = {name: name in partial or not uneven.isdisjoint(map(str, v.dims)) for name, v in variables.items()}
        kinds = {name: _kind(variable.dtype, has_gaps[name]) for name, variable in variables.items()}
        return part.assign({n: v.astype(kinds[n]) for n, v in variables.items() if v.dtype != kinds[n]})

    return [cast(part) for part in parts]


def _kind(dtype: np.dtype, has_gaps: bool) -> np.dtype:
    """What can hold values and gaps: text as objects, flags and whole numbers as floats where there are gaps."""
    if dtype.kind == "U":
        return np.dtype(object)
    return np.dtype(np.float64) if dtype.kind in "biu" and has_gaps else dtype


def _uneven_dims(parts: list[xr.Dataset]) -> set[str]:
    """The dims along which not all parts have the same coordinates."""
    indexes = [part.indexes for part in parts]
    dims = {str(dim) for part in parts for dim in part.dims if dim != "run"}
    return {dim for dim in dims if not all(dim in each and each[dim].equals(indexes[0].get(dim)) for each in indexes)}


def _with_fields(whole: xr.Dataset, runs: Mapping[str, Run]) -> xr.Dataset:
    """With a coordinate over `run` for every field that varies; its own name is `field_X` where X is taken."""
    rows = {name: fields_of(run) for name, run in runs.items()}
    coordinates = {}
    for field in varied(rows.values()):
        values = [row.get(field) for row in rows.values()]
        known = [value for value in values if value is not None]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
            column: Any = np.array([np.nan if value is None else value for value in values])
        else:
            column = np.array(["" if value is None else str(value) for value in values], dtype=object)
        name = f"field_{field}" if field in whole.variables or field in whole.dims else field
        coordinates[name] = ("run", column)
    return whole.assign_coords(coordinates)


def _counted(pairs: Any) -> dict[str, dict[str, int]]:
    """By name, how often each reason is given."""
    counts: dict[str, dict[str, int]] = {}
    for name, reason in pairs:
        counts.setdefault(name, {}).setdefault(reason, 0)
        counts[name][reason] += 1
    return counts


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)
