"""The MLPs: hidden layers behind embeddings of the operands, or on rows of numbers as they are."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from grokinterp.config.activation import ACTIVATIONS_IN_WORDS, Activation
from grokinterp.config.family import NumberConfig, Output, TokenConfig
from grokinterp.config.initial import Draw, Shapes, fan_in, is_bias, leaf, torch_default
from grokinterp.config.validation import check_init_scale, check_sizes, check_types
from grokinterp.errors import require


class SummedConfig(TokenConfig):
    """Neurons whose first pre-activations are a sum of one function of each operand, which `evaluation.folded` uses."""

    combine: Any  # each says what it can do with its operands
    activation: Activation

    def fast_path(self, scored: tuple[int, ...], row_width: int) -> str | None:
        del scored
        return "grokinterp.evaluation.evaluator:FoldedEvaluator" if row_width == self.n_ctx else None

    def why_not_folded(self) -> str | None:
        return None


@dataclass(frozen=True)
class EmbeddingMLPConfig(SummedConfig):
    """Embeddings of the operands, combined, then hidden layers.

    `project_then_add` sends each embedding through the first hidden layer's affine map and adds the results
    before the activation (type C of Zhong et al. 2023).
    """

    kind: ClassVar[str] = "embedding_mlp"
    module: ClassVar[str] = "grokinterp.models.mlp:EmbeddingMLP"
    in_browser: ClassVar[bool] = True
    d_embed: int = 128  # width of an embedding
    shared_embedding: bool = True  # one embedding for both operands
    combine: Literal["concatenate", "add", "project_then_add"] = "concatenate"  # of the embeddings
    hidden_sizes: tuple[int, ...] = (256,)  # neurons of each hidden layer
    activation: Activation = "relu"  # of the neurons
    mlp_bias: bool = True  # a bias a neuron
    unembed_bias: bool = True  # a bias an output column
    output: Output = "answers"  # output columns: every token, or the answers only
    initialisation: Literal["xavier", "pizza_linear", "chughtai"] = "xavier"  # whose initial weights
    init_scale: float = 1.0  # multiplies every initial parameter (Omnigrok's alpha)
    d_vocab: int | None = None  # tokens; the task's where left out
    d_vocab_out: int | None = None  # output columns; those of `output` where left out
    n_ctx: int | None = None  # positions; the task's where left out

    def __post_init__(self) -> None:
        check_types(self)
        check_sizes(self, "d_embed")
        _check_hidden(self)

    @property
    def layer_neurons(self) -> tuple[int, ...]:
        return self.hidden_sizes

    @property
    def tables(self) -> tuple[str, ...]:
        n_tables = 1 if self.shared_embedding else self.sizes[2]
        return ("embed", *(f"embed_{chr(ord('a') + i)}" for i in range(1, n_tables)))

    def parameter_shapes(self) -> Shapes:
        """`embed.W_E` [d_vocab d_embed], or a table for each operand (`embed`, `embed_b`, ...); then the layers."""
        d_vocab, _, n_ctx = self.sizes
        width = self.d_embed * (n_ctx if self.combine == "concatenate" else 1)
        return {f"{table}.W_E": (d_vocab, self.d_embed) for table in self.tables} | _layer_shapes(self, width)

    def draw(self, name: str, shapes: Shapes) -> Draw:
        return _SCHEMES[self.initialisation](name, shapes)

    def in_words(self) -> str:
        combined = {"concatenate": "concatenated", "add": "added", "project_then_add": "projected and then added"}
        shared = "one shared embedding" if self.shared_embedding else "an embedding for each operand"
        layers = "a hidden layer" if len(self.hidden_sizes) == 1 else "hidden layers"
        return (
            f"{shared} of width {self.d_embed}, the operands' embeddings {combined[self.combine]}, "
            f"and {layers} of {_neurons_in_words(self)}"
        )


@dataclass(frozen=True)
class DenseMLPConfig(NumberConfig):
    """Hidden layers on rows of numbers as they are, without embeddings: scikit-learn's `MLPClassifier`."""

    kind: ClassVar[str] = "dense_mlp"
    module: ClassVar[str] = "grokinterp.models.mlp:DenseMLP"
    hidden_sizes: tuple[int, ...] = (800, 400, 400, 400, 400)  # neurons of each hidden layer
    activation: Activation = "relu"  # of the neurons
    mlp_bias: bool = True  # a bias a neuron
    unembed_bias: bool = True  # a bias an output column
    initialisation: Literal["scikit_learn", "xavier"] = "scikit_learn"  # whose initial weights
    init_scale: float = 1.0  # multiplies every initial parameter (Omnigrok's alpha)
    d_in: int | None = None  # numbers of a row; the task's where left out
    d_vocab_out: int | None = None  # output columns; the task's answers where left out

    def __post_init__(self) -> None:
        check_types(self)
        _check_hidden(self)

    @property
    def layer_neurons(self) -> tuple[int, ...]:
        return self.hidden_sizes

    def parameter_shapes(self) -> Shapes:
        return _layer_shapes(self, self.d_in or 0)

    def draw(self, name: str, shapes: Shapes) -> Draw:
        return _SCHEMES[self.initialisation](name, shapes)

    def in_words(self) -> str:
        return f"hidden layers of {_neurons_in_words(self)}"


