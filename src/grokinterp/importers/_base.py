"""Importer: one third-party format, recognised by content and read as a Run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grokinterp.config.stated import Stated
from grokinterp.errors import BadRequest
from grokinterp.runs.files import read_json
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.run import Run
from grokinterp.tasks import Task


class ImportFileError(BadRequest):
    """A third-party file that cannot be read as a run; its one line names what was found, or what would help."""


@dataclass(frozen=True)
class Payload:
    """A file once read: its content, and what the user adds to it. `format` is what the user says it is.

    `stated` is what they say of its model; it is never overridden.
    """

    path: Path
    content: Any
    format: str = "auto"
    task: Task | None = None
    stated: Stated = field(default_factory=Stated)

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def config_path(self) -> Path:
        """Where the settings of this file would be: `config_x.json` for `model_x.pt`."""
        return self.path.with_name(f"config_{self.name.removeprefix('model_')}.json")

    @property
    def settings(self) -> dict[str, Any] | None:
        """The JSON object beside the file, or None. Raises `ImportFileError` where it is damaged."""
        if not self.config_path.is_file():
            return None
        try:
            settings = read_json(self.config_path)
        except (OSError, ValueError) as error:
            raise ImportFileError(f"{self.config_path} is not readable JSON ({error}); fetch it again") from None
        if not isinstance(settings, dict):
            raise ImportFileError(f"{self.config_path} holds no object of settings; fetch it again")
        return settings


@dataclass(frozen=True)
class Importer:
    """One format: `recognise` looks at the content only, `read` raises `BadRequest` for what it cannot read."""

    name: str
    description: str
    recognise: Callable[[Payload], bool]
    read: Callable[[Payload], Run | Runs]
