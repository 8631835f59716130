"""What a model looks like: one frozen dataclass a family. Sizes that follow from the task are None until `resolved`."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeAlias

from grokinterp.config.validation import check_types
from grokinterp.errors import require

Activation: TypeAlias = Literal["relu", "gelu", "tanh", "silu", "square"]
Output: TypeAlias = Literal["vocabulary", "answers"]
Reads: TypeAlias = Literal["tokens", "features"]
"""What a row of the task is to a model: tokens, or numbers as they are."""


@dataclass(frozen=True)
class TransformerConfig:
    """A transformer with classic hook names."""

    kind: ClassVar[str] = "transformer"
    reads: ClassVar[Reads] = "tokens"
    open_sizes: ClassVar[tuple[str, ...]] = ("d_vocab", "d_vocab_out", "n_ctx")
    later_fields: ClassVar[tuple[str, ...]] = ("norm_kind", "final_norm", "embedding_scale")
    n_layers: int = 1  # attention and MLP blocks
    d_model: int = 128  # width of the residual stream
    n_heads: int = 4  # attention heads a layer
    d_head: int | None = None  # width of a head; d_model // n_heads where left out
    d_mlp: int | None = None  # neurons a layer; 4 d_model where left out
    attn_only: bool = False  # no MLPs
    activation: Activation = "relu"
    attention_direction: Literal["causal", "bidirectional"] = "causal"
    attention_rate: float = 1.0  # alpha of Zhong et al. 2023: the pattern is softmax * alpha + (1 - alpha)
    position_embedding: Literal["learned", "sinusoidal", "none"] = "learned"
    normalization: Literal["none", "pre", "post"] = "none"  # place of the blocks' norms
    norm_kind: Literal["layer", "rms"] = "layer"  # LayerNorm, or RMSNorm, which neither centres nor shifts
    final_norm: bool | None = None  # a norm before the unembedding; as "pre" has one where left out
    embedding_scale: float = 1.0  # multiplies what the embedding gives (Vaswani et al. 2017: sqrt(d_model))
    attention_bias: bool = False
    mlp_bias: bool = True
    unembed_bias: bool = False
    tied_unembed: bool = False  # W_U is the transpose of W_E
    output: Output = "vocabulary"  # output columns: every token, or the answers only
    initialisation: Literal["nanda", "pizza", "furuta", "power", "transformer_lens"] = "nanda"
    init_scale: float = 1.0  # multiplies every initial parameter (Omnigrok's alpha)
    d_vocab: int | None = None  # tokens; the task's where left out
    d_vocab_out: int | None = None  # output columns; those of `output` where left out
    n_ctx: int | None = None  # positions; the task's where left out

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("n_layers", "d_model", "n_heads", "d_head", "d_mlp", "d_vocab", "d_vocab_out", "n_ctx"):
            size = getattr(self, name)
            require(size is None or size >= 1, f"{name}={size} must be at least 1")
        require(
            self.d_head is not None or self.d_model >= self.n_heads,
            f"d_model={self.d_model} is smaller than n_heads={self.n_heads}; give d_head as well",
        )
        require(math.isfinite(self.attention_rate), f"attention_rate={self.attention_rate} must be a number, as in 0.5")
        scale = self.embedding_scale
        require(scale > 0 and math.isfinite(scale), f"embedding_scale={scale} must be positive, as in 11.3137")
        require(self.init_scale > 0, f"init_scale={self.init_scale} must be positive; 1.0 leaves the weights as drawn")

    @property
    def has_final_norm(self) -> bool:
        """Whether the unembedding reads a normalised stream."""
        return self.normalization == "pre" if self.final_norm is None else self.final_norm

    @property
    def has_norms(self) -> bool:
        """Whether a norm stands anywhere, behind which nothing adds to the logits linearly."""
        return self.normalization != "none" or self.has_final_norm

    @property
    def head_size(self) -> int:
        # Floor, as in the pizza code: d_model = 86 with 4 heads has heads of 21 and a W_O of 84 x 86.
        return self.d_head if self.d_head is not None else self.d_model // self.n_heads

    @property
    def mlp_size(self) -> int:
        return self.d_mlp if self.d_mlp is not None else 4 * self.d_model

    @property
    def layer_heads(self) -> tuple[int, ...]:
        """How many attention heads each layer has; () where a model has none."""
        return (self.n_heads,) * self.n_layers

    @property
    def layer_neurons(self) -> tuple[int, ...]:
        """How many neurons each layer has; () where a model has none."""
        return () if self.attn_only else (self.mlp_size,) * self.n_layers

    def resolved(self, n_vocab: int, n_answers: int, n_positions: int) -> "TransformerConfig":
        """A copy with the sizes that follow from the task filled in where they were left open."""
        return replace(self, **_sizes(self, n_vocab, n_answers, n_positions))


@dataclass(frozen=True)
class EmbeddingMLPConfig:
    """Embeddings of the operands, combined, then hidden layers.

    `project_then_add` sends each embedding through the first hidden layer's affine map and adds the results
    before the activation (type C of Zhong et al. 2023).
    """

    kind: ClassVar[str] = "embedding_mlp"
    reads: ClassVar[Reads] = "tokens"
    layer_heads: ClassVar[tuple[int, ...]] = ()
    open_sizes: ClassVar[tuple[str, ...]] = ("d_vocab", "d_vocab_out", "n_ctx")
    d_embed: int = 128  # width of an embedding
    shared_embedding: bool = True  # one embedding for both operands
    combine: Literal["concatenate", "add", "project_then_add"] = "concatenate"
    hidden_sizes: tuple[int, ...] = (256,)  # neurons of each hidden layer
    activation: Activation = "relu"
    mlp_bias: bool = True
    unembed_bias: bool = True
    output: Output = "answers"  # output columns: every token, or the answers only
    initialisation: Literal["xavier", "pizza_linear", "chughtai"] = "xavier"
    init_scale: float = 1.0  # multiplies every initial parameter (Omnigrok's alpha)
    d_vocab: int | None = None  # tokens; the task's where left out
    d_vocab_out: int | None = None  # output columns; those of `output` where left out
    n_ctx: int | None = None  # positions; the task's where left out

    def __post_init__(self) -> None:
        check_types(self)
        require(self.d_embed >= 1, f"d_embed={self.d_embed} must be at least 1")
        _check_hidden(self)

    @property
    def layer_neurons(self) -> tuple[int, ...]:
        return self.hidden_sizes

    def resolved(self, n_vocab: int, n_answers: int, n_positions: int) -> "EmbeddingMLPConfig":
        """A copy with the sizes that follow from the task filled in where they were left open."""
        return replace(self, **_sizes(self, n_vocab, n_answers, n_positions))


@dataclass(frozen=True)
class DenseMLPConfig:
    """Hidden layers on rows of numbers as they are, without embeddings: scikit-learn's `MLPClassifier`."""

    kind: ClassVar[str] = "dense_mlp"
    reads: ClassVar[Reads] = "features"
    layer_heads: ClassVar[tuple[int, ...]] = ()
    open_sizes: ClassVar[tuple[str, ...]] = ("d_in", "d_vocab_out")
    hidden_sizes: tuple[int, ...] = (800, 400, 400, 400, 400)  # neurons of each hidden layer
    activation: Activation = "relu"
    mlp_bias: bool = True
    unembed_bias: bool = True
    initialisation: Literal["scikit_learn", "xavier"] = "scikit_learn"
    init_scale: float = 1.0  # multiplies every initial parameter (Omnigrok's alpha)
    d_in: int | None = None  # numbers of a row; the task's where left out
    d_vocab_out: int | None = None  # output columns; the task's answers where left out

    def __post_init__(self) -> None:
        check_types(self)
        _check_hidden(self)

    @property
    def layer_neurons(self) -> tuple[int, ...]:
        return self.hidden_sizes

    def resolved(self, n_vocab: int, n_answers: int, n_positions: int) -> "DenseMLPConfig":
        """A copy with the sizes that follow from the task filled in where they were left open."""
        del n_vocab
        return replace(self, d_in=self.d_in or n_positions, d_vocab_out=self.d_vocab_out or n_answers)


