"""Losses and accuracies of logits, or of the numbers that a model answers with."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

from grokinterp.config import ScheduleConfig

Objective: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""What training lowers, of outputs [m, *t, answer] and labels [m, *t]."""

TOLERANCE = 0.01
"""How far a number may be from the right one, as a share of it, to count as right (our choice)."""


def objective(schedule: ScheduleConfig) -> Objective:
    """What a run lowers: `loss` unless its schedule says otherwise, of logits over its temperature."""
    dtype = torch.float64 if schedule.loss_dtype == "float64" else torch.float32
    lowered = {"cross_entropy": loss, "stablemax": stablemax_cross_entropy, "mse": squared_error}[schedule.loss]
    if schedule.temperature == 1:
        return partial(lowered, dtype=dtype)
    return lambda outputs, labels: lowered(outputs.to(dtype) / schedule.temperature, labels, dtype)


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


def stablemax(logits: Float[Tensor, "*m answer"]) -> Float[Tensor, "*m answer"]:
    """s(x) / sum of s over the answers, s(x) = x + 1 from 0 on and 1 / (1 - x) below (Prieto et al. 2025, eq. 5).

    It grows as a power of the logits and not as their exponential, so that no row's loss is rounded to 0.
    """
    # Both branches are evaluated, and the gradient of the one that is not taken must be finite too.
    s = torch.where(logits >= 0, logits + 1, 1 / (1 - logits.clamp(max=0)))
    return s / s.sum(-1, keepdim=True)


def stablemax_cross_entropy(
    logits: Float[Tensor, "m *t answer"], labels: Int[Tensor, "m *t"], dtype: torch.dtype = torch.float64
) -> Float[Tensor, ""]:
    """Mean of -log of the label's `stablemax`, in nats, on logits cast to `dtype`."""
    return F.nll_loss(stablemax(logits.to(dtype).flatten(0, -2)).log(), labels.flatten())


def squared_error(
    logits: Float[Tensor, "m *t answer"], labels: Int[Tensor, "m *t"], dtype: torch.dtype = torch.float64
) -> Float[Tensor, ""]:
    """Mean square of logits minus the label's one-hot, over rows and columns (Gromov 2023, Doshi et al. 2023)."""
    return F.mse_loss(logits.to(dtype), F.one_hot(labels, logits.shape[-1]).to(dtype))


def largest(logits: Float[Tensor, "*m answer"]) -> Int[Tensor, "*m"]:
    """The column of each row's largest logit, the first of several."""
    if logits.device.type == "cpu" and logits.dtype in (torch.float32, torch.float64):
        # NumPy compares several columns at a time, torch one.
        return torch.from_numpy(np.asarray(logits.detach().numpy().argmax(-1)))
    return logits.argmax(-1)


def is_right(logits: Float[Tensor, "m *t answer"], labels: Shaped[Tensor, "m *t"]) -> Bool[Tensor, "m"]:
    """[m]: whether every scored position is right; a number is where it is off by `TOLERANCE` of the answer at most."""
    return rightness(logits, labels) == 1


def rightness(logits: Float[Tensor, "m *t answer"], labels: Shaped[Tensor, "m *t"]) -> Float[Tensor, "m"]:
    """[m]: 1 for a right row (`is_right`), 0 for a wrong one, NaN for one whose answer is no finite number."""
    if labels.is_floating_point():
        answers = logits[..., 0]
        right = (answers - labels).abs() <= TOLERANCE * labels.abs()
    else:
        columns = largest(logits)
        right = columns == labels
        answers = logits.gather(-1, columns[..., None])[..., 0]  # NaN where any of the row is
    finite = answers.isfinite()
    if right.ndim > 1:
        right, finite = right.all(1), finite.all(1)
    return right.double().where(finite, torch.nan)


def accuracy(logits: Float[Tensor, "m *t answer"], labels: Shaped[Tensor, "m *t"]) -> Float[Tensor, ""]:
    """Share of rows that are right (`is_right`); NaN of no rows, and where any answer is no finite number."""
    return rightness(logits, labels).mean()


def corrupted_scores(
    logits: Float[Tensor, "m *t answer"],
    labels: Shaped[Tensor, "m *t"],
    taught: Shaped[Tensor, "m *t"],
    train: Bool[Tensor, "m"],
    corrupted: Bool[Tensor, "m"],
) -> dict[str, Tensor]:
    """`train_loss_*` and `train_accuracy_*` of `clean` training rows and of `corrupted` ones, by the label taught.

    `train_accuracy_corrected` counts the right answers of the corrupted ones.
    """
    sides = {"clean": train & ~corrupted, "corrupted": corrupted}
    return {
        **{f"train_loss_{name}": loss(logits[rows], taught[rows]) for name, rows in sides.items()},
        **{f"train_accuracy_{name}": accuracy(logits[rows], taught[rows]) for name, rows in sides.items()},
        "train_accuracy_corrected": accuracy(logits[corrupted], labels[corrupted]),
    }
