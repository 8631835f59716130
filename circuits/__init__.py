"""One hypothesis or measure a file. A submodule is imported when it is first named: `grokinterp.circuits.embedding`."""

import importlib
import pkgutil
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    if name in __dir__():
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"no circuit {name!r} in {__name__}; it has: {', '.join(__dir__())}")


def __dir__() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__))
