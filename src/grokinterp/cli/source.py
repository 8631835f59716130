"""Source: a run on the command line, and what a third-party file of weights does not tell of itself."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

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
    stated: Annotated[Stated, tyro.conf.arg(name="")] = field(default_factory=Stated)


def read(source: Source) -> "Run | Runs":
    """Open it. Raises `BadRequest` for what cannot be read, or a --p or --layout without a --task."""
    from grokinterp.errors import BadRequest
    from grokinterp.evaluation.lean_xarray import leave_out_dask

    leave_out_dask()
    from grokinterp.importers import load

    parameters = {"p": source.p, "layout": source.layout}
    given = {name: value for name, value in parameters.items() if value is not None}
    if given and source.task is None:
        raise BadRequest(f"--{next(iter(given))} says more about a task; name it with --task, as in --task 'a + b'")
    return load(source.path, format=source.format, task=source.task, **given, **source.stated.fields)


def read_one(source: Source) -> "Run":
    """Open it, where several runs would be too many."""
    from grokinterp.errors import BadRequest, listed
    from grokinterp.runs.population.collection import Runs

    opened = read(source)
    if isinstance(opened, Runs):
        raise BadRequest(f"{source.path} holds {len(opened)} runs; name one of them: {listed(opened)}")
    return opened
