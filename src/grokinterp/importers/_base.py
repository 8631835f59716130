"""Importer: one third-party format, recognised by content and read as a Run."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokinterp.refusals import BadRequest
from grokinterp.runs import Run, Runs
from grokinterp.tasks import Task


class ImportFileError(BadRequest):
    """A third-party file that cannot be read as a run; its one line names what was found, or what would help."""


@dataclass(frozen=True)
class Payload:
    """A file once read: its content, and what the user or a neighbouring file adds to it.

    `beside` is the JSON of the `config_*.json` that goes with the file, or None; `format` what the user says it is.
    """

    path: Path
    content: Any
    format: str = "auto"
    task: Task | None = None
    beside: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        return self.path.stem


@dataclass(frozen=True)
class Importer:
    """One format: `recognise` looks at the content only, `read` raises `BadRequest` for what it cannot read."""

    name: str
    description: str
    recognise: Callable[[Payload], bool]
    read: Callable[[Payload], Run | Runs]


def find_config(path: Path) -> Path | None:
    """The `config_x.json` that belongs to `model_x.pt`, or `config.json` beside a file; None where there is neither."""
    identity = re.sub(r"^model_", "", path.stem)
    candidates = (f"config_{identity}.json", f"{path.stem}_config.json", f"{path.stem}.json", "config.json")
    return next((path.with_name(name) for name in candidates if path.with_name(name).is_file()), None)


def read_config(path: Path) -> dict[str, Any]:
    """The JSON object in a configuration file. Raises `ImportFileError` for anything else."""
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ImportFileError(f"{path} is not readable JSON ({error}); fetch it again") from None
    if not isinstance(config, dict):
        raise ImportFileError(f"{path} holds {type(config).__name__}, not an object of settings; fetch it again")
    return config
