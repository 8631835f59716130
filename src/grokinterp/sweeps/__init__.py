"""Sweeps: many runs on an engine, from one specification."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grokinterp.sweeps.running import SweepError, sweep
    from grokinterp.sweeps.spec import Spec

__all__ = ["Spec", "SweepError", "sweep"]

_HOME = {"Spec": "spec", "SweepError": "running", "sweep": "running"}


def __getattr__(name: str) -> Any:
    # When asked for: the command line names the engines in its help without importing torch.
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
