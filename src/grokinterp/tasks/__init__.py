"""What is learnt: `Task`, one class for all tasks that are called by formula or by name.

A named task is one file here: its class stands in the list as soon as the file does. In a file of your own it does as
soon as that is imported.
"""

import importlib
import pkgutil

from grokinterp.tasks._base import Task
from grokinterp.tasks._building import build, parameter_names
from grokinterp.tasks._naming import spelled
from grokinterp.tasks._numbers import as_tensor
from grokinterp.tasks._table import Table, TaskError, all_rows
from grokinterp.tasks.layout import Layout, find_layout

__all__ = [
    "Layout",
    "Table",
    "Task",
    "TaskError",
    "all_rows",
    "as_tensor",
    "build",
    "find_layout",
    "names",
    "parameter_names",
    "spelled",
]

# Last, since these files may import the names above from here, as a file of your own does.
for _file in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_file.name}")


def names() -> list[tuple[str, str]]:
    """Every task that has a name, with one line on what is learnt. Formulas need no name: `Task("a + b")`."""
    return list(Task.descriptions.items())
