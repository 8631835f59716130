"""torch's optimisers without what `torch.compile` wants of them, whose import takes longer than a small training."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch


class Uncompiled:
    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)


class SGD(Uncompiled, torch.optim.SGD):
    pass


class Adam(Uncompiled, torch.optim.Adam):
    pass


class AdamW(Uncompiled, torch.optim.AdamW):
    pass


class Muon(Uncompiled, torch.optim.Muon):
    pass


def step_of(optimiser: Any) -> Callable[[], object]:
    """An update of one of them; of another object its own `step`."""
    return partial(inspect.unwrap(type(optimiser).step), optimiser)
