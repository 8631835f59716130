"""The exact evaluation of a one-layer transformer at its last position, batched over seeds or checkpoints.

Without LayerNorm, keys and values are functions of (token, position) alone: they are computed once for every
distinct pair (227 of them for `a b =` at p = 113, not 3 n) and gathered, and W_O, the MLP and the unembedding run
at the last position only. This is the hooked model's function, to float rounding, in value and gradient.

Where no gradient of a single model is asked for, `evaluation.lazy` is faster.

Parameters carry the classic names and shapes, all with the same leading batch dimensions, if any.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokinterp.config import ModelConfig, TransformerConfig
from grokinterp.errors import BadRequest
from grokinterp.models.functional import ACTIVATIONS, sinusoids
from grokinterp.models.parameters import unembedding


def one_layer(config: ModelConfig) -> TransformerConfig:
    """The config of a model that the fast path takes. Raises `BadRequest` where `config.why_not_fused` has a reason."""
    # What is computed here is this one family, so that which it is cannot be its own method.
    if (reason := config.why_not_fused()) or not isinstance(config, TransformerConfig):
        raise BadRequest(f"the fast path does not take this model: {reason}; run the hooked model instead")
    return config


class Rows(NamedTuple):
    """A batch of token rows, as indices into its distinct (token, position) pairs.

    `tokens` and `positions` [pair] list the pairs, those of the last position last; `source` [n, position] is the
    pair at each position of a row; `last` [n] which of the `n_last` pairs of the last position a row ends in. Where
    each model of a batch has rows of its own, both lead with that dimension.
    """

    tokens: Int[Tensor, "pair"]
    positions: Int[Tensor, "pair"]
    source: Int[Tensor, "*batch n position"]
    last: Int[Tensor, "*batch n"]
    n_last: int

    @classmethod
    def of(cls, inputs: Int[Tensor, "n position"]) -> "Rows":
        """Factor token rows [n, position]."""
        tokens, positions, source, offset = [], [], [], 0
        distinct = index = inputs.new_empty(0)
        for position, column in enumerate(inputs.T):
            distinct, index = column.unique(return_inverse=True)
            tokens.append(distinct)
            positions.append(torch.full_like(distinct, position))
            source.append(index + offset)
            offset += len(distinct)
        return cls(torch.cat(tokens), torch.cat(positions), torch.stack(source, 1), index, len(distinct))

    def __getitem__(self, rows: Int[Tensor, "*batch m"] | slice) -> "Rows":  # type: ignore[override]
        """Some of the rows, over the same pairs."""
        return self._replace(source=self.source[rows], last=self.last[rows])

    def by_position(self) -> list[Int[Tensor, "*batch _"]]:
        """The source pairs, position by position; a single one where all rows end in the same token."""
        columns = list(self.source.unbind(-1))
        return [*columns[:-1], columns[-1][..., :1]] if self.n_last == 1 else columns

    @property
    def leading(self) -> int:
        """How many batch dimensions the rows have themselves: 0, or 1 where they differ from model to model."""
        return self.last.ndim - 1


class Activations(NamedTuple):
    """What the hooked model computes at the last position, under its hooks' names."""

    pattern: Float[Tensor, "*batch n source head"]
    z: Float[Tensor, "*batch n head_and_d_head"]
    resid_mid: Float[Tensor, "*batch n d"]
    pre: Float[Tensor, "*batch n mlp"] | None
    post: Float[Tensor, "*batch n mlp"] | None
    resid_post: Float[Tensor, "*batch n d"]
    logits: Float[Tensor, "*batch n answer"]


def activations(config: ModelConfig, parameters: Mapping[str, Tensor], rows: Rows) -> Activations:
    """Everything the model computes at the last position of `rows`.

    Raises `BadRequest` for a model against which `config.why_not_fused` has a reason.
    """
    batch = parameters["embed.W_E"].shape[:-2]
    out = _forward(one_layer(config), flat(parameters, len(batch)), rows)
    return Activations._make(None if x is None else x.reshape(*batch, *x.shape[1:]) for x in out)


def logits(config: ModelConfig, parameters: Mapping[str, Tensor], rows: Rows) -> Float[Tensor, "*batch n answer"]:
    """The logits at the last position, [*batch, n, d_vocab_out], as `activations` gives them."""
    return activations(config, parameters, rows).logits


def logits_from_embeddings(
    config: ModelConfig, parameters: Mapping[str, Tensor], embedded: Float[Tensor, "n position d"]
) -> Float[Tensor, "n answer"]:
    """The logits at the last position as a function of what `hook_embed` gives (before positions), differentiable.

    For gradients with respect to embedding outputs. Every row has pairs of its own here, which no other row shares, so
    that each attends for itself. Raises `BadRequest` as `activations` does.
    """
    config, parameters = one_layer(config), flat(parameters, 0)
    n, length, _ = embedded.shape
    positions = torch.arange(length, device=embedded.device)
    every = Rows(tokens=positions, positions=positions, source=positions[None], last=positions[-1:], n_last=1)
    x = positioned(config, parameters, embedded, every)
    keys, values = (
        project(config, parameters, x.flatten(0, 1)[None], letter)[0].unflatten(0, (n, length)) for letter in "KV"
    )
    q = project(config, parameters, x[None, :, -1], "Q")[0] / config.head_size**0.5
    pattern = rated(config, torch.einsum("nhe,nshe->nhs", q, keys).softmax(2))
    z = torch.einsum("nhs,nshe->nhe", pattern, values).flatten(1)[None]
    return _after_heads(config, parameters, z, x[None, :, -1])[-1][0]


