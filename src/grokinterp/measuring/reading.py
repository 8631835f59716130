"""Measuring: circuits x checkpoints -> trace, cached."""

import hashlib
import io
import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import xarray as xr
from tqdm.auto import tqdm

from grokinterp import circuits as shipped
from grokinterp.errors import BadRequest, did_you_mean, listed
from grokinterp.evaluation.processor import processor_settings, side_by_side
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit
from grokinterp.runs.files import make_directory, write_atomic
from grokinterp.runs.run import Run

READERS = 8
"""Checkpoints read at once at most: each holds its activations on the whole table (0.15 GB for p = 113)."""


def measure(
    run: Run,
    circuits: Iterable[str | Circuit] | None = None,
    *,
    steps: Sequence[int] | None = None,
    on_request: Iterable[str] = (),
    cache: bool = True,
    progress: bool = True,
) -> xr.Dataset:
    """Read circuits off checkpoints: a Trace, an `xarray.Dataset` whose variables lead with `step`.

    `circuits` are names, or circuits by value; all that apply where left out. `steps` are the checkpoints to read, all
    where left out. `on_request` names circuits and variables that are not computed by default. Each checkpoint is
    evaluated once for all circuits, as many checkpoints at a time as there are cores (READERS at most). What has been
    read before is taken from a cache: in the run's directory, or the user's cache directory for a third-party file;
    `cache=False` reads everything anew.

    The attribute `skipped` says, as JSON, which circuits do not apply and why. Raises `BadRequest` for an unknown
    circuit, variable or step, or a run without checkpoints or task.
    """
    with processor_settings():
        return _measure(run, circuits, steps, frozenset(on_request), cache, progress)


def _measure(
    run: Run,
    circuits: Iterable[str | Circuit] | None,
    steps: Sequence[int] | None,
    requested: frozenset[str],
    cache: bool,
    progress: bool,
) -> xr.Dataset:
    final = snapshot_of(run, run.final.step)
    chosen = choose(circuits, requested)
    skipped = {circuit.name: reason for circuit in chosen if (reason := circuit.why_not(final))}
    fitted = [circuit.fit(final) for circuit in chosen if circuit.name not in skipped]
    wanted = list(run.steps if steps is None else (run[step].step for step in steps))
    traces = _read(run, fitted, wanted, requested, cache, progress, final)
    whole = xr.merge(traces, combine_attrs="drop_conflicts", compat="no_conflicts", join="outer")
    for circuit, trace in zip(fitted, traces, strict=True):
        whole.attrs.update(circuit.summarise(trace))
    return whole.assign_attrs(skipped=json.dumps(skipped), run=run.name, circuits=listed(c.name for c in fitted))


def choose(circuits: Iterable[str | Circuit] | None, requested: frozenset[str]) -> list[Circuit]:
    """The circuits to read: those given, or all shipped and installed ones but for those that wait to be asked for.

    Raises `BadRequest` for a name that no circuit bears, or a request that no chosen circuit knows.
    """
    known = shipped.registered()
    if circuits is None:
        chosen = [circuit for name, circuit in known.items() if not circuit.only_on_request or name in requested]
    else:
        chosen = [circuit if isinstance(circuit, Circuit) else _named(circuit, known) for circuit in circuits]
        chosen += [known[name] for name in requested if name in known and known[name] not in chosen]
    possible = {name for circuit in chosen for name in (circuit.name, *circuit.on_request)}
    unknown = sorted(requested - possible)
    if unknown:
        there_are = {variable for circuit in chosen for variable in circuit.on_request}
        there_are |= {name for name, circuit in known.items() if circuit.only_on_request}
        raise BadRequest(
            f"nothing named {unknown[0]!r} can be requested.{did_you_mean(unknown[0], there_are)} "
            f"There are: {listed(sorted(there_are))}"
        )
    return chosen


def default_names(on_request: Iterable[str] = ()) -> list[str]:
    """The circuits that `measure` reads where none are named."""
    return [circuit.name for circuit in choose(None, frozenset(on_request))]


def _named(name: str, known: dict[str, Circuit]) -> Circuit:
    if name not in known:
        raise BadRequest(f"no circuit {name!r}.{did_you_mean(name, known)} The circuits: {listed(known)}")
    return known[name]


def snapshot_of(run: Run, step: int) -> Snapshot:
    """The checkpoint at `step` of a run, ready to be evaluated on its task."""
    checkpoint = run[step]
    return Snapshot(step, checkpoint.config, run.task, checkpoint.parameters)


