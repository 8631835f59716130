"""The exact evaluation of a one-layer transformer at its last position, batched over seeds or checkpoints.

Without LayerNorm, keys and values are functions of (token, position) alone: they are computed once for every
distinct pair (227 of them for `a b =` at p = 113, not 3 n) and gathered, and W_O, the MLP and the unembedding run
at the last position only. This is the hooked model's function, to float rounding, in value and gradient.

The stream after attention is a weighted sum of a dozen out of some hundred vectors (`Reading`). Where no gradient of
a single model is asked for, W_in acts on these and not on the rows, which leaves W_out as the one large product.

Parameters carry the classic names and shapes, all with the same leading batch dimensions, if any.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from einops import rearrange
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
    pair at each position of a row; `last` [n] which of the `n_last` pairs of the last position a row ends in.
    """

    tokens: Int[Tensor, "pair"]
    positions: Int[Tensor, "pair"]
    source: Int[Tensor, "n position"]
    last: Int[Tensor, "n"]
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

    def __getitem__(self, rows: Int[Tensor, "m"] | slice) -> "Rows":  # type: ignore[override]
        """Some of the rows, over the same pairs."""
        return self._replace(source=self.source[rows], last=self.last[rows])

    def by_position(self) -> list[Int[Tensor, "_"]]:
        """The source pairs, position by position; a single one where all rows end in the same token."""
        columns = list(self.source.unbind(1))
        return [*columns[:-1], columns[-1][:1]] if self.n_last == 1 else columns


class Activations(NamedTuple):
    """What the hooked model computes at the last position, under its hooks' names."""

    pattern: Float[Tensor, "*batch n source head"]
    z: Float[Tensor, "*batch n head_and_d_head"]
    resid_mid: Float[Tensor, "*batch n d"]
    pre: Float[Tensor, "*batch n mlp"] | None
    post: Float[Tensor, "*batch n mlp"] | None
    resid_post: Float[Tensor, "*batch n d"]
    logits: Float[Tensor, "*batch n answer"]


def activations(
    config: ModelConfig, parameters: Mapping[str, Tensor], rows: Rows, for_gradient: bool = True
) -> Activations:
    """Everything the model computes at the last position of `rows`.

    Raises `BadRequest` for a model against which `config.why_not_fused` has a reason. With `for_gradient=False` sums
    are taken in the order that is fastest; their gradient would be summed in any order on a GPU.
    """
    batch = parameters["embed.W_E"].shape[:-2]
    flat = _flat(parameters, len(batch))
    out = _forward(one_layer(config), flat, flat["embed.W_E"][:, rows.tokens], rows, for_gradient)
    return Activations._make(None if x is None else x.reshape(*batch, *x.shape[1:]) for x in out)


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


def reading(config: ModelConfig, parameters: Mapping[str, Tensor], rows: Rows) -> Reading:
    """The attention of one model before it is summed up, for no gradient. Raises `BadRequest` as `activations` does."""
    config, flat = one_layer(config), _flat(parameters, 0)
    x = _positioned(config, flat, flat["embed.W_E"][:, rows.tokens], rows)
    pattern = _pattern(config, flat, x, rows, for_gradient=False)
    return _reading(flat, x[:, -rows.n_last :], _project(config, flat, x, "V"), pattern)


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


def logits(
    config: ModelConfig, parameters: Mapping[str, Tensor], rows: Rows, for_gradient: bool = True
) -> Float[Tensor, "*batch n answer"]:
    """The logits at the last position, [*batch, n, d_vocab_out], as `activations` gives them."""
    return activations(config, parameters, rows, for_gradient).logits


