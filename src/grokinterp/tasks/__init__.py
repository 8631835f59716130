"""What is learnt: `Task`, one class for all tasks that are called by formula or by name."""

from grokinterp.tasks import (
    digits,
    division,
    encoded_sum,
    groups,
    lines,
    modular,
    only_add,
    random_table,
    repeated_subsequence,
    skip_trigram,
    slope,
)
from grokinterp.tasks._base import Task, build, parameter_names
from grokinterp.tasks._table import TaskError

__all__ = ["Task", "TaskError", "build", "names", "parameter_names"]

_MODULES_OF_TASKS = (
    groups,
    modular,
    only_add,
    random_table,
    digits,
    repeated_subsequence,
    skip_trigram,
    slope,
    encoded_sum,
    division,
    lines,
)


def names() -> list[tuple[str, str]]:
    """Every task that has a name, with one line on what is learnt. Formulas need no name: `Task("a + b")`."""
    return list(Task.descriptions.items())
