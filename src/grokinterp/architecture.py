"""What a model looks like: one frozen dataclass a family. Sizes that follow from the task are None until `resolved`."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeAlias

from grokinterp.refusals import check_types, require

Activation: TypeAlias = Literal["relu", "gelu", "tanh"]
Output: TypeAlias = Literal["vocabulary", "answers"]


@dataclass(frozen=True)
class TransformerConfig:
    """A transformer with classic hook names."""

    kind: ClassVar[str] = "transformer"
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
    normalization: Literal["none", "pre", "post"] = "none"  # place of LayerNorm
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
        require(self.init_scale > 0, f"init_scale={self.init_scale} must be positive; 1.0 leaves the weights as drawn")

    @property
    def head_size(self) -> int:
        # Floor, as in the pizza code: d_model = 86 with 4 heads has heads of 21 and a W_O of 84 x 86.
        return self.d_head if self.d_head is not None else self.d_model // self.n_heads

    @property
    def mlp_size(self) -> int:
        return self.d_mlp if self.d_mlp is not None else 4 * self.d_model

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
        require(
            bool(self.hidden_sizes) and min(self.hidden_sizes) >= 1,
            f"hidden_sizes={self.hidden_sizes} must name at least one hidden layer, as in (256,)",
        )
        require(self.init_scale > 0, f"init_scale={self.init_scale} must be positive; 1.0 leaves the weights as drawn")

    def resolved(self, n_vocab: int, n_answers: int, n_positions: int) -> "EmbeddingMLPConfig":
        """A copy with the sizes that follow from the task filled in where they were left open."""
        return replace(self, **_sizes(self, n_vocab, n_answers, n_positions))


ModelConfig: TypeAlias = TransformerConfig | EmbeddingMLPConfig
MODEL_CONFIGS: dict[str, type[ModelConfig]] = {"transformer": TransformerConfig, "embedding_mlp": EmbeddingMLPConfig}


def _sizes(config: ModelConfig, n_vocab: int, n_answers: int, n_positions: int) -> dict[str, int]:
    d_vocab = config.d_vocab or n_vocab
    columns = n_answers if config.output == "answers" else d_vocab
    return {"d_vocab": d_vocab, "d_vocab_out": config.d_vocab_out or columns, "n_ctx": config.n_ctx or n_positions}