@dataclass(frozen=True)
class VisionConfig:
    """A transformer on square images: its tokens are patches of pixels, and a last one, of no patch, that is read out.

    `patch=1` makes every pixel a token. With `inner_layers` a smaller transformer runs inside each patch first, on its
    pixels (Han et al. 2021, Transformer in Transformer). Blocks count from the inner ones on.
    """

    kind: ClassVar[str] = "vision"
    reads: ClassVar[Reads] = "features"
    open_sizes: ClassVar[tuple[str, ...]] = ("d_in", "d_vocab_out")
    patch: int = 4  # pixels along a patch's side
    n_layers: int = 2  # blocks over the patches
    d_model: int = 64  # width of their residual stream
    n_heads: int = 4  # attention heads of every block
    inner_layers: int = 0  # blocks inside each patch
    inner_width: int = 16  # width of their residual stream
    activation: Activation = "gelu"
    normalization: Literal["none", "pre"] = "pre"  # place of LayerNorm
    initialisation: Literal["fan_in", "waves"] = "fan_in"
    init_scale: float = 1.0  # multiplies every initial parameter (Omnigrok's alpha)
    d_in: int | None = None  # pixels of an image; the task's where left out
    d_vocab_out: int | None = None  # output columns; the task's answers where left out

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("patch", "n_layers", "d_model", "n_heads", "inner_width", "d_in", "d_vocab_out"):
            size = getattr(self, name)
            require(size is None or size >= 1, f"{name}={size} must be at least 1")
        require(self.inner_layers >= 0, f"inner_layers={self.inner_layers} must be 0 (none) or more")
        narrowest = min(self.d_model, self.inner_width) if self.inner_layers else self.d_model
        require(narrowest >= self.n_heads, f"n_heads={self.n_heads} is more than the width {narrowest}; lower n_heads")
        require(self.init_scale > 0, f"init_scale={self.init_scale} must be positive; 1.0 leaves the weights as drawn")
        side = math.isqrt(self.d_in or self.patch**2)
        require(
            self.d_in is None or (side**2 == self.d_in and side % self.patch == 0),
            f"patch={self.patch} does not divide images of {self.d_in} pixels into squares; use patch=1 or patch=4",
        )

    @property
    def n_patches(self) -> int:
        return (self.d_in or 0) // self.patch**2

    @property
    def block_configs(self) -> tuple[TransformerConfig, ...]:
        """Each block as one of a transformer, inner ones first: what their parts are built from."""
        inner = self._block_config(self.inner_width, self.patch**2)
        outer = self._block_config(self.d_model, self.n_patches + 1)
        return (inner,) * self.inner_layers + (outer,) * self.n_layers

    def _block_config(self, width: int, n_ctx: int) -> TransformerConfig:
        return TransformerConfig(
            n_layers=self.n_layers,
            d_model=width,
            n_heads=self.n_heads,
            activation=self.activation,
            normalization=self.normalization,
            attention_direction="bidirectional",
            d_vocab=1,  # not read: patches are no tokens
            d_vocab_out=self.d_vocab_out,
            n_ctx=n_ctx,
        )

    @property
    def layer_heads(self) -> tuple[int, ...]:
        return tuple(block.n_heads for block in self.block_configs)

    @property
    def layer_neurons(self) -> tuple[int, ...]:
        return tuple(block.mlp_size for block in self.block_configs)

    def resolved(self, n_vocab: int, n_answers: int, n_positions: int) -> "VisionConfig":
        """A copy with the sizes that follow from the task filled in where they were left open."""
        del n_vocab
        return replace(self, d_in=self.d_in or n_positions, d_vocab_out=self.d_vocab_out or n_answers)


