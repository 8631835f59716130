"""Whether the fields of a dataclass hold what their annotations say."""

import math
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import cache, wraps
from inspect import signature
from os import PathLike
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from grokinterp.errors import ConfigError, fits, listed, require

Given = ParamSpec("Given")
Result = TypeVar("Result")

MOST_THREADS = 4096
"""More than any machine has cores; torch fails where the system has no room for as many."""

LONGEST_PATH = 4096
"""Bytes of a path that no file system takes more of, and 255 of each of its names."""

MOST_SHOWN = 80
"""Characters of a wrong value that a message repeats."""


def check_types(config: Any) -> None:
    """Refuse a dataclass whose fields do not hold what their annotations say: a `Literal`'s option, a number, ...

    Numbers and lists of NumPy and torch become Python's (`plain`) in the fields.
    """
    for name, hint in _hints_of(type(config)).items():
        value = plain(getattr(config, name))
        value = tuple(value) if isinstance(value, list) else value
        if not has_type(value, hint):  # the message is put together where it is needed: tables read thousands
            raise ConfigError(f"{name}={shown(value)} {_wanted(_members(hint))}")
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, int) and not fits(each):  # no array holds it, and no generator takes it as a seed
                raise ConfigError(f"{name}={shown(each)} does not fit into 64 bits; lower it")
        if value is not getattr(config, name):
            # Past the frozen dataclass: it calls this while it is made.
            object.__setattr__(config, name, value)


@cache
def _hints_of(kind: type) -> dict[str, Any]:
    return {name: hint for name, hint in get_type_hints(kind).items() if get_origin(hint) is not ClassVar}


def check_sizes(config: Any, *names: str) -> None:
    """Refuse fields that count something and count nothing; one that is left open is None."""
    for name in names:
        size = getattr(config, name)
        require(size is None or size >= 1, f"{name}={size} must be at least 1")


def check_init_scale(scale: float) -> None:
    """Refuse what would leave a model without initial weights, or turn them round."""
    require(scale > 0, f"init_scale={scale} must be positive; 1.0 leaves the weights as drawn")


def check_section(name: str, value: Any) -> None:
    """Refuse what is no section of a configuration. Raises `ConfigError`, which says how its fields are given."""
    if name == "model":
        how = "as in d_model=64, n_layers=2; a network of your own class is trained by your own loop"
    else:
        how = "as in seed=1, lr=1e-3"
    require(is_dataclass(value), f"{name}={shown(value)} is no configuration; name its fields instead, {how}")


def check_threads(threads: Any) -> int | None:
    """A number of processor cores, or None for all. Raises `ConfigError` for anything else."""
    threads = plain(threads)
    right = threads is None or (has_type(threads, int) and 1 <= threads <= MOST_THREADS)
    require(right, f"threads={shown(threads)} must be a whole number from 1 to {MOST_THREADS}, as in threads=2")
    return threads


def check_workers(workers: Any) -> int | None:
    """A number of processes, or None for as many as there are cores. Raises `ConfigError` for anything else."""
    workers = plain(workers)
    right = workers is None or (has_type(workers, int) and workers >= 1)
    require(right, f"workers={shown(workers)} must be a whole number of at least 1, as in workers=2")
    return workers


def checks_switches(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """Make a function refuse what is neither True nor False where the annotation of a parameter asks for it.

    Python takes any text for true, `cache="no"` as well. 1 and 0 are taken for what they are equal to.
    """
    parameters = signature(function).parameters
    switches = {name: each.annotation for name, each in parameters.items() if bool in _members(each.annotation)}

    @wraps(function)
    def checked(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        for name, value in (*zip(parameters, args, strict=False), *kwargs.items()):
            if name in switches:
                check_switch(name, value, switches[name])
        return function(*args, **kwargs)

    return checked


def check_switch(name: str, value: Any, hint: Any = bool) -> None:
    """Refuse what is neither True nor False, nor left open where the hint says so. Raises `ConfigError`."""
    value = plain(value)
    right = has_type(value, hint) or (isinstance(value, int) and value in (0, 1))
    require(right, f"{name}={shown(value)} must be True or False, as in {name}=True")


def check_function(name: str, value: Any, example: str) -> None:
    """Refuse what cannot be called. Raises `ConfigError`."""
    require(callable(value), f"{name}={shown(value)} must be a function, as in {name}={example}")


def check_path(name: str, path: Any) -> None:
    """Refuse what is no place on disk. Raises `ConfigError`."""
    right = path is None or (isinstance(path, str | PathLike) and str(path) and "\0" not in str(path))
    require(bool(right), f"{name}={shown(path)} must be a path, as in {name}='runs/add'")
    sizes = [len(part.encode(errors="replace")) for part in str(path).split("/")]
    fits = sum(sizes) + len(sizes) <= LONGEST_PATH and max(sizes) <= 255
    require(fits, f"{name}={shown(str(path))} is longer than a path can be; name a file or a directory")


def plain(value: Any) -> Any:
    """A number of NumPy or torch as Python's, an array or tensor as a list; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") and hasattr(value, "dtype") else value


def finite_or_none(value: Any) -> Any:
    """None for a number that is not finite, for which JSON has no word; anything else as it is."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def shown(value: Any) -> str:
    """A value in a message: as Python writes it, cut where that is long, or its type where that is long and no data."""
    if not isinstance(value, (str, int, float, list, tuple, dict, NoneType)):
        return f"<{value.__name__ if isinstance(value, type) else type(value).__name__}>"
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        text = "a very long number"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def has_type(value: Any, hint: Any) -> bool:
    """Whether a value has an annotation's type: a whole number is a float too, True is no number."""
    if type(value) in _at_once(hint):
        return True
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


@cache
def _at_once(hint: Any) -> frozenset[type]:
    """The types of those values that have an annotation's type by their own type alone."""
    exact = {int: {int}, float: {int, float}, bool: {bool}, str: {str}, NoneType: {NoneType}}
    return frozenset(kind for member in _members(hint) if isinstance(member, type) for kind in exact.get(member, ()))


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _wanted(options: tuple[Any, ...]) -> str:
    choices = [choice for option in options if get_origin(option) is Literal for choice in get_args(option)]
    if choices:
        return f"is unknown; choose one of {listed(choices)}"
    return f"must be {' or '.join(map(_in_words, options))}"


def _in_words(hint: Any) -> str:
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "text", NoneType: "None"}
    of_several = {int: "whole numbers", float: "numbers", str: "texts"}
    if get_origin(hint) is tuple:
        return f"a list of {of_several.get(get_args(hint)[0], 'values')}"
    return words.get(get_origin(hint) or hint, str(hint))
