"""Reading many runs: circuits x runs -> one dataset that leads with `run`, side by side on the engine of sweeps."""

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import xarray as xr
from tqdm.auto import tqdm

from grokinterp.errors import BadRequest
from grokinterp.evaluation.processes import Processes, available_cores, can_be_copied
from grokinterp.evaluation.processor import processor_settings
from grokinterp.measuring.reading import read_run
from grokinterp.measuring.readings import readings_of
from grokinterp.measuring.stacking import Reading, stack
from grokinterp.readout import Circuit
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.run import Run

FEW = 12
"""Runs a worker at least, where the number of workers is left open: ten are read while a process begins and imports."""

FEW_COPIED = 3
"""The same where a process begins as a copy of this one, within the time of half a run."""

CHUNK = 8
"""Runs that are handed to a worker at once at most."""


@dataclass(frozen=True)
class Wanted:
    """What is read off every run: these circuits, the variables on request, and the steps, None for the final one."""

    circuits: tuple[str | Circuit, ...] | None
    requested: frozenset[str]
    steps: tuple[int, ...] | None
    cache: bool


def measure_runs(runs: Runs, wanted: Wanted, workers: int | None, progress: bool) -> xr.Dataset:
    """The readings of every run as `stack` joins them. Raises `BadRequest` where no run can be read."""
    if not runs:
        raise BadRequest("there is no run to measure; runs.table shows which there are")
    with tqdm(total=len(runs), unit="run", disable=not progress) as bar:
        readings: dict[str, Reading] = {}
        for name, reading in _read_all(runs, wanted, workers):
            readings[name] = reading
            bar.update()
    in_order = {name: readings[name] for name in runs}
    if all(reading.trace is None for reading in in_order.values()):
        name, reading = next(iter(in_order.items()))
        raise BadRequest(f"none of the {len(runs)} runs could be measured; {name}: {reading.reason}")
    return stack(runs, in_order, final=wanted.steps is None)


def _read_all(runs: Runs, wanted: Wanted, workers: int | None) -> Iterator[tuple[str, Reading]]:
    """Every run's reading as it comes, by as many workers as are wanted, this process among them."""
    elsewhere = {name: run.reopen for name, run in runs.items() if run.reopen is not None} if _travels(wanted) else {}
    few = FEW_COPIED if can_be_copied() else FEW
    n = min(workers or min(available_cores(), math.ceil(len(elsewhere) / few)), len(elsewhere))
    # One core here too: the same numbers whatever the number of workers.
    with processor_settings(threads=None if workers is None and n <= 1 else 1):
        if n > 1:
            with Processes(n - 1, copied=True) as pool:
                yield from _shared(runs, elsewhere, wanted, pool)
        for name, run in runs.items():
            if n <= 1 or name not in elsewhere:
                yield name, _read(lambda run=run: run, wanted)


def _shared(
    runs: Runs, elsewhere: Mapping[str, Callable[[], Run]], wanted: Wanted, pool: Processes
) -> Iterator[tuple[str, Reading]]:
    """The readings of runs that the workers take from one end of the queue, and this process from the other.

    So this one reads while the others begin, which takes them seconds where they import what they need.
    """
    left = deque(elsewhere)
    ended: SimpleQueue[tuple[Future[Any], list[str]]] = SimpleQueue()
    submitted, collected = 0, 0
    lock = threading.Lock()

    def feed() -> None:
        nonlocal submitted
        with lock:
            # Smaller and smaller, so that all end together.
            size = min(CHUNK, math.ceil(len(left) / (pool.workers + 1) / 4))
            chunk = [left.popleft() for _ in range(size)]
            submitted += bool(chunk)
        if chunk:
            future = pool.submit(_read_in_worker, {name: elsewhere[name] for name in chunk}, wanted)
            future.add_done_callback(lambda future: (feed(), ended.put((future, chunk))))

    def take() -> str | None:
        with lock:
            return left.pop() if left else None

    try:
        for _ in range(pool.workers):
            feed()
        while (name := take()) is not None:
            yield name, _read(lambda name=name: runs[name], wanted)
            while not ended.empty():
                collected += 1
                yield from _outcome(*ended.get())
        while collected < submitted:  # a chunk is counted before the one before it is put there
            collected += 1
            yield from _outcome(*ended.get())
    finally:
        left.clear()


def _travels(wanted: Wanted) -> bool:
    """Whether another process knows these circuits: those by name, and those of the package; not a notebook's own."""
    own = [type(each).__module__ for each in wanted.circuits or () if not isinstance(each, str)]
    return all(module.partition(".")[0] == "grokinterp" for module in own)


def _outcome(future: "Future[dict[str, Reading]]", names: Iterable[str]) -> Iterator[tuple[str, Reading]]:
    from pebble import ProcessExpired

    try:
        yield from future.result().items()
    except ProcessExpired as death:
        for name in names:
            yield name, Reading(None, f"the process that read it ended ({death}); measure it again")


def _read_in_worker(opens: dict[str, Callable[[], Run]], wanted: Wanted) -> dict[str, Reading]:
    """What a worker does: read a few runs, with one core."""
    with processor_settings(threads=1):
        return {name: _read(reopen, wanted) for name, reopen in opens.items()}


def _read(reopen: Callable[[], Run], wanted: Wanted) -> Reading:
    """The trace of one run, or why there is none."""
    circuits = None if wanted.circuits is None else list(wanted.circuits)
    try:
        run = reopen()
        steps = _steps(run, wanted)
        trace = read_run(run, circuits, steps, wanted.requested, wanted.cache, progress=False)
    except BadRequest as refusal:
        return Reading(None, str(refusal))
    if wanted.steps is None:
        return Reading(trace)
    there = [step for step in wanted.steps if step in trace.step.values]
    absent = [step for step in wanted.steps if step not in there]
    reason = f"it has no checkpoint at {_listed_steps(absent)}" if absent else ""
    return Reading(trace.sel(step=there) if there else None, reason)


def _steps(run: Run, wanted: Wanted) -> list[int] | None:
    """Those of the wanted steps that the run has; None, for all, where some may be read of weights that are gone."""
    if wanted.steps is None:
        return [run.final.step]
    steps = [step for step in wanted.steps if step in run]
    if len(steps) < len(wanted.steps) and readings_of(run) is not None:
        return None
    if not steps:
        raise BadRequest(f"it has no checkpoint at {_listed_steps(wanted.steps)}")
    return steps


def _listed_steps(steps: Sequence[int]) -> str:
    return f"step{'s' if len(steps) > 1 else ''} {', '.join(map(str, steps))}"
