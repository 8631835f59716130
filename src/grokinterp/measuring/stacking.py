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


def _part(name: str, trace: xr.Dataset, final: bool) -> xr.Dataset:
    """One run's trace as a slice of the whole: its attributes become variables."""
    own = {key: value for key, value in trace.attrs.items() if key not in OF_ONE_RUN}
    numbers_of_all = {
        key: float(value)
        for key, value in own.items()
        if isinstance(value, numbers.Real) and not isinstance(value, bool) and key not in trace.variables
    }
    figures = {
        key: ((), value, {"units": "step" if key.endswith(("_step", "_end")) else "", "source": "the whole trace"})
        for key, value in numbers_of_all.items()
    }
    rest = {key: value for key, value in own.items() if key not in figures}
    summary = ((), json.dumps(rest, default=_plain), {"units": "", "source": "attributes of the run's trace, as JSON"})
    part = trace.drop_attrs(deep=False).assign({**figures, "summary": summary})
    if final:
        part = part.isel(step=0)  # `step` stays, as a coordinate of the run
    return part.expand_dims(run=[name]).assign_coords({"step": ("run", [int(part.step)])} if final else {})


def _of_one_kind(parts: list[xr.Dataset]) -> list[xr.Dataset]:
    """The parts with text as objects, and flags and whole numbers as numbers that can be NaN where one lacks them."""
    names = {str(name) for part in parts for name in part.data_vars}
    partial = {name for name in names if not all(name in part for part in parts)}
    first = parts[0].indexes
    dims = {str(dim) for part in parts for dim in part.dims if dim != "run"}
    uneven = {
        dim
        for dim in dims
        if not all(dim in each.indexes and dim in first and each.indexes[dim].equals(first[dim]) for each in parts)
    }

    def needs_cast(name: str, variable: xr.Variable) -> bool:
        has_gaps = name in partial or not uneven.isdisjoint(map(str, variable.dims))
        return variable.dtype.kind == "U" or (variable.dtype.kind in "biu" and has_gaps)

    def cast(part: xr.Dataset) -> xr.Dataset:
        variables = {str(name): part.variables[name] for name in part.data_vars}
        wanted = {name: each for name, each in variables.items() if needs_cast(name, each)}
        kinds = {name: object if each.dtype.kind == "U" else np.float64 for name, each in wanted.items()}
        return part.assign({name: each.astype(kinds[name]) for name, each in wanted.items()})

    return [cast(part) for part in parts]


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
