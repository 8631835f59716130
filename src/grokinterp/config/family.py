"""Family: what a kind of model says of itself, so that nobody else has to ask which kind it is."""

import functools
from abc import ABC, abstractmethod
from dataclasses import Field, replace
from importlib.metadata import entry_points
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar, cast

from grokinterp.config.initial import Draw, Shapes, over_fan_in
from grokinterp.errors import ConfigError, listed

Output: TypeAlias = Literal["vocabulary", "answers"]
Component: TypeAlias = Literal["attention", "mlp", "positions", "direct_path"]
Reads: TypeAlias = Literal["tokens", "features"]
"""What a row of the task is to a model: tokens, or numbers as they are."""

GROUP = "grokinterp.families"
"""The entry points under which an installed package names its config classes."""

MODEL_CONFIGS: "dict[str, type[ModelConfig]]" = {}
"""The families by kind. A class enters itself when its module is imported."""

MLP_ACTIVATIONS = ("mlp.hook_pre", "mlp.hook_post")


class ModelConfig(ABC):
    """What a model looks like. A family is a frozen dataclass that inherits this, and a module of hooks.

    Of itself it must say `kind`, `module`, `layer_neurons` and `parameter_shapes`; what it reads, and the sizes that
    follow from that, come with `TokenConfig` or `NumberConfig`. The other answers are those of a model without
    attention whose neurons feed an unembedding; a family that differs overrides them.
    """

    kind: ClassVar[str]
    """What it is called in `config.json`."""

    module: ClassVar[str]
    """Where its hooked model is, `package.module:Class`, imported when one is built."""

    reads: ClassVar[Reads]
    open_sizes: ClassVar[tuple[str, ...]]
    """The fields that follow from the task where they are left out."""

    answers_at_positions: ClassVar[bool] = False
    """Whether `forward` takes `positions=`, those at which the answer is wanted; else it answers at one position."""

    untrained: ClassVar[tuple[str, ...]] = ()
    """What a checkpoint holds that is no parameter."""

    is_described: ClassVar[bool] = True
    """Whether its fields say all that it computes; what is read of one that does not say it is not kept."""

    has_unembedding: ClassVar[bool] = True
    """Whether the last neurons or the stream are read through a matrix `unembed.W_U`, or W_E where that is tied."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    in_browser: ClassVar[bool] = False  # whether the frozen explorer has its forward pass in JavaScript

    init_scale: float
    d_vocab_out: int | None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "kind" in cls.__dict__:
            MODEL_CONFIGS[cls.kind] = cls

    # -- sizes and parameters

    @property
    @abstractmethod
    def layer_neurons(self) -> tuple[int, ...]:
        """How many neurons each layer has; () where a model has none."""

    @property
    def layer_heads(self) -> tuple[int, ...]:
        """How many attention heads each layer has; () where a model has none."""
        return ()

    @abstractmethod
    def resolved(self, n_vocab: int, n_answers: int, n_positions: int) -> "ModelConfig":
        """A copy with the sizes that follow from the task filled in where they were left open."""

    @abstractmethod
    def parameter_shapes(self) -> Shapes:
        """Name -> shape of every trainable parameter, in the order in which they are drawn; of a resolved config."""

    def draw(self, name: str, shapes: Shapes) -> Draw:
        """How the parameter of a name starts, given the shapes of all."""
        return over_fan_in(name, shapes)

    def drawing_order(self, shapes: Shapes) -> list[str]:
        """The names in the order in which a seed draws them."""
        return list(shapes)

    @property
    def tables(self) -> tuple[str, ...]:
        """The modules whose `W_E` embeds tokens: one for all positions, or one for each."""
        return ()

    @property
    def token_rows(self) -> tuple[tuple[str, int], ...]:
        """(parameter, row of token 0) for each table by which tokens are read: one for all positions, or one each."""
        return tuple((f"{table}.W_E", 0) for table in self.tables)

    # -- reading rows

    @property
    @abstractmethod
    def row_width(self) -> int | None:
        """How many entries a row may have; None while that is open."""

    @property
    def n_tokens(self) -> int | None:
        """How many tokens there are; None while that is open, and for a model that reads none."""
        return None

    @abstractmethod
    def n_positions(self, row_width: int) -> int:
        """How many positions the model has on rows of a task."""

    def why_unreadable(self, expression: str, has_tokens: bool, has_classes: bool) -> str | None:
        """Why it cannot read the rows of a task, or cannot answer as that wants; None where it can."""
        del has_classes
        if has_tokens == (self.reads == "tokens"):
            return None
        rows = "rows of tokens" if has_tokens else "rows of numbers without tokens"
        return f"a {self.kind} reads {self.reads} and {expression!r} has {rows}"

    def read_positions(self, scored: tuple[int, ...]) -> tuple[int, ...]:
        """Where in its output the answers of a task are, that scores these positions of a row."""
        return scored if self.answers_at_positions else (-1,)

    def forward_options(self, scored: tuple[int, ...]) -> dict[str, Any]:
        """What `forward` is given beside the rows, so that it computes no more than the answers wanted."""
        return {"positions": scored} if self.answers_at_positions else {}

    def fast_path(self, scored: tuple[int, ...], row_width: int) -> str | None:
        """Where the evaluator is that computes the same without hooks, `package.module:Class`; None for hooks."""
        del scored, row_width
        return None

    def why_not_fused(self, scored: tuple[int, ...] = (-1,)) -> str | None:
        """Why `evaluation.fused` does not take it with answers read at these positions; None where it does."""
        del scored
        return f"it is not a transformer but a {self.kind}"

    def why_not_folded(self) -> str | None:
        """Why `evaluation.folded` does not take it; None where it does."""
        return f"the neurons of a {self.kind} are no sum of a function of each operand"

    # -- activations, by hook name

    @property
    def activation_names(self) -> list[str]:
        """The activations that have a value at the position where the answer is read."""
        return [f"blocks.{i}.{name}" for i in range(len(self.layer_neurons)) for name in MLP_ACTIVATIONS]

    def position_axis(self, name: str) -> int:
        """Which axis of an activation [batch, ...] its (query) position stands on."""
        # A pattern is [batch, head, query, source].
        return 2 if name.endswith(("hook_pattern", "hook_attn_scores")) else 1

    @property
    def first_read_layer(self) -> int:
        """The first layer with a position that is read; those before work inside parts of a row."""
        return 0

    @property
    def has_token_attention(self) -> bool:
        """Whether it has attention whose queries and sources are the tokens of a row."""
        return bool(self.layer_heads) and self.reads == "tokens"

    @property
    def has_norms(self) -> bool:
        """Whether a norm stands anywhere, behind which nothing adds to the logits linearly."""
        return False

    def untied(self) -> "ModelConfig":
        """The same with an unembedding of its own."""
        return self

    # -- what can be taken out

    @property
    def has_positions(self) -> bool:
        """Whether it has a position embedding, `hook_pos_embed`."""
        return False

    @property
    @abstractmethod
    def stream_width(self) -> int:
        """How many entries the directions have that are taken out at `where="embedding"`."""

    @property
    @abstractmethod
    def stream_points(self) -> list[str]:
        """The hook points at which these are taken out."""

    def why_not_ablated(self, component: Component) -> str | None:
        """Why there is no such component to take out, with the remedy; None where there is."""
        reasons = {
            "attention": (self.layer_heads, "has no attention heads; ablate neurons=[(layer, neuron)] instead"),
            "mlp": (self.layer_neurons, "is attention only and has no neurons; ablate heads=[(layer, head)] instead"),
            "positions": (self.has_positions, "has no position embedding; leave positions out"),
            "direct_path": (False, "has no direct path around its layers; leave direct_path out"),
        }
        has_it, reason = reasons[component]
        return None if has_it else f"this {self.kind} {reason}"

    # -- words

    def remark(self) -> str | None:
        """What may surprise whoever chose these sizes, in one line; None where nothing does."""
        return None

    def in_words(self) -> str:
        """A noun phrase for reports, as in `a one-layer transformer of width 128 with 4 heads of 32, ...`."""
        return f"a {self.kind.replace('_', ' ')}"


Tokens = TypeVar("Tokens", bound="TokenConfig")
Numbers = TypeVar("Numbers", bound="NumberConfig")


class TokenConfig(ModelConfig):
    """A model that reads tokens: what follows from a task's vocabulary and the length of its rows."""

    reads: ClassVar[Reads] = "tokens"
    open_sizes: ClassVar[tuple[str, ...]] = ("d_vocab", "d_vocab_out", "n_ctx")
    output: Output
    d_vocab: int | None
    n_ctx: int | None

    @property
    def tables(self) -> tuple[str, ...]:
        return ("embed",)

    @property
    def row_width(self) -> int | None:
        return self.n_ctx

    @property
    def n_tokens(self) -> int | None:
        return self.d_vocab

    def n_positions(self, row_width: int) -> int:
        # A table of positions may be longer than the rows.
        return min(self.n_ctx or row_width, row_width or self.n_ctx or 0)

    @property
    def stream_width(self) -> int:
        return self.parameter_shapes()[f"{self.tables[0]}.W_E"][1]

    @property
    def stream_points(self) -> list[str]:
        return ["hook_embed"]

    def resolved(self: Tokens, n_vocab: int, n_answers: int, n_positions: int) -> Tokens:
        d_vocab = self.d_vocab or n_vocab
        columns = n_answers if self.output == "answers" else d_vocab
        sizes = {"d_vocab": d_vocab, "d_vocab_out": self.d_vocab_out or columns, "n_ctx": self.n_ctx or n_positions}
        return cast(Any, replace)(self, **sizes)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """`d_vocab`, `d_vocab_out` and `n_ctx`, once they are filled in."""
        assert self.d_vocab is not None and self.d_vocab_out is not None and self.n_ctx is not None
        return self.d_vocab, self.d_vocab_out, self.n_ctx


