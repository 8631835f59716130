"""Options: what a command's dataclass takes, and what is typed of it that the parser would pass over in silence."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import tyro

from grokinterp.errors import BadRequest


class Option(NamedTuple):
    """What stands behind `--name`: its annotation, its value where left out, whether it is given again and again."""

    hint: Any
    default: Any
    is_collected: bool

    @property
    def takes_several(self) -> bool:
        """Whether any number of words may follow it."""
        return any(get_origin(member) is tuple for member in (self.hint, *get_args(self.hint)))


def options_of(kind: Any, values: Any = None) -> dict[str, Option]:
    """The options of a dataclass by `--name`, those of the dataclasses in it included; `values` are its defaults."""
    hints, marked = get_type_hints(kind), get_type_hints(kind, include_extras=True)
    options: dict[str, Option] = {}
    for each in dataclasses.fields(kind):
        default = each.default if values is None else getattr(values, each.name)
        if dataclasses.is_dataclass(hints[each.name]):
            options |= options_of(hints[each.name], default if dataclasses.is_dataclass(default) else None)
        else:
            is_collected = tyro.conf.UseAppendAction in get_args(marked[each.name])
            options[f"--{each.name.replace('_', '-')}"] = Option(hints[each.name], default, is_collected)
    return options


def check_typed(argv: Sequence[str], options: Mapping[str, Option]) -> None:
    """Refuse an option given twice, of which only the last would count, and one of several values that has none."""
    typed: dict[str, str] = {}
    for at, word in enumerate(argv):
        written, sign, value = word.partition("=")
        written = written.replace("_", "-")
        name = written
        if name not in options:  # --no-cache is the other side of --cache
            name = written.replace("--no-", "--", 1)
        if name not in options or not word.startswith("--"):
            continue
        option = options[name]
        values = [value] if sign else _values_after(argv[at + 1 :], option)
        if option.takes_several and not values and not option.default:
            raise BadRequest(f"{written} has no value; name at least one after it, or leave it out")
        words = " ".join(values) if option.hint is not bool else written
        if not option.is_collected and typed.setdefault(name, words) != words:
            raise BadRequest(_given_twice(name, typed[name], words, option))


def _values_after(words: Sequence[str], option: Option) -> list[str]:
    """The words that belong to an option, of those that come after it."""
    if option.hint is bool:
        return []
    if not option.takes_several:
        return list(words[:1])
    return list(words[: next((i for i, word in enumerate(words) if word.startswith("--")), len(words))])


def _given_twice(name: str, first: str, second: str, option: Option) -> str:
    if option.hint is bool:
        return f"{first} and {second} are both given; leave one out"
    remedy = f"give all after one {name}" if option.takes_several else "leave one out"
    return f"{name} is given twice, as {first} and as {second}; {remedy}"
