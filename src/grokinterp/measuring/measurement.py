"""measure: circuits read off the checkpoints of a run, or of many runs, as named arrays."""

from collections.abc import Iterable
from typing import SupportsIndex

import xarray as xr
from torch import nn

from grokinterp.config.validation import check_workers, checks_switches, plain, shown
from grokinterp.errors import BadRequest
from grokinterp.evaluation.processor import processor_settings
from grokinterp.importers import Given, opened_with
from grokinterp.measuring.choosing import choose, listed_names
from grokinterp.measuring.reading import Chosen, read_run
from grokinterp.readout import Circuit
from grokinterp.runs.population.collection import Runs
from grokinterp.tasks import Task

FINAL = "final"
"""What `steps` may be instead of steps: each run's last checkpoint."""


@checks_switches
def measure(
    run: Given | nn.Module,
    task: Task | Chosen = None,
    circuits: Chosen = None,
    *,
    steps: SupportsIndex | Iterable[SupportsIndex] | str | None = None,
    on_request: Iterable[str] | str = (),
    cache: bool = True,
    progress: bool = True,
    workers: int | None = None,
) -> xr.Dataset:
    """Read circuits off checkpoints: a Trace, an `xarray.Dataset` whose variables lead with `step`.

    `run` may be a path, which is loaded, or a model in memory, `measure(model, task)`, as it is now, at step 0. Of a
    run, which has its own task, the circuits may stand second. `circuits` are names, or circuits by value; all that
    apply where left out. `steps` are the checkpoints to read, one or several, "final" for the last; all where left out.
    `on_request` names circuits and variables that are not computed by default. Each checkpoint is evaluated once for
    all circuits, as many checkpoints at a time as there are cores (READERS at most). What has been read before is taken
    from a cache: in the run's directory, or the user's cache directory for a third-party file; `cache=False` reads
    everything anew. Of a run of a sweep that keeps its last weights alone, the trace of all steps has what was read of
    the others before they were dropped. What is said of the last checkpoint stays in `summary.json` of a run's
    directory, for tables of runs.

    Of several runs, `gi.load("runs/rates")` or a list, the variables lead with `run`, and then with `step` where steps
    are listed; the final checkpoint is read where they are left out. Coordinates over `run` tell what varies, `step`
    which checkpoint is each run's final one. What a run lacks is NaN, and said: by `not_read` and `not_applying`, over
    `run` and counted in attributes. `workers` processes read runs side by side, each with one core; circuits of a
    notebook or a file, and runs of third-party files, are read in this process.

    The attribute `skipped` says, as JSON, which circuits do not apply to a run and why. Raises `BadRequest` for an
    unknown circuit, variable or step, a run without checkpoints or task, or runs of which none can be read.
    """
    if not isinstance(task, Task):
        if task is not None and circuits is not None:
            raise BadRequest(f"task={shown(task)} must be a gi.Task, as in gi.measure(model, gi.Task('a + b', p=113))")
        task, circuits = None, circuits if task is None else task
    workers = check_workers(workers)
    given = opened_with(run, task)
    requested = frozenset(listed_names(on_request, "on_request"))
    if isinstance(given, Runs) and len(given) == 1 and not isinstance(run, Runs):
        given = next(iter(given.values()))
    if isinstance(given, Runs):
        from grokinterp.measuring.population import Wanted, measure_runs  # an engine is imported where it is used

        choose(circuits, requested)  # a name that no circuit bears is refused before any run is read
        named = [circuits] if isinstance(circuits, Circuit) else circuits
        chosen = None if named is None else tuple(listed_names(named, "circuits"))
        return measure_runs(given, Wanted(chosen, requested, _steps_of_all(steps), cache), workers, progress)
    asked = given.final.step if isinstance(steps, str) and steps == FINAL else steps
    if isinstance(asked, str):
        raise BadRequest(f"steps={shown(asked)} must be {FINAL!r} or steps, as in steps=[0, 100]")
    with processor_settings():
        return read_run(given, circuits, asked, requested, cache, progress)


def _steps_of_all(steps: SupportsIndex | Iterable[SupportsIndex] | str | None) -> tuple[int, ...] | None:
    """The steps that are asked of every run; None for each one's final checkpoint."""
    asked = plain(steps)
    if asked is None or asked == FINAL:
        return None
    several = asked if isinstance(asked, list | tuple | range) else [asked]
    if not several or not all(isinstance(step, int) and not isinstance(step, bool) and step >= 0 for step in several):
        raise BadRequest(
            f"steps={shown(steps)} of several runs must be {FINAL!r} or steps from 0, as in steps=[0, 100]"
        )
    return tuple(dict.fromkeys(several))
