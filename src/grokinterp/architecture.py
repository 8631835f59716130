"""What a model looks like: one frozen dataclass a family. Sizes that follow from the task stay None until `resolved`."""

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from grokinterp.refusals import check_literals, require


@dataclass(frozen=True)
class TransformerConfig:
    """A transformer with classic hook names. `None` in a size means: derived (from `d_model`, or from the task).

    `attention_rate` is alpha of Zhong et al. 2023: the pattern is softmax * alpha + (1 - alpha).
    `normalization` is LayerNorm's place. `output` says which columns the unembedding has: the whole
    vocabulary, or the answers only. `init_scale` multiplies every initial parameter (Omnigrok's alpha).
    """

    kind: Literal["transformer"] = "transformer"
    n_layers: int = 1
    d_model: int = 128
    n_heads: int = 4
    d_head: int | None = None
    d_mlp: int | None = None
    attn_only: bool = False
    activation: Literal["relu", "gelu", "tanh"] = "relu"
    attention_direction: Literal["causal", "bidirectional"] = "causal"
    attention_rate: float = 1.0
    position_embedding: Literal["learned", "sinusoidal", "none"] = "learned"
    normalization: Literal["none", "pre", "post"] = "none"
    attention_bias: bool = False
    mlp_bias: bool = True
    unembed_bias: bool = False
    tied_unembed: bool = False
    output: Literal["vocabulary", "answers"] = "vocabulary"
    initialisation: Literal["nanda", "pizza", "furuta", "power", "transformer_lens"] = "nanda"
    init_scale: float = 1.0
    d_vocab: int | None = None
    d_vocab_out: int | None = None
    n_ctx: int | None = None

    def __post_init__(self) -> None:
        check_literals(self)
        for name in ("n_layers", "d_model", "n_heads", "d_head", "d_mlp", "d_vocab", "d_vocab_out", "n_ctx"):
            size = getattr(self, name)
            require(size is None or size >= 1, f"{name}={size} must be at least 1")
        require(
            self.d_head is not None or self.d_model >= self.n_heads,
            f"d_model={self.d_model} is smaller than n_heads={self.n_heads}; give d_head as well",
        )
        require(
            math.isfinite(self.attention_rate), f"attention_rate={self.attention_rate} must be a number, as in 0.5"
        )
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
        d_vocab = self.d_vocab or n_vocab
        columns = n_answers if self.output == "answers" else d_vocab
        return replace(
            self, d_vocab=d_vocab, d_vocab_out=self.d_vocab_out or columns, n_ctx=self.n_ctx or n_positions
        )


@dataclass(frozen=True)
class EmbeddingMLPConfig:
    """Embeddings of the operands, combined, then hidden layers of `hidden_sizes`.

    `combine` is `concatenate`, `add`, or `project_then_add` (each embedding goes through the first
    hidden layer's affine map, and the results are added before the activation: Zhong's type C).
    """

    kind: Literal["embedding_mlp"] = "embedding_mlp"
    d_embed: int = 128
    shared_embedding: bool = True
    combine: Literal["concatenate", "add", "project_then_add"] = "concatenate"
    hidden_sizes: tuple[int, ...] = (256,)
    activation: Literal["relu", "gelu", "tanh"] = "relu"
    mlp_bias: bool = True
    unembed_bias: bool = True
    output: Literal["vocabulary", "answers"] = "answers"
    initialisation: Literal["xavier", "pizza_linear", "chughtai"] = "xavier"
    init_scale: float = 1.0
    d_vocab: int | None = None
    d_vocab_out: int | None = None
    n_ctx: int | None = None

    def __post_init__(self) -> None:
        check_literals(self)
        require(self.d_embed >= 1, f"d_embed={self.d_embed} must be at least 1")
        require(
            bool(self.hidden_sizes) and min(self.hidden_sizes) >= 1,
            f"hidden_sizes={self.hidden_sizes} must name at least one hidden layer, as in (256,)",
        )
        require(self.init_scale > 0, f"init_scale={self.init_scale} must be positive; 1.0 leaves the weights as drawn")

    def resolved(self, n_vocab: int, n_answers: int, n_positions: int) -> "EmbeddingMLPConfig":
        """A copy with the sizes that follow from the task filled in where they were left open."""
        d_vocab = self.d_vocab or n_vocab
        columns = n_answers if self.output == "answers" else d_vocab
        return replace(
            self, d_vocab=d_vocab, d_vocab_out=self.d_vocab_out or columns, n_ctx=self.n_ctx or n_positions
        )



ModelConfig: TypeAlias = TransformerConfig | EmbeddingMLPConfig
MODEL_CONFIGS: dict[str, type[ModelConfig]] = {"transformer": TransformerConfig, "embedding_mlp": EmbeddingMLPConfig}
