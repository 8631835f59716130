"""How the project says no: one error family, and the wording that lists what would have worked."""

import difflib
from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints


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


def check_types(config: Any) -> None:
    """Refuse a dataclass whose fields do not hold what their annotations say: a `Literal`'s option, a number, ..."""
    for name, hint in get_type_hints(type(config)).items():
        if get_origin(hint) is not ClassVar:
            value = getattr(config, name)
            require(has_type(value, hint), f"{name}={value!r} {_wanted(_members(hint))}")


def has_type(value: Any, hint: Any) -> bool:
    """Whether a value has an annotation's type: a whole number is a float too, True is no number."""
    if len(_members(hint)) > 1:
        return any(has_type(value, member) for member in _members(hint))
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    kind = get_origin(hint) or hint
    if kind is tuple:
        return isinstance(value, tuple) and all(has_type(item, get_args(hint)[0]) for item in value)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _wanted(options: tuple[Any, ...]) -> str:
    choices = [choice for option in options if get_origin(option) is Literal for choice in get_args(option)]
    if choices:
        return f"is unknown; choose one of {listed(choices)}"
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "text", NoneType: "None"}
    return f"must be {' or '.join(words.get(get_origin(o) or o, str(o)) for o in options)}"
