"""Logits of a model on a task's table: through the fast path where it applies, else through the hooked model."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokinterp import fused
from grokinterp.architecture import ModelConfig, TransformerConfig
from grokinterp.tasks import Task


@runtime_checkable
class Evaluator(Protocol):
    """Logits at the scored positions of the table's rows (all, or some), as a function of the parameters."""

    def __call__(
        self, parameters: Mapping[str, Tensor], rows: Int[Tensor, "m"] | None = None
    ) -> Float[Tensor, "m *t answer"]: ...


def evaluator(config: ModelConfig, task: Task, device: torch.device | str = "cpu") -> Evaluator:
    """How to evaluate this model on this task: `logits = evaluator(config, task)(parameters)`.

    Gives [n, d_vocab_out], or [n, t, d_vocab_out] where the answer is read at t positions; differentiable.
    """
    if isinstance(config, TransformerConfig) and fused.why_not(config, task.positions) is None:
        return _Fused(config, task, device)
    return _Hooked(config, task, device)


class _Fused:
    def __init__(self, config: TransformerConfig, task: Task, device: torch.device | str):
        self.config = config
        self.rows = fused.Rows.of(task.inputs.to(device))

    def __call__(
        self, parameters: Mapping[str, Tensor], rows: Int[Tensor, "m"] | None = None
    ) -> Float[Tensor, "m answer"]:
        return fused.logits(self.config, parameters, self.rows if rows is None else self.rows[rows])


class _Hooked:
    def __init__(self, config: ModelConfig, task: Task, device: torch.device | str):
        from grokinterp import models  # imports TransformerLens, three seconds that the fast path does not pay

        self.model = models.build(config).to(device)
        self.inputs = task.inputs.to(device)
        # A transformer computes its last block at the scored positions only; an MLP has one position anyway.
        self.options = {"positions": task.positions} if isinstance(config, TransformerConfig) else {}

    def __call__(
        self, parameters: Mapping[str, Tensor], rows: Int[Tensor, "m"] | None = None
    ) -> Float[Tensor, "m *t answer"]:
        inputs = self.inputs if rows is None else self.inputs[rows]
        logits = torch.func.functional_call(self.model, dict(parameters), (inputs,), self.options)
        return logits[:, 0] if logits.shape[1] == 1 else logits


def cross_entropy(
    logits: Float[Tensor, "m *t answer"], labels: Int[Tensor, "m *t"], dtype: torch.dtype = torch.float64
) -> Float[Tensor, ""]:
    """Mean cross-entropy in nats on logits cast to `dtype`: in float32, small losses are multiples of 1.2e-7."""
    return F.cross_entropy(logits.to(dtype).flatten(0, -2), labels.flatten())


def accuracy(logits: Float[Tensor, "m *t answer"], labels: Int[Tensor, "m *t"]) -> Float[Tensor, ""]:
    """Share of rows whose every scored position is right; NaN of no rows."""
    right = logits.argmax(-1) == labels
    return (right if right.ndim == 1 else right.all(1)).double().mean()
