"""One hypothesis or measure a file, imported when it is first named: `grokinterp.circuits.embedding`.

A file dropped in here, installed under the entry-point group `grokinterp.circuits`, or given by path, brings its
`Circuit` classes along: nothing else needs to know of it.
"""

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grokinterp.readout import Circuit

GROUP = "grokinterp.circuits"


def registered() -> "dict[str, Circuit]":
    """Every circuit that is shipped or installed, by name, with its default parameters."""
    circuits = [circuit for name in __dir__() for circuit in defined_in(importlib.import_module(f"{__name__}.{name}"))]
    for entry in _installed(tuple(sys.path)):
        loaded = entry.load()
        circuits += defined_in(loaded) if inspect.ismodule(loaded) else [loaded()]
    return {circuit.name: circuit for circuit in circuits}


# To look through all that is installed takes ten milliseconds, and every `measure` asks.
@lru_cache(maxsize=4)
def _installed(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    del path
    return tuple(entry_points(group=GROUP))


class _Unkept(SourceFileLoader):
    """Leaves no bytecode beside the user's file."""

    def set_data(self, path: Any, data: Any, *, _mode: int = 0o666) -> None:
        del path, data


def from_file(path: str | Path) -> "list[Circuit]":
    """The circuits that a Python file defines. The file is run: give only one that you trust.

    Raises `BadRequest` where it is missing, cannot be run, or defines none.
    """
    from grokinterp.config.validation import check_path
    from grokinterp.errors import BadRequest

    check_path("path", path)
    path = Path(path)
    spec = importlib.util.spec_from_file_location(path.stem, path, loader=_Unkept(path.stem, str(path)))
    if path.suffix != ".py" or not path.is_file() or spec is None or spec.loader is None:
        raise BadRequest(f"{path} is no Python file; name one that defines a Circuit")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BadRequest(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    circuits = defined_in(module)
    if not circuits:
        raise BadRequest(f"{path} defines no Circuit; see CONTRIBUTING.md for one in twenty lines")
    return circuits


def defined_in(module: ModuleType) -> "list[Circuit]":
    """The circuits whose classes a module defines itself, as opposed to importing them."""
    from grokinterp.readout import Circuit

    classes = [value for value in vars(module).values() if inspect.isclass(value) and issubclass(value, Circuit)]
    return [cls() for cls in classes if cls.__module__ == module.__name__ and not inspect.isabstract(cls)]


def __getattr__(name: str) -> ModuleType:
    if name in __dir__():
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"no circuit {name!r} in {__name__}; it has: {', '.join(__dir__())}")


def __dir__() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__))
