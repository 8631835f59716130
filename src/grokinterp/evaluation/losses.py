"""Losses and accuracies of logits, or of the numbers that a model answers with."""

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

TOLERANCE = 0.01
"""How far a number may be from the right one, as a share of it, to count as right (our choice)."""


def loss(
    outputs: Float[Tensor, "m *t answer"], labels: Shaped[Tensor, "m *t"], dtype: torch.dtype = torch.float64
) -> Float[Tensor, ""]:
    """What training lowers: the mean cross-entropy in nats or, where answers are numbers, the mean squared error."""
    if labels.is_floating_point():
        return F.mse_loss(outputs.to(dtype)[..., 0], labels.to(dtype))
    return cross_entropy(outputs, labels, dtype)


def cross_entropy(
    logits: Float[Tensor, "m *t answer"], labels: Int[Tensor, "m *t"], dtype: torch.dtype = torch.float64
) -> Float[Tensor, ""]:
    """Mean cross-entropy in nats on logits cast to `dtype`: in float32, small losses are multiples of 1.2e-7."""
    return F.cross_entropy(logits.to(dtype).flatten(0, -2), labels.flatten())


def is_right(logits: Float[Tensor, "m *t answer"], labels: Shaped[Tensor, "m *t"]) -> Bool[Tensor, "m"]:
    """[m]: whether every scored position is right; a number is where it is off by `TOLERANCE` of the answer at most."""
    if labels.is_floating_point():
        return (logits[..., 0] - labels).abs() <= TOLERANCE * labels.abs()
    right = logits.argmax(-1) == labels
    return right if right.ndim == 1 else right.all(1)


def accuracy(logits: Float[Tensor, "m *t answer"], labels: Shaped[Tensor, "m *t"]) -> Float[Tensor, ""]:
    """Share of rows that are right (`is_right`); NaN of no rows."""
    return is_right(logits, labels).double().mean()
