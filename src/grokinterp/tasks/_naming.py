"""Naming: how a task's formula or name is spelled, and which class claims it."""

import re
from typing import Any

from grokinterp.config.validation import shown
from grokinterp.tasks._table import TaskError

NAMED: dict[str, Any] = {}
"""Name -> class of task."""

PATTERNED: dict[str, Any] = {}
"""Regular expression of names with a number in them, `s4`, in upper or lower case -> class of task."""


def spelled(expression: str | list[str] | tuple[str, ...]) -> str:
    """One line of single spaces; the formulas of a list are joined by `;`. `S_4` is `s4`.

    Raises `TaskError` for what is no text.
    """
    parts = [expression] if isinstance(expression, str) else expression
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise TaskError(f"a task is text, a formula or a name, as in 'a + b', not {shown(expression)}")
    text = " ".join("; ".join(parts).split())
    return text.lower().replace("_", "") if _by_pattern(text) else text


def claimant(expression: str) -> Any:
    """The class of task that claims a name; None for a formula."""
    return NAMED.get(expression) or _by_pattern(expression)


def _by_pattern(expression: str) -> Any:
    matching = (claimed for pattern, claimed in PATTERNED.items() if re.fullmatch(pattern, expression, re.I))
    return next(matching, None)
