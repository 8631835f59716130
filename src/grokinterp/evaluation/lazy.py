"""The evaluation of one one-layer transformer without gradient: each activation when it is first asked for.

The stream after attention is a weighted sum of a dozen out of some hundred vectors (`Reading`). Whatever is linear in
it acts on these and not on the rows, so that one large product is left: the neurons through W_out W_U to the logits.
What else the hooked model computes on the way costs nothing until it is read. This is the function of `fused`, to float
rounding; sums are taken in the order that is fastest, and their gradient would be summed in any order on a GPU.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokinterp.config import ModelConfig
from grokinterp.evaluation import fused
from grokinterp.evaluation.fused import Rows
from grokinterp.models.functional import ACTIVATIONS
from grokinterp.models.parameters import unembedding

WIDTH = 8
"""A product is a third slower where a row of its result is no multiple of so many numbers."""


class Reading(NamedTuple):
    """What the last position of rows starts with, and what its heads read there: the stream after attention in parts.

    That is `last[rows.last]`, plus for each head and source `pattern` times what the head `writes` of the source's
    pair, plus b_O.
    """

    last: Float[Tensor, "last d"]
    pattern: Float[Tensor, "n source head"]
    writes: Float[Tensor, "head pair d"]

    def terms(self, rows: Rows, heads: Sequence[int]) -> tuple[Int[Tensor, "n term"], Float[Tensor, "n term"]]:
        """Which vectors of `cat([writes[heads].flatten(0, 1), last])` each row sums, and their weights."""
        n_pairs = self.writes.shape[1]
        start = len(heads) * n_pairs + rows.last[:, None]
        index = torch.cat([*(rows.source + i * n_pairs for i in range(len(heads))), start], 1)
        weight = [self.pattern[..., head] for head in heads]
        return index, torch.cat([*weight, self.pattern.new_ones(len(start), 1)], 1)


def through_matrix(
    W: Float[Tensor, "d width"],
    b: Tensor | None,
    writes: Float[Tensor, "head pair d"],
    last: Float[Tensor, "last d"],
) -> Float[Tensor, "vector width"]:
    """The vectors that `Reading.terms` counts, through an affine map: of these every row sums just one of `last`."""
    vectors = torch.cat([writes.flatten(0, 1), last]) @ W
    if b is not None:
        vectors[-len(last) :] += b
    return vectors


def gather_sum(
    vectors: Float[Tensor, "vector width"], index: Int[Tensor, "n term"], weight: Float[Tensor, "n term"]
) -> Float[Tensor, "n width"]:
    """The weighted sum of some of the vectors for each row."""
    return F.embedding_bag(index, vectors, per_sample_weights=weight, mode="sum")


def padded(W: Float[Tensor, "*rest column"]) -> Float[Tensor, "*rest padded_column"]:
    """A matrix with columns of zeros up to a multiple of WIDTH."""
    return F.pad(W, (0, -W.shape[-1] % WIDTH))


class LazyActivations:
    """What the hooked model computes at the last position of `rows`, under its hooks' names.

    Raises `BadRequest` for a model against which `config.why_not_fused` has a reason.
    """

    def __init__(self, config: ModelConfig, parameters: Mapping[str, Tensor], rows: Rows):
        self._config, self._rows = fused.one_layer(config), rows
        self._parameters, self._batch_of_one = parameters, fused.flat(parameters, 0)

    @cached_property
    def reading(self) -> Reading:
        """The attention before it is summed up."""
        writes = torch.einsum("bthe,bhed->bhtd", self._values, self._batch_of_one["blocks.0.attn.W_O"])
        last = self._x[:, -self._rows.n_last :]
        pattern = self._attention(last, self._rows.last, self._rows.source)
        return Reading(last[0], pattern.permute(2, 1, 0), writes[0])

    @cached_property
    def mean_pattern(self) -> Float[Tensor, "head query source"]:
        """The attention pattern of every query position, not the last alone, averaged over the rows."""
        source = self._rows.source
        patterns = []
        for query, pairs in enumerate(source.T[:-1]):
            # A causal query sees no later position, whatever the attention rate.
            seen = source[:, : query + 1] if self._config.attention_direction == "causal" else source
            pattern = self._attention(self._x, pairs, seen).mean(2)
            patterns.append(F.pad(pattern, (0, source.shape[1] - pattern.shape[1])))
        return torch.stack([*patterns, self.reading.pattern.mean(0).T], 1)

    @property
    def pattern(self) -> Float[Tensor, "n head source"]:
        """The attention pattern."""
        return self.reading.pattern.mT

    @cached_property
    def z(self) -> Float[Tensor, "n head d_head"]:
        """The heads' values, weighted by the pattern."""
        z = fused.weigh_values(self._values, self.reading.pattern[None], self._rows)[0]
        return z.unflatten(-1, self._values.shape[2:])

    @cached_property
    def resid_mid(self) -> Float[Tensor, "n d"]:
        """The stream after attention."""
        return gather_sum(torch.cat([self.reading.writes.flatten(0, 1), self._last]), *self._terms)

    @cached_property
    def pre(self) -> Float[Tensor, "n neuron"]:
        """The neurons before their activation function."""
        W_in, b_in = (self._parameters.get(f"blocks.0.mlp.{name}") for name in ("W_in", "b_in"))
        assert W_in is not None
        return self._through(W_in, b_in)

    @cached_property
    def post(self) -> Float[Tensor, "n neuron"]:
        """The neurons after it."""
        return ACTIVATIONS[self._config.activation](self.pre)

    @cached_property
    def resid_post(self) -> Float[Tensor, "n d"]:
        """The stream after the layer."""
        W_out, b_out = (self._parameters.get(f"blocks.0.mlp.{name}") for name in ("W_out", "b_out"))
        if W_out is None:
            return self.resid_mid
        out = torch.addmm(self.resid_mid, self.post, W_out)
        return out if b_out is None else out.add_(b_out)

    @cached_property
    def logits(self) -> Float[Tensor, "n column"]:
        """The logits of all output columns."""
        W_out, b_out = (self._parameters.get(f"blocks.0.mlp.{name}") for name in ("W_out", "b_out"))
        W_U, b_U = padded(unembedding(self._parameters)), self._parameters.get("unembed.b_U")
        biases = [*([] if b_U is None else [padded(b_U)]), *([] if b_out is None else [b_out @ W_U])]
        out = self._through(W_U, sum(biases[1:], biases[0]) if biases else None)
        if W_out is not None:
            out.addmm_(self.post, W_out @ W_U)
        return out[:, : unembedding(self._parameters).shape[1]]

    # -- what these are made of

    @cached_property
    def _x(self) -> Float[Tensor, "1 pair d"]:
        embedded = self._parameters["embed.W_E"][None, self._rows.tokens]
        return fused.positioned(self._config, self._batch_of_one, embedded, self._rows)

    @cached_property
    def _values(self) -> Float[Tensor, "1 pair head d_head"]:
        return fused.project(self._config, self._batch_of_one, self._x, "V")

    def _attention(
        self, queries: Float[Tensor, "1 query d"], query: Int[Tensor, "n"], source: Int[Tensor, "n source"]
    ) -> Float[Tensor, "head source n"]:
        """The pattern of rows whose query is one of `queries`, and whose sources are these pairs."""
        scores = fused.scores(self._config, self._batch_of_one, queries, self._x)[0]
        # A gather of four numbers at a time takes as long as one of whole vectors; number by number, a tenth of that.
        pairs = query * scores.shape[1] + source.T
        of_rows = scores.flatten(0, 1).T.contiguous().index_select(1, pairs.flatten())
        return fused.rated(self._config, of_rows.unflatten(1, pairs.shape).softmax(1))

    @cached_property
    def _terms(self) -> tuple[Int[Tensor, "n term"], Float[Tensor, "n term"]]:
        return self.reading.terms(self._rows, range(self._config.n_heads))

    @cached_property
    def _last(self) -> Float[Tensor, "last d"]:
        b_O = self._parameters.get("blocks.0.attn.b_O")
        return self.reading.last if b_O is None else self.reading.last + b_O

    def _through(self, W: Float[Tensor, "d width"], b: Tensor | None) -> Float[Tensor, "n width"]:
        """The stream after attention, through an affine map."""
        return gather_sum(through_matrix(W, b, self.reading.writes, self._last), *self._terms)
