"""The parts of the transformer: embeddings, norms, attention, MLP and the block that joins them.

Every part registers its own parameters out of the model's dictionary, so names and shapes are decided in one place,
`parameters.parameter_shapes`. Hook names are TransformerLens' classic ones.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, einsum
from transformer_lens import FactoredMatrix
from transformer_lens.hook_points import HookPoint

from grokinterp.config import TransformerConfig
from grokinterp.errors import BadRequest
from grokinterp.models.functional import ACTIVATIONS, sinusoids
from grokinterp.models.hooked import adopt

LAYER_NORM_EPS = 1e-5


def rows_at(x: Float[Tensor, "batch pos *rest"], positions: Sequence[int] | None) -> Float[Tensor, "batch query *rest"]:
    """`x[:, positions]`, or all of x for None."""
    # Views stacked rather than an index list: the list would be copied to the GPU, with a wait, every step.
    return x if positions is None else torch.stack([x[:, position] for position in positions], dim=1)


def look_up(table: Float[Tensor, "token d"], tokens: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch d"]:
    """The row of each token. Raises `BadRequest` for a token that has none."""
    try:
        return F.embedding(tokens, table)
    except IndexError:
        raise BadRequest(
            f"the tokens are 0 to {len(table) - 1} and the rows hold {int(tokens.min())} to {int(tokens.max())}; "
            "give rows such as task.inputs"
        ) from None


class Embed(nn.Module):
    """Rows of `W_E` [d_vocab d_model], times `scale`."""

    W_E: nn.Parameter

    def __init__(self, parameters: Mapping[str, Tensor], prefix: str = "embed.", scale: float = 1.0):
        super().__init__()
        adopt(self, parameters, prefix)
        self.scale = scale

    def extra_repr(self) -> str:
        return "d_vocab={}, d_model={}".format(*self.W_E.shape)

    def forward(self, tokens: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch d"]:
        rows = look_up(self.W_E, tokens)
        return rows if self.scale == 1 else rows * self.scale


class PosEmbed(nn.Module):
    """Rows of `W_pos` [n_ctx d_model]: learned, or fixed sinusoids (a buffer that is not saved)."""

    W_pos: Tensor

    def __init__(self, config: TransformerConfig, parameters: Mapping[str, Tensor]):
        super().__init__()
        adopt(self, parameters, "pos_embed.")
        if config.position_embedding == "sinusoidal":
            assert config.n_ctx is not None
            table = sinusoids(config.n_ctx, config.d_model).to(parameters["embed.W_E"])
            self.register_buffer("W_pos", table, persistent=False)

    def extra_repr(self) -> str:
        return "n_ctx={}, d_model={}".format(*self.W_pos.shape)

    def forward(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d"]:
        # A copy, since a hook may edit it in place, and an expanded view would carry the edit into the weights.
        return self.W_pos[: tokens.shape[1]].expand(len(tokens), -1, -1).clone()


class Norm(nn.Module):
    """LayerNorm with `w` and `b` [d_model], or RMSNorm, which has no `b` and leaves the mean where it is.

    `hook_normalized` is before them, as in TransformerLens 4.
    """

    w: nn.Parameter

    def __init__(self, parameters: Mapping[str, Tensor], prefix: str):
        super().__init__()
        adopt(self, parameters, prefix)
        self.b: nn.Parameter | None = getattr(self, "b", None)
        self.hook_scale = HookPoint()
        self.hook_normalized = HookPoint()

    def extra_repr(self) -> str:
        return f"d_model={len(self.w)}"

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        if not (self.hook_scale.has_hooks() or self.hook_normalized.has_hooks()):
            if self.b is None:
                return F.rms_norm(x, self.w.shape, self.w, LAYER_NORM_EPS)
            return F.layer_norm(x, self.w.shape, self.w, self.b, LAYER_NORM_EPS)
        x = x if self.b is None else x - x.mean(-1, keepdim=True)
        scale = self.hook_scale((x.pow(2).mean(-1, keepdim=True) + LAYER_NORM_EPS).sqrt())
        scaled = self.hook_normalized(x / scale) * self.w
        return scaled if self.b is None else scaled + self.b


class Attention(nn.Module):
    """Multi-head attention: pattern = softmax(q k / sqrt(d_head)) * alpha + (1 - alpha), elementwise.

    alpha is `attention_rate` (Zhong et al. 2023; 1 is ordinary attention, 0 a pattern of ones). Their attention
    is bidirectional. With a causal mask the masked entries stay exactly 0 for every alpha (our choice: no query
    reads a later position).
    """

    W_Q: nn.Parameter
    W_K: nn.Parameter
    W_V: nn.Parameter
    W_O: nn.Parameter
    mask: Tensor | None

    def __init__(self, config: TransformerConfig, flags: Any, parameters: Mapping[str, Tensor], prefix: str):
        super().__init__()
        assert config.n_ctx is not None
        adopt(self, parameters, prefix)
        self.b_Q, self.b_K, self.b_V, self.b_O = (getattr(self, f"b_{x}", None) for x in "QKVO")
        self.attention_rate = config.attention_rate
        self.flags = flags
        future = torch.ones(config.n_ctx, config.n_ctx, dtype=torch.bool).triu(1)
        causal = config.attention_direction == "causal"
        self.register_buffer("mask", future.to(self.W_Q.device) if causal else None, persistent=False)
        self.hook_q_input, self.hook_k_input, self.hook_v_input = HookPoint(), HookPoint(), HookPoint()
        self.hook_q, self.hook_k, self.hook_v, self.hook_z = HookPoint(), HookPoint(), HookPoint(), HookPoint()
        self.hook_attn_scores, self.hook_pattern, self.hook_result = HookPoint(), HookPoint(), HookPoint()

    def extra_repr(self) -> str:
        return "n_heads={}, d_model={}, d_head={}".format(*self.W_Q.shape)

    @property
    def QK(self) -> FactoredMatrix:
        """[head d_model d_model], as `HookedTransformer.QK` for one layer."""
        return FactoredMatrix(self.W_Q, self.W_K.transpose(-2, -1))

    @property
    def OV(self) -> FactoredMatrix:
        """[head d_model d_model], as `HookedTransformer.OV` for one layer."""
        return FactoredMatrix(self.W_V, self.W_O)

    def forward(
        self,
        query_input: Float[Tensor, "batch query *head d"],
        key_input: Float[Tensor, "batch source *head d"],
        value_input: Float[Tensor, "batch source *head d"],
        positions: Sequence[int] | None = None,
    ) -> Float[Tensor, "batch query d"]:
        """The heads' sum. `positions` says which positions the queries are, None that they are all.

        Inputs have a head axis where each head was given its own copy of the residual stream.
        """
        q = self.hook_q(_per_head(query_input, self.W_Q, self.b_Q))
        k = self.hook_k(_per_head(key_input, self.W_K, self.b_K))
        v = self.hook_v(_per_head(value_input, self.W_V, self.b_V))
        scores = einsum("bqhe, bshe -> bhqs", q, k) / math.sqrt(q.shape[-1])
        future = self._future(k.shape[1], positions)
        if future is not None:
            scores = scores.masked_fill(future, -torch.inf)
        pattern = self.hook_attn_scores(scores).softmax(-1)
        if self.attention_rate != 1:
            pattern = pattern * self.attention_rate + (1 - self.attention_rate)
            pattern = pattern if future is None else pattern.masked_fill(future, 0)
        z = self.hook_z(einsum("bhqs, bshe -> bqhe", self.hook_pattern(pattern), v))
        if self.flags.use_attn_result:
            out = self.hook_result(einsum("bqhe, hed -> bqhd", z, self.W_O)).sum(2)
            return out if self.b_O is None else out + self.b_O
        return F.linear(z.flatten(2), self.W_O.flatten(0, 1).T, self.b_O)

    def _future(self, n: int, positions: Sequence[int] | None) -> Bool[Tensor, "query source"] | None:
        if self.mask is None:
            return None
        future = self.mask[:n, :n]
        return future if positions is None else torch.stack([future[position] for position in positions])


def _per_head(
    x: Float[Tensor, "batch pos *head d"], W: Float[Tensor, "h d d_head"], b: Float[Tensor, "h d_head"] | None
) -> Float[Tensor, "batch pos h d_head"]:
    if x.ndim == 4:
        projected = einsum("bphd, hde -> bphe", x, W)
        return projected if b is None else projected + b
    flat = F.linear(x, W.transpose(1, 2).flatten(0, 1), None if b is None else b.flatten())
    return flat.unflatten(-1, (W.shape[0], W.shape[2]))


class MLP(nn.Module):
    """act(x W_in + b_in) W_out + b_out."""

    W_in: nn.Parameter
    W_out: nn.Parameter

    def __init__(self, config: TransformerConfig, parameters: Mapping[str, Tensor], prefix: str):
        super().__init__()
        adopt(self, parameters, prefix)
        self.b_in, self.b_out = getattr(self, "b_in", None), getattr(self, "b_out", None)
        self.activation = ACTIVATIONS[config.activation]
        self.hook_pre = HookPoint()
        self.hook_post = HookPoint()

    def extra_repr(self) -> str:
        return "d_model={}, d_mlp={}".format(*self.W_in.shape)

    def forward(self, x: Float[Tensor, "batch pos d"]) -> Float[Tensor, "batch pos d"]:
        pre = self.hook_pre(F.linear(x, self.W_in.T, self.b_in))
        return F.linear(self.hook_post(self.activation(pre)), self.W_out.T, self.b_out)


class Block(nn.Module):
    """Attention, then (unless `attn_only`) an MLP, each added to the residual stream.

    `normalization` "pre": each reads LN(stream). "post" (Vaswani et al. 2017; Power et al. 2022): the stream becomes
    LN(stream + output), so `hook_resid_mid` and `hook_resid_post` are normalised and outputs do not sum to them.
    """

    # What TransformerLens' logit lens asks of a block before it reads the stream through the unembedding.
    hook_out_is_single_residual_stream = True

    def __init__(self, config: TransformerConfig, flags: Any, parameters: Mapping[str, Tensor], prefix: str):
        super().__init__()
        self.flags = flags
        self.normalization = config.normalization
        self.n_heads = config.n_heads

        def norm(name: str) -> nn.Module:
            return nn.Identity() if config.normalization == "none" else Norm(parameters, f"{prefix}{name}.")

        self.ln1 = norm("ln1")
        self.attn = Attention(config, flags, parameters, f"{prefix}attn.")
        self.hook_resid_pre, self.hook_attn_in, self.hook_attn_out = HookPoint(), HookPoint(), HookPoint()
        self.hook_q_input, self.hook_k_input, self.hook_v_input = HookPoint(), HookPoint(), HookPoint()
        if not config.attn_only:
            self.ln2 = norm("ln2")
            self.mlp = MLP(config, parameters, f"{prefix}mlp.")
            self.hook_resid_mid, self.hook_mlp_in, self.hook_mlp_out = HookPoint(), HookPoint(), HookPoint()
        self.hook_resid_post = HookPoint()

    def forward(
        self, x: Float[Tensor, "batch pos d"], positions: Sequence[int] | None = None
    ) -> Float[Tensor, "batch query d"]:
        """The stream after the block, at `positions` only where given: keys and values still come from all."""
        x = self.hook_resid_pre(x)
        query_input, key_input, value_input = self._attention_inputs(x)
        attn_out = self.hook_attn_out(
            self.attn(rows_at(query_input, positions), key_input, value_input, positions),
        )
        x = self._join(self.ln1, rows_at(x, positions), attn_out)
        if hasattr(self, "mlp"):
            x = self.hook_resid_mid(x)
            mlp_in = self.hook_mlp_in(x.clone()) if self.flags.use_hook_mlp_in else x
            mlp_out = self.hook_mlp_out(self.mlp(self._before(self.ln2, mlp_in)))
            x = self._join(self.ln2, x, mlp_out)
        return self.hook_resid_post(x)

    def _join(self, norm: nn.Module, x: Tensor, output: Tensor) -> Tensor:
        return norm(x + output) if self.normalization == "post" else x + output

    def _attention_inputs(self, x: Float[Tensor, "batch pos d"]) -> tuple[Tensor, Tensor, Tensor]:
        """What queries, keys and values are made of: one tensor, or a copy for each head where a flag asks for it."""
        if self.flags.use_attn_in or self.flags.use_split_qkv_input:
            x = x[:, :, None].expand(-1, -1, self.n_heads, -1)
        if self.flags.use_attn_in:
            x = self.hook_attn_in(x.clone())
        if not self.flags.use_split_qkv_input:
            x = self._before(self.ln1, x)
            return x, x, x
        # The classic name is the block's, TransformerLens 4's the attention's: the same point, twice.
        return (
            self._before(self.ln1, self.attn.hook_q_input(self.hook_q_input(x.clone()))),
            self._before(self.ln1, self.attn.hook_k_input(self.hook_k_input(x.clone()))),
            self._before(self.ln1, self.attn.hook_v_input(self.hook_v_input(x.clone()))),
        )

    def _before(self, norm: nn.Module, x: Tensor) -> Tensor:
        return norm(x) if self.normalization == "pre" else x


class Unembed(nn.Module):
    """x W_U + b_U; a tied one reads the first `n_tied` rows of an embedding instead of a `W_U` of its own."""

    W_U: nn.Parameter

    def __init__(self, parameters: Mapping[str, Tensor], tied_to: Embed | None = None, n_tied: int | None = None):
        super().__init__()
        adopt(self, parameters, "unembed.")
        self.b_U = getattr(self, "b_U", None)
        # In a tuple, so that the embedding is not registered a second time.
        self._tied = None if tied_to is None else (tied_to, n_tied)

    @property
    def weight(self) -> Float[Tensor, "d d_vocab_out"]:
        return self.W_U if self._tied is None else self._tied[0].W_E[: self._tied[1]].T

    @property
    def bias(self) -> Float[Tensor, "d_vocab_out"]:
        """b_U, or zeros where there is none."""
        return self.weight.new_zeros(self.weight.shape[1]) if self.b_U is None else self.b_U

    def extra_repr(self) -> str:
        return "d_model={}, d_vocab_out={}".format(*self.weight.shape)

    def forward(self, x: Float[Tensor, "batch pos d"]) -> Float[Tensor, "batch pos d_vocab_out"]:
        return F.linear(x, self.weight.T, self.b_U)
