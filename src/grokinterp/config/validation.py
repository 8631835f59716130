"""Whether the fields of a dataclass hold what their annotations say."""

from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from grokinterp.errors import listed, require


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
