"""The transformer: its sizes, parameters and activations, and how the papers initialise it."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from grokinterp.config.activation import ACTIVATIONS_IN_WORDS, Activation
from grokinterp.config.family import MLP_ACTIVATIONS, Component, Output, TokenConfig
from grokinterp.config.initial import Draw, Shapes, is_bias, leaf, torch_default
from grokinterp.config.validation import check_init_scale, check_sizes, check_types
from grokinterp.errors import count_in_words, require

ATTENTION_ACTIVATIONS = ("attn.hook_pattern", "attn.hook_z", "hook_resid_mid", "hook_resid_post")


MOST_LAYERS = 10_000
"""Layers that a config may ask for: names are made for each before a weight is looked at."""


@dataclass(frozen=True)
class TransformerConfig(TokenConfig):
    """A transformer with classic hook names."""

    kind: ClassVar[str] = "transformer"
    module: ClassVar[str] = "grokinterp.models.transformer:HookedTransformer"
    answers_at_positions: ClassVar[bool] = True
    in_browser: ClassVar[bool] = True
    n_layers: int = 1  # attention and MLP blocks
    d_model: int = 128  # width of the residual stream
    n_heads: int = 4  # attention heads a layer
    d_head: int | None = None  # width of a head; d_model // n_heads where left out
    d_mlp: int | None = None  # neurons a layer; 4 d_model where left out
    attn_only: bool = False  # no MLPs
    activation: Activation = "relu"  # of the neurons
    attention_direction: Literal["causal", "bidirectional"] = "causal"  # whether a position reads those after it too
    attention_rate: float = 1.0  # alpha of Zhong et al. 2023: the pattern is softmax * alpha + (1 - alpha)
    position_embedding: Literal["learned", "sinusoidal", "none"] = "learned"  # learned, computed from sines, or none
    normalization: Literal["none", "pre", "post"] = "none"  # place of the blocks' norms
    norm_kind: Literal["layer", "rms"] = "layer"  # LayerNorm, or RMSNorm, which neither centres nor shifts
    final_norm: bool | None = None  # a norm before the unembedding; as "pre" has one where left out
    embedding_scale: float = 1.0  # multiplies what the embedding gives (Vaswani et al. 2017: sqrt(d_model))
    attention_bias: bool = False  # biases of queries, keys, values and outputs
    mlp_bias: bool = True  # biases of the neurons and of what they write
    unembed_bias: bool = False  # a bias an output column
    tied_unembed: bool = False  # W_U is the transpose of W_E
    output: Output = "vocabulary"  # output columns: every token, or the answers only
    initialisation: Literal["nanda", "pizza", "furuta", "power", "transformer_lens"] = "nanda"  # whose initial weights
    init_scale: float = 1.0  # multiplies every initial parameter (Omnigrok's alpha)
    d_vocab: int | None = None  # tokens; the task's where left out
    d_vocab_out: int | None = None  # output columns; those of `output` where left out
    n_ctx: int | None = None  # positions; the task's where left out

    def __post_init__(self) -> None:
        check_types(self)
        check_sizes(self, "n_layers", "d_model", "n_heads", "d_head", "d_mlp", "d_vocab", "d_vocab_out", "n_ctx")
        require(self.n_layers <= MOST_LAYERS, f"n_layers={self.n_layers} is more than {MOST_LAYERS:,}; lower n_layers")
        require(
            self.d_head is not None or self.d_model >= self.n_heads,
            f"d_model={self.d_model} is smaller than n_heads={self.n_heads}; give d_head as well",
        )
        require(math.isfinite(self.attention_rate), f"attention_rate={self.attention_rate} must be a number, as in 0.5")
        scale = self.embedding_scale
        require(scale > 0 and math.isfinite(scale), f"embedding_scale={scale} must be positive, as in 11.3137")
        check_init_scale(self.init_scale)

    @property
    def has_final_norm(self) -> bool:
        """Whether the unembedding reads a normalised stream."""
        return self.normalization == "pre" if self.final_norm is None else self.final_norm

    @property
    def has_norms(self) -> bool:
        return self.normalization != "none" or self.has_final_norm

    @property
    def norm_name(self) -> str:
        return "RMSNorm" if self.norm_kind == "rms" else "LayerNorm"

    @property
    def head_size(self) -> int:
        # Floor, as in the pizza code: d_model = 86 with 4 heads has heads of 21 and a W_O of 84 x 86.
        return self.d_head if self.d_head is not None else self.d_model // self.n_heads

    @property
    def mlp_size(self) -> int:
        return self.d_mlp if self.d_mlp is not None else 4 * self.d_model

    @property
    def layer_heads(self) -> tuple[int, ...]:
        return (self.n_heads,) * self.n_layers

    @property
    def layer_neurons(self) -> tuple[int, ...]:
        return () if self.attn_only else (self.mlp_size,) * self.n_layers

    @property
    def activation_names(self) -> list[str]:
        kinds = [*ATTENTION_ACTIVATIONS, *([] if self.attn_only else MLP_ACTIVATIONS)]
        return [f"blocks.{i}.{kind}" for i in range(self.n_layers) for kind in kinds]

    def parameter_shapes(self) -> Shapes:
        """In TransformerLens' classic orientation.

        `embed.W_E` [d_vocab d_model], `pos_embed.W_pos` [n_ctx d_model] (learned positions only), those of each block
        (`block_shapes`), `ln_final.w b` (where there is a final norm; RMSNorm has no b), `unembed.W_U`
        [d_model d_vocab_out] (absent where tied to `W_E`), `unembed.b_U`.
        """
        d_vocab, d_vocab_out, n_ctx = self.sizes
        require(
            not self.tied_unembed or d_vocab_out <= d_vocab,
            f"tied_unembed needs d_vocab_out={d_vocab_out} rows of W_E and it has {d_vocab}; set tied_unembed=False",
        )
        d = self.d_model
        shapes: Shapes = {"embed.W_E": (d_vocab, d)}
        if self.position_embedding == "learned":
            shapes["pos_embed.W_pos"] = (n_ctx, d)
        for layer in range(self.n_layers):
            shapes |= block_shapes(self, layer)
        if self.has_final_norm:
            shapes |= _norm_shapes(self, "ln_final")
        if not self.tied_unembed:
            shapes["unembed.W_U"] = (d, d_vocab_out)
        if self.unembed_bias:
            shapes["unembed.b_U"] = (d_vocab_out,)
        return shapes

    def draw(self, name: str, shapes: Shapes) -> Draw:
        if self.initialisation == "power":
            # Power et al. 2022: their Linear and Embedding keep torch's own initialisation.
            return torch_default(name, shapes)
        if is_bias(name):
            return "constant", 0.0
        deviations = _DEVIATIONS[self.initialisation](shapes)
        return (
            "normal_out_in" if self._is_drawn_as_nanda else "normal",
            deviations.get(leaf(name), deviations["W"]),
        )

    def drawing_order(self, shapes: Shapes) -> list[str]:
        """Keys before queries where the code is Nanda's: a seed gives the weights `torch.manual_seed` gave there."""
        other = {"W_Q": "W_K", "W_K": "W_Q"} if self._is_drawn_as_nanda else {}
        return [name.replace(leaf(name), other.get(leaf(name), leaf(name))) for name in shapes]

    @property
    def _is_drawn_as_nanda(self) -> bool:
        return self.initialisation in ("nanda", "pizza")

    def why_not_fused(self, scored: tuple[int, ...] = (-1,)) -> str | None:
        if self.n_layers != 1:
            return f"it has {self.n_layers} layers"
        if self.has_norms:
            return f"it has {self.norm_name}"
        if self.embedding_scale != 1:
            return "its embedding is scaled"
        return None if scored == (-1,) else "its answer is not read at the last position only"

    def fast_path(self, scored: tuple[int, ...], row_width: int) -> str | None:
        del row_width
        return None if self.why_not_fused(scored) else "grokinterp.evaluation.evaluator:FusedEvaluator"

    def untied(self) -> "TransformerConfig":
        return replace(self, tied_unembed=False)

    @property
    def has_positions(self) -> bool:
        return self.position_embedding != "none"

    @property
    def stream_points(self) -> list[str]:
        """Before and after every sublayer."""
        ends = ("hook_resid_post",) if self.attn_only else ("hook_resid_mid", "hook_resid_post")
        return ["blocks.0.hook_resid_pre", *(f"blocks.{i}.{end}" for i in range(self.n_layers) for end in ends)]

    def why_not_ablated(self, component: Component) -> str | None:
        if component != "direct_path":
            return super().why_not_ablated(component)
        is_direct = self.normalization != "post"
        return None if is_direct else "with LayerNorm after the sublayers no path is direct; leave direct_path out"

    def remark(self) -> str | None:
        if self.d_head is not None or self.d_model % self.n_heads == 0:
            return None
        return (
            f"{self.n_heads} heads do not divide d_model={self.d_model}: each is {self.head_size} wide (d_head), "
            f"{self.n_heads * self.head_size} together"
        )

    def in_words(self) -> str:
        neurons = f"{self.mlp_size:,} {ACTIVATIONS_IN_WORDS[self.activation]} neurons"
        place = {"none": f"no {self.norm_name}", "pre": f"{self.norm_name} before each block"}
        norm = place.get(self.normalization, f"{self.norm_name} after each block")
        final = "" if self.final_norm is None else f" and {'one' if self.final_norm else 'none'} at the end"
        positions = {"learned": "learnt", "sinusoidal": "sinusoidal", "none": "no"}[self.position_embedding]
        parts = [
            f"a {count_in_words(self.n_layers)}-layer transformer of width {self.d_model} "
            f"with {self.n_heads} heads of {self.head_size}",
            "no MLP" if self.attn_only else f"{neurons}{' a layer' if self.n_layers > 1 else ''}",
            norm + final,
            f"{positions} position embeddings and {self.attention_direction} attention",
        ]
        parts += [] if self.attention_rate == 1 else [f"attention rate {self.attention_rate:.4g}"]
        return ", ".join(parts)


