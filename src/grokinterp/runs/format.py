"""RunHeader: what a run says of itself beside its tensors, as JSON and a few arrays."""

import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from grokinterp.config import FORMAT_VERSION, RunConfig, TaskConfig
from grokinterp.errors import ConfigError, listed
from grokinterp.runs.digests import digest_of_tensors
from grokinterp.runs.provenance import Provenance
from grokinterp.runs.run import RunError, check_fits
from grokinterp.tasks import Task, build, parameter_names

LIBRARIES = ("grokinterp", "torch", "numpy", "safetensors", "transformer-lens")


@dataclass(frozen=True)
class RunHeader:
    """The configuration, the task as it was resolved, and where the run comes from.

    `config` or `task` is None where a third-party file did not tell it; `created` and `versions` are of the
    day the run was written. `split` is the digest of the arrays of the split, "" where there are none, and None where
    an older version did not record it. `earlier` are identities that the run's checkpoints may bear as well.
    """

    config: RunConfig | None
    task: TaskConfig | None
    provenance: Provenance = field(default_factory=Provenance)
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    versions: dict[str, str] = field(default_factory=lambda: library_versions())
    split: str | None = None
    earlier: tuple[str, ...] = ()

    @property
    def identities(self) -> frozenset[str]:
        """What its checkpoints call the run that they belong to."""
        return frozenset([*self.earlier, *([self.config.identity] if self.config else [])])

    def to_json(self) -> dict[str, Any]:
        """A dictionary of JSON values; `from_json` is its inverse."""
        own = self.config and self.config.identity
        return {
            "format_version": FORMAT_VERSION,
            "identity": own,
            "created": self.created,
            "versions": self.versions,
            "source": self.provenance.to_json(),
            "task": self.task and {"expression": self.task.expression, "parameters": self.task.parameters},
            "config": self.config and self.config.to_json(),
            **({} if self.split is None else {"split": self.split}),
            **({"earlier_identities": earlier} if (earlier := sorted(self.identities - {own})) else {}),
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
            recorded = [*data.get("earlier_identities", []), *([data["identity"]] if data.get("identity") else [])]
            # A run of curves has neither; anything else that is empty is damage.
            return cls(
                config=None if data["config"] is None else RunConfig.from_json(data["config"]),
                task=None if data["task"] is None else TaskConfig(**data["task"]),
                provenance=Provenance.from_json(
                    data["source"], format=format, file=str(path), created=data["created"], versions=data["versions"]
                ),
                created=data["created"],
                versions=data["versions"],
                split=data.get("split"),
                earlier=tuple(map(str, recorded)),
            )
        except ConfigError as error:
            raise RunError(f"{where}: {error}") from None
        except RunError:
            raise
        # A tree of other types than ours fails in as many ways as it is used.
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
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
        split = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if self.split is not None and split_digest(arrays) != self.split:
            raise RunError(
                f"{name}: its split (split.npz) is {'not the one it was written with' if split else 'missing'}; "
                f"restore it from a copy"
            )
        task = task.with_split(**split) if "is_train" in split else task
        is_copy = self.provenance.trained_elsewhere or self.provenance.copied_from is not None
        if self.split is None and self.config is not None and not is_copy:
            _check_drawn(task, self.config, name)
        return task

    def in_place_of_own(self, given: Task | str, own: Callable[[], Task | None], name: str) -> Task:
        """The task that is asked of the run instead of its own: text takes p and layout of the run's.

        The run's own task, if that is what is meant, with its split. Raises `RunError` for one on other tokens.
        """
        if isinstance(given, str):
            known = parameter_names(given)
            recorded = self.task.parameters if self.task else {}
            given = build(TaskConfig(given, {each: value for each, value in recorded.items() if each in known}))
        if self.config is not None:
            check_fits(given, self.config.model, name)
        if self.task is None:
            return given
        if given.config() == self.task and given.is_train is None:
            return own() or given
        if not self.provenance.trained_elsewhere:
            check_tokens(given, build(self.task), name)
        return given


def check_tokens(given: Task, own: Task, name: str) -> None:
    """Refuse a task whose rows are not spelled as those that the run was trained on."""
    sizes = [(task.parameters.get("p"), task.n_vocab, task.inputs.shape[1]) for task in (given, own)]
    if sizes[0] != sizes[1]:
        meant = [f"{key}={value!r}" for key, value in own.parameters.items() if key in ("p", "layout")]
        raise RunError(
            f"{name} was trained on {own.expression!r} with {listed(meant) or 'other tokens'}, and the task "
            f"{given.expression!r} that is asked of it has other tokens; give one on the same"
        )


def _check_drawn(task: Task, config: RunConfig, name: str) -> None:
    """Refuse a split that is not the one that the configuration draws, in a run that recorded no digest of it."""
    if task.is_train is None:
        raise RunError(f"{name}: its split (split.npz) is missing; restore it from a copy")
    split, seed = config.split, config.seed if config.split.split_seed is None else config.split.split_seed
    if split.split == "indices" or task.is_endless:
        return
    drawn = task.split(split.frac, seed, split.split, split.mislabelled, corrupt=split.corrupt)
    assert drawn.is_train is not None
    if not (torch.equal(drawn.is_train, task.is_train) and torch.equal(drawn.train_labels, task.train_labels)):
        raise RunError(f"{name}: its split (split.npz) is of another run; restore it from a copy")


def split_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """`RunHeader.split` of these arrays of `task_arrays`."""
    return digest_of_tensors({name: torch.from_numpy(array) for name, array in arrays.items()}) if arrays else ""


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
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a source tree that was never installed
            versions[name] = "not installed"
    return versions
