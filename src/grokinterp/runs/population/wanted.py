"""Wanted: the runs that a sweep is to train, as its directory names them, so that a table can say which are missing."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grokinterp.runs.files import StorageError, read_json, write_atomic
from grokinterp.runs.population.fields import PLANNED_STEPS

WANTED = "points.json"

SPEC = "sweep.toml"
"""Beside the runs of a sweep, what was asked for."""

LOGS = "logs"
"""Beside them, the logs of those that failed: `NAME.log`."""


def log_of(run: Path) -> Path:
    """Where the failure of a run of a sweep is written; there while its last attempt has failed."""
    return run.parent / LOGS / f"{run.name}.log"


def write_wanted(directory: Path, fields: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep the fields of every run of a sweep by the name of its directory. Raises `StorageError` as files do."""
    write_atomic(directory / WANTED, json.dumps({name: dict(row) for name, row in fields.items()}).encode())


def missing_of(directory: Path, present: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Those that are wanted in a directory and not there, with their fields; none where no sound list is."""
    try:
        wanted = read_json(directory / WANTED)
        rows = {str(name): dict(fields) for name, fields in wanted.items() if name not in present}
    except (OSError, StorageError, ValueError, TypeError, AttributeError):
        return {}
    return {name: {_named(field): _hashable(value) for field, value in row.items()} for name, row in rows.items()}


def _named(field: str) -> str:
    return PLANNED_STEPS if field == "steps" else field


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