def _read(
    run: Run,
    circuits: list[Circuit],
    steps: list[int],
    requested: frozenset[str],
    cache: bool,
    progress: bool,
    final: Snapshot,
) -> list[xr.Dataset]:
    files = [_cache_file(run, circuit, requested) if cache else None for circuit in circuits]
    kept = [_open(file) for file in files]
    missing = [step for step in steps if any(step not in readouts for readouts in kept)]
    known = [set(readouts) for readouts in kept]

    def read(step: int) -> list[xr.Dataset | None]:
        snapshot = final if step == final.step else snapshot_of(run, step)
        return [
            None if step in already else circuit.read(snapshot, requested)
            for circuit, already in zip(circuits, known, strict=True)
        ]

    bar = tqdm(total=len(missing), unit="checkpoint", disable=not progress or not missing)
    try:
        with bar, closing(side_by_side(read, missing, READERS)) as found:
            for step, fresh in zip(missing, found, strict=True):
                for readouts, new in zip(kept, fresh, strict=True):
                    if new is not None:
                        readouts[step] = new
                bar.update()
    finally:
        # Also after Ctrl-C: what has been read need not be read again.
        for file, readouts, already in zip(files, kept, known, strict=True):
            if file is not None and len(readouts) > len(already):
                _keep(file, join(readouts))
    return [join({step: readouts[step] for step in steps}) for readouts in kept]


def kept(run: Run, circuit: Circuit) -> dict[int, xr.Dataset]:
    """What a fitted circuit has read of a run before, by step, as the cache of `measure` has it; nothing is read."""
    return _open(_cache_file(run, circuit, frozenset()))


def join(readouts: dict[int, xr.Dataset]) -> xr.Dataset:
    """Readouts of several steps as one dataset that leads with `step`; NaN where one lacks a variable."""
    steps = sorted(readouts)
    template: dict[str, xr.Variable] = {}
    for step in steps:
        template.update({str(name): variable.variable for name, variable in readouts[step].data_vars.items()})
    data = {}
    for name, variable in template.items():
        parts = [readouts[step][name].values if name in readouts[step] else None for step in steps]
        if any(part is None for part in parts):
            blank = np.full(variable.shape, "" if variable.dtype.kind in "UO" else np.nan)
            parts = [blank if part is None else part for part in parts]
        data[name] = xr.Variable(("step", *variable.dims), np.stack(parts), variable.attrs)
    coords = {str(dim): values for step in steps for dim, values in readouts[step].coords.items()}
    return xr.Dataset(data, {"step": steps, **coords})


def _cache_file(run: Run, circuit: Circuit, requested: frozenset[str]) -> Path | None:
    """Where this circuit's readings of this run are kept; None for what may change unseen.

    That is a circuit from a notebook, and a run that lies nowhere: its name and configuration do not tell its weights.
    """
    module = sys.modules.get(type(circuit).__module__)
    if run.path is None or module is None or not getattr(module, "__file__", None):
        return None
    # The circuit's own source is part of the key, so that nobody who edits one reads the old numbers.
    source = Path(str(module.__file__)).read_text()
    asked = sorted(requested & {circuit.name, *circuit.on_request})
    key = json.dumps([circuit.name, circuit.version, repr(circuit), source, asked, _fingerprint(run)])
    name = f"{circuit.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.nc"
    if run.path.is_dir():
        return run.path / "traces" / name
    return Path(platformdirs.user_cache_dir("grokinterp")) / "traces" / name


def _fingerprint(run: Run) -> list[str]:
    """What tells this run's numbers from another's: its configuration, and a third-party file's content."""
    content = ""
    if run.path is not None and run.path.is_file():
        with open(run.path, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    return [run.name, run.config.identity if run.has_config else "", content]


def _keep(file: Path, trace: xr.Dataset) -> None:
    make_directory(file.parent)
    buffer = io.BytesIO()
    trace.to_netcdf(buffer, engine="h5netcdf")
    write_atomic(file, buffer.getvalue())


def _open(file: Path | None) -> dict[int, xr.Dataset]:
    if file is None or not file.exists():
        return {}
    with xr.open_dataset(file, engine="h5netcdf") as kept:
        trace = kept.load()
    return {int(step): trace.sel(step=step, drop=True) for step in trace.step.values}


def scalars(trace: xr.Dataset) -> dict[str, Any]:
    """The last step's scalars and texts by name, with the trace's attributes: what `measure --json` prints."""
    last = trace.isel(step=-1)
    values = {str(name): value.item() for name, value in last.data_vars.items() if value.ndim == 0}
    return {"step": int(last.step), **values, **trace.attrs}
