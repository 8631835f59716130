"""Source: a run on the command line, and what a third-party file of weights does not tell of itself."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from grokinterp.cli.arguments import parameter
from grokinterp.config.stated import Stated

if TYPE_CHECKING:
    from grokinterp.runs.population.collection import Runs
    from grokinterp.runs.run import Run


@dataclass(frozen=True)
class Source:
    """What to read."""

    path: Annotated[Path, tyro.conf.Positional]  # a run directory, a packed run, or a third-party file
    format: str = "auto"  # how to read the file; recognised by its content where left out
    task: str | None = None  # formula or name of the task, where the file does not tell it
    p: int | None = None  # modulus of --task
    layout: str | None = None  # tokens of a row of --task, as in 'a b ='
    set: tuple[str, ...] = ()  # further parameters of --task, as in length=85
    stated: Annotated[Stated, tyro.conf.arg(name="")] = field(default_factory=Stated)


def read(source: Source) -> "Run | Runs":
    """Open it. Raises `BadRequest` for what cannot be read, or a --p, --layout or --set without a --task."""
    from grokinterp.errors import BadRequest
    from grokinterp.evaluation.lean_xarray import leave_out_dask

    leave_out_dask()
    from grokinterp.importers import load
    from grokinterp.tasks import Task

    parameters = {"p": source.p, "layout": source.layout}
    given: dict[str, Any] = {name: value for name, value in parameters.items() if value is not None}
    if source.task is None and (given or source.set):
        which = next(iter(given), "set")
        raise BadRequest(f"--{which} says more about a task; name it with --task, as in --task 'a + b'")
    if not source.set or source.task is None:
        return load(source.path, format=source.format, task=source.task, **given, **source.stated.fields)
    for name, value in map(parameter, source.set):
        if name in given:
            raise BadRequest(f"{name} is given twice, as {given[name]} and as {value}; leave one out")
        given[name] = value
    return load(source.path, format=source.format, task=Task(source.task, **given), **source.stated.fields)


def read_one(source: Source) -> "Run":
    """Open it, where several runs would be too many."""
    from grokinterp.errors import BadRequest, listed
    from grokinterp.runs.population.collection import Runs

    opened = read(source)
    if isinstance(opened, Runs):
        raise BadRequest(f"{source.path} holds {len(opened)} runs; name one of them: {listed(opened)}")
    return opened
