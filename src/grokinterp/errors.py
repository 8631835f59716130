"""Errors: one family of refusals, each one line, and how lists, counts and durations are worded in them."""

import difflib
import math
import operator
import re
from collections.abc import Iterable, Sequence
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


def as_whole(value: Any) -> int:
    """`operator.index`, to which True and False are no numbers: a mask is not 1 and 0. Raises `TypeError`."""
    if isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool"):
        raise TypeError("True and False are no numbers")
    return operator.index(value)


def whole(value: Any, name: str, example: str) -> int:
    """A whole number as Python's, whichever library it is of. Raises `BadRequest` for anything else.

    So it does for one that no array holds, of 2^63 and more.
    """
    try:
        number = as_whole(value)
    except TypeError:
        raise BadRequest(f"{name}={value!r:.80} must be a whole number, as in {example}") from None
    if not fits(number):
        raise BadRequest(f"{name} is a number of 2^63 or more; give a smaller one, as in {example}")
    return number


def fits(number: int) -> bool:
    """Whether a whole number is one of 64 bits, as arrays hold them."""
    return -(2**63) <= number < 2**63


def whole_numbers(values: Any, name: str, example: str) -> list[int]:
    """Several of them, or one. Raises `BadRequest` for anything else."""
    is_one = isinstance(values, str) or not isinstance(values, Iterable) or getattr(values, "ndim", 1) == 0
    several = [values] if is_one else values
    return [whole(value, name, example) for value in several]


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """`1 run`, `1,000 runs`; `plural` where an s does not make it."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


_COUNTS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


def count_in_words(n: int) -> str:
    """`two`; figures above six."""
    return _COUNTS.get(n, str(n))


def first_lines(lines: Sequence[str], most: int = 20) -> list[str]:
    """The first of many lines, indented under the one before them, and how many more there are."""
    more = [f"and {len(lines) - most} more"] if len(lines) > most else []
    return [f"  {line}" for line in [*lines[:most], *more]]


def duration(seconds: float) -> str:
    """`40 seconds`, `1 minute`, `25 minutes`, `1.6 hours`: to the precision of an estimate, and never none."""
    if seconds > 5400:
        return f"{seconds / 3600:.1f} hours"
    if seconds > 90:
        return counted(round(seconds / 60), "minute")
    return "1 minute" if seconds >= 59.5 else counted(max(1, math.ceil(seconds)), "second")
