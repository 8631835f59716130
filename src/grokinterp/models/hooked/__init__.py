"""Hooked modules: what every model of the project is, and what those of blocks are."""

from grokinterp.models.hooked.module import HookedModule, UnknownHookError, adopt
from grokinterp.models.hooked.switches import Switches

__all__ = ["HookedModule", "Switches", "UnknownHookError", "adopt"]