def block_shapes(config: TransformerConfig, layer: int) -> Shapes:
    """Those of one block: `attn.W_Q W_K W_V` [head d_model d_head], `attn.W_O` [head d_head d_model], ...

    Also `attn.b_Q b_K b_V` [head d_head], `attn.b_O` [d_model], `mlp.W_in` [d_model d_mlp], `mlp.b_in`, `mlp.W_out`
    [d_mlp d_model], `mlp.b_out`, and `ln1.w ln1.b ln2.w ln2.b` [d_model].
    """
    d, heads, d_head, d_mlp = config.d_model, config.n_heads, config.head_size, config.mlp_size
    has_norm = config.normalization != "none"
    block: Shapes = _norm_shapes(config, "ln1") if has_norm else {}
    block |= {f"attn.W_{x}": (heads, d, d_head) for x in "QKV"} | {"attn.W_O": (heads, d_head, d)}
    if config.attention_bias:
        block |= {f"attn.b_{x}": (heads, d_head) for x in "QKV"} | {"attn.b_O": (d,)}
    if not config.attn_only:
        block |= _norm_shapes(config, "ln2") if has_norm else {}
        block |= {"mlp.W_in": (d, d_mlp)} | ({"mlp.b_in": (d_mlp,)} if config.mlp_bias else {})
        block |= {"mlp.W_out": (d_mlp, d)} | ({"mlp.b_out": (d,)} if config.mlp_bias else {})
    return {f"blocks.{layer}.{name}": shape for name, shape in block.items()}


