"""Together: runs of a sweep that differ in their seed only, trained in one process by an ensemble."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from grokinterp.errors import BadRequest, ConfigError
from grokinterp.sweeps.points import Point, describe
from grokinterp.sweeps.spec import plan_arguments
from grokinterp.sweeps.work import Job, Outcome, do, failure, write_pace

MOST_MEMBERS = 8
"""How many runs are trained at once; more have not been faster."""


def check(points: Sequence[Point], engine: str, executor: Executor | None) -> None:
    """Raise `ConfigError` for what no ensemble can train, naming the point, before anything is trained."""
    from grokinterp.training.ensemble import why_alone
    from grokinterp.training.planning import configure

    remedy = "leave ensemble out"
    if engine != "local" or executor is not None:
        raise ConfigError(f"ensemble = true trains in processes of this machine, not by another engine; {remedy}")
    shapes: dict[str, list[Point]] = {}
    for point in points:
        shapes.setdefault(_all_but_seed(point.fields), []).append(point)
    for first, *_ in shapes.values():
        reason = "it has loggers" if first.fields.get("loggers") else None
        if reason := reason or why_alone(*configure(**plan_arguments(first.fields))):
            raise ConfigError(f"no ensemble can train the run at {describe(first.varied)}: {reason}; {remedy}")
    if all(len(shape) == 1 for shape in shapes.values()):
        raise ConfigError(
            f"ensemble = true trains runs together that differ in their seed only, and no two do; vary the seed, as in "
            f'seed = "0..9", or {remedy}'
        )


def grouped(jobs: Sequence[tuple[Point, Job]], workers: int) -> Iterator[tuple[list[Job], str]]:
    """The jobs again, told which of them are trained together where that is faster, and a line that says so.

    Groups are as large as leaves each worker one, `MOST_MEMBERS` at most. What decides is a few steps of each shape.
    """
    from grokinterp.training.planning import plan
    from grokinterp.training.timing import Comparison, compare, shape_of

    shapes: dict[str, list[tuple[Point, Job]]] = {}
    for point, job in jobs:
        shapes.setdefault(job.directory if job.is_trained else _all_but_seed(job.fields), []).append((point, job))
    size = min(MOST_MEMBERS, math.ceil(len(jobs) / workers))
    compared: dict[tuple[str, int], Comparison] = {}
    for shape in shapes.values():
        groups = math.ceil(len(shape) / size)
        members, first = math.ceil(len(shape) / groups), shape[0][0]
        if members == 1:
            yield [job for _, job in shape], ""
            continue
        key = shape_of(first.config), members
        if key not in compared:
            compared[key] = compare(*plan(**plan_arguments(first.fields)), members)
        pace = compared[key]
        told = [
            replace(job, pace=asdict(pace), group=f"{first.name}/{i % groups}" if pace.is_faster else None)
            for i, (_, job) in enumerate(shape)
        ]
        varied = {name: value for name, value in first.varied.items() if name != "seed"}
        yield told, f"{describe(varied)}: {pace.text()}" if varied else pace.text()


def do_together(jobs: Sequence[Job]) -> list[Outcome]:
    """`do` each of a group's jobs, those at one step and with as many training rows in an ensemble."""
    outcomes: dict[str, Outcome] = {}
    for members in _ensembles(jobs):
        try:
            outcomes |= _trained(members)
        except KeyboardInterrupt:
            return [outcomes.get(job.directory, Outcome("stopped")) for job in jobs]
    return [outcomes.get(job.directory) or do(job) for job in jobs]


def _trained(members: Mapping[Path, tuple[Job, Any]]) -> dict[str, Outcome]:
    """Train an ensemble to its end; the outcomes of those that failed. The others are left to be read."""
    from grokinterp.runs.writer import resumable_step
    from grokinterp.training.ensemble import train_together

    failed: dict[str, Outcome] = {}
    begun, started = {path: resumable_step(path) for path in members}, time.monotonic()
    going = dict(members)
    try:
        for path, error in train_together([member for _, member in members.values()]):
            job, _ = going.pop(path)
            write_pace(job, begun[path], time.monotonic() - started, len(members))
            if error is not None:
                failed[job.directory] = failure(job, error)
    except Exception as error:  # of the step that all of them make: none of those left can go on with it
        failed |= {job.directory: failure(job, error) for job, _ in going.values()}
    finally:
        for path, (job, _) in going.items():
            write_pace(job, begun[path], time.monotonic() - started, len(members))
    return failed


def _ensembles(jobs: Sequence[Job]) -> list[dict[Path, tuple[Job, Any]]]:
    """The jobs that can be trained together, with what their trainings need, by the directories of their runs."""
    from grokinterp.runs.writer import resumable_step
    from grokinterp.training.ensemble import Member
    from grokinterp.training.planning import plan

    sets: dict[tuple[int, int], dict[Path, tuple[Job, Any]]] = {}
    for job in jobs:
        if job.is_trained:
            continue
        path = Path(job.directory)
        try:
            config, task = plan(**plan_arguments(job.fields))
        except BadRequest:  # of its split, which only its own seed can tell; `do` says it
            continue
        at = (resumable_step(path), int(task.is_train.sum()) if task.is_train is not None else 0)
        sets.setdefault(at, {})[path] = job, Member(config, task, path)
    return [members for members in sets.values() if len(members) > 1]


def _all_but_seed(fields: Mapping[str, Any]) -> str:
    return repr(sorted((name, value) for name, value in fields.items() if name != "seed"))
