"""Fields: what the configurations of several runs say, and which of it varies."""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from grokinterp.config.run import LENGTH
from grokinterp.runs.run import Run

BLANK = None
"""What stands where a run has no such field, or does not tell it."""

PLANNED_STEPS = "planned_steps"
"""The field `steps`, how long a run is to go on, in a table where `steps` is how long it went on."""

SIZES = ("d_vocab", "d_vocab_out", "n_ctx", "d_in")
"""Sizes of a model that its task gives where nobody sets them."""


def fields_of(run: Run) -> dict[str, Any]:
    """Every field of a run's configuration by its own name; only what it tells, where other code trained it."""
    if not run.has_config:
        return {}
    fields = run.config.flat()
    if run.is_recipe_known and not run.is_seed_known:
        del fields["seed"]
    if not run.is_recipe_known:  # what stands elsewhere is the default of a configuration that nobody set
        task, model = run.config.task, run.config.model
        known = {"expression", *task.parameters, "kind", *(each.name for each in dataclasses.fields(model))}
        fields = {name: value for name, value in fields.items() if name in known}
    if "steps" in fields:
        fields[PLANNED_STEPS] = fields.pop("steps")
    return fields


def varied(rows: Iterable[Mapping[str, Any]], partial: Iterable[Mapping[str, Any]] = ()) -> list[str]:
    """The fields that differ between these, in the order of a configuration; one that only some have differs.

    `partial` rows are asked for what they have alone.
    """
    rows, partial = list(rows), list(partial)
    names = list(dict.fromkeys(name for row in (*rows, *partial) for name in row))
    return [name for name in names if _differs(name, rows, partial)]


def _differs(name: str, rows: list[Mapping[str, Any]], partial: list[Mapping[str, Any]]) -> bool:
    first = rows[0].get(name, BLANK) if rows else BLANK
    # Most fields are the same object in all rows, and most that differ do so in the second: no set of all is made.
    others = (value for row in rows if (value := row.get(name, BLANK)) is not first)
    values = {_key(first)} if rows else set()
    for value in itertools.chain(others, (row[name] for row in partial if name in row)):
        values.add(_key(value))
        if len(values) > 1:
            return True
    return False


def without_derived(names: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names without the model's sizes that the formula and its modulus give: each of these has one size."""
    names, rows = list(names), list(rows)
    causes = [name for name in ("expression", "p", "layout") if name in names]

    settings = [tuple(_key(row.get(cause, BLANK)) for cause in causes) for row in rows]

    def is_derived(name: str) -> bool:
        sizes = {(setting, _key(row.get(name, BLANK))) for setting, row in zip(settings, rows, strict=True)}
        return len(sizes) == len(set(settings))

    return [name for name in names if name not in SIZES or not is_derived(name)]


def is_a_condition(name: str) -> bool:
    """Whether a field may change what is learnt; others tell repetitions apart, how long they went on, what is kept."""
    return not is_of_a_seed(name) and name not in LENGTH and name not in (PLANNED_STEPS, "preset")


def is_of_a_seed(name: str) -> bool:
    """Whether a field only tells repetitions apart."""
    return name in ("seed", "split_seed")


def _key(value: Any) -> Any:
    # 1 and 1.0 are one weight decay; True and 1 are not one value.
    return (isinstance(value, bool), value if _is_hashable(value) else repr(value))


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