class NumberConfig(ModelConfig):
    """A model that reads a row of numbers as it is."""

    reads: ClassVar[Reads] = "features"
    open_sizes: ClassVar[tuple[str, ...]] = ("d_in", "d_vocab_out")
    d_in: int | None

    @property
    def row_width(self) -> int | None:
        return self.d_in

    def n_positions(self, row_width: int) -> int:
        del row_width
        return 1

    @property
    def stream_width(self) -> int:
        return self.d_in or 0

    @property
    def stream_points(self) -> list[str]:
        return ["hook_combined"]

    def resolved(self: Numbers, n_vocab: int, n_answers: int, n_positions: int) -> Numbers:
        del n_vocab
        sizes = {"d_in": self.d_in or n_positions, "d_vocab_out": self.d_vocab_out or n_answers}
        return cast(Any, replace)(self, **sizes)


def family(kind: Any) -> type[ModelConfig]:
    """The config class of a kind, shipped or installed. Raises `ConfigError` for a kind that there is not."""
    if kind not in MODEL_CONFIGS:
        _import_installed()
    if kind not in MODEL_CONFIGS:
        raise ConfigError(f"a config's model.kind must be one of {listed(MODEL_CONFIGS)}, not {kind!r}")
    return MODEL_CONFIGS[kind]


@functools.cache
def _import_installed() -> None:
    for entry in entry_points(group=GROUP):
        entry.load()
