"""Local engine: processes on this machine, each with one thread."""

from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path
from types import TracebackType

from grokinterp.errors import ConfigError, listed
from grokinterp.evaluation.processes import Processes, available_cores
from grokinterp.sweeps.engines._base import FuturesEngine, Options
from grokinterp.sweeps.together import do_together
from grokinterp.sweeps.work import Job, Outcome


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
        self._groups: list[Future[list[Outcome]]] = []
        super().__init__(self._pool.submit)

    def start(self, jobs: Sequence[Job]) -> None:
        """Submit every job, those of a group to one process."""
        groups: dict[str, list[Job]] = {}
        for job in jobs:
            if job.group is not None:
                groups.setdefault(job.group, []).append(job)
        for group in groups.values():
            whole = self._pool.submit(do_together, group)
            self._groups.append(whole)
            self._jobs.update(zip(_parts(whole, len(group)), group, strict=True))
        super().start([job for job in jobs if job.group is None])

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
        for whole in self._groups:
            if not whole.running():
                whole.cancel()
        self._pool.__exit__(kind, error, trace)


def _parts(whole: "Future[list[Outcome]]", n: int) -> list["Future[Outcome]"]:
    """A future for each of the `n` outcomes of a group; what ends the group ends all of them."""
    parts: list[Future[Outcome]] = [Future() for _ in range(n)]
    for part in parts:
        part.set_running_or_notify_cancel()  # they end with the group, and cannot be cancelled one by one

    def pass_on(ended: "Future[list[Outcome]]") -> None:
        error = CancelledError() if ended.cancelled() else ended.exception()
        for i, part in enumerate(parts):
            part.set_exception(error) if error is not None else part.set_result(ended.result()[i])

    whole.add_done_callback(pass_on)
    return parts