MLPConfig: TypeAlias = EmbeddingMLPConfig | DenseMLPConfig


def _check_hidden(config: MLPConfig) -> None:
    require(
        bool(config.hidden_sizes) and min(config.hidden_sizes) >= 1,
        f"hidden_sizes={config.hidden_sizes} must name at least one hidden layer, as in (256,)",
    )
    check_init_scale(config.init_scale)


def _neurons_in_words(config: MLPConfig) -> str:
    sizes = " and ".join(f"{size:,}" for size in config.hidden_sizes)
    return f"{sizes} {ACTIVATIONS_IN_WORDS[config.activation]} neurons"


def _layer_shapes(config: MLPConfig, width: int) -> Shapes:
    """`blocks.i.mlp.W_in` [inputs width] and `b_in`, the first layer reading `width` numbers; `unembed.W_U`, `b_U`."""
    assert config.d_vocab_out is not None
    shapes: Shapes = {}
    for layer, hidden in enumerate(config.hidden_sizes):
        shapes[f"blocks.{layer}.mlp.W_in"] = (width, hidden)
        if config.mlp_bias:
            shapes[f"blocks.{layer}.mlp.b_in"] = (hidden,)
        width = hidden
    shapes["unembed.W_U"] = (width, config.d_vocab_out)
    if config.unembed_bias:
        shapes["unembed.b_U"] = (config.d_vocab_out,)
    return shapes


# -- how the papers initialise it


def _xavier(name: str, shapes: Shapes) -> Draw:
    """scienceetonnante: `xavier_normal_` for every weight, the embedding too; biases zero."""
    return ("constant", 0.0) if is_bias(name) else ("normal", math.sqrt(2 / sum(shapes[name])))


def _scikit_learn(name: str, shapes: Shapes) -> Draw:
    """scikit-learn's `MLPClassifier` with relu: uniform up to sqrt(6 / (inputs + outputs)) of the layer, biases too."""
    return "uniform", math.sqrt(6 / sum(shapes[name.replace(".b_", ".W_")]))


def _pizza_linear(name: str, shapes: Shapes) -> Draw:
    """Zhong et al. 2023, their `train-linear.py`: torch's default for the hidden layers.

    N(0, 1) / sqrt(d_hidden / 2) for the embeddings (all five types) and N(0, 1) / sqrt(d_hidden) for the
    unembedding, d_hidden being the width of the last hidden layer. A bias of the unembedding (they have none) is zero.
    """
    d_hidden = shapes["unembed.W_U"][0]
    special: dict[str, Draw] = {
        "W_E": ("normal", (d_hidden / 2) ** -0.5),
        "W_U": ("normal", d_hidden**-0.5),
        "b_U": ("constant", 0.0),
    }
    return special.get(leaf(name)) or torch_default(name, shapes)


def _chughtai(name: str, shapes: Shapes) -> Draw:
    """Chughtai et al. 2023, their `OneLayerMLP`: W_x, W_y over sqrt(d_embed), W, W_U over sqrt(fan_in); no biases."""
    if is_bias(name):
        return "constant", 0.0
    return "normal", (shapes[name][1] if leaf(name) == "W_E" else fan_in(name, shapes)) ** -0.5


_SCHEMES = {
    "xavier": _xavier,
    "scikit_learn": _scikit_learn,
    "pizza_linear": _pizza_linear,
    "chughtai": _chughtai,
}
