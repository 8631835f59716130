"""Opening: what is given where a run is asked: a run, runs, a path, or a list of these; and how it is opened again."""

import shlex
from os import PathLike, fspath
from typing import Any, TypeAlias

from torch import nn

from grokinterp.config.validation import shown
from grokinterp.errors import BadRequest, listed
from grokinterp.importers._loading import load
from grokinterp.importers.modules import run_in_memory
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.run import Run
from grokinterp.tasks import Task

Given: TypeAlias = Run | Runs | str | PathLike[str] | list[Any] | tuple[Any, ...]
"""What can be given where a run is asked; a list holds any of the others."""


def opened(given: Given) -> Run | Runs:
    """The run, or the runs by name; a path is loaded, a list taken together.

    Raises `BadRequest` for what is none of these, and as `load` does.
    """
    if isinstance(given, Run | Runs):
        return given
    if isinstance(given, str | PathLike):
        return load(fspath(given))
    if not isinstance(given, list | tuple):
        what = "a Checkpoint; give its run, checkpoint.run" if hasattr(given, "parameters") else shown(given)
        raise BadRequest(f"a run, or the path of one, is asked, as in gi.load('runs/add'), not {what}")
    if not given:
        raise BadRequest("the list of runs is empty; give a run, or the path of one, as in ['runs/add']")
    return together([opened(one) for one in given])


def opened_with(given: Given | nn.Module, task: Any = None) -> Run | Runs:
    """As `opened`; a module in memory, with its task, is a run of one checkpoint."""
    if isinstance(given, nn.Module):
        return run_in_memory(given, task)
    if task is not None:
        raise BadRequest("a run has its own task, run.task; a task is given beside a model in memory")
    return opened(given)


def opened_one(given: Given | nn.Module, task: Any = None) -> Run:
    """The run, where several would be too many. Raises `BadRequest` as `opened_with` does."""
    one = opened_with(given, task)
    if isinstance(one, Runs):
        if len(one) == 1:
            return next(iter(one.values()))
        raise BadRequest(f"one run is asked and these are {len(one)}; choose one by its name: {listed(one)}")
    return one


def together(opened: list[Run | Runs]) -> Run | Runs:
    """All runs by name, and one alone as it is; a name that comes again is given a number."""
    if len(opened) == 1:
        return opened[0]
    runs, skipped = {}, {}
    for one in opened:
        for each in one.values() if isinstance(one, Runs) else [one]:
            name, number = each.name, 2
            while name in runs:
                name, number = f"{each.name}-{number}", number + 1
            runs[name] = each
        skipped |= one.skipped if isinstance(one, Runs) else {}
    return Runs(runs, skipped)


def opening_call(run: Run) -> str:
    """The Python that opens the run again as it was opened, with all that was stated: `gi.load('x.pt', ...)`."""
    if run.path is None and run.provenance.formula:
        return run.provenance.formula
    given = [f", {name}={_as_python(value)}" for name, value in run.provenance.opened_with.items()]
    return f"gi.load({str(run.path or run.name)!r}{''.join(given)})"


def opening_words(run: Run) -> str | None:
    """The same in a shell, as it follows a command: `x.pt --task 'a + b' --p 11`; None where no options say it."""
    words = [str(run.path or run.name)]
    for name, value in run.provenance.opened_with.items():
        options = {name: value}
        if isinstance(value, Task):
            options = {"task": value.expression, **value.parameters}
            if not options.keys() <= {"task", "p", "layout"}:
                return None
        for option, each in options.items():
            words += [f"--{option.replace('_', '-')}", str(each)]
    return shlex.join(words)


def _as_python(value: Any) -> str:
    if not isinstance(value, Task):
        return repr(value)
    parameters = "".join(f", {name}={each!r}" for name, each in value.parameters.items())
    return f"gi.Task({value.expression!r}{parameters})"
