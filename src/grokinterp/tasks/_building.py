"""Building: a task from its configuration, and the names of what can be configured."""

from typing import Any

from grokinterp.config import TaskConfig
from grokinterp.tasks._base import Task, class_of
from grokinterp.tasks._naming import spelled
from grokinterp.tasks._parameters import parameters_of


def build(config: TaskConfig, defaults: dict[str, Any] | None = None) -> Task:
    """The task a config describes; `defaults` (a preset's) fill in what the config leaves out and the class knows.

    `given` of the task are the config's parameters only. Raises `TaskError` for an expression or a parameter
    that does not work.
    """
    expression = spelled(config.expression)
    task = Task(expression, **{**class_of(expression).defaults(expression, defaults), **config.parameters})
    task.given = {name: task.given[name] for name in config.parameters if name in task.given}
    return task


def parameter_names(expression: str | list[str] | tuple[str, ...]) -> list[str]:
    """The parameters that `Task(expression, ...)` takes."""
    return list(parameters_of(class_of(spelled(expression)).tabulate))
