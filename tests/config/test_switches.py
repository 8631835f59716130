"""Switches: what is neither True nor False is refused wherever the public interface has one."""

from collections.abc import Callable
from inspect import isfunction, signature
from typing import Any

import numpy as np
import pytest

import grokinterp as gi
from grokinterp.config.validation import checks_switches
from grokinterp.errors import BadRequest
from grokinterp.models.hooked import HookedModule, Switches
from grokinterp.models.transformer import HookedTransformer
from grokinterp.reports import figure
from grokinterp.runs.writer import save_run


def public() -> dict[str, Callable[..., Any]]:
    """Every public function with a switch, the methods of hooked models among them."""
    named: dict[str, Any] = {name: getattr(gi, name) for name in gi.__all__} | {"figure": figure, "save_run": save_run}
    for kind in (HookedModule, Switches, HookedTransformer):
        own = {name: each for name, each in vars(kind).items() if not name.startswith("_") or name == "__call__"}
        named |= {f"{kind.__name__}.{name}": each for name, each in own.items()}
    return {name: each for name, each in named.items() if isfunction(each) and switches_of(each)}


def switches_of(function: Callable[..., Any]) -> dict[str, Any]:
    annotations = {name: each.annotation for name, each in signature(function).parameters.items()}
    return {name: hint for name, hint in annotations.items() if hint in (bool, bool | None)}


def test_every_public_switch_refuses_text() -> None:
    """`cache="no"` is true to Python; it is refused before anything else is looked at."""
    functions = public()
    assert {"train", "measure", "report", "sweep", "record", "Switches.set_use_attn_in"} <= functions.keys()
    for function in functions.values():
        parameters = signature(function).parameters.values()
        needed = [
            each.name for each in parameters if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
        ]
        for name in switches_of(function):
            given = [None for other in needed if other != name]
            with pytest.raises(BadRequest, match=f"{name}='no' must be True or False, as in {name}=True"):
                function(*given, **{name: "no"})


def test_what_is_true_or_false_goes_through() -> None:
    """Also NumPy's, and 0 and 1; None where it may be left open, and by position."""

    @checks_switches
    def asked(first: int, wait: bool = True, pages: bool | None = None) -> tuple[object, ...]:
        return first, wait, pages

    assert asked(3, np.bool_(False)) == (3, False, None)  # type: ignore[arg-type]
    assert asked(5, wait=0, pages=None) == (5, 0, None)  # type: ignore[arg-type]
    for wrong in ("no", 2, 0.0, None, [True]):
        with pytest.raises(BadRequest, match="wait="):
            asked(3, wrong)  # type: ignore[arg-type]
