"""Our transformer in TransformerLens' own words: its config, and its native model with the same weights."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources.native import boot
from transformer_lens.utilities.tl_checkpoint_conversion import convert_tl_checkpoint

from grokinterp.config import TransformerConfig
from grokinterp.errors import BadRequest
from grokinterp.models.blocks import LAYER_NORM_EPS


def classic_config(config: TransformerConfig) -> TransformerBridgeConfig:
    """TransformerLens' config of a transformer whose sizes are filled in."""
    d_vocab, d_vocab_out, n_ctx = config.sizes
    return TransformerBridgeConfig(
        n_layers=config.n_layers,
        d_model=config.d_model,
        n_heads=config.n_heads,
        d_head=config.head_size,
        d_mlp=config.mlp_size,
        attn_only=config.attn_only,
        act_fn=config.activation,
        attention_dir=config.attention_direction,
        normalization_type=_normalization_type(config),
        eps=LAYER_NORM_EPS,
        d_vocab=d_vocab,
        d_vocab_out=d_vocab_out,
        n_ctx=n_ctx,
        model_name="grokinterp",
        tie_word_embeddings=config.tied_unembed,
        init_weights=False,
        device="cpu",
    )


def _normalization_type(config: TransformerConfig) -> str | None:
    # TransformerLens reads the stream through `ln_final` wherever its config names a norm.
    if not (config.has_final_norm or config.normalization == "post"):
        return None
    return "RMS" if config.norm_kind == "rms" else "LN"


def native_bridge(
    config: TransformerConfig,
    parameters: Mapping[str, Tensor],
    W_pos: Float[Tensor, "n_ctx d"],
    W_U: Float[Tensor, "d d_vocab_out"],
) -> TransformerBridge:
    """`TransformerBridge.boot_native` with copies of these weights, on their device and in their dtype.

    Its model always has biases, a table of positions and an unembedding of its own: what ours lacks is given as
    zeros, sinusoids as a table, a tied unembedding as a copy. Raises `BadRequest`, naming the option, for what it
    cannot compute: an attention rate other than 1, tanh or a square, RMSNorm, norms after the sublayers, norms before
    them without a final one or the reverse, an embedding that is scaled, a bias of the unembedding.
    """
    b_U = parameters.get("unembed.b_U")
    options = {
        f"attention_rate={config.attention_rate}": config.attention_rate != 1,
        f"activation={config.activation!r}": config.activation not in ("relu", "gelu", "silu"),
        f"norm_kind={config.norm_kind!r}": config.norm_kind != "layer",
        "normalization='post'": config.normalization == "post",
        f"final_norm={config.final_norm}": config.has_final_norm != (config.normalization == "pre"),
        f"embedding_scale={config.embedding_scale}": config.embedding_scale != 1,
        "unembed_bias=True": b_U is not None and bool(b_U.any()),
    }
    for option, is_foreign in options.items():
        if is_foreign:
            raise BadRequest(f"TransformerLens' native model has no {option}; use the HookedTransformer itself instead")
    cfg = classic_config(config)
    cfg.device = str(W_U.device)
    # The native model draws weights, soon overwritten, from torch's global generator: leave that as it was.
    with torch.random.fork_rng(devices=[]):
        bridge = boot(cfg, device=W_U.device, dtype=W_U.dtype)
    weights = {name: value.detach() for name, value in parameters.items() if name != "unembed.b_U"}
    weights |= {"pos_embed.W_pos": W_pos.detach(), "unembed.W_U": W_U.detach()}
    converted = convert_tl_checkpoint(weights, cfg)
    absent = {name: torch.zeros_like(own) for name, own in bridge.state_dict().items() if name not in converted}
    bridge.load_state_dict(absent | converted)
    return bridge
