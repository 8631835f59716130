"""How the project says no: one error family, and the wording that lists what would have worked."""

import difflib
from collections.abc import Iterable
from typing import Any


class BadRequest(ValueError):
    """A request that cannot be met; its one line names the remedy. The command line exits with 2 on it."""


class ConfigError(BadRequest):
    """A configuration that cannot be run."""


def listed(names: Iterable[Any]) -> str:
    """`a, b, c`: how every message of the project lists what would have worked."""
    return ", ".join(str(name) for name in names)


def did_you_mean(name: str, known: Iterable[Any]) -> str:
    """` Did you mean 'x'?`, or nothing where no known name is near."""
    near = difflib.get_close_matches(name, [str(k) for k in known], n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def require(condition: bool, message: str) -> None:
    """Raise `ConfigError(message)` unless the condition holds."""
    if not condition:
        raise ConfigError(message)
