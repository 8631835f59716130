"""The task of a group, of its name or given as it is."""

from grokinterp.errors import require
from grokinterp.tasks import Task
from grokinterp.tasks.groups import GroupTask


def group_task(group: str | None, task: Task | None, kind: str, example: str) -> GroupTask:
    """Raises `ConfigError` where it is no product of two elements, each read as a token."""
    remedy = f"as in gi.build({kind!r}, {example})"
    require((group is None) != (task is None), f"a {kind} is of one group; name it or give its task, {remedy}")
    named = Task(group, layout="a b") if task is None and group is not None else task
    right = isinstance(named, GroupTask) and named.inputs.shape[1] == 2 and named.parameters.get("operation") == "xy"
    require(right, f"a {kind} reads two elements of a group and answers their product; give its name, {remedy}")
    assert isinstance(named, GroupTask)
    return named
