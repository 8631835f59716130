"""OwnModule: the shape of a network of a user's own, of which only its tensors and its answers are known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from grokinterp.config.family import Component, Output, Reads, TokenConfig
from grokinterp.config.initial import Shapes
from grokinterp.config.validation import check_types

EMBEDDING = "embed.W_E"
"""The classic name of a table of embeddings, under which circuits find the one that the user named."""


@dataclass(frozen=True)
class OwnModuleConfig(TokenConfig):
    """A module of a user's own code: the tensors of its state dict, and where it answers.

    What it computes is not written down; `made_by` gives it what makes the module, `gi.load(..., module=...)`.
    """

    kind: ClassVar[str] = "own_module"
    module: ClassVar[str] = "grokinterp.models.own.module:OwnModule"
    open_sizes: ClassVar[tuple[str, ...]] = ()
    is_described: ClassVar[bool] = False
    has_unembedding: ClassVar[bool] = False
    make: ClassVar[Callable[[], Any] | None] = None

    called: str = ""  # the class that trained it
    tensors: tuple[str, ...] = ()  # `name dtype size size ...` of each that a checkpoint has
    copies: tuple[str, ...] = ()  # those of them that stand there a second time, under a classic name
    buffers: tuple[str, ...] = ()  # those that are no parameters
    rows: Literal["tokens", "features"] = "tokens"  # what a row of its task is
    answers_at: Literal["row", "positions"] = "row"  # logits [n, answers], or [n, positions, vocabulary]
    output: Output = "answers"
    init_scale: float = 1.0
    d_vocab: int | None = None
    d_vocab_out: int | None = None
    n_ctx: int | None = None

    def __post_init__(self) -> None:
        check_types(self)

    def made_by(self, make: Callable[[], Any]) -> "OwnModuleConfig":
        """A copy that knows how its module is made. That is no field: no file holds code."""
        copy = replace(self)
        object.__setattr__(copy, "make", make)
        return copy

    @property
    def why_not_made(self) -> str | None:
        """Why what it computes is not known here; None where it is."""
        if self.make is not None:
            return None
        return (
            f"the weights are of a module of its own code ({self.called or 'unknown'}); give what makes it, as in "
            f"gi.load(path, module={self.called.rpartition('.')[2] or 'MakeMine'})"
        )

    @staticmethod
    def described(name: str, dtype: str, shape: Sequence[int]) -> str:
        """An entry of `tensors`."""
        return " ".join([name, dtype, *map(str, shape)])

    @property
    def dtypes(self) -> dict[str, str]:
        """Name -> dtype of every tensor."""
        return {entry.split(" ")[0]: entry.split(" ")[1] for entry in self.tensors}

    @property
    def own_names(self) -> list[str]:
        """The tensors that the module itself has."""
        return [name for name in self.dtypes if name not in self.copies]

    @property
    def untrained(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*self.copies, *self.buffers)

    @property
    def reads(self) -> Reads:  # type: ignore[override]
        return self.rows

    @property
    def layer_neurons(self) -> tuple[int, ...]:
        return ()

    def parameter_shapes(self) -> Shapes:
        return {entry.split(" ")[0]: tuple(map(int, entry.split(" ")[2:])) for entry in self.tensors}

    def resolved(self, n_vocab: int, n_answers: int, n_positions: int) -> "OwnModuleConfig":
        return self

    @property
    def tables(self) -> tuple[str, ...]:
        return ("embed",) if EMBEDDING in self.dtypes else ()

    def read_positions(self, scored: tuple[int, ...]) -> tuple[int, ...]:
        return scored if self.answers_at == "positions" else (-1,)

    def fast_path(self, scored: tuple[int, ...], row_width: int) -> str | None:
        del scored, row_width
        return "grokinterp.evaluation.evaluator:OwnModuleEvaluator"

    def why_not_fused(self, scored: tuple[int, ...] = (-1,)) -> str | None:
        del scored
        return "it is a module of its own code"

    @property
    def activation_names(self) -> list[str]:
        return []

    @property
    def stream_width(self) -> int:
        return self.parameter_shapes().get(EMBEDDING, (0, 0))[-1]

    @property
    def stream_points(self) -> list[str]:
        return []

    def why_not_ablated(self, component: Component) -> str | None:
        del component
        return "a module of its own code has no hook points; register its parameters as one of ours to ablate them"

    def in_words(self) -> str:
        return f"a module of its own code ({self.called})" if self.called else "a module of its own code"
