"""Numbers: what a caller gives in any form, as a tensor."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from grokinterp.config.validation import shown
from grokinterp.errors import BadRequest


def as_tensor(given: Any, name: str, wanted: str) -> Tensor:
    """A tensor as it is, and what is an array, a list, or a list of tensors, as one.

    Raises `BadRequest`, which says what is `wanted` as the argument `name`, for what holds no numbers.
    """
    if isinstance(given, Tensor):
        return given
    try:
        if isinstance(given, list | tuple) and given and all(isinstance(item, Tensor) for item in given):
            return torch.stack(list(given))
        return torch.as_tensor(np.asarray(given))
    except (TypeError, ValueError, RuntimeError):
        raise BadRequest(f"{name} must be numbers, {wanted}; not {shown(given)}") from None
