"""Parameters: a task's keywords, checked against the annotations of the method that takes them."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from grokinterp.config.validation import has_type, plain, shown
from grokinterp.errors import did_you_mean, listed
from grokinterp.tasks._table import TaskError


def json_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers of NumPy and torch as Python's, their arrays as lists, and what is None left out."""
    return {name: plain(value) for name, value in given.items() if value is not None}


def parameters_of(method: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of `tabulate`, by name."""
    return {name: found for name, found in inspect.signature(method).parameters.items() if name != "self"}


def check(given: Mapping[str, Any], known: Mapping[str, inspect.Parameter], expression: str) -> None:
    """Raise `TaskError` for an unknown parameter, or a value that is not of the annotated type."""
    for name, value in given.items():
        if name not in known:
            raise TaskError(
                f"{expression!r} has no parameter {name!r}.{did_you_mean(name, known)} It has: {listed(known)}"
            )
        hint = known[name].annotation
        if not has_type(value, hint):
            # A Literal's text lists what it may be, its name does not.
            wanted = hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
            raise TaskError(f"{name}={shown(value)} must be of type {wanted}")
