"""Reading: circuits x checkpoints -> trace."""

import json
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
import xarray as xr
from tqdm.auto import tqdm

from grokinterp.analysis.outcome import UNEXPLAINED
from grokinterp.circuits import registered
from grokinterp.errors import BadRequest, listed
from grokinterp.evaluation.processor import side_by_side
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.measuring.cache import TraceCache
from grokinterp.measuring.choosing import choose, chosen_steps
from grokinterp.measuring.readings import readings_of, with_readings
from grokinterp.readout import Circuit
from grokinterp.runs.directory import is_run
from grokinterp.runs.files import StorageError
from grokinterp.runs.run import Run
from grokinterp.runs.summary import Summary

READERS = 8
"""Checkpoints read at once at most: each holds its activations on the whole table (0.15 GB for p = 113)."""

NAMED = 3
"""Circuits that a progress bar names."""

Chosen: TypeAlias = Iterable[str | Circuit] | str | Circuit | None


def read_run(
    run: Run,
    circuits: Chosen,
    steps: SupportsIndex | Iterable[SupportsIndex] | None,
    requested: frozenset[str],
    cache: bool,
    progress: bool,
) -> xr.Dataset:
    """The trace of one run, of all its steps where None are named; see `measure`."""
    wanted = chosen_steps(run, steps)
    dropped = readings_of(run) if steps is None else None
    final = snapshot_of(run, run.final.step)
    chosen = choose(circuits, requested)
    reasons = {circuit.name: circuit.why_not(final) or _why_unread(circuit, final) for circuit in chosen}
    skipped = {name: reason for name, reason in reasons.items() if reason}
    read = [circuit for circuit in chosen if circuit.name not in skipped]
    fitted = [circuit.fit(final) for circuit in read]
    kept = TraceCache(run, wanted) if cache and fitted else None
    reader = Reader(run, fitted, wanted, requested, kept, progress, final)
    # What was read of weights that are gone was read by the circuits as they are shipped.
    known = {} if dropped is None else registered()  # to find them takes a while
    earlier = [dropped if circuit == known.get(circuit.name) else None for circuit in read]
    try:
        whole = _whole(fitted, reader.traces(), earlier)
    except BadRequest:
        raise
    except Exception:  # of what is kept and fits no circuit
        if kept is None or not kept.distrust():
            raise
        whole = _whole(fitted, reader.traces(), earlier)
    if run.unexplained:
        whole.attrs["not_explained"] = "; ".join(each.what for each in run.unexplained)
        if whole.attrs.get("outcome") != "diverged":
            whole.attrs["outcome"] = UNEXPLAINED
    trace = whole.assign_attrs(skipped=json.dumps(skipped), run=run.name, circuits=listed(c.name for c in fitted))
    _summarise(run, trace)
    return trace


def _whole(circuits: list[Circuit], traces: list[xr.Dataset], earlier: list[xr.Dataset | None]) -> xr.Dataset:
    """The traces as one, with what each circuit says of its whole curve and of each variable."""
    traces = [
        trace if dropped is None else with_readings(trace, dropped)
        for trace, dropped in zip(traces, earlier, strict=True)
    ]
    whole = xr.merge(traces, combine_attrs="drop_conflicts", compat="no_conflicts", join="outer")
    for circuit, trace in zip(circuits, traces, strict=True):
        whole.attrs.update(circuit.summarise(trace))
        for name in trace.data_vars:
            if description := circuit.descriptions.get(str(name)):
                whole[name].attrs["description"] = description
    return whole


def _summarise(run: Run, trace: xr.Dataset) -> None:
    """Keep what a table of runs says of the last checkpoint beside the run, where that is a directory of ours."""
    if run.path is None or not is_run(run.path):
        return
    before = Summary.read(run.path)
    now = before.of(run.final.step).with_trace(trace)
    if now != before.of(run.final.step):
        with suppress(StorageError):  # of a run that may only be read nothing is kept
            now.write(run.path)


def _why_unread(circuit: Circuit, final: Snapshot) -> str | None:
    """Why a circuit cannot read a model that does not say what it has: found out by reading; None of all others."""
    if final.config.is_described:
        return None
    try:
        circuit.fit(final).read(final)
    except BadRequest as reason:
        return str(reason)
    return None


def snapshot_of(run: Run, step: int) -> Snapshot:
    """The checkpoint at `step` of a run, ready to be evaluated on its task."""
    checkpoint = run[step]
    return Snapshot(step, checkpoint.config, run.task, checkpoint.parameters)


