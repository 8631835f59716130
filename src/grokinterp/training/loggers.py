"""Loggers: libraries that draw the curves of many trainings, told by name, and imported only where they are named."""

import importlib.util
import json
import logging
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from grokinterp.config import RunConfig
from grokinterp.config.validation import shown
from grokinterp.errors import BadRequest, did_you_mean, listed
from grokinterp.runs.files import StorageError, read_whole, write_atomic
from grokinterp.runs.population.wanted import SPEC

PROJECT = "grokinterp"
"""What the runs are kept under where a library asks for a project, and its environment variable names none."""

IDS = "loggers.json"
"""The file of a run directory that says under which id each library knows the run."""

Metrics: TypeAlias = Mapping[str, float]


class Logger(Protocol):
    """What is told each row of metrics. Made with the run's directory, configuration, id, and first step."""

    def __init__(self, path: Path, config: RunConfig, id: str, step: int) -> None: ...

    def log(self, step: int, metrics: Metrics) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Event files in `tensorboard/` of the run's directory; of a resumed run, those after its step are drawn anew."""

    def __init__(self, path: Path, config: RunConfig, id: str, step: int):
        from torch.utils.tensorboard import SummaryWriter

        del config, id
        self.writer = SummaryWriter(str(path / "tensorboard"), purge_step=step + 1 if step else None)

    def log(self, step: int, metrics: Metrics) -> None:
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


class WandB:
    """A run of Weights & Biases: where nobody has logged in and WANDB_MODE says nothing, an offline one."""

    def __init__(self, path: Path, config: RunConfig, id: str, step: int):
        import wandb  # pyright: ignore[reportMissingImports]

        del step
        known = os.environ.get("WANDB_MODE") or wandb.api.api_key
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=path.name,
            group=group(path),
            id=id,
            resume="allow",
            dir=path,
            config=config.to_json(),
            mode=None if known else "offline",
        )

    def log(self, step: int, metrics: Metrics) -> None:
        self.run.log(dict(metrics), step=step)

    def close(self) -> None:
        self.run.finish()


class Trackio:
    """A run of trackio, which keeps them on this machine unless TRACKIO_SPACE_ID names a place."""

    def __init__(self, path: Path, config: RunConfig, id: str, step: int):
        import trackio  # pyright: ignore[reportMissingImports]

        del step
        self.run = trackio.init(
            project=os.environ.get("TRACKIO_PROJECT", PROJECT),
            name=f"{path.name}-{id}",
            group=group(path),
            space_id=os.environ.get("TRACKIO_SPACE_ID"),
            resume="allow",
            config=config.to_json(),
        )

    def log(self, step: int, metrics: Metrics) -> None:
        self.run.log(dict(metrics), step=step)

    def close(self) -> None:
        self.run.finish()


LOGGERS: dict[str, type[Logger]] = {"tensorboard": TensorBoard, "wandb": WandB, "trackio": Trackio}


def logger_names(given: Any) -> tuple[str, ...]:
    """The loggers that are named. Raises `BadRequest` for a name that is none, and for a library that is missing."""
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, Iterable) or not all(isinstance(name, str) for name in names):
        raise BadRequest(f"loggers={shown(given)} must be names, as in loggers=['tensorboard']: {listed(LOGGERS)}")
    names = tuple(dict.fromkeys(names))
    for name in names:
        if name not in LOGGERS:
            raise BadRequest(f"no logger {name!r}.{did_you_mean(name, LOGGERS)} The loggers: {listed(LOGGERS)}")
        if importlib.util.find_spec(name) is None:
            raise BadRequest(f"loggers={name!r}: {name} is not installed; pip install {name}")
    return names


class Loggers:
    """Those of one run. One that fails is named once, and no longer told: it never stops the run."""

    def __init__(self, names: Iterable[str], path: Path, config: RunConfig, step: int):
        self._open: dict[str, Logger] = {}
        self.names = tuple(names)
        if not self.names:
            return
        ids = _ids(path, self.names)
        for name in self.names:
            with self._surviving(name):
                self._open[name] = LOGGERS[name](path, config, ids[name], step)

    def log(self, step: int, metrics: Metrics) -> None:
        """Tell each a row of metrics."""
        for name, logger in list(self._open.items()):
            with self._surviving(name):
                logger.log(step, metrics)

    def close(self) -> None:
        """Let each write what it has."""
        for name, logger in list(self._open.items()):
            with self._surviving(name):
                logger.close()
        self._open.clear()

    @contextmanager
    def _surviving(self, name: str) -> Iterator[None]:
        """Leave a logger out that fails in the block."""
        try:
            yield
        except Exception as error:  # of a library that has its own: no network, no login, a full disk
            self._open.pop(name, None)
            why = f"{type(error).__name__}: {error}"
            logging.getLogger(__name__).warning("%s failed and is told no more; the run goes on (%s)", name, why)


def group(path: Path) -> str | None:
    """The sweep that a run belongs to, by its directory's name; None of a run by itself."""
    parent = path.resolve().parent
    return parent.name if (parent / SPEC).exists() else None


def _ids(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Under which id each library knows the run in this directory: the same as before where it is resumed."""
    try:
        known = {str(name): str(id) for name, id in json.loads(read_whole(path / IDS)).items()}
    except (OSError, StorageError, ValueError, AttributeError):
        known = {}
    ids = {**{name: uuid.uuid4().hex[:8] for name in names}, **known}
    if ids != known:
        try:
            write_atomic(path / IDS, json.dumps(ids).encode())
        except StorageError as refusal:
            logging.getLogger(__name__).warning("a resumption will have another id: %s", refusal)
    return ids
