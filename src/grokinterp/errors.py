"""How the project says no: one error family, and the wording that lists what would have worked."""

import difflib
import re
from collections.abc import Iterable
from typing import Any


class BadRequest(ValueError):
    """A request that cannot be met; its one line names the remedy. The command line exits with 2 on it.

    It stays one line, and harmless in a terminal, whatever stands in the file or the other library's error it quotes.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(str(message)))


class ConfigError(BadRequest):
    """A configuration that cannot be run."""


def printable(text: str) -> str:
    """The text on one line, each character that does not print shown as Python writes it (`\\x1b`)."""
    line = re.sub(r"\s*[\r\n]+\s*", " ", text).strip()
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def listed(names: Iterable[Any]) -> str:
    """`a, b, c`: how every message of the project lists what would have worked."""
    return ", ".join(str(name) for name in names)


def did_you_mean(name: str, known: Iterable[Any]) -> str:
    """` Did you mean 'x'?`, or nothing where no known name is near."""
    near = difflib.get_close_matches(str(name), [str(k) for k in known], n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def require(condition: bool, message: str) -> None:
    """Raise `ConfigError(message)` unless the condition holds."""
    if not condition:
        raise ConfigError(message)