# -- steps of the evaluation, all with exactly one batch dimension: each is a single (batched) matrix product


def flat(parameters: Mapping[str, Tensor], n_batch: int) -> dict[str, Tensor]:
    """The parameters with their leading batch dimensions, or none, as one."""
    return {name: tensor.reshape(-1, *tensor.shape[n_batch:]) for name, tensor in parameters.items()}


def _forward(config: TransformerConfig, parameters: Mapping[str, Tensor], rows: Rows) -> Activations:
    x = positioned(config, parameters, parameters["embed.W_E"][:, rows.tokens], rows)
    x_last = x[:, -rows.n_last :]
    # A slice of its own, so that a gradient is summed in the order that runs have always had, to the last bit.
    of_pairs = scores(config, parameters, x[:, -rows.n_last :], x).flatten(1, 2)
    pairs = rows.last[..., None] * len(rows.tokens) + rows.source
    pattern = rated(config, gather(of_pairs, pairs, rows.leading).softmax(2))
    z = weigh_values(project(config, parameters, x, "V"), pattern, rows)
    residual = x_last if rows.n_last == 1 else gather(x_last, rows.last, rows.leading)
    return Activations(pattern, z, *_after_heads(config, parameters, z, residual))


def _after_heads(
    config: TransformerConfig, parameters: Mapping[str, Tensor], z: Tensor, residual: Tensor
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor, Tensor]:
    """What follows `z` in `Activations`. Without an MLP there are no neurons, and the stream passes on as it is."""
    b_O, W_in, b_in, b_out = (
        parameters.get(f"blocks.0.{name}") for name in ("attn.b_O", "mlp.W_in", "mlp.b_in", "mlp.b_out")
    )
    resid_mid = resid_post = _affine(z, parameters["blocks.0.attn.W_O"].flatten(1, 2), b_O, residual)
    pre = post = None
    if W_in is not None:
        pre = _affine(resid_mid, W_in, b_in)
        post = ACTIVATIONS[config.activation](pre)
        resid_post = _affine(post, parameters["blocks.0.mlp.W_out"], b_out, residual=resid_mid)
    return resid_mid, pre, post, resid_post, _affine(resid_post, unembedding(parameters), parameters.get("unembed.b_U"))


def positioned(
    config: TransformerConfig, parameters: Mapping[str, Tensor], x: Float[Tensor, "batch pair d"], rows: Rows
) -> Float[Tensor, "batch pair d"]:
    """The embedded pairs with their positions added."""
    if config.position_embedding == "learned":
        return x + parameters["pos_embed.W_pos"][:, rows.positions]
    if config.position_embedding == "sinusoidal":
        return x + sinusoids(int(rows.positions[-1]) + 1, config.d_model).to(x)[rows.positions]
    return x


def project(config: TransformerConfig, parameters: Mapping[str, Tensor], x: Tensor, letter: str) -> Tensor:
    """The queries (Q), keys (K) or values (V) of vectors, [batch, vector, head, d_head]."""
    out = torch.einsum("btd,bhde->bthe", x, parameters[f"blocks.0.attn.W_{letter}"])
    return out + parameters[f"blocks.0.attn.b_{letter}"][:, None] if config.attention_bias else out


def scores(
    config: TransformerConfig, parameters: Mapping[str, Tensor], queries: Tensor, keys: Tensor
) -> Float[Tensor, "batch query source head"]:
    """The attention scores of some vectors to others, before the softmax."""
    q = project(config, parameters, queries, "Q") / config.head_size**0.5
    return torch.einsum("blhe,bthe->blth", q, project(config, parameters, keys, "K"))


def rated(config: TransformerConfig, pattern: Tensor) -> Tensor:
    """A softmax as the pattern that this attention uses, uniform as far as its rate says."""
    return pattern if config.attention_rate == 1 else pattern * config.attention_rate + (1 - config.attention_rate)


def weigh_values(
    value_of_pair: Float[Tensor, "batch pair head d_head"], pattern: Float[Tensor, "batch n source head"], rows: Rows
) -> Float[Tensor, "batch n head_and_d_head"]:
    """The heads' values, weighted by the pattern."""
    weights = pattern[..., None].unbind(2)
    width = value_of_pair.shape[2:]
    flat_values = value_of_pair.flatten(2)
    values = [gather(flat_values, pairs, rows.leading).unflatten(-1, width) for pairs in rows.by_position()]
    z = weights[0] * values[0]
    for weight, value in zip(weights[1:], values[1:], strict=True):
        z = torch.addcmul(z, weight, value)
    return z.flatten(2)


def gather(
    table: Float[Tensor, "batch pair width"], index: Int[Tensor, "*n"], leading: int = 0
) -> Float[Tensor, "batch *m width"]:
    """Rows of each table by their number; the first `leading` dimensions of `index` are the tables', 0 or 1 of them."""
    # F.embedding, because its gather and its scatter are several times faster than indexing and its gradient.
    batch, pairs, width = table.shape
    offset = torch.arange(0, batch * pairs, pairs, device=index.device).view(-1, *[1] * (index.ndim - leading))
    return F.embedding(offset + index, table.reshape(-1, width))


def _affine(x: Tensor, W: Tensor, b: Tensor | None, residual: Tensor | None = None) -> Tensor:
    # The residual rides on the product: no pass over memory of its own.
    b = None if b is None else b[:, None]
    if residual is None:
        return torch.bmm(x, W) if b is None else torch.baddbmm(b, x, W)
    out = torch.baddbmm(residual, x, W)
    return out if b is None else out + b
