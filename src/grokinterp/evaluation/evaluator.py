"""Logits of a model on a task's table: through the fast path where it applies, else through the hooked model."""

from collections.abc import Mapping
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

from grokinterp.config.architecture import EmbeddingMLPConfig, ModelConfig, TransformerConfig
from grokinterp.evaluation import folded, fused
from grokinterp.tasks import Task

TOLERANCE = 0.01
"""How far a number may be from the right one, as a share of it, to count as right (our choice)."""


Inputs: TypeAlias = Int[Tensor, "m position"] | Float[Tensor, "m *feature"]
"""Rows of tokens, or of numbers as they are."""


@runtime_checkable
class Evaluator(Protocol):
    """Logits at the scored positions of the table's rows (all, or some), as a function of the parameters."""

    def __call__(
        self, parameters: Mapping[str, Tensor], rows: Int[Tensor, "m"] | None = None
    ) -> Float[Tensor, "m *t answer"]: ...

    def of(self, parameters: Mapping[str, Tensor], inputs: Inputs) -> Float[Tensor, "m *t answer"]:
        """The same for rows that are not the table's: fresh ones of an endless task."""
        ...


def evaluator(config: ModelConfig, task: Task, device: torch.device | str = "cpu") -> Evaluator:
    """How to evaluate this model on this task: `logits = evaluator(config, task)(parameters)`.

    Gives [n, d_vocab_out], or [n, t, d_vocab_out] where the answer is read at t positions; differentiable.
    """
    if isinstance(config, TransformerConfig) and fused.why_not(config, task.positions) is None:
        return _Fused(config, task, device)
    if isinstance(config, EmbeddingMLPConfig) and task.inputs.shape[1] == config.n_ctx:
        return _Folded(config, task, device)
    return _Hooked(config, task, device)


class _Fused:
    def __init__(self, config: TransformerConfig, task: Task, device: torch.device | str):
        self.config = config
        self.rows = fused.Rows.of(task.inputs.to(device))

    def __call__(
        self, parameters: Mapping[str, Tensor], rows: Int[Tensor, "m"] | None = None
    ) -> Float[Tensor, "m answer"]:
        return fused.logits(self.config, parameters, self.rows if rows is None else self.rows[rows])

    def of(self, parameters: Mapping[str, Tensor], inputs: Int[Tensor, "m position"]) -> Float[Tensor, "m answer"]:
        return fused.logits(self.config, parameters, fused.Rows.of(inputs))


class _Folded:
    def __init__(self, config: EmbeddingMLPConfig, task: Task, device: torch.device | str):
        self.config = config
        self.inputs = task.inputs.to(device)

    def __call__(
        self, parameters: Mapping[str, Tensor], rows: Int[Tensor, "m"] | None = None
    ) -> Float[Tensor, "m answer"]:
        return self.of(parameters, self.inputs if rows is None else self.inputs[rows])

    def of(self, parameters: Mapping[str, Tensor], inputs: Int[Tensor, "m position"]) -> Float[Tensor, "m answer"]:
        return folded.logits(self.config, parameters, inputs)


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
        return self.of(parameters, self.inputs if rows is None else self.inputs[rows])

    def of(self, parameters: Mapping[str, Tensor], inputs: Inputs) -> Float[Tensor, "m *t answer"]:
        logits = torch.func.functional_call(self.model, dict(parameters), (inputs,), self.options)
        return logits[:, 0] if logits.shape[1] == 1 else logits


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
