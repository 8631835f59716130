"""Work: what the page of many runs needs done first: last checkpoints measured, and the pages of each written."""

import sys
import time
from pathlib import Path
from types import TracebackType

from grokinterp.circuits import registered
from grokinterp.errors import BadRequest, counted, duration
from grokinterp.measuring import measure
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.population.table import summary_of
from grokinterp.runs.run import Run

CIRCUITS = ("loss", "progress", "clock_pizza", "geometry")
"""What the page shows of a last checkpoint, as far as there is such a circuit."""


SECONDS_OF_A_PAGE, BYTES_OF_A_PAGE = 3.0, 6e6
"""Of a single run's page without its reading: drawing it, and its size, most of which is Plotly's code."""


def measure_what_is_missing(runs: Runs, progress: bool) -> dict[str, str]:
    """Measure the last checkpoint of each run that was not measured, or not since; why some could not be, by name.

    What was measured stays beside each run: the next page asks for nothing.
    """
    wanted = [name for name in CIRCUITS if name in registered()]
    missing = Runs({name: run for name, run in runs.items() if _is_missing(run, wanted)})
    if not missing:
        return {}
    try:
        whole = measure(missing, circuits=wanted, steps="final", progress=progress)
    except BadRequest as refusal:
        return dict.fromkeys(missing, str(refusal))
    return {name: reason for name, reason in zip(missing, whole.not_read.values.tolist(), strict=True) if reason}


def _is_missing(run: Run, circuits: list[str]) -> bool:
    """Whether something would be read that is not known; a file of other code keeps nothing, and is not measured."""
    if run.path is None or not run.path.is_dir() or not (run.has_config and run.has_task and run.steps):
        return False
    return not set(circuits) <= set(summary_of(run).asked)


class Pages:
    """The pages of single runs as they are written. Before the first it says how long and large all will be at most."""

    def __init__(self, runs: Runs, directory: Path, shown: bool):
        self._runs, self._directory, self._shown = len(runs), directory, shown
        if shown and len(runs) > 1:
            self._estimate(runs)
        self.count, self._began = 0, time.monotonic()

    def _estimate(self, runs: Runs) -> None:
        """From one checkpoint that is read now; of several at once, and of those in the cache, reading is quicker."""
        start = time.monotonic()
        try:
            measure(next(iter(runs.values())), steps="final", cache=False, progress=False)
        except BadRequest:
            return  # that run is named with its reason where its page would stand
        checkpoints = sum(len(run.steps) for run in runs.values())
        self._say("at most ", (time.monotonic() - start) * checkpoints + SECONDS_OF_A_PAGE * len(runs), BYTES_OF_A_PAGE)

    def _say(self, before: str, seconds: float, size: float) -> None:
        pages, all_sizes = counted(self._runs, "page"), size * self._runs / 1e6
        print(f"{pages} in {self._directory}: {before}about {duration(seconds)}, {all_sizes:,.0f} MB", file=sys.stderr)

    def add(self, page: Path) -> None:
        """Count a page that was written."""
        self.count += 1
        if self.count == 1 and self._shown and self._runs > 1:
            self._say("after the first ", (time.monotonic() - self._began) * (self._runs - 1), page.stat().st_size)

    def __enter__(self) -> "Pages":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._shown and self.count > 1:
            print(f"{counted(self.count, 'page')} written", file=sys.stderr)
