"""Answers: what readings of a file's weights answer to the rows of a task's table."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokinterp.config import ModelConfig, TransformerConfig
from grokinterp.evaluation.evaluator import evaluator
from grokinterp.importers._evidence import losses
from grokinterp.importers.judging.scores import COMPARED, Score, draw
from grokinterp.importers.judging.structures import Structure, Wired
from grokinterp.importers.reading.candidates import Candidate
from grokinterp.models.functional import ACTIVATIONS
from grokinterp.tasks import Task

NEARLY_KNOWN = 0.5
"""Rows of a smaller loss, in nats, are those that weights are asked about along which direction they were trained."""


class Answers:
    """The answers of readings to one task's table.

    Of hundreds of readings most differ in numbers and in a function only: those that are alike in all else share one
    hooked model, whose making takes longer than a hundred rows.
    """

    def __init__(self, task: Task):
        self.task = task
        self._models: dict[tuple[Any, ...], Any] = {}

    def rows(self, count: int) -> Int[Tensor, "row"]:
        """So many rows of the table, or all where it has no more."""
        return draw(len(self.task.inputs), count)

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

    @torch.no_grad()
    def normalised_logits(
        self, scale: float | None, candidate: Candidate, rows: Int[Tensor, "row"]
    ) -> Float[Tensor, "row *t column"]:
        """A transformer's logits where scores are the cosines of queries and keys, times a scale.

        None for the root of the heads' width: queries and keys divided by their root mean square, as ours are scaled.
        """
        config, parameters = _multiplied_out(candidate.config, candidate.parameters)
        model = self._model(config, parameters)
        edits = {"q": partial(_divided_by_root_mean_square, scale=scale), "k": _divided_by_root_mean_square}
        hooks = [(f"blocks.{i}.attn.hook_{x}", edit) for i in range(len(model.blocks)) for x, edit in edits.items()]
        with model.hooks(fwd_hooks=hooks):
            logits = self._hooked(config, parameters, rows, self.task.positions)
        return _of_one_position(logits)

    @torch.no_grad()
    def wired_logits(
        self, structure: Structure, candidate: Candidate, rows: Int[Tensor, "row"]
    ) -> Float[Tensor, "row *t column"]:
        """The logits of a reading's parts, wired in another structure."""
        return self._wired(structure, candidate.config, candidate.parameters, rows)

    def slope(self, candidate: Candidate, structure: Structure | None = None) -> float:
        """The norm of the loss's gradient with respect to all weights, as a share of the loss; infinite where it is 0.

        Rows worse than a guess have no part in the gradient.
        """
        capped = lambda part: part.clamp(max=math.log(self.task.n_answers))
        loss, gradient = self._gradient(candidate, capped, structure)
        return float(gradient.norm()) / loss if loss > 0 else math.inf

    def alignment(self, candidate: Candidate) -> float:
        """The cosine of the weights with the direction in which they lower the loss of the rows that they know.

        Training lengthens what it has trained: once rows are known, weights go on along themselves, until decay holds
        them there (Lyu & Li 2020). Of another function they are just some weights. 0 where no row is known.
        """
        _, gradient = self._gradient(candidate, lambda part: part[part < NEARLY_KNOWN])
        weights = _flat(candidate.parameters.values())
        length = float(gradient.norm() * weights.norm())
        return -float(gradient @ weights) / length if length > 0 else 0.0

    def _gradient(
        self,
        candidate: Candidate,
        counted: Callable[[Float[Tensor, "row"]], Float[Tensor, "_"]],
        structure: Structure | None = None,
    ) -> tuple[float, Float[Tensor, "weight"]]:
        """The mean loss of what is counted of each row's, and its gradient with respect to all weights, in float64."""
        task, rows = self.task, self.rows(COMPARED)
        parameters = {name: value.detach().clone().requires_grad_() for name, value in candidate.parameters.items()}
        with torch.enable_grad():
            forward = self._logits if structure is None else partial(self._wired, structure)
            logits = forward(candidate.config, parameters, rows)[..., : task.n_answers]
            loss = counted(losses(logits, task, rows)).sum() / len(rows)
            loss.backward()
        return loss.item(), _flat(v.new_zeros(v.shape) if v.grad is None else v.grad for v in parameters.values())

    def _logits(
        self, config: ModelConfig, parameters: Mapping[str, Tensor], rows: Int[Tensor, "row"]
    ) -> Float[Tensor, "row *t column"]:
        """As the evaluator's."""
        config, parameters = _multiplied_out(config, parameters)
        is_slow = config.fast_path(self.task.positions, self.task.inputs.shape[1]) is None
        if isinstance(config, TransformerConfig) and is_slow:
            logits = self._hooked(config, parameters, rows, self.task.positions)
            return _of_one_position(logits)
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
        model = self._model(replace(config, **others), parameters)
        options = {} if positions is None else config.forward_options(positions)
        inputs = self.task.inputs[rows]
        return torch.func.functional_call(model, dict(parameters), (inputs,), options, tie_weights=False)

    def _wired(
        self, structure: Structure, config: ModelConfig, parameters: Mapping[str, Tensor], rows: Int[Tensor, "row"]
    ) -> Float[Tensor, "row *t column"]:
        config, parameters = _multiplied_out(config, parameters)
        wired = Wired(self._model(config, parameters), structure)
        named = {f"model.{name}": value for name, value in parameters.items()}
        logits = torch.func.functional_call(wired, named, (self.task.inputs[rows],), tie_weights=False)
        logits = logits[:, list(self.task.positions)]
        return _of_one_position(logits)

    def _model(self, config: Any, parameters: Mapping[str, Tensor]) -> Any:
        """The hooked model of a config, whatever its activation, which is set with every call."""
        kind = (type(config), *(value for name, value in vars(config).items() if name != "activation"))
        if kind not in self._models:
            self._models[kind] = _without_weights(config, parameters)
        model = self._models[kind]
        for block in model.blocks:
            if hasattr(block, "mlp"):
                block.mlp.activation = ACTIVATIONS[config.activation]
        return model


def _of_one_position(logits: Float[Tensor, "row t column"]) -> Float[Tensor, "row *t column"]:
    """Without the axis of positions where there is but one."""
    return logits[:, 0] if logits.shape[1] == 1 else logits


def _flat(tensors: Iterable[Tensor]) -> Float[Tensor, "weight"]:
    return torch.cat([tensor.detach().flatten().double() for tensor in tensors])


def _divided_by_root_mean_square(
    x: Float[Tensor, "*n d"], hook: Any, scale: float | None = None
) -> Float[Tensor, "*n d"]:
    divided = F.rms_norm(x, x.shape[-1:])
    return divided if scale is None else divided * scale / x.shape[-1] ** 0.5


def _without_weights(config: Any, parameters: Mapping[str, Tensor]) -> Any:
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
