"""Logits of a model on a task's table: through the fast path where it applies, else through the hooked model."""

import pkgutil
from collections.abc import Mapping
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.config import ModelConfig
from grokinterp.config.own_module import OwnModuleConfig
from grokinterp.evaluation import folded, fused
from grokinterp.evaluation.lazy import LazyActivations
from grokinterp.models.own.tensors import own_tensors
from grokinterp.tasks import Task

Rows: TypeAlias = Int[Tensor, "m"] | Int[Tensor, "m position"] | Float[Tensor, "m feature"]
"""Which rows of the table, by number; or rows of their own, tokens or numbers as they are."""


@runtime_checkable
class Evaluator(Protocol):
    """Logits at the scored positions of rows (None: the whole table), as a function of the parameters.

    `for_gradient=False` is faster and may be in another order of summation; give it where no gradient is wanted.
    """

    def __call__(
        self, parameters: Mapping[str, Tensor], rows: Rows | None = None, *, for_gradient: bool = True
    ) -> Float[Tensor, "m *t answer"]: ...


def evaluator(config: ModelConfig, task: Task, device: torch.device | str = "cpu") -> Evaluator:
    """How to evaluate this model on this task: `logits = evaluator(config, task)(parameters)`.

    Gives [n, d_vocab_out], or [n, t, d_vocab_out] where the answer is read at t positions; differentiable.
    """
    fast_path = config.fast_path(task.positions, task.inputs.shape[1])
    return (HookedEvaluator if fast_path is None else pkgutil.resolve_name(fast_path))(config, task, device)


class FusedEvaluator:
    """An `Evaluator` through `fused`, or `lazy` where no gradient is wanted."""

    def __init__(self, config: ModelConfig, task: Task, device: torch.device | str):
        self.config = config
        self.rows = fused.Rows.of(task.inputs.to(device))

    def __call__(
        self, parameters: Mapping[str, Tensor], rows: Rows | None = None, *, for_gradient: bool = True
    ) -> Float[Tensor, "m answer"]:
        if rows is None:
            factored = self.rows
        else:
            factored = self.rows[rows] if rows.ndim == 1 else fused.Rows.of(rows)
        if for_gradient:
            return fused.logits(self.config, parameters, factored)
        return LazyActivations(self.config, parameters, factored).logits


class FoldedEvaluator:
    """An `Evaluator` through `folded`."""

    def __init__(self, config: ModelConfig, task: Task, device: torch.device | str):
        self.config = config
        self.inputs = task.inputs.to(device)

    def __call__(
        self, parameters: Mapping[str, Tensor], rows: Rows | None = None, *, for_gradient: bool = True
    ) -> Float[Tensor, "m answer"]:
        del for_gradient
        return folded.logits(self.config, parameters, _inputs_of(self.inputs, rows))


class HookedEvaluator:
    """An `Evaluator` through the hooked model."""

    def __init__(self, config: ModelConfig, task: Task, device: torch.device | str):
        from grokinterp import models  # imports TransformerLens, three seconds that the fast path does not pay

        self.model = models.build(config).to(device)
        self.inputs = task.inputs.to(device)
        # A transformer computes its last block at the scored positions only; an MLP has one position anyway.
        self.options = config.forward_options(task.positions)

    def __call__(
        self, parameters: Mapping[str, Tensor], rows: Rows | None = None, *, for_gradient: bool = True
    ) -> Float[Tensor, "m *t answer"]:
        del for_gradient
        inputs = _inputs_of(self.inputs, rows)
        logits = torch.func.functional_call(self.model, dict(parameters), (inputs,), self.options)
        return logits[:, 0] if logits.shape[1] == 1 else logits


class OwnModuleEvaluator:
    """An `Evaluator` through a module of a user's own code."""

    def __init__(self, config: OwnModuleConfig, task: Task, device: torch.device | str):
        from grokinterp.models.own import module

        self.config, self.positions = config, list(config.read_positions(task.positions))
        self.module = module.made(config).to(device)
        self.inputs, self.at_positions = task.inputs.to(device), module.at_positions

    def __call__(
        self, parameters: Mapping[str, Tensor], rows: Rows | None = None, *, for_gradient: bool = True
    ) -> Float[Tensor, "m *t answer"]:
        del for_gradient
        own = own_tensors(self.config, parameters)
        inputs = (_inputs_of(self.inputs, rows),)
        output = torch.func.functional_call(self.module, own, inputs, tie_weights=False)
        logits = self.at_positions(output)[:, self.positions]
        return logits[:, 0] if logits.shape[1] == 1 else logits


def _inputs_of(inputs: Tensor, rows: Rows | None) -> Tensor:
    if rows is None:
        return inputs
    return inputs[rows] if rows.ndim == 1 else rows