def logits_from_embeddings(
    config: ModelConfig, parameters: Mapping[str, Tensor], embedded: Float[Tensor, "n position d"]
) -> Float[Tensor, "n answer"]:
    """The logits at the last position as a function of what `hook_embed` gives (before positions), differentiable.

    For gradients with respect to embedding outputs. Every row has pairs of its own here, which no other row shares, so
    that each attends for itself. Raises `BadRequest` as `activations` does.
    """
    config, flat = one_layer(config), _flat(parameters, 0)
    n, length, _ = embedded.shape
    positions = torch.arange(length, device=embedded.device)
    every = Rows(tokens=positions, positions=positions, source=positions[None], last=positions[-1:], n_last=1)
    x = _positioned(config, flat, embedded, every)
    keys, values = (
        _project(config, flat, x.flatten(0, 1)[None], letter)[0].unflatten(0, (n, length)) for letter in "KV"
    )
    q = _project(config, flat, x[None, :, -1], "Q")[0] / config.head_size**0.5
    pattern = torch.einsum("nhe,nshe->nhs", q, keys).softmax(2)
    if config.attention_rate != 1:
        pattern = pattern * config.attention_rate + (1 - config.attention_rate)
    z = torch.einsum("nhs,nshe->nhe", pattern, values).flatten(1)[None]
    b_O, W_in, b_in = (flat.get(f"blocks.0.{name}") for name in ("attn.b_O", "mlp.W_in", "mlp.b_in"))
    resid_mid = _affine(z, flat["blocks.0.attn.W_O"].flatten(1, 2), b_O, x[None, :, -1])
    pre = None if W_in is None else _affine(resid_mid, W_in, b_in)
    return _out_of(config, flat, resid_mid, pre)[2][0]


def mean_pattern(
    config: ModelConfig, parameters: Mapping[str, Tensor], rows: Rows
) -> Float[Tensor, "head query source"]:
    """The attention pattern of every query position, not the last alone, averaged over the rows.

    Raises `BadRequest` as `activations` does.
    """
    config, flat = one_layer(config), _flat(parameters, 0)
    x = _positioned(config, flat, flat["embed.W_E"][:, rows.tokens], rows)
    score_of_pairs = _scores(config, flat, x, x).flatten(1, 2)
    length = rows.source.shape[1]
    out = []
    for query, pairs in enumerate(rows.source.T):
        # A causal query sees no later position, whatever the attention rate.
        seen = rows.source[:, : query + 1] if config.attention_direction == "causal" else rows.source
        scores = _gather(score_of_pairs, pairs[:, None] * len(rows.tokens) + seen)
        mean = scores.softmax(2).mean((0, 1)) * config.attention_rate + (1 - config.attention_rate)
        out.append(F.pad(mean, (0, 0, 0, length - len(mean))))
    return rearrange(out, "query source head -> head query source")


def _flat(parameters: Mapping[str, Tensor], n_batch: int) -> dict[str, Tensor]:
    # With exactly one batch dimension everything below is a single (batched) matrix product.
    return {name: tensor.reshape(-1, *tensor.shape[n_batch:]) for name, tensor in parameters.items()}


def _pattern(
    config: TransformerConfig,
    parameters: Mapping[str, Tensor],
    x: Float[Tensor, "batch pair d"],
    rows: Rows,
    for_gradient: bool,
) -> Float[Tensor, "batch n source head"]:
    score_of_pairs = _scores(config, parameters, x[:, -rows.n_last :], x).flatten(1, 2)
    pairs = rows.last[:, None] * len(rows.tokens) + rows.source
    if for_gradient:
        pattern = _gather(score_of_pairs, pairs).softmax(2)
    else:
        # A gather of four numbers at a time takes as long as one of whole vectors; number by number, a tenth of that.
        # Its gradient would be summed in any order on a GPU, and a run not come out the same twice.
        scores = score_of_pairs.mT.flatten(0, 1).index_select(1, pairs.T.flatten())
        pattern = scores.view(len(x), config.n_heads, -1, len(pairs)).softmax(2).permute(0, 3, 2, 1)
    return pattern if config.attention_rate == 1 else pattern * config.attention_rate + (1 - config.attention_rate)


