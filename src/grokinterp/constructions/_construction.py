"""Construction: a kind of network that a formula gives, and what its formula needs."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from grokinterp.config import EmbeddingMLPConfig, ModelConfig
from grokinterp.errors import listed, require
from grokinterp.tasks import Task

CONSTRUCTIONS: "dict[str, type[Construction]]" = {}
"""The kinds by name. A class enters itself when its file is imported."""

MOST_NEURONS = 30_000
"""More, and the activations of a table do not fit into the memory of a laptop."""


class Network(NamedTuple):
    """A model as its formula gives it: its sizes, and its weights by classic name, in float64."""

    config: ModelConfig
    parameters: dict[str, Tensor]


class Construction(ABC):
    """One kind of network. A kind is a frozen dataclass: its fields are the keywords of `gi.build`.

    Of itself it must say what it is called, an example of a call, the task and the network.
    """

    kind: ClassVar[str]
    example: ClassVar[str]
    """The arguments behind the kind in a call that works, as in `p=23, frequencies=[3]`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        CONSTRUCTIONS[cls.kind] = cls

    @abstractmethod
    def make_task(self) -> Task:
        """What it computes; a split, where it has none, is drawn for it."""

    @abstractmethod
    def make_network(self, task: Task) -> Network:
        """The network, of a task that has its split."""


def check_p(p: int, least: int = 3) -> None:
    """Refuse a modulus on which there are no waves."""
    require(p >= least, f"p={p} must be at least {least}, as in p=23")


def check_frequencies(frequencies: tuple[int, ...], n: int) -> None:
    """Refuse what are no different waves on a cycle of n places."""
    require(bool(frequencies), f"frequencies is empty; name some of 1 to {n // 2}, as in frequencies=[1]")
    for k in frequencies:
        require(1 <= k <= n // 2, f"frequency {k} is not between 1 and {n // 2}, the waves on a cycle of {n}")
    twice = sorted({k for k in frequencies if frequencies.count(k) > 1})
    require(not twice, f"frequencies has {listed(twice)} more than once; name each wave once")


def check_neurons(count: int, kind: str, instead: str) -> None:
    """Refuse a network that is too large to be evaluated."""
    require(count <= MOST_NEURONS, f"this {kind} would have {count:,} neurons, more than {MOST_NEURONS:,}; {instead}")


def cosine(steps: Tensor, n: int) -> Float[Tensor, "*steps"]:
    """cos of so many steps around a cycle of n places, in float64."""
    return (2 * torch.pi / n * (steps % n).double()).cos()


def circle(steps: Tensor, n: int) -> Float[Tensor, "2 *steps"]:
    """Cosine and sine of so many steps around a cycle of n places, in float64."""
    return torch.stack([cosine(steps, n), (2 * torch.pi / n * (steps % n).double()).sin()])


def embedding_mlp(
    task: Task, W_E: Tensor, W_in: Tensor, W_U: Tensor, combine: Literal["add", "concatenate"] = "concatenate"
) -> Network:
    """A model of two embeddings and one hidden layer without biases, of these weights."""
    config = EmbeddingMLPConfig(
        d_embed=W_E.shape[1], combine=combine, hidden_sizes=(W_U.shape[0],), mlp_bias=False, unembed_bias=False
    ).resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])
    return Network(config, {"embed.W_E": W_E, "blocks.0.mlp.W_in": W_in, "unembed.W_U": W_U})
