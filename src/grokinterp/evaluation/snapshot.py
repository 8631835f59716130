"""Snapshot: one checkpoint evaluated once over its whole table, shared by all circuits."""

from collections.abc import Callable, Hashable, Mapping
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from grokinterp.config import ModelConfig
from grokinterp.errors import BadRequest, listed
from grokinterp.evaluation import fused
from grokinterp.evaluation.lazy import LazyActivations
from grokinterp.evaluation.losses import largest, loss
from grokinterp.models.own.tensors import NamedTensors
from grokinterp.models.parameters import unembedding
from grokinterp.tasks import Task

Computed = TypeVar("Computed")

TOKENS_AT_ONCE, TOKENS_SCORED_AT_ONCE = 24_576, 49_152
"""How many tokens the hooked model is run on at a time, 8,192 rows of three; and where only its logits are kept."""


def rows_at_once(inputs: Shaped[Tensor, "ab position"], tokens: int | None = None) -> int:
    """How many rows a model is run on at a time, so that activations fit into memory."""
    return max(1, (tokens or TOKENS_AT_ONCE) // inputs.shape[1])


# The checkpoints of a run have one task.
@lru_cache(maxsize=8)
def _rows_of(task: Task) -> fused.Rows:
    return fused.Rows.of(task.inputs)


class UnknownActivationError(BadRequest):
    """An activation that this model does not have."""


class Snapshot:
    """The weights of one checkpoint, and what they compute on every row of the task's table, evaluated when asked for.

    Activations are read at the scored position and known by their hook's name: `snapshot["blocks.0.mlp.hook_post"]` is
    [ab, neuron], a pattern [ab, head, source]. Of several scored positions that is the first; `at_scored` has them all,
    and `scored_logits` their logits. Nothing is written to after it is made: circuits only look.
    """

    def __init__(self, step: int, config: ModelConfig, task: Task, parameters: Mapping[str, Tensor]):
        self.step = step
        self.config = config
        self.task = task
        self.parameters = parameters if config.is_described else NamedTensors(parameters)
        self._computed: dict[tuple[Any, ...], Any] = {}

    def once(self, compute: Callable[..., Computed], *given: Hashable) -> Computed:
        """`compute(snapshot, *given)`, which several circuits need, computed for the first of them."""
        key = (compute, *given)
        if key not in self._computed:
            self._computed[key] = compute(self, *given)
        return self._computed[key]

    # -- activations

    @property
    def names(self) -> list[str]:
        """The activations that can be asked for, by hook name."""
        return self.config.activation_names

    def layers(self, ending: str) -> list[str]:
        """The activations of one kind, layer by layer: `layers("mlp.hook_post")`; none where no layer has it."""
        return [name for name in self.names if name.endswith(ending)]

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> Float[Tensor, "ab *rest"]:
        return self.at_scored(name)[:, 0]

    def at_scored(self, name: str) -> Float[Tensor, "ab t *rest"]:
        """An activation at each of the t scored positions; a pattern is [ab, t, head, source]."""
        if name not in self:
            raise UnknownActivationError(
                f"no activation {name!r} in this {self.config.kind}; it has {listed(self.names)}"
            )
        if self._is_fast:
            with torch.no_grad():
                return getattr(self._fast, name.rpartition("hook_")[2])[:, None]
        return self._evaluated[1][name]

    @cached_property
    def mean_patterns(self) -> Float[Tensor, "layer head query source"]:
        """Every layer's attention pattern at every query position, the mean over the table's rows.

        Raises `UnknownActivationError` for a model without attention.
        """
        if not self.config.has_token_attention:
            raise UnknownActivationError(f"no attention in this {self.config.kind}; it has {listed(self.names)}")
        if self._is_fast:
            with torch.no_grad():
                return self._fast.mean_pattern[None]
        layers = range(len(self.config.layer_heads))
        return torch.stack([self._evaluated[2][f"blocks.{i}.attn.hook_pattern"] for i in layers])

    @property
    def is_evaluated(self) -> bool:
        """Whether the logits are known already, and with them the neurons."""
        return "_columns" in self.__dict__

    @property
    def rows(self) -> fused.Rows:
        """The table's rows for the fast path."""
        return _rows_of(self.task)

    @cached_property
    def _is_fast(self) -> bool:
        return self.config.why_not_fused(self.task.positions) is None

    @cached_property
    def _fast(self) -> LazyActivations:
        return LazyActivations(self.config, self.parameters, self.rows)

    @cached_property
    def _columns(self) -> Float[Tensor, "ab t column"]:
        with torch.no_grad():
            return self._fast.logits[:, None] if self._is_fast else self._evaluated[0]

    @cached_property
    def _evaluated(self) -> tuple[Float[Tensor, "ab t column"], dict[str, Tensor], dict[str, Tensor]]:
        with torch.no_grad():
            return self._through_the_hooks()

    def _through_the_hooks(self) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        from grokinterp import models  # imports TransformerLens, which the fast path does not wait for

        model = models.build(self.config, parameters=dict(self.parameters), task=self.task)
        positions = list(self.config.read_positions(self.task.positions))
        names = [name for name in self.names if name in model.hook_dict]
        parts: dict[str, list[Tensor]] = {name: [] for name in names}
        logits = []
        patterns: dict[str, Tensor] = {}
        for rows in self.task.inputs.split(rows_at_once(self.task.inputs)):
            out, cache = model.run_with_cache(rows, names_filter=names, return_cache_object=False)
            logits.append(out[:, positions])
            for name in names:
                value = cache[name]
                if name.endswith("hook_pattern"):
                    patterns[name] = patterns.get(name, 0) + value.sum(0) / len(self.task.inputs)
                parts[name].append(value.movedim(self.config.position_axis(name), 1)[:, positions])
        activations = {name: torch.cat(values) for name, values in parts.items()}
        # Without an MLP there is no hook between attention and the block's end: they are the same place.
        same = {name: activations[name.replace("mid", "post")] for name in self.names if name not in activations}
        return torch.cat(logits), {**activations, **same}, patterns

    # -- logits and losses

    @property
    def columns(self) -> Float[Tensor, "ab column"]:
        """[ab, d_vocab_out]: the logits of all output columns, answers first."""
        return self._columns[:, 0]

    @property
    def logits(self) -> Float[Tensor, "ab answer"]:
        """[ab, answer]: the logits of the answers 0 .. n_answers - 1."""
        return self.columns[:, : self.task.n_answers]

    @property
    def scored_logits(self) -> Float[Tensor, "ab *t answer"]:
        """[ab, answer], or [ab, t, answer] as the task's labels are [ab, t]: the answers' logits wherever scored."""
        logits = self._columns[..., : self.task.n_answers]
        return logits if self.task.labels.ndim == 2 else logits[:, 0]

    @property
    def labels(self) -> Shaped[Tensor, "ab"]:
        """[ab]: the right answers."""
        return self.task.answer_labels

    @cached_property
    def is_right(self) -> Bool[Tensor, "ab"]:
        """[ab]: whether the largest logit is the right answer's, whatever was trained on."""
        return largest(self.logits) == self.labels

    def loss(self, logits: Float[Tensor, "ab answer"], rows: Tensor | None = None) -> float:
        """Mean loss (`evaluation.loss`) of (edited) logits over all rows, or those of a mask, in float64."""
        if rows is None:
            return loss(logits, self.labels).item()
        return loss(logits[rows], self.labels[rows]).item()

    # -- weights

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """What was trained, each once: of a module of its own, without buffers and what stands there twice."""
        return {name: value for name, value in self.parameters.items() if name not in self.config.untrained}

    @property
    def n_numbers(self) -> int:
        """How many tokens are numbers, p for a formula mod p: rows 0 .. p - 1 of the embedding."""
        return self.task.sizes[0]

    @property
    def W_E(self) -> Float[Tensor, "token d"]:
        """[p, d]: the embedding of the numbers (of the first operand, where the second has its own).

        Of a model that reads one-hots, the numbers' rows of its first matrix: what each is to the neurons.
        """
        return self.vocabulary[: self.n_numbers]

    @property
    def vocabulary(self) -> Float[Tensor, "token d"]:
        """[token, d]: `W_E` of all tokens."""
        (name, first), n_tokens = self.config.token_rows[0], self.config.n_tokens
        return self.parameters[name][first:][:n_tokens]

    @property
    def W_U(self) -> Float[Tensor, "d answer"]:
        """[d, answer]: the unembedding of the answers."""
        W_U = unembedding(self.parameters) if self.config.is_described else self.parameters["unembed.W_U"]
        return W_U[:, : self.task.n_answers]

    @property
    def W_L(self) -> Float[Tensor, "neuron answer"]:
        """[neuron, answer]: the neuron-logit map W_out W_U of the last layer (Nanda et al. 2023); an MLP's is W_U."""
        if not self.config.layer_heads:
            return self.W_U
        return self.parameters[f"blocks.{len(self.config.layer_heads) - 1}.mlp.W_out"] @ self.W_U
