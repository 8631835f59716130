"""`HookedTransformer`: a lean transformer on TransformerLens 4's hooks, with the classic names and shapes."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn as nn
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens import FactoredMatrix
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.hook_points import HookPoint
from transformer_lens.model_bridge import TransformerBridge

from grokinterp.config import TransformerConfig
from grokinterp.errors import BadRequest
from grokinterp.models.blocks import Block, Embed, Norm, PosEmbed, Unembed
from grokinterp.models.bridge import classic_config, native_bridge
from grokinterp.models.hooked import Switches


class HookedTransformer(Switches[TransformerConfig]):
    """A transformer whose activations can be read and edited by the classic hook names.

    TransformerLens' `ActivationCache`, its activation patching and its attribution tools take it as their model.
    Arguments as `HookedModule`'s.
    """

    def assemble(self, config: TransformerConfig, parameters: Mapping[str, Tensor]) -> None:
        self._cfg = classic_config(config)
        self.embed = Embed(parameters, scale=config.embedding_scale)
        self.hook_embed = HookPoint()
        if config.position_embedding != "none":
            self.pos_embed = PosEmbed(config, parameters)
            self.hook_pos_embed = HookPoint()
        self.blocks = nn.ModuleList(
            Block(config, self._cfg, parameters, f"blocks.{layer}.") for layer in range(config.n_layers)
        )
        self.ln_final = Norm(parameters, "ln_final.") if config.has_final_norm else nn.Identity()
        self.unembed = Unembed(parameters, self.embed if config.tied_unembed else None, config.d_vocab_out)

    def forward(
        self, tokens: Int[Tensor, "batch pos"], positions: Sequence[int] | None = None
    ) -> Float[Tensor, "batch query d_vocab_out"]:
        """Logits at every position, or at `positions` only (as in `logits[:, positions]`, at less cost).

        With `positions` the last block's queries and all that follows them are computed at these positions only, and
        its hooks see only them. Raises `BadRequest` for more positions than the model has.
        """
        n_ctx = self._cfg.n_ctx
        if tokens.shape[1] > n_ctx:
            raise BadRequest(
                f"the model reads at most {n_ctx} tokens and was given {tokens.shape[1]}; set n_ctx higher"
            )
        x = self.hook_embed(self.embed(tokens))
        if hasattr(self, "pos_embed"):
            x = x + self.hook_pos_embed(self.pos_embed(tokens))
        *earlier, last = self.blocks
        for block in earlier:
            x = block(x)
        return self.unembed(self.ln_final(last(x, positions)))

    # -- what TransformerLens' tools ask of a model

    @property
    def cfg(self) -> TransformerBridgeConfig:
        """The config in TransformerLens' own words; `device` follows the weights, the `use_*` flags take effect."""
        self._cfg.device = str(self.embed.W_E.device)
        self._cfg.dtype = self.embed.W_E.dtype
        return self._cfg

    def accumulated_bias(
        self, layer: int, mlp_input: bool = False, include_mlp_biases: bool = True
    ) -> Float[Tensor, "d"]:
        """The sum of the biases in the residual stream before block `layer` (or before its MLP: `mlp_input`)."""
        total = torch.zeros_like(self.embed.W_E[0])
        for index in range(layer + mlp_input):
            block = self._block(index)
            total = total if block.attn.b_O is None else total + block.attn.b_O
            if include_mlp_biases and index < layer and not self.config.attn_only and block.mlp.b_out is not None:
                total = total + block.mlp.b_out
        return total

    def tokens_to_residual_directions(self, tokens: str | int | Tensor) -> Float[Tensor, "*token d"]:
        """The direction in the final residual stream that each token's logit reads: its column of W_U.

        Times `ln_final.w` where there is one, so that `ActivationCache.logit_attrs` adds up to the logits less
        their constant, `ln_final.b @ W_U + b_U`, without folding LayerNorm into the weights first. Raises `BadRequest`
        for LayerNorm after the sublayers, whose outputs have no direct share in a logit.
        """
        if self.config.normalization == "post":
            raise BadRequest(
                "with LayerNorm after them, outputs do not sum to the stream; use cache['resid_post', -1] @ model.W_U"
            )
        ids = torch.as_tensor(self.to_single_token(tokens) if isinstance(tokens, str) else tokens)
        directions = self.W_U.T[ids.squeeze() if ids.numel() == 1 else ids]
        return directions * self.ln_final.w if isinstance(self.ln_final, Norm) else directions

    def to_bridge(self) -> TransformerBridge:
        """The same function as one of TransformerLens' own native models (`TransformerBridge.boot_native`).

        Raises `BadRequest`, naming the option, where the native model has no equal.
        """
        return native_bridge(self.config, dict(self.named_parameters()), self.W_pos, self.W_U)

    # -- weights; those of the blocks are stacked over layers, and a bias the model does not have is zeros

    def _block(self, layer: int) -> Any:
        return self.blocks[layer]

    def _stacked(self, part: str, name: str) -> Tensor:
        return torch.stack([getattr(getattr(block, part), name) for block in self.blocks])

    def _stacked_bias(self, part: str, name: str, weight: Tensor) -> Tensor:
        if getattr(getattr(self._block(0), part), name) is None:
            return weight.new_zeros(weight.shape)
        return self._stacked(part, name)

    @property
    def W_E(self) -> Float[Tensor, "d_vocab d"]:
        return self.embed.W_E

    @property
    def W_pos(self) -> Float[Tensor, "n_ctx d"]:
        """Learned or sinusoidal; zeros where the model has no positions."""
        if self.config.position_embedding == "none":
            return self.W_E.new_zeros(self._cfg.n_ctx, self.config.d_model)
        return self.pos_embed.W_pos

    @property
    def W_U(self) -> Float[Tensor, "d d_vocab_out"]:
        return self.unembed.weight

    @property
    def b_U(self) -> Float[Tensor, "d_vocab_out"]:
        return self.unembed.bias

    @property
    def W_Q(self) -> Float[Tensor, "layer head d d_head"]:
        return self._stacked("attn", "W_Q")

    @property
    def W_K(self) -> Float[Tensor, "layer head d d_head"]:
        return self._stacked("attn", "W_K")

    @property
    def W_V(self) -> Float[Tensor, "layer head d d_head"]:
        return self._stacked("attn", "W_V")

    @property
    def W_O(self) -> Float[Tensor, "layer head d_head d"]:
        return self._stacked("attn", "W_O")

    @property
    def b_Q(self) -> Float[Tensor, "layer head d_head"]:
        return self._stacked_bias("attn", "b_Q", self.W_Q[:, :, 0])

    @property
    def b_K(self) -> Float[Tensor, "layer head d_head"]:
        return self._stacked_bias("attn", "b_K", self.W_K[:, :, 0])

    @property
    def b_V(self) -> Float[Tensor, "layer head d_head"]:
        return self._stacked_bias("attn", "b_V", self.W_V[:, :, 0])

    @property
    def b_O(self) -> Float[Tensor, "layer d"]:
        return self._stacked_bias("attn", "b_O", self.W_O[:, 0, 0])

    @property
    def W_in(self) -> Float[Tensor, "layer d d_mlp"]:
        return self._stacked("mlp", "W_in")

    @property
    def W_out(self) -> Float[Tensor, "layer d_mlp d"]:
        return self._stacked("mlp", "W_out")

    @property
    def b_in(self) -> Float[Tensor, "layer d_mlp"]:
        return self._stacked_bias("mlp", "b_in", self.W_in[:, 0])

    @property
    def b_out(self) -> Float[Tensor, "layer d"]:
        return self._stacked_bias("mlp", "b_out", self.W_out[:, 0])

    @property
    def QK(self) -> FactoredMatrix:
        """[layer head d_model d_model]: scores are residual stream @ QK @ residual stream (times 1 / sqrt(d_head))."""
        return FactoredMatrix(self.W_Q, self.W_K.transpose(-2, -1))

    @property
    def OV(self) -> FactoredMatrix:
        """[layer head d_model d_model]: what a head writes of a residual stream that it attends to."""
        return FactoredMatrix(self.W_V, self.W_O)