def _norm_shapes(config: TransformerConfig, name: str) -> Shapes:
    return {f"{name}.{last}": (config.d_model,) for last in ("wb" if config.norm_kind == "layer" else "w")}


# -- how the papers initialise it: normal weights with one deviation a name ("W" for those not named), zero biases


def _d_model(shapes: Shapes) -> int:
    return shapes["embed.W_E"][1]


def _nanda(shapes: Shapes) -> dict[str, float]:
    """Nanda et al. 2023, their code: everything over sqrt(d_model), W_out too; W_U over sqrt(its columns)."""
    columns = shapes["unembed.W_U"][1] if "unembed.W_U" in shapes else shapes["embed.W_E"][0]
    return {"W": _d_model(shapes) ** -0.5, "W_U": columns**-0.5}


def _pizza(shapes: Shapes) -> dict[str, float]:
    """Zhong et al. 2023, their `train-main.py`: as Nanda's, but W_in over sqrt(d_mlp)."""
    d_mlp = shapes.get("blocks.0.mlp.W_in", (0, 1))[1]
    return {**_nanda(shapes), "W_in": d_mlp**-0.5}


def _furuta(shapes: Shapes) -> dict[str, float]:
    """Furuta et al. 2024, their code: W_E over sqrt(d_vocab), W_U and the others over sqrt(d_model)."""
    return {"W": _d_model(shapes) ** -0.5, "W_E": shapes["embed.W_E"][0] ** -0.5}


def _transformer_lens(shapes: Shapes) -> dict[str, float]:
    """HookedTransformer's default up to TransformerLens 3: N(0, 0.8 / sqrt(d_model)) throughout.

    (The native models of TransformerLens 4 divide W_O and W_out by sqrt(2 n_layers) as well.)
    """
    return {"W": 0.8 * _d_model(shapes) ** -0.5}


_DEVIATIONS = {"nanda": _nanda, "pizza": _pizza, "furuta": _furuta, "transformer_lens": _transformer_lens}
