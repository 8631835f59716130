"""Answers: what readings of a file's weights answer to the rows of a task's table."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.config import ModelConfig, TransformerConfig
from grokinterp.evaluation.evaluator import evaluator
from grokinterp.importers._evidence import losses
from grokinterp.importers.reading.candidates import Candidate
from grokinterp.importers.reading.scores import COMPARED, Score, draw
from grokinterp.models.functional import ACTIVATIONS
from grokinterp.tasks import Task


class Answers:
    """The answers of readings to one task's table.

    Of hundreds of readings most differ in numbers and in a function only: those that are alike in all else share one
    hooked model, whose making takes longer than a hundred rows.
    """

    def __init__(self, task: Task):
        self.task = task
        self._models: dict[tuple[Any, ...], Any] = {}

    def score(self, candidate: Candidate, rows: Int[Tensor, "row"]) -> Score:
        """The score of one reading on some rows of the table. Weights that are not numbers answer nothing."""
        return Score.of(self.logits(candidate, rows)[..., : self.task.n_answers], self.task, rows)

    @torch.no_grad()
    def logits(self, candidate: Candidate, rows: Int[Tensor, "row"]) -> Float[Tensor, "row *t column"]:
        """The logits of one reading at the scored positions of some rows."""
        return self._logits(candidate.config, candidate.parameters, rows)

    @torch.no_grad()
    def mean_logits(self, candidate: Candidate, rows: Int[Tensor, "row"]) -> Float[Tensor, "row column"]:
        """The mean of a transformer's logits over all positions of some rows, each of which reads all others."""
        config, parameters = _multiplied_out(candidate.config, candidate.parameters)
        return self._hooked(config, parameters, rows, attention_direction="bidirectional").mean(1)

    def slope(self, candidate: Candidate) -> float:
        """The norm of the loss's gradient with respect to all weights, as a share of the loss; infinite where it is 0.

        Rows worse than a guess have no part in the gradient.
        """
        task, rows = self.task, draw(len(self.task.inputs), COMPARED)
        parameters = {name: value.detach().clone().requires_grad_() for name, value in candidate.parameters.items()}
        with torch.enable_grad():
            part = losses(self._logits(candidate.config, parameters, rows)[..., : task.n_answers], task, rows)
            loss = part.clamp(max=math.log(task.n_answers)).mean()
            loss.backward()
        squares = [float(value.grad.double().square().sum()) for value in parameters.values() if value.grad is not None]
        return sum(squares) ** 0.5 / loss.item() if loss.item() > 0 else math.inf

    def _logits(
        self, config: ModelConfig, parameters: Mapping[str, Tensor], rows: Int[Tensor, "row"]
    ) -> Float[Tensor, "row *t column"]:
        """As the evaluator's."""
        config, parameters = _multiplied_out(config, parameters)
        is_slow = config.fast_path(self.task.positions, self.task.inputs.shape[1]) is None
        if isinstance(config, TransformerConfig) and is_slow:
            logits = self._hooked(config, parameters, rows, self.task.positions)
            return logits[:, 0] if logits.shape[1] == 1 else logits
        return evaluator(config, self.task)(parameters, rows, for_gradient=torch.is_grad_enabled())

    def _hooked(
        self,
        config: TransformerConfig,
        parameters: Mapping[str, Tensor],
        rows: Int[Tensor, "row"],
        positions: tuple[int, ...] | None = None,
        **others: Any,
    ) -> Float[Tensor, "row t column"]:
        """The hooked model's logits at some positions, or at all; `others` are fields that differ from the config's."""
        fields = {**vars(config), **others}
        function = fields.pop("activation")
        kind = (type(config), *fields.values())
        if kind not in self._models:
            self._models[kind] = _without_weights(replace(config, **others), parameters)
        model = self._models[kind]
        for block in model.blocks:
            if hasattr(block, "mlp"):
                block.mlp.activation = ACTIVATIONS[function]
        options = {} if positions is None else config.forward_options(positions)
        inputs = self.task.inputs[rows]
        return torch.func.functional_call(model, dict(parameters), (inputs,), options, tie_weights=False)


def _without_weights(config: TransformerConfig, parameters: Mapping[str, Tensor]) -> Any:
    """A hooked model that is given its weights with every call, and so keeps none: there may be many of large ones."""
    from grokinterp import models  # imports TransformerLens, three seconds that the fast path does not pay

    model = models.build(config, parameters)
    for parameter in model.parameters():
        parameter.data = parameter.data.new_empty(0)
    return model


def _multiplied_out(config: Any, parameters: Mapping[str, Tensor]) -> tuple[Any, Mapping[str, Tensor]]:
    """A model whose embedding is scaled as one whose is not, which leaves it to the fast path."""
    if not isinstance(config, TransformerConfig) or config.embedding_scale == 1:
        return config, parameters
    W_E = parameters["embed.W_E"]
    parameters = {**parameters, "embed.W_E": W_E * config.embedding_scale}
    if config.tied_unembed:
        parameters["unembed.W_U"] = W_E[: config.d_vocab_out].mT
    return replace(config, embedding_scale=1.0, tied_unembed=False), parameters
