"""Engine: what a sweep asks of whatever trains its runs, and how one is chosen."""

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Protocol, TypeAlias, runtime_checkable

from grokinterp.config.validation import check_workers, shown
from grokinterp.errors import ConfigError, did_you_mean, listed
from grokinterp.sweeps import engines
from grokinterp.sweeps.work import Job, Outcome, do, write_log

Options: TypeAlias = Mapping[str, Any] | Iterable[str]
"""What an engine is asked for: by name, or as KEY=VALUE words."""


@runtime_checkable
class Engine(Protocol):
    """A context manager that starts jobs and tells which have ended. How far a run is, its directory says.

    Left after an error or Ctrl-C, it ends what runs so that it can go on.
    """

    def start(self, jobs: Sequence[Job]) -> None:
        """Have every job done (`sweeps.work.do`), in any order, and return at once."""
        ...

    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """The jobs that ended since this was last asked, and how; waits for one, `seconds` at most."""
        ...

    def __enter__(self) -> "Engine": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class FuturesEngine:
    """An engine whose jobs are futures, as `submit` gives them."""

    def __init__(self, submit: Callable[..., "Future[Any]"]):
        self._submit = submit
        self._jobs: dict[Future[Any], Job] = {}

    def start(self, jobs: Sequence[Job]) -> None:
        """Submit every job."""
        self._jobs.update({self._submit(do, job): job for job in jobs})

    def ended(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """The jobs whose futures are done."""
        done = wait(self._jobs, timeout=seconds, return_when=FIRST_COMPLETED).done
        return [(job := self._jobs.pop(future), self._outcome(job, future)) for future in done]

    def _outcome(self, job: Job, future: "Future[Any]") -> Outcome:
        try:
            return future.result()
        except Exception as error:  # the engine lost it, in its own words
            line, details = self._reason(error)
            write_log(job, line, details)
            return Outcome("failed", line)

    def _reason(self, error: Exception) -> tuple[str, str]:
        """Why a job was lost: in a line, and all that is known."""
        return f"its worker ended ({type(error).__name__}: {error})", traceback.format_exc()

    def __enter__(self) -> "FuturesEngine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for future in self._jobs:
            if not future.running():  # else its worker is asked to stop; cancelled, pebble would kill it
                future.cancel()


def opener(
    engine: str, executor: Executor | None, directory: Path, workers: int | None, options: Options
) -> Callable[[int], Engine]:
    """What starts an engine for so many jobs. Raises `ConfigError` for what the engine cannot do."""
    workers = check_workers(workers)
    if not isinstance(options, Mapping | list | tuple) or isinstance(options, str):
        raise ConfigError(f"slurm={shown(options)} must be options by name, as in slurm={{'time': 60}}")
    if executor is not None:
        if not hasattr(executor, "submit"):
            raise ConfigError(f"executor={shown(executor)} submits nothing; give one of concurrent.futures")
        if workers is not None:
            raise ConfigError("an executor has its own workers; leave workers out")
        if options:
            raise ConfigError(f"an executor asks nothing of Slurm; leave {listed(options)} out, or the executor")
        from grokinterp.sweeps.engines._executor import ExecutorEngine

        return lambda jobs: ExecutorEngine(executor)
    module = engine_named(engine)
    module.check(directory, workers, options)
    return lambda jobs: module.opened(directory, workers, jobs, options)


def engine_named(engine: str) -> ModuleType:
    """The module of an engine."""
    known = engines.names()
    if engine not in known:
        raise ConfigError(f"no engine {engine!r}.{did_you_mean(engine, known)} The engines: {listed(known)}")
    return import_module(f"{engines.__name__}.{engine}")
