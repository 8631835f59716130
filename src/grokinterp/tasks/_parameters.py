"""Parameters: a task's keywords, checked against the annotations of the method that takes them."""

import inspect
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import numpy as np

from grokinterp.refusals import did_you_mean, listed
from grokinterp.tasks._table import TaskError


def plain(given: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values: NumPy's scalars as Python's, and what is None left out."""
    values = {name: value.item() if isinstance(value, np.generic) else value for name, value in given.items()}
    return {name: value for name, value in values.items() if value is not None}


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
        if not _fits(value, hint):
            raise TaskError(f"{name}={value!r} must be of type {getattr(hint, '__name__', hint)}")


def _fits(value: Any, hint: Any) -> bool:
    """Whether a JSON value has an annotation's type: a whole number is a float too, True is no number."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    members = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    kinds = tuple(get_origin(member) or member for member in members)
    if isinstance(value, bool):
        return bool in kinds
    return isinstance(value, (*kinds, int) if float in kinds else kinds)
