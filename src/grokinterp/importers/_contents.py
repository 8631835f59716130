"""Saying in one line what is in a file of an unknown kind."""

from typing import Any

import numpy as np
from torch import Tensor

SHOWN = 12


def describe(value: Any) -> str:
    """One line on what a value is: its type, and the keys, lengths and shapes in it."""
    if isinstance(value, dict):
        inside = [f"{key}: {_briefly(item)}" for key, item in [*value.items()][:SHOWN]]
        return f"{_briefly(value)} ({', '.join(inside)}{', ...' if len(value) > SHOWN else ''})"
    if isinstance(value, (list, tuple)) and value:
        return f"{_briefly(value)}, the first {_briefly(value[0])}"
    return _briefly(value)


def _briefly(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor {list(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"an array {list(value.shape)}"
    if isinstance(value, (dict, list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{type(value).__name__} {one_line(repr(value))}"


def one_line(text: Any) -> str:
    """The text with its line breaks taken out, cut at 160 characters."""
    return " ".join(str(text).split())[:160]