@dataclass(frozen=True)
class NALUConfig:
    """Neural arithmetic logic units (Trask et al. 2018), layer after layer, from the operands to one number."""

    kind: ClassVar[str] = "nalu"
    reads: ClassVar[Reads] = "features"
    layer_heads: ClassVar[tuple[int, ...]] = ()
    open_sizes: ClassVar[tuple[str, ...]] = ("d_in", "d_vocab_out")
    cell: Literal["nalu", "nac"] = "nalu"  # nac: the additive half alone
    hidden_sizes: tuple[int, ...] = ()  # cells of each hidden layer; () for one layer
    cell_eps: float = 1e-7  # epsilon in exp(W log(|x| + epsilon))
    initialisation: Literal["nalu"] = "nalu"
    init_scale: float = 1.0  # multiplies every initial parameter (Omnigrok's alpha)
    d_in: int | None = None  # numbers of a row; the task's where left out
    d_vocab_out: int | None = None  # output columns; the task's where left out

    def __post_init__(self) -> None:
        check_types(self)
        require(all(size >= 1 for size in self.hidden_sizes), f"hidden_sizes={self.hidden_sizes} must be at least 1")
        require(self.cell_eps > 0, f"cell_eps={self.cell_eps} must be positive, as in 1e-7")
        require(self.init_scale > 0, f"init_scale={self.init_scale} must be positive; 1.0 leaves the weights as drawn")

    @property
    def layer_neurons(self) -> tuple[int, ...]:
        """Cells count as neurons, those that answer too."""
        return (*self.hidden_sizes, self.d_vocab_out or 1)

    def resolved(self, n_vocab: int, n_answers: int, n_positions: int) -> "NALUConfig":
        """A copy with the sizes that follow from the task filled in where they were left open."""
        del n_vocab
        return replace(self, d_in=self.d_in or n_positions, d_vocab_out=self.d_vocab_out or n_answers)


MLPConfig: TypeAlias = EmbeddingMLPConfig | DenseMLPConfig
ModelConfig: TypeAlias = TransformerConfig | EmbeddingMLPConfig | DenseMLPConfig | VisionConfig | NALUConfig
MODEL_CONFIGS: dict[str, type[ModelConfig]] = {
    config.kind: config for config in (TransformerConfig, EmbeddingMLPConfig, DenseMLPConfig, VisionConfig, NALUConfig)
}


def _check_hidden(config: MLPConfig) -> None:
    require(
        bool(config.hidden_sizes) and min(config.hidden_sizes) >= 1,
        f"hidden_sizes={config.hidden_sizes} must name at least one hidden layer, as in (256,)",
    )
    require(config.init_scale > 0, f"init_scale={config.init_scale} must be positive; 1.0 leaves the weights as drawn")


def _sizes(
    config: TransformerConfig | EmbeddingMLPConfig, n_vocab: int, n_answers: int, n_positions: int
) -> dict[str, int]:
    d_vocab = config.d_vocab or n_vocab
    columns = n_answers if config.output == "answers" else d_vocab
    return {"d_vocab": d_vocab, "d_vocab_out": config.d_vocab_out or columns, "n_ctx": config.n_ctx or n_positions}
