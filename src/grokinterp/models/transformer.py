"""`HookedTransformer`: a lean transformer on TransformerLens 4's hooks, with the classic names and shapes."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn as nn
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens import FactoredMatrix
from transformer_lens.hook_points import HookPoint
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.utilities.matrix import composition_scores

from grokinterp.config import TransformerConfig
from grokinterp.config.validation import checks_switches, has_type, plain, shown
from grokinterp.errors import BadRequest
from grokinterp.models.answers import check_whole
from grokinterp.models.blocks import Block, Embed, Norm, PosEmbed, Unembed
from grokinterp.models.bridge import classic_config, native_bridge
from grokinterp.models.hooked import Switches
from grokinterp.tasks import as_tensor


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
        self,
        tokens: Int[Tensor, "batch pos"] | Float[Tensor, "batch pos d"],
        positions: Sequence[int] | None = None,
        start_at_layer: int | None = None,
        stop_at_layer: int | None = None,
    ) -> Float[Tensor, "batch query column"]:
        """Logits at every position, or at `positions` only (as in `logits[:, positions]`, at less cost).

        With `positions` the last block's queries and all that follows them are computed at these positions only, and
        its hooks see only them. As in TransformerLens, `start_at_layer` takes `tokens` for the residual stream before
        that block, and `stop_at_layer` gives the stream before it instead of logits; negative layers count from the
        end. Raises `BadRequest` for more positions, or other layers, than the model has.
        """
        n = len(self.blocks)
        first = 0 if start_at_layer is None else self._layer("start_at_layer", start_at_layer, n - 1)
        end = n if stop_at_layer is None else self._layer("stop_at_layer", stop_at_layer, n)
        positions = self._checked_positions(tokens, positions)
        x = self._embedded(tokens) if start_at_layer is None else self._stream(tokens)
        for layer in range(first, end):
            # The last block needs no queries but those whose logits are asked.
            x = self.blocks[layer](x, positions if layer == n - 1 else None)
        return x if stop_at_layer is not None else self.unembed(self.ln_final(x))

    def _embedded(self, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "batch pos d"]:
        x = self.hook_embed(self.embed(tokens))
        return x + self.hook_pos_embed(self.pos_embed(tokens)) if hasattr(self, "pos_embed") else x

    def _stream(self, given: Any) -> Float[Tensor, "batch pos d"]:
        if not isinstance(given, Tensor) or given.ndim != 3 or given.shape[2] != self.config.d_model:
            raise BadRequest(
                f"start_at_layer takes the residual stream [batch, pos, {self.config.d_model}], as "
                "cache['resid_pre', layer] has it"
            )
        return given

    def _layer(self, name: str, layer: Any, last: int) -> int:
        n, layer = len(self.blocks), plain(layer)
        if not has_type(layer, int) or not -n <= layer <= last:
            raise BadRequest(f"{name}={shown(layer)} is no layer; give 0 to {last}, or -{n} to -1 from the end")
        return layer % n if layer < 0 else layer

    def _checked_positions(self, tokens: Tensor, positions: Any) -> Sequence[int] | None:
        n, n_ctx, given = tokens.shape[1], self._cfg.n_ctx, plain(positions)
        if n > n_ctx:
            raise BadRequest(f"the model reads at most {n_ctx} tokens and was given {n}; set n_ctx higher")
        whole = isinstance(given, Sequence) and all(has_type(p, int) and -n <= p < n for p in given)
        if given is not None and not (whole and given):
            raise BadRequest(f"positions={shown(given)} must be positions of rows of {n}, as in positions=(-1,)")
        return given

    # -- what TransformerLens' tools ask of a model

    @checks_switches
    def accumulated_bias(
        self, layer: int, mlp_input: bool = False, include_mlp_biases: bool = True
    ) -> Float[Tensor, "d"]:
        """The sum of the biases in the residual stream before block `layer` (or before its MLP: `mlp_input`).

        Raises `BadRequest` for a layer that the model does not have; one more is the end of the stream.
        """
        layer = self._layer("layer", layer, len(self.blocks) - bool(mlp_input))
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
        for LayerNorm after the sublayers, whose outputs have no direct share in a logit, and for what is no output.
        """
        if self.config.normalization == "post":
            raise BadRequest(
                "with LayerNorm after them, outputs do not sum to the stream; use cache['resid_post', -1] @ model.W_U"
            )
        given = self.to_single_token(tokens) if isinstance(tokens, str) else tokens
        ids = as_tensor(given, "tokens", "ids or the text of one token, as in 17 or '17'")
        check_whole(ids)
        n = self.W_U.shape[1]
        if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < n:
            raise BadRequest(f"tokens={shown(tokens)} is no output of the model; its outputs are 0 to {n - 1}")
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
    def W_E_pos(self) -> Float[Tensor, "token_or_position d"]:
        """[d_vocab + n_ctx, d_model]: `W_E` over `W_pos`, all that can be read at the start of the stream."""
        return torch.cat([self.W_E, self.W_pos])

    def all_head_labels(self) -> list[str]:
        """`["L0H0", "L0H1", ...]`, layer by layer."""
        return [f"L{layer}H{head}" for layer, heads in enumerate(self.config.layer_heads) for head in range(heads)]

    def all_composition_scores(self, mode: str) -> Float[Tensor, "layer head later_layer later_head"]:
        """How much each head reads of what each earlier one writes (Elhage et al. 2021): |A B| / (|A| |B|), Frobenius.

        A is the earlier head's OV, B the later one's QK (`mode="Q"`), its transpose (`"K"`) or OV (`"V"`); zero where
        the second head is not in a later layer. Raises `BadRequest` for another mode.
        """
        if mode not in ("Q", "K", "V"):
            raise BadRequest(f"mode={shown(mode)} is unknown; choose 'Q', 'K' or 'V'")
        scores = composition_scores(self.OV, {"Q": self.QK, "K": self.QK.T, "V": self.OV}[mode])
        layers = torch.arange(len(self.blocks), device=scores.device)
        return scores * (layers[:, None, None, None] < layers[None, None, :, None])

    @property
    def QK(self) -> FactoredMatrix:
        """[layer head d_model d_model]: scores are residual stream @ QK @ residual stream (times 1 / sqrt(d_head))."""
        return FactoredMatrix(self.W_Q, self.W_K.transpose(-2, -1))

    @property
    def OV(self) -> FactoredMatrix:
        """[layer head d_model d_model]: what a head writes of a residual stream that it attends to."""
        return FactoredMatrix(self.W_V, self.W_O)
