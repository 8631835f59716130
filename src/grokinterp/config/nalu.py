"""The NALU: its cells and their parameters."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from grokinterp.config.family import NumberConfig
from grokinterp.config.initial import Draw, Shapes
from grokinterp.config.validation import check_init_scale, check_types
from grokinterp.errors import require


@dataclass(frozen=True)
class NALUConfig(NumberConfig):
    """Neural arithmetic logic units (Trask et al. 2018), layer after layer, from the operands to one number."""

    kind: ClassVar[str] = "nalu"
    module: ClassVar[str] = "grokinterp.models.nalu:NALU"
    has_unembedding: ClassVar[bool] = False
    cell: Literal["nalu", "nac"] = "nalu"  # nac: the additive half alone
    hidden_sizes: tuple[int, ...] = ()  # cells of each hidden layer; () for one layer
    cell_eps: float = 1e-7  # epsilon in exp(W log(|x| + epsilon))
    initialisation: Literal["nalu"] = "nalu"  # whose initial weights: of what paper or library
    init_scale: float = 1.0  # multiplies every initial parameter (Omnigrok's alpha)
    d_in: int | None = None  # numbers of a row; the task's where left out
    d_vocab_out: int | None = None  # output columns; the task's where left out

    def __post_init__(self) -> None:
        check_types(self)
        require(all(size >= 1 for size in self.hidden_sizes), f"hidden_sizes={self.hidden_sizes} must be at least 1")
        require(self.cell_eps > 0, f"cell_eps={self.cell_eps} must be positive, as in 1e-7")
        check_init_scale(self.init_scale)

    @property
    def layer_neurons(self) -> tuple[int, ...]:
        """Cells count as neurons, those that answer too."""
        return (*self.hidden_sizes, self.d_vocab_out or 1)

    @property
    def activation_names(self) -> list[str]:
        return [f"blocks.{i}.mlp.hook_post" for i in range(len(self.layer_neurons))]

    def parameter_shapes(self) -> Shapes:
        """Of layer i `blocks.i.mlp.W_hat`, `M_hat` and (not of a NAC) `G`, each [inputs cells]."""
        widths = [self.d_in or 0, *self.hidden_sizes, self.d_vocab_out or 0]
        gate = ("G",) if self.cell == "nalu" else ()
        return {
            f"blocks.{layer}.mlp.{name}": size
            for layer, size in enumerate(pairwise(widths))
            for name in ("W_hat", "M_hat", *gate)
        }

    def draw(self, name: str, shapes: Shapes) -> Draw:
        """Trask et al. 2018 give none; ours is N(0, 1), so that cells begin with weights of either sign, gates open."""
        del name, shapes
        return "normal", 1.0

    def why_unreadable(self, expression: str, has_tokens: bool, has_classes: bool) -> str | None:
        if has_classes:
            return f"a {self.kind} answers with a number and {expression!r} asks for a class"
        return super().why_unreadable(expression, has_tokens, has_classes)

    def in_words(self) -> str:
        layers = " and ".join(str(size) for size in self.layer_neurons)
        return f"layers of {layers} arithmetic cells ({self.cell.upper()})"
