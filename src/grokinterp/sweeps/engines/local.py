"""Local engine: processes on this machine, each with one thread."""

from pathlib import Path
from types import TracebackType

from grokinterp.errors import ConfigError, listed
from grokinterp.evaluation.processes import Processes, available_cores
from grokinterp.sweeps.engines._base import FuturesEngine, Options


def check(directory: Path, workers: int | None, options: Options) -> None:
    """Refuse options of another engine."""
    if options:
        raise ConfigError(f"{listed(options)} can only be asked of Slurm; add engine=slurm (--engine slurm)")


def opened(directory: Path, workers: int | None, jobs: int, options: Options) -> "LocalEngine":
    """As many processes as `workers`, one for each core where left out, and no more than there are jobs."""
    del directory
    return LocalEngine(at_once(workers, jobs, options))


def at_once(workers: int | None, jobs: int, options: Options) -> int:
    """How many runs are trained at a time."""
    del options
    return min(workers or available_cores(), jobs)


def script(directory: Path, workers: int | None, jobs: int, options: Options) -> str:
    """Nothing is written for anybody else to run."""
    check(directory, workers, options)
    del jobs
    return ""


class LocalEngine(FuturesEngine):
    """Processes of which a killed one costs the run that it trained, and no other."""

    def __init__(self, workers: int):
        self._pool = Processes(workers)
        super().__init__(self._pool.submit)

    def _reason(self, error: Exception) -> tuple[str, str]:
        code = getattr(error, "exitcode", None)
        if code is None:
            return super()._reason(error)
        line = f"its worker ended ({f'killed by signal {-code}' if code < 0 else f'exit code {code}'})"
        return line, f"The last that it printed:\n{self._pool.last_words(getattr(error, 'pid', None))}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._pool.__exit__(kind, error, trace)