@dataclass
class Readouts:
    """What one fitted circuit says of a run: as the cache kept it, and as it is read now, by step."""

    circuit: Circuit
    kept: xr.Dataset | None
    fresh: dict[int, xr.Dataset] = field(default_factory=dict)

    @cached_property
    def known(self) -> frozenset[int]:
        """The steps that need not be read."""
        return frozenset() if self.kept is None else frozenset(self.kept.step.values.tolist())

    def trace(self) -> xr.Dataset | None:
        """Both together. Raises `ValueError` where what is kept is not what the circuit gives."""
        if self.kept is None or not self.fresh:
            return join(self.fresh) if self.fresh else self.kept
        is_text = lambda variable: variable.dtype.kind in "UO"
        for name, variable in next(iter(self.fresh.values())).data_vars.items():
            if name in self.kept and is_text(self.kept[name]) != is_text(variable):
                raise ValueError(f"{name} was kept as something else")
        return join({**by_step(self.kept), **self.fresh})


@dataclass(frozen=True, eq=False)
class Reader:
    """Fitted circuits, to be read off some steps of a run; `final` is its last checkpoint, evaluated already."""

    run: Run
    circuits: list[Circuit]
    steps: list[int]
    requested: frozenset[str]
    cache: TraceCache | None
    progress: bool
    final: Snapshot

    def traces(self) -> list[xr.Dataset]:
        """Each circuit's trace, of which only what the cache lacks is read."""
        readouts = [Readouts(each, self.cache and self.cache.read(each, self.requested)) for each in self.circuits]
        missing = [step for step in self.steps if any(step not in each.known for each in readouts)]

        def read(step: int) -> list[xr.Dataset | None]:
            snapshot = self.final if step == self.final.step else snapshot_of(self.run, step)
            return [None if step in each.known else each.circuit.read(snapshot, self.requested) for each in readouts]

        unread = [each.circuit.name for each in readouts if not each.known.issuperset(missing)]
        bar = tqdm(
            total=len(missing), desc=reading_in_words(unread), unit="checkpoint", leave=len(missing) > 1,
            disable=not self.progress or not missing,
        )  # fmt: skip
        try:
            with bar, closing(side_by_side(read, missing, READERS)) as rows:
                for step, row in zip(missing, rows, strict=True):
                    for each, new in zip(readouts, row, strict=True):
                        if new is not None:
                            each.fresh[step] = new
                    bar.update()
        finally:
            # Also after Ctrl-C: what has been read need not be read again.
            traces = [each.trace() for each in readouts]
            for each, trace in zip(readouts, traces, strict=True):
                if self.cache is not None and trace is not None and each.fresh:
                    self.cache.write(each.circuit, self.requested, trace)
        return [trace.sel(step=self.steps) for trace in traces if trace is not None]


def reading_in_words(circuits: list[str]) -> str:
    """What a progress bar says is done: `loss, spectrum and 8 more`."""
    names = listed(circuits[:NAMED])
    return f"Reading {names}" + (f" and {more} more" if (more := len(circuits) - NAMED) > 0 else "")


def kept(run: Run, circuit: Circuit) -> dict[int, xr.Dataset]:
    """What a fitted circuit has read of a run before, by step, as the cache of `measure` has it; nothing is read."""
    trace = TraceCache(run, run.steps).read(circuit, frozenset())
    return {} if trace is None else by_step(trace)


def by_step(trace: xr.Dataset) -> dict[int, xr.Dataset]:
    """A trace taken apart into the readouts of its steps; `join` is the inverse."""
    return {int(step): trace.sel(step=step, drop=True) for step in trace.step.values}


def join(readouts: dict[int, xr.Dataset]) -> xr.Dataset:
    """Readouts of several steps as one dataset that leads with `step`; NaN where one lacks a variable."""
    steps = sorted(readouts)
    # As plain variables: a DataArray for each of a hundred, at every step, takes as long as some circuits.
    data_of = {step: {str(name): readouts[step].variables[name] for name in readouts[step].data_vars} for step in steps}
    template = {name: variable for step in steps for name, variable in data_of[step].items()}
    data = {}
    for name, variable in template.items():
        parts = [data_of[step][name].values if name in data_of[step] else None for step in steps]
        if any(part is None for part in parts):
            blank = np.full(variable.shape, "" if variable.dtype.kind in "UO" else np.nan)
            parts = [blank if part is None else part for part in parts]
        data[name] = xr.Variable(("step", *variable.dims), np.stack(parts), variable.attrs)
    coords = {str(dim): readouts[step].variables[dim] for step in steps for dim in readouts[step].coords}
    return xr.Dataset(data, {"step": steps, **coords})


def scalars(trace: xr.Dataset) -> dict[str, Any]:
    """The last step's scalars and texts by name, with the trace's attributes: what `measure --json` prints."""
    last = trace.isel(step=-1)
    values = {str(name): value.item() for name, value in last.data_vars.items() if value.ndim == 0}
    return {"step": int(last.step), **values, **trace.attrs}
