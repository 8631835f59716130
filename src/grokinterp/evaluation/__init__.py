"""What a model computes on its task's table: logits, losses, activations and gradients, by the fastest exact way."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grokinterp.evaluation.losses import accuracy, cross_entropy, is_right, loss

__all__ = ["accuracy", "cross_entropy", "is_right", "loss"]


def __getattr__(name: str) -> Any:
    # When asked for: `processor` is imported before torch.
    if name in __all__:
        return getattr(importlib.import_module("grokinterp.evaluation.losses"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