def _forward(
    config: TransformerConfig,
    parameters: Mapping[str, Tensor],
    x: Float[Tensor, "batch pair d"],
    rows: Rows,
    for_gradient: bool,
) -> Activations:
    x = _positioned(config, parameters, x, rows)
    x_last = x[:, -rows.n_last :]
    pattern = _pattern(config, parameters, x, rows, for_gradient)
    value_of_pair = _project(config, parameters, x, "V")
    weights = pattern[..., None].unbind(2)
    values = [
        _gather(value_of_pair.flatten(2), pairs).unflatten(-1, (config.n_heads, -1)) for pairs in rows.by_position()
    ]
    z = weights[0] * values[0]
    for weight, value in zip(weights[1:], values[1:], strict=True):
        z = torch.addcmul(z, weight, value)
    z = z.flatten(2)

    b_O, W_in, b_in = (parameters.get(f"blocks.0.{name}") for name in ("attn.b_O", "mlp.W_in", "mlp.b_in"))
    if for_gradient or len(x) > 1:
        W_O, residual = parameters["blocks.0.attn.W_O"], x_last if rows.n_last == 1 else _gather(x_last, rows.last)
        resid_mid = _affine(z, W_O.flatten(1, 2), b_O, residual)
        pre = None if W_in is None else _affine(resid_mid, W_in, b_in)
    else:
        read = _reading(parameters, x_last, value_of_pair, pattern)
        terms = read.terms(rows, range(config.n_heads))
        last = read.last if b_O is None else read.last + b_O
        resid_mid = gather_sum(torch.cat([read.writes.flatten(0, 1), last]), *terms)[None]
        pre = None if W_in is None else gather_sum(through_matrix(W_in[0], b_in, read.writes, last), *terms)[None]
    return Activations(pattern, z, resid_mid, pre, *_out_of(config, parameters, resid_mid, pre))


def _out_of(
    config: TransformerConfig, parameters: Mapping[str, Tensor], resid_mid: Tensor, pre: Tensor | None
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Neurons after their activation, the stream after them, and the logits; without an MLP there are no neurons."""
    post, resid_post = None, resid_mid
    if pre is not None:
        post = ACTIVATIONS[config.activation](pre)
        W_out, b_out = parameters["blocks.0.mlp.W_out"], parameters.get("blocks.0.mlp.b_out")
        resid_post = _affine(post, W_out, b_out, residual=resid_mid)
    return post, resid_post, _affine(resid_post, unembedding(parameters), parameters.get("unembed.b_U"))


def _reading(
    parameters: Mapping[str, Tensor],
    x_last: Float[Tensor, "1 last d"],
    value_of_pair: Float[Tensor, "1 pair head d_head"],
    pattern: Float[Tensor, "1 n source head"],
) -> Reading:
    writes = torch.einsum("bthe,bhed->bhtd", value_of_pair, parameters["blocks.0.attn.W_O"])
    return Reading(x_last[0], pattern[0], writes[0])


def _positioned(
    config: TransformerConfig, parameters: Mapping[str, Tensor], x: Float[Tensor, "batch pair d"], rows: Rows
) -> Float[Tensor, "batch pair d"]:
    if config.position_embedding == "learned":
        return x + parameters["pos_embed.W_pos"][:, rows.positions]
    if config.position_embedding == "sinusoidal":
        return x + sinusoids(int(rows.positions[-1]) + 1, config.d_model).to(x)[rows.positions]
    return x


def _project(config: TransformerConfig, parameters: Mapping[str, Tensor], x: Tensor, letter: str) -> Tensor:
    out = torch.einsum("btd,bhde->bthe", x, parameters[f"blocks.0.attn.W_{letter}"])
    return out + parameters[f"blocks.0.attn.b_{letter}"][:, None] if config.attention_bias else out


def _scores(
    config: TransformerConfig, parameters: Mapping[str, Tensor], queries: Tensor, keys: Tensor
) -> Float[Tensor, "batch query source head"]:
    q = _project(config, parameters, queries, "Q") / config.head_size**0.5
    return torch.einsum("blhe,bthe->blth", q, _project(config, parameters, keys, "K"))


def _gather(table: Float[Tensor, "batch pair width"], index: Int[Tensor, "*n"]) -> Float[Tensor, "batch *n width"]:
    # F.embedding, because its gather and its scatter are several times faster than indexing and its gradient.
    batch, pairs, width = table.shape
    offset = torch.arange(0, batch * pairs, pairs, device=index.device).view(-1, *[1] * index.ndim)
    return F.embedding(offset + index, table.reshape(-1, width))


def _affine(x: Tensor, W: Tensor, b: Tensor | None, residual: Tensor | None = None) -> Tensor:
    # The residual rides on the product: no pass over memory of its own.
    b = None if b is None else b[:, None]
    if residual is None:
        return torch.bmm(x, W) if b is None else torch.baddbmm(b, x, W)
    out = torch.baddbmm(residual, x, W)
    return out if b is None else out + b
