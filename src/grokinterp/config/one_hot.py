"""The one-hot MLP: neurons that read the numbers themselves, without an embedding (He et al. 2602.16849)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from grokinterp.config.activation import ACTIVATIONS_IN_WORDS, Activation
from grokinterp.config.family import Output
from grokinterp.config.initial import Draw, Shapes
from grokinterp.config.mlp import SummedConfig
from grokinterp.config.validation import check_init_scale, check_sizes, check_types


@dataclass(frozen=True)
class OneHotMLPConfig(SummedConfig):
    """One-hots of the operands, added or concatenated, one layer of neurons, and an unembedding; no biases.

    A row of W_in is what the neurons read of one number, as a row of an embedding is elsewhere; `embed` is fixed.
    """

    kind: ClassVar[str] = "one_hot_mlp"
    module: ClassVar[str] = "grokinterp.models.mlp:OneHotMLP"
    combine: Literal["add", "concatenate"] = "add"  # of the one-hots
    d_mlp: int = 512  # neurons
    activation: Activation = "relu"  # of the neurons
    output: Output = "answers"  # output columns: every token, or the answers only
    initialisation: Literal["he", "doshi"] = "he"  # whose initial weights
    init_scale: float = 1.0  # multiplies every initial parameter (Omnigrok's alpha)
    d_vocab: int | None = None  # tokens; the task's where left out
    d_vocab_out: int | None = None  # output columns; those of `output` where left out
    n_ctx: int | None = None  # positions; the task's where left out

    def __post_init__(self) -> None:
        check_types(self)
        check_sizes(self, "d_mlp")
        check_init_scale(self.init_scale)

    @property
    def layer_neurons(self) -> tuple[int, ...]:
        return (self.d_mlp,)

    @property
    def token_rows(self) -> tuple[tuple[str, int], ...]:
        d_vocab, _, n_ctx = self.sizes
        return tuple(("blocks.0.mlp.W_in", i * d_vocab) for i in range(n_ctx if self.combine == "concatenate" else 1))

    @property
    def stream_width(self) -> int:
        return self.sizes[0]

    def parameter_shapes(self) -> Shapes:
        """`blocks.0.mlp.W_in` [d_vocab d_mlp], concatenated [n_ctx * d_vocab d_mlp]; `unembed.W_U`."""
        d_vocab, d_vocab_out, _ = self.sizes
        return {
            "blocks.0.mlp.W_in": (d_vocab * len(self.token_rows), self.d_mlp),
            "unembed.W_U": (self.d_mlp, d_vocab_out),
        }

    def draw(self, name: str, shapes: Shapes) -> Draw:
        """The same of both matrices, whatever feeds them: N(0, 1) times one number.

        He et al., their `MLP`: 1 / sqrt(d_vocab). Doshi et al. 2023, their `fcn`: 1 / 2 over the cube root of 2 d_mlp,
        with which squaring neurons answer in numbers of order 1 however many they are.
        """
        del name, shapes
        return "normal", self.sizes[0] ** -0.5 if self.initialisation == "he" else 0.5 * (2 * self.d_mlp) ** (-1 / 3)

    def in_words(self) -> str:
        combined = "added" if self.combine == "add" else "side by side"
        neurons = f"{self.d_mlp:,} {ACTIVATIONS_IN_WORDS[self.activation]} neurons"
        return f"{neurons} on one-hots of the operands, {combined}, without an embedding or biases"
