"""RunHeader: what a run says of itself beside its tensors, as JSON and a few arrays."""

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from grokinterp.config import FORMAT_VERSION, RunConfig, TaskConfig
from grokinterp.errors import ConfigError
from grokinterp.runs.provenance import Provenance
from grokinterp.runs.run import RunError, check_fits
from grokinterp.tasks import Task, build

LIBRARIES = ("grokinterp", "torch", "numpy", "safetensors", "transformer-lens")


@dataclass(frozen=True)
class RunHeader:
    """The configuration, the task as it was resolved, and where the run comes from.

    `config` or `task` is None where a third-party file did not tell it; `created` and `versions` are of the
    day the run was written.
    """

    config: RunConfig | None
    task: TaskConfig | None
    provenance: Provenance = field(default_factory=Provenance)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    versions: dict[str, str] = field(default_factory=lambda: library_versions())

    def to_json(self) -> dict[str, Any]:
        """A dictionary of JSON values; `from_json` is its inverse."""
        return {
            "format_version": FORMAT_VERSION,
            "identity": self.config and self.config.identity,
            "created": self.created,
            "versions": self.versions,
            "source": self.provenance.to_json(),
            "task": self.task and {"expression": self.task.expression, "parameters": self.task.parameters},
            "config": self.config and self.config.to_json(),
        }

    @classmethod
    def from_json(cls, text: str | bytes, where: Path, format: str, path: Path) -> "RunHeader":
        """The header of the run at `path`, of this format, as the file `where` says it.

        Raises `RunError` for damaged JSON, or that of a newer grokinterp.
        """
        try:
            data = json.loads(text)
            version = data["format_version"]
            if version > FORMAT_VERSION:
                raise RunError(
                    f"{where} has format version {version} and this grokinterp reads {FORMAT_VERSION}; "
                    f"upgrade it: pip install -U grokinterp"
                )
            return cls(
                config=data["config"] and RunConfig.from_json(data["config"]),
                task=data["task"] and TaskConfig(**data["task"]),
                provenance=Provenance.from_json(
                    data["source"], format=format, file=str(path), created=data["created"], versions=data["versions"]
                ),
                created=data["created"],
                versions=data["versions"],
            )
        except ConfigError as error:
            raise RunError(f"{where}: {error}") from None
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise RunError(
                f"{where} is not a run's configuration ({type(error).__name__}: {error}); restore it from a copy"
            ) from None

    def rebuild_task(self, arrays: Mapping[str, np.ndarray], name: str) -> Task | None:
        """The task with the split that `task_arrays` kept; None where it is unknown."""
        if self.task is None:
            return None
        task = build(self.task)
        if self.config is not None:
            check_fits(task, self.config.model, name)
        if "is_train" not in arrays:
            return task
        return task.with_split(**{name: torch.from_numpy(array) for name, array in arrays.items()})


def task_arrays(task: Task | None) -> dict[str, np.ndarray]:
    """What of a task is not in its parameters: the mask, and the labels trained on where some are wrong on purpose."""
    if task is None or task.is_train is None:
        return {}
    arrays = {"is_train": task.is_train.cpu().numpy()}
    if not torch.equal(task.train_labels, task.labels):
        arrays["train_labels"] = task.train_labels.cpu().numpy()
    return arrays


def library_versions() -> dict[str, str]:
    """The versions that a number may depend on."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a source tree that was never installed
            found[name] = "not installed"
    return found
