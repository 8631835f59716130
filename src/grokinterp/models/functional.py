"""Functions without weights that models are made of: nonlinearities, fixed positions, and an affine map."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "gelu": F.gelu,
    "tanh": torch.tanh,
    "silu": F.silu,
    "square": torch.square,
    "relu_squared": lambda x: torch.relu(x).square(),
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "softplus": F.softplus,
    "mish": F.mish,
    "sigmoid": torch.sigmoid,
    "hardswish": F.hardswish,
    "abs": torch.abs,
    "identity": lambda x: x,
    "cube": lambda x: x**3,
    "fourth": lambda x: x**4,
    "eighth": lambda x: x**8,
    "exp": torch.exp,
    # torch's own turns into a line from 20 on, where float64 still tells them apart.
    "log1p_exp_2x": lambda x: torch.logaddexp(2 * x, torch.zeros_like(x)),
}
"""By the names of `config.activation`. `gelu` is the exact one (erf), as in PyTorch and the pizza code, not GPT-2's."""


def affine(x: Float[Tensor, "n i"], W: Float[Tensor, "i o"], b: Float[Tensor, "o"] | None) -> Float[Tensor, "n o"]:
    """x W + b, or x W where there is no bias."""
    return x @ W if b is None else torch.addmm(b, x, W)


def sinusoids(n_ctx: int, d_model: int) -> Float[Tensor, "position d"]:
    """Fixed position embedding of Vaswani et al. 2017, section 3.5, in float64: sines in even columns, then cosines."""
    angle = torch.arange(n_ctx)[:, None] / 10_000 ** (torch.arange(0, d_model, 2).double() / d_model)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :d_model]
